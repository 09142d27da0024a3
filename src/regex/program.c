/* Syntax trees to programs (see program.h; Thompson, "Regular Expression Search Algorithm", 1968).

   A node is built when what follows it is already there: each function takes the instruction that goes on behind and gives the one to begin
   with. So nothing is patched but the loop of a repeat, and `a?` repeated shares the way out.

       literal  ab     BYTES a -> BYTES b -> next
       class    [ab-c] BYTES a -> next, more; BYTES b-c -> next          in UTF-8: the nodes of utf8_class.h
       x|y             GO x, more; GO y
       x*              s: GO x, more; GO next            x -> s
       x+              the same, begun with x
       x{2,4}          x x (x (x)?)?                     each ? is GO x, more; GO next

   Invariants:
   1. program_size counts exactly the instructions that program_make emits; the memory is allocated once.
   2. `next` is the first of its run: no instruction with MORE comes right before it.
   Threads: any. No locks. */
#include "regex/program.h"
#include "base/memory.h"
#include "regex/utf8_class.h"

#define ASCII_END 0x80u

struct build {
    enum program_flavour flavour;
    bool bytes;
    struct utf8_class class; /* scratch: of the last class */
    const struct syntax_node *class_node;
    struct program *program;
};

/* ---- size ---- */

static uint32_t ascii_part(const uint8_t *bytes, uint32_t size)
{
    uint32_t i = 0;
    while (i < size && bytes[i] < ASCII_END)
        i++;
    return i;
}

static int utf8_class_of(struct build *build, const struct syntax_node *node)
{
    if (build->class_node == node)
        return NACRE_OK; /* the next copy in a counted repeat */
    build->class_node = NULL;
    int status = utf8_class_make(&build->class, node->set.ranges, node->set.count);
    if (status == NACRE_OK)
        build->class_node = node;
    return status;
}

static int size_of(struct build *build, const struct syntax_node *node, uint64_t most, uint64_t *size);

static int size_of_class(struct build *build, const struct syntax_node *node, uint64_t *size)
{
    *size = node->set.count;
    if (build->bytes)
        return NACRE_OK;
    if (build->flavour == PROGRAM_ASCII) {
        while (*size > 1 && node->set.ranges[*size - 1].low >= ASCII_END)
            --*size;
        return NACRE_OK;
    }
    int status = utf8_class_of(build, node);
    *size = build->class.count;
    return status;
}

static int size_of_list(struct build *build, const struct syntax_node *node, uint64_t most, uint64_t *size)
{
    *size = node->kind == SYNTAX_ALTERNATE ? node->list.count : 0;
    for (uint32_t i = 0; i < node->list.count && *size <= most; i++) {
        uint64_t child;
        int status = size_of(build, node->list.children[i], most, &child);
        if (status != NACRE_OK)
            return status;
        *size += child;
    }
    return NACRE_OK;
}

static int size_of_repeat(struct build *build, const struct syntax_node *node, uint64_t most, uint64_t *size)
{
    uint64_t child, least = node->repeat.least, up_to = node->repeat.most;
    int status = size_of(build, node->repeat.child, most, &child);
    if (up_to == REGEX_UNBOUNDED)
        *size = (least ? least : 1) * child + 2;
    else
        *size = up_to * child + 2 * (up_to - least);
    return status;
}

/* *size may be anything over `most` where it is more. Each step stays far below 2^64: counts are below 2^32 and `most` is 32 bits. */
static int size_of(struct build *build, const struct syntax_node *node, uint64_t most, uint64_t *size)
{
    int status = NACRE_OK;
    switch (node->kind) {
    case SYNTAX_EMPTY:
        *size = 0;
        break;
    case SYNTAX_LITERAL:
        *size = node->literal.size;
        if (build->flavour == PROGRAM_ASCII && !build->bytes) {
            *size = ascii_part(node->literal.bytes, node->literal.size);
            *size += *size < node->literal.size;
        }
        break;
    case SYNTAX_CLASS:
        status = size_of_class(build, node, size);
        break;
    case SYNTAX_CONCAT:
    case SYNTAX_ALTERNATE:
        status = size_of_list(build, node, most, size);
        break;
    case SYNTAX_REPEAT:
        status = size_of_repeat(build, node, most, size);
        break;
    default:
        *size = 1;
    }
    if (status == NACRE_OK && *size > most)
        *size = most + 1;
    return status;
}

