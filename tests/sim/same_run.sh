#!/bin/sh
# same_run.sh SIMULATOR PLANTED SEED...: a seed gives the same output every time, byte for byte: the
# last line and the table of pairs, and the dump of a run that fails.
simulator=$1 planted=$2
shift 2
folder=$(mktemp -d) || exit 1
trap 'rm -r "$folder"' EXIT
for seed in "$@"; do
  for time in first second; do
    "$simulator" --seed "$seed" --ops 2000 --pairs >"$folder/$time" || exit 1
    "$planted" --bug version_stays --seed "$seed" --workload random >>"$folder/$time" && exit 1
  done
  wc -c <"$folder/first"
  cmp "$folder/first" "$folder/second" || exit 1
done
