# Every target sets up what it needs; see `make help`.
SHELL := /bin/bash
.DEFAULT_GOAL := help
VENV := .venv
PY := $(VENV)/bin/python
TOOLS := var/audit
DEPLOY_TOOLS := var/audit-deploy
# In this order, file by file: whole stacks last would leave two of three processes idle at the end.
EVERY_TEST := -n 3 --dist loadfile --no-loadscope-reorder tests/integration tests/acceptance tests/browser tests/unit
export PATH := $(CURDIR)/$(VENV)/bin:$(PATH)

FAULTS := kills valkey power poison full services crowd cancels halfbroken histories watchers

.PHONY: help setup demo up analyze doctor test unit fuzz pythons coverage lint audit audit-deploy licences sbom reference house bench faults quality $(FAULTS:%=fault-%)

help: ## This list
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  make %-12s %s\n", $$1, $$2}'

setup: $(VENV)/.ready ## The .venv with everything that runs and tests

# $(1): a venv, $(2): hashed requirements. uv when it is there, else pip; both check the hash of every file they install.
define install
	@test -x $(1)/bin/python || for python in python3 python3.13 python3.12 python3.11; do \
		$$python -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && $$python -m venv $(1) && break; done
	@test -x $(1)/bin/python || { echo "KlipStream needs Python 3.11 or newer with its venv module"; exit 1; }
	@if command -v uv >/dev/null; then VIRTUAL_ENV=$(CURDIR)/$(1) uv pip install -q --require-hashes -r $(2); \
	else $(1)/bin/python -m pip install -q --disable-pip-version-check --require-hashes -r $(2); fi
	@touch $(1)/.ready
endef

$(VENV)/.ready: requirements.txt requirements-dev.txt
	$(call install,$(VENV),requirements-dev.txt)

# The tools that look at what is installed stay out of it.
$(TOOLS)/.ready: requirements-audit.txt
	$(call install,$(TOOLS),requirements-audit.txt)

# checkov pins other versions of what the tools above need.
$(DEPLOY_TOOLS)/.ready: requirements-deploy.txt
	$(call install,$(DEPLOY_TOOLS),requirements-deploy.txt)

demo: setup ## The whole system on the bundled sample, once
	@$(PY) -m flask --app web demo

up: setup ## The whole stack in the foreground, until Ctrl-C
	@$(PY) -m flask --app web up

# The values reach the command as they were typed, through the environment: neither make nor a shell reads them.
override URL := $(value URL)
override CHAT := $(value CHAT)
override CHAT_OFFSET := $(value CHAT_OFFSET)
override JOIN := $(value JOIN)
analyze: export KLIPSTREAM_SOURCE = $(value URL)
analyze: export KLIPSTREAM_CHAT = $(value CHAT)
analyze: export KLIPSTREAM_CHAT_OFFSET = $(value CHAT_OFFSET)
analyze: export KLIPSTREAM_JOIN = $(value JOIN)
analyze: setup ## Submit URL='...' (CHAT='...', CHAT_OFFSET=seconds, JOIN='...', LEARN=no) to the running stack and follow it
	@$(PY) -m flask --app web analyze --follow $(if $(filter no false,$(LEARN)),--no-learn)

doctor: setup ## Check every part and say what to do
	@$(PY) -m flask --app web doctor

test: setup ## Every test
	@$(PY) -m pytest $(EVERY_TEST)

unit: setup ## The tests that need nothing, in seconds
	@$(PY) -m pytest -q -n auto tests/unit

fuzz: setup ## The API asked at random, from another seed each time (SEED=... repeats one)
	@FUZZ_SEED=$(or $(SEED),$$RANDOM) $(PY) -m pytest -s tests/acceptance/test_fuzzed.py

pythons: ## The same on every Python from 3.11 that is here, each in a venv of its own (var/pythons)
	@.ci/pythons

coverage: setup ## Every test, with branch coverage and its floor (pyproject.toml)
	@$(PY) -m coverage erase
	@$(PY) -m pytest -q --cov --cov-report=term $(EVERY_TEST)

reference: setup ## Write the tables of docs/reference.md
	@$(PY) -m tests.reference

house: setup ## Figures of the code, beside those of REV=...
	@$(PY) -m bench.house $(if $(REV),--rev $(REV))

lint: setup ## Format, lint, types, import rules, of Python and JavaScript
	@$(PY) -m ruff format --check .
	@$(PY) -m ruff check .
	@$(PY) -m tests.node biome ci
	@$(PY) -m tests.node tsc -p convex
	@$(PY) -m tests.node tsc -p web
	@$(PY) -m mypy .
	@lint-imports

audit: setup $(TOOLS)/.ready ## Known vulnerabilities of what is pinned; ends with 2 where no advisory database answers
	@$(PY) -m tests.audit --pip-audit $(TOOLS)/bin/pip-audit

audit-deploy: setup $(DEPLOY_TOOLS)/.ready ## hadolint and checkov on the Dockerfile and what the Helm chart makes
	@$(DEPLOY_TOOLS)/bin/hadolint Dockerfile
	@$(PY) -m tests.chart var/chart
	@$(DEPLOY_TOOLS)/bin/checkov --config-file deploy/checkov.yaml --framework kubernetes --directory var/chart
	@$(DEPLOY_TOOLS)/bin/checkov --config-file deploy/checkov.yaml --framework dockerfile --file Dockerfile

licences: setup $(TOOLS)/.ready ## The licence of every package; fails on one that pyproject.toml does not allow
	@$(TOOLS)/bin/pip-licenses --python $(PY)

sbom: $(TOOLS)/.ready ## What the image is made of, as CycloneDX: var/sbom.json
	@$(TOOLS)/bin/cyclonedx-py requirements --pyproject pyproject.toml --output-reproducible -o var/sbom.json requirements.txt

bench: setup ## Benchmarks, as ratios beside a peer in the same run
	@$(PY) -m bench

faults: setup ## Everything dies or fills up once, under load (fixed seed); one alone: make fault-NAME, see Makefile
	@$(PY) -m pytest -s --timeout 1800 $(FAULTS:%=tests/faults/test_%.py)

$(FAULTS:%=fault-%): fault-%: setup
	@$(PY) -m pytest -s --timeout 1800 tests/faults/test_$*.py

quality: setup ## How good the highlights are beside plain peers (DATA=folder, or BURSTS=, CHATS=, INTERVALS= files)
	@$(PY) -m bench.quality_all --data $(or $(DATA),../shared/data) $(if $(BURSTS),--bursts $(BURSTS)) \
		$(if $(CHATS),--chats $(CHATS)) $(if $(INTERVALS),--intervals $(INTERVALS))
