# make reproduce    the tiny preset, from nothing to Table 1 and Figures 2-4
# make test         all tests            make smoke    every rule, in a few minutes
# make chaos        20 runs of one chain, killed at random moments: do they end where an undisturbed one ends?
# make fuzz         the configuration loader, the reader of completions and the verifier on 100,000 inputs each
# make env          the virtual environment alone
PYTHON ?= python3
VENV := .venv
SNAKEMAKE := PATH="$(CURDIR)/$(VENV)/bin:$$PATH" snakemake --cores all

.PHONY: reproduce smoke test chaos fuzz env

reproduce: env
	$(SNAKEMAKE)
	@cat results/tiny/tables/table1.md

smoke: env
	$(SNAKEMAKE) --configfile workflow/presets/smoke.yaml

test: env
	PATH="$(CURDIR)/$(VENV)/bin:$$PATH" python -m pytest

chaos: env
	PATH="$(CURDIR)/$(VENV)/bin:$$PATH" python tests/chaos.py --rounds 20

fuzz: env
	HYPOTHESIS_PROFILE=fuzz $(VENV)/bin/python -m pytest -m fuzz tests/unit --durations=0

env: $(VENV)/.installed

$(VENV)/.installed: pyproject.toml envs/constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(VENV)/bin/python -m pip install --quiet --disable-pip-version-check -c envs/constraints.txt -e ".[test]"
	@touch $@
