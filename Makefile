# make reproduce    the tiny preset, from nothing to Table 1 and Figures 2-4
# make test         all tests            make smoke    every rule, in a few minutes
# make env          the virtual environment alone
PYTHON ?= python3
VENV := .venv
SNAKEMAKE := PATH="$(CURDIR)/$(VENV)/bin:$$PATH" snakemake --cores all

.PHONY: reproduce smoke test env

reproduce: env
	$(SNAKEMAKE)
	@cat results/tiny/tables/table1.md

smoke: env
	$(SNAKEMAKE) --configfile workflow/presets/smoke.yaml

test: env
	PATH="$(CURDIR)/$(VENV)/bin:$$PATH" python -m pytest

env: $(VENV)/.installed

$(VENV)/.installed: pyproject.toml envs/constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(VENV)/bin/python -m pip install --quiet --disable-pip-version-check -c envs/constraints.txt -e ".[test]"
	@touch $@
