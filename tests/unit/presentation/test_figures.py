import importlib
import json
import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from synthetic_scores import RL_RUNS, add_checkpoints, make_scores, make_spec, write_metrics, write_run_scores

from selectimprove.experiment.specs import dump_spec
from selectimprove.presentation.figures import figure2, figure3, figure4
from selectimprove.presentation.figures._style import LOOKS, choose_looks
from selectimprove.presentation.rendering import render_figure
from selectimprove.provenance.records import digest_file
from selectimprove.tasks.specs import KINDS

ROOT = Path(__file__).parents[3]
FIGURES = [figure2, figure3, figure4]


def share_correct(run, step, kind, length):
    """Return an accuracy that differs from one run, step, kind and length to the next."""
    start = {"F": 0.0, "B": 0.1, "FB": 0.2}[run.partition("_")[0]]
    return start + step / 250 + 0.05 * KINDS.index(kind) + (length - 6) / 20


@pytest.fixture(scope="module")
def scores():
    return make_scores(share_correct)


def list_lines(axes):
    """Return the lines of a panel by legend label: (x, y), y in percent."""
    return {line.get_label(): (list(line.get_xdata()), list(line.get_ydata())) for line in axes.get_lines()}


def percent(run, kinds, lengths):
    """Return the expected accuracies at steps 0, 25 and 50 in percent."""
    return [
        100 * np.mean([share_correct(run, step, kind, length) for kind in kinds for length in lengths])
        for step in (0, 25, 50)
    ]


def test_figure2_lines_are_the_accuracies(scores):
    lines = list_lines(figure2.draw(scores).axes[0])
    assert list(lines) == [LOOKS[run].label for run in ("F", "B", "FB")]
    for run, look in LOOKS.items():
        steps, accuracy = lines[look.label]
        assert steps == [0, 25, 50]
        assert accuracy == pytest.approx(percent(run, KINDS, range(6, 10)))


def test_figure3_has_a_panel_for_each_kind(scores):
    panels = figure3.draw(scores).axes
    assert [axes.get_title() for axes in panels] == list(KINDS)
    for axes, kind in zip(panels, KINDS, strict=True):
        lines = list_lines(axes)
        for run, look in LOOKS.items():
            assert lines[look.label][1] == pytest.approx(percent(run, [kind], range(6, 10)))


def test_figure4_has_a_line_for_each_length(scores):
    figure = figure4.draw(scores)
    for cell, run in zip(figure.subfigs, LOOKS, strict=True):
        assert cell.get_suptitle() == LOOKS[run].label
        for axes, kind in zip(cell.axes[::2], KINDS, strict=True):
            lines = list_lines(axes)
            assert list(lines) == ["6", "7", "8", "9"]
            for length in range(6, 10):
                assert lines[str(length)][1] == pytest.approx(percent(run, [kind], [length]))
        for axes, kind in zip(cell.axes[1::2], KINDS, strict=True):
            ends = [line.get_ydata()[0] for line in axes.get_lines() if line.get_marker() == "o"]
            assert ends == pytest.approx([percent(run, [kind], [length])[-1] for length in range(6, 10)])


def test_each_of_several_seeds_has_a_thin_line():
    lines = list_lines(figure2.draw(make_scores(share_correct, seeds=(0, 1))).axes[0])
    assert [label for label in lines if "seed" in label and "FB" not in label and "F (" in label] == [
        f"_{LOOKS['F'].label}, seed {seed}" for seed in (0, 1)
    ]


@pytest.mark.parametrize("figure", FIGURES)
@pytest.mark.parametrize("run", ["FB", "FB_rl_6_9"])
def test_missing_run_is_named(figure, run, scores):
    with pytest.raises(ValueError, match="FB"):
        figure.draw(scores[scores["run"] != run])


@pytest.mark.parametrize("figure", [figure3, figure4])
def test_missing_kind_is_named(figure, scores):
    with pytest.raises(ValueError, match="inversion"):
        figure.draw(scores[scores["kind"] == "evaluation"])


def test_figure4_names_a_missing_length(scores):
    gap = (scores["sft_run"] == "B") & (scores["kind"] == "inversion") & (scores["steps"] == 8)
    with pytest.raises(ValueError, match="curve B, kind inversion, steps 8"):
        figure4.draw(scores[~gap])


def test_looks_are_distinct_and_do_not_depend_on_order():
    names = ["sixth", "FB", "F", "fifth", "B", "fourth"]
    looks = choose_looks(names)
    assert looks == choose_looks(reversed(names))
    assert list(looks)[:3] == ["F", "B", "FB"]
    for attribute in ("color", "marker"):
        assert len({getattr(look, attribute) for look in looks.values()}) == len(names)


