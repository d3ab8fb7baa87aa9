"""Look at a run, at results, where one comes from or what a model writes for one problem, and at the machine.

    python -m selectimprove watch
    python -m selectimprove estimate
    python -m selectimprove trace results/tiny/figures/figure2.pdf
    python -m selectimprove show --run FB_rl_6_9 --index 17
    python -m selectimprove base results/tiny/pretrain/gf11/seed0/checkpoint
    python -m selectimprove publish results/published/tiny
    python -m selectimprove restore results/published/full results/tiny
    python -m selectimprove decompose before.csv after.csv --by kind
    python -m selectimprove doctor --preset smollm2
    python -m selectimprove reference > docs/reference.md

`trace`: see tracing.py; the exit status is 0 if every digest matches, 1 if not, 2 if FILE cannot be traced. `show`: see
show.py; the exit status is 2 if there is no such model or problem. `base`: see base.py; likewise for a base.
`watch`, `estimate`, `publish`, `decompose`, `doctor`: see the modules of these names; likewise for a configuration,
results, tables and a preset. `restore`: see publish.py. Ctrl-C ends any of them quietly, with 130.
`reference`: see reference.py.
"""

import argparse
import sys
from pathlib import Path

from selectimprove.commands import decompose, publish, reference, show, watch
from selectimprove.experiment.config import DEFAULT_PRESET, load_files
from selectimprove.provenance import tracing
from selectimprove.terminal import allow_any_text, stop_printing


def main(arguments: list[str] | None = None) -> int:
    """Run the command line and return its exit status."""
    parser = argparse.ArgumentParser(prog="python -m selectimprove", description=__doc__.splitlines()[0])
    commands = parser.add_subparsers(dest="command", required=True)
    watch.add_arguments(
        commands.add_parser("watch", help="say what runs, what is done and how long the rest takes, until all is done")
    )
    watch.add_arguments(commands.add_parser("estimate", help="say how long this machine takes for what is not done"))
    trace_parser = commands.add_parser("trace", help="say what a result was made from, and check the digests")
    trace_parser.add_argument(
        "file", type=Path, metavar="FILE", help="figure, table, score table, checkpoint or data file"
    )
    show.add_arguments(
        commands.add_parser("show", help="say what a model writes for a problem, and where it goes wrong")
    )
    base_parser = commands.add_parser("base", help="say how much of its logs a pretrained base gets right")
    base_parser.add_argument("checkpoints", type=Path, nargs="+", metavar="CHECKPOINT")
    base_parser.add_argument("--steps", type=int, nargs="+", default=[4, 6, 8, 9, 12], help="default: %(default)s")
    base_parser.add_argument("--logs", type=int, default=100, help="of each number of steps; default: %(default)s")
    publish_parser = commands.add_parser("publish", help="copy what a run shows to a folder under version control")
    publish_parser.add_argument("target", type=Path, metavar="FOLDER", help="its README.md stays")
    watch.add_arguments(publish_parser)
    restore_parser = commands.add_parser("restore", help="copy published scores to where the workflow reads them")
    restore_parser.add_argument("published", type=Path, metavar="FOLDER", help="such as results/published/full")
    restore_parser.add_argument("results", type=Path, metavar="RESULTS", help="what is there already stays")
    decompose.add_arguments(
        commands.add_parser("decompose", help="split the gain between two tables of completions, of any task and model")
    )
    doctor_parser = commands.add_parser("doctor", help="say what is here and what a preset would need")
    doctor_parser.add_argument("--preset", default=DEFAULT_PRESET, help="default: %(default)s")
    commands.add_parser("reference", help="write docs/reference.md, every key of the configuration")
    parsed = parser.parse_args(arguments)
    allow_any_text()
    try:
        if parsed.command == "trace":
            return tracing.trace(parsed.file)
        if parsed.command == "watch":
            watch.watch(parsed.configfile)
        elif parsed.command == "estimate":
            from selectimprove.commands import estimate  # here, since it imports torch

            estimate.print_estimate(parsed.configfile)
        elif parsed.command == "show":
            show.show_problem(parsed)
        elif parsed.command == "publish":
            experiment = load_files(parsed.configfile)
            results = Path("results") / experiment.preset
            print(f"{len(publish.publish(experiment, results, parsed.target))} files in {parsed.target}")
        elif parsed.command == "restore":
            print(f"new files in {parsed.results}: {len(publish.restore(parsed.published, parsed.results))}")
        elif parsed.command == "reference":
            print(reference.write_reference(), end="")
        elif parsed.command == "decompose":
            decompose.decompose(parsed)
        elif parsed.command == "base":
            from selectimprove.commands import base  # likewise

            base.print_base(parsed.checkpoints, parsed.steps, parsed.logs)
        else:
            from selectimprove.commands import doctor  # likewise

            doctor.examine(parsed.preset)
        return 0
    except BrokenPipeError:
        stop_printing()
        return 0
    except KeyboardInterrupt:
        return 130  # as a shell tells it
    except OSError as error:
        print(f"{error.filename}: {error.strerror}" if error.filename else error, file=sys.stderr)
        return 2
    except ValueError as error:
        print(error, file=sys.stderr)
        return 2


if __name__ == "__main__":
    sys.exit(main())
