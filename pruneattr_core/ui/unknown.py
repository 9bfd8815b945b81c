"""What is wrong with a text of the address, for programs that have no Streamlit, too."""

from __future__ import annotations


class Unknown(ValueError):
    """A text of the address, or a part of it, names nothing that is here.

    Args:
        part: what is named.
        why: what is to be said of it.
    """

    def __init__(self, part: str, why: str = "is not available here") -> None:
        """See the class."""
        super().__init__(part)
        self.part, self.why = part, why
