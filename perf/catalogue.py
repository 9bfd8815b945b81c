"""Every method of the table over whole catalogues of networks: right, or refused with the reason.

PYTHONPATH=. nice python perf/catalogue.py torchvision|timm|transformers [names...] [--own] [--budget seconds]

Random weights (seed 0): whether a method fits a network does not depend on them. A cell is right where the
map is finite, comes out the same twice (where it takes less than two seconds of processor time, else it runs
once), and nothing on the model changed, hooks and weights included. A network that has used its processor
time (`--patience`) says so in the rest of its cells. Results are kept in assets/runs/catalogue, one file a
catalogue; cells that are there are not run again, so the command can be stopped and started, and a method
that is new to the table gets its own; `--own` runs PruneGrad alone, `--anew` all again. timm and
transformers: requirements-dev.txt.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import time
import warnings
from collections.abc import Callable, Iterator
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch
import torchvision
from torch import Tensor, nn

from pruneattr_core import PruneGrad
from pruneattr_core.attribution import METHODS, completeness_gap, explain
from pruneattr_core.errors import PruneAttrError

FOLDER = Path(__file__).parents[1] / "assets" / "runs" / "catalogue"
CLASSES = 10
#: Cheap settings for whatever method has these options.
QUICK: dict[str, Any] = {"steps": 1, "samples": 1}
#: Maps that take less processor time, in seconds, are made twice.
TWICE = 2.0
#: Seconds of processor time that one network may take.
PATIENCE = 300.0
#: PruneGrad's columns.
OWN = ("PruneGrad zero", "sweep zero", "PruneGrad freeze", "sweep freeze")
#: torchvision's networks that take nothing smaller.
SIDES = {"inception_v3": 96, "maxvit_t": 224}
#: timm: the smallest of each family.
TIMM = (
    *("botnet26t_256", "cait_xxs24_224", "coat_lite_tiny", "coatnet_nano_rw_224"),
    *(
        "convmixer_768_32",
        "convnext_atto",
        "convnextv2_atto",
        "crossvit_tiny_240",
        "cspresnet50",
        "davit_tiny",
    ),
    *("deit_tiny_patch16_224", "densenet121", "dla34", "dpn48b", "edgenext_xx_small", "efficientformer_l1"),
    *(
        "efficientformerv2_s0",
        "efficientnet_lite0",
        "ese_vovnet19b_slim",
        "eva02_tiny_patch14_224",
        "fastvit_t8",
    ),
    *("focalnet_tiny_srf", "gcvit_xxtiny", "ghostnet_050", "gmlp_s16_224", "halonet26t", "hardcorenas_a"),
    *("hgnetv2_b0", "hrnet_w18_small", "inception_v4", "lcnet_035", "levit_128s", "maxvit_rmlp_pico_rw_256"),
    *(
        "mixer_s32_224",
        "mobilenetv2_035",
        "mobilenetv3_small_050",
        "mobilenetv4_conv_small_035",
        "mobilevit_xxs",
    ),
    *(
        "nf_resnet26",
        "pit_ti_224",
        "poolformer_s12",
        "pvt_v2_b0",
        "regnety_002",
        "repvgg_a0",
        "res2net50_14w_8s",
    ),
    *("resmlp_12_224", "resnest14d", "resnet10t", "resnetv2_18", "rexnet_100", "selecsls42", "skresnet18"),
    *("swinv2_cr_tiny_ns_224", "swinv2_tiny_window8_256", "tiny_vit_5m_224", "twins_svt_small", "vgg11"),
    *("visformer_tiny", "vit_tiny_patch16_224", "xception41", "xcit_nano_12_p16_224"),
)


def torchvision_network(name: str) -> tuple[nn.Module, Tensor]:
    """A classifier of torchvision's catalogue and a picture for it."""
    more: dict[str, Any] = {"init_weights": True} if name in ("googlenet", "inception_v3") else {}
    side = SIDES.get(name, 64)
    if name.startswith("vit_"):
        side = more["image_size"] = 4 * int(name.split("_")[-1])
    net = torchvision.models.get_model(name, weights=None, num_classes=CLASSES, **more)
    return net, picture(3, side)


