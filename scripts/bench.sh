#!/bin/sh
# Every benchmark, one after another; $1 is the environment.
status=0
for benchmark in refusal start_time memory plan_time compare_time step_time emulation_cost sweep_time; do
    echo "== benchmarks/$benchmark.py"
    "$1/bin/python" "benchmarks/$benchmark.py" || status=1
done
exit $status
