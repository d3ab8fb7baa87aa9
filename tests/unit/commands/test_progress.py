"""What is seen of jobs by their files, and the times that follow from it."""

import logging
import shutil
import time

import pytest
from configurations import PRESETS, load
from made_jobs import make_job, write_log

from selectimprove.commands.failures import describe_failure
from selectimprove.commands.progress import (
    LOCKS,
    SILENT_AFTER,
    SILENT_UNLOCKED,
    Observer,
    Rates,
    Sight,
    Timing,
    find_left,
    find_rates,
    format_seconds,
    read_timings,
    schedule,
)
from selectimprove.experiment.config import load_files
from selectimprove.experiment.jobs import Job, list_jobs
from selectimprove.files import write_string
from selectimprove.provenance.marks import mark_folder

STEPS = "12:00:11 step 5/100  loss 0.0003  reward 0.5664  kl 0.0056  2.50 s/step  3:58 left\n"


@pytest.fixture(scope="module")
def jobs():
    return {job.key: job for job in list_jobs(load({}))}


@pytest.fixture
def results(tmp_path):
    """A folder of results that is no copy."""
    mark_folder(tmp_path / "results/tiny")
    return tmp_path / "results/tiny"


def look(jobs, results):
    return Observer(list(jobs.values()), results).look()


def list_undone(jobs, results):
    return {key for key, sight in look(jobs, results).items() if sight.state != "done"}


def list_below(jobs, *keys):
    """Return these jobs, and all that take from them, directly or not."""
    below = set(keys)
    for job in jobs.values():
        if below & set(job.takes):
            below.add(job.key)
    return below


def make_all(jobs, results):
    for job in jobs.values():
        make_job(job, results)


def test_nothing_made_waits_and_nothing_is_written(jobs, tmp_path):
    sights = look(jobs, tmp_path / "results")
    assert {sight.state for sight in sights.values()} == {"waiting"}
    assert not (tmp_path / "results").exists()


def test_everything_made_is_done(jobs, results):
    make_all(jobs, results)
    assert list_undone(jobs, results) == set()


@pytest.mark.parametrize(
    ("path", "key"),
    [
        ("data/sft_F/seed0/task.json", "dataset/sft_F_seed0"),
        ("pretrain/gf11/seed0/checkpoint", "pretrain/gf11_seed0"),
        ("sft/FB/seed0/metrics.csv", "sft/FB_seed0"),
        ("rl/FB_rl_6_9/seed0/checkpoints/step50", "rl/FB_rl_6_9_seed0"),
        ("evaluation/F/seed0/steps_6_9.parquet", "evaluate/F_seed0_steps_6_9"),
        ("figures/figure2.pdf", "figure/figure2"),
        ("tables/table1.json", "table/table1"),
        ("claims.md", "claims"),
        ("scores.parquet", "scores"),
        ("report.html", "report"),
    ],
)
def test_job_of_a_missing_output_is_not_done_nor_what_takes_from_it(jobs, results, path, key):
    make_all(jobs, results)
    gone = results / path
    shutil.rmtree(gone) if gone.is_dir() else gone.unlink()
    assert list_undone(jobs, results) == list_below(jobs, key)
    assert look(jobs, results)[key].state == "waiting"  # its log is that of a job that was done


def test_what_was_made_from_other_settings_is_not_done(jobs, results):
    make_all(jobs, results)
    changed = {job.key: job for job in list_jobs(load({"rl.B_rl_2_5.beta": 0.1}))}
    undone = list_undone(changed, results)
    assert undone == list_below(changed, "rl/B_rl_2_5_seed0")
    assert {"evaluate/B_rl_2_5_seed0_steps_6_9", "table/table1", "claims", "report"} < undone
    assert "figure/figure2" not in undone


def test_what_is_older_than_what_it_takes_is_not_done(jobs, results):
    """As while all that comes after an SFT run is made again; in a copy, times say nothing."""
    make_all(jobs, results)
    make_job(jobs["sft/FB_seed0"], results)
    assert list_undone(jobs, results) == list_below(jobs, "sft/FB_seed0") - {"sft/FB_seed0"}
    shutil.move(results, results.with_name("copied"))
    (results.with_name("copied") / ".folder").write_text("another")
    assert list_undone(jobs, results.with_name("copied")) == set()


def log_steps(*steps):
    """Return the lines that a training logs, through its own callback; steps: (step, values)."""
    from selectimprove.training import trainers

    class State:
        global_step, max_steps = 0, 200

    log = trainers.ProgressLog(every_seconds=0.0)
    log.on_train_begin(None, State, None)
    for step, values in steps:
        State.global_step = step
        log.on_log(None, State, None, logs=values)