def size(name: str) -> int:
    """Parameters of a torchvision network, as its weights' card says."""
    weights = torchvision.models.get_model_weights(name)
    return int(next(iter(weights)).meta["num_params"])


def timm_network(name: str) -> tuple[nn.Module, Tensor]:
    """The network of that name and a picture of the size it insists on, or smaller."""
    import timm

    for side in (64, 128):
        for more in ({"img_size": side}, {}):
            try:
                net = timm.create_model(name, pretrained=False, num_classes=CLASSES, **more).eval()
                with torch.no_grad():
                    net(picture(3, side))
            except (RuntimeError, ValueError, AssertionError, TypeError):
                continue
            return net, picture(3, side)
    net = timm.create_model(name, pretrained=False, num_classes=CLASSES)
    return net, picture(3, net.pretrained_cfg["input_size"][1])


def _transformers() -> dict[str, Callable[[], Any]]:
    import transformers as tf

    small = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 64}
    patched = {**small, "image_size": 32, "patch_size": 8}
    return {
        "ViT": lambda: tf.ViTConfig(**patched),
        "DeiT": lambda: tf.DeiTConfig(**patched),
        "Beit": lambda: tf.BeitConfig(**patched),
        "Dinov2": lambda: tf.Dinov2Config(**patched),
        "Swin": lambda: tf.SwinConfig(
            image_size=32, patch_size=4, embed_dim=16, depths=[2, 2], num_heads=[2, 2], window_size=4
        ),
        "Swinv2": lambda: tf.Swinv2Config(
            image_size=32, patch_size=4, embed_dim=16, depths=[2, 2], num_heads=[2, 2], window_size=4
        ),
        "ConvNext": lambda: tf.ConvNextConfig(hidden_sizes=[8, 16, 24, 32], depths=[1, 1, 1, 1]),
        "ConvNextV2": lambda: tf.ConvNextV2Config(hidden_sizes=[8, 16, 24, 32], depths=[1, 1, 1, 1]),
        "ResNet": lambda: tf.ResNetConfig(embedding_size=8, hidden_sizes=[8, 16], depths=[1, 1]),
        "RegNet": lambda: tf.RegNetConfig(
            embedding_size=8, hidden_sizes=[8, 16], depths=[1, 1], groups_width=4
        ),
        "MobileNetV2": lambda: tf.MobileNetV2Config(depth_multiplier=0.35, image_size=64),
        "PoolFormer": lambda: tf.PoolFormerConfig(hidden_sizes=[8, 16, 24, 32], depths=[1, 1, 1, 1]),
        "Segformer": lambda: tf.SegformerConfig(
            hidden_sizes=[8, 16, 24, 32], depths=[1, 1, 1, 1], decoder_hidden_size=16
        ),
    }


def transformers_network(name: str) -> tuple[nn.Module, Tensor]:
    """A small classifier of the family and a picture for it."""
    import transformers

    config = _transformers()[name]()
    config.num_labels = CLASSES
    side = getattr(config, "image_size", 64) if name not in ("PoolFormer", "Segformer") else 64
    return getattr(transformers, f"{name}ForImageClassification")(config), picture(3, side)


def picture(channels: int, side: int) -> Tensor:
    """Smooth noise, (1, channels, side, side), float32."""
    noise = torch.randn(1, channels, side, side, generator=torch.Generator().manual_seed(1))
    return nn.functional.avg_pool2d(noise, 5, 1, 2) * 3


