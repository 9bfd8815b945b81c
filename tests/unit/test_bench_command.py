"""`bench` end to end on a small network and a folder of pictures, and the cells against slow twins."""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import save_file

from pruneattr_core import PruneGrad, contributions, wrong_class_control
from pruneattr_core.attribution import explain
from pruneattr_core.attribution.collapse import collapse
from pruneattr_core.benchmarks import control, localisation, similarity
from pruneattr_core.benchmarks.executor import compute_cell, plan_run
from pruneattr_core.benchmarks.maps import method_from
from pruneattr_core.benchmarks.pixels import removal_curve
from pruneattr_core.benchmarks.plan import gaps
from pruneattr_core.benchmarks.run import Run, read_run
from pruneattr_core.benchmarks.sanity import cascade
from pruneattr_core.benchmarks.sources import Opened, Source, open_source
from pruneattr_core.benchmarks.summary import summary
from pruneattr_core.cli import main
from pruneattr_core.commands import bench
from pruneattr_core.datasets import load_dataset
from pruneattr_core.errors import InputError
from pruneattr_core.models.catalogue import BUILDERS, CATALOGUE
from pruneattr_core.paths.calibrate import PRUNING_STEPS


@pytest.fixture(scope="module")
def small(tmp_path_factory) -> Source:
    """A ResNet-20 with random weights; ten pictures with masks, number i labelled with class i."""
    place = tmp_path_factory.mktemp("bench")
    torch.manual_seed(0)
    model = BUILDERS["cifar-resnet20"]()
    with torch.no_grad():
        model.linear.weight.mul_(20)  # so that not every picture has the same class
    save_file(
        {key: value.contiguous() for key, value in model.state_dict().items()}, place / "net.safetensors"
    )
    random = np.random.default_rng(1)
    for folder in ("images", "masks"):
        (place / "data" / folder).mkdir(parents=True)
    records = {}
    for i in range(10):
        colours = random.integers(0, 256, (4, 4, 3), dtype=np.uint8)
        Image.fromarray(colours).resize((48, 40)).save(place / "data" / "images" / f"{i}.png")
        mask = np.zeros((40, 48), np.uint8)
        mask[10:30, 8 + i : 26 + i] = 255
        Image.fromarray(mask).save(place / "data" / "masks" / f"{i}.png")
        name = CATALOGUE["cifar-resnet20"].classes[i]
        records[f"{i}.png"] = {"index": i, "name": name, "mask": f"{i}.png"}
    (place / "data" / "labels.json").write_text(json.dumps(records))
    return Source("cifar-resnet20", str(place / "data"), str(place / "net.safetensors"))


def arguments(small: Source, benchmark: str, out: Path, *more: str) -> list[str]:
    return ["bench", benchmark, "--model", small.model, "--weights", str(small.weights), "--data", small.data,
            "--out", str(out), *more]  # fmt: skip


def test_all_computes_every_run_and_says_what_it_found(small, tmp_path, capsys):
    more = ["--n", "2", "--methods", "saliency", "random", "--fill", "blur"]
    for benchmark in ("pixels", "sanity", "localise"):
        assert (
            main(
                arguments(
                    small, benchmark, tmp_path / benchmark, *(more if benchmark == "pixels" else more[:-2])
                )
            )
            == 0
        )
    assert main(arguments(small, "calibrate", tmp_path / "calibrate", "--n", "2", "--methods", "taylor")) == 0
    out = capsys.readouterr().out
    assert "lerf AUC" in out
    assert "at 15%" in out
    pixels = read_run(tmp_path / "pixels")
    assert pixels.plan.protocol["fill"] == "blur"
    assert pixels.values.shape == (2, 2, 10, 2)
    assert np.isfinite(pixels.values).all()
    assert not pixels.samples  # only pictures that are ours travel
    assert read_run(tmp_path / "calibrate").values.shape == (1, 3, len(PRUNING_STEPS), 2)
    assert read_run(tmp_path / "sanity").plan.protocol["sd"] == 0.01


def test_all_leaves_training_out_on_a_cpu(small, tmp_path, capsys, monkeypatch):
    done: list[str] = []
    monkeypatch.setattr(bench, "_one", lambda arguments, name, out: done.append(name))
    assert main(arguments(small, "all", tmp_path / "runs")) == 0
    assert done == ["calibrate", "sanity", "logits", "pixels", "localise", "quality", "circuits"]
    assert "left out: roar" in capsys.readouterr().out
    assert main(arguments(small, "all", tmp_path / "runs", "--setting", "reduced")) == 0
    assert done[-1] == "roar"


