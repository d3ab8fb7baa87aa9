"""Files and folders that are whole or as they were before, whatever happens while they are written."""

import pytest
from broken_disk import file_size_limit

from selectimprove.files import put_in_place, write_json, write_whole
from selectimprove.provenance.records import check_digest


def test_file_that_does_not_fit_leaves_the_one_before(tmp_path):
    file = tmp_path / "file.json"
    write_json(file, {"a": 1})
    before = file.read_bytes()
    with file_size_limit(1000), pytest.raises(OSError, match="File too large"):
        write_json(file, {"a": "b" * 2000})
    assert file.read_bytes() == before
    assert list(tmp_path.iterdir()) == [file]


def test_folder_that_is_not_finished_leaves_the_one_before(tmp_path):
    folder = tmp_path / "step2"
    for content in ("first", "second"):
        with put_in_place(folder) as temporary:
            temporary.mkdir()
            (temporary / "weights").write_text(content)
    with file_size_limit(1000), pytest.raises(OSError, match="File too large"), put_in_place(folder) as temporary:
        temporary.mkdir()
        (temporary / "weights").write_text("third")
        (temporary / "more").write_text("b" * 2000)
    assert (folder / "weights").read_text() == "second"
    assert list(tmp_path.iterdir()) == [folder]


def test_what_an_earlier_process_left_half_written_is_not_put_in_place(tmp_path):
    (tmp_path / ".file.tmp").mkdir()
    (tmp_path / ".file.tmp" / "rest").touch()
    write_whole(tmp_path / "file", lambda file: file.write_text("new"))
    assert (tmp_path / "file").read_text() == "new"
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


def test_file_without_a_record_has_any_content(tmp_path):
    (tmp_path / "file").write_text("one")
    one = check_digest(tmp_path / "file")
    write_json(tmp_path / "provenance.json", {"files": {"other": "digest"}})
    assert check_digest(tmp_path / "file") == one