static int whole_size(struct build *build, const struct syntax_tree *tree, uint32_t most, uint32_t *size)
{
    uint64_t root = 0;
    int status = size_of(build, tree->root, most, &root);
    *size = (uint32_t)(root > most ? most : root) + 1; /* and MATCH */
    return status;
}

int program_size(const struct syntax_tree *tree, enum program_flavour flavour, uint32_t most, uint32_t *size)
{
    struct build build = { .flavour = flavour, .bytes = tree->bytes };
    int status = whole_size(&build, tree, most, size);
    utf8_class_free(&build.class);
    return status;
}

/* ---- instructions ---- */

static uint32_t emit(struct program *program, struct instruction instruction)
{
    program->instructions[program->count] = instruction;
    return program->count++;
}

static uint32_t emit_bytes(struct program *program, unsigned low, unsigned high, unsigned flags, uint32_t next)
{
    return emit(program, (struct instruction){ .next = next,
                                               .kind = INSTRUCTION_BYTES,
                                               .flags = (uint8_t)flags,
                                               .low = (uint8_t)low,
                                               .high = (uint8_t)high });
}

/* Two ways; the first may be set later. */
static uint32_t emit_choice(struct program *program, uint32_t first, uint32_t second)
{
    uint32_t id = emit(program, (struct instruction){ first, INSTRUCTION_GO, INSTRUCTION_MORE, { { 0, 0 } } });
    emit(program, (struct instruction){ second, INSTRUCTION_GO, 0, { { 0, 0 } } });
    return id;
}

static uint32_t emit_assertion(struct program *program, enum assertion assertion, uint32_t next)
{
    program->assertions |= (uint8_t)assertion;
    return emit(program,
                (struct instruction){ .next = next, .kind = INSTRUCTION_ASSERT, .assertion = (uint8_t)assertion });
}

static uint32_t build_literal(struct build *build, const struct syntax_node *node, uint32_t next)
{
    uint32_t size = node->literal.size;
    if (build->flavour == PROGRAM_ASCII && !build->bytes) {
        size = ascii_part(node->literal.bytes, size);
        if (size < node->literal.size)
            next = emit_bytes(build->program, 1, 0, INSTRUCTION_BEYOND, next);
    }
    while (size-- > 0) {
        uint8_t byte = node->literal.bytes[size];
        next = emit_bytes(build->program, byte, byte, 0, next);
    }
    return next;
}

static uint32_t build_narrow_class(struct build *build, const struct syntax_node *node, uint32_t next)
{
    const struct code_range *ranges = node->set.ranges;
    uint32_t count = node->set.count, id = build->program->count, highest = build->bytes ? 0xFF : ASCII_END - 1;
    unsigned beyond = ranges[count - 1].high > highest ? INSTRUCTION_BEYOND : 0;
    if (ranges[0].low > highest)
        return emit_bytes(build->program, 1, 0, beyond, next);
    for (uint32_t i = 0; i < count && ranges[i].low <= highest; i++) {
        bool more = i + 1 < count && ranges[i + 1].low <= highest;
        emit_bytes(build->program, ranges[i].low, ranges[i].high < highest ? ranges[i].high : highest,
                   more ? INSTRUCTION_MORE : beyond, next);
    }
    return id;
}

static int build_class(struct build *build, const struct syntax_node *node, uint32_t next, uint32_t *entry)
{
    if (build->bytes || build->flavour == PROGRAM_ASCII) {
        *entry = build_narrow_class(build, node, next);
        return NACRE_OK;
    }
    int status = utf8_class_of(build, node);
    if (status != NACRE_OK)
        return status;
    const struct utf8_class *class = &build->class;
    uint32_t base = build->program->count;
    for (uint32_t i = 0; i < class->count; i++) {
        const struct utf8_step *step = &class->steps[i];
        emit_bytes(build->program, step->low, step->high, step->more ? INSTRUCTION_MORE : 0,
                   step->target == UTF8_CLASS_ACCEPT ? next : base + step->target);
    }
    *entry = base + class->entry;
    return NACRE_OK;
}

static int build_node(struct build *build, const struct syntax_node *node, uint32_t next, uint32_t *entry);

static int build_concat(struct build *build, const struct syntax_node *node, uint32_t next, uint32_t *entry)
{
    int status = NACRE_OK;
    for (uint32_t i = node->list.count; i-- > 0 && status == NACRE_OK;)
        status = build_node(build, node->list.children[i], next, &next);
    *entry = next;
    return status;
}

