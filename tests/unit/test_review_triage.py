"""Order and filters of triage, the numbers of a cell, the overlap of paths: each against a slow twin."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

from networks import inputs as some_inputs
from networks import network
from pruneattr_core.benchmarks.localisation import mass_inside
from pruneattr_core.compression.cut import cut
from pruneattr_core.compression.review_maps import (
    LEVELS,
    START_LEVEL,
    choose_target,
    levels_of,
    look,
    numbers_of,
)
from pruneattr_core.compression.review_paths import correspondence, kept_by_call, path_overlap
from pruneattr_core.compression.review_triage import NO_TARGET, SHOWN, Triage, empty_triage
from pruneattr_core.errors import InputError
from pruneattr_core.heads import declare
from pruneattr_core.likeness import cosine
from pruneattr_core.models.vgg import SceneVGG


def triage() -> Triage:
    fields = empty_triage(6, 3)
    fields["target"][:] = [0, 1, 2, 0, 1, NO_TARGET]
    fields["cosine"][:5] = [0.9, 0.1, 0.5, 0.3, np.nan]
    fields["l2"][:5] = [0.4, 1.3, 1.0, 1.2, np.nan]
    fields["teacher_right"][:5] = [True, True, True, False, True]
    fields["student_right"][:5] = [True, True, False, True, True]
    fields["teacher_point"][:5] = [1, 1, 1, 1, 0]
    fields["student_point"][:5] = [1, 0, 0, 0, 0]
    return Triage(**fields)


def test_the_most_deformed_come_first_at_equal_correct_prediction() -> None:
    found = triage()
    assert found.order("cosine") == [1, 0, 4, 3, 2]  # both right: 1, 0, 4 (no number last); then the others
    assert found.order("l2") == [1, 0, 4, 3, 2]
    assert found.order("series") == [0, 1, 2, 3, 4]
    assert found.order("cosine", "right") == [1, 0, 4]
    assert found.order("series", "all", target=1) == [1, 4]


def test_filters_say_what_happened() -> None:
    found = triage()
    assert found.order("series", "left") == [1]  # 3: the teacher is wrong; 4: its maximum was outside before
    assert found.order("series", "changed") == [2]
    assert found.counts() == {"all": 5, "right": 3, "left": 1, "changed": 1}
    assert set(found.counts()) == set(SHOWN)


def test_unknown_orders_and_filters_are_refused() -> None:
    with pytest.raises(InputError, match="Expected an order"):
        triage().order("beauty")
    with pytest.raises(InputError, match="Expected a filter"):
        triage().order("series", "best")


def test_the_target_is_the_strongest_label() -> None:
    logits = torch.tensor([3.0, 1.0, 2.0])
    assert choose_target(logits, (1, 2)) == 2
    assert choose_target(logits, (1, 2), wanted=1) == 1
    assert choose_target(logits, (1, 2), wanted=0) == 2
    assert choose_target(logits, ()) == 0


def test_numbers_of_a_cell() -> None:
    rng = np.random.default_rng(0)
    student, teacher = rng.random((2, 5, 6)), rng.random((2, 5, 6))
    mask = np.zeros((5, 6), bool)
    mask[1:3, 2:5] = True
    student[0, 2, 3], student[1, 4, 0] = 2.0, 2.0
    found = numbers_of(student, teacher, mask)
    assert found.peak == ((3, 2), (0, 4))
    assert found.point == (1.0, 0.0)
    assert found.cosine == pytest.approx([cosine(teacher[k], student[k]) for k in range(2)], abs=1e-5)
    assert found.l2 == pytest.approx([np.sqrt(2 - 2 * c) for c in found.cosine or ()], abs=1e-4)
    assert found.mass == pytest.approx([mass_inside(one, mask) for one in student], abs=1e-5)
    assert found.flat == (False, False)


def test_numbers_that_do_not_exist_are_none() -> None:
    zero, some = np.zeros((1, 4, 4)), np.eye(4)[None]
    found = numbers_of(zero, some, np.zeros((4, 4), bool))
    assert (found.cosine, found.l2, found.point, found.mass) == ((None,), (None,), None, None)
    assert found.flat == (True,)
    assert numbers_of(some, None, None).cosine is None


def test_every_method_looks_and_only_pruning_has_levels() -> None:
    torch.manual_seed(0)
    model = SceneVGG(4, (2, 2, 3, 3, 4, 4), side=16).eval().requires_grad_(False)
    inputs = torch.randn(2, 3, 16, 16)
    for method, count in (("gradcam", 1), ("prunegrad", len(LEVELS))):
        seen = look(model, inputs, [1, 3], method, multi_label=True)
        assert [one.maps.shape for one in seen] == [(count, 16, 16)] * 2
        assert seen[0].predicted.dtype == bool
        assert len(levels_of(method)) == count
    alone = look(model, inputs[1:], [3], "prunegrad", True, (LEVELS[START_LEVEL],))[0]
    assert np.allclose(alone.maps[0], seen[1].maps[START_LEVEL], atol=1e-6)
    assert not look(model, inputs, [1, 3], "gradcam", False)[0].predicted.sum() > 1
    declare(model, "sigmoid")
    assert look(model, inputs, [1, 3], "gradcam", False)[0].predicted.tolist() == seen[0].predicted.tolist()
    chances = nn.Sequential(model, nn.Sigmoid())  # probabilities: yes is above one half, not above 0
    declare(chances, "probabilities")
    answered = look(chances, inputs, [1, 3], "gradcam", True)[0].predicted
    assert answered.tolist() == seen[0].predicted.tolist()


def test_calls_correspond_by_shape_or_by_the_channels_kept() -> None:
    found = correspondence([(4, 8, 8), (6, 4, 4), (5,)], [(4, 8, 8), (2, 4, 4), (3,)], [(), (1, 4), ()])
    assert list(found) == [0, 1]
    assert found[0] is None
    assert found[1] is not None
    assert found[1].tolist() == [1, 4]
    assert correspondence([(4,)], [(4,), (4,)]) == {}
    assert correspondence([(6, 4, 4)], [(2, 4, 4)], [(1, 6)]) == {}  # no such channel


def test_a_network_overlaps_wholly_with_itself() -> None:
    model, inputs = network("plain"), some_inputs()
    found = path_overlap(model, model, inputs, [0] * len(inputs), (0.5, 0.9))
    assert found.names
    assert found.reason == ""
    assert torch.nan_to_num(found.jaccard, nan=1.0).eq(1).all()


def test_a_cut_student_is_compared_through_the_channels_it_kept() -> None:
    torch.manual_seed(0)
    teacher = SceneVGG(3, (4, 4, 4, 4, 4, 4), side=16).eval().requires_grad_(False)
    name = next(name for name, module in teacher.named_modules() if isinstance(module, nn.Conv2d))
    kept = {name: [1, 3]}
    inputs = torch.randn(2, 3, 16, 16)
    student = cut(teacher, kept, inputs[:1]).eval().requires_grad_(False)
    found = path_overlap(teacher, student, inputs, [0, 1], (0.5,), kept_by_call(teacher, kept))
    assert len(found.names) == 6
    paths = [_slow_path(model, inputs, [0, 1]) for model in (teacher, student)]
    for image in range(2):
        whole = torch.zeros_like(paths[0][image])
        whole[[1, 3]] = paths[1][image]
        both, either = (paths[0][image] & whole).sum(), (paths[0][image] | whole).sum()
        assert found.jaccard[0, 0, image] == pytest.approx(float(both / either))


def _slow_path(model: nn.Module, inputs: torch.Tensor, targets: list[int]) -> torch.Tensor:
    from pruneattr_core.scoring import contributions

    return contributions(model, inputs, torch.tensor(targets)).path(0.5).layers[0]


def test_networks_that_do_not_correspond_say_why() -> None:
    torch.manual_seed(0)
    wide, narrow = (SceneVGG(3, (w,) * 6, side=16).eval().requires_grad_(False) for w in (4, 2))
    found = path_overlap(wide, narrow, torch.randn(1, 3, 16, 16), [0], (0.5,))
    assert found.names == ()
    assert "neurons of its own" in found.reason
