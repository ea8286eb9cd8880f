# `make demo` and `make test` work in a fresh clone: they make .venv first. Nothing is written outside this folder but
# Kafka's libraries (the user's cache folder).
PYTHON ?= python3
RUN := .venv/bin

.DEFAULT_GOAL := help
.PHONY: help setup demo test check faults plants recovery bench matchers peers up down status lock clean

help:
	@echo "make demo     the main job from end to end on real servers, in a folder of its own"
	@echo "make up       start everything and leave it running; make status, make down"
	@echo "make test     every test, on real servers"
	@echo "make check    lint, types, import rules and the tests that need no server"
	@echo "make faults   a storm of faults on a real system, judged by a checker (SEED=7 MINUTES=10)"
	@echo "make plants   known bugs planted one by one: the storms have to catch each (takes about half an hour)"
	@echo "make recovery how long the kill of each process is felt"
	@echo "make bench    the table of speeds, beside other event stores and a plain service (takes about half an hour)"
	@echo "make matchers how well and how fast records are matched, beside other matchers (takes about half an hour)"
	@echo "make peers    fetch those other programs into .peers and say which cannot be had here"
	@echo "make lock     requirements/*.txt anew from pyproject.toml (needs uv)"
	@echo "make clean    remove .venv and what tools left; data in .custlog stays"

setup:
	@$(PYTHON) deploy/install.py

demo: setup
	@$(RUN)/custlog demo

test: setup
	@$(RUN)/python -m pytest

check: setup
	@$(RUN)/ruff check --quiet .
	@$(RUN)/ruff format --check --quiet .
	@$(RUN)/mypy
	@$(RUN)/lint-imports --verbose > .lint-imports.log 2>&1 || { cat .lint-imports.log; exit 1; }
	@$(RUN)/python -m pytest -q -m "not server and not slow"

# A seed chooses every command and every fault; without one another is taken each time, and printed.
faults: setup
	@$(RUN)/python -m tests.faults $(if $(SEED),--seed=$(SEED)) --minutes=$(or $(MINUTES),10)

plants: setup
	@$(RUN)/python -m tests.faults.planted

recovery: setup
	@$(RUN)/python -m tests.faults.recovery

bench: setup
	@$(RUN)/python -m tests.bench

matchers: setup
	@$(RUN)/python -m tests.bench.matchers

peers: setup
	@$(RUN)/python -m tests.bench.peers.install

up down status: setup
	@$(RUN)/custlog $@

# Hashes of every platform's wheels; no address of an index, no path of this machine.
LOCK = uv pip compile --quiet --upgrade --universal --python-version 3.11 --generate-hashes --no-emit-index-url \
       --custom-compile-command "make lock"
lock:
	@command -v uv > /dev/null || { echo "make lock needs the program uv: pip install uv"; exit 1; }
	$(LOCK) pyproject.toml -o requirements/runtime.txt
	$(LOCK) pyproject.toml --extra embedded --group dev -c requirements/runtime.txt -o requirements/development.txt
	$(LOCK) --no-deps requirements/data.in -o requirements/data.txt
	$(LOCK) requirements/peers.in -o requirements/peers.txt
	$(LOCK) requirements/matching-peers.in -o requirements/matching-peers.txt

clean:
	rm -rf .venv .venv.lock .peers .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache .lint-imports.log
	find services shared deploy tests -name __pycache__ -type d -prune -exec rm -rf {} +
