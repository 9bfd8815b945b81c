"""The moving picture of the README: `PYTHONPATH=. python docs/moving.py` writes docs/moving.webp."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from pruneattr_core import PruneGrad, load_model, model_card
from pruneattr_core.datasets import load_dataset
from pruneattr_core.render import colour_table, colourise, scale_map, scale_of

#: Photographs by their titles, and places of the dial; the picture goes there and back.
PICTURES = ("Coffee cup", "Cat", "Dahlia")
LEVELS = (0.0, 0.3, 0.5, 0.65, 0.75, 0.8, 0.85, 0.9, 0.93, 0.95)
SIDE, HEAD = 224, 46
_INK, _BLUE, _GREY = (20, 24, 31), (0, 114, 178), (200, 205, 211)


def main() -> None:
    """Draw photographs and maps under a slider that moves."""
    model, card = load_model("efficientnet-lite0"), model_card("efficientnet-lite0")
    samples = load_dataset("samples")
    columns = []
    for title in PICTURES:
        image = next(samples[i].image for i in range(len(samples)) if samples[i].name == title)
        sweep = PruneGrad(model).sweep(card.preprocess(image), sparsities=LEVELS, of="contributing")
        name = card.classes[int(sweep.target)].split(",")[0]
        columns.append(
            (card.display(image), name, [_drawn(level) for level in sweep.maps[:, 0].abs().sum(1).numpy()])
        )
    order = [*range(len(LEVELS)), *range(len(LEVELS) - 2, 0, -1)]
    frames = [_frame(columns, k) for k in order]
    pauses = [900 if k in (0, LEVELS.index(0.8), len(LEVELS) - 1) else 260 for k in order]
    file = Path(__file__).with_name("moving.webp")
    frames[0].save(
        file, save_all=True, append_images=frames[1:], duration=pauses, loop=0, quality=60, method=6
    )
    print(f"{file.name}: {len(frames)} frames, {file.stat().st_size / 1000:.0f} kB")


def _drawn(plane: NDArray[np.float32]) -> NDArray[np.uint8]:
    return colourise(scale_map(plane, scale=scale_of(plane, False, 99.5)), colour_table("inferno"))


def _frame(columns: list[tuple[NDArray[np.uint8], str, list[NDArray[np.uint8]]]], k: int) -> Image.Image:
    gap, wide = 8, len(columns) * SIDE + (len(columns) - 1) * 8
    frame = Image.new("RGB", (wide, HEAD + 2 * SIDE + gap + 22), "white")
    draw, font = ImageDraw.Draw(frame), ImageFont.load_default(15)
    share = LEVELS[k]
    said = (
        "plain gradient: every neuron stays"
        if share == 0
        else f"{share:.0%} of the contributing neurons removed"
    )
    draw.text((0, 2), said, _INK, font)
    along = round((wide - 16) * share / LEVELS[-1])
    draw.rounded_rectangle((0, 30, wide - 1, 36), 3, _GREY)
    draw.rounded_rectangle((0, 30, 8 + along, 36), 3, _BLUE)
    draw.ellipse((along, 25, along + 16, 41), _BLUE)
    for place, (photo, name, maps) in enumerate(columns):
        x = place * (SIDE + gap)
        frame.paste(Image.fromarray(photo), (x, HEAD))
        frame.paste(Image.fromarray(maps[k]), (x, HEAD + SIDE + gap))
        draw.text((x, HEAD + 2 * SIDE + gap + 2), name, _INK, font)
    return frame


if __name__ == "__main__":
    main()
