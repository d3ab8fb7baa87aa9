"""Seeds: every random choice is keyed by what it is for, never by `seed + i`, so that no two streams share draws."""

import hashlib
import json
import random


def hash_seed(*key: str | int) -> int:
    """Return a 63-bit seed that is a pure function of `key`, e.g. (dataset, split, seed, index)."""
    digest = hashlib.blake2b(json.dumps(key).encode(), digest_size=8).digest()
    return int.from_bytes(digest) >> 1


def random_stream(*key: str | int) -> random.Random:
    """Return a generator of its own for `key`."""
    return random.Random(hash_seed(*key))