def test_all_goes_on_where_one_cannot_be_measured(tmp_path, capsys, monkeypatch):
    """Pictures of one's own have no masks, and perhaps one class."""
    names = ["localise", "logits"]
    monkeypatch.setattr(bench, "BENCHMARKS", {name: bench.BENCHMARKS[name] for name in names})
    (tmp_path / "data").mkdir()
    for name, colour in (("a", (9, 9, 9)), ("b", (10, 9, 9))):
        Image.new("RGB", (32, 32), colour).save(tmp_path / "data" / f"{name}.png")
    asked = ["--model", "resnet8-cifar10", "--data", str(tmp_path / "data"), "--out", str(tmp_path / "runs")]
    assert main(["bench", "all", *asked, "--n", "2", "--methods", "random"]) == 0
    assert "left out: localise: Nothing can be measured" in capsys.readouterr().out
    assert [file.name for file in (tmp_path / "runs").iterdir()] == ["logits"]


def test_methods_given_to_all_are_those_of_the_table(small):
    given = argparse.Namespace(benchmark="all", methods=["saliency", "random"], method=[])
    assert bench._methods("pixels", given, small) == ["saliency", "random"]
    assert bench._methods("calibrate", given, small) == list(bench.BENCHMARKS["calibrate"].rows)
    own = argparse.Namespace(benchmark="all", methods=["taylor"], method=[])
    assert bench._methods("calibrate", own, small) == ["taylor"]


def test_mistakes_are_one_sentence_and_leave_nothing(small, tmp_path, capsys):
    assert main(arguments(small, "localise", tmp_path / "x", "--methods", "saliency:speed=3")) == 1
    assert main(arguments(small, "pixels", tmp_path / "x", "--methods", "magic")) == 1
    (tmp_path / "file").touch()
    assert main(arguments(small, "pixels", tmp_path / "file" / "x", "--methods", "random", "--n", "1")) == 1
    lines = capsys.readouterr().err.strip().splitlines()
    assert sum(line.startswith("error: ") for line in lines) == 3
    assert [file.name for file in tmp_path.iterdir()] == ["file"]


def test_a_label_tells_a_computed_number_in_six_digits() -> None:
    """The explorer's one file said 'sparsity 0.7999995552347596'; what is computed is still that."""
    method = method_from("prunegrad:sparsity=0.7999995552347596,of=contributing")
    assert method["label"] == "PruneGrad (sparsity 0.8, of contributing)"
    assert method["options"]["sparsity"] == 0.7999995552347596
    assert method_from("prunegrad:sparsity=1.0")["label"] == "PruneGrad (sparsity 1.0)"


def test_options_are_read_and_defaults_filled_in():
    method = method_from("prunegrad:sparsity=0.9,mode=freeze")
    assert method["label"] == "PruneGrad (sparsity 0.9, mode freeze)"
    assert method["options"]["sparsity"] == 0.9
    assert method["options"]["contribution"] == "taylor"
    with pytest.raises(InputError, match="name=value"):
        method_from("prunegrad:0.9")


@pytest.mark.parametrize(
    ("said", "told"),
    [
        ("smoothgrad", " noise_tunnel is SmoothGrad (noise tunnel)."),
        ("Grad-CAM", " gradcam is Grad-CAM."),
        ("guidedbackprop", " guided_backprop is Guided Backprop."),
        ("x", ""),
        ("my.py", ""),
    ],
)
def test_a_method_that_is_called_by_its_title_is_found(said: str, told: str) -> None:
    """README and pages show titles; commands and `explain` take keys."""
    asked = (method_from, lambda name: explain(torch.nn.ReLU(), torch.ones(1, 3), method=name))
    for ask in asked:
        with pytest.raises(InputError) as refused:
            ask(said)
        assert f"{said!r}.{told}" in str(refused.value)


def test_options_are_those_of_the_method() -> None:
    with pytest.raises(InputError, match="no option"):
        method_from("saliency:speed=3")


def test_the_methods_of_figure_7_are_there_and_differ():
    methods = [method_from(name) for name in bench.FIG7]
    assert len({method["label"] for method in methods}) == len(methods) == 12
    levels = [m["options"].get("sparsity") for m in methods if m["id"] == "prunepgd"]
    assert levels == [0.0, 0.7, 0.8, 0.9, 0.95]


