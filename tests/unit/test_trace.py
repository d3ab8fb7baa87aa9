import shutil
from pathlib import Path

import pytest
from synthetic_scores import add_checkpoints, make_scores, make_spec, write_metrics, write_run_scores

from selectimprove.__main__ import main
from selectimprove.rendering import render_figure


@pytest.fixture
def figure(tmp_path, monkeypatch):
    """Render a figure from fake checkpoints, all paths relative to the current folder, and return its PDF."""
    monkeypatch.chdir(tmp_path)
    scores = add_checkpoints(make_scores(lambda *cell: 0.5), Path("checkpoints"))
    files = write_run_scores(scores, Path("scores"))
    pdf, png, sidecar = (Path("figures") / f"figure2.{suffix}" for suffix in ("pdf", "png", "json"))
    render_figure(make_spec("figure2", scores), files, write_metrics(scores, Path("sft")), pdf, png, sidecar)
    return pdf


def list_verdicts(capsys):
    """Return the printed verdict of each path."""
    lines = [line.split() for line in capsys.readouterr().out.splitlines()]
    return {line[1]: line[0] for line in lines if line[0] in ("matches", "differs", "missing")}


def test_untouched_figure_matches(figure, capsys):
    assert main(["trace", str(figure)]) == 0
    output = capsys.readouterr().out
    assert "function      selectimprove.figures.figure2.draw\n" in output
    assert "config digest c0ffee\n" in output
    assert (
        output.count("matches") == 1 + 6 + 3 + 9
    )  # the PDF, a score file a run, metrics of the SFT runs, the checkpoints
    assert "matches  checkpoints/FB_rl_6_9/50\n" in output


def test_sidecar_stands_for_both_files(figure, capsys):
    assert main(["trace", str(figure.with_suffix(".json"))]) == 0
    verdicts = list_verdicts(capsys)
    assert verdicts["figures/figure2.pdf"] == verdicts["figures/figure2.png"] == "matches"


def test_changed_byte_of_a_checkpoint_differs(figure, capsys):
    weights = Path("checkpoints/B_rl_6_9/25/model.safetensors")
    weights.write_bytes(b"W" + weights.read_bytes()[1:])
    assert main(["trace", str(figure)]) == 1
    verdicts = list_verdicts(capsys)
    assert verdicts.pop("checkpoints/B_rl_6_9/25") == "differs"
    assert set(verdicts.values()) == {"matches"}


def test_missing_checkpoint_and_changed_scores_are_told(figure, capsys):
    shutil.rmtree("checkpoints/F/0")
    Path("scores/F.parquet").write_bytes(b"other")
    assert main(["trace", str(figure)]) == 1
    verdicts = list_verdicts(capsys)
    assert verdicts["checkpoints/F/0"] == "missing"
    assert verdicts["scores/F.parquet"] == "differs"


def test_changed_figure_differs(figure, capsys):
    figure.write_bytes(figure.read_bytes() + b"\n")
    assert main(["trace", str(figure)]) == 1
    assert list_verdicts(capsys)["figures/figure2.pdf"] == "differs"


def test_no_sidecar_is_an_error(figure, capsys):
    figure.with_suffix(".json").unlink()
    assert main(["trace", str(figure)]) == 2
    assert capsys.readouterr().err == (
        "figures/figure2.pdf: cannot be traced, there is no sidecar figures/figure2.json\n"
    )


def test_file_that_the_sidecar_does_not_list_is_an_error(figure, capsys):
    assert main(["trace", str(figure.with_suffix(".svg"))]) == 2
    assert "does not list it" in capsys.readouterr().err


def test_other_json_is_an_error(figure, capsys):
    figure.with_suffix(".json").write_text("{}")
    assert main(["trace", str(figure)]) == 2
    assert "not the sidecar" in capsys.readouterr().err
