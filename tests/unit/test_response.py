"""Responses and heads: what was asked for is explained, and outputs are read as the network means them."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

import networks
from pruneattr_core import PruneGrad, PrunePGD, contributions
from pruneattr_core.attribution import METHODS, explain
from pruneattr_core.attribution.protocol import completeness_gap
from pruneattr_core.errors import InputError, TargetError
from pruneattr_core.heads import Head, distance, head_of, probabilities
from pruneattr_core.paths.calibrate import output_curve
from pruneattr_core.paths.greedy import greedy_paths
from pruneattr_core.response import asked_of, custom, difference, from_setting, group, region, resolved
from pruneattr_core.scoring.intgrad import completeness, intgrad_signed

#: One-output, several-answers, softmax-inside and regression networks: how the head reads z, by hand.
READ: dict[str, tuple[Head, Callable[[Tensor], Tensor]]] = {
    "one_output": ("sigmoid", lambda z: 1 / (1 + (-z).exp())),
    "multi_label": ("sigmoid", lambda z: 1 / (1 + (-z).exp())),
    "softmax_inside": ("probabilities", lambda z: z),
    "sigmoid_inside": ("probabilities", lambda z: z),
    "regression": ("values", lambda z: z),
    "plain": ("softmax", lambda z: z.exp() / z.exp().sum(1, keepdim=True)),
}
DECLARED = ("multi_label", "regression")


@pytest.mark.parametrize("name", READ)
def test_probability_is_the_heads_own(name: str) -> None:
    net, x = networks.network(name), networks.inputs(3)
    head, read = READ[name]
    method = PruneGrad(net, head if name in DECLARED else None)
    sweep = method.sweep(x, 0, [0.0, 0.5, 0.9])
    path = contributions(net, x, 0).path(0.9)
    with torch.no_grad():
        logits = net(x)
        pruned = _pruned(net, x, path.layers)
    for level, z in ((0, logits), (2, pruned)):
        assert torch.allclose(sweep.probability[level], read(z)[:, 0], atol=1e-12)
        assert torch.allclose(sweep.logit[level], z[:, 0], atol=1e-12)
    p, q = read(logits)[:, 0], read(pruned)[:, 0]
    assert torch.allclose(sweep.probability_change[2], (q - p).abs() / p.abs(), atol=1e-12)
    f, g = logits[:, 0], pruned[:, 0]
    assert torch.allclose(sweep.output_change[2], (g - f).abs() / f.abs(), atol=1e-12)
    one_of_many = name in ("plain", "softmax_inside")
    answers = (logits.argmax(1) != pruned.argmax(1)) if one_of_many else ((p > 0.5) != (q > 0.5))
    assert torch.equal(sweep.changed[2], answers & (head != "values"))


def _pruned(net: nn.Module, x: Tensor, masks: tuple[Tensor, ...]) -> Tensor:
    """The zero-mode network by forward hooks: its activations are modules."""
    rectifiers = [m for m in net.modules() if isinstance(m, nn.ReLU)]
    handles = [
        m.register_forward_hook(lambda module, given, out, k=k: out * masks[k])
        for k, m in enumerate(rectifiers)
    ]
    try:
        return net(x)
    finally:
        for handle in handles:
            handle.remove()


def test_a_head_is_seen_said_or_declared() -> None:
    x = networks.inputs(2)
    for name, expected in {name: read[0] for name, read in READ.items() if name not in DECLARED}.items():
        assert contributions(networks.network(name), x).head == expected, name
        assert intgrad_signed(networks.network(name), x).head == expected, name
    net = networks.network("multi_label")
    assert contributions(net, x).head == "softmax"
    assert head_of(net, net(x), "sigmoid") == "sigmoid"
    with pytest.raises(InputError, match="Expected head in softmax, sigmoid"):
        PruneGrad(net, "logistic")  # type: ignore[arg-type]


RESPONSES: dict[str, tuple[object, Callable[[Tensor], Tensor]]] = {
    "class": (2, lambda z: z[:, 2]),
    "classes": ([1, 4, 0], lambda z: z.gather(1, torch.tensor([[1], [4], [0]])[: len(z)])[:, 0]),
    "difference": (difference(3, 1), lambda z: z[:, 3] - z[:, 1]),
    "runner-up": (difference(), lambda z: z.topk(2, 1).values.diff(dim=1)[:, 0].neg()),
    "group": (group([0, 2, 3]), lambda z: z[:, [0, 2, 3]].mean(1)),
    "function": (lambda z: z.square().sum(1), lambda z: z.square().sum(1)),
}


@pytest.mark.parametrize("name", RESPONSES)
@pytest.mark.parametrize("mode", ["zero", "freeze"])
def test_maps_are_gradients_of_the_response(name: str, mode: str) -> None:
    net, x = networks.network("plain"), networks.inputs(3)
    response, f = RESPONSES[name]
    leaf = x.clone().requires_grad_()
    (expected,) = torch.autograd.grad(f(net(leaf)).sum(), leaf)
    assert torch.allclose(PruneGrad(net).attribute(x, response, sparsity=0.0, mode=mode), expected)
    sweep = PruneGrad(net).sweep(x, response, [0.0, 0.6], mode=mode)
    assert torch.allclose(sweep.logit[0], f(net(x)))
    alone = [PruneGrad(net).sweep(x[k : k + 1], sweep.asked[k], [0.0, 0.6], mode=mode) for k in range(3)]
    assert torch.equal(sweep.maps, torch.cat([one.maps for one in alone], 1))
    for contribution in ("taylor", "intgrad"):
        scores = contributions(net, x, response, contribution)
        assert output_curve(net, x, scores, [0.0]).output_change.max() < 1e-14


@pytest.mark.parametrize("name", ["difference", "runner-up", "group", "function"])
def test_integrals_are_complete_for_any_response(name: str) -> None:
    net, x = networks.network("concatenating"), networks.inputs(2)
    assert completeness(net, x, RESPONSES[name][0], steps=400).relative.max() < 5e-3


@pytest.mark.parametrize("method", METHODS)
def test_every_method_takes_a_difference(method: str) -> None:
    net, x = networks.network("plain"), networks.inputs(2)
    both = explain(net, x, difference([3, 2], [1, 0]), method)
    assert both.settings["response"] == {"response": "difference", "target": [3, 2], "against": [1, 0]}
    swapped = explain(net, x, difference([1, 0], [3, 2]), method)
    if method in ("saliency", "input_x_gradient", "integrated_gradients", "deeplift", "lrp", "occlusion"):
        parts = [explain(net, x, k, method).values for k in ([3, 2], [1, 0])]
        assert torch.allclose(both.values, parts[0] - parts[1], atol=1e-10)
        assert torch.allclose(both.values, -swapped.values, atol=1e-10)
    gap = completeness_gap(net, x, both)
    if gap is not None and method != "integrated_gradients":
        scale = both.asked.of(net(x)).abs() if both.asked is not None else torch.ones(2)
        assert (gap.abs() < 2e-2 * scale + 1e-6).all(), (method, gap)
    if METHODS[method].family == "relevance":
        with pytest.raises(InputError, match="starts at class scores"):
            explain(net, x, lambda z: z.amax(1), method)


def test_what_is_subtracted_is_the_strongest_other_class() -> None:
    z = torch.tensor([[1.0, 5.0, 3.0], [4.0, 0.0, 2.0]])
    asked = resolved(z, asked_of(difference(), 2))
    assert asked.target.tolist() == [1, 0]
    assert asked.against is not None
    assert asked.against.tolist() == [2, 2]
    other = resolved(z, asked_of(difference(2), 2))
    assert other.against is not None
    assert other.against.tolist() == [1, 0]
    with pytest.raises(TargetError, match="class 1 twice"):
        resolved(z, asked_of(difference(1, 1), 2))
    for wrong in (group([0, 3]), difference(3), difference(0, 3), difference(1, -4)):
        with pytest.raises(TargetError, match="does not exist"):
            resolved(z, asked_of(wrong, 2))


def test_without_a_question_the_answer_itself_is_asked_for() -> None:
    z = torch.tensor([[1.0, 5.0, 3.0], [4.0, 0.0, 2.0]])
    assert resolved(z, None).target.tolist() == [1, 0]
    assert resolved(z, torch.tensor([2, 1])).target.tolist() == [2, 1]


def test_a_group_is_as_probable_as_its_classes() -> None:
    z = torch.tensor([[1.0, 5.0, 3.0]], dtype=torch.float64)
    asked = resolved(z, asked_of(group([0, 2]), 1))
    assert asked.probability(z, "softmax") == probabilities(z, "softmax")[:, [0, 2]].sum(1)
    assert asked.probability(z, "sigmoid") == z[0, 2].sigmoid()


def test_a_class_named_twice_counts_once() -> None:
    """As the predicted one does that a reader of the app also names: "any of a, a" had 1.9."""
    z = torch.tensor([[1.0, 5.0, 3.0]], dtype=torch.float64)
    once, twice = (resolved(z, asked_of(group(named), 1)) for named in ([1, 2], [1, 2, 1]))
    assert twice.response.target == once.response.target
    assert twice.of(z) == once.of(z) == 4.0
    assert twice.probability(z, "softmax") == once.probability(z, "softmax") < 1


def test_responses_survive_json() -> None:
    mask = torch.tensor([[True, False], [False, True]])
    for response in (difference(3, [1, 2]), difference(), group([4, 0]), region(mask, 1)):
        again = from_setting(json.loads(json.dumps(response.setting())))
        assert again.setting() == response.setting()
    with pytest.raises(InputError, match="a record cannot hold"):
        from_setting(custom(torch.sum, "sum").setting())
    with pytest.raises(InputError, match="no response that was recorded"):
        from_setting({"response": "feeling"})


def test_networks_that_answer_maps_need_a_region_or_a_function() -> None:
    net, x = networks.network("segmenting"), networks.inputs(2)
    mask = torch.zeros(10, 10, dtype=torch.bool)
    mask[2:5, 3:8] = True
    with pytest.raises(InputError, match=r"answers maps.*region\(mask, target\)"):
        PruneGrad(net).attribute(x, 1)
    with pytest.raises(InputError, match="The region is"):
        PruneGrad(net).attribute(x, region(mask[:5], 1))
    sweep = PruneGrad(net).sweep(x, region(mask, 1), [0.0, 0.5])
    expected = net(x)[:, 1, 2:5, 3:8].mean((1, 2))
    assert torch.allclose(sweep.logit[0], expected)
    probability = net(x).softmax(1)[:, 1, 2:5, 3:8].mean((1, 2))
    assert torch.allclose(sweep.probability[0], probability)
    function = explain(net, x, lambda z: z[:, 1, 2:5, 3:8].mean((1, 2)), "prunegrad", sparsity=0.5)
    assert torch.allclose(function.values, sweep.maps[1])
    for method in ("saliency", "gradcam", "occlusion"):
        ours = explain(net, x, region(mask, 1), method).values
        assert torch.allclose(ours, explain(net, x, lambda z: z[:, 1, 2:5, 3:8].mean((1, 2)), method).values)


def test_an_answer_that_is_sure_is_a_distribution_too() -> None:
    sure, scores = torch.eye(3)[:2], torch.eye(3)[:2] * 2 - torch.eye(3)[[1, 2]]
    assert head_of(nn.Identity(), sure, None, None) == "probabilities"
    assert head_of(nn.Identity(), scores, None, None) == "softmax"  # sums to 1, but no shares


@pytest.mark.parametrize("shape", [(2, 3), (2, 3, 4), (2, 3, 4, 5)])
@pytest.mark.parametrize("head", ["softmax", "sigmoid", "values", "probabilities"])
def test_distances_are_means_over_positions_of_sums_over_classes(head: Head, shape: tuple[int, ...]) -> None:
    one, other = torch.rand(shape).softmax(1), torch.rand(shape).softmax(1)
    found = distance(one, other, head)
    assert found.shape == (2,)
    places = (
        [distance(*(z.flatten(2)[..., k] for z in (one, other)), head) for k in range(one[0, 0].numel())]
        if one.ndim > 2
        else [found]
    )
    torch.testing.assert_close(found, torch.stack(places).mean(0))
    softmax = -(other.softmax(1) * one.log_softmax(1)).sum(1)
    if head == "softmax":
        torch.testing.assert_close(found, softmax.flatten(1).mean(1) if one.ndim > 2 else softmax)


def test_a_map_that_changes_changes_the_answer_of_a_region_and_none_of_a_function() -> None:
    one, other = torch.zeros(1, 2, 2, 2), torch.zeros(1, 2, 2, 2)
    one[:, 0], other[:, 1] = 1, 1
    inside = region(torch.ones(1, 2, 2, dtype=torch.bool), 0)
    for target, expected in ((inside, True), (custom(lambda maps: maps.sum((1, 2, 3))), False)):
        asked = asked_of(target, 1)
        assert asked.changed(one, other, "softmax").tolist() == [expected]
        assert asked.changed(one, one, "softmax").tolist() == [False]
    assert custom(torch.sum).name == "sum"
    assert custom(torch.sum, "all of it").name == "all of it"


def test_a_region_that_is_no_mask_is_told() -> None:
    for wrong in (3, "all", torch.ones(2, 2), torch.zeros(2, 2, dtype=torch.bool)):
        with pytest.raises(InputError, match="boolean mask"):
            region(wrong, 1)  # type: ignore[arg-type]


def test_the_class_answered_over_a_region_is_the_largest_inside_it() -> None:
    logits = torch.zeros(2, 3, 4, 4)
    logits[:, 0] = 5.0  # largest outside
    mask = torch.zeros(4, 4, dtype=torch.bool)
    mask[1:3, 1:3] = True
    logits[0, 2, mask], logits[0, 0, mask], logits[1, 1, mask] = 2.0, 1.0, 9.0
    asked = asked_of(region(mask, 0), 2)
    assert asked.prediction(logits, "values").tolist() == [2, 1]
    single = asked_of(region(mask, 0), 1)
    assert [single.prediction(one[None], "values").item() for one in logits] == [2, 1]


def test_pgd_and_greedy_take_responses() -> None:
    net, x = networks.network("plain"), networks.inputs(2)
    delta = PrunePGD(net).attribute(x, difference(3, 1), sparsity=0.0, l2_bound=1e-4, step_size=1e-4, steps=1)
    leaf = x.clone().requires_grad_()
    (slope,) = torch.autograd.grad((net(leaf)[:, 3] - net(leaf)[:, 1]).sum(), leaf)
    assert torch.cosine_similarity(delta.flatten(1), slope.flatten(1)).min() > 0.999
    one, two = (greedy_paths(net, x, target, [0.3], step=0.1)[0] for target in (difference(3, 1), 3))
    assert not torch.equal(one.layers[0], two.layers[0])


@pytest.mark.parametrize(("bias", "head"), [(3.0, None), (-3.0, None), (3.0, "values")])
def test_a_single_map_answers_yes_or_no_over_a_region(bias: float, head: Head | None) -> None:
    """As a single output does: a binary segmentation always answered 0, and its answer never changed."""
    net, x = networks.network("segmenting"), networks.inputs(2)
    mean = net(x)[:, :1].mean()
    whole = region(torch.ones(10, 10, dtype=torch.bool))

    class OneMap(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            return net(x)[:, :1] - mean + bias * F.relu(x[:, :1] + 9).mean((1, 2, 3)).view(-1, 1, 1, 1)

    sweep = PruneGrad(OneMap().eval(), head).sweep(x, whole, [0.0, 1.0])
    yes = (sweep.probability > 0.5) & (head is None)
    assert torch.equal(sweep.prediction, yes.long())
    assert torch.equal(sweep.changed, yes != yes[:1])


def test_maps_of_several_classes_at_once_change_by_the_explained_one() -> None:
    maps, whole = torch.zeros(3, 2, 4, 4), region(torch.ones(4, 4, dtype=torch.bool), 0)
    maps[0], maps[1, 0], maps[1, 1], maps[2, 0] = 1.0, 1.0, 5.0, -1.0
    asked = asked_of(whole, 1)
    changed = [bool(asked.changed(one[None], maps[:1], "sigmoid")) for one in maps]
    assert changed == [False, False, True]  # another class that is larger is another answer's matter


def test_what_was_asked_of_other_inputs_is_not_taken_for_these() -> None:
    net, x = networks.network("plain"), networks.inputs(3)
    asked = PruneGrad(net).sweep(x, sparsities=[0.5]).asked
    for inputs in (x[:2], torch.cat([x, x])):
        wrong = rf"one target or {len(inputs)} .*got 3"
        with pytest.raises(TargetError, match=wrong):
            explain(net, inputs, asked, "saliency")
        with pytest.raises(TargetError, match=wrong):
            contributions(net, inputs, asked)
        with pytest.raises(TargetError, match=wrong):
            PruneGrad(net).attribute(inputs, asked, output_change=0.1)
    one = explain(net, x, asked[1], "saliency").values
    assert torch.equal(one, explain(net, x, int(asked.target[1]), "saliency").values)
    mask = torch.ones(1, 10, 10, dtype=torch.bool)
    maps = networks.network("segmenting")
    assert torch.equal(
        explain(maps, x, region(mask, 1), "saliency").values,
        explain(maps, x, region(mask[0], 1), "saliency").values,
    )
