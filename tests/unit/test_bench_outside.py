"""Methods of one's own in the benchmarks, runs computed again, and the scoreboard over runs."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from scipy.stats import kendalltau

from pruneattr_core.analysis.interval import mean_interval
from pruneattr_core.attribution import explain
from pruneattr_core.benchmarks.executor import execute, plan_run
from pruneattr_core.benchmarks.maps import method_from, values_of
from pruneattr_core.benchmarks.run import Run, read_run
from pruneattr_core.benchmarks.scoreboard import Line, Ranking, agreement, markdown, rankings
from pruneattr_core.benchmarks.sources import Opened, Source, chosen, open_source
from pruneattr_core.benchmarks.verify import verify
from pruneattr_core.chance import moved, random_state
from pruneattr_core.cli import main
from pruneattr_core.errors import InputError
from pruneattr_core.models import load_model, weights_hash

SOURCE = Source("scenes-net", "scenes")
CODE = """
import random

import numpy as np
import torch

def mine(model, inputs, target):
    inputs.requires_grad_(True)
    response = model(inputs).gather(1, target[:, None]).sum()
    return torch.autograd.grad(response, inputs)[0]

def flat(model, inputs, target):
    return mine(model, inputs, target).abs().sum(1)

def cut(model, inputs, target):
    return inputs[:, :, :3]

def array(model, inputs, target):
    return mine(model, inputs, target).numpy()

def integers(model, inputs, target):
    return np.ones((len(inputs), *inputs.shape[2:]), int)

def texts(model, inputs, target):
    return np.array(["a"])

def careless(model, inputs, target):
    for weight in model.parameters():
        weight.data.mul_(0.5)
    model.train()
    model.register_forward_hook(lambda *_: None)
    return inputs.abs()

def chancy(model, inputs, target):
    return torch.rand(len(inputs), *inputs.shape[2:]) + np.random.rand() + random.random()

def fails(model, inputs, target):
    raise KeyError("of mine")
