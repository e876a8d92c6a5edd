# The targets install what is missing themselves; toolchain/ does the work.
PYTHON ?= python3
STACK ?= dev
CMD ?=
SERVICE ?=
FORCE ?=
UPGRADE ?=
OUT ?=
JOB ?=
POSTGRES_JOB ?=
DESTROY ?=
PYTEST_ARGS ?=
DRIVERS ?=
UPDATE ?=

TOOLCHAIN = @$(PYTHON) -m toolchain
VENV = .venv/bin
TYPED = bench checks components monitoring policy/pack.py policy/pooler_policy review toolchain tests views __main__.py
export CMD

.DEFAULT_GOAL := help
.PHONY: $(shell awk -F: '/^[a-z0-9-]+:.*## / { print $$1 }' $(MAKEFILE_LIST))

help: ## this list
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## / { printf "  make %-17s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

up: ## install what is missing and bring the stack up: a throwaway database and its pooler (STACK=prod: your own database)
	$(TOOLCHAIN) up --stack "$(STACK)"

preview: ## what `make up` would change
	$(TOOLCHAIN) preview --stack "$(STACK)"

policy: ## what `make up` would change, judged by the rules in policy/
	$(TOOLCHAIN) policy --stack "$(STACK)"

review: ## what an update would do, as Markdown for a pull request (OUT=file; DESTROY=1: what `make down` would do)
	$(TOOLCHAIN) python
	@$(VENV)/python -m review write --stack "$(STACK)" --out "$(OUT)" --destroy "$(DESTROY)"

console: ## PgBouncer's admin console (CMD="SHOW POOLS": one command)
	@$(PYTHON) -m toolchain console --stack "$(STACK)" $${CMD:+--cmd "$$CMD"}

ready: ## which lane fits SERVICE=x, from what the live database shows of it (JSON=1 for scripts; exit codes of the views: docs/ready.md)
	$(TOOLCHAIN) python
	@$(VENV)/python -m views ready --stack "$(STACK)" --service "$(SERVICE)" $(if $(JSON),--json)

cutover: ## every service: its lane, where its connections are, what is next (WATCH=1 again and again, JSON=1 for scripts)
	$(TOOLCHAIN) python
	@$(VENV)/python -m views cutover --stack "$(STACK)" $(if $(WATCH),--watch) $(if $(JSON),--json)

watch: ## pools, clients, waits and backends, live (ONCE=1 one look, JSON=1 one look for scripts)
	$(TOOLCHAIN) python
	@$(VENV)/python -m views watch --stack "$(STACK)" $(if $(ONCE),--once) $(if $(JSON),--json)

picture: ## draw docs/watch.svg from a throwaway stack under load
	$(TOOLCHAIN) prepare
	$(VENV)/python -m bench.picture

verify: ## is the running stack what its configuration declares? (`python -m checks verify`: 0 yes, 1 no, 2 cannot be judged)
	$(TOOLCHAIN) python
	@$(VENV)/python -m checks verify --stack "$(STACK)"

drift: ## the same, and what Pulumi, the lanes and the server would have to be put right; changes nothing (for every night)
	$(TOOLCHAIN) python
	@$(VENV)/python -m checks drift --stack "$(STACK)"

db-maintenance: ## run CMD="docker restart timescale_db" while clients wait at the pooler (seconds: PAUSE=30 GRACE=10 READY=120)
	@$(PYTHON) -m toolchain db-maintenance --stack "$(STACK)" --cmd "$$CMD" \
	    --pause "$(PAUSE)" --grace "$(GRACE)" --ready "$(READY)"

down: ## remove the stack, for dev its database too (others refuse while clients are connected; FORCE=1 does not)
	$(TOOLCHAIN) down --stack "$(STACK)" --force "$(FORCE)"

test: ## every test
	$(TOOLCHAIN) prepare
	$(TOOLCHAIN) sweep
	@$(MAKE) --no-print-directory test-unit
	@$(MAKE) --no-print-directory test-integration
	@$(MAKE) --no-print-directory test-e2e
	@$(MAKE) --no-print-directory test-drivers

