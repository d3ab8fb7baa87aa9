"""What the three training stages share: trainer settings, progress, resume, metrics and finished checkpoints.

Trainer checkpoints with optimizer state lie in a resume folder outside the declared outputs, since Snakemake deletes
the outputs of a failed job. Each is written in a folder beside them and moved there when it is whole, with the digests
of its files. Beside them lie the metrics of the steps so far, for whoever looks at a run that trains or was stopped.
When training ends, the checkpoints to keep are copied out, and the resume folder is deleted.
"""

import fcntl
import hashlib
import json
import logging
import math
import os
import shutil
import signal
import stat
import sys
import threading
import time
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import datasets
import pandas as pd
import torch
import transformers
from accelerate import PartialState
from accelerate.utils import gather_object
from accelerate.utils.memory import clear_device_cache, should_reduce_batch_size
from transformers import PrinterCallback, Trainer, TrainerCallback, TrainerState, set_seed
from transformers.integrations import get_reporting_integration_callbacks

from selectimprove.experiment.messages import STOPPING
from selectimprove.experiment.specs import digest_specs
from selectimprove.files import put_in_place, write_json, write_whole
from selectimprove.provenance.records import RECORD, digest_checkpoint, digest_file, find_commit, make_record
from selectimprove.seeds import hash_seed
from selectimprove.training.models import load_model, load_tokenizer

KEPT_FILES = ("*.safetensors", "*config.json", "tokenizer*", "special_tokens_map.json", "chat_template.jinja")

WRITING = "writing"  # the folder, in the resume folder, where a checkpoint grows
DIGESTS = "digests.json"  # of the files of a trainer checkpoint, beside them
METRICS_SO_FAR = "metrics.csv"  # in the resume folder, beside the checkpoints

STDERR = 2  # the file descriptor
TOUCHED_EVERY = 10.0  # seconds

IGNORED = -100  # the label of a token without loss

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Curves:
    """Where the curves of a training are drawn while it runs. It is not in the spec, since no result depends on it.

    trackers: by their names in transformers; folder: <preset>/tensorboard/<stage>/<run>/seed<k> in the results, where
    TensorBoard's files go. Other trackers keep what they get where their own settings say.
    """

    trackers: list[str]
    folder: Path


def prepare_process(threads: int, processes: int = 1) -> None:
    """Set up a process of a job, one of `processes`: its threads, log lines to stderr, no bars but on a terminal.

    Its log is touched every ten seconds, to its end.

    Raises RuntimeError if the launcher started another number of processes.
    """
    started = int(os.environ.get("WORLD_SIZE", "1"))
    if started != processes:
        raise RuntimeError(f"{started} processes were started (WORLD_SIZE), but the spec says {processes}")
    find_commit()  # now, since the checkout may be at another one when training ends
    torch.set_num_threads(threads)
    level = logging.INFO if os.environ.get("RANK", "0") == "0" else logging.WARNING
    logging.basicConfig(level=level, format="%(asctime)s %(message)s", datefmt="%H:%M:%S", stream=sys.stderr)
    for name in ("httpx", "datasets", "accelerate"):
        logging.getLogger(name).setLevel(logging.WARNING)
    threading.Thread(target=touch_log, daemon=True).start()
    transformers.logging.set_verbosity_error()
    warnings.filterwarnings("ignore", category=FutureWarning, module="transformers|trl")
    if not sys.stderr.isatty():
        transformers.logging.disable_progress_bar()
        datasets.disable_progress_bars()


def touch_log() -> None:
    """Set the time of the file that stderr goes to, a job's log, again and again: whoever looks sees that it runs."""
    while stat.S_ISREG(os.fstat(STDERR).st_mode):
        os.utime(STDERR)
        time.sleep(TOUCHED_EVERY)


@contextmanager
def log_loop() -> Iterator[None]:
    """Log how long the body, a job's training or evaluation loop, took: benchmarks/workflow.py adds these up."""
    started = time.monotonic()
    yield
    logger.info("loop took %.1f s on %d threads", time.monotonic() - started, torch.get_num_threads())


