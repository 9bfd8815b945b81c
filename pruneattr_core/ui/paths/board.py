"""What every view of critical paths draws from, and how a method of paths is named and drawn."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from pruneattr_core.critical_path import Path
from pruneattr_core.paths.table import METHODS
from pruneattr_core.render.series import Series, series
from pruneattr_core.results.keys import Subject
from pruneattr_core.results.paths import Comparison, ComparisonKey, Ground, Timed
from pruneattr_core.share.words import named
from pruneattr_core.ui import shell
from pruneattr_core.ui.folio import Folio
from pruneattr_core.ui.paths.state import UPLOADED, UPLOADED_TITLE


@dataclass(frozen=True)
class Board:
    """Everything the views draw from.

    Attributes:
        chosen: model, picture and target.
        subject: its key.
        ground: scores, dead neurons and answer of the original network.
        kappa: sparsity asked for.
        paths: method -> path, those that are there.
        found: method -> how it was found; without the uploaded path.
        comparison: of `paths`, in their order.
        key: explicit values that name `paths`.
        pending: methods chosen that have no path yet.
        folio: takes what is shown.
    """

    chosen: shell.Selection
    subject: Subject
    ground: Ground
    kappa: float
    paths: Mapping[str, Path]
    found: Mapping[str, Timed]
    comparison: Comparison
    key: ComparisonKey
    pending: tuple[str, ...]
    folio: Folio

    @property
    def choices(self) -> dict[str, str]:
        """Method -> title, of all that were chosen; those without a path yet say so."""
        return self.titles | {key: f"{title_of(key)} (not computed yet)" for key in self.pending}

    @property
    def titles(self) -> dict[str, str]:
        """Method -> title, of the paths that are there."""
        return {key: title_of(key) for key in self.paths}

    @property
    def styles(self) -> dict[str, Series]:
        """Title -> how it is drawn; the same for a method whatever else is chosen."""
        return {title_of(key): style_of(key) for key in self.paths}

    @property
    def target(self) -> int:
        """The class explained."""
        return int(self.ground.scores.target[0])

    def named(self, answer: int) -> str:
        """An answer about it in words."""
        return named(self.chosen.card.classes, self.target, answer)


def title_of(key: str) -> str:
    """How readers meet a method."""
    return UPLOADED_TITLE if key == UPLOADED else METHODS[key].title


def style_of(key: str) -> Series:
    """Colour, dash and marker of a method."""
    return series([*METHODS, UPLOADED].index(key))