static int build_alternate(struct build *build, const struct syntax_node *node, uint32_t next, uint32_t *entry)
{
    uint32_t count = node->list.count, first = build->program->count;
    int status = NACRE_OK;
    for (uint32_t i = 0; i < count; i++) {
        uint8_t flags = i + 1 < count ? INSTRUCTION_MORE : 0;
        emit(build->program, (struct instruction){ 0, INSTRUCTION_GO, flags, { { 0, 0 } } });
    }
    for (uint32_t i = 0; i < count && status == NACRE_OK; i++) {
        uint32_t child = 0;
        status = build_node(build, node->list.children[i], next, &child);
        build->program->instructions[first + i].next = child;
    }
    *entry = first;
    return status;
}

static int build_repeat(struct build *build, const struct syntax_node *node, uint32_t next, uint32_t *entry)
{
    const struct syntax_node *child = node->repeat.child;
    uint32_t least = node->repeat.least, most = node->repeat.most;
    uint32_t behind = next, body;
    int status = NACRE_OK;
    if (most == REGEX_UNBOUNDED) {
        uint32_t loop = emit_choice(build->program, 0, behind);
        if ((status = build_node(build, child, loop, &body)) != NACRE_OK)
            return status;
        build->program->instructions[loop].next = body;
        next = least ? body : loop;
        least = least ? least - 1 : 0;
    } else {
        for (uint32_t i = least; i < most; i++) {
            if ((status = build_node(build, child, next, &body)) != NACRE_OK)
                return status;
            next = emit_choice(build->program, body, behind);
        }
    }
    for (uint32_t i = 0; i < least && status == NACRE_OK; i++)
        status = build_node(build, child, next, &next);
    *entry = next;
    return status;
}

static enum assertion assertion_of(enum syntax_kind kind)
{
    switch (kind) {
    case SYNTAX_BEGIN_TEXT:
        return ASSERT_BEGIN_TEXT;
    case SYNTAX_END_TEXT:
        return ASSERT_END_TEXT;
    case SYNTAX_BEGIN_LINE:
        return ASSERT_BEGIN_LINE;
    case SYNTAX_END_LINE:
        return ASSERT_END_LINE;
    case SYNTAX_WORD_BOUNDARY:
        return ASSERT_BOUNDARY;
    default:
        return ASSERT_NO_BOUNDARY;
    }
}

static int build_node(struct build *build, const struct syntax_node *node, uint32_t next, uint32_t *entry)
{
    switch (node->kind) {
    case SYNTAX_NOTHING:
        *entry = emit(build->program, (struct instruction){ 0, INSTRUCTION_FAIL, 0, { { 0, 0 } } });
        return NACRE_OK;
    case SYNTAX_EMPTY:
        *entry = next;
        return NACRE_OK;
    case SYNTAX_LITERAL:
        *entry = build_literal(build, node, next);
        return NACRE_OK;
    case SYNTAX_CLASS:
        return build_class(build, node, next, entry);
    case SYNTAX_CONCAT:
        return build_concat(build, node, next, entry);
    case SYNTAX_ALTERNATE:
        return build_alternate(build, node, next, entry);
    case SYNTAX_REPEAT:
        return build_repeat(build, node, next, entry);
    default:
        *entry = emit_assertion(build->program, assertion_of(node->kind), next);
        return NACRE_OK;
    }
}

/* ---- classes of bytes ---- */

/* Classes so far: all bytes of one have the same number. */
struct partition {
    uint8_t *classes;
    uint32_t count;
    uint16_t members[256];
    uint64_t seen[1024]; /* a bit for each low << 8 | high that was cut along */
};

/* Cuts every class that is partly in the ranges. */
static void partition_cut(struct partition *p, const struct code_range *ranges, uint32_t count)
{
    uint16_t inside[256] = { 0 };
    int fresh[256];
    for (uint32_t i = 0; i < count; i++) {
        for (uint32_t byte = ranges[i].low; byte <= ranges[i].high; byte++)
            inside[p->classes[byte]]++;
    }
    uint32_t before = p->count;
    for (uint32_t class = 0; class < before; class ++) {
        fresh[class] = -1;
        if (inside[class] == 0 || inside[class] == p->members[class])
            continue;
        fresh[class] = (int)p->count;
        p->members[class] = (uint16_t)(p->members[class] - inside[class]);
        p->members[p->count++] = inside[class];
    }
    for (uint32_t i = 0; i < count; i++) {
        for (uint32_t byte = ranges[i].low; byte <= ranges[i].high; byte++) {
            int class = fresh[p->classes[byte]];
            if (class >= 0)
                p->classes[byte] = (uint8_t) class;
        }
    }
}

