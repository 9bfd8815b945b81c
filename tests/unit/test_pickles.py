"""What a pickle would make, told from its opcodes alone: names, depth, amount."""

from __future__ import annotations

import io
import pickle

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from pruneattr_core.errors import WeightsError
from pruneattr_core.models.checkpoint import read_checkpoint
from pruneattr_core.models.pickles import MAX_DEPTH, MAX_LONG, Crowded, globals_in

LEAVES = st.none() | st.booleans() | st.integers(-(2**31), 2**31 - 1) | st.text(max_size=5) | st.floats()
VALUES = st.recursive(
    LEAVES,
    lambda inner: st.lists(inner, max_size=4) | st.tuples(inner, inner) | st.dictionaries(st.text(), inner),
    max_leaves=20,
)
DOUBLED = b"".join(b"q%ch%c\x86" % (place, place) for place in range(60))
LONG = b"".join(b"\x8a\x08" + (2**40 + number).to_bytes(8, "little") for number in range(MAX_LONG + 1))


def names(data: bytes) -> list[str]:
    return list(globals_in(io.BytesIO(data), 1 << 20))


@given(VALUES, st.integers(0, 2))
def test_what_python_writes_is_taken(value: object, protocol: int) -> None:
    assert names(pickle.dumps(value, protocol)) == (["_codecs encode"] if protocol < 0 else [])


@pytest.mark.parametrize(
    "inside",
    [
        pytest.param(b"N" + b"\x85" * (MAX_DEPTH + 1), id="one in another"),
        pytest.param(b"N" + b"N\x86" * (MAX_DEPTH + 1), id="pairs in one another"),
        pytest.param(b"(" * 200 + b"t" * 200, id="marks"),
        pytest.param(b"N" + DOUBLED, id="doubled sixty times"),
        pytest.param(b"(" + LONG + b"l", id="long numbers"),
    ],
)
def test_a_key_that_would_take_the_stack_or_all_time_is_refused(inside: bytes) -> None:
    """The hash of a tuple follows what is in it without a limit: a thread dies of a deep one."""
    with pytest.raises(Crowded):
        names(b"\x80\x02}" + inside + b"K\x01s.")


@pytest.mark.parametrize("inside", [b"s", b"u", b"\x86", b"0", b"q\x00", b"2", b"b"])
def test_operands_that_are_not_there_are_damage(inside: bytes) -> None:
    with pytest.raises(ValueError, match=r"without a beginning|not there|nothing to keep"):
        names(b"\x80\x02" + inside + b".")


def test_what_is_changed_in_place_stays_one_value() -> None:
    """Filling a list or a dict is no nesting, however long it is; what is looked up is told in order."""
    many = {str(number): [number, (number,)] for number in range(5000)}
    assert names(pickle.dumps(many, 2)) == []
    assert names(b"\x80\x02cos\nsystem\nctorch\nload\n\x86.") == ["os system", "torch load"]


class _Acts:
    """What a caller may allow torch's reader to make, and what runs code then."""

    made = 0

    def __init__(self) -> None:
        self.value = 1

    def __setstate__(self, _: object) -> None:
        _Acts.made += 1


@pytest.mark.parametrize("held", [_Acts(), torch.nn.Linear(2, 2)], ids=["a class", "a module of torch"])
def test_what_a_caller_allows_torch_to_make_is_not_made_of_a_file_of_ours(tmp_path, held) -> None:
    """As it was refused, or passed over, without that; and the caller's list is the caller's again."""
    file, _Acts.made = tmp_path / "some.pt", 0
    torch.save({"w": torch.ones(2), "held": held}, file)
    allowed = [_Acts, torch.nn.Linear, torch.nn.modules.linear.Linear, set, torch.nn.Parameter]

    def read() -> object:
        try:
            return [type(one) for one in read_checkpoint(file).values()]
        except WeightsError as error:
            return str(error)

    wanted = read()
    with torch.serialization.safe_globals(allowed):
        before = torch.serialization.get_safe_globals()
        assert read() == wanted
        assert _Acts.made == 0
        assert set(torch.serialization.get_safe_globals()) == set(before)
    assert type(held) not in (wanted if isinstance(wanted, list) else [])
