"""The wrong-class control: does keeping the neurons of *another* class make that class the answer?

An explanation that keeps what speaks for a class says little if the same can be done for any class. So the
network is pruned once for the runner-up and once for a class far down the list, and asked what it answers.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from numbers import Integral

import torch
from torch import Tensor, nn

from pruneattr_core import heads, tape
from pruneattr_core.brief import brief
from pruneattr_core.checks import check_inputs
from pruneattr_core.errors import InputError
from pruneattr_core.given import check_progress, check_truth, is_truth, several
from pruneattr_core.graph import bytes_each
from pruneattr_core.heads import Head, head_of
from pruneattr_core.paths.calibrate import output_curve
from pruneattr_core.response import Response, asked_of, difference
from pruneattr_core.runtime import Tick, chunks, own_modes
from pruneattr_core.same import same
from pruneattr_core.scoring import contributions
from pruneattr_core.selection import Of, Ties
from pruneattr_core.values import Outputs

#: The runner-up, and a class that the network finds unlikely.
RANKS = (2, 50)
LEVELS = (0.0, 0.5, 0.7, 0.8, 0.9, 0.95, 0.99)


@dataclass(frozen=True, eq=False)
class WrongClass:
    """Answers of networks pruned for classes that are not the answer, for B inputs at K levels.

    Attributes:
        ranks: place of each class in the original network's order, 1 being its answer.
        target: int64 (R, B), those classes.
        already: bool (R, B): the original network answers it already, which only heads of several answers do.
        becomes: bool (R, K, B): the network pruned for this class answers it.
        probability: (R, K, B) of this class, as the head reads it.
        sparsity: float64 (R, K, B), share of all neurons really removed.
        requested: the K sparsities.
        of: what they are shares of.
        instead: whether each class was asked for instead of the network's answer.
    """

    ranks: tuple[int, ...]
    target: Tensor
    already: Tensor
    becomes: Tensor
    probability: Tensor
    sparsity: Tensor
    requested: tuple[float, ...]
    of: Of
    instead: bool = False

    __repr__ = brief
    __eq__ = same

    @property
    def share(self) -> Tensor:
        """(R, K) float64: share of the inputs not so answered before at which the wrong class is answered.

        Undefined (nan) where the network answered it for every input before.
        """
        fresh = ~self.already.unsqueeze(1)
        return (self.becomes & fresh).double().sum(2) / fresh.sum(2)

    @staticmethod
    def place(rank: int, count: int) -> str:
        """A rank among `count` classes in words."""
        if rank == 2:
            return "the runner-up"
        return f"the last of {count}" if rank >= count else f"number {rank} in its order"

    def words(self, classes: Sequence[str], image: int = 0) -> list[str]:
        """Sentences for people about one input: when each class becomes the answer, and what that means.

        Raises:
            InputError: there is no such input, or a class without a name.
        """
        if not 0 <= image < self.target.shape[1]:
            raise InputError(f"Expected an input from 0 to {self.target.shape[1] - 1}, got {image!r}.")
        last = int(self.target[:, image].max())
        if len(classes) <= last:
            raise InputError(f"Expected a name for every class, got {len(classes)}; there is a class {last}.")
        lines, every, kind = [], False, "its contributing" if self.of == "contributing" else "all"
        instead = " instead of the answer" if self.instead else ""
        for row, rank in enumerate(self.ranks):
            name = f"{classes[int(self.target[row, image])]} ({self.place(rank, len(classes))})"
            if bool(self.already[row, image]):
                lines.append(f"{name} is among the answers anyway.")
                continue
            shares = [
                f"{share:.0%}"
                for share, yes in zip(self.requested, self.becomes[row, :, image].tolist(), strict=True)
                if yes
            ]
            every |= bool(shares)
            where = f"with {_listed(shares)} of {kind} neurons gone" if shares else "at no level"
            lines.append(f"Pruned for {name}{instead}, the network answers that {where}.")
        if every:
            lines.append(
                "There, that the answer stays when its own neurons are kept is no evidence for them."
            )
        return lines


def _listed(parts: Sequence[str]) -> str:
    return parts[0] if len(parts) == 1 else f"{', '.join(parts[:-1])} and {parts[-1]}"


@own_modes()
def wrong_class_control(
    model: nn.Module,
    inputs: Tensor,
    ranks: Sequence[int] = RANKS,
    sparsities: Sequence[float] = LEVELS,
    of: Of = "contributing",
    contribution: str = "taylor",
    ties: Ties = "drop",
    class_scores: bool = False,
    head: Head | None = None,
    instead: bool = False,
    progress: Tick | None = None,
) -> WrongClass:
    """Prune for classes that are not the answer (mode zero) and see whether they become it.

    The score of one class says nothing of its rivals: neurons that speak for them alone score 0 and go first,
    so that an unlikely class can become the answer because the others fall silent. With `instead` neurons are
    ranked by the class *minus the network's answer*, and those that carry the answer stay.

    Args:
        model: classifier in eval mode; left untouched.
        inputs: normalised batch (B, C, H, W).
        ranks: places in the original network's order, >= 2; beyond the last class the last is taken.
        sparsities: K fractions in [0, 1].
        of: what they are shares of, see `Contributions.path`.
        contribution: how neurons are ranked, see `contributions`.
        ties: see `Contributions.path`.
        class_scores: whether class scores count as neurons; where they do, any class becomes the answer.
        head: how outputs are read; None for what is known or seen of the network.
        instead: whether each class is asked for instead of the network's answer (the difference of the two).
        progress: called with (curves done, R * B); may raise to stop.

    Raises:
        InputError: no ranks, a rank below 2, one output only, or what `contributions` raises.

    Example:
        >>> from pruneattr_core import load_model, model_card, wrong_class_control
        >>> from pruneattr_core.datasets import load_dataset
        >>> model, card = load_model("scenes-net"), model_card("scenes-net")
        >>> inputs = card.preprocess(load_dataset("scenes")[3].image)
        >>> found = wrong_class_control(model, inputs, ranks=[2], sparsities=[0.9])
        >>> type(found).__name__
        'WrongClass'
    """
    check_progress(progress)
    inputs = check_inputs(model, inputs)
    check_truth("instead", instead)
    wanted, sparsities = several("ranks", ranks, "[2, 50]"), several("sparsities", sparsities, "[0, 0.8]")
    places = [rank.item() if isinstance(rank, Tensor) and rank.numel() == 1 else rank for rank in wanted]
    if not places or any(is_truth(rank) or not isinstance(rank, Integral) or rank < 2 for rank in places):
        raise InputError(f"Expected ranks of classes that are not the answer, 2 or more; got {wanted!r}.")
    ranks = [int(rank) for rank in places]
    curves: list[list[Outputs]] = [[] for _ in ranks]
    targets: list[list[Tensor]] = [[] for _ in ranks]
    already: list[list[Tensor]] = [[] for _ in ranks]
    becomes: list[list[Tensor]] = [[] for _ in ranks]
    done = 0
    for part in chunks(len(inputs), bytes_each(inputs), inputs):
        x = inputs[part]
        with torch.no_grad():
            record = tape.run(model, x.clone(), class_scores=class_scores)
        logits = record.logits
        if logits.ndim != 2 or logits.shape[1] < 2:
            given = tuple(logits.shape)
            raise InputError(f"A wrong class needs at least two classes; this model answers {given}.")
        own = head_of(model, logits, head, record.normalised)
        if own == "values":
            raise InputError("This model answers values, not classes, so none of them can be wrong.")
        order = logits.argsort(dim=1, descending=True, stable=True)
        for place, rank in enumerate(ranks):
            target = order[:, min(rank, logits.shape[1]) - 1]
            classes = tuple(target.tolist())
            response = (
                difference(classes, tuple(order[:, 0].tolist())) if instead else Response("class", classes)
            )
            asked = asked_of(response, len(x), own)
            scores = contributions(model, x, asked, contribution, class_scores=class_scores)
            curve = output_curve(model, x, scores, sparsities, ties, of=of)
            curves[place].append(curve)
            targets[place].append(target)
            exclusive = heads.exclusive(logits, own)
            already[place].append(heads.yes(logits, own).gather(1, target.unsqueeze(1)).squeeze(1))
            becomes[place].append(curve.prediction == target if exclusive else curve.probability > 0.5)
            done += len(x)
            if progress is not None:
                progress(done, len(ranks) * len(inputs))

    def over(parts: Sequence[Sequence[Tensor]], axis: int) -> Tensor:
        return torch.stack([torch.cat(list(part), axis) for part in parts])

    return WrongClass(
        tuple(ranks),
        over(targets, 0),
        over(already, 0),
        over(becomes, 1),
        over([[curve.probability for curve in part] for part in curves], 1),
        over([[curve.sparsity for curve in part] for part in curves], 1),
        tuple(float(s) for s in sparsities),
        of,
        instead,
    )
