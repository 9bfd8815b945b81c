"""What a pickle of weights would have its reader make, told from its opcodes; nothing is made here."""

from __future__ import annotations

import pickletools
from collections.abc import Iterator
from typing import IO

#: Opcodes of one pickle: an index of ten thousand tensors has some three hundred thousand.
MAX_CODES = 600_000
#: How deep values may lie in one another: a tuple's hash follows them on the machine's own stack.
MAX_DEPTH = 100
#: Values in one tuple, those inside of it with it, however often one stands there: its hash visits each.
MAX_VALUES = 1_000_000
#: Numbers of more than 32 bits: such keys can be made to fall on one place of a table.
MAX_LONG = 10_000
#: These change what lies below their operands; it stays one value, which no hash follows.
_INTO = {"APPEND", "APPENDS", "SETITEM", "SETITEMS", "ADDITEMS", "BUILD"}
_PUT = {"PUT", "BINPUT", "LONG_BINPUT", "MEMOIZE"}
_GET = {"GET", "BINGET", "LONG_BINGET"}
#: (depth, values inside, name of what makes it) of a value.
_Extent = tuple[int, int, str]
_FLAT: _Extent = (0, 1, "")
#: Opcodes that make something of a name, and those that fill what was made as a dict or as a list.
_MADE, _DICTS, _LISTS = {"NEWOBJ", "REDUCE"}, {"SETITEM", "SETITEMS"}, {"APPEND", "APPENDS"}


class Crowded(ValueError):
    """A pickle would make more, or deeper, than a state dict needs."""


def globals_in(data: IO[bytes], longest: int, filled: dict[str, type] | None = None) -> Iterator[str]:
    """Names ("module name") that the pickle beginning here would look up, in order; reads it to its end.

    Args:
        data: where it begins; afterwards what follows it.
        longest: place in `data` beyond which no opcode may stand.
        filled: gets the names whose objects are filled as dicts or as lists are, with `dict` or `list`.

    Raises:
        Crowded: it has too many opcodes, long numbers or nested values.
        ValueError: it is damaged.
    """
    stack: list[_Extent] = []
    marks: list[int] = []
    memo: dict[int, _Extent] = {}
    long = 0
    for count, (code, argument, place) in enumerate(pickletools.genops(data), 1):
        long += code.name in ("LONG", "LONG1", "LONG4", "INT")
        if count > MAX_CODES or long > MAX_LONG or (place is not None and place > longest):
            raise Crowded
        if code.name == "GLOBAL":
            yield str(argument)
            stack.append((0, 1, str(argument)))
        elif code.name == "MARK":
            marks.append(len(stack))
        elif code.name in _PUT:
            memo[argument if isinstance(argument, int) else len(memo)] = _top(stack)
        elif code.name in _GET:
            stack.append(memo.get(int(argument or 0), _FLAT))
        elif code.name == "DUP":
            stack.append(_top(stack))
        else:
            changed = _apply(code, stack, marks)
            if filled is not None and changed and code.name in _DICTS | _LISTS:
                filled[changed] = dict if code.name in _DICTS else list


def _apply(code: pickletools.OpcodeInfo, stack: list[_Extent], marks: list[int]) -> str:
    """Take the operands of an opcode from the stack and put its result there; the name of what makes it."""
    fixed = code.stack_before
    inside: list[_Extent] = []
    if pickletools.markobject in fixed:
        if not marks:
            raise ValueError("a list without a beginning")
        start = marks.pop()
        inside, fixed = stack[start:], fixed[: fixed.index(pickletools.markobject)]
        del stack[start:]
    if len(fixed) > len(stack):
        raise ValueError("a value that is not there")
    taken = stack[len(stack) - len(fixed) :]
    del stack[len(stack) - len(fixed) :]
    if not code.stack_after:
        return ""
    name = ""
    if code.name in _INTO:
        changed, *rest = taken
        depth = max((one[0] + 1 for one in (*rest, *inside)), default=0)
        name = changed[2]
        result = max(changed[0], depth), changed[1], name
    else:
        held = (*taken, *inside)
        name = taken[0][2] if code.name in _MADE else ""
        result = max((one[0] + 1 for one in held), default=0), 1 + sum(one[1] for one in held), name
    if result[0] > MAX_DEPTH or result[1] > MAX_VALUES:
        raise Crowded
    stack.extend([result] * len(code.stack_after))
    return name


def _top(stack: list[_Extent]) -> _Extent:
    if not stack:
        raise ValueError("nothing to keep")
    return stack[-1]
