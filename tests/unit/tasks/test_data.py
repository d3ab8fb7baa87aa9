"""Data sets as files: every answer recomputed from the JSON alone, and the same bytes each time."""

import itertools
import json
import math
import re

import pytest
from oracles import run_chain

from selectimprove.experiment.specs import build_spec, dump_spec, parse_spec
from selectimprove.provenance.records import RECORD, digest_file, digest_inputs, record_dataset
from selectimprove.tasks.data import make_rows, read_rows, write_dataset
from selectimprove.tasks.field import Field
from selectimprove.tasks.problems import sample_problems
from selectimprove.tasks.specs import SPLITS, DatasetSpec, DataSpec, TaskSpec
from selectimprove.tasks.texts import TEXT_FORMS

VARIANTS = list(itertools.product(["fixed", "stated"], [*TEXT_FORMS], [True, False]))
KEYS = {"id", "kind", "steps", "field_order", "start", "operations", "end", "first_label", "prompt", "answer"}


def make_spec(symbol_map="fixed", text="symbolic", strategies=True, order=11, seed=3, **sizes) -> DataSpec:
    dataset = DatasetSpec(
        name="data",
        task="field",
        parts=(1, 1),
        steps=(2, 5),
        kinds={"evaluation": 0.5, "inversion": 0.5},
        strategies={"forward": 0.5, "backward": 0.5} if strategies else None,
        sizes={"train": 40, "validation": 8, "test": 16, **sizes},
    )
    return DataSpec(dataset, TaskSpec("field", {"order": order, "symbol_map": symbol_map}), text, seed)


@pytest.fixture(params=VARIANTS, ids=lambda variant: "-".join(map(str, variant)), scope="module")
def written(request, tmp_path_factory):
    """A data set on disk: its spec and folder, for each symbol map, text form, and with or without completions."""
    spec, folder = make_spec(*request.param), tmp_path_factory.mktemp("data") / "below"
    write_dataset(spec, folder)
    record_dataset(spec, folder)
    return spec, folder


def load_lines(folder, split) -> list[dict]:
    return [json.loads(line) for line in (folder / f"{split}.jsonl").read_text().splitlines()]


def test_files_and_keys(written) -> None:
    """The splits and task.json are there, whole and under their final names."""
    spec, folder = written
    files = {"task.json", *(f"{split}.jsonl" for split in SPLITS)}
    assert {file.name for file in folder.iterdir()} == {RECORD, *files}
    record = json.loads((folder / RECORD).read_text())
    assert record["files"] == {name: digest_file(folder / name) for name in files}
    assert build_spec(DataSpec, record["spec"]) == spec
    keys = KEYS | ({"strategy", "completion"} if spec.dataset.strategies else set())
    keys |= {"symbols"} if spec.task.settings["symbol_map"] == "stated" else set()
    ids = []
    for split in SPLITS:
        rows = load_lines(folder, split)
        assert len(rows) == spec.dataset.sizes[split]
        assert all(set(row) == keys for row in rows)
        ids += [row["id"] for row in rows]
    assert len(set(ids)) == len(ids)


def test_every_answer_is_recomputed_from_the_file(written) -> None:
    _, folder = written
    for row in itertools.chain.from_iterable(load_lines(folder, split) for split in SPLITS):
        assert row["field_order"] == 11
        assert row["steps"] == len(row["operations"])
        assert row["end"] == run_chain(row["start"], row["operations"], Field.shuffled(11, 0))
        assert row["answer"] == {"evaluation": row["end"], "inversion": row["start"]}[row["kind"]]


def test_symbol_maps_are_permutations_that_decode_the_texts(written) -> None:
    """The prompt's symbols are the given end and the operands; a completion ends with those of both ends."""
    spec, folder = written
    fixed = json.loads((folder / "task.json").read_text())
    assert (fixed["task"], fixed["settings"]) == ("field", spec.task.settings)
    assert (fixed["hidden"] is None) == (spec.task.settings["symbol_map"] == "stated")
    maps = set()
    for row in itertools.chain.from_iterable(load_lines(folder, split) for split in SPLITS):
        symbols = (fixed["hidden"] or row)["symbols"]
        maps.add(tuple(symbols.items()))
        assert set(symbols) == {f"e{index}" for index in range(11)}
        assert sorted(symbols.values()) == list(range(11))
        chain = re.search(r"(\bx e|\bx \?|Start:).*", row["prompt"], re.DOTALL)[0]
        operands = [operand for _, operand in row["operations"]]
        given = [row["start"], *operands] if row["kind"] == "evaluation" else [*operands, row["end"]]
        assert [symbols[symbol] for symbol in re.findall(r"\be\d+", chain)] == given
        if spec.dataset.strategies:
            ends = re.search(r" x (?:= )?(e\d+),? y (?:= )?(e\d+)$", row["completion"]).groups()
            assert [symbols[symbol] for symbol in ends] == [row["start"], row["end"]]
            assert row["completion"][0] == {"forward": "x", "backward": "y"}[row["strategy"]]
    assert (len(maps) == 1) == (spec.task.settings["symbol_map"] == "fixed")