static void partition_by_range(struct partition *p, uint8_t low, uint8_t high)
{
    uint32_t bit = (uint32_t)low << 8 | high;
    if (low > high || (p->seen[bit / 64] >> bit % 64 & 1))
        return;
    p->seen[bit / 64] |= 1ull << bit % 64;
    partition_cut(p, &(struct code_range){ low, high }, 1);
}

/* A run of BYTES is disjoint, so it has at most 128 steps that do not touch; 256 in all. */
static void partition_by_run(struct partition *p, const struct instruction *run)
{
    struct code_range ranges[256];
    for (uint32_t i = 0;; i++) {
        bool first = true;
        for (uint32_t j = 0; j < i && first; j++)
            first = run[j].next != run[i].next;
        uint32_t count = 0;
        for (uint32_t j = i; first && run[j].low <= run[j].high; j++) {
            if (run[j].next == run[i].next)
                ranges[count++] = (struct code_range){ run[j].low, run[j].high };
            if (!(run[j].flags & INSTRUCTION_MORE))
                break;
        }
        if (count)
            partition_cut(p, ranges, count);
        if (!(run[i].flags & INSTRUCTION_MORE))
            break;
    }
}

static void partition_by_assertions(struct partition *p, const struct program *program)
{
    static const struct code_range words[4] = { { '0', '9' }, { 'A', 'Z' }, { '_', '_' }, { 'a', 'z' } };
    if (program->assertions & (ASSERT_BEGIN_LINE | ASSERT_END_LINE))
        partition_by_range(p, '\n', '\n');
    if (program->assertions & ASSERT_WORDS)
        partition_cut(p, words, 4);
    if (program->utf8 && (program->assertions & ASSERT_NO_BOUNDARY))
        partition_by_range(p, 0x80, 0xBF); /* \B does not hold within a character */
}

static void classify_bytes(struct program *program)
{
    struct partition p = { .classes = program->classes, .count = 1, .members = { 256 } };
    partition_by_assertions(&p, program);
    bool in_run = false;
    for (uint32_t id = 0; id < program->count; id++) {
        const struct instruction *instruction = &program->instructions[id];
        bool more = instruction->flags & INSTRUCTION_MORE;
        if (instruction->kind == INSTRUCTION_BYTES && !in_run) {
            if (more)
                partition_by_run(&p, instruction);
            else
                partition_by_range(&p, instruction->low, instruction->high);
        }
        in_run = more;
    }
    /* Numbered by their first byte; what is not ASCII comes last by itself. */
    uint8_t number[256];
    bool known[256] = { false };
    uint32_t count = 0, highest = program->whole ? 256 : ASCII_END;
    for (uint32_t byte = 0; byte < highest; byte++) {
        uint8_t class = program->classes[byte];
        if (!known[class]) {
            known[class] = true;
            program->representative[count] = (uint8_t)byte;
            number[class] = (uint8_t)count++;
        }
        program->classes[byte] = number[class];
    }
    if (!program->whole) {
        memset(program->classes + ASCII_END, (int)count, 256 - ASCII_END);
        program->representative[count++] = ASCII_END;
    }
    program->class_count = count;
}

/* ---- */

int program_make(const struct syntax_tree *tree, enum program_flavour flavour, struct program **out)
{
    struct build build = { .flavour = flavour, .bytes = tree->bytes };
    uint32_t size;
    int status = whole_size(&build, tree, UINT32_MAX - 1, &size);
    if (status != NACRE_OK)
        goto done;
    struct program *program = memory_alloc(sizeof *program + (size_t)size * sizeof(struct instruction));
    if (!program) {
        status = NACRE_NO_MEMORY;
        goto done;
    }
    memset(program, 0, sizeof *program);
    program->whole = flavour == PROGRAM_WHOLE || tree->bytes;
    program->utf8 = program->whole && !tree->bytes;
    build.program = program;
    emit(program, (struct instruction){ 0, INSTRUCTION_MATCH, 0, { { 0, 0 } } });
    status = build_node(&build, tree->root, 0, &program->start);
    if (status == NACRE_OK) {
        classify_bytes(program);
        *out = program;
    } else {
        program_free(program);
    }
done:
    utf8_class_free(&build.class);
    return status;
}

void program_free(struct program *program)
{
    memory_free(program);
}