def test_job_runs_whose_log_is_fresh_and_has_no_end(jobs, results, caplog):
    caplog.set_level(logging.INFO)
    log_steps((3, {"loss": 0.5}), (120, {"loss": 0.25, "reward": 0.75, "kl": 0.1}))
    lines = "".join(f"12:00:00 {record.getMessage()}\n" for record in caplog.records)
    job = jobs["rl/FB_rl_6_9_seed0"]
    write_log(job, results)
    assert (look(jobs, results)[job.key].state, look(jobs, results)[job.key].step) == ("running", None)
    write_log(job, results, lines)
    sight = look(jobs, results)[job.key]
    assert (sight.state, sight.step, sight.steps) == ("running", 120, 200)
    assert sight.values == {"loss": "0.2500", "reward": "0.7500", "kl": "0.1000"}
    assert sight.seconds_per_step == pytest.approx(0.0, abs=0.02)


def test_log_without_an_end_that_is_no_longer_touched_is_of_a_stopped_job(jobs, results):
    """Sooner where no Snakemake holds its lock, as after Ctrl-C; then one called by hand alone could run."""
    job, lock = jobs["rl/FB_rl_6_9_seed0"], results.parents[1] / LOCKS / "0.output.lock"
    for locked, silent in ((True, SILENT_AFTER), (False, SILENT_UNLOCKED)):
        if locked:
            write_string(lock, "")
        else:
            lock.unlink()
        write_log(job, results, STEPS, age=silent - 10)
        assert look(jobs, results)[job.key].state == "running"
        write_log(job, results, STEPS, age=silent + 10)
        sight = look(jobs, results)[job.key]
        assert (sight.state, sight.step, sight.steps) == ("stopped", 5, 100)
        assert sight.ended == pytest.approx(time.time() - silent - 10, abs=5)


def test_job_whose_log_ends_with_its_status_failed(jobs, results):
    job = jobs["sft/F_seed0"]
    log = "Traceback (most recent call last):\nValueError: x.jsonl: damaged\n\nexit status 1\n"
    write_log(job, results, log)
    sight = look(jobs, results)[job.key]
    assert (sight.state, sight.reason) == ("failed", "ValueError: x.jsonl: damaged")
    assert sight.reason == describe_failure(log)


def test_log_of_other_settings_says_nothing(jobs, results):
    job = jobs["sft/F_seed0"]
    other = {job.key: job for job in list_jobs(load({"sft.F.epochs": 2}))}[job.key]
    write_log(job, results, STEPS, spec=other.spec)
    assert look(jobs, results)[job.key].state == "waiting"


@pytest.mark.parametrize(
    ("lines", "step", "steps"),
    [
        ("12:00:00 going on from results/tiny/resume/rl/a/seed0/1f/checkpoint-75\n", 75, None),
        (f"12:00:00 going on from resume/checkpoint-3\n{STEPS}", 5, 100),
        (f"{STEPS}12:00:12 out of memory: on with 4 rows\n12:00:14 going on from r/checkpoint-2\n", 2, 100),
    ],
)
def test_training_that_goes_on_is_at_the_step_of_its_checkpoint(jobs, results, lines, step, steps):
    job = jobs["rl/FB_rl_6_9_seed0"]
    write_log(job, results, lines)
    sight = look(jobs, results)[job.key]
    assert (sight.state, sight.step, sight.steps) == ("running", step, steps)


def test_evaluation_counts_checkpoints(jobs, results):
    job = jobs["evaluate/FB_rl_6_9_seed0_steps_6_9"]
    write_log(job, results, "19:59:25 FB_rl_6_9 step 25 on steps_6_9: {'evaluation': 0.969}, 0.1 % cut\n")
    sight = look(jobs, results)[job.key]
    assert (sight.state, sight.step, sight.steps) == ("running", 1, 4)


def make_timed(jobs, results):
    """Make the base and data, and two SFT runs: F in 20 seconds of its loop and 10 around it, B in 40 and 20."""
    for job in jobs.values():
        if job.rule in ("dataset", "pretrain"):
            make_job(job, results)
    make_job(jobs["sft/F_seed0"], results, loop=20, seconds=30)
    make_job(jobs["sft/B_seed0"], results, loop=40, seconds=60)


