#!/bin/sh
# same_run.sh SIMULATOR SEED...: a seed gives the same output every time.
simulator=$1
shift
for seed in "$@"; do
  first=$("$simulator" --seed "$seed" --ops 2000 | tail -n 1)
  second=$("$simulator" --seed "$seed" --ops 2000 | tail -n 1)
  echo "$first"
  [ -n "$first" ] && [ "$first" = "$second" ] || { echo "then: $second"; exit 1; }
done
