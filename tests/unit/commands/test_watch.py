"""What `watch` shows of jobs made up for it: its lines, its screen, its end."""

import os
import pty
import re
import select
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from configurations import load
from made_jobs import make_job, write_log
from rich.console import Console

from selectimprove.__main__ import main
from selectimprove.commands import watch
from selectimprove.commands.progress import SILENT_AFTER, format_seconds
from selectimprove.commands.watch import Watcher, draw, list_lines
from selectimprove.provenance.marks import mark_folder

RESULTS = Path("results/tiny")
STEPS = "12:00:11 step 25/100  loss 0.0003  reward 0.5664  kl 0.0056  2.00 s/step  2:30 left\n"
SOURCE = Path(watch.__file__).parents[2]


@pytest.fixture
def watcher(tmp_path, monkeypatch):
    """A watcher of the default experiment in a folder of its own."""
    monkeypatch.chdir(tmp_path)
    mark_folder(RESULTS)
    return Watcher(load({}), [])


def find_job(watcher, key):
    return next(job for job in watcher.jobs if job.key == key)


def find_loop(job):
    """Return the seconds that the loop of a made-up job takes."""
    return job.units / 1000 if job.rule in ("pretrain", "sft", "rl", "evaluate") else 0.0


def make(watcher, *rules):
    """Make all jobs of these rules: each takes ten seconds, and those of its loop."""
    for job in watcher.jobs:
        if job.rule in rules:
            make_job(job, RESULTS, find_loop(job), 10 + find_loop(job))


def show(watcher, width=100, height=40):
    """Return the screen as text."""
    console = Console(width=width, height=height, color_system=None)
    with console.capture() as capture:
        console.print(draw(watcher, watcher.look(), height))
    return capture.get()


def test_nothing_was_run(watcher):
    lines = list_lines(watcher, None, watcher.look())
    assert lines == [
        "tiny: 0 of 71 jobs done; not known yet how long the rest takes",
        "nothing runs; to go on: snakemake --cores all",
        "(after a hard kill: first the same with --unlock, then with --rerun-incomplete)",
        "waiting for a run; Ctrl-C ends the watching",
    ]
    screen = show(watcher)
    assert re.search(r"^data +0 of 5 *$", screen, re.MULTILINE)
    assert re.search(r"^evaluate +0 of 42 *$", screen, re.MULTILINE)
    assert "snakemake --cores all" in screen


def test_folder_without_results_is_told(watcher, tmp_path):
    shutil.rmtree("results")
    assert watcher.tell_quiet().splitlines()[1:] == [
        f"(there is no results/tiny in {tmp_path}; a run makes it in the folder it is called in)",
        "waiting for a run; Ctrl-C ends the watching",
    ]


def test_missing_configuration_is_told_in_a_sentence(watcher, capsys):
    assert main(["watch", "--configfile", "smok.yaml"]) == 2
    assert capsys.readouterr().err == "smok.yaml: No such file or directory\n"


def test_command_that_goes_on_names_the_configuration(watcher):
    watcher.config_files = [Path("a b.yaml"), Path("c.yaml")]
    assert "snakemake --cores all --configfile 'a b.yaml' c.yaml\n" in watcher.tell_quiet()


def test_running_job_is_shown_with_its_steps_value_and_time(watcher):
    make(watcher, "dataset", "pretrain", "sft")
    write_log(find_job(watcher, "rl/FB_rl_6_9_seed0"), RESULTS, STEPS)
    lines = list_lines(watcher, None, watcher.look())
    assert lines == [
        # 2:30 of this one, and 100 of its steps of each of the other five.
        "tiny: 9 of 71 jobs done; at least 19 min left, with as many jobs at once as so far; not known yet how long: "
        "evaluate, figure, table, scores, claims, report",
        "rl/FB_rl_6_9_seed0 runs",
    ]
    screen = show(watcher)
    assert re.search(r"^rl/FB_rl_6_9_seed0 +\S+ +step 25/100, reward 0.5664, 2:30 left$", screen, re.MULTILINE)
    assert re.search(r"^sft +\S+ +3 of 3 *$", screen, re.MULTILINE)
    assert "nothing runs" not in screen


