"""Tables in Markdown hold any words, and are read as they were written."""

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from selectimprove.measurement.claims import COLUMNS, format_claims
from selectimprove.measurement.markdown import format_rows, split_rows

WORDS = st.text(st.sampled_from("ab |\\\n\t\r\v\x1c\u2028é-:<*_`"), max_size=12)


@given(st.lists(st.lists(WORDS, min_size=2, max_size=2), min_size=1, max_size=3))
def test_table_is_read_as_it_was_written(rows):
    """But for white space, which is one space."""
    text = format_rows(rows)
    assert text.count("\n") == len(text.splitlines()) == len(rows)
    assert split_rows(text) == [[" ".join(cell.split()) for cell in row] for row in rows]


@pytest.mark.parametrize("sentence", ["P(right | forward) rises.", "a \\| b", "ends in \\", "two\nlines | here"])
def test_claim_is_one_row_whatever_its_sentence(sentence):
    """Fails on e4aa0fc: a bar in a sentence began a new cell, and a line break a new row."""
    row = ("name", "reproduced", 0.5, 0.4, 0.6, "above", 0.2, 1.0, "figure2", sentence)
    header, _, cells = split_rows(format_claims(pd.DataFrame([row], columns=COLUMNS)))
    assert len(cells) == len(header)
    assert cells[:2] == [" ".join(sentence.split()), "reproduced"]
