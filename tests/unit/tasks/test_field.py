"""The field: symbols and elements are one to one, operators agree with an oracle, look-alike symbols are refused."""

import pytest
from generators import PRIMES, fields
from hypothesis import given
from hypothesis import strategies as st
from oracles import calculate

from selectimprove.tasks.field import INVERSE_OPERATORS, Field, apply_operator, is_prime

OPERATORS = ["add", "subtract", "multiply", "divide"]


@given(fields())
def test_symbols_and_elements_are_one_to_one(field) -> None:
    symbols = [f"e{index}" for index in range(field.order)]
    elements = [field.value_notation.read(symbol) for symbol in symbols]
    assert sorted(elements) == list(range(field.order))
    assert [field.write_value(element) for element in elements] == symbols


@pytest.mark.parametrize("order", PRIMES)
def test_shuffled_map_is_a_permutation_drawn_from_its_key(order) -> None:
    assert sorted(Field.shuffled(order, 0).elements) == list(range(order))
    assert Field.shuffled(order, 0) == Field.shuffled(order, 0)
    assert len({Field.shuffled(order, seed).elements for seed in range(20)}) > 10


@pytest.mark.parametrize(
    "symbol",
    ["e011", "e01", "e00", "e11", "e97", "e100", "e-1", "e+1", "e", "", "1", "E1", " e1", "e1 ", "e1\n", "e1.", "e1e1"]
    + ["e１", "e٣", "e²", "е1", "ｅ1", "e1\u200b", "e1_0", "e1.0", "ee1"],
)
def test_look_alike_symbols_are_refused(symbol) -> None:
    assert Field.shuffled(11, 0).value_notation.read(symbol) is None


@given(fields(), st.text(max_size=4) | st.from_regex(r"e[0-9٠-٩]{1,3}", fullmatch=True))
def test_only_written_symbols_are_read(field, symbol) -> None:
    assert (field.value_notation.read(symbol) is not None) == (symbol in {f"e{index}" for index in range(field.order)})


def test_is_prime_agrees_with_a_sieve() -> None:
    composite = {multiple for divisor in range(2, 500) for multiple in range(2 * divisor, 500, divisor)}
    assert [n for n in range(-3, 500) if is_prime(n)] == [n for n in range(2, 500) if n not in composite]


@pytest.mark.parametrize("operator", OPERATORS)
@pytest.mark.parametrize("order", [5, 7, 11, 13, 97])
def test_operators_agree_with_the_oracle(operator, order) -> None:
    field = Field.shuffled(order, 0)
    for value in range(order):
        for operand in range(1, order):
            expected = calculate((operator, operand), value, field)
            assert apply_operator(operator, value, operand, order) == expected


@given(st.sampled_from(PRIMES), st.sampled_from(OPERATORS), st.data())
def test_inverse_operators_undo(order, operator, data) -> None:
    value, operand = data.draw(st.integers(0, order - 1)), data.draw(st.integers(1, order - 1))
    result = apply_operator(operator, value, operand, order)
    assert apply_operator(INVERSE_OPERATORS[operator], result, operand, order) == value


def test_mistakes_are_value_errors() -> None:
    with pytest.raises(ValueError, match="'power' is not one of add, multiply, subtract, divide"):
        apply_operator("power", 1, 1, 11)
    with pytest.raises(ValueError):
        apply_operator("divide", 1, 0, 11)
