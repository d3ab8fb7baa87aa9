"""A locale that is not UTF-8: what is not ASCII in the files of the workflow reaches its results as it was written."""

import yaml
from checkout import SMOKE, copy_workflow, run_snakemake

C_LOCALE = {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}
SENTENCE = "SFT \u2013 na\u00efve or not \u2013 masters evaluation"
WITH_COMMENT = ("config.yaml", SMOKE, "workflow/schemas/config.schema.yaml", "envs/selectimprove.yaml")


def test_claim_is_checked_and_told_in_the_c_locale(tmp_path):
    """With comments, a caption and a claim that are not ASCII; of the claims one is left, for the sake of time."""
    checkout = copy_workflow(tmp_path)
    for name in WITH_COMMENT:
        with (checkout / name).open("a", encoding="utf-8") as file:
            file.write("\n# \u2013\n")
    figure = checkout / "workflow/src/selectimprove/presentation/figures/figure2.py"
    figure.write_text(f"""\"\"\"{SENTENCE}\"\"\"\n{figure.read_text(encoding="utf-8")}""", encoding="utf-8")
    file = checkout / "workflow/claims.yaml"
    claim = yaml.safe_load(file.read_text(encoding="utf-8"))["core"]["start_F"] | {"sentence": SENTENCE}
    file.write_text(yaml.safe_dump({"core": {"start_F": claim}}, allow_unicode=True), encoding="utf-8")
    process = run_snakemake(checkout, "claims", "--configfile", SMOKE, **C_LOCALE)
    assert process.returncode == 0, process.stdout
    assert SENTENCE in (checkout / "results/smoke/claims.md").read_text(encoding="utf-8")
    assert SENTENCE.encode("ascii", "backslashreplace").decode() in process.stdout