def state(net: nn.Module) -> bytes:
    """A hash of everything that a method could have left on the network."""
    found = hashlib.sha256()
    for name, module in net.named_modules():
        hooks = [len(getattr(module, key)) for key in sorted(vars(module)) if key.endswith("_hooks")]
        found.update(repr((name, module.training, sorted(vars(module)), hooks)).encode())
    for name, tensor in [*net.named_parameters(), *net.named_buffers()]:
        found.update(repr((name, id(tensor), tensor.requires_grad, tensor.grad is None)).encode())
        found.update(tensor.detach().reshape(-1).view(torch.uint8).numpy().data)
    return found.digest()


def runs(net: nn.Module, x: Tensor) -> Iterator[tuple[str, Callable[[], str | None], Callable[[], Tensor]]]:
    """(column, what asks whether it fits, what computes the map)."""
    ours = PruneGrad(net)
    for mode in ("zero", "freeze"):
        yield f"PruneGrad {mode}", lambda: None, lambda mode=mode: ours.attribute(x, 0, mode=mode)
        yield (
            f"sweep {mode}",
            lambda: None,
            lambda mode=mode: ours.sweep(x, 0, [0.0, 0.8], mode=mode).maps,
        )
    for name, method in METHODS.items():
        if name != "prunegrad":
            quick = {key: value for key, value in QUICK.items() if key in method.options}
            if name == "occlusion":
                quick |= {"window": x.shape[-1] // 2, "stride": x.shape[-1] // 2}
            yield (
                name,
                lambda method=method: method.supports(net, x),
                lambda name=name, quick=quick: explain(net, x, 0, name, **quick).values,
            )


def verdict(fits: Callable[[], str | None], compute: Callable[[], Tensor]) -> str:
    """One cell: right, refused (with the reason) or wrong (with what happened)."""
    try:
        reason = fits()
        if reason:
            return f"refused: {reason}"
        start = time.process_time()
        first = compute()
        second = compute() if time.process_time() - start < TWICE else first
    except PruneAttrError as error:
        return f"refused: {error}"
    except Exception as error:
        return f"wrong: {type(error).__name__}: {error}"
    if not bool(torch.isfinite(first).all()):
        return "wrong: not finite"
    return "right" if torch.equal(first, second) else "wrong: differs from run to run"


def gaps(net: nn.Module, x: Tensor, cells: dict[str, str]) -> dict[str, float]:
    """Float64: how far DeepLift and RAP miss what their maps should sum to, relative to it.

    Random weights may hardly answer the picture: a sum below 1e-5 of the logit, which rounding drowns,
    counts as that.
    """
    exact, wide = net.double(), x.double()
    found = {}
    for name in ("deeplift", "rap"):
        if cells.get(name) == "right":
            result = explain(exact, wide, 0, name)
            gap = completeness_gap(exact, wide, result)
            assert gap is not None
            with torch.no_grad():
                logit = exact(wide)
            logit = getattr(logit, "logits", logit)[0, 0].abs()
            promised = torch.maximum((result.values.sum() - gap[0]).abs(), 1e-5 * logit)
            found[name] = float(f"{float(gap[0].abs() / promised):.1e}")
    return found


def examine(
    build: Callable[[str], tuple[nn.Module, Tensor]],
    name: str,
    known: dict[str, Any] | None = None,
    patience: float = PATIENCE,
    own: bool = False,
) -> dict[str, Any]:
    """One row: size of the picture, cells, gaps, seconds; of a `known` one only what it lacks is run.

    Args:
        build: makes the network and a picture for it.
        name: of the network.
        known: the row so far.
        patience: seconds of processor time after which no more cells are begun; they say so.
        own: whether to run PruneGrad's columns alone.
    """
    torch.manual_seed(0)
    net, x = build(name)
    net.eval()
    start, spent, before = time.perf_counter(), time.process_time(), state(net)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        kept = {} if known is None else known["cells"]
        cells = dict(kept)
        for column, fits, compute in runs(net, x):
            if column in kept or (own and column not in OWN):
                continue
            late = time.process_time() - spent > patience
            cells[column] = (
                f"not run: {patience:g} s of processor are over" if late else verdict(fits, compute)
            )
        if state(net) != before:
            cells = {
                column: f"wrong: something was left on the model; {cell}" for column, cell in cells.items()
            }
        missed = {} if known is None else known["gaps"]
        if {"deeplift", "rap"} <= cells.keys() - kept.keys():
            missed = gaps(net, x, cells)
    seconds = round(time.perf_counter() - start + (0 if known is None else known["seconds"]), 1)
    return {"shape": list(x.shape[1:]), "seconds": seconds, "gaps": missed, "cells": cells}


def table(rows: dict[str, Any], about: str) -> str:
    """Markdown: one row a network, a dot for right, a letter for each reason, which stands below."""
    columns = list(dict.fromkeys(column for row in rows.values() for column in row["cells"]))
    letters: dict[str, str] = {}
    legend = "`·` right; a number: refused or not run, for the reason below; **!** wrong; empty: to be run."
    lines = [about, "", legend, ""]
    lines.append("| network | picture | " + " | ".join(columns) + " | gap DeepLift | gap RAP |")
    lines.append("|" + "---|" * (len(columns) + 4))
    for name, row in sorted(rows.items()):
        marks = []
        for column in columns:
            cell = row["cells"].get(column, "")
            if cell in ("right", ""):
                marks.append(cell and "·")
            elif cell.startswith("wrong"):
                marks.append("**!**")
            else:
                reason = cell.removeprefix("refused: ")
                marks.append(letters.setdefault(reason, str(len(letters) + 1)))
        size = "x".join(map(str, row["shape"]))
        found = [f"{row['gaps'][key]:.0e}" if key in row["gaps"] else "" for key in ("deeplift", "rap")]
        lines.append(f"| {name} | {size} | " + " | ".join([*marks, *found]) + " |")
    lines += ["", *(f"{letter}. {reason}" for reason, letter in letters.items()), ""]
    return "\n".join(lines)


def main() -> None:
    """Run what is missing, write after every network."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("catalogue", choices=("torchvision", "timm", "transformers"))
    parser.add_argument("names", nargs="*")
    parser.add_argument("--anew", action="store_true", help="run again what is there")
    parser.add_argument("--own", action="store_true", help="run PruneGrad's columns alone")
    parser.add_argument(
        "--patience", type=float, default=PATIENCE, help="processor seconds a network may take"
    )
    parser.add_argument("--budget", type=float, default=1e9, help="start no network after so many seconds")
    options = parser.parse_args()
    torch.set_num_threads(1)
    kind = options.catalogue
    build = {"torchvision": torchvision_network, "timm": timm_network, "transformers": transformers_network}[
        kind
    ]
    known = {
        "torchvision": lambda: sorted(torchvision.models.list_models(module=torchvision.models), key=size),
        "timm": lambda: list(TIMM),
        "transformers": lambda: list(_transformers()),
    }[kind]()
    path = FOLDER / f"{kind}.json"
    rows = json.loads(path.read_text())["networks"] if path.exists() else {}
    start = time.perf_counter()
    columns = set(OWN) if options.own else {column for column, _, _ in runs(nn.Identity(), picture(3, 32))}
    for name in options.names or known:
        old = None if options.anew else rows.get(name)
        complete = old is not None and columns <= set(old["cells"])
        if complete or time.perf_counter() - start > options.budget:
            continue
        rows[name] = examine(build, name, old, options.patience, options.own)
        cells = rows[name]["cells"]
        faults = {column: cell for column, cell in cells.items() if cell.startswith("wrong")}
        refused = sum(cell.startswith(("refused", "not run")) for cell in cells.values())
        print(
            f"{name}: {len(cells) - len(faults) - refused} right, {refused} refused, wrong: {faults or 0}",
            flush=True,
        )
        about = f"{kind} {version(kind)}, torch {torch.__version__}; random weights (seed 0), float32"
        FOLDER.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps({"about": about, "networks": rows}, indent=1, sort_keys=True) + "\n")
        path.with_suffix(".md").write_text(table(rows, about))


if __name__ == "__main__":
    main()
