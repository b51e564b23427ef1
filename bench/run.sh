#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# run.sh -- measures build/release/skald against what this machine can do at all, and prints a table.
#
#   SIZE=300     megabytes of log lines (one day of invented cluster logs)
#   WORK=DIR     where data and the server's folder lie (.dev/bench); put it on the disk that counts
#   KEEP=1       keep the server's folder
#
# Figures count the server's CPU seconds (/proc/PID/stat, user and system), so that other load on
# the machine disturbs them little. Build first: ./dev build release, or use ./dev bench.
set -euo pipefail
top=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd -P)
load=$top/bench/load
size=${SIZE:-300}
work=${WORK:-$top/.dev/bench}
skald=${SKALD:-$top/build/release/skald}
start=1735689600 # 2025-01-01: the same data on every day

[[ $size =~ ^[0-9]+$ && $size -ge 10 ]] || { echo "SIZE is megabytes, 10 or more" >&2; exit 2; }
[[ -x $skald ]] || { echo "no $skald: ./dev build release" >&2; exit 1; }

make -s -C "$load"
mkdir -p "$work"
day=$work/day-$size
if [[ ! -s $day.push || ! -s $day.json ]]; then
    echo "Making $size MB of log lines ..." >&2
    "$load/mklogs" -b "${size}000000" -t "$start" >"$day.jsonl" 2>"$day.json.tmp"
    "$load/mkpush" -o "$day.push.tmp" "$day.jsonl" >/dev/null
    "$load/rawlines.py" --by-stream <"$day.jsonl" >"$day.lines"
    rm "$day.jsonl"
    mv "$day.push.tmp" "$day.push"
    mv "$day.json.tmp" "$day.json"
fi
if [[ ! -s $day.limits ]]; then
    echo "Measuring the machine ..." >&2
    "$load/limits" "$day.lines" >"$day.limits.tmp"
    mv "$day.limits.tmp" "$day.limits"
fi
exec python3 "$top/bench/measure.py" --skald "$skald" --day "$day" --work "$work" \
    ${KEEP:+--keep}