"""


@pytest.fixture
def code(tmp_path: Path) -> str:
    """Path of a file with methods."""
    file = tmp_path / "mine.py"
    file.write_text(CODE)
    return str(file)


def computed(out: Path, methods: list[str], **choices: str) -> Run:
    return execute(SOURCE, plan_run("localise", SOURCE, methods, 4, choices={"game": "none", **choices}), out)


def test_a_method_of_ones_own_gets_the_numbers_of_its_twin_in_the_table(code: str, tmp_path: Path) -> None:
    run = computed(tmp_path / "run", [f"{code}:mine", f"{code}:flat", "saliency"])
    assert run.plan.labels == ("mine (yours)", "flat (yours)", "Gradient (saliency)")
    assert np.isfinite(run.values).any()
    for label in run.plan.labels[:2]:  # the run takes the sum of magnitudes, so one map is as good as three
        for measure in run.plan.measures:
            np.testing.assert_allclose(
                run.of(label, measure), run.of("Gradient (saliency)", measure), atol=1e-6
            )
    assert read_run(tmp_path / "run").id == run.id


@pytest.mark.parametrize(
    ("name", "says"),
    [("cut", "a map for every picture"), ("texts", "ndarray of <U1: expected"), ("fails", "of mine")],
)
def test_what_is_no_map_is_refused_in_a_sentence(code: str, tmp_path: Path, name: str, says: str) -> None:
    with pytest.raises(InputError, match=says):
        computed(tmp_path / "run", [f"{code}:{name}"])


def test_arrays_of_numpy_are_maps(code: str) -> None:
    model = load_model("scenes-net")
    inputs, target = torch.rand(2, 3, 128, 128), torch.tensor([1, 2])
    own = values_of(model, inputs, target, method_from(f"{code}:array"))
    assert torch.equal(own, values_of(model, inputs, target, method_from(f"{code}:mine")).double())
    assert values_of(model, inputs, target, method_from(f"{code}:integers")).shape == (2, 1, 128, 128)


def test_a_careless_method_changes_neither_the_network_nor_what_it_answers_next(code: str) -> None:
    model = load_model("scenes-net")
    inputs, target = torch.rand(1, 3, 128, 128), torch.tensor([1])
    before, state = weights_hash(model), random_state()
    for name in ("careless", "chancy"):
        maps = [values_of(model, inputs, target, method_from(f"{code}:{name}")) for _ in range(2)]
        assert torch.equal(*maps)
    assert weights_hash(model) == before
    assert not model.training
    assert not any(module._forward_hooks for module in model.modules())
    assert not moved(state)


def test_a_run_is_not_gone_on_with_other_code(code: str, tmp_path: Path) -> None:
    plan = plan_run("localise", SOURCE, [f"{code}:mine"], 1, choices={"game": "none"})
    Path(code).write_text(CODE + "\n# changed\n")
    with pytest.raises(InputError, match="has changed"):
        execute(SOURCE, plan, tmp_path / "run")


def test_verify_takes_a_true_run_and_no_other(code: str, tmp_path: Path) -> None:
    run = computed(tmp_path / "run", ["saliency", "edges"])
    true = verify(run, SOURCE)
    assert (true.cells, true.exact, true.worst, true.holds) == (2, 2, 0.0, True)
    assert true.close
    values = run.values.copy()
    values[0, 0, 0, np.flatnonzero(np.isfinite(values[0, 0, 0]))[0]] += 0.01
    moved = verify(Run(run.plan, values, {}, run.timing), SOURCE)  # as near ranks swap elsewhere
    assert not moved.close
    assert moved.exact == 1
    assert 0 < moved.mean < moved.worst
    values = run.values.copy()
    values[0] += 0.02
    false = verify(Run(run.plan, values, {}, run.timing), SOURCE)
    assert not false.holds
    assert false.exact == 1
    rounded = verify(Run(run.plan, run.values * (1 + 1e-7), {}, run.timing), SOURCE)
    assert rounded.holds
    assert rounded.exact < 2
    older = replace(run.plan, versions={**run.plan.versions, "torch": "1.0"})
    assert verify(Run(older, run.values, {}, run.timing), SOURCE).holds
    assert not verify(Run(older, values, {}, run.timing), SOURCE).holds
    elsewhere = replace(run.plan, versions={**run.plan.versions, "device": "NVIDIA H100"})
    with pytest.raises(InputError, match="made on NVIDIA H100"):
        verify(Run(elsewhere, run.values, {}, run.timing), SOURCE)


def test_verify_runs_nobodys_code_unasked(code: str, tmp_path: Path) -> None:
    run = computed(tmp_path / "run", [f"{code}:mine"])
    with pytest.raises(InputError, match="code of its maker"):
        verify(run, SOURCE)
    assert verify(run, SOURCE, own=[f"{code}:mine"]).holds


def board(values: dict[str, list[float]], indices: range, template: Run) -> Run:
    """A run of ROC-AUCs as given."""
    methods = tuple(
        {"id": name, "label": label, "options": {}} for label, name in _IDS.items() if label in values
    )
    data = {**template.plan.data, "indices": list(indices), "names": [str(i) for i in indices]}
    plan = replace(template.plan, methods=methods, measures=("roc_auc", "mass_inside"), data=data)
    table = np.array([[[values[m["label"]]], [values[m["label"]][::-1]]] for m in methods])
    return Run(plan, table, {}, template.timing)


_IDS = {"A": "saliency", "B": "gradcam", "C": "lrp", "D": "rap", "Random map": "random"}


def test_methods_stand_in_one_ranking_only_over_the_same_pictures(tmp_path: Path) -> None:
    template = computed(tmp_path / "run", ["edges"])
    low, middle, high = [0.1, 0.2, 0.3], [0.4, 0.5, 0.6], [0.7, 0.8, 0.9]
    first = {"A": middle, "B": high, "C": middle, "Random map": [0.4, 0.6, 0.5]}
    runs = {
        "one": board(first, range(3), template),
        "two": board({"D": low}, range(3), template),
        "others": board({"A": high}, range(5, 8), template),
    }
    found = rankings(runs)
    ranking = next(r for r in found if r.measure.startswith("roc auc") and len(r.lines) == 5)
    assert [(line.label, line.rank, line.run) for line in ranking.lines] == [
        ("B", 1, "one"), ("A", 2, "one"), ("C", 2, "one"), ("Random map", 2, "one"), ("D", 5, "two"),
    ]  # fmt: skip
    assert {line.label: line.against_random for line in ranking.lines} == {
        "A": "open", "B": "better", "C": "open", "Random map": "", "D": "",
    }  # fmt: skip
    assert sorted(len(r.lines) for r in found) == [1, 1, 5, 5]
    pair = [r for r in found if len(r.lines) == 5]
    assert agreement(*pair) == pytest.approx(1.0)  # means do not depend on the order of the pictures
    assert np.isnan(agreement(*(r for r in found if len(r.lines) == 1)))
    assert "| 1 | B | 0.8000 |" in markdown(found)


def test_agreement_is_kendalls_tau_of_scipy() -> None:
    nothing = mean_interval([0.0, 0.0])

    def ranking(ranks: Iterable[int]) -> Ranking:
        lines = tuple(Line(str(k), nothing, rank, "", "one") for k, rank in enumerate(ranks))
        return Ranking("", "", "", "higher", (*lines, Line("Random map", nothing, 1, "", "one")))

    random = np.random.default_rng(0)
    for count in (4, 7, 12):
        one, other = random.permutation(count), random.integers(0, 3, count)  # the second with ties
        assert agreement(ranking(one), ranking(other)) == pytest.approx(
            kendalltau(one, other).statistic, nan_ok=True
        )
        assert agreement(ranking(one), ranking(-one)) == pytest.approx(-1)
        assert np.isnan(agreement(ranking(one), ranking([1] * count)))


def test_the_scorecard_of_a_new_method_is_one_command(
    code: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "card"
    common = ["--model", "scenes-net", "--data", "scenes", "--n", "1", "--threads", "1", "--out", str(out)]
    assert main(["bench", "all", "--method", f"{code}:mine", "--methods", "saliency", "edges", *common]) == 0
    said = capsys.readouterr().out
    assert "mine (yours)" in said
    assert "How far the measures agree" in said
    assert {folder.name for folder in out.iterdir()} == {"sanity", "logits", "pixels", "localise", "quality"}
    assert main(["runs", "verify", str(out / "pixels"), "--method", f"{code}:mine", "--cells", "2"]) == 0
    assert "2 of 2 cells bit for bit" in capsys.readouterr().out


def test_baselines_of_expected_gradients_come_from_the_data(tmp_path: Path) -> None:
    file = tmp_path / "baselines.npy"
    common = ["--model", "scenes-net", "--data", "scenes", "--n", "2"]
    assert main(["data", "--save", str(file), *common]) == 0
    opened = open_source(Source("scenes-net", "scenes"))
    training = Opened(opened.card, opened.model, opened.training)
    wanted = training.inputs(chosen(training.data, 2, 0))
    np.testing.assert_array_equal(np.load(file), wanted.numpy())
    x = opened.inputs([0])
    assert not torch.equal(x, wanted[:1])
    here = explain(opened.model, x, 0, "expected_gradients", baselines=str(file), samples=2).values
    plain = explain(opened.model, x, 0, "expected_gradients", samples=2).values
    assert not torch.equal(here, plain)
