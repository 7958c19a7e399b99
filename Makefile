# `make help` lists the targets. Everything lives in .venv and out/; nothing outside the checkout is touched.
PYTHON ?= python3.11
VENV := .venv
PY := $(VENV)/bin/python
BAND := data/band/.complete
MODEL ?= models/live

help:  ## list the targets
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed 's/:.*## /\t/' | expand -t 12

setup: $(VENV)/.installed  ## make the virtual environment and install into it

# tinysoundfont asks for pyaudio, which it only needs to open a sound card and which has no wheel for Linux: --no-deps.
$(VENV)/.installed: requirements.txt pyproject.toml
	@command -v $(PYTHON) >/dev/null || { echo "error: $(PYTHON) not found; install Python 3.11 or say make PYTHON=..."; exit 2; }
	test -x $(PY) || $(PYTHON) -m venv $(VENV)
	$(PY) -m pip install --quiet --disable-pip-version-check -r requirements.txt
	$(PY) -m pip install --quiet --disable-pip-version-check --no-deps tinysoundfont==0.3.7 -e .
	@touch $@

play: $(VENV)/.installed  ## play in the browser: start the server and open its page
	$(PY) serve.py --web --open --model $(MODEL) $(ARGS)

data: $(BAND)  ## build the embedded band (22 songs, about a minute)

$(BAND): $(VENV)/.installed
	$(PY) -m accomp.data.band compose --out data/band
	@touch $@

demo: $(BAND)  ## play 30 s to the server in real time and write out/demo/
	$(PY) -m accomp.server.demo --model $(MODEL) $(ARGS)

# Two tests at once; those in real time one after the other (tests/conftest.py).
TWO := -n 2 --dist loadgroup
test: $(VENV)/.installed  ## run the quick tests
	$(PY) -m pytest $(TWO)

test-all: $(VENV)/.installed  ## run every test but those that need a GPU or Slurm, the commands of the documentation included
	$(PY) -m pytest $(TWO) -m "not gpu and not cluster"

fault-bench: $(VENV)/.installed  ## everything that can go wrong on stage, whole (under 10 minutes on a quiet machine)
	$(PY) -m pytest -m "not gpu and not cluster" --durations=10 tests/server/test_faults.py tests/server/test_abuse.py \
		tests/server/test_record.py tests/server/test_controls.py tests/server/test_state.py tests/test_serve.py

cluster-test: $(VENV)/.installed  ## train on a real one-node Slurm (root; apt-get install slurmctld slurmd slurm-client munge)
	$(PY) -m pytest -m cluster tests/cluster

lock: $(VENV)/.installed  ## pin every package by hash, for Linux: requirements.lock and requirements-play.lock
	$(PY) -m pip install --quiet --disable-pip-version-check uv==0.13.9
	for name in requirements requirements-play; do $(VENV)/bin/uv pip compile --quiet --generate-hashes \
		--python-version 3.11 --python-platform x86_64-manylinux_2_28 $$name.txt -o $$name.lock; done

lint: $(VENV)/.installed  ## check style
	$(VENV)/bin/ruff check . && $(VENV)/bin/ruff format --check .

evaluate: $(BAND)  ## score the shipped model in the three regimes
	$(PY) evaluate.py

latency: $(VENV)/.installed  ## time our cycle beside the paper's network shapes
	$(PY) evaluate.py experiment=latency

clean:  ## remove what runs have written (keeps .venv and data)
	rm -rf out

.PHONY: help setup play data demo test test-all fault-bench cluster-test lock lint evaluate latency clean
