# `make help` lists the targets. Settings are environment variables or arguments: make up PORT=8001

.DEFAULT_GOAL := help
.PHONY: help demo up test faults bench lint setup lock clean

python := .venv/bin/python
install := config/setup/install.sh
# Extra arguments for pytest, such as ARGS="-k relay". With them a part that finds no test (5) is no failure.
ARGS ?=
none_is_fine = $(if $(ARGS),|| [ $$? = 5 ])
# Each worker has a database, a Redis and a data folder of its own. Half of a test's time is waiting: more than cores.
parallel := -n 4
# Whole systems of a dozen processes: a few at a time, and a file's tests share one.
whole := -n 3 --dist loadfile
# The rooms whose statements differ between the databases, without what is about forms, guides, transports and words.
on_postgres := tests/integration/outbox tests/integration/workflows tests/integration/streaming tests/integration/test_migra*.py \
	$(patsubst %,--ignore-glob='*/test_%.py',schemathesis description page_forms problem_pages readme testing* telemetry traces \
	limits sending consumer_order guide* *_guide tickets* manners openai* silent_models) --ignore=tests/integration/workflows/admin
# What a server on the internet sets; `make lint` checks that nothing more is asked for.
production := env -u DEBUG HTTPS=true ALLOWED_HOSTS=longhaul.example.com \
	SECRET_KEY=only-for-this-check-0123456789-abcdefghijklmnopqrstuvwxyz \
	DATABASE_URL=postgres://longhaul:check@db/longhaul REDIS_URL=redis://:check@redis:6379/0

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "  make %-7s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

demo: ## analyse the sample document once, live in the terminal; starts and stops everything itself
	@$(install) runtime
	@$(python) manage.py demo

up: ## start everything and keep it up until Ctrl-C; prints addresses and passwords
	@$(install) runtime
	@$(python) manage.py up

test: ## the whole suite on SQLite; engine, outbox and streams again on PostgreSQL
	@$(install) dev
	$(python) -m pytest $(parallel) tests/test_*.py tests/unit tests/integration $(ARGS) $(none_is_fine)
	$(python) -m tests.postgres -- $(python) -m pytest $(parallel) $(on_postgres) $(ARGS) $(none_is_fine)
	$(python) -m pytest $(whole) tests/acceptance tests/browser $(ARGS) $(none_is_fine)

faults: ## break real processes and look what holds: ARGS="--seed 7 --cells G2.* --quick --list --promises --rolling"
	@$(install) dev
	@$(python) -m tests.faults $(ARGS)

bench: ## measure, each figure against its floor: ARGS="--only relay --quick --json PATH --list --rounds 5 --strict"
	@$(install) dev
	@$(python) -m benchmarks $(ARGS)

lint: ## formatting, style, types, migrations, settings
	@$(install) dev
	$(python) -m ruff check .
	$(python) -m ruff format --check .
	$(python) -m mypy
	DATABASE_URL=sqlite://:memory: $(python) manage.py makemigrations --check --dry-run
	$(production) $(python) manage.py check --deploy --fail-level WARNING

setup: ## only install: .venv for development and missing system packages
	@FORCE=1 $(install) dev

lock: ## make both lock files again from pyproject.toml, with the newest versions it allows
	@$(install) dev
	$(call compile,requirements.txt,pyproject.toml)
	$(call compile,requirements-dev.txt,pyproject.toml --extra dev --constraint requirements.txt)
	$(call compile,config/setup/uv.txt,config/setup/uv.in)

clean: ## remove .venv and caches; the data folder stays
	rm -rf .venv .mypy_cache .ruff_cache .pytest_cache .hypothesis

# Without the index's address: a lock is for every machine. UPGRADE= keeps the versions that the lock has.
UPGRADE ?= --upgrade
define compile
	UV_SYSTEM_CERTS=1 .venv/bin/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url \
		--no-emit-find-links --custom-compile-command "make lock" $(UPGRADE) --output-file $(1) $(2)
endef
