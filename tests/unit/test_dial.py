"""The dial: one choice on three scales, and the control that any class could pass."""

from __future__ import annotations

import numpy as np
import pytest
import torch

import networks
from pruneattr_core import PruneGrad, PrunePGD, contributions, difference, explain, wrong_class_control
from pruneattr_core.attribution import METHODS
from pruneattr_core.errors import InputError
from pruneattr_core.paths import calibrated, dial
from pruneattr_core.paths.calibrate import PRUNING_STEPS, output_curve
from pruneattr_core.pruning import pruned_logits

LEVELS = (0.0, 0.1, 0.5, 0.8, 0.97, 1.0)
DIALLED = [name for name, method in METHODS.items() if "change_of" in method.options]


def flat(layers, image: int) -> np.ndarray:
    return np.concatenate([layer[image].numpy().ravel() for layer in layers])


@pytest.mark.parametrize("ties", ["drop", "exact"])
def test_a_share_of_the_contributing_is_numpys_percentile_of_the_positive_scores(ties: str) -> None:
    found = contributions(networks.network("residual"), networks.inputs(3))
    for level, path in zip(LEVELS, found.paths(LEVELS, ties, "contributing"), strict=True):  # type: ignore[arg-type]
        for image in range(3):
            scores, kept = flat(found.layers, image), flat(path.layers, image)
            positive = scores[scores > 0]
            if level == 0:
                assert kept.all()
            elif ties == "drop":
                np.testing.assert_array_equal(kept, scores > np.percentile(positive, 100 * level))
            else:
                assert kept.sum() == len(positive) - round(level * len(positive))
                assert scores[kept].min(initial=np.inf) >= scores[~kept].max()
            assert int(found.contributing[image]) == len(positive)


def test_a_sweep_says_what_went_on_both_scales_and_when_only_silent_neurons_did() -> None:
    net, x = networks.network("residual"), networks.inputs(2)
    scores = contributions(net, x)
    silent = 1 - scores.contributing.double() / scores.neurons
    sweep = PruneGrad(net).sweep(x, None, [0.0, float(silent.min()) - 0.01, 0.8], of="all", mode="freeze")
    share = PruneGrad(net).sweep(x, None, [0.8], of="contributing")
    assert sweep.silent_only.tolist() == [[True, True], [True, True], [False, False]]
    assert share.sparsity_of_contributing[0].tolist() == pytest.approx([0.8, 0.8], abs=0.01)
    expected = silent + (1 - silent) * share.sparsity_of_contributing[0]
    assert share.sparsity[0].tolist() == pytest.approx(expected.tolist(), rel=1e-12)
    assert torch.equal(sweep.maps[1], sweep.maps[0])  # the plain gradient
    assert sweep.sparsity_of_contributing[1].tolist() == [0, 0]


def test_the_default_is_080_of_the_contributing_neurons_everywhere() -> None:
    net, x = networks.network("residual"), networks.inputs(2)
    wanted = PruneGrad(net).sweep(x, None, [0.8], of="contributing")
    assert torch.equal(PruneGrad(net).attribute(x), wanted.maps[0])
    assert torch.equal(PruneGrad(net).sweep(x).maps, wanted.maps)
    found = explain(net, x)
    assert torch.equal(found.values, wanted.maps[0])
    assert (found.settings["sparsity"], found.settings["of"]) == (0.8, "contributing")
    assert explain(net, x, sparsity=0.7).settings["of"] == "all"
    gradient = PruneGrad(net).attribute(x, sparsity=0.0)
    assert not torch.equal(gradient, wanted.maps[0])


@pytest.mark.parametrize("method", DIALLED)
def test_every_scale_of_every_method_that_prunes(method: str) -> None:
    net, x = networks.network("plain"), networks.inputs(2)
    own = {"steps": 2} if method == "prunepgd" else {}
    other = "zero" if METHODS[method].options["mode"].default == "freeze" else "freeze"
    maps = {
        name: explain(net, x, [1, 3], method, **own, **options).values
        for name, options in {
            "all": {"sparsity": 0.9},
            "contributing": {"sparsity": 0.9, "of": "contributing"},
            "response": {"output_change": 0.2},
            "probability": {"output_change": 0.2, "change_of": "probability"},
            "other mode": {"sparsity": 0.9, "mode": other},
        }.items()
    }
    first = maps.pop("all")
    assert all(not torch.equal(first, other) for other in maps.values())
    scorer = {"contribution": "intgrad"} if method == "neuron_intgrad" else {}
    if method == "prunepgd":
        again = PrunePGD(net).attribute(x, [1, 3], output_change=0.2, change_of="probability", steps=2)
    elif method in ("prunegrad_mid", "path_density"):
        return
    else:
        again = PruneGrad(net).attribute(x, [1, 3], output_change=0.2, change_of="probability", **scorer)
    assert torch.equal(again, maps["probability"])


