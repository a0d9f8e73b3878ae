# PYTHON=...  the interpreter: 3.10 to 3.13 gives the tf2 stack, 3.7 the tf1 stack
# HOST=1      over the host's own packages (an Ascend 910 host), and so until HOST=0
# ARGS=...    what a run is given
PYTHON ?= python3
ARGS ?=
export PYTHON REQUIRE_TF1
host := $(if $(filter 1,$(HOST)),--host)$(if $(filter 0,$(HOST)),--no-host)
environment = env="$$($(PYTHON) scripts/setup_env.py $(host))"

.DEFAULT_GOAL := help
.PHONY: help setup run sweep check test test-full test-cluster lint dist bench screenshots clean

help: ## show this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

setup: ## make the environment of PYTHON in .venv (HOST=1: over the host's own packages)
	@$(environment) && echo "source $${env#$(CURDIR)/}/bin/activate"

run: ## train on real MNIST with the default experiment, and print the result
	@$(environment) && "$$env/bin/python" -m lenet_exp.run $(ARGS)

sweep: ## train four precision modes with three seeds each (ARGS=... for another sweep)
	@$(environment) && "$$env/bin/python" -m lenet_exp.run -m $(or $(ARGS),experiment=precision_sweep schedule=smoke)

check: ## lint, and the tests that need no TensorFlow: for every save
	@sh scripts/test.sh check

test: ## lint, then the tests on every stack found
	@sh scripts/test.sh

test-full: ## the same with every test on every stack, however slow
	@sh scripts/test.sh full

test-cluster: ## sweeps on a real Slurm and a real Ray, started here and stopped (where they are installed)
	@$(environment) && "$$env/bin/python" -m pytest tests/cluster

lint: ## check format, style, types, layers and sizes
	@$(environment) && sh scripts/lint.sh "$$env"

dist: ## build the sdist and the wheel, into dist/
	@$(environment) && sh scripts/dist.sh "$$env"

bench: ## measure on this machine what a refusal, a start, the memory, a plan, a comparison and a step cost
	@$(environment) && sh scripts/bench.sh "$$env"

screenshots: ## photograph the last sweep of this folder into docs/images (ARGS=sweep=NAME for another)
	@$(environment) && "$$env/bin/python" scripts/screenshots.py $(ARGS)

clean: ## remove caches and build products; results, stores and environments stay
	@rm -rf build dist *.egg-info .pytest_cache .ruff_cache .mypy_cache .import_linter_cache .hypothesis
	@find lenet_exp tests scripts benchmarks -name __pycache__ -type d -exec rm -rf {} +