def test_sanity_cells_are_the_likeness_of_two_maps(small):
    plan = plan_run("sanity", small, ["saliency"], n=2, choices={"variant": "released"})
    cell = compute_cell(small, plan, 0)
    opened = open_source(small)
    inputs = opened.inputs(plan.data["indices"])
    target = opened.model(inputs).argmax(1)
    original = explain(opened.model, inputs, target, "saliency").values
    for step, (name, network) in enumerate(cascade(opened.model, 0.1, seed=0)):
        assert plan.x[step] == name
        if step in (0, 1, len(plan.x) - 1):
            maps = explain(network, inputs, target, "saliency").values
            for image in range(2):
                pair = []
                for one in (original[image], maps[image]):  # the signed channel value of largest magnitude
                    flat = one.reshape(3, -1).double()
                    pair.append(flat.gather(0, flat.abs().argmax(0)[None]).reshape(32, 32).numpy())
                expected = [similarity.MEASURES[m](*pair) for m in plan.measures]
                np.testing.assert_allclose(cell[:, step, image], expected, atol=1e-6)
    np.testing.assert_allclose(cell[:, 0], 1, atol=1e-9)


def test_calibration_cells_are_the_pruned_networks_own_answers(small):
    plan = plan_run("calibrate", small, ["taylor"], n=2)
    cell = compute_cell(small, plan, 0)
    opened = open_source(small)
    inputs = opened.inputs(plan.data["indices"])
    scores = contributions(opened.model, inputs)
    from pruneattr_core.pruning import pruned_logits

    masks = scores.path(sparsity=0.7).layers
    logits = opened.model(inputs).double(), pruned_logits(opened.model, inputs, masks).double()
    for measure, read in ((0, lambda values: values), (1, lambda values: values.softmax(1))):
        before, after = (read(values).gather(1, scores.target[:, None])[:, 0] for values in logits)
        expected = ((after - before).abs() / before.abs()).numpy()
        np.testing.assert_allclose(cell[measure, plan.x.index(0.7)], expected, rtol=1e-4, atol=1e-6)


def test_calibrations_of_two_networks_share_a_plot_and_each_has_its_15_percent_point(small, tmp_path):
    plans = [
        plan_run("calibrate", source, ["taylor"], n=1) for source in (small, Source("scenes-net", "scenes"))
    ]
    assert gaps(*plans) == []
    x = np.array(plans[0].x)
    values = np.stack([x**2, x, np.ones_like(x)])[None, :, :, None]  # the change is the sparsity squared
    (row,) = summary(Run(plans[0], values, {}, {}))
    assert row["at 15%"] == pytest.approx(0.15**0.5, abs=0.005)


def test_pixels_go_by_value_or_by_magnitude(small):
    """Both against the same curve of maps that were changed by hand."""
    opened = open_source(small)
    for order_by, change in (("value", lambda maps: maps), ("magnitude", torch.abs)):
        plan = plan_run("pixels", small, ["saliency"], n=1, choices={"order_by": order_by})
        inputs = opened.inputs(plan.data["indices"])
        target = opened.model(inputs).argmax(1)
        maps = collapse(explain(opened.model, inputs, target, "saliency").values)
        for place, order in enumerate(("lerf", "morf")):
            expected = removal_curve(opened.model, inputs, change(maps), target, order=order).change[:, 0]
            np.testing.assert_allclose(compute_cell(small, plan, 0)[place, :, 0], expected, atol=1e-6)


def test_localisation_counts_right_pictures_only_and_crops_masks_like_pictures(small):
    plan = plan_run("localise", small, ["saliency"], n=10, chunk=10)
    assert plan.data["labelled"] is True
    cell = compute_cell(small, plan, 0)
    opened = open_source(small)
    inputs = opened.inputs(plan.data["indices"])
    target = opened.model(inputs).argmax(1)
    maps = explain(opened.model, inputs, target, "saliency").values.abs().sum(1).double()
    assert opened.mask(0).shape == (32, 32)
    for number, index in enumerate(plan.data["indices"]):
        values = cell[:, 0, number]
        if int(target[number]) == index:  # picture i is labelled i
            expected = localisation.roc_auc(maps[number].numpy(), opened.mask(index))
            assert values[0] == pytest.approx(expected, abs=1e-4)
        else:
            assert np.isnan(values).all()
    assert plan.measures == ("roc_auc", "point_accuracy", "mass_inside")


def photographs(place: Path, count: int) -> Source:
    """Scenes without labels and masks."""
    place.mkdir()
    for index in range(count):
        load_dataset("scenes")[index].image.save(place / f"{index}.png")
    return Source("scenes-net", str(place))