def find_resume_folder(root: Path, spec: Any, inputs: dict[str, str]) -> Path:
    """Return the resume folder for exactly this spec and these inputs: state of any other is never picked up."""
    digests = "".join([digest_specs(spec), *sorted(inputs.values())])
    return Path(root) / hashlib.sha256(digests.encode()).hexdigest()[:16]


def seed_training(*key: str | int) -> int:
    """Seed Python, numpy and torch by `key` and return the seed, which the trainer must get as well: it seeds again."""
    seed = hash_seed(*key) % 2**32  # the largest that numpy takes
    set_seed(seed)
    return seed


def trainer_settings(spec: Any, resume_folder: Path, seed: int) -> dict[str, Any]:
    """Return the settings that every stage passes to its TRL config."""
    on_gpu = torch.cuda.is_available()
    return {
        "output_dir": str(Path(resume_folder) / WRITING),
        "seed": seed,
        "data_seed": seed,
        "learning_rate": spec.learning_rate,
        "save_strategy": "steps",
        "save_steps": spec.checkpoint_every,
        "logging_steps": 1,
        "logging_nan_inf_filter": False,  # else StopOnBadLoss is shown 0 for a loss that is no number
        "bf16": on_gpu,
        "use_cpu": not on_gpu,
        "gradient_checkpointing": None,  # TRL switches it on; transformers' default, off, takes over
        "disable_tqdm": not sys.stderr.isatty(),
        "report_to": [],
    }


class ProgressLog(TrainerCallback):
    """Plain log lines with rate and remaining time, where there is no terminal for a progress bar."""

    def __init__(self, every_seconds: float = 10.0):
        self.every_seconds = every_seconds
        self.started = self.last = 0.0
        self.first_step = 0

    def on_train_begin(self, args, state, control, **kwargs):
        self.started = self.last = time.monotonic()
        self.first_step = state.global_step

    def on_log(self, args, state, control, logs=None, **kwargs):
        now = time.monotonic()
        done = state.global_step - self.first_step
        if not logs or "loss" not in logs or not done:
            return
        if now - self.last < self.every_seconds and state.global_step < state.max_steps:
            return
        self.last = now
        seconds_per_step = (now - self.started) / done
        remaining = seconds_per_step * (state.max_steps - state.global_step)
        shown = {name: logs[name] for name in ("loss", "reward", "kl") if logs.get(name) is not None}
        values = "  ".join(f"{name} {float(value):.4f}" for name, value in shown.items())
        logger.info(
            "step %d/%d  %s  %.2f s/step  %d:%02d left",
            state.global_step,
            state.max_steps,
            values,
            seconds_per_step,
            *divmod(math.ceil(remaining), 60),
        )


class StopOnBadLoss(TrainerCallback):
    """Stop a run whose loss is no longer a number, before a checkpoint of it is written.

    Nor its gradient, which the update has put into the weights by then.
    """

    def on_log(self, args, state, control, logs=None, **kwargs):
        for name, words in (("loss", "loss"), ("grad_norm", "norm of the gradient")):
            value = (logs or {}).get(name)
            if value is not None and not math.isfinite(float(value)):
                raise FloatingPointError(f"the {words} is {value} at step {state.global_step}; lower the learning rate")


class SealCheckpoints(TrainerCallback):
    """Moves each trainer checkpoint, whole and with its digests, from where it is written to the resume folder."""

    def on_save(self, args, state, control, **kwargs):
        PartialState().wait_for_everyone()  # each process writes the state of its own random numbers
        if state.is_world_process_zero:
            written = Path(args.output_dir) / f"checkpoint-{state.global_step}"
            seal_checkpoint(written)
            sealed = written.parent.with_name(written.name)
            shutil.rmtree(sealed, ignore_errors=True)
            written.replace(sealed)
        PartialState().wait_for_everyone()


class StopOnTermination(TrainerCallback):
    """On SIGTERM, ends training after the step at hand, with a checkpoint: within a step none could be gone on from."""

    def __init__(self):
        self.requested = False

    def request(self, *_: Any) -> None:
        self.requested = True
        logger.info(STOPPING)  # now: who sent the signal may kill the process before the step is done

    def on_step_end(self, args, state, control, **kwargs):
        if any(gather_object([self.requested])):  # by any process: none can go on without the others
            control.should_save = control.should_training_stop = True


