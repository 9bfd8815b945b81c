"""What a notebook hands in that cannot be: one sentence; and what it asks for is what it is shown."""

from __future__ import annotations

import pickle
import re
from collections.abc import Callable
from copy import deepcopy
from dataclasses import fields, is_dataclass
from importlib import import_module
from pkgutil import walk_packages
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from pruneattr_core import (
    CriticalPath,
    PruneGrad,
    PrunePGD,
    analysis,
    calibrate,
    circuits,
    compare,
    compression,
    contributions,
    difference,
    explain,
    explain_view,
    group,
    load_model,
    model_card,
    paths,
    region,
    scoring,
    wrong_class_control,
)
from pruneattr_core.attribution.prunegrad_mid import prunegrad_mid
from pruneattr_core.circuits.curve import circuit_curve
from pruneattr_core.circuits.replacement import activations_of, mean_of
from pruneattr_core.circuits.scores import patching
from pruneattr_core.circuits.shapley import Game, sampled_shapley
from pruneattr_core.circuits.units import unit_contributions
from pruneattr_core.comparison import attribution_view
from pruneattr_core.datasets import load_dataset
from pruneattr_core.errors import PruneAttrError
from pruneattr_core.paths.calibrate import output_curve
from pruneattr_core.paths.dgr import dgr_gates
from pruneattr_core.paths.greedy import greedy_paths
from pruneattr_core.render.look import Look
from pruneattr_core.results.cells import SHARES, drawn
from pruneattr_core.show import sweep_view

NAME = "resnet8-cifar10"
SCENE = load_dataset("scenes")[0].image


@pytest.fixture(scope="module")
def model() -> nn.Module:
    return load_model(NAME)


@pytest.fixture(scope="module")
def inputs() -> Tensor:
    scenes = load_dataset("scenes")
    return torch.cat([model_card(NAME).preprocess(scenes[i].image) for i in (0, 3)])


@pytest.mark.parametrize("target", [None, difference(0, 4), group([1, 2]), lambda outputs: outputs[:, 5]])
@pytest.mark.parametrize("method", ["prunegrad:mode=freeze", "prunegrad", "prunegrad_mid"])
def test_what_the_slider_moves_is_the_map_of_what_was_asked(
    model: nn.Module, inputs: Tensor, target: Any, method: str
) -> None:
    """The level where the slider stands first is the map that stands beside it."""
    found = compare(model, inputs, [method], target, curves=False)
    entry = found.entries[0]
    options = {"mode": "freeze"} if ":" in method else {}
    direct = explain(model, inputs, target, method.partition(":")[0], **options)
    for j, track in enumerate(entry.tracks):
        shown = drawn(direct.values[j].numpy(), Look().collapse, Look().sign)
        assert track.peaks[SHARES.index(0.8)] == pytest.approx(float(np.abs(shown).max()), rel=1e-5)
    assert len(entry.tracks) == 2


def test_maps_are_named_by_all_that_was_asked(model: nn.Module, inputs: Tensor) -> None:
    card = model_card(NAME)
    for target, says in (
        (difference(0, 4), f"{card.classes[0]} instead of {card.classes[4]}"),
        (group([1, 2]), f"the mean of {card.classes[1]}, {card.classes[2]}"),
        (abs_of_first, "abs_of_first, a function of the outputs"),
    ):
        assert attribution_view(explain(model, inputs, target), card).answers == (says, says)
        assert compare(model, inputs, ["edges"], target, card=card, curves=False).answers == (says, says)
        sweep = PruneGrad(model).sweep(inputs, target, [0.0, 0.8], of="contributing")
        assert sweep_view(sweep, card, image=1).title == f"{card.title}: {says}"
    assert (
        attribution_view(explain(model, inputs, difference(0, 4))).answers[0] == "class 0 instead of class 4"
    )


def abs_of_first(outputs: Tensor) -> Tensor:
    return outputs[:, 0].abs()


