"""Publishing a run and the way back: what is copied, what stays, what is refused."""

import pytest
import yaml
from configurations import CONFIG, UNDRAWN, load
from made_jobs import make_job
from synthetic_scores import make_scores, write_run_scores

from selectimprove.__main__ import main
from selectimprove.commands.publish import publish
from selectimprove.experiment.jobs import list_jobs
from selectimprove.measurement.scores import read_scores
from selectimprove.provenance.records import read_record

SCORES = "evaluation/FB/seed1/steps_6_9.parquet"
METRICS = {f"{stage}/{run}/seed1/metrics.csv" for stage, run in (("pretrain", "gf11"), ("sft", "FB"))}
TABLE = {"runs": ["FB"], "suites": ["steps_6_9"]}
EXPERIMENT = load(UNDRAWN | {"seeds": [1], "tables": {"accuracy": TABLE}})
WIDER = load(
    UNDRAWN | {"seeds": [0, 1], "tables": {"accuracy": TABLE, "F": TABLE | {"module": "accuracy", "runs": ["F"]}}}
)


@pytest.fixture
def results(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    folder = tmp_path / "results/tiny"
    for job in list_jobs(WIDER):
        make_job(job, folder, loop=81.4, seconds=87.29)
    for file in folder.rglob("*.parquet"):
        [table] = write_run_scores(make_scores(lambda *cell: 0.5, runs=["F"]).assign(completion="text"), tmp_path)
        table.rename(file)
    for name in ("report.html", "tables/accuracy.md", *METRICS):
        (folder / name).write_text(name)
    return folder


def read_files(folder):
    return {str(file.relative_to(folder)): file.read_bytes() for file in folder.rglob("*") if file.is_file()}


def test_what_the_configuration_names_is_copied_and_what_was_there_before_goes(results, tmp_path):
    target = tmp_path / "published"
    target.mkdir()
    (target / "README.md").write_text("by hand")
    (target / "figure9.pdf").write_text("of an earlier run")
    assert {str(file.relative_to(target)) for file in publish(EXPERIMENT, results, target)} == read_files(target).keys()
    found = read_files(target)
    del found[SCORES]
    assert {name: content.decode() for name, content in found.items()} == {
        "README.md": "by hand",
        "accuracy.md": "tables/accuracy.md",
        "accuracy.csv": "",
        "accuracy.json": "",
        "report.html": "report.html",
        "metrics/pretrain_gf11_seed1.csv": "pretrain/gf11/seed1/metrics.csv",
        "metrics/sft_FB_seed1.csv": "sft/FB/seed1/metrics.csv",
        "jobs.csv": "job,topic,units,loop_seconds,seconds\n"
        "dataset/rl_6_9_seed1,rl_6_9,1,81.4,87.29\n"
        "dataset/sft_FB_seed1,sft_FB,1,81.4,87.29\n"
        "evaluate/FB_seed1_steps_6_9,steps_6_9,1024,81.4,87.29\n"
        "pretrain/gf11_seed1,gf11,72000,81.4,87.29\n"
        "report,report,1,81.4,87.29\n"
        "scores,scores,1,81.4,87.29\n"
        "sft/FB_seed1,sft_FB,12800,81.4,87.29\n"
        "table/accuracy,accuracy,1,81.4,87.29\n",
    }


@pytest.mark.parametrize("name", ["report.html", "tables/accuracy.csv", SCORES, *sorted(METRICS)])
def test_run_that_did_not_end_is_refused_and_what_is_published_stays(results, tmp_path, name):
    publish(EXPERIMENT, results, tmp_path / "published")
    before = read_files(tmp_path / "published")
    (results / name).unlink()
    with pytest.raises(ValueError, match=f"{name}: there is no such file; a run of the same --configfile"):
        publish(EXPERIMENT, results, tmp_path / "published")
    assert read_files(tmp_path / "published") == before


def test_two_files_of_one_name_are_refused(results, tmp_path):
    experiment = load({"tables": CONFIG["tables"] | {"claims": TABLE | {"module": "accuracy"}}})
    with pytest.raises(ValueError, match=r"results/tiny: two files are called claims\.md, and cannot be published"):
        publish(experiment, results, tmp_path / "published")
    assert not (tmp_path / "published").exists()


def test_the_command_takes_the_files_that_snakemake_was_called_with(results, tmp_path, capsys):
    drawn = {section: dict.fromkeys(CONFIG[section]) for section in ("figures", "tables")}
    drawn["tables"]["accuracy"] = TABLE
    (tmp_path / "own.yaml").write_text(yaml.safe_dump({"seeds": [1], "claims": [], **drawn}))
    assert main(["publish", "published", "--configfile", "own.yaml"]) == 0
    assert "8 files in published" in capsys.readouterr().out
    publish(EXPERIMENT, results, tmp_path / "expected")
    assert read_files(tmp_path / "published") == read_files(tmp_path / "expected")
    assert main(["publish", "published"]) == 2
    missing = "results/tiny/figures/figure2.pdf: there is no such file; a run of the same --configfile must have ended"
    assert capsys.readouterr().err == f"{missing}\n"


def test_score_tables_are_published_with_all_but_the_texts(results, tmp_path):
    publish(EXPERIMENT, results, tmp_path / "published")
    own, copy = (folder / SCORES for folder in (results, tmp_path / "published"))
    assert read_record(copy) == read_record(own) != {}
    assert read_scores([own])["completion"].eq("text").all()
    assert read_scores([copy])["completion"].isna().all()
    assert read_scores([copy], with_completions=False).equals(read_scores([own], with_completions=False))


def test_restored_files_lie_where_the_workflow_reads_them_and_those_there_stay(results, tmp_path, capsys):
    publish(EXPERIMENT, results, tmp_path / "published")
    restored = tmp_path / "restored"
    assert main(["restore", str(tmp_path / "published"), str(restored)]) == 0
    assert f"new files in {restored}: 3" in capsys.readouterr().out
    assert read_files(restored) == {
        SCORES: (tmp_path / "published" / SCORES).read_bytes(),
        **{name: name.encode() for name in METRICS},
    }
    before = (results / SCORES).read_bytes()
    (results / "sft/FB/seed1/metrics.csv").unlink()
    assert main(["restore", str(tmp_path / "published"), str(results)]) == 0
    assert f"new files in {results}: 1" in capsys.readouterr().out
    assert (results / SCORES).read_bytes() == before


def test_what_cannot_be_restored_is_refused_before_a_file_is_copied(results, tmp_path, capsys):
    publish(EXPERIMENT, results, tmp_path / "published")
    (tmp_path / "published/metrics/notes.csv").write_text("by hand")
    assert main(["restore", str(tmp_path / "published"), str(tmp_path / "restored")]) == 2
    assert "notes.csv: this is not named <stage>_<run>_seed<k>.csv" in capsys.readouterr().err
    assert main(["restore", str(results / "tables"), str(tmp_path / "restored")]) == 2
    assert f"{results / 'tables'}: there are no score tables" in capsys.readouterr().err
    assert not (tmp_path / "restored").exists()
