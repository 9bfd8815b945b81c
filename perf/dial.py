"""Where on the dial PruneGrad finds the object, keeps the answer, and refuses other answers.

PYTHONPATH=. python perf/dial.py [--model torchvision/squeezenet1_0] [--n 42] [--frame first]

Prints, for one frame of each clip of DAVIS 2016, ROC-AUC, point accuracy and mass inside of the sum of
magnitudes, at the default dial, along the dial and of comparison methods; for ImageNet photographs the mean
output change of the response and of the probability at shares of all neurons; how often a wrong class becomes
the answer (mode zero; in mode freeze the answer stays by construction) when neurons are ranked for its logit,
for that above the answer's, or for its probability, and when class scores count as neurons, as published code
does; how many active neurons at the end do nothing for it; how many default maps equal the plain gradient.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor

from pruneattr_core import PruneGrad, contributions, difference, explain, wrong_class_control
from pruneattr_core.attribution import METHODS
from pruneattr_core.benchmarks.localisation import mass_inside, point_accuracy, roc_auc
from pruneattr_core.benchmarks.sources import Opened, Source, chosen, open_source
from pruneattr_core.paths.calibrate import output_curve
from pruneattr_core.runtime import provenance
from pruneattr_core.selection import Of

LEVELS = (0.5, 0.6, 0.7, 0.75, 0.8, 0.88, 0.95, 0.99)
SHARES = (0.5, 0.8, 0.9)
OTHERS = ("saliency", "guided_backprop", "gradcam")
MEASURES: tuple[Callable[..., float], ...] = (roc_auc, point_accuracy, mass_inside)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", default="torchvision/squeezenet1_0")
    parser.add_argument("--n", type=int, default=100, help="most clips of DAVIS; 0 for none")
    parser.add_argument("--frame", choices=("first", "middle"), default="first", help="of each clip")
    parser.add_argument("--photographs", type=int, default=20)
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    print(f"{options.model}, seed 0, {options.threads} threads, {provenance('cpu')}")
    photographs = open_source(Source(options.model, "imagenet-samples"))
    indices = chosen(photographs.data, options.photographs, 0)
    answers(photographs, indices)
    if options.n:
        localise(open_source(Source(options.model, "davis2016")), options.n, options.frame)


def answers(opened: Opened, indices: list[int]) -> None:
    """Output change and wrong classes."""
    answered: dict[tuple[str, bool], Tensor] = {}
    likely: dict[Of, Tensor] = {}
    counting: dict[Of, Tensor] = {}
    grid = (0.5, 0.7, 0.75, 0.8, 0.85, 0.9)
    response, probability, alike, idle = [], [], 0, torch.zeros(2)
    for index in indices:
        x = opened.inputs([index])
        curve = output_curve(opened.model, x, contributions(opened.model, x), grid)
        response.append(curve.output_change[:, 0].numpy())
        probability.append(curve.probability_change[:, 0].numpy())
        gradient = explain(opened.model, x, method="saliency").values
        alike += int(torch.equal(PruneGrad(opened.model).attribute(x).abs(), gradient.abs()))
        of: Of
        for of in ("contributing", "all"):
            for instead in (False, True):
                scores = contributions(opened.model, x, difference() if instead else None)
                kept = ~output_curve(opened.model, x, scores, SHARES, of=of).changed[:, 0]
                control = wrong_class_control(opened.model, x, (2, 50), SHARES, of, instead=instead)
                rows = torch.cat([kept[None], control.becomes[:, :, 0]]).int()
                answered[of, instead] = rows + answered.get((of, instead), 0)
            likely[of] = likely.get(of, 0) + by_probability(opened, x, of)
            scored = wrong_class_control(opened.model, x, (2, 50), SHARES, of, class_scores=True)
            counting[of] = scored.becomes[:, :, 0].int() + counting.get(of, 0)
        idle = idle + says_nothing(opened, x)
    print(f"{len(indices)} photographs; default maps that equal the plain gradient: {alike}")
    error = np.std(response, axis=0, ddof=1) / len(indices) ** 0.5
    for k, level in enumerate(grid):
        print(
            f"  {level:.2f} of all removed: change of the response {np.mean(response, 0)[k]:.4f} "
            f"(standard error {error[k]:.4f}), of the probability {np.mean(probability, 0)[k]:.4f}"
        )
    print("  pruned for a class in mode zero, the network answers it; removed .5 / .8 / .9 of what is named")
    for (of, instead), counts in answered.items():
        for who, row in zip(
            ("its answer", "the runner-up", "the class of rank 50"), counts.tolist(), strict=True
        ):
            other = "the runner-up" if who == "its answer" else "its answer"
            print(f"  {of:12s} {who}{f' instead of {other}' if instead else ''}: {row} of {len(indices)}")
    for share_of, counted in likely.items():
        row = f"{counted.tolist()} of {len(indices)}"
        print(f"  {share_of:12s} the class of rank 50, ranked for its probability: {row}")
    for share_of, both in counting.items():
        for who, row in zip(("the runner-up", "the class of rank 50"), both.tolist(), strict=True):
            print(f"  {share_of:12s} {who}, class scores counted as neurons: {row} of {len(indices)}")
    share = float(idle[0] / idle[1])
    print(f"  active neurons of the last two layers that do nothing for the class of rank 50: {share:.3f}")


def says_nothing(opened: Opened, x: Tensor) -> Tensor:
    """(2,): active neurons of the last two layers that do nothing for the class of rank 50, and all."""
    with torch.no_grad():
        target = int(opened.model(x).argsort(1, descending=True)[0, 49])
    found = contributions(opened.model, x, target)
    pairs = list(zip(found.layers, found.dead, strict=True))[-2:]
    return sum(torch.tensor([int((~dead & (layer == 0)).sum()), int((~dead).sum())]) for layer, dead in pairs)


def by_probability(opened: Opened, x: Tensor, of: Of) -> Tensor:
    """(SHARES,) int: 1 where the class of rank 50 becomes the answer, ranked for its probability."""
    with torch.no_grad():
        target = int(opened.model(x).argsort(1, descending=True)[0, 49])
    scores = contributions(opened.model, x, lambda logits: logits.softmax(1)[:, target])
    return (output_curve(opened.model, x, scores, SHARES, of=of).prediction[:, 0] == target).int()


def localise(opened: Opened, most: int, frame: str) -> None:
    """ROC-AUC, point accuracy and mass inside over one frame of each clip."""
    clips: dict[str, list[int]] = {}
    for index in range(len(opened.data)):
        clips.setdefault(opened.data[index].name.rsplit("_", 1)[0], []).append(index)
    found: dict[str, list[list[float]]] = {}
    for frames in list(clips.values())[:most]:
        index = frames[0 if frame == "first" else len(frames) // 2]
        mask = opened.mask(index)
        if mask is None or mask.all() or not mask.any():
            continue
        x = opened.inputs([index])

        def note(name: str, values: Tensor, mask: np.ndarray = mask) -> None:
            flat = values.abs().sum(1)[0].double().numpy()
            found.setdefault(name, []).append([measure(flat, mask) for measure in MEASURES])

        note("PruneGrad, default dial", PruneGrad(opened.model).attribute(x))
        sweep = PruneGrad(opened.model).sweep(x, None, LEVELS, of="contributing")
        for level, values in zip(LEVELS, sweep.maps, strict=True):
            note(f"PruneGrad, {level:.2f} of contributing removed", values)
        note("PruneGrad, 0.70 of all removed", PruneGrad(opened.model).attribute(x, sparsity=0.7))
        for method in OTHERS:
            if METHODS[method].supports(opened.model, x) is None:
                note(METHODS[method].title, explain(opened.model, x, method=method).values)
    print(f"DAVIS 2016, {frame} frame of each clip, n = {len(next(iter(found.values())))}: "
          "ROC-AUC / point accuracy / mass inside of the sum of magnitudes")  # fmt: skip
    for name, rows in found.items():
        print(f"  {name:42s} " + " / ".join(f"{value:.3f}" for value in np.nanmean(rows, axis=0)))


if __name__ == "__main__":
    main()
