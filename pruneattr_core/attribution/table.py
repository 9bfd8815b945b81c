"""The literal table of attribution methods; a new method is one entry here and nothing elsewhere."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from torch import Tensor, nn

from pruneattr_core.attribution import captum_methods, controls, input_level, lrp, noise, support
from pruneattr_core.attribution.method import Method, run
from pruneattr_core.attribution.options import (
    ASCENT,
    BASELINE,
    LAYER,
    MODE,
    SEED,
    SPARSITY,
    STEPS,
    TIES,
    Option,
    checked,
)
from pruneattr_core.attribution.prunegrad import PruneGrad
from pruneattr_core.attribution.prunegrad_mid import prunegrad_mid
from pruneattr_core.attribution.prunepgd import PrunePGD
from pruneattr_core.attribution.rap import rap
from pruneattr_core.attribution.rectgrad import rectgrad
from pruneattr_core.errors import InputError, ModelError
from pruneattr_core.scoring import METHODS as SCORERS

_CONTRIBUTION = Option("choice", "taylor", choices=tuple(SCORERS), note="How neurons are ranked.")
_PG1 = (
    "Khakzar et al. 2019, Explaining Neural Networks via Perturbing Important Learned "
    "Features, arXiv 1911.11081v1"
)
_PG2 = (
    "Khakzar et al. 2020, Improving Feature Attribution through Input-specific Network "
    "Pruning, arXiv 1911.11081v2"
)
_SCP = "Khakzar et al. 2021, Neural Response Interpretation through the Lens of Critical Pathways, CVPR"
_BACH = "Bach et al. 2015, On Pixel-Wise Explanations by Layer-Wise Relevance Propagation, PLoS ONE"
_SIXT = (
    "Known against it: backward passes that keep only positive parts converge to a map that hardly "
    "depends on "
    "the later layers or the class (Sixt et al. 2020, When Explanations Lie, ICML)."
)
_EDGES = (
    "Known against it: it nearly reconstructs the picture (Nie et al. 2018, ICML) and hardly changes when "
    "the "
    "weights are randomised (Adebayo et al. 2018, NeurIPS)."
)


def _prunegrad(model: nn.Module, inputs: Tensor, target: Tensor, **options: Any) -> Tensor:
    return PruneGrad(model).attribute(inputs, target, **options)


def _neuron_intgrad(model: nn.Module, inputs: Tensor, target: Tensor, **options: Any) -> Tensor:
    return PruneGrad(model).attribute(inputs, target, contribution="intgrad", **options)


def _prunepgd(model: nn.Module, inputs: Tensor, target: Tensor, **options: Any) -> Tensor:
    return PrunePGD(model).attribute(inputs, target, **options)


def _smoothed(method: str) -> Method:
    if method not in METHODS or method == "noise_tunnel":
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


def _windows(side: int, options: Mapping[str, Any]) -> float:
    """Forward passes only, which are about a third of a forward-and-backward pass."""
    window = options["window"] or max(1, side // 8)
    stride = options["stride"] or max(1, window // 2)
    return (-(-max(0, side - window) // stride) + 1) ** 2 / 3


METHODS: dict[str, Method] = {
    "prunegrad": Method(
        title="PruneGrad",
        family="ours",
        source="PruneAttr",
        citation=f"{_PG2}; mode freeze: {_SCP}",
        signed=True,
        channels=True,
        passes=2,
        compute=_prunegrad,
        options={
            "sparsity": SPARSITY,
            "output_change": Option(
                "float",
                None,
                0.0,
                note="Replaces sparsity: prune until the output changes by more than this.",
            ),
            "mode": MODE,
            "contribution": _CONTRIBUTION,
            "ties": TIES,
        },
        cost_of=lambda side, options: 2 if options["output_change"] is None else 35,
        memory=2.0,
        note=(
            "Claims: the gradient through the neurons that matter for this answer. Known against it: a "
            "gradient is "
            "a local statement, and how many neurons to remove is a choice that changes the map."
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
        options={"sparsity": SPARSITY, **ASCENT, "contribution": _CONTRIBUTION, "ties": TIES},
        cost_of=lambda side, options: 1 + options["steps"],
        note=(
            "Claims: the small change of the picture that the pruned network's answer likes most. Known "
            "against it: "
            "it is an adversarial direction, so it may be fine-grained and off the data (PG1 discusses both)."
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
        supports=support.spatial_activation,
        options={
            "layer": LAYER,
            "sparsity": SPARSITY,
            "mode": MODE,
            "contribution": _CONTRIBUTION,
            "ties": TIES,
        },
        memory=2.0,
        note=(
            "Claims: where, at a late layer, the pruned network is sensitive. Known against it: as coarse "
            "as the "
            "layer, and upsampling assumes that positions stay where they were."
        ),
    ),
    "neuron_intgrad": Method(
        title="NeuronIntGrad-guided gradient",
        family="ours",
        source="PruneAttr",
        citation=f"{_SCP}, eq. 4",
        signed=True,
        channels=True,
        passes=60,
        compute=_neuron_intgrad,
        options={"sparsity": SPARSITY, "mode": MODE, "ties": TIES},
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
        citation="Kim et al. 2019, Why are Saliency Maps Noisy? ICCV Workshops, arXiv 1902.04893",
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
            "against it: the "
            "result is the gradient of no function, and high percentiles favour strong edges (PG2 "
            "compares it)."
        ),
    ),
    "saliency": Method(
        title="Gradient (saliency)",
        family="gradient",
        source="Captum",
        citation="Simonyan et al. 2014, Deep Inside Convolutional Networks, ICLR Workshop",
        signed=True,
        channels=True,
        passes=1,
        compute=captum_methods.saliency,
        options={"absolute": Option("bool", False, note="Magnitude instead of the signed gradient.")},
        note=(
            "Claims: how the logit changes with each value. Passes the sanity checks (Adebayo et al. "
            "2018, NeurIPS). "
            "Known against it: noisy, since gradients shatter (Balduzzi et al. 2017, ICML) and saturate."
        ),
    ),
    "input_x_gradient": Method(
        title="Input x Gradient",
        family="gradient",
        source="Captum",
        citation="Shrikumar et al. 2016, Not Just a Black Box, arXiv 1605.01713",
        signed=True,
        channels=True,
        passes=1,
        compute=captum_methods.input_x_gradient,
        note=(
            "Claims: a first-order share of the logit. Known against it: the factor x draws the picture "
            "whatever the "
            "network does (Adebayo et al. 2018, NeurIPS)."
        ),
    ),
    "integrated_gradients": Method(
        title="Integrated Gradients",
        family="gradient",
        source="Captum",
        citation="Sundararajan et al. 2017, Axiomatic Attribution for Deep Networks, ICML",
        signed=True,
        channels=True,
        passes=50,
        compute=captum_methods.integrated_gradients,
        options={
            "steps": STEPS,
            "rule": Option(
                "choice",
                "gausslegendre",
                choices=(
                    "gausslegendre",
                    "riemann_right",
                    "riemann_left",
                    "riemann_middle",
                    "riemann_trapezoid",
                ),
                note="How the integral is approximated.",
            ),
            "baseline": BASELINE,
        },
        cost_of=lambda side, options: options["steps"],
        memory=2.0,
        completeness="difference",
        note=(
            "Claims: shares that sum to the difference from the baseline. Known against it: the baseline "
            "decides "
            "(Sturmfels et al. 2020, Distill), and the path crosses inputs that are no pictures."
        ),
    ),
    "guided_backprop": Method(
        title="Guided Backprop",
        family="gradient",
        source="Captum",
        citation="Springenberg et al. 2015, Striving for Simplicity, ICLR Workshop",
        signed=True,
        channels=True,
        passes=2,
        compute=captum_methods.guided_backprop,
        supports=support.only_relu,
        note=f"Claims: what excites the units that excite the class. {_EDGES} {_SIXT}",
    ),
    "deconvolution": Method(
        title="Deconvolution",
        family="gradient",
        source="Captum",
        citation="Zeiler and Fergus 2014, Visualizing and Understanding Convolutional Networks, ECCV",
        signed=True,
        channels=True,
        passes=2,
        compute=captum_methods.deconvolution,
        supports=support.only_relu,
        note=f"Claims: the pattern that a network run backwards would draw. {_EDGES} {_SIXT}",
    ),
    "gradcam": Method(
        title="Grad-CAM",
        family="gradient",
        source="Captum",
        citation="Selvaraju et al. 2017, Grad-CAM, ICCV",
        signed=False,
        channels=False,
        passes=2,
        compute=captum_methods.gradcam,
        supports=support.feature_maps,
        options={"layer": LAYER},
        note=(
            "Claims: where the feature maps that raise the class are active. Passes the sanity checks "
            "(Adebayo et al. "
            "2018). Known against it: coarse, and averaged gradients can point at places the model does "
            "not use "
            "(Draelos and Carin 2020, HiResCAM, arXiv 2011.08891)."
        ),
    ),
    "guided_gradcam": Method(
        title="Guided Grad-CAM",
        family="gradient",
        source="Captum",
        citation="Selvaraju et al. 2017, Grad-CAM, ICCV",
        signed=True,
        channels=True,
        passes=3,
        compute=captum_methods.guided_gradcam,
        supports=support.feature_maps_and_relu,
        options={"layer": LAYER},
        note=(
            f"Claims: Grad-CAM with the detail of guided backpropagation, whose faults it inherits. {_EDGES}"
        ),
    ),
    "deeplift": Method(
        title="DeepLift (rescale)",
        family="relevance",
        source="Captum",
        citation=(
            "Shrikumar et al. 2017, Learning Important Features Through Propagating Activation "
            "Differences, ICML"
        ),
        signed=True,
        channels=True,
        passes=4,
        compute=captum_methods.deeplift,
        supports=support.deeplift,
        options={"baseline": BASELINE},
        memory=3.0,
        completeness="difference",
        note=(
            "Claims: shares of the difference from a baseline in one pass. Known against it: the baseline "
            "decides, "
            "and two networks that compute the same can get different maps (Sundararajan et al. 2017)."
        ),
    ),
    "gradient_shap": Method(
        title="GradientShap",
        family="gradient",
        source="PruneAttr",
        citation="Lundberg and Lee 2017, A Unified Approach to Interpreting Model Predictions, NeurIPS",
        signed=True,
        channels=True,
        passes=5,
        compute=noise.gradient_shap,
        options={
            "samples": Option("int", 5, 1, 1000, note="Random points per picture."),
            "stdev": Option("float", 0.0, 0.0, note="Noise on the picture, in normalised units."),
            "baseline": BASELINE,
            "seed": SEED,
        },
        cost_of=lambda side, options: options["samples"],
        note=(
            "Claims: integrated gradients by random points (Captum's formula, with a random generator of "
            "its own). "
            "Known against it: noisy for few samples, and the baseline decides."
        ),
    ),
    "occlusion": Method(
        title="Occlusion",
        family="perturbation",
        source="Captum",
        citation="Zeiler and Fergus 2014, Visualizing and Understanding Convolutional Networks, ECCV",
        signed=True,
        channels=True,
        passes=75,
        compute=captum_methods.occlusion,
        options={
            "window": Option(
                "int", None, 1, 4096, note="Side of the square; by default an eighth of the picture."
            ),
            "stride": Option("int", None, 1, 4096, note="Step between squares; by default half the window."),
            "baseline": BASELINE,
        },
        cost_of=_windows,
        note=(
            "Claims: what the logit loses without a region. Known against it: a grey square is a thing "
            "the network "
            "never saw, and only the chosen size and shape is tested (Hooker et al. 2019, ROAR, NeurIPS)."
        ),
    ),
    "lrp": Method(
        title="LRP-epsilon",
        family="relevance",
        source="Captum",
        citation=_BACH,
        signed=True,
        channels=True,
        passes=5,
        compute=lrp.lrp_epsilon,
        supports=support.relevance,
        memory=3.0,
        note=(
            "Claims: the logit, handed back layer by layer without loss but for biases. Known against it: "
            "with ReLU and "
            "max pooling it is close to input x gradient (Shrikumar et al. 2016; Ancona et al. 2018, ICLR)."
        ),
    ),
    "lrp_alpha1_beta0": Method(
        title="LRP alpha1-beta0",
        family="relevance",
        source="Zennit",
        citation=_BACH,
        signed=True,
        channels=True,
        passes=5,
        compute=lrp.lrp_alpha1_beta0,
        supports=support.relevance,
        memory=3.0,
        note=f"Claims: relevance through positive contributions only, so it looks clean. {_SIXT}",
    ),
    "excitation_backprop": Method(
        title="Excitation Backprop",
        family="relevance",
        source="Zennit",
        citation="Zhang et al. 2016, Top-down Neural Attention by Excitation Backprop, ECCV",
        signed=True,
        channels=True,
        passes=4,
        compute=lrp.excitation_backprop,
        supports=support.relevance,
        memory=3.0,
        note=f"Claims: the chance that attention walking down from the class arrives at a pixel. {_SIXT}",
    ),
    "rap": Method(
        title="RAP",
        family="relevance",
        source="PruneAttr",
        citation="Nam et al. 2020, Relative Attributing Propagation, AAAI, arXiv 1904.00605",
        signed=True,
        channels=True,
        passes=6,
        compute=rap,
        supports=support.chain,
        memory=3.0,
        completeness="logit",
        note=(
            "Claims: relevant above and irrelevant below zero, summing to the logit. Known against it: "
            "the uniform shift "
            "decides where zero is, and as its positive part is that of LRP-z+, so is its criticism (Sixt "
            "et al. 2020)."
        ),
    ),
    "noise_tunnel": Method(
        title="SmoothGrad (noise tunnel)",
        family="gradient",
        source="Captum",
        citation=(
            "Smilkov et al. 2017, SmoothGrad, arXiv 1706.03825; VarGrad: Adebayo et al. 2018, ICLR Workshop"
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
            "answer is "
            "about the neighbours, and the width of the noise is a choice; squares lose the sign (Hooker "
            "et al. 2019)."
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
