"""What a user sees when something fails: one sentence, never a trace."""

from __future__ import annotations

import logging
import re
from collections.abc import Iterator
from contextlib import contextmanager

import streamlit as st

from pruneattr_core.errors import Cancelled, PruneAttrError
from pruneattr_core.render.plain import markdown_text
from pruneattr_core.ui.machine import browser_here

logger = logging.getLogger("pruneattr")
_PATH = re.compile(r"(?<![\w:/.\\])(?:[A-Za-z]:)?(?:[/\\]+[^\s/\\'\",;:<>|]+){2,}")

APOLOGY = "Sorry, something failed on our side; it is in the server's log. Choose another setting, or reload."


def complain(error: object, icon: str = ":material/error:") -> None:
    """Show what failed. Names and keys of files stand in such sentences, so nothing in them is markup.

    Whoever is not at this machine reads names of files without the folders they lie in.
    """
    st.error(for_reader(error), icon=icon)


def for_reader(error: object) -> str:
    """A sentence as Markdown that shows it as it stands, for whoever is at this machine or is not."""
    return markdown_text(str(error) if browser_here() else without_folders(str(error)))


def without_folders(text: str) -> str:
    """The text with the last part alone of every absolute path in it."""
    return _PATH.sub(lambda found: re.split(r"[/\\]", found[0])[-1], text)


@contextmanager
def guarded() -> Iterator[None]:
    """Show our own errors word for word and apologise for all others, then go on below the block.

    Streamlit's own control flow (rerun, stop, superseded runs) passes through.
    """
    try:
        yield
    except Cancelled:
        st.info("This computation was superseded by a newer request.")
    except PruneAttrError as error:
        complain(error)
    except Exception:
        logger.exception("unexpected error in a page")
        complain(APOLOGY)