def test_time_of_a_job_is_from_those_of_its_kind(jobs, results):
    make_timed(jobs, results)
    sights = look(jobs, results)
    rates = find_rates(list(jobs.values()), sights, results)
    assert rates.estimate(jobs["sft/F_seed0"]) == pytest.approx(30)
    assert rates.estimate(jobs["sft/FB_seed0"]) == pytest.approx((20 + 40) / 2 + (10 + 20) / 2)
    longer = {job.key: job for job in list_jobs(load({"sft.FB.epochs": 3}))}["sft/FB_seed0"]
    assert rates.estimate(longer) == pytest.approx(3 * 30 + 15)
    assert rates.estimate(longer, factor=2) == pytest.approx(6 * 30 + 15)
    assert rates.estimate(jobs["rl/F_rl_6_9_seed0"]) is None


def test_what_is_around_a_loop_is_known_from_jobs_that_are_done(jobs):
    job = jobs["rl/F_rl_6_9_seed0"]
    running, done = Timing("rl", "rl_6_9", job.units, 200.0, None), Timing("rl", "rl_2_5", job.units, 50.0, 8.0)
    assert Rates([running]).estimate(job) == pytest.approx(200)
    assert Rates([running, done]).estimate(job) == pytest.approx(208)
    assert Rates([done]).estimate(job) == pytest.approx(58)


def test_running_job_tells_its_own_time_and_that_of_others_like_it(jobs, results):
    make_timed(jobs, results)
    running = jobs["rl/F_rl_6_9_seed0"]
    write_log(running, results, STEPS)
    sights = look(jobs, results)
    rates = find_rates(list(jobs.values()), sights, results)
    assert find_left(running, sights[running.key], rates) == pytest.approx(95 * 2.5)
    assert find_left(jobs["rl/B_rl_6_9_seed0"], Sight("waiting"), rates) == pytest.approx(100 * 2.5)


def test_job_that_says_no_rate_is_held_against_others(jobs):
    job = jobs["evaluate/FB_rl_6_9_seed0_steps_6_9"]
    sight = Sight("running", step=1, steps=4, elapsed=20.0)
    like = Rates([Timing("evaluate", "steps_6_9", job.units, 40.0, 10.0)])
    assert find_left(job, sight, like) == pytest.approx(30)
    assert find_left(job, sight, Rates([])) == pytest.approx(60)
    assert find_left(job, Sight("running", step=0, steps=4, elapsed=20.0), Rates([])) is None


def test_training_that_went_on_tells_no_time(jobs, results):
    job, data = jobs["sft/F_seed0"], jobs["dataset/sft_F_seed0"]
    make_job(data, results)
    make_job(job, results, loop=20, seconds=30)
    assert read_timings(results) == {
        data.key: Timing("dataset", "sft_F", 1, 0.0, 10.0),
        job.key: Timing("sft", "sft_F", 12800, 20.0, 10.0),
    }
    log = results / job.log
    log.write_text(f"12:00:00 going on from resume/checkpoint-100\n{log.read_text()}")
    assert set(read_timings(results)) == {data.key}


def test_jobs_of_filtered_data_are_timed_by_the_work_in_them(results):
    jobs = {job.key: job for job in list_jobs(load_files([PRESETS / "smoke.yaml"]))}
    keys = ["dataset/rl_2_5_seed0", "pass_rates/rl_2_5_seed0_FB", "filtered_dataset/rl_2_5_at_0_50_seed0"]
    for key in keys:
        make_job(jobs[key], results)
    timings = read_timings(results)
    assert {key: timing.units for key, timing in timings.items()} == {key: jobs[key].units for key in keys}
    assert timings[keys[1]].units > 1


def make_chain(*jobs):
    """Return jobs from (key, takes, threads)."""
    return [Job(key, key, 1, threads, None, (), (), tuple(takes)) for key, takes, threads in jobs]


def test_jobs_are_laid_out_on_cores_after_what_they_take():
    chain = make_chain(("a", "", 1), ("b", "a", 1), ("c", "a", 1), ("d", "bc", 1))
    seconds = {"a": 10, "b": 20, "c": 30, "d": 5}
    assert schedule(chain, seconds, 1) == 65
    assert schedule(chain, seconds, 2) == 45
    assert schedule(chain, {"c": 30, "d": 5}, 2) == 35
    assert schedule([], {}, 2) == 0
    wide = make_chain(("a", "", 2), ("b", "", 1), ("c", "", 4))
    assert schedule(wide, {"a": 10, "b": 10, "c": 10}, 2) == 30
    assert schedule(wide, {"a": 10, "b": 10, "c": 10}, 4) == 20


def test_seconds_are_told_as_people_do():
    told = {0: "0:00", 43.4: "0:43", 599.9: "9:59", 600: "10 min", 3569: "59 min", 3590: "1 h 00 min"}
    assert {seconds: format_seconds(seconds) for seconds in told} == told
    assert format_seconds(7500) == "2 h 05 min"
