"""Write one data set, all three splits, as JSON Lines; with pass rates, one that is filtered by them."""

import argparse
from pathlib import Path

from selectimprove.experiment.specs import FilteredDataSpec, read_spec
from selectimprove.provenance.records import record_dataset
from selectimprove.tasks.data import write_dataset
from selectimprove.tasks.specs import DataSpec


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--spec", required=True, type=Path, help="DataSpec as JSON, or FilteredDataSpec")
    parser.add_argument("--folder", required=True, type=Path, help="where the files go")
    parser.add_argument("--pass-rates", type=Path, help="Parquet table of the candidates' pass rates")
    parser.add_argument("--candidates", type=Path, help="folder of their data set")
    parser.add_argument("--checkpoint", type=Path, help="the one whose pass rates they are")
    arguments = parser.parse_args()
    if arguments.pass_rates:
        from selectimprove.measurement.filtering import write_filtered_dataset  # here, since it imports pandas

        spec = read_spec(FilteredDataSpec, arguments.spec)
        inputs = (arguments.candidates, arguments.checkpoint, arguments.pass_rates)
        write_filtered_dataset(spec, *inputs, arguments.folder)
        return
    spec = read_spec(DataSpec, arguments.spec)
    write_dataset(spec, arguments.folder)
    record_dataset(spec, arguments.folder)


if __name__ == "__main__":
    main()
