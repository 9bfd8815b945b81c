"""From cached results to the grid on screen."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pruneattr_core.attribution import METHODS
from pruneattr_core.benchmarks.localisation import mass_inside
from pruneattr_core.benchmarks.similarity import spearman, ssim
from pruneattr_core.response import Response
from pruneattr_core.results.cells import (
    CHEAP_PASSES,
    CURVES,
    LIVE,
    PATIENT,
    Curve,
    Game,
    passes_of,
)
from pruneattr_core.results.keys import Mapped, PaceKey
from pruneattr_core.results.levels import unmoved
from pruneattr_core.results.live import Levels, Track, track_of
from pruneattr_core.results.numbers import (
    KINDS,
    Numbers,
    mean,
    ordered,
    seconds_text,
    written,
)
from pruneattr_core.share.entries import method_of, words_of
from pruneattr_core.share.grid import Cell, Grid
from pruneattr_core.share.words import counted, several, sized
from pruneattr_core.ui import pictures
from pruneattr_core.ui.compare.plan import Plan, standing
from pruneattr_core.ui.jobs import Cache, Failed
from pruneattr_core.ui.pictures import Picture, seen_by

Array = NDArray[Any]


def assemble(
    plan: Plan, shelf: Cache, running: str | None, dear: bool, start: Mapping[str, Any] | None = None
) -> tuple[Grid, list[str]]:
    """The grid as it stands.

    Args:
        plan: the choices.
        shelf: finished results.
        running: title of what is computed now, None when nothing is.
        dear: whether expensive maps are wanted.
        start: where the slider stands first, see `hand.start_of`; None where there is none.

    Returns:
        The grid, and its entries from top to bottom.
    """
    methods = list(plan.options)
    # Asked first: what comes while the cells are looked at is drawn by the next run.
    complete = not standing(plan, shelf, dear).open
    pace = shelf.get(PaceKey(plan.card.id, plan.device, plan.card.state))
    table: list[list[Numbers]] = []
    parts: list[list[tuple[Any, Any, Any]]] = []
    for method in methods:
        numbers, row = [], []
        for j, picture in enumerate(plan.pictures):
            found, shown, curve = plan.find(shelf, picture, method)
            row.append((found, shown, curve))
            passes, asked = passes_of(plan.map_key(picture, method)), plan.game_key(picture, method)
            game = None if asked is None else shelf.get(asked)
            number = Numbers(passes=passes)
            if isinstance(found, Mapped) and shown is not None:
                number = numbers_of(
                    found,
                    passes,
                    shown,
                    curve if isinstance(curve, Curve) else None,
                    _reference(plan, shelf, picture),
                    (plan.map_key(picture, method), plan.look.collapse, plan.look.sign),
                    plan.masks[j],
                    game if isinstance(game, Game) else None,
                )
            numbers.append(number)
        table.append(numbers)
        parts.append(row)
    higher = CURVES[plan.curve].higher if plan.order == "area" else _higher(plan.order)
    places = ordered(methods, table, plan.order, higher)
    cells = [
        _cell(plan, shelf, i, j, methods[place], table[place][j], parts[place][j], running, dear, pace)
        for i, place in enumerate(places)
        for j in range(len(plan.pictures))
    ]
    first = next((c for row in parts for _, _, c in row if isinstance(c, Curve)), None)
    kind = CURVES[plan.curve]
    axis = {
        "x": list(first.fractions) if first else [0.0, 1.0],
        "title": kind.title,
        "short": kind.short,
        "across": kind.across,
        "up": kind.up,
    }
    grid = Grid(
        methods=[_head(plan, methods[place], table[place]) for place in places],
        images=[_image_head(plan, shelf, j) for j in range(len(plan.pictures))],
        photos=[seen_by(plan.card, picture) for picture in plan.pictures],
        cells=cells,
        curve=axis,
        layout=plan.layout,
        complete=complete,
        of=plan.name,
        dial=plan.dial if plan.following else None,
        start=start or {},
    )
    return grid, [methods[place] for place in places]


def _higher(order: str) -> bool:
    return order in KINDS and KINDS[order].higher


def _reference(plan: Plan, shelf: Cache, picture: Picture) -> tuple[Any, Array] | None:
    entry = plan.reference_entry
    if entry is None:
        return None
    _, shown, _ = plan.find(shelf, picture, entry)
    if shown is None:
        return None
    return (plan.map_key(picture, entry), plan.look.collapse, plan.look.sign), shown


def _cell(
    plan: Plan,
    shelf: Cache,
    i: int,
    j: int,
    method: str,
    numbers: Numbers,
    part: tuple[Any, Any, Any],
    running: str | None,
    dear: bool,
    pace: Any,
) -> Cell:
    found, shown, curve = part
    track = _track(plan, shelf, j, method)
    if method in plan.blocked:
        return Cell(i, j, "blocked", plan.blocked[method])
    if isinstance(found, Failed):
        return Cell(i, j, "failed", found.text)
    if found is None:
        hole = _hole(i, j, method, int(numbers.passes), running, dear, pace)
        return replace(hole, track=track)
    plain = _is_plain(plan, shelf, j, method, found)
    rows = written(numbers, [name for name in KINDS if name != "area"], plan.order)
    if method == plan.reference_entry:
        alike = {KINDS["spearman"].label, KINDS["ssim"].label}
        rows = [{**row, "text": "reference"} if row["label"] in alike else row for row in rows]
    if isinstance(curve, Curve):
        drawn_curve = {"y": [round(min(v, 9.0), 4) for v in curve.values], "text": sized(curve.area, 3)}
        return Cell(i, j, "ready", "", shown, rows, drawn_curve, track=track, plain=plain)
    text = curve.text if isinstance(curve, Failed) else "curve to come"
    return Cell(i, j, "ready", "", shown, rows, None, text, track, plain)


def _track(plan: Plan, shelf: Cache, j: int, entry: str) -> Track | None:
    """The levels of an entry as the browser draws them, coded once a look."""
    key = plan.levels_key(plan.pictures[j], entry)
    found = None if key is None else shelf.get(key)
    if not isinstance(found, Levels):
        return None
    place = ("track", key, plan.look.collapse, plan.look.sign, plan.look.clip)
    track: Track | None = shelf.get(place)
    if track is None:
        track = track_of(found, plan.look)
        shelf.put(place, track)
    return track


def _is_plain(plan: Plan, shelf: Cache, j: int, entry: str, found: Mapped) -> bool:
    """Whether a pruned network's map is still that of the whole network, where one is there to compare."""
    if not METHODS[method_of(entry)].paths:
        return False
    picture = plan.pictures[j]
    for other in plan.following:
        key = plan.levels_key(picture, other)
        levels = None if key is None else shelf.get(key)
        if isinstance(levels, Levels) and levels.maps[0].shape == found.attribution.shape:
            return unmoved(np.stack([levels.maps[0], found.attribution]))[1]
    return False


