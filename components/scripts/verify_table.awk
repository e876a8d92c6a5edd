# Two files, declared and found, as scripts/verify.sh describes them, to a table; exits with 1 on any miss.
function miss(check, subject, expected, actual) {
    missed[check]++
    misses = misses sprintf("\nMISS        %s: %s\n  declared  %s\n  found     %s\n  to do     %s\n",
                            check, subject, expected, actual, to_do[check])
}

function unjudged(check, subject, reason) {
    open[check]++
    notes = notes sprintf("\nnot judged  %s: %s: %s\n", check, subject, reason)
}

NR == FNR && $1 == "check" { order[++checks] = $2; to_do[$2] = $3 }
NR == FNR && $1 == "fact" { declared[++facts] = $2 FS $3; value[$2 FS $3] = $4 }
NR == FNR && $1 == "may" { may[$2 FS $3] }
NR == FNR && $1 == "note" { unjudged($2, $3, $4) }
NR == FNR { next }
{ found[$1 FS $2] = $3; seen[++lines] = $1 FS $2 }

END {
    for (i = 1; i <= facts; i++) {
        key = declared[i]
        split(key, part, FS)
        total[part[1]]++
        if (!(key in found)) miss(part[1], part[2], value[key], "nothing")
        else if (found[key] ~ /^not judged: /) unjudged(part[1], part[2], substr(found[key], 13))
        else if (found[key] != value[key]) miss(part[1], part[2], value[key], found[key])
    }
    for (i = 1; i <= lines; i++) {
        key = seen[i]
        split(key, part, FS)
        if (!(key in value) && !(key in may) && !((part[1] FS "*") in may))
            miss(part[1], part[2], "nothing", found[key])
    }
    printf "%-15s %-7s %s\n", "CHECK", "RESULT", "FACTS"
    for (i = 1; i <= checks; i++) {
        check = order[i]
        if (!total[check] && !missed[check] && !open[check]) continue
        result = missed[check] ? "MISS" : total[check] > 0 && total[check] == open[check] ? "-" : "ok"
        printf "%-15s %-7s %d%s%s\n", check, result, total[check],
            missed[check] ? ", " missed[check] " not as declared" : "", open[check] ? ", " open[check] " not judged" : ""
    }
    printf "%s%s", misses, notes
    exit misses != ""
}
