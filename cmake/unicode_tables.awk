# Prints src/regex's Unicode tables as C (unicode.h says what they are). Any awk, in the C locale:
#   awk -f unicode_tables.awk UnicodeData.txt Scripts.txt CaseFolding.txt
# The version of Unicode is that of the files; it is named in the head of what is printed.

function number(hex,    i, value) {
    value = 0
    for (i = 1; i <= length(hex); i++)
        value = value * 16 + index("0123456789ABCDEF", substr(hex, i, 1)) - 1
    return value
}

# A group's ranges come in ascending order; what touches the one before is joined with it.
function add(group, low, high,    last) {
    if (!(group in count)) {
        count[group] = 0
        names[++name_count] = group
    }
    last = count[group]
    if (last > 0 && highs[group, last] + 1 == low)
        highs[group, last] = high
    else {
        count[group] = ++last
        lows[group, last] = low
        highs[group, last] = high
    }
}

FILENAME != before {
    before = FILENAME
    file++
}
file == 1 {
    split($0, field, ";")
    code = number(field[1])
    if (field[2] ~ /, First>$/) {
        first = code
        next
    }
    low = field[2] ~ /, Last>$/ ? first : code
    add(substr(field[3], 1, 1), low, code)
    add(field[3], low, code)
    next
}
file == 2 && FNR == 1 {
    version = $2
    sub(/^Scripts-/, "", version)
    sub(/\.txt$/, "", version)
}
file == 2 && /^[0-9A-F]/ {
    split($1, bound, /\.\./)
    script = $3
    add(script, number(bound[1]), number(bound[2] != "" ? bound[2] : bound[1]))
    bound[2] = ""
}
# C and S are the simple foldings: one character to one.
file == 3 && /^[0-9A-F]+; [CS]; / {
    sub(/;$/, "", $1)
    sub(/;$/, "", $3)
    code = number($1)
    target = number($3)
    if (!(target in orbit))
        orbit[target] = target
    orbit[target] = orbit[target] " " code
}

# Sorts values[1..n]; numbers as numbers, names by bytes.
function sort(values, n,    i, j, value) {
    for (i = 2; i <= n; i++) {
        value = values[i]
        for (j = i - 1; j > 0 && values[j] > value; j--)
            values[j + 1] = values[j]
        values[j + 1] = value
    }
}

# Each member of an orbit leads to the next greater one, the greatest to the least.
function link_orbits(    target, members, n, i) {
    for (target in orbit) {
        n = split(orbit[target], members, " ")
        for (i = 1; i <= n; i++)
            members[i] += 0
        sort(members, n)
        for (i = 1; i <= n; i++)
            follower[members[i]] = members[i % n + 1]
    }
}

function print_groups(    i, j, total) {
    sort(names, name_count)
    print "const struct code_range unicode_ranges[] = {"
    for (i = 1; i <= name_count; i++)
        for (j = 1; j <= count[names[i]]; j++)
            printf "    { 0x%04X, 0x%04X },\n", lows[names[i], j], highs[names[i], j]
    print "};\n\nconst struct unicode_group unicode_groups[] = {"
    total = 0
    for (i = 1; i <= name_count; i++) {
        printf "    { \"%s\", %d, %d },\n", names[i], total, count[names[i]]
        total += count[names[i]]
    }
    printf "};\nconst uint32_t unicode_group_count = %d;\n\n", name_count
}

function print_folds(    code, n) {
    print "const struct unicode_fold unicode_folds[] = {"
    n = 0
    for (code = 0; code < 1114112; code++)
        if (code in follower) {
            printf "    { 0x%04X, 0x%04X },\n", code, follower[code]
            n++
        }
    printf "};\nconst uint32_t unicode_fold_count = %d;\n", n
}

END {
    link_orbits()
    printf "/* Made while building from the data files of Unicode %s. */\n#include \"regex/unicode.h\"\n\n", version
    print_groups()
    print_folds()
}
