"""Code of others that ends the program where it should answer: an error of it, after which we go on."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dis import opmap

from pruneattr_core.errors import ModelError


@contextmanager
def staying() -> Iterator[None]:
    """Around a call of a network's code.

    Raises:
        ModelError: it called sys.exit, or raised SystemExit or KeyboardInterrupt itself. What a person
            interrupts stays interrupted.
    """
    try:
        yield
    except (SystemExit, KeyboardInterrupt) as error:
        if isinstance(error, SystemExit) or _raised_by_code(error):
            raise ModelError(left(error)) from error
        raise


def left(error: BaseException) -> str:
    """What is said of it."""
    what = " ".join(f"{type(error).__name__} {error}".split())[:200]
    return (
        f"Code of the network ended the program ({what}) instead of answering: take sys.exit or "
        "the like out of what its forward runs, and raise an error that says what is wrong."
    )


def _raised_by_code(error: KeyboardInterrupt) -> bool:
    """Whether it comes from a raise statement: Ctrl-C arrives between the steps of whatever runs."""
    last = error.__traceback__
    while last is not None and last.tb_next is not None:
        last = last.tb_next
    if last is None or type(error) is not KeyboardInterrupt:
        return False
    return last.tb_frame.f_code.co_code[last.tb_lasti] == opmap["RAISE_VARARGS"]
