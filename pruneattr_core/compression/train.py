"""Students: a network that learns the task, the teacher's answers and the teacher's maps at once (AP)."""

from __future__ import annotations

import copy
import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn.utils import prune

from pruneattr_core.compression.loop import Loss, Schedule, optimise
from pruneattr_core.compression.matching import (
    ALPHA,
    BETA,
    DROP,
    MASKS,
    TEMPERATURE,
    channel_weights,
    distillation_loss,
    dropped_channels,
    ewa_map,
    matching_loss,
    seen_at,
    swa_map,
)
from pruneattr_core.compression.pool import Pool
from pruneattr_core.compression.teacher import Answers
from pruneattr_core.descent import packed, unpacked
from pruneattr_core.errors import InputError
from pruneattr_core.one_of import is_one_of
from pruneattr_core.store import read_sealed, write_sealed


@dataclass(frozen=True)
class Matching:
    """What a student learns besides the task.

    Attributes:
        kind: "none", "ewa", "swa" or "sswa".
        layers: names of the matched modules in the student; () for the teacher's.
        beta: weight of the matching loss; None for the paper's (100 for EWA, 50 for SWA and SSWA).
        temperature: of distillation.
        alpha: weight of the teacher's softened answers; 0 for the task alone, as the released code prunes.
        drop: share of the teacher's channels that SSWA leaves out of each batch.
        masks: how it chooses them, "fixed" (the released code) or "bernoulli" (AP eq. 6).
    """

    kind: str = "none"
    layers: tuple[str, ...] = ()
    beta: float | None = None
    temperature: float = TEMPERATURE
    alpha: float = ALPHA
    drop: float = DROP
    masks: str = MASKS[0]

    def __post_init__(self) -> None:
        if not is_one_of(self.kind, BETA):
            raise InputError(f"Expected a matching out of {', '.join(BETA)}, got {self.kind!r}.")
        if not is_one_of(self.masks, MASKS):
            raise InputError(f"Expected masks {' or '.join(MASKS)}, got {self.masks!r}.")
        if self.temperature <= 0 or not 0 <= self.alpha <= 1 or not 0 <= self.drop < 1:
            raise InputError(f"Expected a temperature above 0, alpha and drop in [0, 1], got {self}.")

    @property
    def weight(self) -> float:
        """Beta as used."""
        return BETA[self.kind] if self.beta is None else self.beta


def student_loss(student: nn.Module, pictures: Pool, teacher: Sequence[Answers], matching: Matching) -> Loss:
    """L = distillation + beta * matching, summed over layers (AP eq. 4), on pictures mirrored at random.

    SWA differentiates twice through the student: its channel weights are a gradient themselves.

    Args:
        student: runs in whatever mode it is.
        pictures: to learn from.
        teacher: its answers to them, one for each matched layer.
        matching: what is matched; as many layers as answers.

    Raises:
        InputError: another number of layers.
    """
    layers = matching.layers or tuple(one.layer for one in teacher)
    if len(layers) != len(teacher):
        raise InputError(
            f"Expected {len(teacher)} layers to match, one for each of the teacher's; got {layers}."
        )

    def loss(chosen: NDArray[np.int64], rng: np.random.Generator) -> Tensor:
        mirrored = rng.random(len(chosen)) < 0.5
        inputs, labels = pictures.batch(chosen, mirrored), pictures.targets(chosen)
        told = teacher[0].logits[mirrored.astype(np.int64), chosen]
        logits, activations = seen_at(student, inputs, layers if matching.kind != "none" else ())
        total = distillation_loss(
            logits, told, labels, pictures.multi_label, matching.temperature, matching.alpha
        )
        # Without any layer, where nothing is matched.
        for answer, activation in zip(teacher, activations, strict=matching.kind != "none"):
            if matching.kind == "ewa":
                theirs, ours = answer.map("ewa", chosen, mirrored), ewa_map(activation)
            else:
                dropped = None
                if matching.kind == "sswa":
                    channels = answer.weights.shape[2]
                    dropped = dropped_channels(channels, matching.drop, rng, matching.masks)
                theirs = answer.map("swa", chosen, mirrored, dropped)
                weights = channel_weights(logits, activation, told.argmax(1), create_graph=True)
                ours = swa_map(activation, weights)
            total = total + matching.weight * matching_loss(theirs, ours)
        return total

    return loss


def identity(*parts: Any) -> str:
    """SHA-256, in hexadecimal, over everything that decides a training, as JSON."""
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()


@dataclass(frozen=True)
class Setting:
    """One student's training, for all three ways to compress.

    Attributes:
        pictures: to learn from.
        teacher: its answers to them, one for each matched layer.
        matching: what is matched.
        schedule: how weights change; for iterative pruning, in each round.
        seed: of first weights, order and chance.
        key: identity of the teacher's weights and the pictures.
        cache: folder for checkpoints, or None.
        log: receives lines.
        files: the checkpoints written so far, to be removed once the student is safe.
    """

    pictures: Pool
    teacher: tuple[Answers, ...]
    matching: Matching
    schedule: Schedule
    seed: int
    key: str
    cache: Path | None = None
    log: Callable[[str], None] = print
    files: set[Path] = field(default_factory=set, compare=False)

    def identity(self, *parts: Any) -> str:
        """Of this training; `parts` say what is trained."""
        return identity(self.key, asdict(self.matching), asdict(self.schedule), self.seed, *parts)

    def file(self, name: str, suffix: str) -> Path | None:
        """Where the checkpoint of the training called `name` is, or will be."""
        if self.cache is None:
            return None
        self.files.add(self.cache / f"{name[:24]}{suffix}")
        return self.cache / f"{name[:24]}{suffix}"

    def fit(self, student: nn.Module, *parts: Any) -> float:
        """Train `student` in place; seconds."""
        name = self.identity(*parts)
        checkpoint = self.file(name, ".pt")
        loss = student_loss(student, self.pictures, self.teacher, self.matching)
        return optimise(
            student, loss, len(self.pictures), self.schedule, self.seed, name, checkpoint, log=self.log
        )