def test_whole_is_estimated_where_all_rates_are_known(watcher):
    """Two RL jobs were seen at once and take 150 s more; then follows all that takes from them."""
    make(watcher, *{job.rule for job in watcher.jobs})
    for name in ("FB_rl_6_9", "F_rl_6_9"):
        write_log(find_job(watcher, f"rl/{name}_seed0"), RESULTS, STEPS)
        (RESULTS / f"rl/{name}/seed0/metrics.csv").unlink()
    look = watcher.look()
    waiting = [job for job in watcher.jobs if look.sights[job.key].state == "waiting"]
    assert {job.rule for job in waiting} == {"evaluate", "figure", "table", "claims", "report", "scores"}
    assert watcher.cores == 2
    left = [look.left[job.key] for job in waiting]
    assert left == pytest.approx([find_loop(job) + 10 for job in waiting])
    assert 150 + sum(left) / 2 <= look.whole < 150 + sum(left)
    told = f"; about {format_seconds(look.whole)} left, with as many jobs at once as so far"
    assert watcher.tell_whole(look) == f"tiny: {69 - len(waiting)} of 71 jobs done{told}"


def test_time_of_what_waits_is_told_where_nothing_ran_yet(watcher):
    make(watcher, *{job.rule for job in watcher.jobs})
    for name in ("report.html", "scores.parquet"):
        (RESULTS / name).unlink()
    look = watcher.look()
    assert watcher.tell_whole(look) == "tiny: 69 of 71 jobs done; about 0:20 of jobs left"
    assert look.quiet


def test_what_begins_and_ends_is_a_line_each(watcher):
    make(watcher, "pretrain")
    first, second, third = (find_job(watcher, f"dataset/{name}_seed0") for name in ("sft_F", "sft_B", "sft_FB"))
    write_log(first, RESULTS)
    before = watcher.look()
    make_job(first, RESULTS)
    write_log(second, RESULTS)
    write_log(third, RESULTS, "no room for it\n\nexit status 1\n")
    look = watcher.look()
    *lines, failed = list_lines(watcher, before, look)
    assert lines == ["dataset/sft_F_seed0 is done, 1 of 5 of data", "dataset/sft_B_seed0 runs"]
    assert re.fullmatch(r"dataset/sft_FB_seed0 failed at \d\d:\d\d:\d\d: no room for it", failed)
    assert list_lines(watcher, look, watcher.look()) == []


def test_how_far_all_is_is_told_by_a_clock_of_its_own(watcher, monkeypatch, capsys):
    """Also where jobs begin and end all the while."""
    make(watcher, "dataset", "pretrain")
    write_log(find_job(watcher, "sft/F_seed0"), RESULTS, STEPS)
    begins = iter(["sft/B_seed0", "sft/FB_seed0"])

    def begin_another(started):
        try:
            write_log(find_job(watcher, next(begins)), RESULTS, STEPS)
        except StopIteration:
            raise KeyboardInterrupt from None

    monkeypatch.setattr(watch, "wait", begin_another)
    monkeypatch.setattr(watch, "LINE_EVERY", 0.0)
    with pytest.raises(KeyboardInterrupt):
        watch.watch_lines(watcher)
    told = capsys.readouterr().out
    assert told.count(" runs\n") == 3
    assert told.count(" left\n") == told.count(": step ") == 2 + 1  # of those that ran at the look before
    assert told.count("tiny: 6 of 71 jobs done; at least ") == 1 + 3


def test_stopped_run_is_told(watcher, monkeypatch):
    make(watcher, "dataset", "pretrain", "sft")
    job = find_job(watcher, "rl/FB_rl_6_9_seed0")
    write_log(job, RESULTS, STEPS)
    before = watcher.look()
    write_log(job, RESULTS, STEPS, age=SILENT_AFTER + 1)
    monkeypatch.setattr(watch, "QUIET_AFTER", 0.0)
    lines = list_lines(watcher, before, watcher.look())
    ended = (RESULTS / job.log).stat().st_mtime
    ended = time.strftime("%H:%M:%S" if watch.is_today(ended) else "%Y-%m-%d %H:%M:%S", time.localtime(ended))
    reason = "step 25/100, reward 0.5664, its log has no end, and is no longer touched"
    stopped = f"rl/FB_rl_6_9_seed0 stopped at {ended}: {reason}"
    assert lines[0] == stopped
    assert lines[1] == "nothing runs; to go on: snakemake --cores all"
    screen = show(watcher, width=150)
    assert stopped in screen
    assert "nothing runs" in screen


