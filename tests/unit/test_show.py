"""A view out of the server: its numbers are the library's, its file is whole, bad requests are sentences."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor, nn

import networks
from pruneattr_core import PruneGrad, compare, contributions, explain, explain_view, load_model, model_card
from pruneattr_core.cli import main
from pruneattr_core.commands.naming import class_called
from pruneattr_core.datasets import load_dataset
from pruneattr_core.errors import InputError, ModelError
from pruneattr_core.render import read_provenance
from pruneattr_core.response import Response, difference, from_setting, group, region
from pruneattr_core.results.sweeps import answer
from pruneattr_core.share import live
from pruneattr_core.share.framing import header_of
from pruneattr_core.share.html import settings_in
from pruneattr_core.show import sweep_view

NAME = "resnet8-cifar10"
NAMES = model_card(NAME).classes


@pytest.fixture(scope="module")
def photo(tmp_path_factory: pytest.TempPathFactory) -> Path:
    file = tmp_path_factory.mktemp("photo") / "a <b>scene.png"
    load_dataset("scenes")[2].image.save(file)
    return file


def test_the_level_shown_is_what_the_library_says(photo: Path) -> None:
    view = explain_view(NAME, Image.open(photo), sparsity=0.8)
    inputs = model_card(NAME).preprocess(Image.open(photo))
    reached = float(view.sweep.sparsity[view.level])
    direct = PruneGrad(load_model(NAME)).sweep(inputs, sparsities=[view.sweep.requested[view.level]])
    np.testing.assert_allclose(view.sweep.maps[view.level], direct.maps[0, 0], rtol=1e-3, atol=1e-5)
    assert reached == pytest.approx(float(direct.sparsity[0, 0]))
    assert view.numbers()["sparsity_of_contributing"] == pytest.approx(0.8, abs=0.01)
    assert not view.numbers()["plain_gradient"]
    assert header_of(view.payload())["start"]["share"] == pytest.approx(0.8, abs=0.01)  # where a file opens


def test_files_hold_the_same_view(photo: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    view = explain_view(NAME, Image.open(photo), picture=photo.name, beside=["saliency"])
    for kind in ("svg", "pdf", "npz", "json"):
        view.save(tmp_path / f"v.{kind}")
    for kind in ("html", "png"):
        command = ["explain", str(photo), "--model", NAME, "--json", "--out", str(tmp_path / f"v.{kind}")]
        assert main(command) == 0
    told, _ = json.JSONDecoder().raw_decode(capsys.readouterr().out)
    page = (tmp_path / "v.html").read_text("utf-8")
    assert len(page) < 1_000_000
    assert "<b>scene" not in page
    assert settings_in(page)["picture"] == photo.name
    with np.load(tmp_path / "v.npz", allow_pickle=False) as arrays:
        assert len(arrays["attribution"]) == len(arrays["sparsity"]) > 20
        gradient = arrays["attribution"][0]  # nothing removed yet
        np.testing.assert_allclose(np.abs(arrays["beside/saliency"]), np.abs(gradient), atol=1e-6)
    inside = read_provenance((tmp_path / "v.png").read_bytes())
    assert inside is not None
    assert inside["probability"] == told["probability"]
    drawn = (tmp_path / "v.svg").read_text("utf-8")
    said = f"{100 * told['sparsity']:.1f}\u202f% removed"
    asked = f"Explained: {json.loads((tmp_path / 'v.json').read_text())['target_name']}"
    for words in (said, f"p = {told['probability']:.2f}", asked, "logit per unit of normalised input"):
        assert f">{words}<" in drawn
    assert (tmp_path / "v.pdf").read_bytes().startswith(b"%PDF")
    assert json.loads((tmp_path / "v.json").read_text())["answer"] == told["answer"]


@pytest.mark.parametrize(
    ("said", "asked"),
    [
        (["--target", "3", "--instead-of", "5"], difference(3, 5)),
        (["--instead-of", "runner-up"], difference()),
        (["--target", "3,5,7"], group([3, 5, 7])),
        (["--target", NAMES[3].upper(), "--instead-of", NAMES[5]], difference(3, 5)),
        (["--target", f"{NAMES[3]}, 5,{NAMES[7]}"], group([3, 5, 7])),
    ],
)
def test_the_command_explains_a_difference_and_a_group(
    said: list[str], asked: Response, photo: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "v.npz"
    assert main(["explain", str(photo), "--model", NAME, *said, "--json", "--out", str(out)]) == 0
    told = json.loads(capsys.readouterr().out)
    card = model_card(NAME)
    inputs = card.preprocess(Image.open(photo))
    kept = PruneGrad(load_model(NAME)).sweep(inputs, asked, [told["sparsity"]])
    assert told["probability"] == pytest.approx(float(kept.probability), abs=1e-5)
    with np.load(out, allow_pickle=False) as arrays:
        level = int(np.abs(arrays["sparsity"] - told["sparsity"]).argmin())
        np.testing.assert_allclose(arrays["attribution"][level], kept.maps[0, 0].numpy(), atol=1e-6)
        settings = json.loads(str(arrays["settings"]))
    assert settings["response"]["response"] == asked.kind
    words = "the mean of" if asked.kind == "group" else " instead of "
    assert words in told["target"]


MAPS = """
import torch
from torch import nn

