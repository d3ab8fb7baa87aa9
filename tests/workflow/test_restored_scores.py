"""Seeds of several machines are drawn together: from published score tables, without training anything again."""

from checkout import SMOKE, copy_workflow, list_planned_rules, run_snakemake

from selectimprove.commands.publish import publish, restore
from selectimprove.experiment.config import load_files

NUMBERS = ("claims.csv", "tables/table1.csv")  # figures name the commit of their checkout


def test_what_restored_scores_are_enough_for_is_drawn_as_where_they_were_made(checkout, tmp_path):
    folder = copy_workflow(tmp_path / "other")
    results = folder / "results/smoke"
    process = run_snakemake(folder, "--until", "dataset", "--configfile", SMOKE)
    assert process.returncode == 0, process.stdout
    publish(load_files([folder / SMOKE]), checkout / "results/smoke", tmp_path / "published")
    restore(tmp_path / "published", results)
    planned = list_planned_rules(folder, "--configfile", SMOKE)
    assert planned.keys() <= {"all", "figure", "table", "claims", "scores", "report"}, planned
    process = run_snakemake(folder, "--configfile", SMOKE)
    assert process.returncode == 0, process.stdout
    for name in NUMBERS:
        assert (results / name).read_bytes() == (checkout / "results/smoke" / name).read_bytes(), name
    assert (results / "report.html").is_file()
