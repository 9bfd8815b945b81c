"""One family of errors: each text says what was expected, what was given and what to do."""

from collections.abc import Sized


class PruneAttrError(Exception):
    """Base of every error this package raises on purpose; its text may be shown to users verbatim."""


class InputError(PruneAttrError, ValueError):
    """An argument has a value that cannot be used."""


class NoSuchRow(InputError, IndexError):
    """A batch has fewer inputs; it ends a loop over the batch, too."""


class NothingToMeasure(InputError):
    """The pictures lack what every measure of a benchmark asks for."""


class TargetError(InputError):
    """The target class does not exist or does not match the batch."""


class ImageError(InputError):
    """Bytes that are not a picture we can, or are willing to, decode."""


class ModelError(PruneAttrError, ValueError):
    """The network cannot be explained as it is."""


class NotHere(ModelError):
    """A network of the hub is not on this machine, and no other may be asked for it."""


class WeightsError(ModelError):
    """A weights file is missing, unsafe, damaged or does not fit its architecture.

    Attributes:
        alike: names of the architectures that it looks like, best first.
    """

    alike: tuple[str, ...] = ()


class StoreError(PruneAttrError, ValueError):
    """A saved path, run or export is damaged, incomplete or cannot be written."""


class ArgumentTypeError(PruneAttrError, TypeError):
    """An argument has a type that cannot be used."""


class Cancelled(PruneAttrError):
    """The caller asked a long computation to stop."""


def missing(parts: Sized = ()) -> str:
    """What is said of things that are not here: of one, or of several."""
    return "are not available here" if len(parts) > 1 else "is not available here"


class Unknown(ValueError):
    """A text of the address, or a part of it, names nothing that is here.

    Args:
        part: what is named.
        why: what is to be said of it.
        left: the parts beside it that are here, as the address has them; "" for none.
    """

    def __init__(self, part: str, why: str = missing(), left: str = "") -> None:
        """See the class."""
        super().__init__(part)
        self.part, self.why, self.left = part, why, left
