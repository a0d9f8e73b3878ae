#!/bin/sh
# Every benchmark, one after another; $1 is the environment.
status=0
for benchmark in benchmarks/refusal.py benchmarks/memory.py benchmarks/plan_time.py; do
    echo "== $benchmark"
    "$1/bin/python" "$benchmark" || status=1
done
exit $status
