#!/bin/sh
# Provokes: a storm of forks and execs.
#
# forkexec200.sh [N [CMD]]: starts N (200) copies of CMD (/bin/true) in the background as fast as
# the shell can, waits for all, and says `DONE N`.
n=${1:-200}
i=0
while [ "$i" -lt "$n" ]; do
    "${2:-/bin/true}" &
    i=$((i + 1))
done
wait
echo "DONE $n"
