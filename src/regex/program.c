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

struct byte_set {
    uint64_t words[4];
};

/* The classes so far, and sets that were cut along lately: copies of counted repeats bring the same ones again and again. */
struct partition {
    struct byte_set classes[256];
    uint32_t count;
    struct byte_set lately[64];
};

static void set_add(struct byte_set *set, uint32_t low, uint32_t high)
{
    for (uint32_t word = low / 64; word <= high / 64; word++) {
        uint32_t first = word == low / 64 ? low % 64 : 0, last = word == high / 64 ? high % 64 : 63;
        set->words[word] |= ~0ull >> (63 - last + first) << first;
    }
}

static bool set_equal(const struct byte_set *a, const struct byte_set *b)
{
    return memcmp(a, b, sizeof *a) == 0;
}

/* Cuts every class that is partly in the set. */
static void partition_cut(struct partition *p, const struct byte_set *set)
{
    const uint64_t *words = set->words;
    uint64_t mixed = words[0] ^ words[1] * 3 ^ words[2] * 5 ^ words[3] * 7;
    struct byte_set *lately = &p->lately[mixed * 0x9E3779B97F4A7C15u >> 58];
    if (set_equal(lately, set))
        return;
    *lately = *set;
    uint32_t before = p->count;
    for (uint32_t class = 0; class < before; class ++) {
        struct byte_set inside, outside, *all = &p->classes[class];
        uint64_t any_inside = 0, any_outside = 0;
        for (unsigned i = 0; i < 4; i++) {
            any_inside |= inside.words[i] = all->words[i] & words[i];
            any_outside |= outside.words[i] = all->words[i] & ~words[i];
        }
        if (any_inside && any_outside) {
            *all = outside;
            p->classes[p->count++] = inside;
        }
    }
}

static void partition_by_range(struct partition *p, uint8_t low, uint8_t high)
{
    struct byte_set set = { { 0 } };
    if (low > high)
        return;
    set_add(&set, low, high);
    partition_cut(p, &set);
}

/* By the set of bytes to each target. */
static void partition_by_run(struct partition *p, const struct instruction *run)
{
    for (uint32_t i = 0;; i++) {
        bool first = true;
        for (uint32_t j = 0; j < i && first; j++)
            first = run[j].next != run[i].next;
        struct byte_set set = { { 0 } };
        for (uint32_t j = i; first; j++) {
            if (run[j].next == run[i].next)
                set_add(&set, run[j].low, run[j].high);
            if (!(run[j].flags & INSTRUCTION_MORE))
                break;
        }
        if (first)
            partition_cut(p, &set);
        if (!(run[i].flags & INSTRUCTION_MORE))
            break;
    }
}

static void partition_by_assertions(struct partition *p, const struct program *program)
{
    if (program->assertions & (ASSERT_BEGIN_LINE | ASSERT_END_LINE))
        partition_by_range(p, '\n', '\n');
    if (program->assertions & ASSERT_WORDS) {
        struct byte_set words = { { 0 } };
        for (unsigned byte = 0; byte < ASCII_END; byte++) {
            if (byte_is_word(byte))
                set_add(&words, byte, byte);
        }
        partition_cut(p, &words);
    }
    if (program->utf8 && (program->assertions & ASSERT_NO_BOUNDARY))
        partition_by_range(p, 0x80, 0xBF); /* \B does not hold within a character */
}

/* Numbered as they were cut; what is not ASCII comes last by itself in PROGRAM_ASCII, which no instruction reads. */
static void number_classes(const struct partition *p, struct program *program)
{
    uint32_t words = program->whole ? 4 : 2, count = 0;
    for (uint32_t class = 0; class < p->count; class ++) {
        uint32_t byte = 256;
        for (uint32_t word = 0; word < words; word++) {
            for (uint64_t bits = p->classes[class].words[word]; bits; bits &= bits - 1) {
                byte = word * 64 + (uint32_t)__builtin_ctzll(bits);
                program->classes[byte] = (uint8_t)count;
            }
        }
        if (byte < 256)
            program->representative[count++] = (uint8_t)byte;
    }
    if (!program->whole) {
        memset(program->classes + ASCII_END, (int)count, 256 - ASCII_END);
        program->representative[count++] = ASCII_END;
    }
    program->class_count = count;
}

static void classify_bytes(struct program *program)
{
    struct partition p;
    p.count = 1;
    memset(&p.classes[0], 0xFF, sizeof p.classes[0]);
    memset(p.lately, 0, sizeof p.lately); /* the empty set cuts nothing */
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
    number_classes(&p, program);
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