def _hole(i: int, j: int, method: str, passes: int, running: str | None, dear: bool, pace: Any) -> Cell:
    seconds = math.nan if pace is None else float(pace) * passes
    cost = counted(passes, "passes", "pass")
    cost += "" if math.isnan(seconds) else f", about {seconds_text(seconds)}"
    if not dear and passes > CHEAP_PASSES and seconds > PATIENT:
        return Cell(i, j, "dear", f"{cost}. Not started.")
    if running and running.split(" · ")[0] == METHODS[method_of(method)].title:
        return Cell(i, j, "computing", f"Computing: {cost}")
    return Cell(i, j, "waiting", cost) if running else Cell(i, j, "stopped", f"Not computed ({cost})")


def _head(plan: Plan, method: str, numbers: Sequence[Numbers]) -> dict[str, Any]:
    name = method_of(method)
    entry, options = METHODS[name], dict(plan.options[method])
    own = {key: value for key, value in options.items() if key not in ("sparsity", "of", "output_change")}
    follows = method in plan.following
    parts = ["follows the slider" if name in LIVE else "moves when you let go"] if follows else []
    parts.append(words_of(name, own if follows else options))
    means = ""
    if len(plan.pictures) > 1 and plan.order in KINDS:
        value = mean([getattr(number, plan.order) for number in numbers])
        means = (
            "" if math.isnan(value) else f"Mean {KINDS[plan.order].label} {KINDS[plan.order].write(value)}"
        )
    return {
        "name": method,
        "method": name,
        "title": entry.title,
        "badge": ", ".join(filter(None, parts)),
        "settings": words_of(name, options),
        "note": entry.note,
        "citation": entry.citation,
        "mean": means,
    }