def test_a_network_of_maps_is_compared_without_a_curve() -> None:
    torch.manual_seed(0)
    network = nn.Sequential(nn.Conv2d(3, 8, 3, padding=1), nn.ReLU(), nn.Conv2d(8, 4, 3, padding=1)).eval()
    inputs, mask = torch.rand(2, 3, 16, 16), torch.zeros(16, 16, dtype=torch.bool)
    mask[4:9, 4:9] = True
    for target in (region(mask, 1), lambda outputs: outputs[:, 1].mean((1, 2))):
        found = compare(network, inputs, ["prunegrad", "saliency"], target)
        assert [row["area"] for row in found.table()] == [None, None]
        assert found.settings["curve"] is None


def _holed(inputs: Tensor) -> Tensor:
    """The inputs, the last with a pixel that is no number, as a flat picture's spread leaves."""
    held = inputs.clone()
    held[-1, 0, 0, 0] = float("nan")
    return held


WRONG: dict[str, tuple[Callable[[nn.Module, Tensor], Any], str]] = {
    "one share": (lambda m, x: explain_view(NAME, SCENE, shares=0.5), "Expected several shares"),
    "share as text": (lambda m, x: explain_view(NAME, SCENE, shares=["a"]), "in \\[0, 1\\]; got 'a'"),
    "sparsity as text": (lambda m, x: explain_view(NAME, SCENE, sparsity="0.8"), "got '0.8'"),
    "no sparsity": (lambda m, x: explain_view(NAME, SCENE, sparsity=None), "got None"),
    "one method beside": (lambda m, x: explain_view(NAME, SCENE, beside="gradcam"), "several methods beside"),
    "a picture": (lambda m, x: compare(m, SCENE), "Expected inputs as a tensor"),
    "a list": (lambda m, x: compare(m, [x[0]]), "Expected inputs as a tensor"),
    "no batch": (lambda m, x: compare(m, x[0]), "inputs\\[None\\]"),
    "one method": (lambda m, x: compare(m, x, "edges"), "Expected several methods"),
    "a pair": (lambda m, x: compare(m, x, [("edges", {})]), "Expected a method as text"),
    "one title": (lambda m, x: compare(m, x, ["edges"], titles="ab"), "Expected several titles"),
    "a name for a card": (lambda m, x: compare(m, x, ["edges"], card=NAME), "model_card\\('NAME'\\)"),
    "no truth": (lambda m, x: compare(m, x, ["edges"], curves="no"), "True or False"),
    "shown by a name": (lambda m, x: explain(m, x, method="edges").show(NAME), "model_card\\('NAME'\\)"),
    "a list of methods": (lambda m, x: explain(m, x, method=["edges"]), "Expected method in"),
    "one rank": (lambda m, x: wrong_class_control(m, x, ranks=5), "Expected several ranks"),
    "rank as text": (lambda m, x: wrong_class_control(m, x, ranks=["2"]), "2 or more"),
    "half a rank": (lambda m, x: wrong_class_control(m, x, ranks=[2.5]), "2 or more"),
    "one of two pictures": (lambda m, x: contributions(m, _holed(x)), r"NaN or infinite values \(rows 1\)"),
    "one path": (lambda m, x: contributions(m, x).paths(0.5), "Expected several sparsities"),
    "masks as lists": (lambda m, x: CriticalPath(("relu",), ([[True]],)), "Expected boolean masks"),  # type: ignore[arg-type]
    "one level": (lambda m, x: wrong_class_control(m, x, sparsities=0.8), "Expected several sparsities"),
    "perhaps": (lambda m, x: wrong_class_control(m, x, instead="no"), "True or False"),
    "no batches": (lambda m, x: calibrate(m, None), "Expected batches"),
    "a number for batches": (lambda m, x: calibrate(m, torch.tensor(1.0)), "Expected batches"),
    "a number for a mean": (lambda m, x: mean_of(m, torch.tensor(1.0)), "Expected batches"),
    "a number for inputs": (lambda m, x: contributions(m, torch.tensor(1.0)), "inputs\\[None\\]"),
    "one change": (lambda m, x: calibrate(m, [x], changes=0.15), "Expected several changes"),
    "change as text": (lambda m, x: calibrate(m, [x], changes=["a"]), "Expected changes as fractions"),
    "grid as text": (lambda m, x: calibrate(m, [x], sparsities=["a", "b"]), "got 'a'"),
    "half a step": (lambda m, x: PrunePGD(m).attribute(x, steps=2.5), "whole number of steps"),
    "size as text": (lambda m, x: PrunePGD(m).attribute(x, step_size="a"), "step_size > 0"),
}


