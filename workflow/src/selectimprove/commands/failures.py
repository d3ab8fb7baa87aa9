"""Why a job failed, in one sentence, for whoever reads the end of Snakemake's output.

The log of a job begins with its command, as `set -x` prints it, and ends with "exit status N" unless N is 0 (see `call`
in workflow/rules/common.smk); without that line, the job was ended together with its shell. A scheduler's own log of
the job then says by what. Where the log's end gives a reason, that is told, however the process ended after it.
"""

import re
import shutil
import signal
import sys
from pathlib import Path

from selectimprove.experiment.messages import STOPPING

TRACEBACK = "Traceback (most recent call last):\n"
NO_MEMORY = re.compile("MemoryError|allocate memory|out of memory|Cannot allocate", re.IGNORECASE)
KILLED = (
    "killed; memory is the usual cause: run fewer jobs at once, such as --cores 1, or on a machine with more memory"
)
CUT_SHORT = "ended within a step, after SIGTERM asked for its end; run again to go on from its last checkpoint"
INTERRUPTED = "interrupted by SIGINT, as Ctrl-C sends it; run again"
LOGGED = re.compile(r"^\d\d:\d\d:\d\d ", re.MULTILINE)  # a line that a job logs itself (see trainers.prepare_process)
STATUS = re.compile(r"^exit status (\d+)\n\Z", re.MULTILINE)
FAILED_IMPORT = re.compile("Failed to import|Could not import module")  # what was wrong stands in the traceback before

# accelerate's launcher tells of the processes that failed, the first it saw last, or of the signal that it passed on to
# all; what went wrong in each stands before, with its rank if known.
LAUNCHER_ERROR = re.compile(r"^\S+\.ChildFailedError: .*\Z", re.MULTILINE | re.DOTALL)
LAUNCHER_SIGNAL = re.compile(r"^\S+\.SignalException: Process \d+ got signal: (\d+)\s*\Z", re.MULTILINE)
LAUNCHER_FAILURE = re.compile(r"^ +rank +: (\d+).*?^ +exitcode +: (-?\d+)", re.MULTILINE | re.DOTALL)
LAUNCHER_LINE = re.compile(r"^[IWE]\d{4} .*torch/distributed/elastic.*\n", re.MULTILINE)
RANK = re.compile(r"^\[rank(\d+)\]: (.*\n)", re.MULTILINE)
LOST_PEER = re.compile("Connection (?:closed|reset) by peer")  # of a process that was left alone by another that failed

SCHEDULER_MEMORY = re.compile(r"oom.?kill|out.of.memory|exceeded.*memory limit", re.IGNORECASE)
SCHEDULER_RECORD = re.compile(
    rf"^(?:slurmstepd|srun)\S*: error: .*(?:{SCHEDULER_MEMORY.pattern}|CANCELLED).*$", re.MULTILINE | re.IGNORECASE
)
FULL_BELOW = 10e6  # bytes; what a job could not write may be gone by now, or leave a little room that it did not fit in


def find_error(text: str) -> str | None:
    """Return the error that the last traceback ends with; if that is a failed import, the error that it failed by."""
    errors = []
    parts = text.split(TRACEBACK)
    for before, part in zip(parts, parts[1:], strict=False):
        lines = [line for line in part.splitlines() if line.strip()]
        found = [index for index, line in enumerate(lines) if not line[0].isspace()]
        if found and not before.rstrip().rpartition("\n")[2].startswith("Exception ignored in"):
            error = lines[found[0]].rstrip()
            more = lines[found[0] + 1 : found[0] + 2] if error.endswith(":") else []
            errors.append(" ".join([error, *(line.strip() for line in more)]))
    while len(errors) > 1 and FAILED_IMPORT.search(errors[-1]):
        errors.pop()
    return errors[-1] if errors else None


def find_child_log(log_text: str) -> str | None:
    """Return the lines of the process that failed first of those that a launcher started, as a log; None without one.

    It is the first that the launcher saw, unless that only lost its connection to another; where the launcher was sent
    a signal, the first that said why it ended. Its lines are those with its rank if there are any, else all lines
    without a rank.
    """
    text = STATUS.sub("", log_text)
    error = LAUNCHER_ERROR.search(text) or LAUNCHER_SIGNAL.search(text)
    if error is None:
        return None
    text = LAUNCHER_LINE.sub("", text[: error.start()].rpartition(TRACEBACK)[0])
    failed = list(reversed(LAUNCHER_FAILURE.findall(error[0])))
    if error.re is LAUNCHER_SIGNAL:
        ranks = [rank for rank, line in RANK.findall(text) if line == TRACEBACK]
        failed = [(rank, f"-{error[1]}") for rank in [*ranks, "0"]]
    logs = []
    for rank, code in failed:
        own = "".join(line for name, line in RANK.findall(text) if name == rank) or RANK.sub("", text)
        logs.append(f"{own}exit status {code if int(code) >= 0 else 128 - int(code)}\n")
    return next((log for log in logs if not LOST_PEER.search(find_error(log) or "")), logs[0] if logs else None)


