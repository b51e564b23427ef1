# SPDX-License-Identifier: Apache-2.0
# keys.awk -- makes the C table of configuration keys from keys.tsv: a pool of texts, and the keys in
# the file's order (parents before their children, children at once after them).
BEGIN {
    FS = "\t"
    count = 1 # key 0 is the whole document
    name[0] = def[0] = flag[0] = ""
    type[0] = "BLOCK"
    above[0] = 0
    stack[0] = 0
    full[0] = ""
    pool_len = 1
    seen[""] = 0
    print "/* Made by keys.awk from keys.tsv. */"
    print "#include \"config/config_int.h\""
    print "const char sk_config_key_pool[] = {0,"
}
/^#/ { next }
NF == 0 { next }
{
    path = $1
    gsub(/\[\]/, ".[]", path)
    depth = split(path, part, ".")
    if (depth - 1 > top + 0 || full[depth - 1] != substr(path, 1, length(path) - length(part[depth]) - (depth > 1))) {
        print "keys.tsv:" NR ": " $1 " does not follow its parent" > "/dev/stderr"
        failed = 1
        exit 1
    }
    while (top >= depth)
        last[stack[top--]] = count
    name[count] = part[depth]
    type[count] = toupper($2)
    def[count] = $3
    flag[count] = $4
    above[count] = stack[depth - 1]
    stack[depth] = count
    full[depth] = path
    top = depth
    count++
}
function pooled(s,    at, i, c, line) {
    if (s in seen)
        return seen[s]
    at = pool_len
    line = ""
    for (i = 1; i <= length(s); i++) {
        c = substr(s, i, 1)
        if (c == "'" || c == "\\")
            c = "\\" c
        line = line "'" c "',"
    }
    print line "0,"
    pool_len += length(s) + 1
    seen[s] = at
    return at
}
END {
    if (failed)
        exit 1
    while (top >= 0)
        last[stack[top--]] = count
    for (i = 0; i < count; i++) {
        at_name[i] = pooled(name[i])
        at_def[i] = pooled(def[i])
        at_flag[i] = pooled(flag[i])
    }
    print "};"
    print "const struct sk_config_key sk_config_keys[] = {"
    for (i = 0; i < count; i++)
        printf "{%d, %d, %d, %d, %d, SK_KEY_%s},\n", at_name[i], at_def[i], at_flag[i], above[i], last[i], type[i]
    print "};"
    print "const size_t sk_config_key_count = " count ";"
}