@pytest.mark.parametrize("case", list(WRONG))
def test_what_cannot_be_is_one_sentence(case: str, model: nn.Module, inputs: Tensor) -> None:
    run, says = WRONG[case]
    with pytest.raises(PruneAttrError, match=says):
        run(model, inputs)


def test_a_level_of_a_sweep_is_not_chosen_by_text(model: nn.Module, inputs: Tensor) -> None:
    sweep = PruneGrad(model).sweep(inputs, sparsities=[0, 0.9])
    for wrong in ({"image": "0"}, {"card": NAME}):
        with pytest.raises(PruneAttrError, match="Expected"):
            sweep.show(**wrong)


def test_values_that_hold_arrays_compare_by_number(model: nn.Module, inputs: Tensor) -> None:
    """Those made by a call, and its like made again; `==` of two tensors has no truth."""
    makers: list[Callable[[], Any]] = [
        lambda: wrong_class_control(model, inputs, [2], [0.9]),
        lambda: calibrate(model, [inputs], changes=[0.15], sparsities=[0, 0.9]),
        lambda: contributions(model, inputs),
    ]
    for make in makers:
        one = make()
        assert one == make()
        assert one != "another thing"


def test_no_value_that_people_hold_compares_its_arrays_as_a_tuple() -> None:
    """A dataclass's own `==` puts fields in a tuple, whose `==` asks a tensor whether it is true."""
    wrong = []
    for package in (analysis, circuits, compression, paths, scoring):
        for found in walk_packages(package.__path__, f"{package.__name__}."):
            for kind in vars(import_module(found.name)).values():
                if isinstance(kind, type) and is_dataclass(kind) and kind.__module__ == found.name:
                    held = any(re.search("Tensor|Array|ndarray", str(one.type)) for one in fields(kind))
                    if held and kind.__dataclass_params__.eq:
                        wrong.append(kind.__name__)
    assert wrong == []


RANKED = {
    "sweep": lambda m, x, s: PruneGrad(m).sweep(x, sparsities=[0.5], scores=s),
    "freeze": lambda m, x, s: PruneGrad(m).sweep(x, sparsities=[0.5], scores=s, mode="freeze"),
    "mid": lambda m, x, s: prunegrad_mid(m, x, None, scores=s),
    "curve": lambda m, x, s: output_curve(m, x, s, [0.5]),
}


@pytest.mark.parametrize("ask", list(RANKED))
def test_scores_are_those_of_the_inputs(ask: str, model: nn.Module, inputs: Tensor) -> None:
    """Of other pictures they rank other neurons, and the map would be nobody's."""
    run, scores = RANKED[ask], contributions(model, inputs)
    run(model, inputs, scores)
    run(model, inputs[1:], scores[1])
    run(model, inputs.double().float(), scores)
    for wrong in (inputs.flip(0), inputs + 1e-3, inputs[[0, 0]]):
        with pytest.raises(PruneAttrError, match="scores are of other inputs"):
            run(model, wrong, scores)
    with pytest.raises(PruneAttrError, match=r"scores are of other inputs \(rows 0\)"):
        run(model, inputs[:1], scores[1])
    for given in (5, scores.path(0.5)):
        with pytest.raises(PruneAttrError, match="scores as what contributions"):
            run(model, inputs, given)


def test_scores_of_channels_are_those_of_the_inputs(model: nn.Module, inputs: Tensor) -> None:
    scores = unit_contributions(model, inputs)
    PruneGrad(model).sweep(inputs, sparsities=[0.5], scores=scores)
    with pytest.raises(PruneAttrError, match="scores are of other inputs"):
        PruneGrad(model).sweep(inputs.flip(0), sparsities=[0.5], scores=scores)


def _otherwise(model: nn.Module, changed: Callable[[nn.Module], Any]) -> nn.Module:
    other = deepcopy(model)
    with torch.no_grad():
        changed(other)
    return other


