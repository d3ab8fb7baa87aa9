"""Look at results, where one comes from or what a model writes for one problem, and at the machine.

    python -m selectimprove trace results/tiny/figures/figure2.pdf
    python -m selectimprove show --run FB_rl_6_9 --index 17
    python -m selectimprove doctor --preset smollm2

`trace`: see tracing.py; the exit status is 0 if every digest matches, 1 if not, 2 if FILE cannot be traced. `show`: see
show.py; the exit status is 2 if there is no such model or problem. `doctor`: see doctor.py; likewise for a preset.
"""

import argparse
import sys
from pathlib import Path

from selectimprove.commands import show
from selectimprove.experiment.config import DEFAULT_PRESET
from selectimprove.provenance import tracing
from selectimprove.terminal import allow_any_text, stop_printing


def main(arguments: list[str] | None = None) -> int:
    """Run the command line and return its exit status."""
    parser = argparse.ArgumentParser(prog="python -m selectimprove", description=__doc__.splitlines()[0])
    commands = parser.add_subparsers(dest="command", required=True)
    trace_parser = commands.add_parser("trace", help="say what a result was made from, and check the digests")
    trace_parser.add_argument(
        "file", type=Path, metavar="FILE", help="figure, table, score table, checkpoint or data file"
    )
    show.add_arguments(
        commands.add_parser("show", help="say what a model writes for a problem, and where it goes wrong")
    )
    doctor_parser = commands.add_parser("doctor", help="say what is here and what a preset would need")
    doctor_parser.add_argument("--preset", default=DEFAULT_PRESET, help="default: %(default)s")
    parsed = parser.parse_args(arguments)
    allow_any_text()
    try:
        if parsed.command == "trace":
            return tracing.trace(parsed.file)
        if parsed.command == "show":
            show.show_problem(parsed)
        else:
            from selectimprove.commands import doctor  # here, since it imports torch

            doctor.examine(parsed.preset)
        return 0
    except BrokenPipeError:
        stop_printing()
        return 0
    except (ValueError, OSError) as error:
        print(error, file=sys.stderr)
        return 2


if __name__ == "__main__":
    sys.exit(main())
