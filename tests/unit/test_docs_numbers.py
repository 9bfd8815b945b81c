"""Numbers in the prose of the documentation are those of the shipped runs; tables are made from them."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import numpy as np
import pytest

from pruneattr_core.analysis.table_run import read_table
from pruneattr_core.assets import ASSETS
from pruneattr_core.attribution import METHODS
from pruneattr_core.benchmarks.run import Run, read_run
from pruneattr_core.benchmarks.summary import shares, summary
from pruneattr_core.paths.dial import DEFAULT
from pruneattr_core.reproduction.claim import OUT
from pruneattr_core.reproduction.page import all_claims, markdown
from pruneattr_core.ui.compare.state import group_of
from tests.loading import loaded

ROOT = Path(__file__).resolve().parents[2]
PATCHED, TAYLOR = "Integrated patching", "Taylor"
FINE = ("Grad-CAM", "PruneGrad x Input", "Gradient (saliency)")
OTHERS = ("mean", "channel mean", "another picture", "the blurred picture")


@cache
def run(name: str) -> Run:
    return read_run(ASSETS / "runs" / "bench" / name)


def kept(name: str, score: str, rest: str, kind: str = "path") -> dict[float, int]:
    """Pictures that keep their answer, by the share of neurons that stays."""
    found = run(name).of(f"{score}, rest becomes {rest}", f"{kind}_kept")
    return {float(size): int(row.sum()) for size, row in zip(run(name).plan.x, found, strict=True)}


def words(page: str) -> str:
    return " ".join((ROOT / page).read_text("utf-8").replace("*", "").split())


def listed(numbers: list[int]) -> str:
    return ", ".join(map(str, numbers[:-1])) + f" and {numbers[-1]}"


def test_the_study_says_what_its_runs_say() -> None:
    text = words("docs/zero-ablation.md")
    r8, scenes, lite = "resnet8-circuits", "scenes-circuits", "lite0-circuits"
    zero = [kept(name, TAYLOR, "0") for name in (r8, scenes, lite)]
    rivals = [kept(name, TAYLOR, "0", "runner_up") for name in (r8, scenes, lite)]
    mean, channel = kept(r8, TAYLOR, "mean"), kept(r8, TAYLOR, "channel mean")
    assert zero[0][0.01] == zero[1][0.01] == 100
    assert set(rivals[1].values()) == {100}
    assert max(mean[size] for size in (0.01, 0.05, 0.1, 0.2)) == 0
    at_20 = [kept(r8, PATCHED, rest)[0.2] for rest in OTHERS]
    at_50 = [kept(r8, PATCHED, rest)[0.5] for rest in OTHERS]
    beside = [kept(r8, PATCHED, rest, "runner_up")[0.2] for rest in OTHERS]
    single = [kept(r8, "Patching", rest)[0.2] for rest in OTHERS]
    for rest in ("mean", "channel mean", "the blurred picture"):
        assert kept(scenes, PATCHED, rest)[0.05] == 100
    assert kept(scenes, PATCHED, "another picture")[0.1] == 100
    half = [kept(scenes, TAYLOR, rest)[0.5] for rest in ("mean", "channel mean")]
    lite_half = [kept(lite, PATCHED, rest)[0.5] for rest in OTHERS]
    lite_20 = [kept(lite, PATCHED, rest)[0.2] for rest in OTHERS]
    lite_single = [kept(lite, "Patching", rest)[0.5] for rest in OTHERS]
    lite_beside = [kept(lite, PATCHED, rest, "runner_up")[0.5] for rest in OTHERS]
    for said in (
        f"original answer on {rivals[0][0.1]} of 100 pictures, of 20 % on {rivals[0][0.2]}, and on SceneNet",
        f"under a mean ({kept(scenes, TAYLOR, 'mean')[0.2]} of 100 at 20 % on SceneNet)",
        f"ResNet-8 still keeps {mean[0.5]} of 100 under the mean and {channel[0.5]} under the channel's, and "
        f"SceneNet {half[0]} and {half[1]}",
        f"{min(at_50)} to {max(at_50)} of 100, and at 20 % between {min(at_20)} (channel mean) and "
        f"{max(at_20)} (blur)",
        f"at 20 % it keeps {listed(single)} there",
        f"of Lite0's neurons keeps {zero[2][0.01]} of 100 answers, of 5 % all",
        f"at half of the neurons keeps {listed(lite_half)} of 100",
        f"at 20 % only {listed(lite_20)}; one gradient at half {listed(lite_single)}",
        f"the runner-up's path still keeps {listed(lite_beside)}",
        f"its own answer on {listed(at_20)} of 100 pictures",
        f"scores the same answer on {listed(beside)}",
        f"({kept(r8, TAYLOR, 'another picture')[0.01]} of 100 on ResNet-8, "
        f"{kept(scenes, TAYLOR, 'another picture')[0.01]} on SceneNet, "
        f"{kept(lite, TAYLOR, 'another picture')[0.01]} on Lite0)",
    ):
        assert said in text
    assert zero[2][0.05] == kept(lite, "Integrated", "0")[0.01] == 100
    scores = (TAYLOR, "Integrated")
    assert max(max(kept(lite, score, rest).values()) for score in scores for rest in OTHERS) == 1


def test_the_areas_of_the_study_are_those_under_its_curves() -> None:
    """Trapezoids written out; the prose, the documentation's table and the run's summary say the same."""

    def median(name: str, score: str, rest: str, to_one: bool) -> float:
        label = f"{score}, rest becomes {rest}"
        x, found = [0.0, *map(float, run(name).plan.x)], run(name).of(label, "faithfulness")
        areas = []
        for curve in found.T.tolist():
            y = [abs(1 - value) for value in [0.0, *curve]] if to_one else [0.0, *curve]
            areas.append(sum((b - a) * (p + q) / 2 for a, b, p, q in zip(x, x[1:], y, y[1:], strict=False)))
        middle = float(np.median(areas)) / x[-1]
        (row,) = (row for row in summary(run(name)) if row["method"] == label)
        assert row["faithfulness CMD" if to_one else "faithfulness CPR"] == pytest.approx(middle)
        beside = [
            line for line in table.split(run(name).plan.model["title"])[1].splitlines() if label in line
        ]
        assert f" {middle:z.2f} [" in beside[1].split("|")[3 if to_one else 2]
        return middle

    table, text = loaded(ROOT / "docs" / "generated.py").circuits(), words("docs/zero-ablation.md")
    names = ("resnet8-circuits", "scenes-circuits", "lite0-circuits")
    zero = [f"{median(name, TAYLOR, '0', True):.2f}" for name in names]
    mean = [f"{median(name, TAYLOR, 'mean', True):.2f}" for name in names]
    r8, scenes, lite = (
        ", ".join(f"{median(name, PATCHED, rest, True):.2f}" for rest in OTHERS) for name in names
    )
    louder = [median(names[0], score, "0", False) for score in ("Integrated", TAYLOR)]
    for said in (
        f"CMD of {zero[0]} on ResNet-8, {zero[1]} on SceneNet and {zero[2]} on Lite0; with the mean "
        f"{mean[0]}, {mean[1]} and {mean[2]}",
        " and ".join(r8.rsplit(", ", 1)) + " on ResNet-8 (mean, channel mean, another picture, blur)",
        " and ".join(scenes.rsplit(", ", 1))
        + " on SceneNet, "
        + " and ".join(lite.rsplit(", ", 1))
        + " on Lite0",
        f"({louder[0]:.2f} against {louder[1]:.2f} on ResNet-8) and a worse CMD "
        f"({median(names[0], 'Integrated', '0', True):.2f})",
    ):
        assert said in text
    rest = shares(run(names[0]), f"{TAYLOR}, rest becomes 0", "rest_faithfulness")
    assert list(rest) == ["CPR"]


@pytest.mark.parametrize(
    ("name", "measure", "labels", "said"),
    [
        (
            "lite0-davis", "roc_auc",
            ("PruneGrad", "PruneGrad x Input", "Critical path density", "Grad-CAM", "Gradient (saliency)"),
            "{}, {} and {}, Grad-CAM {}, the gradient {} (EfficientNet-Lite0, DAVIS, run `lite0-davis`)",
        ),
        (
            "lite0-pixels-whole", "lerf_minus_morf AUC", FINE,
            "LeRF - MoRF {} and {} on EfficientNet-Lite0, the gradient {} (run `lite0-pixels-whole`)",
        ),
        (
            "squeezenet-pixels-whole", "lerf_minus_morf AUC",
            FINE,
            "{} and {} on SqueezeNet, the gradient {} (run `squeezenet-pixels-whole`)",
        ),
        (
            "lite0-sanity-released-50", "spearman_abs",
            ("Guided Backprop", "PruneGrad", "Gradient (saliency)"),
            "correlation of {} when the weights are drawn anew, PruneGrad's {}, the gradient's {}",
        ),
        (
            "lite0-logits", "spearman", ("PruneGrad", "Grad-CAM", "PruneGrad-Mid", "Guided Backprop"),
            "with another class's map {} and {}; PruneGrad-Mid {}, Guided Backprop {} (EfficientNet-Lite0,",
        ),
    ],
)  # fmt: skip
def test_which_method_when_has_the_numbers_of_its_runs(
    name: str, measure: str, labels: tuple[str, ...], said: str
) -> None:
    rows = {row["method"]: row for row in summary(run(name))}
    numbers = [f"{rows[label][measure]:.3f}".removeprefix("0") for label in labels]
    assert said.format(*numbers) in words("docs/methods.md")


@pytest.mark.parametrize(
    ("name", "measure", "labels", "said"),
    [
        (
            "resnet8-roar-width32", "roar AUC",
            ("blurred random (yours)", "blurred prunegrad (yours)", "Grad-CAM"),
            "blurred noise has {}, and a blurred PruneGrad {}. Grad-CAM ({}) alone is better",
        ),
        (
            "resnet8-roar-width32", "roar AUC",
            (
                "Gradient (saliency)", "PruneGrad (sparsity 0.7)", "PruneGrad",
                "PruneGrad (sparsity 0.95, of contributing)", "PrunePGD (sparsity 0, of all)",
                "PrunePGD (sparsity 0.7)", "PrunePGD", "Active subnet",
            ),
            "{} with all, {} without 70 % of all, {} without 80 % of the contributing, {} without 95 % of "
            "them. PrunePGD follows ({}, {}, {}); its 50*, only silent neurons gone, is {}.",
        ),
        (
            "resnet8-kar-width32", "kar AUC",
            (
                "Grad-CAM", "PruneGrad", "blurred prunegrad (yours)", "Gradient (saliency)", "Random map",
                "blurred random (yours)",
            ),
            "learn {} with Grad-CAM, {} with PruneGrad and {} with its blur, {} with Gradient; the random "
            "map has {} and blurred noise {}, the least of all.",
        ),
        (
            "resnet8-fidelity", "f_fidelity", ("PruneGrad", "Gradient (saliency)"),
            "PruneGrad {} against Gradient's {} on ResNet-8",
        ),
        (
            "lite0-pixels-road", "lerf AUC", ("Random map", "Guided Backprop", "Grad-CAM"),
            "the random map's LeRF ({}) is better than every map's but Guided Backprop's ({}), and "
            "Grad-CAM's is the worst ({})",
        ),
        (
            "lite0-pixels-road", "morf AUC", ("Grad-CAM", "Random map"),
            "MoRF turns the bias round (Grad-CAM {}, random {})",
        ),
        (
            "squeezenet-davis", "roc_auc",
            (
                "PruneGrad", "PruneGrad (mode freeze)", "Guided Backprop", "Grad-CAM", "Gradient (saliency)",
                "Critical path density",
            ),
            "PruneGrad {} and frozen {}, Guided Backprop {}, Grad-CAM {}, the gradient {}. Critical path "
            "density is ahead on both ({}; on Lite0 .923)",
        ),
        (
            "squeezenet-davis", "mass_inside", ("Critical path density", "PruneGrad"),
            "with less of its mass inside ({} against {})",
        ),
        (
            "squeezenet-pixels-blur", "lerf_minus_morf AUC", ("Guided Backprop", "PruneGrad", "Grad-CAM"),
            "SqueezeNet {} and {}; the intervals overlap by far), and Grad-CAM is above both (SqueezeNet {})",
        ),
    ],
)  # fmt: skip
def test_the_runs_own_page_has_their_numbers(
    name: str, measure: str, labels: tuple[str, ...], said: str
) -> None:
    rows = {row["method"]: row for row in summary(run(name))}
    numbers = [f"{rows[label][measure]:.3f}".removeprefix("0") for label in labels]
    assert said.format(*numbers) in " ".join((ASSETS / "runs/bench/README.md").read_text("utf-8").split())


@pytest.mark.parametrize("network", ["lite0", "squeezenet"])
def test_the_fills_have_the_numbers_of_their_runs(network: str) -> None:
    named = [f"{network}-pixels-{fill}" for fill in ("whole", "blur", "road")]
    rows = [{row["method"]: row["lerf_minus_morf AUC"] for row in summary(run(name))} for name in named]
    labels = {
        "Grad-CAM": "Grad-CAM", "PruneGrad x Input": "PruneGrad x Input", "PruneGrad": "PruneGrad",
        "Guided Backprop": "Guided Backprop", "Gradient (saliency)": "Gradient", "Random map": "random",
    }  # fmt: skip
    said = "; ".join(
        f"{short} {', '.join(f'{by[label]:.3f}'.replace('0.', '.', 1) for by in rows)}"
        for label, short in labels.items()
    )
    assert said in " ".join((ASSETS / "runs/bench/README.md").read_text("utf-8").split())
    assert max(rows[2], key=rows[2].__getitem__) == "Grad-CAM"


def test_guided_backprop_passes_prunegrad_by_imputation_as_said() -> None:
    found = run("squeezenet-pixels-road")
    guided, pruned = (found.of(label, "lerf_minus_morf") for label in ("Guided Backprop", "PruneGrad"))
    ahead = np.trapezoid(np.pad(guided - pruned, ((1, 0), (0, 0))), np.r_[0, found.plan.x], axis=0)
    half = 1.9842 * ahead.std(ddof=1) / 10  # Student's t over 100 pictures
    low, high = ahead.mean() - half, ahead.mean() + half
    said = f"(by {ahead.mean():.3f} on the same pictures, [{low:.3f}, {high:.3f}])"
    assert said.replace("0.", ".") in (ASSETS / "runs/bench/README.md").read_text("utf-8")


def test_the_fast_radius_of_the_shipped_run_is_within_5_percent_of_the_exact_one() -> None:
    fast, exact = (
        read_table(ASSETS / "runs" / "theory" / f"resnet8-linearity{end}") for end in ("", "-exact")
    )
    assert exact.header["config"]["exact"]
    assert exact.header["model"]["weights_sha256"] == fast.header["model"]["weights_sha256"]
    for index, name in exact.rows:
        (known,) = fast.column("radius", index=index)
        (true,) = exact.column("radius", index=index)
        assert true * (1 - 1e-9) <= known <= true / 0.95, name
    assert not exact.column("risk").any()
    assert (
        f"On {len(exact.rows)} pictures the exact radius" in loaded(ROOT / "docs" / "generated.py").theory()
    )


def test_so_many_methods_as_the_comparison_of_libraries_says() -> None:
    text = words("docs/compare.md")
    relevance = sum(method.family == "relevance" for method in METHODS.values())
    assert f"| class-activation methods | {sum(group_of(name) == 'class map' for name in METHODS)} |" in text
    assert f"| relevance propagation | {relevance} |" in text


def test_the_reproduction_is_that_of_the_runs() -> None:
    claims = all_claims()
    assert (ROOT / "docs" / "reproduction.md").read_text("utf-8") == markdown(claims)
    ours = sum(claim.verdict != OUT for claim in claims)
    assert f"{len(claims)} claims, {ours} with ours" in (ROOT / "CHANGELOG.md").read_text("utf-8")


@pytest.mark.parametrize(
    ("name", "model", "label", "bar"),
    [
        (
            "squeezenet-davis-dial", "torchvision/squeezenet1_0",
            "PruneGrad (sparsity 0.8, of contributing)", 0.86,
        ),
        ("squeezenet-davis", "torchvision/squeezenet1_0", "PruneGrad", 0.86),
        ("lite0-davis", "efficientnet-lite0", "PruneGrad", 0.89),
    ],
)  # fmt: skip
def test_the_default_dial_finds_the_object_on_davis_better_than_the_other_methods_of_the_run(
    name: str, model: str, label: str, bar: float
) -> None:
    plan, rows = run(name).plan, {row["method"]: row["roc_auc"] for row in summary(run(name))}
    default = plan.methods[plan.labels.index(label)]["options"]
    assert plan.model["id"] == model
    assert plan.data["id"] == "davis2016"
    assert default["sparsity"] == DEFAULT
    assert (default["of"], default["mode"], default["contribution"]) == ("contributing", "zero", "taylor")
    assert rows[label] >= bar
    assert rows[label] > max(rows[other] for other in ("Guided Backprop", "Grad-CAM", "Gradient (saliency)"))
    dial = {
        float(one.split()[2].rstrip(",")): rows[one] for one in rows if one.endswith(", of contributing)")
    }
    best = max(dial, key=dial.__getitem__)
    if name.endswith("-dial"):
        assert min(dial) < 0.5 < best < max(dial)  # a curve with its best point inside
