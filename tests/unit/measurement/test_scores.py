"""Score tables as files: the same bytes each time, with a record, and damage found."""

import json
import random

import pytest
from broken_disk import file_size_limit
from synthetic_scores import make_scores, write_run_scores

from selectimprove.measurement.scores import COLUMNS, join_scores, read_scores, write_scores
from selectimprove.provenance.records import digest_file, make_record, read_record


@pytest.fixture
def tables(tmp_path):
    return write_run_scores(make_scores(lambda *cell: 0.5), tmp_path)


def test_same_rows_and_record_make_the_same_bytes(tables, tmp_path):
    scores = read_scores(tables)
    for name in ("one", "two"):
        write_scores(scores, tmp_path / name, make_record(None, {"data": "digest"}))
    assert (tmp_path / "one").read_bytes() == (tmp_path / "two").read_bytes()
    assert read_record(tmp_path / "one")["inputs"] == {"data": "digest"}


def test_joined_table_names_the_tables_it_is_made_of(tables, tmp_path):
    join_scores(tables, tmp_path / "scores")
    assert read_record(tmp_path / "scores")["inputs"] == {str(table): digest_file(table) for table in tables}
    assert read_scores([tmp_path / "scores"]).equals(read_scores(tables))


def test_table_of_another_program_has_no_record(tables, tmp_path):
    read_scores(tables).to_parquet(tmp_path / "scores")
    assert read_record(tmp_path / "scores") == {}


def test_changed_row_is_found(tables):
    content = tables[0].read_bytes()
    place = content.index(b"checkpoints/F/0")  # a value of the first column chunk that holds it
    tables[0].write_bytes(content[:place] + b"C" + content[place + 1 :])
    with pytest.raises(ValueError, match=f"{tables[0]}: this score table is damaged"):
        read_record(tables[0])
    with pytest.raises(ValueError, match=f"{tables[0]}: this score table is damaged"):
        read_scores(tables[:1])


def test_damage_anywhere_is_refused_or_changes_no_value(tables):
    """Pages have checksums. The footer behind them has none: there, what can be read at least has every column."""
    content = tables[0].read_bytes()
    footer = len(content) - 8 - int.from_bytes(content[-8:-4], "little")
    expected = read_scores(tables[:1])
    stream = random.Random(0)
    refused = dict.fromkeys(("page", "footer", "cut"), 0)
    for kind in list(refused) * 100:
        place = stream.randrange(4, footer) if kind == "page" else stream.randrange(footer, len(content))
        changed = content[place] ^ 1 << stream.randrange(8)
        tables[0].write_bytes(content[:place] + (b"" if kind == "cut" else bytes([changed]) + content[place + 1 :]))
        try:
            found = read_scores(tables[:1])
        except ValueError as error:
            assert str(error).startswith(f"{tables[0]}: this score table ")
            refused[kind] += 1
        else:
            assert list(found) == list(expected)
            assert kind == "footer" or found.equals(expected)
    assert refused["cut"] == 100
    assert refused["page"] > 80
    assert refused["footer"] > 20, refused


def test_table_that_does_not_fit_leaves_the_one_before(tables):
    before = tables[0].read_bytes()
    scores = read_scores(tables)
    with file_size_limit(1000), pytest.raises(OSError, match="File too large"):
        write_scores(scores, tables[0], {})
    assert tables[0].read_bytes() == before
    assert sorted(tables[0].parent.iterdir()) == sorted(tables)


@pytest.mark.parametrize("content", [b"", b"PAR1", b"other", json.dumps(list(COLUMNS)).encode()])
def test_file_that_is_no_table_is_told(tables, content):
    tables[0].write_bytes(content)
    with pytest.raises(ValueError, match="this score table is damaged"):
        read_record(tables[0])
