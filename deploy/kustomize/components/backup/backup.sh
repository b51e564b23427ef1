#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# backup.sh FROM TO DAYS -- copies the folder of a running skald (or Loki) for a later start on the copy.
#
# The log goes first: what moves from it into chunks meanwhile is then in both copies, and the replay knows
# repeats. Chunk and index files never change once they have a name, so only new ones are copied. Copies of
# chunks older than DAYS are removed; let that be more than the retention period.
set -eu
from=$1 to=$2 days=$3
mkdir -p "$to/chunks"
rm -rf "$to/wal.new"
# A segment may go away under cp: then its lines are in chunks already.
cp -a "$from/wal" "$to/wal.new" || echo "some of the log was flushed meanwhile, going on"
rm -rf "$to/wal"
mv "$to/wal.new" "$to/wal"
find "$to/chunks" -type f -mtime "+$days" -exec rm -f {} +
(cd "$from/chunks" && find . -type f) | while read -r file; do
    if [ ! -e "$to/chunks/$file" ]; then
        mkdir -p "$to/chunks/${file%/*}"
        # Under another name first: a copy that was cut off must not look like a whole file.
        if cp -p "$from/chunks/$file" "$to/chunks/${file%/*}/.part"; then
            mv "$to/chunks/${file%/*}/.part" "$to/chunks/$file"
        else
            echo "$file went away meanwhile"
        fi
    fi
done
sync
du -s "$to" | sed 's/^/kilobytes: /'
