"""Keys that stand twice in a file are told with their lines, and numbers that are text with how to write them."""

from pathlib import Path

import pytest
import yaml
from configurations import PRESETS, ROOT, SCHEMA, change

from selectimprove.experiment.config import CLAIMS_FILE, load_experiment
from selectimprove.experiment.experiment import ConfigError
from selectimprove.experiment.schema import check_duplicates, write_number

DUPLICATES = {
    "run": ("rl:\n  A: {start: F}\n  A: {start: B}\n", "rl.A stands twice, in lines 2 and 3"),
    "section": ("rl: {}\nsft: {}\nrl: {}\n", "rl stands twice, in lines 1 and 3"),
    "key of a run, once in quotes": (
        "rl:\n  A:\n    beta: 1\n    'beta': 2\n",
        "rl.A.beta stands twice, in lines 3 and 4",
    ),
    "key in a list": ("a:\n- {b: 1}\n- {b: 1, b: 2}\n", "a.1.b stands twice, in lines 3 and 3"),
    "key of what is merged": ("a: &x {b: 1}\nc:\n  <<: {d: 1, d: 2}\n", "c.<<.d stands twice, in lines 3 and 3"),
    "JSON, with tabs": ('{\n\t"rl": {\n\t\t"A": {},\n\t\t"A": {}\n\t}\n}', "rl.A stands twice, in lines 3 and 4"),
}


@pytest.mark.parametrize(("text", "told"), DUPLICATES.values(), ids=DUPLICATES)
def test_key_that_stands_twice_is_told_with_its_file_and_lines(text, told, tmp_path) -> None:
    clean, file = tmp_path / "clean.yaml", tmp_path / "twice.yaml"
    clean.write_text("a: 1")
    file.write_text(text)
    with pytest.raises(ConfigError) as error:
        check_duplicates([clean, file])
    assert str(error.value) == f"{file}: the key {told}, but may stand once"


@pytest.mark.parametrize(
    "text",
    [
        "",
        "# nothing\n",
        "a: {b: 1}\nc: {b: 1}\n",
        "a: [{b: 1}, {b: 1}]\n",
        "a: &x {b: 1, d: 1}\nc: {<<: *x, b: 2}\ne: *x\n",
        "a: &x {b: 1}\nc: &y {d: 1}\ne: {<<: *x, <<: *y}\n",
        '{"a": {"b": 1},\t"c": {"b": 1}}',
    ],
)
def test_keys_in_different_places_may_be_the_same(text, tmp_path) -> None:
    file = tmp_path / "once.yaml"
    file.write_text(text)
    check_duplicates([file])


def test_shipped_files_have_no_key_twice() -> None:
    check_duplicates([ROOT / "config.yaml", CLAIMS_FILE, *PRESETS.glob("*.yaml")])


def test_claim_that_stands_twice_is_told(tmp_path) -> None:
    file = tmp_path / "claims.yaml"
    file.write_text("core:\n  good: {}\n  good: {}\n")
    with pytest.raises(ConfigError, match=r"claims\.yaml: the key core\.good stands twice, in lines 2 and 3, "):
        load_experiment(change({}), SCHEMA, Path(file))


@pytest.mark.parametrize(
    "text", ["1e-4", "1E4", "1.5e-10", "1.e5", ".5e3", "-2e3", "+2e-3", "0.5", "5", "-7", "1_0e2", " 3e-2 ", "1e308"]
)
def test_number_is_written_as_yaml_reads_it(text) -> None:
    read = yaml.safe_load(write_number(text, whole=False))
    assert isinstance(read, float)
    assert read == float(text)


@pytest.mark.parametrize(("text", "number"), [("0", 0), ("1e3", 1000), ("9007199254740993", 2**53 + 1), (" 1_0 ", 10)])
def test_whole_number_is_written_as_yaml_reads_it(text, number) -> None:
    read = yaml.safe_load(write_number(text, whole=True))
    assert isinstance(read, int)
    assert read == number


def test_text_that_is_no_number_is_not_written_as_one() -> None:
    assert [write_number(text, whole=False) for text in ("", "few", "nan", "inf", "1e999", "1e")] == [None] * 6
    assert [write_number(text, whole=True) for text in ("0.5", "1e-4", "few")] == [None] * 3
