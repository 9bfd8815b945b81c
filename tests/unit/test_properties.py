"""Payloads, keys and caches over whatever Hypothesis thinks of; the same examples at every run."""

from __future__ import annotations

from collections import OrderedDict

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as some

from pruneattr_core.results.keys import Subject
from pruneattr_core.results.sweeps import Explained, Question
from pruneattr_core.share.framing import framed, header_of, level_deltas
from pruneattr_core.share.payload import payload_of
from pruneattr_core.ui.hand import name_of
from pruneattr_core.ui.jobs import Cache
from pruneattr_core.ui.look import SIGNS, Look, default_colours
from test_payload import decoded

steady = settings(max_examples=60, deadline=None, derandomize=True, database=None)
plain = some.recursive(
    some.none()
    | some.booleans()
    | some.integers(-(2**53), 2**53)
    | some.floats(allow_nan=False, allow_infinity=False)
    | some.text(),
    lambda inside: some.lists(inside, max_size=4) | some.dictionaries(some.text(), inside, max_size=4),
    max_leaves=12,
)


@steady
@given(some.dictionaries(some.text(), plain, max_size=4), some.lists(some.binary(max_size=40), max_size=4))
def test_a_frame_holds_its_header_and_its_blocks(header: dict[str, object], blocks: list[bytes]) -> None:
    payload = framed(header, blocks)
    assert header_of(payload) == header
    assert payload[4 + int.from_bytes(payload[:4], "little") :] == b"".join(blocks)


@steady
@given(some.integers(1, 6), some.integers(1, 20), some.data())
def test_levels_are_the_running_sum_of_their_deltas(levels: int, size: int, data: some.DataObject) -> None:
    codes = np.frombuffer(data.draw(some.binary(min_size=levels * size, max_size=levels * size)), np.uint8)
    codes = codes.reshape(levels, size)
    np.testing.assert_array_equal(np.cumsum(level_deltas(codes), 0, dtype=np.uint8), codes)


@steady
@given(
    seed=some.integers(0, 2**32 - 1),
    powers=some.lists(some.integers(-30, 30) | some.none(), min_size=1, max_size=4),
    size=some.tuples(some.integers(1, 5), some.integers(1, 5)),
    sign=some.sampled_from(list(SIGNS)),
    shared=some.booleans(),
)
def test_a_map_of_any_size_is_drawn_to_half_a_step(seed, powers, size, sign, shared) -> None:
    """Levels from 1e-30 to 1e30 and levels that are zero (None), beside one another."""
    random, count = np.random.default_rng(seed), len(powers)
    scale = np.array([0.0 if power is None else 10.0**power for power in powers])[:, None, None, None]
    maps = (random.normal(size=(count, 1, *size)) * scale).astype(np.float32)
    at = np.linspace(0, 1, count)
    sweep = Explained(
        maps=maps, requested=tuple(at), sparsity=at, change=at, probability=1 - at, logit=at,
        prediction=np.zeros(count, int), target=0, quiet=0.0, dead=0.0, neurons=10, seconds=1.0,
    )  # fmt: skip
    look = Look("signed_max", sign, 100.0, shared)
    look = Look("signed_max", sign, 100.0, shared, default_colours(look.signed, look.colours))
    photo = random.integers(0, 256, (*size, 3), dtype=np.uint8)
    header, codes, drawn = decoded(payload_of(sweep, photo, look, ["a"], "zero", None, "x", "id", {}, True))
    np.testing.assert_array_equal(drawn, photo)
    for k in range(count):
        wanted = maps[k].astype(np.float64)
        wanted = np.abs(wanted) if sign == "absolute" else wanted if look.signed else wanted.clip(min=0)
        end = header["levels"][k]["scale"]
        shown = (codes[k].astype(float) - 128) / 127 * end if look.signed else codes[k] / 255 * end
        np.testing.assert_allclose(
            shown, wanted, rtol=0, atol=0.51 * end / (127 if look.signed else 255) + 1e-6 * end
        )


@steady
@given(
    some.integers(1, 12),
    some.lists(some.tuples(some.integers(0, 5), some.none() | some.integers(1, 14)), max_size=40),
)
def test_the_cache_is_a_queue_by_use_that_never_exceeds_its_limit(limit, steps) -> None:
    """Against an ordered dictionary: None is a look-up, a number the size of what is put."""
    cache, model = Cache(limit, len), OrderedDict[int, str]()
    for key, size in steps:
        if size is None:
            assert cache.get(key) == model.get(key)
            if key in model:
                model.move_to_end(key)
            continue
        cache.put(key, "x" * size)
        model.pop(key, None)
        if size <= limit:
            model[key] = "x" * size
            while sum(map(len, model.values())) > limit:
                model.popitem(last=False)
        assert set(cache.names()) == set(model)
        assert sum(len(cache.get(name)) for name in list(model)) <= limit  # reads all, in the model's order


questions = some.builds(
    Question,
    some.builds(
        Subject,
        some.text(max_size=2),
        some.text(max_size=2),
        some.text(max_size=2),
        some.integers(0, 2),
        some.just("cpu"),
    ),
    some.sampled_from(["zero", "freeze"]),
    some.sampled_from(["taylor", "intgrad"]),
    some.none() | some.sampled_from([0.0, 0.5]),
)


@steady
@given(questions, questions)
def test_a_name_is_that_of_one_question_alone(one: Question, other: Question) -> None:
    assert (name_of(one) == name_of(other)) == (one == other)
    assert (hash(one) == hash(other)) >= (one == other)


def test_nan_is_refused_in_a_header() -> None:
    with pytest.raises(ValueError, match="JSON"):
        framed({"a": float("inf")}, [])
