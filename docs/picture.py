"""The picture of the first page: `PYTHONPATH=. python docs/picture.py` writes docs/local-to-global.png."""

from __future__ import annotations

from pathlib import Path

import matplotlib as mpl

mpl.use("Agg")
import matplotlib.pyplot as plt
from PIL import Image

from pruneattr_core import PruneGrad, load_model, model_card
from pruneattr_core.datasets import load_dataset
from pruneattr_core.render import colour_table, colourise, scale_map, scale_of

#: Photographs that the story is plain on, by their titles, and places of the dial.
PICTURES = ("Dahlia", "Coffee cup", "Rocket")
LEVELS = (0.0, 0.5, 0.8, 0.9, 0.95)


def main() -> None:
    """Draw photographs beside their maps."""
    model, card, samples = (
        load_model("efficientnet-lite0"),
        model_card("efficientnet-lite0"),
        load_dataset("samples"),
    )
    names = [samples[i].name for i in range(len(samples))]
    figure, grid = plt.subplots(len(PICTURES), len(LEVELS) + 1, figsize=(12, 2.15 * len(PICTURES)))
    for row, title in zip(grid, PICTURES, strict=True):
        image = samples[next(i for i, name in enumerate(names) if title.lower() in name.lower())].image
        sweep = PruneGrad(model).sweep(card.preprocess(image), sparsities=LEVELS, of="contributing")
        row[0].imshow(card.display(image))
        row[0].set_ylabel(card.classes[int(sweep.target)].split(",")[0], fontsize=9)
        for axis, level, maps in zip(row[1:], LEVELS, sweep.maps[:, 0], strict=True):
            plane = maps.abs().sum(0).numpy()
            scale = scale_of(plane, False, 99.5)
            axis.imshow(colourise(scale_map(plane, scale=scale), colour_table("inferno")))
            if title == PICTURES[0]:
                axis.set_title(
                    "plain gradient" if level == 0 else f"{level:.0%} of contributing removed", fontsize=8
                )
    grid[0][0].set_title("photograph", fontsize=8)
    for axis in grid.flat:
        axis.set_xticks([])
        axis.set_yticks([])
    figure.tight_layout(pad=0.4)
    file = Path(__file__).with_name("local-to-global.png")
    figure.savefig(file, dpi=110)
    Image.open(file).convert("RGB").quantize(128).save(file, optimize=True)  # a third of the size


if __name__ == "__main__":
    main()