def test_rendered_files_carry_their_origin(scores, tmp_path):
    scores = add_checkpoints(scores, tmp_path / "checkpoints")
    files = write_run_scores(scores, tmp_path / "scores")
    pdf, png, sidecar = (tmp_path / "out" / f"figure2.{suffix}" for suffix in ("pdf", "png", "json"))
    render_figure(make_spec("figure2", scores), files, write_metrics(scores, tmp_path / "sft"), pdf, png, sidecar)

    record = json.loads(sidecar.read_text())
    assert record["figure"] == "figure2"
    assert record["function"] == "selectimprove.presentation.figures.figure2.draw"
    metrics = sorted((tmp_path / "sft").rglob("*.csv"))
    assert record["scores"] == {str(file): digest_file(file) for file in (*files, *metrics)}
    assert record["files"] == {file.name: digest_file(file) for file in (pdf, png)}
    assert len(record["checkpoints"]) == 9
    first = record["checkpoints"][0]
    assert (first["run"], first["seed"], first["step"]) == ("F", 0, 0)
    assert first["path"] == str(tmp_path / "checkpoints" / "F" / "0")

    in_png = Image.open(png).text
    in_pdf = dict(re.findall(rb"/(Title|Subject|Keywords) \((.*)\)", pdf.read_bytes()))
    assert {name.decode(): text.decode() for name, text in in_pdf.items()}.items() <= in_png.items()
    embedded = json.loads(in_pdf[b"Keywords"])
    assert {name: record[name] for name in ("rule", "function", "commit", "config_digest")}.items() <= embedded.items()
    assert embedded["checkpoints"] == [checkpoint["digest"] for checkpoint in record["checkpoints"]]
    assert b"CreationDate" not in pdf.read_bytes()
    assert sorted(path.name for path in pdf.parent.iterdir()) == ["figure2.json", "figure2.pdf", "figure2.png"]


@pytest.mark.parametrize("figure", FIGURES)
def test_rendering_twice_gives_the_same_bytes(figure, scores, tmp_path):
    name = figure.__name__.rpartition(".")[2]
    spec, files = make_spec(name, scores), write_run_scores(scores, tmp_path)
    metrics = write_metrics(scores, tmp_path / "sft")
    for attempt in ("a", "b"):
        out = tmp_path / attempt
        render_figure(spec, files, metrics, out / f"{name}.pdf", out / f"{name}.png", out / f"{name}.json")
    for suffix in ("pdf", "png", "json"):
        assert digest_file(tmp_path / "a" / f"{name}.{suffix}") == digest_file(tmp_path / "b" / f"{name}.{suffix}")


STYLE = """
font.size: 20
font.family: monospace
figure.dpi: 50
savefig.dpi: 37
savefig.transparent: True
savefig.bbox: tight
axes.facecolor: red
lines.linewidth: 9
pdf.compression: 0
"""


@pytest.mark.parametrize("backend", ["no_such_backend", "module://no_such_module", "cairo"])
def test_rendering_does_not_depend_on_the_settings_of_the_caller(backend, scores, tmp_path):
    """Fails on e4aa0fc: matplotlibrc changed every figure, and an unknown backend was an error."""
    spec, files = make_spec("figure2", scores), write_run_scores(scores, tmp_path / "scores")
    metrics = write_metrics(scores, tmp_path / "sft")
    ours, theirs = ([tmp_path / name / f"figure2.{suffix}" for suffix in ("pdf", "png", "json")] for name in "ab")
    render_figure(spec, files, metrics, *ours)
    (tmp_path / "matplotlibrc").write_text(STYLE)
    (tmp_path / "spec.json").write_text(dump_spec(spec))
    command = [sys.executable, ROOT / "workflow/scripts/draw.py", "figure", "--spec", "spec.json"]
    command += ["--scores", *files, "--metrics", *metrics, "--outputs", *theirs[:2], "--sidecar", theirs[2]]
    settings = {"MPLBACKEND": backend, "MATPLOTLIBRC": str(tmp_path / "matplotlibrc")}
    environment = {**os.environ, **settings, "PYTHONPATH": str(ROOT / "workflow/src")}
    process = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)
    assert process.returncode == 0, process.stderr
    assert list(map(digest_file, theirs)) == list(map(digest_file, ours))


@pytest.mark.parametrize("missing", RL_RUNS)
def test_rendering_needs_every_declared_run_and_leaves_nothing_behind(missing, scores, tmp_path):
    spec = make_spec("figure3", scores)
    files = write_run_scores(scores[scores["run"] != missing], tmp_path / "scores")
    metrics = write_metrics(scores, tmp_path / "sft")
    out = tmp_path / "out"
    with pytest.raises(ValueError, match=f"figure3: there are no scores for run {missing}"):
        render_figure(spec, files, metrics, out / "figure3.pdf", out / "figure3.png", out / "figure3.json")
    assert not out.exists()


def test_bad_score_file_is_named(scores, tmp_path):
    spec, files = make_spec("figure2", scores), write_run_scores(scores, tmp_path)
    metrics = write_metrics(scores, tmp_path / "sft")
    outputs = [tmp_path / f"figure2.{suffix}" for suffix in ("pdf", "png", "json")]
    with pytest.raises(FileNotFoundError, match="lost.parquet: there is no such"):
        render_figure(spec, [*files, tmp_path / "lost.parquet"], metrics, *outputs)
    files[0].write_bytes(files[0].read_bytes()[:-20])
    with pytest.raises(ValueError, match=f"{files[0].name}: this score table is damaged"):
        render_figure(spec, files, metrics, *outputs)
    scores.drop(columns="kind").to_parquet(files[0])
    with pytest.raises(ValueError, match=f"{files[0].name}: this score table has no column 'kind'"):
        render_figure(spec, files, metrics, *outputs)


@pytest.mark.parametrize(
    "module", ["presentation.rendering", "presentation.figures.figure4", "presentation.tables.table1", "__main__"]
)
def test_drawing_does_not_import_torch(module):
    importlib.import_module(f"selectimprove.{module}")
    check = f"import sys, selectimprove.{module}; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", check], check=False).returncode == 0
