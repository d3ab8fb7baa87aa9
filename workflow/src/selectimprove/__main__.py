"""Look at results: where a figure or table comes from, or what a model writes for one problem.

    python -m selectimprove trace results/tiny/figures/figure2.pdf
    python -m selectimprove show --run FB_rl_6_9 --index 17

`trace`: FILE is a figure (PDF, PNG), a table (Markdown, CSV) or the sidecar (JSON) beside it. Paths in the sidecar are
taken relative to the current folder. The exit status is 0 if every digest matches, 1 if not, 2 if FILE cannot be
traced. `show`: see show.py; the exit status is 2 if there is no such model or problem.
"""

import argparse
import json
import sys
from collections.abc import Callable
from pathlib import Path

from selectimprove import show
from selectimprove.provenance import digest_checkpoint, digest_file


def main(arguments: list[str] | None = None) -> int:
    """Run the command line and return its exit status."""
    parser = argparse.ArgumentParser(prog="python -m selectimprove", description=__doc__.splitlines()[0])
    commands = parser.add_subparsers(dest="command", required=True)
    trace_parser = commands.add_parser("trace", help="say what a figure or table was made from, and check the digests")
    trace_parser.add_argument("file", type=Path, metavar="FILE", help="figure, table or its sidecar")
    show.add_arguments(
        commands.add_parser("show", help="say what a model writes for a problem, and where it goes wrong")
    )
    parsed = parser.parse_args(arguments)
    try:
        if parsed.command == "trace":
            return trace(parsed.file)
        show.show_problem(parsed)
        return 0
    except (ValueError, OSError) as error:
        print(error, file=sys.stderr)
        return 2


def trace(file: Path) -> int:
    """Print the origin of a figure or table and a line for each digest; return 0 if all match, else 1.

    Raises ValueError if there is no sidecar, or if it is not one of `file`.
    """
    sidecar = file.with_suffix(".json")
    if not sidecar.is_file():
        raise ValueError(f"{file}: cannot be traced, there is no sidecar {sidecar}")
    try:
        record = json.loads(sidecar.read_text())
        rule, files, scores, checkpoints = (record[name] for name in ("rule", "files", "scores", "checkpoints"))
    except (ValueError, KeyError, TypeError) as error:
        raise ValueError(f"{sidecar}: this is not the sidecar of a figure or table") from error
    if file != sidecar:
        if file.name not in files:
            raise ValueError(f"{file}: cannot be traced, its sidecar {sidecar} does not list it")
        files = {file.name: files[file.name]}

    for name in (rule, "rule", "function", "commit", "config_digest"):
        print(f"{name.replace('_', ' '):14}{record[name]}")
    verdicts = [
        *(compare_digest(sidecar.with_name(name), digest, digest_file) for name, digest in files.items()),
        *(compare_digest(Path(path), digest, digest_file) for path, digest in scores.items()),
        *(compare_digest(Path(row["path"]), row["digest"], digest_checkpoint) for row in checkpoints),
    ]
    return 0 if set(verdicts) == {"matches"} else 1


def compare_digest(path: Path, digest: str, compute: Callable[[Path], str]) -> str:
    """Print and return "matches", "differs" or "missing" for a file or checkpoint folder."""
    verdict = "missing" if not path.exists() else "matches" if compute(path) == digest else "differs"
    print(f"{verdict}  {path}")
    return verdict


if __name__ == "__main__":
    sys.exit(main())