def distil(student: nn.Module, setting: Setting, what: str) -> float:
    """Train a (narrow) student from its first weights; seconds.

    Args:
        student: trained in place where the pictures are, afterwards frozen, in eval mode, on the CPU.
        setting: how.
        what: names the first weights, for the identity of checkpoints.
    """
    student.to(setting.pictures.device)
    seconds = setting.fit(student.requires_grad_(True), "distil", what)
    student.requires_grad_(False).cpu()
    return seconds


def prune_iteratively(
    model: nn.Module,
    setting: Setting,
    rounds: int = 16,
    rate: float = 0.2,
    watch: Callable[[int, nn.Module], Mapping[str, float]] | None = None,
) -> tuple[nn.Module, float, list[dict[str, float]]]:
    """Global magnitude pruning of convolutions, `rate` of the remaining weights a round (AP: 97 % in 16).

    Each round sets the smallest absolute weights of all convolutions to 0 for good
    (`torch.nn.utils.prune.global_unstructured`) and then trains the others.

    Args:
        model: the teacher's weights; not changed.
        setting: its schedule is that of one round.
        rounds: how many.
        rate: share of the weights still there that a round removes.
        watch: called with (round, a copy without masks, on the CPU) after each round; its numbers go into
            the record.

    Returns:
        The pruned network, seconds, and per round {"removed": share of convolution weights that are 0, ...}.

    Raises:
        InputError: a rate outside (0, 1).
    """
    if not 0 < rate < 1 or rounds < 1:
        raise InputError(f"Expected a rate in (0, 1) and 1 or more rounds, got {rate} and {rounds}.")
    student = copy.deepcopy(model).to(setting.pictures.device).requires_grad_(True)
    filters = [one for one in student.modules() if isinstance(one, nn.Conv2d)]
    record: list[dict[str, float]] = []
    seconds = 0.0
    for number in range(1, rounds + 1):
        _prune(student, filters, rate)
        name = setting.identity("unstructured", rate, number)
        setting.file(name, ".pt")
        kept = setting.file(name, ".round.pt")
        finished = None if kept is None else _finished(kept, student, setting.log)
        if finished is not None:
            took = finished
        else:
            setting.log(f"round {number} of {rounds}")
            took = setting.fit(student, "unstructured", rate, number)
            if kept is not None:
                write_sealed(kept, packed({"model": student.state_dict(), "seconds": took}))
        seconds += took
        zero = sum(int((one.weight == 0).sum()) for one in filters)
        entry = {"removed": zero / sum(one.weight.numel() for one in filters)}
        record.append({**entry, **({} if watch is None else watch(number, _plain(model, student)))})
    for one in filters:
        prune.remove(one, "weight")
    return student.eval().requires_grad_(False).cpu(), seconds, record


def _plain(model: nn.Module, student: nn.Module) -> nn.Module:
    """A copy of a network under pruning as it answers now: its masks multiplied in, on the CPU."""
    state = {key: value.cpu() for key, value in student.state_dict().items()}
    for key in [key for key in state if key.endswith("_mask")]:
        name = key.removesuffix("_mask")
        state[name] = state.pop(key) * state.pop(f"{name}_orig")
    plain = copy.deepcopy(model)
    plain.load_state_dict(state)
    return plain.eval().requires_grad_(False)


def _prune(student: nn.Module, filters: list[nn.Conv2d], rate: float) -> None:
    """One round of `global_unstructured`, which reads filters in the order of their channels only."""
    student.to(memory_format=torch.contiguous_format)
    for one in filters:
        if not isinstance(one.weight, nn.Parameter):  # the masked copy is as old as the last forward pass
            masked = one.get_parameter("weight_orig") * one.get_buffer("weight_mask")
            one.weight = masked.detach().contiguous()
    pairs = [(one, "weight") for one in filters]
    prune.global_unstructured(pairs, pruning_method=prune.L1Unstructured, amount=rate)


def _finished(file: Path, student: nn.Module, say: Callable[[str], None]) -> float | None:
    """Load the round kept in `file`; its seconds, None where there is none or it is damaged."""
    data = read_sealed(file, say)
    if data is None:
        return None
    first = copy.deepcopy(student.state_dict())
    try:
        state = unpacked(data)
        student.load_state_dict(state["model"])
        seconds = float(state["seconds"])
    except (RuntimeError, KeyError, TypeError, ValueError, AttributeError) as error:
        say(f"{file} is no round of this training ({type(error).__name__}) and is not used.")
        student.load_state_dict(first)
        return None
    student.eval()
    return seconds