def _smooth(network: nn.Module) -> None:
    for block in network.modules():
        for name, one in block.named_children():
            if isinstance(one, nn.ReLU):
                setattr(block, name, nn.LeakyReLU())


#: Networks of the same shapes that are others, by what is done to a copy of one.
OTHER_NETWORKS: dict[str, Callable[[nn.Module], Any]] = {
    "new weights": lambda m: [one.normal_() for one in m.parameters()],
    "its last layer": lambda m: next(one for one in [*m.parameters()][::-1] if one.ndim == 2).mul_(2),
    "its statistics": lambda m: next(one for one in m.buffers() if one.is_floating_point()).add_(1),
    "its activations": _smooth,
}


@pytest.mark.parametrize("changed", list(OTHER_NETWORKS))
@pytest.mark.parametrize("ask", list(RANKED))
def test_scores_are_those_of_the_network(ask: str, changed: str, model: nn.Module, inputs: Tensor) -> None:
    run, scores = RANKED[ask], contributions(model, inputs)
    other = _otherwise(model, OTHER_NETWORKS[changed])
    with pytest.raises(PruneAttrError, match="scores are of another network"):
        run(other, inputs, scores)
    with pytest.raises(PruneAttrError, match="scores are of another network"):
        run(other, inputs, unit_contributions(model, inputs))


@pytest.mark.parametrize("ask", list(RANKED))
def test_a_copy_of_a_network_is_the_network(ask: str, model: nn.Module, inputs: Tensor) -> None:
    """Copied, wrapped, laid out otherwise, or its scores written and read again."""
    scores = pickle.loads(pickle.dumps(contributions(model, inputs)))
    for same in (
        deepcopy(model),
        nn.DataParallel(model),
        deepcopy(model).to(memory_format=torch.channels_last),
    ):
        RANKED[ask](same, inputs, scores)


def test_a_batch_says_which_inputs_it_has(model: nn.Module, inputs: Tensor) -> None:
    scores = contributions(model, inputs)
    for batch in (scores, scores.path(0.5)):
        assert len(list(batch)) == 2  # a loop ends as over a list
        for wrong in (2, -3):
            with pytest.raises(IndexError, match="input from 0 to 1, got") as told:
                batch[wrong]
            assert isinstance(told.value, PruneAttrError)
        for kind in (None, 0.5, "a"):
            with pytest.raises(PruneAttrError, match="number of an input, or a slice"):
                batch[kind]


@pytest.mark.parametrize("other", [None, 3, "a"])
def test_a_path_is_compared_with_a_path(other: Any, model: nn.Module, inputs: Tensor) -> None:
    path = contributions(model, inputs).path(0.5)
    for compared in (path.jaccard, path.__and__, path.__or__, path.__sub__):
        with pytest.raises(PruneAttrError, match="Expected another path"):
            compared(other)


def _curve(m: nn.Module, x: Tensor, **given: Any) -> Any:
    """A curve of a small network with one argument changed; a function makes it from the scores."""
    scores, mean = contributions(m, x), mean_of(m, [x])
    plain = {"target": scores.target, "scores": scores.layers, "replacement": mean, "sizes": [0.5]}
    made = {name: one(scores) if callable(one) else one for name, one in given.items()}
    return circuit_curve(m, x, **{**plain, **made})


def _four(m: nn.Module, x: Tensor) -> Any:
    return activations_of(m, torch.cat([x, x]))


