#!/bin/sh
# seeds.sh SIMULATOR COUNT OPTION...: COUNT seeds, or $SIM_SEEDS; shows failures and the sum. Fails
# too if fewer than ten faults a run were injected on average. Each run sees to its operations.
simulator=$1 count=${SIM_SEEDS:-$2}
shift 2
output=$("$simulator" --seed 1 --seeds "$count" "$@") || {
  echo "$output" | grep -v ': OK ' | tail -n 200
  exit 1
}
echo "sim: seeds 1 to $count with $*:"
echo "$output" | sed -n 's/^sum: /sim:   /p'
faults=$(echo "$output" | sed -n 's/^sum: .* \([0-9.]*\) faults injected a run .*/\1/p')
awk -v faults="$faults" 'BEGIN { exit !(faults >= 10) }' || {
  echo "only '$faults' faults a run were injected"
  exit 1
}
