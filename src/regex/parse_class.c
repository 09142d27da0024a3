/* Classes: [...] with ranges, escapes and named parts; Perl's \d \s \w, POSIX's [:alpha:], and \pN \p{Greek}. Under (?i) each part takes in what
   differs by case alone before it is negated.
   One thread at a time per parser, no locks. */
#include "regex/parser.h"
#include "regex/nodes.h"
#include "regex/unicode.h"

struct ascii_class {
    const char *name;
    struct code_range ranges[4];
    uint32_t count;
};

static const struct ascii_class perl_classes[] = {
    { "d", { { '0', '9' } }, 1 },
    { "s", { { '\t', '\n' }, { '\f', '\r' }, { ' ', ' ' } }, 3 },
    { "w", { { '0', '9' }, { 'A', 'Z' }, { '_', '_' }, { 'a', 'z' } }, 4 },
};

static const struct ascii_class posix_classes[] = {
    { "alnum", { { '0', '9' }, { 'A', 'Z' }, { 'a', 'z' } }, 3 },
    { "alpha", { { 'A', 'Z' }, { 'a', 'z' } }, 2 },
    { "ascii", { { 0, 0x7F } }, 1 },
    { "blank", { { '\t', '\t' }, { ' ', ' ' } }, 2 },
    { "cntrl", { { 0, 0x1F }, { 0x7F, 0x7F } }, 2 },
    { "digit", { { '0', '9' } }, 1 },
    { "graph", { { '!', '~' } }, 1 },
    { "lower", { { 'a', 'z' } }, 1 },
    { "print", { { ' ', '~' } }, 1 },
    { "punct", { { '!', '/' }, { ':', '@' }, { '[', '`' }, { '{', '~' } }, 4 },
    { "space", { { '\t', '\r' }, { ' ', ' ' } }, 2 },
    { "upper", { { 'A', 'Z' } }, 1 },
    { "word", { { '0', '9' }, { 'A', 'Z' }, { '_', '_' }, { 'a', 'z' } }, 4 },
    { "xdigit", { { '0', '9' }, { 'A', 'F' }, { 'a', 'f' } }, 3 },
};

static const struct ascii_class *find_class(const struct ascii_class *classes, size_t count, nacre_slice name)
{
    for (size_t i = 0; i < count; i++)
        if (slice_equal(slice_text(classes[i].name), name))
            return &classes[i];
    return NULL;
}

static int add_named(struct parser *p, const struct code_range *ranges, uint32_t count, bool negated)
{
    bool folded = p->flags & FLAG_IGNORE_CASE;
    if (!negated)
        return char_set_add_all(&p->set, ranges, count, folded);
    char_set_clear(&p->scratch);
    int status = char_set_add_all(&p->scratch, ranges, count, folded);
    if (status == NACRE_OK)
        status = char_set_negate(&p->scratch, syntax_character_max(p->tree));
    return status == NACRE_OK ? char_set_add_all(&p->set, p->scratch.ranges, p->scratch.count, false) : status;
}

/* \pN, \p{Greek}, \P{^Greek}; at the backslash. */
static int parse_property(struct parser *p)
{
    const uint8_t *escape = p->at;
    bool negated = p->at[1] == 'P';
    p->at += 2;
    const uint8_t *name = p->at, *name_end;
    if (p->at < p->end && *p->at == '{') {
        name++;
        name_end = memchr(name, '}', (size_t)(p->end - name));
        if (!name_end)
            return parse_refuse(p, escape, p->end, "a } is missing for the property");
        p->at = name_end + 1;
        if (name < name_end && *name == '^') {
            negated = !negated;
            name++;
        }
    } else {
        if (p->at < p->end)
            parse_character(p);
        name_end = p->at;
    }
    static const struct code_range any = { 0, UNICODE_MAX };
    nacre_slice text = { name, (size_t)(name_end - name) };
    if (slice_equal(text, slice_text("Any")))
        return add_named(p, &any, 1, negated);
    const struct unicode_group *group = unicode_group_find((const char *)name, text.size);
    if (!group)
        return parse_refuse(p, escape, p->at, "there is no such category or script in Unicode");
    return add_named(p, unicode_ranges + group->first, group->count, negated);
}

int parse_named_class(struct parser *p, bool *found)
{
    *found = p->end - p->at >= 2 && p->at[0] == '\\';
    if (!*found)
        return NACRE_OK;
    if (p->at[1] == 'p' || p->at[1] == 'P')
        return parse_property(p);
    uint8_t letter = p->at[1] | 0x20;
    const struct ascii_class *class_ =
        find_class(perl_classes, sizeof perl_classes / sizeof *perl_classes, (nacre_slice){ &letter, 1 });
    *found = class_ != NULL;
    if (!class_)
        return NACRE_OK;
    bool negated = p->at[1] != letter;
    p->at += 2;
    return add_named(p, class_->ranges, class_->count, negated);
}

/* [:alpha:] and [:^alpha:] between brackets; a [: without :] is not one. */
static int parse_posix(struct parser *p, bool *found)
{
    *found = false;
    if (!parse_looks_at(p, "[:"))
        return NACRE_OK;
    const uint8_t *name = p->at + 2;
    const uint8_t *name_end = memmem(name, (size_t)(p->end - name), ":]", 2);
    if (!name_end)
        return NACRE_OK;
    *found = true;
    const uint8_t *at = p->at;
    p->at = name_end + 2;
    bool negated = name < name_end && *name == '^';
    name += negated;
    const struct ascii_class *class_ = find_class(posix_classes, sizeof posix_classes / sizeof *posix_classes,
                                                  (nacre_slice){ name, (size_t)(name_end - name) });
    if (!class_)
        return parse_refuse(p, at, p->at, "there is no such class");
    return add_named(p, class_->ranges, class_->count, negated);
}

static int parse_class_character(struct parser *p, uint32_t *code)
{
    if (*p->at == '\\')
        return parse_escaped_character(p, code);
    *code = parse_character(p);
    return NACRE_OK;
}

/* A character or a range of them. */
static int parse_range(struct parser *p)
{
    const uint8_t *at = p->at;
    uint32_t low, high;
    int status = parse_class_character(p, &low);
    high = low;
    if (status == NACRE_OK && p->end - p->at >= 2 && p->at[0] == '-' && p->at[1] != ']') {
        p->at++;
        status = parse_class_character(p, &high);
    }
    if (status != NACRE_OK)
        return status;
    if (high < low)
        return parse_refuse(p, at, p->at, "the range ends before it begins");
    return p->flags & FLAG_IGNORE_CASE ? char_set_add_folded(&p->set, low, high) : char_set_add(&p->set, low, high);
}

int parse_bracket(struct parser *p)
{
    const uint8_t *bracket = p->at++;
    bool negated = p->at < p->end && *p->at == '^';
    p->at += negated;
    const uint8_t *first = p->at; /* a ] here stands for itself */
    char_set_clear(&p->set);
    int status = NACRE_OK;
    while (status == NACRE_OK && p->at < p->end && (*p->at != ']' || p->at == first)) {
        bool found;
        status = parse_posix(p, &found);
        if (status == NACRE_OK && !found)
            status = parse_named_class(p, &found);
        if (status == NACRE_OK && !found)
            status = parse_range(p);
    }
    if (status != NACRE_OK)
        return status;
    if (p->at == p->end)
        return parse_refuse(p, bracket, p->end, "a ] is missing for the class");
    p->at++;
    if (negated)
        status = char_set_negate(&p->set, syntax_character_max(p->tree));
    return status == NACRE_OK ? parse_push_set(p) : status;
}
