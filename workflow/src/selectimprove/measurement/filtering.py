"""Filtered data sets: of the candidates, the training problems whose pass rates are in a band (see pass_rates.py)."""

import json
from pathlib import Path

import pandas as pd

from selectimprove.experiment.experiment import format_range
from selectimprove.experiment.specs import FilteredDataSpec
from selectimprove.files import write_string
from selectimprove.provenance.records import digest_inputs, read_record, record_dataset
from selectimprove.tasks.data import DATA_FILES

TRAIN_FILE = "train.jsonl"


def select_lines(spec: FilteredDataSpec, lines: list[str], table: pd.DataFrame) -> list[str]:
    """Return the lines of the problems in the band, the first sizes["train"] of them, in their order.

    lines: the training problems of the candidates, a line of JSON each; table: their pass rates, a row a line.

    Raises ValueError if the pass rates are of other problems, and if there are too few in the band.
    """
    own, wanted = spec.filter, spec.dataset.sizes["train"]
    if [json.loads(line)["id"] for line in lines] != list(table["problem_id"]):
        raise ValueError(f"the pass rates of {own.run} are not of the problems of {own.candidates}: run again")
    taken = [line for line, rate in zip(lines, table["pass_rate"], strict=True) if own.takes(rate)]
    if len(taken) < wanted:
        raise ValueError(
            f"datasets.{spec.dataset.name}.sizes.train: {wanted} problems are needed, but {own.run} solves only "
            f"{len(taken)} of the {len(lines)} candidates of {own.candidates} at a rate of "
            f"{format_range(own.pass_rate)} (seed {spec.seed}); ask for fewer, a wider band or more candidates"
        )
    return taken[:wanted]


def write_filtered_dataset(
    spec: FilteredDataSpec, candidates: Path, checkpoint: Path, table_file: Path, folder: Path
) -> None:
    """Write the files of a data set to `folder`, with their record: training problems filtered, the others as they are.

    candidates: folder of their data set; checkpoint: the one that the pass rates in `table_file` are of.

    Raises ValueError on an input that was changed after it was made, and as select_lines does.
    """
    inputs = digest_inputs(*(candidates / name for name in DATA_FILES), table_file, checkpoint)
    measured = read_record(table_file)["inputs"]
    for path in (candidates / TRAIN_FILE, checkpoint):
        if measured.get(str(path)) != inputs[str(path)]:
            raise ValueError(
                f"{table_file}: these pass rates are not of {path} as it is now; remove them and run again"
            )
    contents = {name: (candidates / name).read_text(encoding="utf-8") for name in DATA_FILES}
    lines = contents[TRAIN_FILE].splitlines(keepends=True)
    contents[TRAIN_FILE] = "".join(select_lines(spec, lines, pd.read_parquet(table_file)))
    for name, content in contents.items():
        write_string(folder / name, content)
    record_dataset(spec, folder, inputs)
