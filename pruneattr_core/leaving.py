"""Code of others that ends the program, or asks for gradients of nothing: one sentence, and we go on."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dis import opmap
from pathlib import Path

from pruneattr_core.errors import ModelError

#: Where PyTorch is asked for gradients.
_ASKS = {(name, ("autograd", "__init__.py")) for name in ("grad", "backward")}
_GRADIENTS = (
    "The network calls {} in its forward, which fails because nothing there keeps gradients ({}): passes are "
    "made under torch.no_grad, too. Compute them under torch.enable_grad() for x.clone().requires_grad_(), "
    "with create_graph=True, which lets the answer still hang on the input."
)


class NoAnswer(ModelError):
    """Code of a network does something else than to answer."""


@contextmanager
def staying() -> Iterator[None]:
    """Around code of others.

    Raises:
        NoAnswer: it called sys.exit, or raised SystemExit or KeyboardInterrupt itself. What a person
            interrupts stays interrupted.
    """
    try:
        yield
    except (SystemExit, KeyboardInterrupt) as error:
        if isinstance(error, SystemExit) or _raised_by_code(error):
            raise NoAnswer(left(error)) from error
        raise


@contextmanager
def answering() -> Iterator[None]:
    """`staying`, around a pass of a network.

    Raises:
        NoAnswer: also where its forward asks for gradients of what keeps none.
    """
    try:
        with staying():
            yield
    except RuntimeError as error:
        if asked := _asks_gradients(error):
            raise NoAnswer(_GRADIENTS.format(asked, error)) from error
        raise


def left(error: BaseException) -> str:
    """What is said of code that ended the program."""
    what = " ".join(f"{type(error).__name__} {error}".split())[:200]
    return (
        f"Code of the network ended the program ({what}) instead of answering: take sys.exit or "
        "the like out of what its forward runs, and raise an error that says what is wrong."
    )


def _asks_gradients(error: RuntimeError) -> str:
    """The function by which code asked for gradients that are not kept, or ""."""
    place, found = error.__traceback__, ""
    while place is not None:
        code = place.tb_frame.f_code
        if (code.co_name, Path(code.co_filename).parts[-2:]) in _ASKS:
            found = "backward" if code.co_name == "backward" else "torch.autograd.grad"
        place = place.tb_next
    return found if "does not require grad" in str(error) else ""


def _raised_by_code(error: KeyboardInterrupt) -> bool:
    """Whether it comes from a raise statement: Ctrl-C arrives between the steps of whatever runs."""
    last = error.__traceback__
    while last is not None and last.tb_next is not None:
        last = last.tb_next
    if last is None or type(error) is not KeyboardInterrupt:
        return False
    return last.tb_frame.f_code.co_code[last.tb_lasti] == opmap["RAISE_VARARGS"]