@pytest.mark.parametrize("change_of", ["response", "probability"])
def test_pruning_stops_at_the_first_step_whose_change_exceeds_what_is_allowed(change_of: str) -> None:
    net, x = networks.network("residual"), networks.inputs(3)
    scores = contributions(net, x)
    curve = output_curve(net, x, scores, PRUNING_STEPS).change(change_of)  # type: ignore[arg-type]
    masks = dial.Dial(output_change=0.02, change_of=change_of).masks(net, x, scores)  # type: ignore[arg-type]
    for image in range(3):
        step = PRUNING_STEPS[int((curve[:, image] > 0.02).nonzero()[0])]
        (expected,) = masks_of(scores[image], step)
        assert all(torch.equal(a[image : image + 1], b) for a, b in zip(masks, expected, strict=True))


def masks_of(scores, *levels: float):
    return [path.layers for path in scores.paths(levels)]


def test_the_calibrated_point_is_the_networks_own(monkeypatch: pytest.MonkeyPatch) -> None:
    net, x = networks.network("residual"), networks.inputs(1)
    with pytest.raises(InputError, match="none is stored for these weights"):
        PruneGrad(net).attribute(x, sparsity="calibrated")
    points = {"response": {"0.15": 0.66}, "probability": {"0.15": 0.77}}
    table = {calibrated.weights_hash(net): {"points": points}}
    monkeypatch.setattr(calibrated, "_table", lambda: table)
    for change_of, level in (("response", 0.66), ("probability", 0.77)):
        ours = PruneGrad(net).attribute(x, sparsity="calibrated", change_of=change_of)  # type: ignore[arg-type]
        assert torch.equal(ours, PruneGrad(net).attribute(x, sparsity=level))


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({"sparsity": "much"}, '"calibrated"'),
        ({"sparsity": 0.5, "of": "dead"}, "contributing"),
        ({"of": "dead"}, "contributing"),
        ({"of": "dead", "output_change": 0.1}, "contributing"),
        ({"output_change": 0.1, "change_of": "loss"}, "probability"),
    ],
)
def test_a_dial_that_does_not_exist_is_named(options: dict[str, object], text: str) -> None:
    for method in (PruneGrad, PrunePGD):
        with pytest.raises(InputError, match=text):
            method(networks.network("plain")).attribute(networks.inputs(1), **options)  # type: ignore[arg-type]


@pytest.mark.parametrize("instead", [False, True])
def test_a_wrong_class_is_kept_and_asked_for(instead: bool) -> None:
    net, x = networks.network("plain"), networks.inputs(3)
    seen: list[int] = []
    found = wrong_class_control(
        net, x, (2, 99), (0.0, 0.9), instead=instead, progress=lambda done, total: seen.append(done)
    )
    order = net(x).argsort(1, descending=True)
    assert torch.equal(found.target, torch.stack([order[:, 1], order[:, -1]]))
    for place in range(2):
        for image in range(3):
            one, target = x[image : image + 1], int(found.target[place, image])
            asked = difference(target, int(order[image, 0])) if instead else target
            masks = contributions(net, one, asked).path(0.9, of="contributing").layers
            answer = int(pruned_logits(net, one, masks).argmax())
            assert bool(found.becomes[place, 1, image]) == (answer == target)
    assert not found.becomes[:, 0].any()  # nothing removed: the network's own answer
    assert torch.equal(found.share, found.becomes.double().mean(2))
    assert seen[-1] == 6
    other = " instead of the answer" if instead else ""
    for image in range(3):
        words = " ".join(found.words("abcde", image))
        for row, place in enumerate(("the runner-up", "the last of 5")):
            name = f"{'abcde'[int(found.target[row, image])]} ({place}){other}, the network"
            answered = bool(found.becomes[row, 1, image])
            assert f"{name} answers that {'with 90%' if answered else 'at no level'}" in words
        assert ("no evidence" in words) == bool(found.becomes[:, :, image].any())
    with pytest.raises(InputError, match="ranks"):
        wrong_class_control(net, x, (1,))


def test_with_class_scores_counted_any_class_becomes_the_answer() -> None:
    net, x = networks.network("scored"), networks.inputs(2)
    every = wrong_class_control(net, x, (2, 5), (0.9,), "all", class_scores=True)
    hidden = wrong_class_control(net, x, (2, 5), (0.9,), "all")
    assert every.share.mean() > hidden.share.mean()
