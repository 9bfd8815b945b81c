"""A training that takes seconds: a teacher, pictures and orders of a few numbers each."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch

from pruneattr_core.compression.loop import Schedule
from pruneattr_core.compression.order import Order, Teacher, Workshop
from pruneattr_core.compression.pool import Pool
from pruneattr_core.compression.train import Matching
from pruneattr_core.models.vgg import SceneVGG

WIDTHS, CLASSES, SIDE = (3, 4, 6, 6, 8, 8), ("a", "b", "c"), 64


def tiny_workshop(folder: Path, cache: Path, log=print) -> Workshop:
    torch.manual_seed(0)
    torch.set_num_threads(1)
    model = SceneVGG(3, WIDTHS).eval().requires_grad_(False)
    rng = np.random.default_rng(0)
    images = rng.integers(0, 256, (24, SIDE, SIDE, 3)).astype(np.uint8)
    labels = (rng.random((24, 3)) < 0.5).astype(np.float32)
    pictures = Pool(images, labels, True, "noise", (0.5,) * 3, (0.25,) * 3)
    teacher = Teacher("tiny", model, "SceneVGG", CLASSES, (SIDE, SIDE), (0.5,) * 3, (0.25,) * 3, "0" * 64)
    return Workshop(teacher, pictures, folder, cache, log)


def tiny_training(folder: Path, cache: Path, kind: str, log=lambda line: None) -> Path:
    threads = torch.get_num_threads()
    try:
        return tiny_workshop(folder, cache, log).make(tiny_order(kind))
    finally:
        torch.set_num_threads(threads)


def tiny_order(kind: str) -> Order:
    schedule = Schedule(epochs=2 if kind == "unstructured" else 6, batch=8, muon_rate=0.02)
    return Order(kind, kind, Matching("sswa"), schedule, seed=5, divisor=1, rounds=4)
