#!/bin/sh
# not_planted.sh DAEMON PLANTED: only the second has a switch for bugs.
nm -C "$2" | grep -q planted_bug || { echo "$2: no switch, so this test says nothing"; exit 1; }
nm -C "$1" | grep planted && exit 1
exit 0