PRUNEATTR = {"size": [24, 32]}

class Net(nn.Sequential):
    def forward(self, x):
        return {"out": super().forward(x)}

def build():
    torch.manual_seed(0)
    return Net(nn.Conv2d(3, 8, 3, 2, 1), nn.ReLU(), nn.Conv2d(8, 4, 1))
"""


def test_where_a_single_map_is_answered_is_where_it_says_yes(
    photo: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The largest of one map is everywhere: `--region answer` explained the whole picture."""
    text = MAPS.replace("    return Net", "    net = Net").replace(
        "nn.Conv2d(8, 4, 1))", "nn.Conv2d(8, 1, 1))"
    )
    centre = (
        "    net[2].bias.data -= net(torch.ones(1, 3, 24, 32).cumsum(3) / 16)['out'].mean()\n    return net\n"
    )
    (tmp_path / "map.py").write_text(text + centre)
    name = f"{tmp_path}/map.py:build"
    yes = load_model(name)(model_card(name).preprocess(Image.open(photo)))[0, 0] > 0
    assert 0 < yes.float().mean() < 1
    assert main(["sweep", str(photo), "--model", name, "--region", "answer"]) == 0
    assert f"in a region of {float(yes.float().mean()):.1%}" in capsys.readouterr().out


def test_where_values_are_answered_no_class_is(
    photo: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    text = MAPS.replace("PRUNEATTR = {", 'PRUNEATTR = {"head": "values", ')
    assert text != MAPS
    (tmp_path / "depth.py").write_text(text)
    out = str(tmp_path / "v.npz")
    command = ["explain", str(photo), "--model", f"{tmp_path}/depth.py:build", "--out", out, "--region"]
    assert main([*command, "answer"]) == 1
    assert "answers values, and no class anywhere" in capsys.readouterr().err.splitlines()[-1]
    assert main([*command, "0,0,1,1", "--target", "1"]) == 0


def test_the_command_explains_a_region_of_a_map(
    photo: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "maps.py").write_text(MAPS)
    name, out = f"{tmp_path}/maps.py:build", tmp_path / "v.npz"
    net, inputs = load_model(name), model_card(name).preprocess(Image.open(photo))
    answered = net(inputs).argmax(1)[0]
    box = torch.zeros(12, 16, dtype=torch.bool)
    box[:6, 4:8] = True
    Image.fromarray(np.eye(1, 2, dtype=np.uint8).repeat(60, 1).repeat(60, 0) * 255).save(tmp_path / "m.png")
    left = torch.zeros(12, 16, dtype=torch.bool)
    left[:, :8] = True
    common = int(answered.flatten().mode().values)
    for where, asked in (
        (["answer"], region(answered == common, common)),
        (
            ["answer", "--target", str(int(answered[0, 0]))],
            region(answered == answered[0, 0], int(answered[0, 0])),
        ),
        (["0.25,0,0.5,0.5", "--target", "2"], region(box, 2)),
        ([str(tmp_path / "m.png")], region(left)),
    ):
        command = ["explain", str(photo), "--model", name, "--json", "--out", str(out), "--region", *where]
        assert main(command) == 0
        told = json.loads(capsys.readouterr().out)
        kept = PruneGrad(net).sweep(inputs, asked, [told["sparsity"]])
        assert told["probability"] == pytest.approx(float(kept.probability), abs=1e-6)
        assert f"in a region of {float(asked.mask.float().mean()):.1%}" in told["target"]
        with np.load(out, allow_pickle=False) as arrays:
            level = int(np.abs(arrays["sparsity"] - told["sparsity"]).argmin())
            np.testing.assert_allclose(arrays["attribution"][level], kept.maps[0, 0].numpy(), atol=1e-6)
            settings = json.loads(str(arrays["settings"]))
        assert torch.equal(from_setting(settings["response"]).mask, asked.mask)
    assert main(["sweep", str(photo), "--model", name, "--region", "answer"]) == 0
    for where, says in (
        (["answer", "--target", "1,2"], "one class"),
        (["0,0,0,0"], "holds no place"),
        (["nothing.png"], "cannot be read"),
        (["answer", "--target", "9"], "answered nowhere"),
    ):
        assert main(["explain", str(photo), "--model", name, "--out", str(out), "--region", *where]) == 1
        assert says in capsys.readouterr().err.splitlines()[-1]
    assert main(["explain", str(photo), "--model", name, "--out", str(out)]) == 1
    assert "--region" in capsys.readouterr().err
    with pytest.raises(ModelError, match="--region"):
        answer(net, inputs, "")


def test_a_notebook_gets_a_frame_that_holds_everything(photo: Path) -> None:
    view = explain_view(NAME, Image.open(photo))
    bundle = view._repr_mimebundle_()
    assert view._repr_html_() == view.widget()._repr_html_() == bundle["text/html"]
    assert bundle["text/html"].startswith('<iframe srcdoc="&lt;!doctype html&gt;')
    assert '"' not in bundle["text/html"].split('srcdoc="')[1].split('" sandbox')[0]
    assert set(bundle) == {"text/plain", "text/html", "image/png"}


def test_where_neither_script_nor_frame_is_taken_a_picture_stands(
    photo: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As GitHub has it: markup before pictures, cleaned, and no widgets. Nothing at all was seen there."""
    import nbformat
    from nbconvert import HTMLExporter
    from traitlets.config import Config

    shown: list[dict[str, Any]] = []
    monkeypatch.setattr("IPython.display.display", lambda data, **_: shown.append(data))
    view = explain_view(NAME, Image.open(photo), shares=(0, 0.8))
    view.widget()._ipython_display_()
    outputs = [nbformat.v4.new_output("display_data", data=data) for data in shown]
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell("view", outputs=outputs)])
    taken = Config()
    taken.NbConvertBase.display_data_priority = ["text/html", "image/png", "text/plain"]
    page, _ = HTMLExporter(config=taken, sanitize_html=True).from_notebook_node(notebook)
    assert page.count("<img") == 1
    assert view.bundle()["image/png"] in page.replace("\n", "")
    assert "<iframe" not in page


@pytest.mark.parametrize(
    ("extra", "says"),
    [
        (["--out", "x.gif"], "ending in"),
        (["--out", "x.html", "--model", "nothing"], "nothing"),
        (["--out", "x.html", "--target", "99"], "Target 99"),
        (["--out", "/proc/x.html"], "/proc"),
        (["--out", "x.html", "--target", "3", "--instead-of", "3"], "class 3 twice"),
        (["--out", "x.html", "--target", NAMES[3] + "x"], f"Did you mean {NAMES[3].casefold()}"),
        (["--out", "x.html", "--instead-of", "-1"], "none is '-1'"),
        (["--out", "x.html", "--target", "3,4", "--instead-of", "runner-up"], "one class"),
        (["--out", "x.html", "--region", "answer"], "answer a map"),
    ],
)
def test_what_cannot_be_is_one_sentence(
    extra: list[str], says: str, photo: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["explain", str(photo), "--model", NAME, *extra]) == 1
    said = capsys.readouterr().err.strip().splitlines()
    assert says in said[-1]
    assert said[-1].startswith("error: ")


def test_no_picture_is_one_sentence(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    broken = tmp_path / "broken.jpg"
    broken.write_bytes(io.BytesIO(b"\xff\xd8\xff nothing").getvalue())
    for file in (broken, tmp_path / "missing.png", tmp_path):
        assert main(["explain", str(file), "--model", NAME, "--out", str(tmp_path / "x.html")]) == 1
        assert capsys.readouterr().err.startswith("error: ")


@pytest.fixture
def scenes() -> torch.Tensor:
    """Two pictures as ResNet-8 takes them, with different answers."""
    data, card = load_dataset("scenes"), model_card(NAME)
    return torch.cat([card.preprocess(data[i].image) for i in (0, 3)])


def test_a_sweep_shows_its_levels_in_order_and_any_of_its_inputs(
    scenes: torch.Tensor, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(live, "installed", lambda: False)
    model, card = load_model(NAME), model_card(NAME)
    sweep = PruneGrad(model).sweep(scenes, sparsities=[0.95, 0, 0.7, 0.9])
    for image in (0, 1):
        view = sweep.show(card, image)
        assert view.sweep.requested == (0.0, 0.7, 0.9, 0.95)
        np.testing.assert_array_equal(view.sweep.maps[3], sweep.maps[0, image])
        scores = contributions(model, scenes[image : image + 1])
        silent = sum(int((layer == 0).sum()) for layer in scores.layers) / scores.neurons
        assert view.sweep.quiet == pytest.approx(silent, abs=1e-6)
        assert (
            np.abs(view.photo.astype(int) - card.display(load_dataset("scenes")[3 * image].image)).max() <= 1
        )
        assert view.title.endswith(card.classes[int(sweep.target[image])])
    shown = header_of(sweep.show().payload())  # without a card: numbers for names, a stretched picture
    assert shown["classes"][str(int(sweep.target[0]))] == f"class {int(sweep.target[0])}"
    with pytest.raises(InputError, match="from 0 to 1, got 2"):
        sweep.show(card, 2)


def test_no_button_is_called_by_a_level_that_is_not_there(scenes: torch.Tensor) -> None:
    labels = []
    for levels in ([0, 0.9], [0, 0.9, 0.95, 0.99]):
        view = PruneGrad(load_model(NAME)).sweep(scenes, sparsities=levels, of="contributing").show()
        header = header_of(view.payload)
        labels.append([mark["label"] for mark in header["marks"] if "contributing" in mark["dials"]])
    assert "99 %" not in labels[0]
    assert {"90 %", "95 %", "99 %"} <= set(labels[1])


def test_a_comparison_holds_what_explain_says_of_every_picture(scenes: torch.Tensor) -> None:
    model, data = load_model(NAME), load_dataset("scenes")
    masks = [np.asarray(Image.fromarray(data[i].mask).resize((32, 32))) for i in (0, 3)]
    asked = ["prunegrad:sparsity=0.9,mode=freeze", "saliency", "prunegrad"]
    found = compare(model, scenes, asked, card=model_card(NAME), masks=masks)
    direct = explain(model, scenes, sparsity=0.9, mode="freeze").values
    torch.testing.assert_close(found.entries[0].found.values, direct, rtol=0, atol=0)
    grid = header_of(found.payload())
    assert [bool(cell.get("track")) for cell in grid["cells"]] == [False] * 4 + [True] * 2
    rows = found.table()
    assert rows[1]["spearman"] is None  # the reference itself
    assert all(0 <= row["mass"] <= 1 and row["area"] >= 0 for row in rows)
    assert settings_in(found.html())["targets"] == explain(model, scenes).target.tolist()
    with np.load(io.BytesIO(found.npz()), allow_pickle=False) as arrays:
        assert arrays["2/attribution"].shape == scenes.shape
    for wrong, says in (({"titles": ["one"]}, "titles for 2 inputs"), ({"methods": []}, "at least one")):
        with pytest.raises(InputError, match=says):
            compare(model, scenes, **wrong)


def test_an_attribution_shows_its_maps_and_pictures(
    scenes: torch.Tensor, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(live, "installed", lambda: False)
    view = explain(load_model(NAME), scenes, method="gradcam").show(model_card(NAME))
    assert len(header_of(view.payload())["cells"]) == 2
    drawn = view.figure("svg").decode()
    assert drawn.count("<image") == 2 * (2 + 1)  # picture and map, and the map's bar, of both
    assert drawn.count(">Grad-CAM<") == 2
    assert Image.open(io.BytesIO(view.png())).width == 1338


@pytest.mark.parametrize("command", [["sweep", "--levels", "0.9", "0"], ["compare", "--methods", "edges"]])
def test_commands_print_and_write_the_same(
    command: list[str], photo: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    name, *rest = command
    out = tmp_path / "view.json"
    assert main([name, str(photo), "--model", NAME, "--json", "--out", str(out), *rest]) == 0
    told, written = json.loads(capsys.readouterr().out), json.loads(out.read_text())
    assert told["file"] == str(out)
    key = {"sweep": "levels", "compare": "results"}[name]
    assert len(told[key]) == {"sweep": 2, "compare": 1}[name]
    assert told["versions"] == written["versions"]
    assert main([name, str(photo), "--model", NAME, *rest]) == 0
    assert {"sweep": "0.9000", "compare": "Edge detector"}[name] in capsys.readouterr().out
    assert main([name, str(photo), "--model", NAME, "--out", str(tmp_path / "x.gif"), *rest]) == 1


def test_a_name_of_two_classes_and_an_address_are_one_sentence(
    photo: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(
        InputError, match=r"^The net has 2 classes called 'Crane': give the number, \[0, 2\]\."
    ):
        class_called("Crane", ["crane", "owl", "Crane"], "The net")
    out = ["--out", str(tmp_path / "x.html")]
    assert main(["explain", "https://example.org/cat.jpg", "--model", NAME, *out]) == 1
    assert "An address is not fetched" in capsys.readouterr().err


@pytest.mark.parametrize("bias", [3.0, -3.0])
@pytest.mark.parametrize("kind", ["one_output", "sigmoid_inside", "region"])
def test_a_sweep_shown_answers_as_its_network_is_read(kind: str, bias: float) -> None:
    """Also where nothing was declared and no card is at hand: below 1/2 it said yes, above "class 1"."""
    name = "segmenting" if kind == "region" else kind
    net, x = networks.network(name), networks.inputs(2)
    asked = region(torch.ones(10, 10, dtype=torch.bool), 0) if kind == "region" else 0
    last = [one for one in net.modules() if getattr(one, "bias", None) is not None][-1]
    last.bias.data += bias
    model = nn.Sequential(net, nn.Sigmoid()) if kind == "region" else net
    sweep = PruneGrad(model.eval()).sweep(x, asked, [0.0, 0.9])
    for image in range(2):
        view = sweep_view(sweep, image=image)
        for level, likely in enumerate(sweep.probability[:, image].tolist()):
            assert view.at(level)["answer"] == ("class 0" if likely > 0.5 else "not class 0")


def test_a_sweep_of_a_function_of_maps_names_the_function() -> None:
    def middle(maps: Tensor) -> Tensor:
        return maps[:, 1, 4, 4]

    sweep = PruneGrad(networks.network("segmenting")).sweep(networks.inputs(1), middle, [0.0, 0.9])
    view = sweep_view(sweep)
    assert view.at(0)["answer"] == "middle, a function of the outputs"
    assert header_of(view.payload())["valued"]