def test_end_on_another_day_has_its_date(watcher):
    make(watcher, "dataset", "pretrain", "sft")
    job, now = find_job(watcher, "rl/FB_rl_6_9_seed0"), time.time()
    for age, form in ((0, "%H:%M:%S: "), (86_400, "%Y-%m-%d %H:%M:%S: ")):
        write_log(job, RESULTS, f"{STEPS}exit status 1\n")
        os.utime(RESULTS / job.log, (now - age, now - age))
        ended = time.strftime(form, time.localtime(now - age))
        assert watch.tell_end(job, watcher.look()).startswith(f"{job.key} failed at {ended}")


def test_moment_between_two_jobs_is_not_told(watcher):
    job = find_job(watcher, "dataset/sft_F_seed0")
    write_log(job, RESULTS)
    before = watcher.look()
    make_job(job, RESULTS)
    look = watcher.look()
    assert not look.quiet
    assert list_lines(watcher, before, look) == ["dataset/sft_F_seed0 is done, 1 of 5 of data"]


def test_screen_is_no_higher_than_its_terminal(watcher):
    for job in watcher.jobs:
        if job.rule == "evaluate":
            write_log(job, RESULTS)
    screen = show(watcher, height=24)
    assert len(screen.splitlines()) <= 24
    shown = len(re.findall("^evaluate/", screen, re.MULTILINE))
    assert shown > 3
    assert f"and {42 - shown} more" in screen


def start(folder, *arguments, **options):
    environment = {**os.environ, "PYTHONPATH": str(SOURCE), "TERM": "xterm", "COLUMNS": "100", "LINES": "40"}
    return subprocess.Popen(
        [sys.executable, "-m", "selectimprove", "watch", *arguments],
        cwd=folder,
        env=environment,
        **options,
    )


def list_files(folder):
    return {path: path.stat().st_mtime_ns for path in folder.rglob("*")}


def test_command_ends_by_itself_when_all_is_done(watcher, capsys):
    make(watcher, *{job.rule for job in watcher.jobs})
    before = list_files(RESULTS)
    assert main(["watch"]) == 0
    told = capsys.readouterr().out
    assert re.fullmatch(r"\d\d:\d\d:\d\d tiny: 71 of 71 jobs done\nresults/tiny: all 71 jobs are done\n", told)
    assert list_files(RESULTS) == before


def test_interrupt_ends_the_watching_quietly(watcher, tmp_path):
    write_log(find_job(watcher, "dataset/sft_F_seed0"), RESULTS)
    before = list_files(tmp_path)
    with start(tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE, encoding="utf-8") as process:
        lines = [process.stdout.readline() for _ in range(2)]
        process.send_signal(signal.SIGINT)
        _, errors = process.communicate(timeout=30)
    assert lines[1].endswith(" dataset/sft_F_seed0 runs\n")
    assert (process.returncode, errors) == (130, "")
    assert list_files(tmp_path) == before


def read_terminal(process, terminal, until, seconds=30):
    """Return what a process writes to its terminal until the text is there, or until its end for None."""
    text, started = "", time.monotonic()
    while time.monotonic() - started < seconds:
        if select.select([terminal], [], [], 0.1)[0]:
            try:
                text += os.read(terminal, 65536).decode()
            except OSError:  # the other side is closed
                return text
            if until and until in text:
                return text
        elif process.poll() is not None:
            return text
    pytest.fail(f"{until!r} is not shown within {seconds} s: {text!r}")


def test_terminal_shows_one_screen_that_goes_on(watcher, tmp_path):
    """Ended by Ctrl-C of the terminal, it gives back the cursor."""
    job = find_job(watcher, "dataset/sft_F_seed0")
    write_log(job, RESULTS)
    terminal, other = pty.openpty()
    with start(tmp_path, stdout=other, stderr=other, stdin=other) as process:
        os.close(other)
        text = read_terminal(process, terminal, "dataset/sft_F_seed0")
        assert "0 of 5" in text and "snakemake" not in text
        make_job(job, RESULTS)
        text = read_terminal(process, terminal, "1 of 5")
        process.send_signal(signal.SIGINT)
        text += read_terminal(process, terminal, None)
        process.wait(timeout=30)
    os.close(terminal)
    assert process.returncode == 130
    assert text.rindex("\x1b[?25h") > text.rindex("1 of 5")
    assert "Traceback" not in text


def test_mistake_in_the_configuration_is_told_in_a_sentence(watcher, tmp_path, capsys):
    (tmp_path / "changes.yaml").write_text("seeds: []")
    for file, sentence in (("changes.yaml", "seeds"), ("none.yaml", "No such file")):
        assert main(["watch", "--configfile", str(tmp_path / file)]) == 2
        told = capsys.readouterr().err
        assert sentence in told
        assert told.count("\n") == 1
