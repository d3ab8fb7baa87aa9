"""The RO-Crate of results: valid, whole, the same twice, and refused for what is damaged."""

import json
import shutil
from pathlib import Path

import pytest
import yaml
from crate_checks import check_crate
from synthetic_scores import add_checkpoints, make_scores, make_spec, write_metrics, write_run_scores

from selectimprove.files import write_json
from selectimprove.measurement.scores import join_scores
from selectimprove.presentation.rendering import render_figure
from selectimprove.provenance.crate import METADATA, write_crate
from selectimprove.provenance.records import RECORD

ROOT = Path(__file__).parents[3]
RESULTS = Path("results/tiny")
ARTIFACTS = [RESULTS / "figures/figure2.pdf", RESULTS / "scores.parquet"]
CONFIG = {"preset": "tiny", "rl": {"defaults": {"beta": 0.05}}, "seeds": [0]}


@pytest.fixture
def results(tmp_path, monkeypatch):
    """Make a figure and joined scores of one SFT and one RL run, and return their folder."""
    for name in ("workflow", "envs", "profiles"):
        shutil.copytree(ROOT / name, tmp_path / name)
    shutil.copy(ROOT / "Snakefile", tmp_path)
    monkeypatch.chdir(tmp_path)
    scores = add_checkpoints(make_scores(lambda *cell: 0.5, runs=("FB", "FB_rl_6_9")), RESULTS / "sft")
    files = write_run_scores(scores, RESULTS / "evaluation")
    join_scores(files, ARTIFACTS[1])
    made = [ARTIFACTS[0].with_suffix(f".{suffix}") for suffix in ("pdf", "png", "json")]
    # The config digest of make_spec; that it is checked, test_trace.py tests.
    monkeypatch.setattr("selectimprove.provenance.chain.digest_specs", lambda *_: "c0ffee")
    render_figure(make_spec("figure2", scores), files, write_metrics(scores, RESULTS / "sft"), *made)
    return RESULTS


def test_crate_is_valid_and_has_the_whole_chain(results):
    write_crate(ARTIFACTS, results, CONFIG)
    entities = check_crate(results)
    assert set(entities["#run"]["result"]) == {"figures/figure2.pdf", "figures/figure2.png", "scores.parquet"}
    assert entities["#run"]["object"] == ["workflow/config.yaml"]
    figure = entities["#job/figures/figure2.pdf"]
    assert figure["instrument"] == ["workflow/workflow/scripts/draw.py"]
    assert set(figure["result"]) == {f"figures/figure2.{suffix}" for suffix in ("pdf", "png", "json")}
    assert {"evaluation/FB.parquet", "sft/FB/0/", "sft/FB/seed0/metrics.csv"} < set(figure["object"])
    training = entities["#job/sft/FB_rl_6_9/25"]
    assert training["result"] == ["sft/FB_rl_6_9/25/", "sft/FB_rl_6_9/50/"]
    assert training["object"] == ["sft/FB/0/", "sft/data/task.json", "sft/data/train.jsonl", "#spec/sft/FB_rl_6_9/25"]
    assert json.loads(entities["#spec/sft/FB_rl_6_9/25"]["value"][0]) == {"run": "FB_rl_6_9"}
    assert entities["#job/sft/base"]["result"] == ["sft/base/"]


def test_crate_holds_the_workflow_and_its_configuration(results):
    write_crate(ARTIFACTS, results, CONFIG)
    assert yaml.safe_load((results / "workflow/config.yaml").read_text()) == CONFIG
    for name in (
        "Snakefile",
        "workflow/rules/rl.smk",
        "workflow/src/selectimprove/training/grpo.py",
        "workflow/claims.yaml",
    ):
        assert (results / "workflow" / name).read_bytes() == (ROOT / name).read_bytes()
    assert not list((results / "workflow").rglob("__pycache__"))


def test_crate_written_again_is_the_same(results):
    write_crate(ARTIFACTS, results, CONFIG)
    first = (results / METADATA).read_bytes()
    write_crate(ARTIFACTS, results, CONFIG)
    assert (results / METADATA).read_bytes() == first


@pytest.mark.parametrize("has_record", [False, True])
def test_base_model_from_elsewhere_is_named(results, has_record):
    folder = shutil.copytree(results / "sft/base", "models/base")
    if not has_record:
        (Path(folder) / RECORD).unlink()
    file = results / "sft/FB/0" / RECORD
    record = json.loads(file.read_text())
    record["inputs"]["models/base"] = record["inputs"].pop("results/tiny/sft/base")
    write_json(file, {**record, "spec": {"model": {"source": "models/base"}}})
    write_crate(ARTIFACTS, results, CONFIG)
    entities = check_crate(results)
    assert "#models/base" in entities["#job/sft/FB/0"]["object"]
    assert entities["#models/base"]["name"] == ["models/base"]


def test_damaged_results_are_refused(results):
    (results / "sft/data/train.jsonl").write_text("other")
    with pytest.raises(ValueError, match="results/tiny: 1 of 12 artifacts are not as recorded"):
        write_crate(ARTIFACTS, results, CONFIG)
    assert not (results / METADATA).exists()
