"""Classes as the commands take them: by number or by name."""

from __future__ import annotations

from collections.abc import Sequence
from difflib import get_close_matches

from pruneattr_core.errors import InputError


def class_called(asked: str, names: Sequence[str], whose: str) -> int:
    """The number of a class, or where a class of this name stands among all; case does not matter.

    Args:
        asked: what was said; a number is taken as it is.
        names: of all classes, in order.
        whose: what has these classes, for the error.

    Raises:
        InputError: no class has this name, or several have; near names are suggested.
    """
    said = asked.strip().casefold()
    if said.isdecimal():
        return int(said)
    known = [name.casefold() for name in names]
    places = [place for place, name in enumerate(known) if name == said]
    if len(places) > 1:
        raise InputError(f"{whose} has {len(places)} classes called {asked!r}: give the number, {places}.")
    if places:
        return places[0]
    near = get_close_matches(said, known, 3)
    meant = f" Did you mean {' or '.join(near)}?" if near else ""
    raise InputError(
        f"{whose} has {len(names)} classes, and none is {asked!r}; "
        f"give its name, or its number from 0.{meant}"
    )
