"""The decompose command: docs/decompose.md shows what it prints; files of each kind; what cannot be read."""

import re
import shlex
from pathlib import Path

import pandas as pd
import pytest

from selectimprove.__main__ import main

ROOT = Path(__file__).parents[3]
EXAMPLES = ROOT / "tests/examples"


def test_docs_show_what_is_printed(monkeypatch, capsys):
    monkeypatch.chdir(ROOT)
    text = (ROOT / "docs/decompose.md").read_text(encoding="utf-8")
    shown = re.findall(r"```sh\npython -m selectimprove (decompose .*?)```\n\n```\n(.*?)```", text, re.DOTALL)
    assert len(shown) == 2
    for command, output in shown:
        assert main(shlex.split(command.replace("\\\n", " "))) == 0
        assert capsys.readouterr().out.strip() == output.strip()


@pytest.mark.parametrize("suffix", ["parquet", "jsonl"])
def test_tables_of_each_kind_are_read_alike(suffix, tmp_path, capsys):
    files = [EXAMPLES / "before.csv", EXAMPLES / "after.csv"]
    assert main(["decompose", *map(str, files)]) == 0
    expected = capsys.readouterr().out
    others = [tmp_path / f"{file.stem}.{suffix}" for file in files]
    for file, other in zip(files, others, strict=True):
        table = pd.read_csv(file)
        if suffix == "parquet":
            table.to_parquet(other)
        else:
            table.to_json(other, orient="records", lines=True)
    assert main(["decompose", *map(str, others)]) == 0
    assert capsys.readouterr().out == expected


def test_figure_and_table_are_written(tmp_path):
    files = [str(EXAMPLES / "before.csv"), str(EXAMPLES / "after.csv")]
    assert main(["decompose", *files, "--by", "kind", "--output", str(tmp_path / "out")]) == 0
    table = pd.read_csv(tmp_path / "out/decomposition.csv")
    assert table["kind"].tolist() == ["search", "sort"]
    assert (table["selection"] + table["improvement"]).tolist() == pytest.approx(table["gain"].tolist(), abs=1e-12)
    assert (tmp_path / "out/decomposition.pdf").read_bytes().startswith(b"%PDF")
    assert (tmp_path / "out/decomposition.png").read_bytes().startswith(b"\x89PNG")


@pytest.mark.parametrize(
    ("name", "content", "told"),
    [
        ("table.xlsx", b"", "found suffix '.xlsx', must be .parquet, .csv, .jsonl"),
        ("table.parquet", b"not Parquet", "cannot be read as a table"),
        ("table.csv", b"", "cannot be read as a table"),
        ("table.csv", b"problem,correct\n1,1\n", "before: there is no column 'strategy'"),
    ],
)
def test_what_is_no_table_is_told(name, content, told, tmp_path, capsys):
    (tmp_path / name).write_bytes(content)
    assert main(["decompose", str(tmp_path / name), str(EXAMPLES / "after.csv")]) == 2
    error = capsys.readouterr().err
    assert told in error
    assert error.count("\n") == 1
    assert main(["decompose", str(tmp_path / "absent.csv"), str(EXAMPLES / "after.csv")]) == 2
    assert "absent.csv" in capsys.readouterr().err
