"""Publishing a run and the way back: what is copied, what stays, what is refused."""

import pytest
from configurations import load
from made_jobs import make_job
from synthetic_scores import make_scores, write_run_scores

from selectimprove.__main__ import main
from selectimprove.commands.publish import publish
from selectimprove.experiment.jobs import list_jobs
from selectimprove.measurement.scores import read_scores
from selectimprove.provenance.records import read_record

SCORES = "evaluation/FB_rl/seed1/steps_6_9.parquet"


@pytest.fixture
def results(tmp_path):
    files = [
        "figures/figure2.pdf",
        "figures/figure2.json",
        "tables/table1.md",
        "claims.md",
        "report.html",
        "report.json",
    ]
    files += ["scores.parquet", "rl/FB_rl/seed1/metrics.csv", "rl/FB_rl/seed1/checkpoints/step2/model.safetensors"]
    for name in files:
        file = tmp_path / "results" / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(name)
    [table] = write_run_scores(make_scores(lambda *cell: 0.5, runs=["F"]).assign(completion="text"), tmp_path)
    (tmp_path / "results" / SCORES).parent.mkdir(parents=True)
    table.rename(tmp_path / "results" / SCORES)
    for job in list_jobs(load({})):
        if job.key in ("dataset/rl_6_9_seed0", "rl/FB_rl_6_9_seed0", "scores"):
            make_job(job, tmp_path / "made", loop=81.4, seconds=87.29)
    for name in ("logs", "benchmarks"):
        (tmp_path / "made" / name).rename(tmp_path / "results" / name)
    return tmp_path / "results"


def test_what_a_run_shows_is_copied_and_what_was_there_before_goes(results, tmp_path):
    target = tmp_path / "published"
    target.mkdir()
    (target / "README.md").write_text("by hand")
    (target / "figure9.pdf").write_text("of an earlier run")
    publish(results, target)
    found = {str(file.relative_to(target)): file.read_bytes() for file in target.rglob("*") if file.is_file()}
    del found[SCORES]
    assert {name: content.decode() for name, content in found.items()} == {
        "README.md": "by hand",
        "figure2.pdf": "figures/figure2.pdf",
        "figure2.json": "figures/figure2.json",
        "table1.md": "tables/table1.md",
        "claims.md": "claims.md",
        "report.html": "report.html",
        "metrics/rl_FB_rl_seed1.csv": "rl/FB_rl/seed1/metrics.csv",
        "jobs.csv": "job,topic,units,loop_seconds,seconds\n"
        "dataset/rl_6_9_seed0,rl_6_9,1,81.4,87.29\n"
        "rl/FB_rl_6_9_seed0,rl_6_9,25600,81.4,87.29\n"
        "scores,scores,1,81.4,87.29\n",
    }


def test_run_that_did_not_end_is_refused_and_what_is_published_stays(results, tmp_path, capsys):
    publish(results, tmp_path / "published")
    before = sorted((tmp_path / "published").rglob("*"))
    (results / "report.html").unlink()
    assert main(["publish", str(results), str(tmp_path / "published")]) == 2
    assert "there is no report.html" in capsys.readouterr().err
    assert sorted((tmp_path / "published").rglob("*")) == before


def test_two_files_of_one_name_are_refused(results, tmp_path):
    (results / "tables/figure2.json").write_text("a table called figure2")
    with pytest.raises(ValueError, match="one name"):
        publish(results, tmp_path / "published")


def test_score_tables_are_published_with_all_but_the_texts(results, tmp_path):
    publish(results, tmp_path / "published")
    own, copy = (folder / SCORES for folder in (results, tmp_path / "published"))
    assert read_record(copy) == read_record(own) != {}
    assert read_scores([own])["completion"].eq("text").all()
    assert read_scores([copy])["completion"].isna().all()
    assert read_scores([copy], with_completions=False).equals(read_scores([own], with_completions=False))


def test_restored_files_lie_where_the_workflow_reads_them_and_those_there_stay(results, tmp_path, capsys):
    publish(results, tmp_path / "published")
    restored = tmp_path / "restored"
    assert main(["restore", str(tmp_path / "published"), str(restored)]) == 0
    assert f"new files in {restored}: 2" in capsys.readouterr().out
    assert {str(file.relative_to(restored)): file.read_bytes() for file in restored.rglob("*") if file.is_file()} == {
        SCORES: (tmp_path / "published" / SCORES).read_bytes(),
        "rl/FB_rl/seed1/metrics.csv": b"rl/FB_rl/seed1/metrics.csv",
    }
    before = (results / SCORES).read_bytes()
    (results / "rl/FB_rl/seed1/metrics.csv").unlink()
    assert main(["restore", str(tmp_path / "published"), str(results)]) == 0
    assert f"new files in {results}: 1" in capsys.readouterr().out
    assert (results / SCORES).read_bytes() == before


def test_what_cannot_be_restored_is_refused_before_a_file_is_copied(results, tmp_path, capsys):
    publish(results, tmp_path / "published")
    (tmp_path / "published/metrics/notes.csv").write_text("by hand")
    assert main(["restore", str(tmp_path / "published"), str(tmp_path / "restored")]) == 2
    assert "notes.csv: this is not named <stage>_<run>_seed<k>.csv" in capsys.readouterr().err
    assert main(["restore", str(results / "figures"), str(tmp_path / "restored")]) == 2
    assert f"{results / 'figures'}: there are no score tables" in capsys.readouterr().err
    assert not (tmp_path / "restored").exists()
