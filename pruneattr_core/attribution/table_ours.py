"""The entries of the table of methods that the papers define: PruneGrad, its siblings and RectGrad."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from torch import Tensor, nn

from pruneattr_core.attribution import input_level, support
from pruneattr_core.attribution.density import BLENDS, FINE, SIZES, path_density
from pruneattr_core.attribution.method import Method
from pruneattr_core.attribution.options import ASCENT, CLASS_SCORES, DIAL, LAYER, MODE, STEPS, TIES, Option
from pruneattr_core.attribution.prunegrad import PruneGrad
from pruneattr_core.attribution.prunegrad_mid import prunegrad_mid
from pruneattr_core.attribution.prunepgd import PrunePGD
from pruneattr_core.attribution.rectgrad import rectgrad
from pruneattr_core.response import Asked
from pruneattr_core.scoring import METHODS as SCORERS
from pruneattr_core.scoring.intgrad import INTEGRALS, integral_passes

_CONTRIBUTION = Option("choice", "taylor", choices=tuple(SCORERS), note="How neurons are ranked.")
_INTEGRAL = Option("choice", "intgrad", choices=tuple(INTEGRALS), note="Nodes of the integral.")
_PRUNING = {
    **DIAL,
    "mode": MODE,
    "contribution": _CONTRIBUTION,
    "ties": TIES,
    "class_scores": CLASS_SCORES,
}
_PG2 = (
    "Khakzar et al. 2020, Improving Feature Attribution through Input-specific Network "
    "Pruning, arXiv 1911.11081v2"
)
_SCP = "Khakzar et al. 2021, Neural Response Interpretation through the Lens of Critical Pathways, CVPR"


def _prunegrad(model: nn.Module, inputs: Tensor, target: Asked, **options: Any) -> Tensor:
    return PruneGrad(model).attribute(inputs, target, **options)


def _prunegrad_x_input(model: nn.Module, inputs: Tensor, target: Asked, **options: Any) -> Tensor:
    return inputs * PruneGrad(model).attribute(inputs, target, **options)


def _prunepgd(model: nn.Module, inputs: Tensor, target: Asked, **options: Any) -> Tensor:
    return PrunePGD(model).attribute(inputs, target, **options)


def _choosing(options: Mapping[str, Any]) -> float:
    """Passes that ranking neurons by an integral and finding the sparsity of an output change take."""
    return integral_passes(options["contribution"]) + (0 if options["output_change"] is None else 33)


OURS: dict[str, Method] = {
    "prunegrad": Method(
        title="PruneGrad",
        family="ours",
        source="PruneAttr",
        citation=f"{_PG2}; mode freeze: {_SCP}",
        signed=True,
        channels=True,
        passes=2,
        compute=_prunegrad,
        paths=True,
        options=_PRUNING,
        cost_of=lambda side, options: 2 + _choosing(options),
        memory=2.0,
        note=(
            "Claims: the gradient through the neurons that matter for this answer. Known against it: a "
            "gradient is "
            "a local statement, and how many neurons to remove is a choice that changes the map."
        ),
    ),
    "prunegrad_x_input": Method(
        title="PruneGrad x Input",
        family="ours",
        source="PruneAttr",
        citation=f"{_PG2}, times the input as Shrikumar et al. 2016, Not Just a Black Box, arXiv 1605.01713",
        signed=True,
        channels=True,
        passes=2,
        compute=_prunegrad_x_input,
        paths=True,
        options=_PRUNING,
        cost_of=lambda side, options: 2 + _choosing(options),
        memory=2.0,
        note=(
            "Claims: what each value of the picture contributes to the answer of the neurons that stay, to "
            "first order; ours, from no paper. Known against it: 0 wherever the normalised input is 0, the "
            "mean colour, and what is added up is the pruned network's answer, not the network's."
        ),
    ),
    "prunepgd": Method(
        title="PrunePGD",
        family="ours",
        source="PruneAttr",
        citation=f"{_PG2}, eq. 4",
        signed=True,
        channels=True,
        passes=21,
        compute=_prunepgd,
        paths=True,
        options={
            **DIAL,
            "mode": MODE,
            **ASCENT,
            "contribution": _CONTRIBUTION,
            "ties": TIES,
            "class_scores": CLASS_SCORES,
        },
        cost_of=lambda side, options: 1 + options["steps"] + _choosing(options),
        note=(
            "Claims: the small change of the picture that the pruned network's answer likes most. Known "
            "against it: such a direction may be adversarial, fine-grained and off the data."
        ),
    ),
    "prunegrad_mid": Method(
        title="PruneGrad-Mid",
        family="ours",
        source="PruneAttr",
        citation=f"{_PG2}, eq. 5 and section 4.7",
        signed=False,
        channels=False,
        passes=2,
        compute=prunegrad_mid,
        paths=True,
        supports=support.spatial_activation,
        options={"layer": LAYER, **_PRUNING},
        cost_of=lambda side, options: 2 + _choosing(options),
        memory=2.0,
        note=(
            "Claims: where, at a late layer, the pruned network is sensitive. Known against it: as coarse "
            "as the "
            "layer, and upsampling assumes that positions stay where they were."
        ),
    ),
    "path_density": Method(
        title="Critical path density",
        family="ours",
        source="PruneAttr",
        citation=f"Ours, from no paper: the contributions of {_PG2}, at every resolution at once",
        signed=False,
        channels=False,
        passes=2,
        compute=path_density,
        paths=True,
        supports=support.spatial_activation,
        options={
            "sizes": Option("choice", "positive", choices=SIZES, note="Of all channels, or their sum."),
            "blend": Option("choice", "geometric", choices=BLENDS, note="Wanted by all resolutions, or any."),
            "coarse": Option("int", 1, 0, 100, note="Resolutions blended, the coarsest ones; 0 for all."),
            "fine": Option("choice", "times_input", choices=FINE, note="What stands for the picture itself."),
            "smooth": Option("float", 0.02, 0.0, 0.5, note="Blur, as a share of the shorter side."),
            **_PRUNING,
            "mode": replace(MODE, default="freeze"),
        },
        cost_of=lambda side, options: 2 + _choosing(options),
        memory=2.0,
        note=(
            "Claims: where the contributions of the neurons that stay lie, from the picture to the last "
            "feature maps. Known against it: positions are taken to stay where they were, a blend is no "
            "derivative of anything, and its options were found by a search. On pictures that the search "
            "never saw it finds objects in photographs best of what was measured; coarse class maps win LeRF."
        ),
    ),
    "neuron_intgrad": Method(
        title="NeuronIntGrad-guided gradient",
        family="ours",
        source="PruneAttr",
        citation=f"{_SCP}, eq. 4",
        signed=True,
        channels=True,
        passes=752,
        compute=_prunegrad,
        paths=True,
        options={**DIAL, "mode": MODE, "contribution": _INTEGRAL, "ties": TIES, "class_scores": CLASS_SCORES},
        cost_of=lambda side, options: 2 + _choosing(options),
        memory=2.0,
        note=(
            "Claims: as PruneGrad, with neurons ranked by an integral that is complete layer by layer. "
            "Known against "
            "it: many passes, and the integral scales a whole layer along inputs the network never sees."
        ),
    ),
    "active_subnet": Method(
        title="Active subnet",
        family="ours",
        source="PruneAttr",
        citation=f'{_PG2}, "PrunePGD 50*"',
        signed=True,
        channels=True,
        passes=21,
        compute=input_level.active_subnet,
        paths=True,
        options={
            "attribution": Option(
                "choice",
                "pgd",
                choices=("pgd", "gradient"),
                note="Perturbation of the input, or the gradient.",
            ),
            **ASCENT,
        },
        cost_of=lambda side, options: 1 + (options["steps"] if options["attribution"] == "pgd" else 1),
        note=(
            "The control of the papers: only neurons that are 0 anyway are removed. With ReLU its "
            "gradient is the "
            "plain gradient; with smooth activations hardly anything is removed."
        ),
    ),
    "input_mct": Method(
        title="InputMCT",
        family="ours",
        source="Captum",
        citation=f"{_PG2}, input-level control",
        signed=False,
        channels=True,
        passes=1,
        compute=input_level.input_mct,
        note=(
            "Claims: the contribution of input values as if they were neurons. Known against it: 0 "
            "wherever the "
            "normalised input is 0, the mean colour, whatever the network does there."
        ),
    ),
    "input_intgrad": Method(
        title="InputIntGrad",
        family="ours",
        source="Captum",
        citation=f"{_SCP}, input-level control; Sundararajan et al. 2017, Axiomatic Attribution, ICML",
        signed=False,
        channels=True,
        passes=50,
        compute=input_level.input_intgrad,
        options={"steps": STEPS},
        cost_of=lambda side, options: options["steps"],
        memory=2.0,
        note="The magnitude of integrated gradients from a zero input; says what that baseline lets it say.",
    ),
    "rectgrad": Method(
        title="RectGrad",
        family="gradient",
        source="PruneAttr",
        citation="Kim et al. 2019, Why are Saliency Maps Noisy?, ICCV Workshops, arXiv 1902.04893",
        signed=True,
        channels=True,
        passes=1,
        compute=rectgrad,
        supports=support.only_relu,
        options={
            "percentile": Option(
                "float", 0.98, 0.0, 1.0, note="Share of each layer's gradients that is stopped."
            ),
            "criterion": Option(
                "choice",
                "signed",
                choices=("signed", "absolute"),
                note="Compare activation times gradient, or its magnitude.",
            ),
        },
        note=(
            "Claims: less noise by stopping gradients through unimportant units layer by layer. Known "
            "against it: the result is the gradient of no function, and hardly depends on the later layers "
            "(Sixt et al. 2020, When Explanations Lie, ICML)."
        ),
    ),
}
