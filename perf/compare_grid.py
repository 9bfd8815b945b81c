"""Time the Compare page's engine: twelve methods on one 224x224 picture, SqueezeNet, CPU.

PYTHONPATH=. TORCH_HOME=../shared/data/torch_home python perf/compare_grid.py [--threads 2]. Without the
weights the network is random, which changes no time. From the click (starting the background task) to the
first map on the shelf and drawn into a payload, and to the complete grid with all curves and numbers. Bars
of the project: first map <= 0.5 s, complete <= 15 s.
"""

from __future__ import annotations

import argparse
import os
import time

import torch
from torchvision.models import squeezenet1_1

from pruneattr_core.errors import PruneAttrError
from pruneattr_core.models import load_model, model_card
from pruneattr_core.runtime import provenance
from pruneattr_core.ui import pictures
from pruneattr_core.ui.compare.assembly import assemble
from pruneattr_core.ui.compare.payload import grid_payload
from pruneattr_core.ui.compare.plan import Plan, standing
from pruneattr_core.ui.compare.work import compute
from pruneattr_core.ui.jobs import Cache, Job, Jobs
from pruneattr_core.ui.look import Look

#: Twelve methods, from one pass to fifty.
METHODS = (
    *("prunegrad", "prunepgd", "prunegrad_mid", "input_mct", "rectgrad", "saliency", "input_x_gradient"),
    *("integrated_gradients", "guided_backprop", "gradcam", "gradient_shap", "edges"),
)
MODELS = ("torchvision/squeezenet1_1", "torchvision/squeezenet1_0")


def main() -> None:
    """Run the grid three times from nothing; the first time warms the process."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--repeats", type=int, default=2)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    name = next((name for name in MODELS if model_card(name).available_offline()), MODELS[0])
    card = model_card(name)
    try:
        network, kind = (load_model(name), "ImageNet weights") if card.available_offline() else (None, "")
    except PruneAttrError:
        network, kind = None, ""
    if network is None:
        torch.manual_seed(0)
        network, kind = squeezenet1_1().eval().requires_grad_(False), "random weights"
    picture = pictures.from_dataset("samples", 0)
    chosen = {method: (("sparsity", 0.9),) if "prune" in method else () for method in METHODS}
    choices = ("prunegrad", "table", "lerf", "mean", "rows", "cpu")
    plan = Plan(card, "weights", (picture,), (None,), None, chosen, {}, Look(), *choices)
    print(f"{name}, {kind}, {len(METHODS)} methods, {options.threads} threads, load {os.getloadavg()[0]:.1f}")
    print(provenance("cpu"))
    for run in range(options.repeats + 1):
        first, complete, drawn = one_grid(plan, network)
        label = "cold" if run == 0 else f"run {run}"
        print(f"{label}: first map {first:.2f} s, complete {complete:.2f} s, last drawing {drawn:.2f} s")


def one_grid(plan: Plan, network: torch.nn.Module) -> tuple[float, float, float]:
    """Seconds to the first map in a payload, to the complete grid in a payload, and of that last payload."""
    shelf, background = Cache(1 << 30, lambda value: int(value.nbytes)), Jobs(Cache(0))

    def work(task: Job) -> None:
        inputs = [plan.card.preprocess(picture.image) for picture in plan.pictures]
        compute(task, plan.steps(), network, inputs, shelf, dear=True)

    start, first = time.perf_counter(), 0.0
    background.start("grid", work, "perf")
    while True:
        now = standing(plan, shelf, dear=True)
        if now.ready and not first:
            draw(plan, shelf)
            first = time.perf_counter() - start
        if not now.open:
            break
        time.sleep(0.005)
    before = time.perf_counter()
    draw(plan, shelf)
    end = time.perf_counter()
    return first, end - start, end - before


def draw(plan: Plan, shelf: Cache) -> None:
    """What the page sends."""
    grid, _ = assemble(plan, shelf, None, True)
    grid_payload(grid, plan.look)


if __name__ == "__main__":
    main()