def test_what_no_picture_has_a_value_of_is_left_out_and_said(small, tmp_path, monkeypatch, capsys):
    bare, said = photographs(tmp_path / "bare", 1), []
    with pytest.raises(InputError, match=r"Nothing can be measured: none .* has a mask; .* are called 1\.$"):
        plan_run("localise", bare, ["saliency"], n=1)
    words = ["bench", "localise", "--model", bare.model, "--data", bare.data, "--methods", "saliency"]
    for more in ([], ["--game", "none"], ["--game", "none", "--control", "wrong_class"]):
        assert main([*words, *more, "--out", str(tmp_path / "none")]) == 1
    assert not [one.name for one in tmp_path.iterdir() if one.name.startswith("none")]
    assert capsys.readouterr().err.count("error: Nothing can be measured") == 3
    many = photographs(tmp_path / "many", 12)
    plan = plan_run("localise", many, ["saliency"], n=12, chunk=12, say=said.append)
    assert plan.measures == ("grid_share",)
    assert said == [
        "left out: roc_auc, point_accuracy, mass_inside: none of the pictures that count has a mask"
    ]
    assert np.isfinite(compute_cell(many, plan, 0)).all()
    rows, choices = ["prunegrad", "saliency"], {"control": "wrong_class", "game": "none"}
    assert plan_run("localise", many, rows, n=2, choices=choices).measures == control.MEASURES
    with pytest.raises(InputError, match="none of the methods has a sparsity"):
        plan_run("localise", many, rows[1:], n=2, choices=choices)
    monkeypatch.setattr(Opened, "labels", lambda self, index: (99,))
    with pytest.raises(InputError, match="names none of these pictures rightly"):
        plan_run("localise", small, ["saliency"], n=10)


def test_what_is_undefined_is_printed_as_such(tmp_path, capsys):
    words = [
        "bench",
        "localise",
        "--model",
        "scenes-net",
        "--data",
        "scenes",
        "--n",
        "1",
        "--methods",
        "random",
    ]
    assert main([*words, "--out", str(tmp_path / "run")]) == 0  # one picture has no standard error
    said = capsys.readouterr().out
    assert "roc_auc ± undefined" in said
    assert "nan" not in said
    assert np.isfinite(read_run(tmp_path / "run").values).all()


def test_a_row_says_whether_other_classes_become_the_answer_too(small, monkeypatch):
    monkeypatch.setattr(Opened, "labels", lambda self, index: ())
    rows = ["prunegrad", "prunegrad:sparsity=0.5", "saliency", "prunepgd:output_change=0.1"]
    choices = {"game": "none", "control": "wrong_class"}
    plan = plan_run("localise", small, rows, n=3, chunk=3, choices=choices)
    assert plan.measures[-3:] == ("answer_kept", "runner_up_becomes", "rank_50_becomes")
    assert "control" not in plan_run("localise", small, rows, n=3).protocol  # runs from before go on
    opened = open_source(small)
    inputs = opened.inputs(plan.data["indices"])
    for row, (sparsity, of) in enumerate(((0.8, "contributing"), (0.5, "all"))):
        found = compute_cell(small, plan, row)[-3:, 0]
        kept = PruneGrad(opened.model).sweep(inputs, None, [sparsity], of=of)
        wrong = wrong_class_control(opened.model, inputs, (2, 50), (sparsity,), of)
        assert np.array_equal(found[0], (~kept.changed[0]).double())
        assert np.array_equal(found[1:], wrong.becomes[:, 0].double())
    for row in (2, 3):
        assert np.isnan(compute_cell(small, plan, row)[-3:]).all()


def test_the_grid_game_finds_its_picture_when_the_map_is_made_for_it(small, monkeypatch):
    """An oracle that marks one known cell wins exactly when the picture lies there."""
    from pruneattr_core.benchmarks.protocols import localisation as protocols

    opened = open_source(small)
    monkeypatch.setattr(type(opened), "labels", lambda self, index: ())
    monkeypatch.setattr(type(opened), "predictions", lambda self, indices: (0, 1, 2, 3, 4, 5))
    plan = plan_run("localise", small, ["random"], n=6, chunk=6)

    def upper_left(model, inputs, target, method, how):
        values = torch.zeros(len(inputs), *inputs.shape[2:], dtype=torch.float64)
        values[:, : inputs.shape[2] // 2, : inputs.shape[3] // 2] = 1
        return values

    monkeypatch.setattr(protocols, "maps_of", upper_left)
    cell = protocols.LOCALISATION.cell(opened, plan, 0, slice(0, 6))
    assert cell[-1, 0].tolist() == [1, 0, 0, 0, 1, 0]


def test_a_birdsnap_like_folder_of_classes_is_a_data_set(small, tmp_path):
    for name in ("Acadian Flycatcher", "Zone-tailed Hawk"):
        (tmp_path / name).mkdir()
        Image.new("RGB", (60, 50), "green").save(tmp_path / name / "1.jpg")
    plan = plan_run("pixels", Source(small.model, str(tmp_path), small.weights), ["random"], n=10)
    assert plan.n == 2
    assert plan.data["names"] == ["Acadian Flycatcher/1.jpg", "Zone-tailed Hawk/1.jpg"]
