"""Seeds: streams are functions of their keys, and no two keys share one."""

from hypothesis import given
from hypothesis import strategies as st

from selectimprove.seeds import hash_seed, random_stream

keys = st.lists(st.text(max_size=5) | st.integers(), max_size=4).map(tuple)


def test_seed_is_pinned() -> None:
    """A change of the hash would silently change every data set."""
    assert hash_seed("sft_FB", "train", 0, 1) == 3952256234548386132


@given(keys)
def test_same_key_same_stream(key) -> None:
    assert random_stream(*key).random() == random_stream(*key).random()
    assert 0 <= hash_seed(*key) < 2**63


@given(keys, keys)
def test_different_keys_different_streams(first, second) -> None:
    assert (hash_seed(*first) == hash_seed(*second)) == (first == second)


def test_parts_of_a_key_do_not_run_together() -> None:
    alike = [("a", 11), ("a1", 1), ("a", 1, 1), ("a11",), ("a", "11"), (11, "a"), ('a", 11',), ("a", -11)]
    assert len({hash_seed(*key) for key in alike}) == len(alike)


def test_neighbouring_streams_share_no_draws() -> None:
    """Random(seed + i) would give streams 0 and 1 all but one of their first draws in common."""
    streams = [{random_stream("data", seed, index).random() for index in range(500)} for seed in (0, 1)]
    assert len(streams[0]) == len(streams[1]) == 500
    assert not streams[0] & streams[1]