def _image_head(plan: Plan, shelf: Cache, j: int) -> dict[str, Any]:
    picture, mask = plan.pictures[j], plan.masks[j]
    found = next((one for key in plan.map_keys[j] if isinstance(one := shelf.get(key), Mapped)), None)
    name = _asked(plan, found)
    covered = (
        ""
        if mask is None
        else f"The object's mask covers {100 * mask.mean():.0f} % of the picture: chance for the mass inside."
    )
    notes = [note for note in (covered, _game_note(plan, shelf, picture)) if note]
    return {"title": picture.title, "answer": f"Explained: {name}", "covered": " ".join(notes)}


def _asked(plan: Plan, found: Mapped | None) -> str:
    """What is explained, in words; the class that only the network names once a map is there."""
    classes, asked, target = plan.card.classes, plan.asked, plan.target if found is None else found.target
    name = "its predicted class" if target is None else classes[target]
    if not isinstance(asked, Response):
        return name
    if asked.kind == "group":
        return f"the mean of {several(classes, asked.target or ())}"
    other = asked.against if found is None or found.against is None else (found.against,)
    return f"{name} instead of {classes[other[0]] if other else 'the runner-up'}"


def _game_note(plan: Plan, shelf: Cache, picture: Picture) -> str:
    """Who stands beside the picture in the grid pointing game, or why it cannot be played."""
    asked = [plan.game_key(picture, method) for method in plan.options if method not in plan.blocked]
    found = [game for key in asked if key is not None and (game := shelf.get(key)) is not None]
    for game in found:
        if isinstance(game, Game):
            data = pictures.dataset(game.rivals[0][0]).title
            places = ", ".join(str(place) for _, place in game.rivals)
            return f"Grid game with pictures {places} of {data}: 25 % by chance."
    return found[0].text if found else ""


#: Likenesses of pairs of maps, for all sessions; each costs some ten milliseconds.
_LIKENESS = Cache(4096)


def numbers_of(
    mapped: Mapped,
    passes: int,
    shown: Array,
    curve: Curve | None,
    reference: tuple[Any, Array] | None,
    key: Any,
    mask: NDArray[np.bool_] | None,
    game: Game | None = None,
) -> Numbers:
    """All numbers of one map.

    Args:
        mapped: the attribution.
        passes: of its method.
        shown: the map (H, W) as drawn, before clipping.
        curve: its removal curve, if it is there.
        reference: (key, map) to compare with, if it is there.
        key: names `shown`.
        mask: (H, W) of the object, if known.
        game: its grid pointing game, if it was played.
    """
    alike = (math.nan, math.nan)
    if reference is not None:
        pair = (key, reference[0])
        alike = _LIKENESS.get(pair)
        if alike is None:
            finite = np.isfinite(shown).all() and np.isfinite(reference[1]).all()
            alike = (
                (spearman(shown, reference[1]), ssim(shown, reference[1])) if finite else (math.nan, math.nan)
            )
            _LIKENESS.put(pair, alike)
    return Numbers(
        seconds=mapped.seconds,
        passes=passes,
        area=math.nan if curve is None else curve.area,
        spearman=alike[0],
        ssim=alike[1],
        mass=math.nan if mask is None or not np.isfinite(shown).all() else mass_inside(shown, mask),
        game=math.nan if game is None else game.share,
        gap=math.nan if mapped.gap is None else mapped.gap,
    )
