"""The gallery: graphs that are PruneGrad without torch, a folder that needs no server of ours."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import onnxruntime
import pytest
import torch
from torch import nn

from pruneattr_core import PruneGrad, contributions, gallery, load_model, model_card
from pruneattr_core.cli import main
from pruneattr_core.datasets import load_dataset
from pruneattr_core.errors import InputError, ModelError, PruneAttrError
from pruneattr_core.share.onnx_graphs import onnx_graphs


@pytest.mark.parametrize("name", ["scenes-net", "resnet8-cifar10"])
def test_the_graphs_are_prunegrad(name: str) -> None:
    model, card = load_model(name), model_card(name)
    x = card.preprocess(load_dataset("scenes")[3].image)
    graphs = onnx_graphs(model, x)
    scorer, mapper = map(onnxruntime.InferenceSession, (graphs.scores, graphs.map))
    for target in (2, 7):
        reference = contributions(model, x, target)
        given = {"inputs": x.numpy(), "target": np.array([target])}
        logits, scores = scorer.run(None, given)
        np.testing.assert_allclose(logits, reference.logits, atol=1e-5)
        np.testing.assert_allclose(
            scores, torch.cat([layer.flatten() for layer in reference.layers]), atol=1e-6
        )
        order, silent = np.sort(scores), int((scores == 0).sum())
        for share in (0.5, 0.95):
            threshold = order[silent + int(share * (len(order) - silent - 1))]
            sweep = PruneGrad(model).sweep(x, target, [share], of="contributing")
            drawn, answers = mapper.run(None, {**given, "scores": scores, "threshold": np.array(threshold)})
            assert np.abs(drawn - sweep.maps[0].numpy()).max() <= 1e-5 * max(1, float(sweep.maps.abs().max()))
            assert float(answers[0, target]) == pytest.approx(float(sweep.logit[0, 0]), abs=1e-4)


def test_a_network_that_cannot_be_written_is_refused() -> None:
    model = nn.Sequential(nn.Conv2d(3, 4, 3), nn.GELU(), nn.Flatten(), nn.Linear(144, 2)).eval()
    with pytest.raises(ModelError, match="know no"):
        onnx_graphs(model, torch.zeros(1, 3, 8, 8))


def test_a_gallery_is_pages_that_are_there_and_a_stopped_one_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    shown = [gallery.Exhibit("resnet8-cifar10", "scenes", place) for place in range(3)]
    monkeypatch.setattr(gallery, "exhibits", lambda count: shown[:count])
    real, asked = gallery.explain_view, []

    def stopping(*arguments: object, **named: object) -> object:
        asked.append(named["picture"])
        if len(asked) == 2:
            raise KeyboardInterrupt
        return real(*arguments, **named)

    monkeypatch.setattr(gallery, "explain_view", stopping)
    command = ["gallery", "--out", str(tmp_path / "site"), "--n", "3", "--no-browser"]
    assert main(command) == 130
    assert "goes on there" in capsys.readouterr().err
    assert main(command) == 0
    assert len(asked) == 4  # the first picture was not computed twice
    index = (tmp_path / "site" / "index.html").read_text("utf-8")
    links = re.findall(r'(?:href|src)="([^"]+)"', index)
    named = [link for link in links if not link.startswith("data:")]
    assert len(named) == 6
    assert all((tmp_path / "site" / link).is_file() for link in named)


def test_without_npm_it_says_what_to_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gallery.shutil, "which", lambda name: None)
    with pytest.raises(PruneAttrError, match="--no-browser"):
        gallery.build_gallery(tmp_path, 1)


def test_a_folder_of_somebody_elses_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "thesis.tex").write_text("mine")
    with pytest.raises(InputError, match=r"holds other things, such as 'thesis.tex'"):
        gallery.build_gallery(tmp_path, 1, browser=False)
    site = tmp_path / "site"
    site.mkdir()
    (site / "index.html").write_text("<h1>My page</h1>")
    with pytest.raises(InputError, match="is no gallery's: name a folder of its own"):
        gallery.build_gallery(site, 1, browser=False)
    assert (site / "index.html").read_text() == "<h1>My page</h1>"
    assert {one.name for one in tmp_path.rglob("*")} == {"thesis.tex", "site", "index.html"}
