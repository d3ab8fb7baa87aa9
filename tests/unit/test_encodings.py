"""Text is UTF-8 whatever the locale: every file that is opened as text names its encoding, and so does every pipe."""

import ast
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
MODULES = [
    file for folder in ("workflow/src", "workflow/scripts", "benchmarks") for file in (ROOT / folder).rglob("*.py")
]
RULES = [ROOT / "Snakefile", *(ROOT / "workflow/rules").glob("*.smk")]
C_LOCALE = {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}


def opens_text(call: ast.Call) -> bool:
    """Return whether a call opens a file or a pipe as text, by the name of what is called and by its arguments."""
    function = call.func
    owner = function.value.id if isinstance(function, ast.Attribute) and isinstance(function.value, ast.Name) else ""
    name = function.attr if isinstance(function, ast.Attribute) else getattr(function, "id", "")
    given = [*call.args, *(keyword.value for keyword in call.keywords)]
    if name in ("open", "fdopen") and owner != "os" or (owner, name) == ("os", "fdopen"):
        return not any(
            isinstance(word, ast.Constant) and re.fullmatch(r"[rwax+]*b[rwax+]*", str(word.value)) for word in given
        )
    return name in ("read_text", "write_text") or any(
        keyword.arg in ("text", "universal_newlines") and getattr(keyword.value, "value", None) is True
        for keyword in call.keywords
    )


def find_without_encoding(source: str) -> list[int]:
    """Return the lines of calls that open text and name no encoding."""
    calls = [node for node in ast.walk(ast.parse(source)) if isinstance(node, ast.Call) and opens_text(node)]
    return [call.lineno for call in calls if not any(keyword.arg == "encoding" for keyword in call.keywords)]


def test_modules_name_the_encoding_of_every_text():
    assert len(MODULES) > 60
    found = {file.relative_to(ROOT): find_without_encoding(file.read_text(encoding="utf-8")) for file in MODULES}
    assert {str(file): lines for file, lines in found.items() if lines} == {}


def test_rules_name_the_encoding_of_every_text():
    """By lines, since a rule is not Python."""
    lines = [line.strip() for file in RULES for line in file.read_text(encoding="utf-8").splitlines()]
    opening = [line for line in lines if re.search(r"\b(open|read_text|write_text)\(", line)]
    assert opening
    assert [line for line in opening if "encoding=" not in line] == []


@pytest.mark.parametrize(
    "line",
    [
        "path.read_text()",
        "path.write_text(text)",
        "open(path)",
        "path.open('a')",
        "os.fdopen(3, 'w')",
        "subprocess.run(command, text=True)",
    ],
)
def test_text_without_an_encoding_is_found(line):
    assert find_without_encoding(line) == [1]
    assert find_without_encoding(f"{line[:-1]}, encoding='utf-8')".replace("(, ", "(")) == []


def test_bytes_have_no_encoding():
    assert find_without_encoding("open(path, 'rb')\npath.open(mode='wb')\nos.open(path, 1)\nrun(command)") == []


def run_in_c_locale(program: str, folder: Path) -> subprocess.CompletedProcess:
    environment = {**os.environ, **C_LOCALE, "PYTHONPATH": os.pathsep.join([str(ROOT / "workflow/src"), *sys.path])}
    command = [sys.executable, "-c", program]
    return subprocess.run(command, cwd=folder, env=environment, capture_output=True, encoding="utf-8", check=False)


def test_text_that_the_terminal_lacks_is_printed_as_escapes(tmp_path):
    process = run_in_c_locale("from selectimprove.terminal import print_text; print_text('a\\u2013b')", tmp_path)
    assert process.stdout == "a\\u2013b\n", process.stderr