def find_last_error(text: str) -> str | None:
    """Return the error that a log ends with; None if the job went on after its last traceback."""
    return None if LOGGED.search(text.rpartition(TRACEBACK)[2]) else find_error(text)


def describe_failure(log_text: str) -> str:
    """Return the cause that the log of a failed job tells of, in one line."""
    log_text = re.sub(r"\A(?:\+ .*\n)+", "", log_text)
    child_log = find_child_log(log_text)
    if child_log is not None:
        return describe_failure(child_log)
    status = STATUS.search(log_text)
    text = STATUS.sub("", log_text)
    was_killed = status is not None and int(status[1]) == 128 + signal.SIGKILL
    error = find_last_error(text) if was_killed else find_error(text)
    last = next((line.strip() for line in reversed(text.splitlines()) if line.strip()), "nothing")
    number = int(status[1]) - 128 if status else 0  # of a signal, if positive
    if error == "KeyboardInterrupt":
        return INTERRUPTED
    if error and NO_MEMORY.search(error):
        return f"{error} (out of memory: run fewer jobs at once, such as --cores 1, or smaller batches)"
    if error:
        return f"{error} (then killed)" if was_killed else error
    if STOPPING in text:
        return f"{CUT_SHORT} (last logged: {last})"
    if was_killed:
        return f"{KILLED} (last logged: {last})"
    if number > 0:
        return f"ended by signal {number} (last logged: {last})"
    return last if status else f"ended without an error message (last logged: {last})"


def describe_record(scheduler_log: str) -> str | None:
    """Return why the scheduler ended a job, by its records among Snakemake's output; None if it did not."""
    records = [match[0] for match in SCHEDULER_RECORD.finditer(scheduler_log)]
    for record in records:
        if SCHEDULER_MEMORY.search(record):
            return f"{record} (killed for its memory: `resources` in the preset says how much it asks for)"
    return records[-1] if records else None


def list_failed(snakemake_log: str) -> list[list[str]]:
    """Return the logs of each job, or group of jobs, that failed and did not succeed at a later attempt."""
    failed: dict[tuple[str, ...], list[str]] = {}
    for event in re.split(r"^(?=\[)", snakemake_log, flags=re.MULTILINE):
        jobs = tuple(re.findall(r"^(?: +|Finished )jobid: (\d+)", event, re.MULTILINE))
        logs = re.findall(r"^ +log: (.+) \(check log file", event, re.MULTILINE)
        if logs:
            failed[jobs] = list(dict.fromkeys(file for line in logs for file in line.split(", ")))
        elif re.search("^Finished jobid", event, re.MULTILINE):
            failed = {others: logs for others, logs in failed.items() if not set(jobs) & set(others)}
    return list(failed.values())


def read_log(file: Path) -> str:
    """Return the text of a log, "" if there is none."""
    return file.read_text(encoding="utf-8", errors="replace") if file.is_file() else ""


def tell_failures(logs: list[str]) -> dict[str, str]:
    """Return what the logs of a failed job or group of jobs tell of it, by log.

    A rule names its log by a relative path, a scheduler its own by an absolute one. Of a group, most jobs did not fail:
    what they logged says neither how nor why they ended.
    """
    told = {}
    for log in logs:
        text = read_log(Path(log))
        if Path(log).is_absolute():
            told[log] = describe_record(text)
        elif STATUS.search(text) or find_last_error(text) or STOPPING in text:
            told[log] = describe_failure(text)
    told = {log: sentence for log, sentence in told.items() if sentence}
    return told or {logs[0]: describe_failure(read_log(Path(logs[0])))}


def print_failures(snakemake_log: Path, results: Path) -> None:
    """Print the log and the failure of each failed job in Snakemake's log, and whether the disk is full."""
    for logs in list_failed(read_log(Path(snakemake_log))):
        for file, sentence in tell_failures(logs).items():
            print(f"{file}: {sentence}", file=sys.stderr)
    free = shutil.disk_usage(results).free
    if free < FULL_BELOW:
        print(f"{results}: the disk is full, {free / 1e6:.1f} MB are free: make room and run again", file=sys.stderr)
