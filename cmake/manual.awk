# SPDX-License-Identifier: Apache-2.0
# Makes the manual page skald(1) of what `skald -help` prints:
#
#   Usage of skald:          the beginning
#     -flag type             two blanks: a flag
#         text               a tab: what it does
#   Anything else:           a heading of the flags that follow

function roff(s) {
    gsub(/\\/, "\\e", s)
    gsub(/-/, "\\-", s)
    gsub(/'/, "\\(aq", s)
    return s ~ /^\./ ? "\\&" s : s
}

BEGIN {
    print ".TH SKALD 1 \"\" \"skald " version "\""
    print ".ad l"
    print ".nh"
    print ".SH NAME"
    print "skald \\- a log store with the API and the file formats of Grafana Loki"
    print ".SH SYNOPSIS"
    print ".B skald"
    print "[\\fIflags\\fR]"
    print ".SH DESCRIPTION"
    print "Takes in logs over HTTP, keeps them in files, and answers queries in LogQL."
    print "Configuration is the one of Loki: a YAML file, and a flag for each of its keys."
    print "Flags win over the file. How the server is run is told by"
    print ".BR skald (8)."
    print ".SH FLAGS"
}

/^Usage of / { next }

/^  -/ {
    name = $1
    rest = substr($0, index($0, name) + length(name) + 1)
    print ".TP"
    print "\\fB" roff(name) "\\fR" (rest == "" ? "" : " \\fI" roff(rest) "\\fR")
    next
}

/^ *\t/ {
    sub(/^ *\t/, "")
    print roff($0)
    next
}

/./ {
    sub(/:$/, "")
    print ".SS \"" roff($0) "\""
}

END {
    print ".SH EXIT STATUS"
    print "0 after a stop by SIGTERM or SIGINT and for flags that only print; another one if the"
    print "configuration is wrong or the server cannot start."
    print ".SH SEE ALSO"
    print ".BR skald (8),"
    print ".BR skaldctl (1)"
}
