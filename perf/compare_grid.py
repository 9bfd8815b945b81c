"""Time the Compare page's engine: twelve methods, one 224x224 picture, SqueezeNet and EfficientNet-Lite0.

PYTHONPATH=. TORCH_HOME=../shared/data/torch_home python perf/compare_grid.py [--threads N]. Threads are as
many as the app gives a computation unless said otherwise. Without the weights SqueezeNet is random,
which changes no time. From the click (starting the background task) to the first map on the shelf and drawn
into a payload, and to the complete grid with all curves and numbers, on the CPU; the two networks take turns,
so that what else the machine does meets both. Bars of the project: first map <= 0.5 s, complete <= 15 s, and
EfficientNet-Lite0 within the time of SqueezeNet.
"""

from __future__ import annotations

import argparse
import os
import time
from contextlib import suppress

import torch
from torchvision.models import squeezenet1_1

from pruneattr_core.errors import PruneAttrError
from pruneattr_core.models import load_model, model_card
from pruneattr_core.runtime import provenance
from pruneattr_core.share.grid import grid_payload
from pruneattr_core.ui import pictures
from pruneattr_core.ui.compare.assembly import assemble
from pruneattr_core.ui.compare.plan import Plan, standing
from pruneattr_core.ui.compare.work import compute
from pruneattr_core.ui.jobs import Cache, Job, Jobs
from pruneattr_core.ui.look import Look
from pruneattr_core.ui.opening import threads_of_a_job

#: Twelve methods, from one pass to fifty.
METHODS = (
    *("prunegrad", "prunepgd", "prunegrad_mid", "input_mct", "rectgrad", "saliency", "input_x_gradient"),
    *("integrated_gradients", "guided_backprop", "gradcam", "gradient_shap", "edges"),
)
SQUEEZENETS = ("torchvision/squeezenet1_1", "torchvision/squeezenet1_0")
LITE0 = "efficientnet-lite0"


def main() -> None:
    """Run the grids three times from nothing; the first time warms the process."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--threads", type=int, default=threads_of_a_job())
    parser.add_argument("--repeats", type=int, default=2)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    picture = pictures.from_dataset("samples", 0)
    chosen = {method: (("sparsity", 0.9),) if "prune" in method else () for method in METHODS}
    choices = ("prunegrad", "table", "lerf", "mean", "rows", "cpu")
    squeezenet = next((name for name in SQUEEZENETS if model_card(name).available_offline()), SQUEEZENETS[0])
    plans = []
    for name in (squeezenet, LITE0):
        network, kind = network_of(name)
        plan = Plan(model_card(name), kind, (picture,), (None,), None, chosen, {}, Look(), *choices)
        plans.append((f"{name}, {kind}", plan, network))
    print(f"{len(METHODS)} methods, {options.threads} threads, load {os.getloadavg()[0]:.1f}")
    print(provenance("cpu"))
    spents: dict[str, list[tuple[float, float]]] = {title: [] for title, _, _ in plans}
    for run in range(options.repeats + 1):
        for title, plan, network in plans:
            before = time.process_time()
            first, complete, drawn = one_grid(plan, network)
            spent = time.process_time() - before
            label = "cold" if run == 0 else f"run {run}"
            spents[title].append((complete, spent))
            print(
                f"{title}, {label}: first map {first:.2f} s, complete {complete:.2f} s "
                f"({spent:.2f} s of processor), last drawing {drawn:.2f} s",
                flush=True,
            )
    (clock, processor), (second_clock, second_processor) = (
        tuple(min(run[kind] for run in runs) for kind in (0, 1)) for runs in spents.values()
    )
    print(
        f"EfficientNet-Lite0 / SqueezeNet, fastest run of each: {second_clock / clock:.2f} by the clock, "
        f"{second_processor / processor:.2f} by the processor"
    )


def network_of(name: str) -> tuple[torch.nn.Module, str]:
    """The network, and what its weights are."""
    if model_card(name).available_offline():
        with suppress(PruneAttrError):  # the place may hold other weights than the published ones
            return load_model(name), "ImageNet weights"
    torch.manual_seed(0)
    return squeezenet1_1().eval().requires_grad_(False), "random weights"


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
        time.sleep(0.1 if first else 0.005)  # to look takes time from the work; a page looks twice a second
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