class WriteMetrics(TrainerCallback):
    """Writes the metrics so far with each checkpoint."""

    def __init__(self, file: Path, names: dict[str, str]):
        self.file = file
        self.names = names

    def on_train_begin(self, args, state, control, **kwargs):
        logger.info("metrics so far: %s, written with each checkpoint", self.file)

    def on_save(self, args, state, control, **kwargs):
        if state.is_world_process_zero and state.log_history:
            write_metrics(state, self.file, self.names)


def digest_files(folder: Path) -> dict[str, str]:
    """Return the digest of each file of a trainer checkpoint by name."""
    files = (path for path in sorted(Path(folder).rglob("*")) if path.is_file() and path.name != DIGESTS)
    return {str(path.relative_to(folder)): digest_file(path) for path in files}


def seal_checkpoint(folder: Path) -> None:
    """Write the digests of a trainer checkpoint's files beside them."""
    write_json(folder / DIGESTS, digest_files(folder))


def is_whole(checkpoint: Path) -> bool:
    """Return whether a trainer checkpoint has the files, to the byte, that it was sealed with."""
    try:
        sealed = json.loads((checkpoint / DIGESTS).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return False
    return sealed == digest_files(checkpoint)


def find_last_checkpoint(folder: Path) -> Path | None:
    """Return the last trainer checkpoint up to which all are whole, or None; those after it are passed over."""
    checkpoints = sorted(folder.glob("checkpoint-*"), key=lambda path: int(path.name.partition("-")[2]))
    last = None
    for checkpoint in checkpoints:
        if not is_whole(checkpoint):
            logger.warning("%s is damaged: going on from %s", checkpoint, last.name if last else "the start")
            break
        last = checkpoint
    return last


@contextmanager
def lock_folder(folder: Path) -> Iterator[None]:
    """Keep other jobs out of a resume folder, such as one that outlived the workflow that started it.

    Raises RuntimeError if there is one. The lock ends with its process, however that ends. Some network file systems
    have no locks: there, that is logged.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "lock").open("wb") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise RuntimeError(f"{folder}: another process is training here; wait for its end, or end it") from error
        except OSError as error:
            logger.warning("%s: cannot be locked (%s): let no other process train here", folder, error.strerror)
        yield


def add_trackers(trainer: Trainer, curves: Curves, goes_on: bool) -> None:
    """Have trackers draw the curves of a training, named <stage>/<run>/seed<k>.

    goes_on: whether it goes on from a checkpoint; else TensorBoard's files of a training before it are removed.
    """
    os.environ["TENSORBOARD_LOGGING_DIR"] = str(curves.folder)
    trainer.args.run_name = "/".join(curves.folder.parts[-3:])
    if not goes_on and trainer.is_world_process_zero():
        for file in curves.folder.glob("events.out.tfevents.*"):
            file.unlink()
    for tracker in get_reporting_integration_callbacks(curves.trackers):
        trainer.add_callback(tracker)


def run_trainer(trainer: Trainer, metrics: dict[str, str], curves: Curves | None = None) -> None:
    """Train to the end, from the last trainer checkpoint if there is one.

    metrics: as the names of write_metrics. They are written to METRICS_SO_FAR in the resume folder with each checkpoint
    and where training ends early. curves: None where none are drawn.

    Raises RuntimeError if training stopped before its end, after SIGTERM and with a checkpoint saved, or if another
    job is training in its resume folder.
    """
    resume_folder = Path(trainer.args.output_dir).parent
    if not sys.stderr.isatty():
        trainer.remove_callback(PrinterCallback)
        trainer.add_callback(ProgressLog())
    trainer.add_callback(StopOnBadLoss())
    termination = StopOnTermination()
    trainer.add_callback(termination)
    trainer.add_callback(SealCheckpoints())
    writing = WriteMetrics(resume_folder / METRICS_SO_FAR, metrics)
    trainer.add_callback(writing)
    with lock_folder(resume_folder) if trainer.is_world_process_zero() else nullcontext():
        last = find_last_checkpoint(resume_folder)
        if last is not None:
            logger.info("going on from %s", last)
        if curves is not None:
            add_trackers(trainer, curves, goes_on=last is not None)
        earlier_handler = signal.signal(signal.SIGTERM, termination.request)
        try:
            with log_loop():
                trainer.train(resume_from_checkpoint=str(last) if last else None)
        except BaseException:  # a fault or Ctrl-C, after the last checkpoint
            writing.on_save(trainer.args, trainer.state, trainer.control)
            raise
        finally:
            signal.signal(signal.SIGTERM, earlier_handler)
    if trainer.state.global_step < trainer.state.max_steps:
        done = f"{trainer.state.global_step} of {trainer.state.max_steps}"
        raise RuntimeError(
            f"training was stopped at step {done}; run again to go on from its last checkpoint; "
            f"its metrics so far are in {writing.file}"
        )


def train_within_memory(
    make_trainer: Callable[[int], Trainer],
    rows: int,
    processes: int,
    metrics: dict[str, str],
    curves: Curves | None = None,
) -> Trainer:
    """Train to the end, with half the rows in a micro-batch each time that memory runs out; return the last trainer.

    make_trainer: makes a trainer from the rows of a micro-batch, beginning with `rows`. A batch stays as large as it
    was, and the weights that come out are the same to rounding. metrics, curves: as for run_trainer.

    Raises RuntimeError as run_trainer does, and if memory runs out with an odd number of rows, or in one of several
    processes, for which the others would wait.
    """
    while True:
        try:
            trainer = make_trainer(rows)
            run_trainer(trainer, metrics, curves)
            return trainer
        except RuntimeError as error:
            if rows % 2 or processes > 1 or not should_reduce_batch_size(error):
                raise
        trainer = None  # it holds what fills the memory, as did the error's traceback until here
        clear_device_cache(garbage_collection=True)
        rows //= 2
        logger.warning("out of memory: on with %d rows in a micro-batch", rows)


def write_metrics(state: TrainerState, path: Path, names: dict[str, str]) -> None:
    """Write the metrics of every step so far as CSV.

    names: logged name -> column; other logged values are left out.

    The same run gives the same bytes, interrupted or not. So times are never among them (they are in the log, and in
    Snakemake's benchmarks), nor is SFTTrainer's count of tokens, which starts anew when training goes on.
    """
    rows = [entry for entry in state.log_history if set(entry) & set(names)]
    table = pd.DataFrame(rows).groupby("step", as_index=False).last()
    columns = [name for name in names if name in table]
    table = table[["step", *columns]].rename(columns=names)
    write_whole(path, lambda file: table.to_csv(file, index=False))


@contextmanager
def put_checkpoint(target: Path, spec: Any, inputs: dict[str, str]) -> Iterator[Path]:
    """Yield an empty folder for the files of a checkpoint; in the end it gets their record and is moved to `target`."""
    with put_in_place(target) as temporary:
        temporary.mkdir()
        yield temporary
        write_json(temporary / RECORD, {**make_record(spec, inputs), "digest": digest_checkpoint(temporary)})


def keep_checkpoint(source: Path, target: Path, spec: Any, inputs: dict[str, str], merge: bool = False) -> None:
    """Write the weights, config and tokenizer of a trainer checkpoint to `target`, with its provenance record.

    merge: whether to merge a LoRA adapter into its base, so that the checkpoint stands on its own.

    Raises RuntimeError if the trainer checkpoint is damaged.
    """
    if not is_whole(source):
        raise RuntimeError(f"{source}: this checkpoint is damaged; run again, training goes on from the one before it")
    with put_checkpoint(target, spec, inputs) as folder:
        if merge:
            load_model(str(source), spec.model.revision).save_pretrained(folder)
            load_tokenizer(str(source)).save_pretrained(folder)
        else:
            for path in {path for pattern in KEPT_FILES for path in source.glob(pattern)}:
                shutil.copy2(path, folder / path.name)


def remove_resume_folder(root: Path) -> None:
    """Remove all trainer checkpoints of a job that is done."""
    shutil.rmtree(root)