CIRCUITS: dict[str, tuple[Callable[[nn.Module, Tensor], Any], str]] = {
    "one class of two": (lambda m, x: _curve(m, x, target=torch.tensor([1, 2, 3])), "one target or 2"),
    "no such class": (lambda m, x: _curve(m, x, target=[9, 10]), "Target 10 does not exist"),
    "halves": (lambda m, x: _curve(m, x, target=torch.ones(2)), "target as integers"),
    "scores of one": (lambda m, x: _curve(m, x, scores=lambda s: s[0].layers), "not those of the 2 inputs"),
    "no layers": (lambda m, x: _curve(m, x, scores=lambda s: None), "several layers of scores"),
    "a name of ours": (
        lambda m, x: _curve(m, x, others=lambda s: {"random": s.layers}),
        "random says what is",
    ),
    "the rest": (lambda m, x: _curve(m, x, others=lambda s: {"rest": s.layers}), "rest says what is ours"),
    "others of one": (lambda m, x: _curve(m, x, others=lambda s: {"a": s[0].layers}), "scores 'a' are not"),
    "no names": (lambda m, x: _curve(m, x, others=lambda s: [s.layers]), "as {name: scores}"),
    "one size": (lambda m, x: _curve(m, x, sizes=0.5), "several sizes"),
    "size as text": (lambda m, x: _curve(m, x, sizes=["a"]), "increasing sizes"),
    "no size": (lambda m, x: _curve(m, x, sizes=[0.5, float("nan")]), "increasing sizes"),
    "a name for values": (lambda m, x: _curve(m, x, replacement="zero"), "Expected a replacement, as zero"),
    "of four": (lambda m, x: _curve(m, x, replacement=_four(m, x)), "of one input or of 2, got one of 4"),
    "seed as text": (lambda m, x: _curve(m, x, seed="a"), "seed as a whole number"),
    "patching of four": (lambda m, x: patching(m, x, 1, _four(m, x)), "got one of 4"),
    "steps of four": (lambda m, x: patching(m, x, 1, _four(m, x), steps=2), "got one of 4"),
    "patching of none": (lambda m, x: patching(m, x, 1, None), "Expected a replacement"),
    "another size": (lambda m, x: patching(m, x, 1, mean_of(m, [x[..., :16]])), "network or input size"),
    "channels of four": (
        lambda m, x: unit_contributions(m, x, 1, method="patching", replacement=_four(m, x)),
        "got one of 4",
    ),
    "a game of none": (lambda m, x: Game(m, x[:1], 1, 0, None), "Expected a replacement"),
    "a game of two": (lambda m, x: Game(m, x[:1], 1, 0, activations_of(m, x)), "got one of 2"),
    "a map of four": (lambda m, x: PruneGrad(m).sweep(x, sparsities=[0.5], mode=_four(m, x)), "got one of 4"),
    "a step of four": (lambda m, x: PrunePGD(m).attribute(x, mode=_four(m, x)), "got one of 4"),
    "by change of four": (
        lambda m, x: PruneGrad(m).attribute(x, output_change=0.1, mode=_four(m, x)),
        "got one of 4",
    ),
    "orders by text": (
        lambda m, x: sampled_shapley(Game(m, x[:1], 1, 0, mean_of(m, [x])), seed="a"),
        "seed as a whole number",
    ),
    "sizes in a mean": (lambda m, x: mean_of(m, [x, x[..., :16]]), "different shapes"),
    "a mean of nothing": (lambda m, x: mean_of(m, None), "batches one after the other"),
    "step as text": (lambda m, x: greedy_paths(m, x, step="a"), "Expected step in"),
    "step as truth": (lambda m, x: greedy_paths(m, x, step=True), "Expected step in"),
    "iterations as text": (lambda m, x: dgr_gates(m, x, iterations="a"), "iterations as a whole number"),
    "half an iteration": (lambda m, x: dgr_gates(m, x, iterations=1.5), "iterations as a whole number"),
    "a large seed": (lambda m, x: dgr_gates(m, x, "random", 2**40), "seed as a whole number from 0 to"),
    "one gate": (lambda m, x: dgr_gates(m, x, iterations=1).paths(0.5), "several sparsities"),
}


@pytest.mark.parametrize("case", list(CIRCUITS))
def test_what_is_no_circuit_is_one_sentence(case: str, model: nn.Module, inputs: Tensor) -> None:
    run, says = CIRCUITS[case]
    with pytest.raises(PruneAttrError, match=says):
        run(model, inputs)


def test_a_curve_takes_classes_as_patching_does(model: nn.Module, inputs: Tensor) -> None:
    scores = contributions(model, inputs)
    wanted = _curve(model, inputs)
    assert wanted.full.shape == (2,)
    assert _curve(model, inputs, target=None) == wanted
    assert _curve(model, inputs, target=scores.target.tolist()) == wanted
    assert _curve(model, inputs, target=3) == _curve(model, inputs, target=[3, 3])
