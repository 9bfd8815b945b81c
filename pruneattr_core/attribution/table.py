"""The literal table of attribution methods; a new method is one entry and nothing elsewhere.

Entries live in `table_ours` and `table_foreign`; here are those that stand on or beside the others.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from torch import Tensor, nn

from pruneattr_core.attribution import controls, noise
from pruneattr_core.attribution.method import Method, run
from pruneattr_core.attribution.options import SEED, Option, checked
from pruneattr_core.attribution.table_foreign import FOREIGN
from pruneattr_core.attribution.table_ours import OURS
from pruneattr_core.errors import InputError, ModelError
from pruneattr_core.one_of import is_one_of


def _smoothed(method: str) -> Method:
    if not is_one_of(method, METHODS) or method == "noise_tunnel":
        others = ", ".join(name for name in METHODS if name != "noise_tunnel")
        raise InputError(f"Expected of in {others}; got {method!r}.")
    return METHODS[method]


def _noise_tunnel(model: nn.Module, inputs: Tensor, target: Tensor, of: str, **options: Any) -> Tensor:
    base = _smoothed(of)
    reason = base.supports(model, inputs)
    if reason:
        raise ModelError(f"{base.title} does not fit this network: {reason}")
    settings = checked(base.title, base.options, {})

    def compute(network: nn.Module, x: Tensor, chosen: Tensor) -> Tensor:
        return run(base, network, x, chosen, settings)

    return noise.noise_tunnel(model, inputs, target, compute, **options)


def _noise_cost(side: int, options: Mapping[str, Any]) -> float:
    return float(options["samples"]) * max(1.0, _smoothed(options["of"]).cost(side))


METHODS: dict[str, Method] = {
    **OURS,
    **FOREIGN,
    "noise_tunnel": Method(
        title="SmoothGrad (noise tunnel)",
        family="gradient",
        source="Captum",
        citation=(
            "Smilkov et al. 2017, SmoothGrad, arXiv 1706.03825; VarGrad: Adebayo et al. 2018, Local "
            "Explanation Methods Lack Sensitivity to Parameter Values, ICLR Workshop"
        ),
        signed=True,
        channels=True,
        passes=10,
        compute=_noise_tunnel,
        options={
            "of": Option("text", "saliency", note="Name of the method that is smoothed, with its defaults."),
            "kind": Option(
                "choice",
                "smoothgrad",
                choices=("smoothgrad", "smoothgrad_sq", "vargrad"),
                note="Mean, mean square or variance of the maps.",
            ),
            "samples": Option("int", 10, 1, 1000, note="Noisy copies per picture."),
            "stdev": Option("float", 0.15, 0.0, note="Noise, in normalised input units."),
            "seed": SEED,
        },
        cost_of=_noise_cost,
        note=(
            "Claims: less visual noise by averaging over neighbours of the picture. Known against it: the "
            "answer is about the neighbours, and the width of the noise is a choice; VarGrad does not depend "
            "on the gradient itself, only on how it varies (Seo et al. 2018, arXiv 1806.03000)."
        ),
    ),
    "random": Method(
        title="Random map",
        family="control",
        source="PruneAttr",
        citation="Control of Hooker et al. 2019, ROAR, NeurIPS",
        signed=True,
        channels=True,
        passes=0,
        compute=controls.random_map,
        options={"seed": SEED},
        note="Chance. A method that does not beat it in a benchmark says nothing there.",
    ),
    "edges": Method(
        title="Edge detector",
        family="control",
        source="PruneAttr",
        citation="Control of Adebayo et al. 2018, Sanity Checks for Saliency Maps, NeurIPS",
        signed=False,
        channels=False,
        passes=0,
        compute=controls.edge_detector,
        options={
            "detector": Option(
                "choice", "sobel", choices=("sobel", "canny"), note="Gradient magnitude, or thin edges."
            ),
            "sigma": Option("float", 1.0, 0.1, 50.0, note="Width of Canny's Gaussian in pixels."),
        },
        note=(
            "The picture alone; the network is not asked. A map that looks like it may not have asked either."
        ),
    ),
}


def meant(said: object) -> str:
    """What a text that is no key of `METHODS` seems to mean, in any spelling.

    Args:
        said: a title or its beginning, such as "Grad-CAM" or "smoothgrad".

    Returns:
        " gradcam is Grad-CAM."; "" for what means none, or no text.
    """
    letters = _letters(str(said)[:40])
    titles = {key: _letters(method.title) for key, method in METHODS.items()}
    whole = [key for key, title in titles.items() if letters in (title, _letters(key))]
    begun = [key for key, title in titles.items() if len(letters) > 2 and title.startswith(letters)]
    return "".join(f" {key} is {METHODS[key].title}." for key in whole or begun[:3])


def _letters(text: str) -> str:
    return "".join(filter(str.isalnum, text.lower()))