test-unit: ## pure code and mocks, seconds
	$(TOOLCHAIN) python
	$(VENV)/python -m pytest tests/unit $(PYTEST_ARGS)

test-integration: ## real PgBouncer and Postgres, without Pulumi
	$(TOOLCHAIN) prepare
	$(VENV)/python -m pytest tests/integration $(PYTEST_ARGS)

test-e2e: ## whole stacks with `pulumi up`, under load and with faults
	$(TOOLCHAIN) prepare
	$(VENV)/python -m pytest tests/e2e -m "not alone" --numprocesses=2 --dist=loadfile $(PYTEST_ARGS)
	$(VENV)/python -m pytest tests/e2e -m alone $(PYTEST_ARGS)

test-drivers: ## real drivers of five languages against a real stack (DRIVERS=python,go: some; UPDATE=1: writes the table in docs/)
	$(TOOLCHAIN) prepare
	@DRIVERS="$(DRIVERS)" UPDATE="$(UPDATE)" $(VENV)/python -m pytest tests/drivers $(PYTEST_ARGS)

lint: ## ruff, mypy --strict, and actionlint with shellcheck for the workflows
	$(TOOLCHAIN) python
	$(VENV)/ruff check .
	$(VENV)/ruff format --check .
	$(VENV)/mypy --strict $(TYPED)
	$(VENV)/mypy --strict examples/app-stack # a program of its own: two __main__.py are not one
	$(TOOLCHAIN) lint-workflows

bench: ## what clients notice of each event, as a table (minutes, on a throwaway stack)
	$(TOOLCHAIN) prepare
	$(VENV)/python -m bench.events

image: ## build the images, print their references (FORCE=1: again)
	$(TOOLCHAIN) image --force "$(FORCE)"

scrape rules dashboard:
	$(TOOLCHAIN) python
	@$(VENV)/python -m monitoring $@ --stack "$(STACK)" --out "$(OUT)" --job "$(JOB)" --postgres-job "$(POSTGRES_JOB)"

scrape: ## scrape configuration of the exporters (OUT=FILE; JOB=name)
rules: ## alert rules for Prometheus, thresholds from the stack's budget (OUT=FILE; JOB=, POSTGRES_JOB=: jobs that scrape)
dashboard: ## dashboard for Grafana (OUT=FILE; JOB=, POSTGRES_JOB=)

dashboard-picture: ## docs/dashboard.png from a throwaway stack under load and its Prometheus (minutes)
	$(TOOLCHAIN) prepare
	$(VENV)/python -m bench.dashboard

exporters: ## build the image of the exporters for Prometheus, print its reference (see docs/metrics.md)
	$(TOOLCHAIN) exporters

lock: export UV_CUSTOM_COMPILE_COMMAND = make lock
lock: ## write every requirements.txt from its .in file (UPGRADE=1: newest versions)
	$(TOOLCHAIN) python
	@command -v uv >/dev/null || test -x $(VENV)/uv || $(VENV)/python -m pip install --quiet uv
	@for name in requirements requirements-dev toolchain/cli/go policy/requirements; do \
	    PATH="$$PATH:$(VENV)" uv pip compile --quiet --python-version 3.11 --generate-hashes --no-annotate \
	        $(if $(UPGRADE),--upgrade) $$name.in --output-file $$name.txt || exit 1; \
	done

env: ## what lets plain `pulumi` work in your shell; for `eval` (SERVICE=x: writes .env.<stack>.<x> with its DATABASE_URL)
	$(TOOLCHAIN) env --stack "$(STACK)" --service "$(SERVICE)"

shell: ## a shell in which plain `pulumi` works
	$(TOOLCHAIN) shell --stack "$(STACK)"

engine-stop: ## stop the Docker engine if `make up` started it
	$(TOOLCHAIN) engine-stop

clean-cache: ## remove images, the built CLI and plugins; state and passphrases stay
	$(TOOLCHAIN) clean-cache