def test_rows_read_back_hold_equal_problems(written) -> None:
    spec, folder = written
    pool = TEXT_FORMS[spec.text].label_pool
    for split in SPLITS:
        rows = read_rows(folder / f"{split}.jsonl")
        assert [row["problem"] for row in rows] == list(sample_problems(spec.dataset, spec.task, split, 3, pool))
        assert [{key: value for key, value in row.items() if key != "problem"} for row in rows] == load_lines(
            folder, split
        )


def test_written_twice_the_bytes_are_the_same(written, tmp_path) -> None:
    spec, folder = written
    write_dataset(spec, tmp_path)
    record_dataset(spec, tmp_path)
    for file in folder.iterdir():
        assert (tmp_path / file.name).read_bytes() == file.read_bytes()


def test_other_seed_gives_another_field_and_other_problems() -> None:
    first, second = make_rows(make_spec(seed=0), "train"), make_rows(make_spec(seed=1), "train")
    assert not {row["id"] for row in first} & {row["id"] for row in second}
    assert not {row["prompt"] for row in first} & {row["prompt"] for row in second}


def test_equal_specs_give_equal_rows() -> None:
    """A spec that went through JSON is equal to the one that was written, so it must make the same data."""
    spec = make_spec()
    parsed = parse_spec(DataSpec, dump_spec(spec))
    assert parsed == spec
    assert make_rows(parsed, "train") == make_rows(spec, "train")


def test_strategy_is_drawn_independently_of_kind() -> None:
    """In each kind, half the completions are forward, within five standard deviations."""
    rows = make_rows(make_spec(train=4000), "train")
    for kind in ("evaluation", "inversion"):
        forward = [row["strategy"] == "forward" for row in rows if row["kind"] == kind]
        assert len(forward) == 2000
        assert abs(sum(forward) - 1000) < 5 * math.sqrt(2000 / 4)


@pytest.mark.parametrize("share", [0, 1])
def test_one_strategy_data_sets_hold_no_other(share) -> None:
    spec = make_spec()
    spec.dataset.strategies.update(forward=share, backward=1 - share)
    strategies = {row["strategy"] for row in make_rows(spec, "train")}
    assert strategies == {"forward" if share else "backward"}


def test_too_large_a_data_set_is_refused_before_anything_is_written(tmp_path) -> None:
    spec = make_spec(order=5, train=3000)
    with pytest.raises(ValueError, match=r"data\.sizes\.train: 3000 problems .* only 256 distinct"):
        write_dataset(spec, tmp_path)
    assert not list(tmp_path.glob("*.jsonl"))


@pytest.mark.parametrize(
    "line", ["", '{"id": "x"', "[]", "\udcff", '"row"', '{"kind": "evaluation"}', '{"parts": [1]}']
)
def test_damaged_rows_are_named_by_file_and_line(line, tmp_path) -> None:
    write_dataset(make_spec(), tmp_path)
    file = tmp_path / "test.jsonl"
    good = file.read_text().splitlines()[:2]
    file.write_text("\n".join([*good, line, *good]) + "\n", errors="surrogateescape")
    with pytest.raises(ValueError, match=r"test\.jsonl, line 3: this is not a row of a data set"):
        read_rows(file)


@pytest.mark.parametrize(
    "content",
    ["", "[]", "{}", '{"task": "field", "settings": {"order": 11}, "hidden": {"symbols": {"e5": 1}}}']
    + ['{"task": "juggling", "settings": {}, "hidden": null}'],
)
def test_damaged_task_is_named(content, tmp_path) -> None:
    write_dataset(make_spec(), tmp_path)
    (tmp_path / "task.json").write_text(content)
    with pytest.raises(ValueError, match=r"task\.json: this does not describe a task"):
        read_rows(tmp_path / "test.jsonl")


def test_data_set_of_an_older_version_is_told(tmp_path) -> None:
    """It has field.json in place of task.json."""
    write_dataset(make_spec(), tmp_path)
    (tmp_path / "task.json").rename(tmp_path / "field.json")
    with pytest.raises(ValueError, match=r"task\.json: there is no such file; data sets of older versions lack it"):
        read_rows(tmp_path / "test.jsonl")


def test_row_changed_after_it_was_made_is_found(tmp_path) -> None:
    write_dataset(make_spec(), tmp_path)
    record_dataset(make_spec(), tmp_path)
    file = tmp_path / "test.jsonl"
    assert digest_inputs(file, tmp_path / "task.json") == {
        str(path): digest_file(path) for path in (file, tmp_path / "task.json")
    }
    file.write_text(file.read_text().replace("inversion", "evaluation", 1))
    assert read_rows(file)
    with pytest.raises(ValueError, match=f"{file} is damaged: it is not the file that provenance.json was written for"):
        digest_inputs(file)
