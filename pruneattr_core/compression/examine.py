"""What a network of a study is worth: prediction, localisation, deformation and cost (AP, section 4)."""

from __future__ import annotations

import platform
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import nn

from pruneattr_core.benchmarks.localisation import point_accuracy, roc_auc
from pruneattr_core.compression.data import LabelledMasks
from pruneattr_core.compression.measures import (
    METHODS_OF_REVIEW,
    map_of,
    predicted,
    prediction_quality,
)
from pruneattr_core.compression.pool import Pool
from pruneattr_core.compression.train import identity
from pruneattr_core.likeness import cosine, l2_distance
from pruneattr_core.runtime import provenance

#: (picture, class)
Pair = tuple[int, int]
Maps = dict[str, dict[Pair, NDArray[np.float32]]]
_BATCH = 50
#: Single pictures timed for the latency.
REPEATS = 30


class Examination:
    """Pictures to measure on, with the teacher's maps kept.

    Args:
        data: pictures with masks, or without (then maps are compared with the teacher's only).
        pictures: the same, as the networks see them.
        teacher: frozen, in eval mode.
        shown: how many pictures are explained, the first ones; prediction uses all.
        methods: keys of `METHODS_OF_REVIEW`.
    """

    def __init__(
        self,
        data: LabelledMasks,
        pictures: Pool,
        teacher: nn.Module,
        shown: int = 150,
        methods: tuple[str, ...] = tuple(METHODS_OF_REVIEW),
    ) -> None:
        self.pictures, self.methods, self.teacher = pictures, methods, teacher
        self._masks: dict[Pair, NDArray[np.bool_] | None] = {}
        for index in range(min(shown, len(data))):
            item = data[index]
            for label in item.labels:
                mask = item.masks.get(label)
                self._masks[index, label] = (
                    None if mask is None else _fitted(mask, pictures.images.shape[1:3])
                )
        self._teacher_maps: Maps | None = None

    @property
    def pairs(self) -> tuple[Pair, ...]:
        """Every (picture, class) that is right, of the pictures that are explained."""
        return tuple(self._masks)

    def measure(self, model: nn.Module, log: Callable[[str], None] = lambda line: None) -> dict[str, Any]:
        """All measures of one network, each over the pairs that *it* predicts correctly.

        Deformation is over the pairs that the teacher predicts correctly too.

        Returns:
            `prediction_quality`; pictures, pairs, pairs_predicted; latency_ms of a single picture; and
            "maps": method -> measure -> {mean, sd, n}.
        """
        logits = self._logits(model)
        right = self._right(logits)
        ours = self._maps(model, right)
        if self._teacher_maps is None:
            self._teacher_maps = self._maps(self.teacher, self._right(self._logits(self.teacher)))
        result: dict[str, Any] = prediction_quality(self.pictures.labels, logits, self.pictures.multi_label)
        result |= {"pictures": len(self.pictures), "pairs": len(self._masks), "pairs_predicted": len(right)}
        result |= {"latency_ms": latency_ms(model, self.pictures), "maps": {}}
        for method in self.methods:
            log(f"  {method}")
            result["maps"][method] = self._compared(ours[method], self._teacher_maps[method])
        return result

    def _logits(self, model: nn.Module) -> NDArray[np.float32]:
        with torch.no_grad():
            parts = [
                model(self.pictures.batch(np.arange(start, min(start + 100, len(self.pictures)))))
                for start in range(0, len(self.pictures), 100)
            ]
        return np.asarray(torch.cat(parts))

    def _right(self, logits: NDArray[np.float32]) -> list[Pair]:
        answer = predicted(logits, self.pictures.multi_label)
        return [pair for pair in self._masks if answer[pair]]

    def _maps(self, model: nn.Module, pairs: list[Pair]) -> Maps:
        found: Maps = {method: {} for method in self.methods}
        for start in range(0, len(pairs), _BATCH):
            some = pairs[start : start + _BATCH]
            inputs = self.pictures.batch(np.array([picture for picture, _ in some]))
            target = torch.tensor([label for _, label in some])
            for method in self.methods:
                maps = map_of(model, inputs, target, method).cpu().numpy()
                found[method] |= dict(zip(some, maps.astype(np.float32), strict=True))
        return found

    def _compared(
        self, ours: Mapping[Pair, NDArray[np.float32]], theirs: Mapping[Pair, NDArray[np.float32]]
    ) -> dict[str, dict[str, float]]:
        values: dict[str, list[float]] = {"roc_auc": [], "point_accuracy": [], "cosine": [], "l2": []}
        for pair, one in ours.items():
            mask = self._masks[pair]
            if mask is not None:
                values["roc_auc"].append(roc_auc(one, mask))
                values["point_accuracy"].append(point_accuracy(one, mask))
            if pair in theirs:
                values["cosine"].append(cosine(theirs[pair], one))
                values["l2"].append(l2_distance(theirs[pair], one))
        return {name: summary(np.array(numbers)) for name, numbers in values.items()}


def summary(values: NDArray[np.float64]) -> dict[str, float]:
    """Mean, standard deviation and number of the values that are defined; only n where none is."""
    known = values[np.isfinite(values)] if len(values) else values
    if not len(known):
        return {"n": 0}
    return {"mean": float(known.mean()), "sd": float(known.std()), "n": len(known)}


def latency_ms(model: nn.Module, pictures: Pool) -> float:
    """Median milliseconds of one forward pass of one picture, over `REPEATS` after three to warm up."""
    inputs = pictures.batch(np.array([0]))
    times = []
    with torch.no_grad():
        for _ in range(REPEATS + 3):
            began = time.perf_counter()
            model(inputs)
            times.append(time.perf_counter() - began)
    return 1000 * float(np.median(times[3:]))


def measured_key(pictures: Pool, shown: int) -> str:
    """Identity of what `Examination.measure` writes on a card: pictures, machine and versions decide it."""
    return identity(pictures.sha256(), shown, machine(), provenance("cpu"))


def machine() -> str:
    """The processor's name, and how many threads were used."""
    name = platform.processor() or platform.machine()
    information = Path("/proc/cpuinfo")
    if information.is_file():
        lines = [line for line in information.read_text().splitlines() if line.startswith("model name")]
        name = lines[0].partition(":")[2].strip() if lines else name
    return f"{name}, {torch.get_num_threads()} thread(s)"


def _fitted(mask: NDArray[np.bool_], size: tuple[int, int]) -> NDArray[np.bool_]:
    if mask.shape == tuple(size):
        return mask
    resized = Image.fromarray(mask).resize((size[1], size[0]), Image.Resampling.NEAREST)
    return np.asarray(resized, bool)
