"""Frozen values: what a computation hands to the next one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal, Self

from torch import Tensor

import pruneattr_core  # drawing stands above: it is found by its public name, when it is asked for
from pruneattr_core.brief import brief, some
from pruneattr_core.critical_path import Path
from pruneattr_core.errors import InputError
from pruneattr_core.given import several
from pruneattr_core.heads import Answering, Head
from pruneattr_core.one_of import is_one_of
from pruneattr_core.response import Asked, resolved
from pruneattr_core.same import same
from pruneattr_core.selection import Of, Ties, masks_at, rows_at, share_removed, silent_count

Mode = Literal["zero", "freeze"]
#: What an output change is a change of: the response that is explained, or its probability.
ChangeOf = Literal["response", "probability"]


@dataclass(frozen=True, eq=False)
class Contributions:
    """How much each neuron contributed to each input's target (PAPERS: contribution).

    Attributes:
        names: one name per activation call.
        layers: (B, *shape) per call, >= 0, in units of the response.
        dead: bool (B, *shape) per call: activation == 0 in the original network.
        target: (B,) int64, the class explained.
        logits: (B, classes) of the original network.
        method: "taylor" or "intgrad".
        asked: the response explained; None for the class `target`.
        head: how the outputs are read, as the network showed it.
        class_scores: whether activations that nothing learned follows were counted as neurons.
        agreement: (B,) float64, estimated Jaccard of paths with those of a fine integral; None without one.
        fingerprints: (B,) int64, by which an input is known again; None where nobody took them.
        network: by which the network is known again; None as well.

    Example:
        >>> model = pruneattr_core.load_model("resnet8-cifar10")
        >>> pruneattr_core.contributions(model, torch.rand(2, 3, 32, 32), [0, 1]).path(0.9).sparsity.shape
        torch.Size([2])
    """

    names: tuple[str, ...]
    layers: tuple[Tensor, ...]
    dead: tuple[Tensor, ...]
    target: Tensor
    logits: Tensor
    method: str
    asked: Asked | None = None
    head: Head = "softmax"
    class_scores: bool = False
    agreement: Tensor | None = None
    fingerprints: Tensor | None = None
    network: int | None = None

    __eq__ = same

    def __repr__(self) -> str:
        targets = some([str(one) for one in self.target.tolist()])
        head = f"Contributions({self.method}, target=[{targets}]"
        return f"{head}, neurons={self.neurons}, layers={len(self.names)})"

    @property
    def question(self) -> Asked:
        """What was explained of every input."""
        return resolved(self.logits, self.target) if self.asked is None else self.asked

    @property
    def neurons(self) -> int:
        """Number of neurons of one input."""
        return sum(layer.shape[1:].numel() for layer in self.layers)

    @property
    def contributing(self) -> Tensor:
        """(B,) int64: neurons whose score is above 0; the others are silent."""
        return self.neurons - silent_count(self.layers)

    @property
    def dead_fraction(self) -> Tensor:
        """(B,) float64: share of all neurons that are dead for this input."""
        return 1 - share_removed(self.dead)

    def __getitem__(self, index: int | slice) -> Self:
        """Those of one input (still a batch, of one) or of a slice of inputs."""
        at = rows_at(index, len(self.target))
        known: dict[str, Any] = {name: getattr(self, name) for name in ("asked", "agreement", "fingerprints")}
        return replace(
            self,
            layers=tuple(layer[at] for layer in self.layers),
            dead=tuple(layer[at] for layer in self.dead),
            target=self.target[at],
            logits=self.logits[at],
            **{name: one[at] for name, one in known.items() if one is not None},
        )

    def spread(self, masks: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
        """Masks of neurons, from masks of what is ranked: here the same (see `circuits.units`)."""
        return masks

    def path(self, sparsity: float, ties: Ties = "drop", of: Of = "all") -> Path:
        """Keep the neurons that contribute most, ranked network-wide.

        Args:
            sparsity: fraction to remove, in [0, 1]; 0 removes nothing.
            ties: "drop" removes every score <= the percentile, as the released code does, so ties at
                the threshold (all zero scores, say) go together; "exact" removes round(sparsity * N)
                neurons, equal scores in call order, then C order.
            of: "all" takes the fraction of all neurons (the papers' kappa); "contributing" of those whose
                score is above 0, once all silent ones are gone. Any sparsity above 0 of the contributing
                neurons thus removes the silent ones, and 0 removes nothing at all.

        Raises:
            InputError: sparsity outside [0, 1], an unknown rule, or contributions that are not finite.
        """
        return self.paths([sparsity], ties, of)[0]

    def paths(self, sparsities: Sequence[float], ties: Ties = "drop", of: Of = "all") -> list[Path]:
        """One path per sparsity, with all thresholds found in one pass."""
        made: dict[str, Any] = {"method": self.method, "ties": ties, **({"of": of} if of != "all" else {})}
        made |= {"class_scores": True} if self.class_scores else {}
        sparsities = several("sparsities", sparsities, "[0, 0.8]")
        ranked = zip(sparsities, masks_at(self.layers, sparsities, ties, of, self.names), strict=True)
        return [Path(self.names, masks, {**made, "sparsity": float(s)}) for s, masks in ranked]


@dataclass(frozen=True, eq=False)
class Attribution:
    """A map and what made it.

    Attributes:
        values: the shape of the inputs, or (B, 1, H, W) where a method has no channels.
        target: (B,) int64, the class explained.
        method: key of the table of methods.
        settings: every option that shaped the values, JSON values only; "response" where it is no class.
        asked: the response explained; None for the class `target`.
        inputs: what was explained, (B, C, H, W): the batch itself, no copy.

    Example:
        >>> model = pruneattr_core.load_model("resnet8-cifar10")
        >>> pruneattr_core.explain(model, torch.rand(1, 3, 32, 32), 5, method="gradcam").target
        tensor([5])
    """

    values: Tensor
    target: Tensor
    method: str
    settings: Mapping[str, Any] = field(default_factory=dict)
    asked: Asked | None = None
    inputs: Tensor | None = field(default=None, repr=False)

    __repr__ = brief
    __eq__ = same

    def show(self, card: Any = None) -> Any:
        """The maps as Compare draws them, for a notebook; see `comparison.attribution_view`."""
        return pruneattr_core.attribution_view(self, card).show()


@dataclass(frozen=True, eq=False)
class Outputs:
    """What a pruned network answers, at K levels for B inputs; every field (K, B).

    Attributes:
        sparsity: fraction of all neurons really removed, in [0, 1].
        sparsity_of_contributing: fraction of the contributing neurons really removed, in [0, 1].
        silent_only: bool, nothing or only neurons of score 0 were removed. In mode freeze the map is then the
            plain gradient; in mode zero, too, unless one was at work (at a ReLU6's top or holding some off).
        logit: the response, raw: the target's logit where a class is explained.
        probability: of the target, as the head reads it.
        output_change: |f_pruned - f| / |f| of that response (PG1 eq. 1, PG2 eq. 1); >= 0, inf when f is 0.
        probability_change: |p_pruned - p| / p of that probability (the authors' released code); >= 0, inf
            when p underflows to 0.
        prediction: int64, the class the pruned network answers.
        changed: bool, whether the answer about what is explained is another than the original's.
    """

    sparsity: Tensor
    sparsity_of_contributing: Tensor
    silent_only: Tensor
    logit: Tensor
    probability: Tensor
    output_change: Tensor
    probability_change: Tensor
    prediction: Tensor
    changed: Tensor

    __repr__ = brief
    __eq__ = same

    def change(self, of: ChangeOf) -> Tensor:
        """`output_change` or `probability_change`.

        Raises:
            InputError: of neither.
        """
        if not is_one_of(of, ("response", "probability")):
            raise InputError(f'Expected a change of "response" or "probability", got {of!r}.')
        return self.output_change if of == "response" else self.probability_change


@dataclass(frozen=True, eq=False)
class Sweep(Outputs):
    """Maps at K sparsities, from one scoring pass.

    Attributes:
        maps: (K, *inputs.shape).
        requested: the K sparsities asked for.
        target: (B,) int64.
        asked: the response explained.
        mode: "zero" or "freeze".
        of: what the requested sparsities are a share of.
        problems: a sentence per level where map or answers are not finite, else ""; the others stand.
        neurons: of one input.
        inputs: what was explained, (B, C, H, W): the batch itself, no copy.
        answering: whether one class of many is answered, each by itself, or values.

    Example:
        >>> model = pruneattr_core.load_model("resnet8-cifar10")
        >>> pruneattr_core.PruneGrad(model).sweep(torch.rand(1, 3, 32, 32), sparsities=[0, 0.9]).maps.shape
        torch.Size([2, 1, 3, 32, 32])
    """

    maps: Tensor
    requested: tuple[float, ...]
    target: Tensor
    asked: Asked
    mode: str
    of: Of = "all"
    problems: tuple[str, ...] = ()
    neurons: int = 0
    inputs: Tensor | None = field(default=None, repr=False)
    answering: Answering = "one"

    def show(self, card: Any = None, image: int = 0) -> Any:
        """One input as the explorer draws it, for the last line of a notebook's cell; see `show`.

        Args:
            card: `model_card` of the network: names of the classes, and the picture before normalisation.
            image: which input of the batch.
        """
        return pruneattr_core.sweep_view(self, card, image).show()

    def __repr__(self) -> str:
        levels = some([f"{level:g}" for level in self.requested])
        return f"Sweep({self.mode}, sparsities=[{levels}] of {self.of}, maps={tuple(self.maps.shape)})"
