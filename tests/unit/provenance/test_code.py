"""Digests of code: they follow what the code does, and neither its comments nor the version of Python that reads it."""

import ast

import pytest

from selectimprove.provenance import code

ROOMS = ("measurement", "presentation")
FILES = {
    "presentation/drawing.py": '"""Draws."""\nfrom selectimprove.measurement import counting\n\nCOLOR = "red"\n',
    "measurement/counting.py": "from selectimprove.seeds import start\n\ndef count(rows):\n    return len(rows)\n",
    "measurement/other.py": "LIMIT = 1\n",
    "seeds.py": "def start():\n    return 0\n",
}


@pytest.fixture
def source(tmp_path):
    for name, text in FILES.items():
        file = tmp_path / "selectimprove" / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
    return tmp_path


def digest(source) -> str:
    code.list_imports.cache_clear()
    code.digest_module.cache_clear()
    return code.digest_code("selectimprove.presentation.drawing", rooms=ROOMS, source=source)


@pytest.mark.parametrize(
    ("file", "old", "new", "follows"),
    [
        ("presentation/drawing.py", '"red"', '"blue"', True),
        ("presentation/drawing.py", '"""Draws."""', '"""Draws anew."""', False),
        ("presentation/drawing.py", '"""Draws."""', "", False),
        ("presentation/drawing.py", "COLOR", "# why\nCOLOR", False),
        ("measurement/counting.py", "len(rows)", "len(rows) + 1", True),
        ("measurement/counting.py", "    return", '    """Count."""\n    return', False),
        ("measurement/counting.py", "len(rows)", "(  len(rows) )", False),
        ("measurement/counting.py", "len(rows)", "'rows'", True),
        ("measurement/other.py", "1", "2", False),
        ("seeds.py", "0", "1", False),
    ],
)
def test_digest_follows_what_runs_in_these_rooms(file, old, new, follows, source):
    before = digest(source)
    path = source / "selectimprove" / file
    assert old in path.read_text()
    path.write_text(path.read_text().replace(old, new))
    assert (digest(source) != before) == follows


def test_newly_imported_module_counts(source):
    before = digest(source)
    path = source / "selectimprove/measurement/counting.py"
    path.write_text(path.read_text() + "from selectimprove.measurement.other import LIMIT\n")
    with_import = digest(source)
    assert with_import != before
    other = source / "selectimprove/measurement/other.py"
    other.write_text("LIMIT = 2\n")
    assert digest(source) != with_import


def test_imports_of_every_form_are_seen(source):
    for line in (
        "import selectimprove.measurement.other",
        "from selectimprove.measurement import other",
        "from selectimprove.measurement.other import LIMIT",
        "def late():\n    from selectimprove.measurement.other import LIMIT as limit",
    ):
        (source / "selectimprove/seeds.py").write_text(f"{line}\n")
        code.list_imports.cache_clear()
        assert code.list_imports("selectimprove.seeds", source) == ("selectimprove.measurement.other",)


def test_fields_that_only_newer_versions_of_python_have_do_not_count():
    tree = ast.parse("def count(rows):\n    return len(rows)\n")
    words = list(code.describe_tree(tree))
    tree.body[0].type_params = []  # as from Python 3.12 on
    assert list(code.describe_tree(tree)) == words
