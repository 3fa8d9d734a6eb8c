#!/bin/sh
# seeds.sh SIMULATOR COUNT OPTION...: COUNT seeds, or $SIM_SEEDS; shows failures and the sum.
simulator=$1 count=${SIM_SEEDS:-$2}
shift 2
output=$("$simulator" --seed 1 --seeds "$count" "$@") && { echo "$output" | tail -n 1; exit 0; }
echo "$output" | grep -v ': OK ' | tail -n 200
exit 1
