"""Numbers as the reader's language writes them."""

from __future__ import annotations

import re
from collections.abc import Callable


def numbers(text: str, word: Callable[..., str]) -> str:
    """A text with its decimal points and percent signs as the language has them; 1.2.3 is no number.

    Args:
        text: in English, such as "56.1% ± 1.4%".
        word: a text by its key; "decimal" and "percent" are asked for.
    """
    written = re.sub(r"(?<![\d.])(\d+)\.(\d+)(?![\d.]*\d)", rf"\g<1>{word('decimal')}\2", text)
    return re.sub(r"(?<=\d)%", word("percent"), written)
