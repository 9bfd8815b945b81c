"""The entries of the table of methods that PruneGrad is compared with: gradients, CAM, relevance."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pruneattr_core.attribution import cam, captum_methods, lrp, noise, support
from pruneattr_core.attribution.deeplift import deeplift
from pruneattr_core.attribution.method import FORWARDS_PER_PASS, Method
from pruneattr_core.attribution.options import BASELINE, LAYER, SEED, STEPS, Option
from pruneattr_core.attribution.rap import rap

_BACH = "Bach et al. 2015, On Pixel-Wise Explanations by Layer-Wise Relevance Propagation, PLoS ONE"
_SIXT = (
    "Known against it: backward passes that keep only positive parts hardly depend on the later layers, and "
    "so on the class (Sixt et al. 2020, When Explanations Lie, ICML)."
)
_RECOVERS = "Known against it: it recovers the picture more than the decision (Nie et al. 2018, ICML)"
_EDGES = f"{_RECOVERS} and hardly changes when the weights are randomised (Adebayo et al. 2018, NeurIPS)."


def _windows(side: int, options: Mapping[str, Any]) -> float:
    """In units of forward-and-backward passes, though nothing goes back."""
    window = options["window"] or max(1, side // 8)
    stride = options["stride"] or max(1, window // 2)
    return (-(-max(0, side - window) // stride) + 1) ** 2 / FORWARDS_PER_PASS


FOREIGN: dict[str, Method] = {
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
            "decides (Sturmfels et al. 2020, Distill), and the path crosses inputs that are no pictures."
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
        note=f"Claims: the pattern that a network run backwards would draw. {_RECOVERS}. {_SIXT}",
    ),
    "gradcam": Method(
        title="Grad-CAM",
        family="gradient",
        source="Captum",
        citation="Selvaraju et al. 2017, Grad-CAM, ICCV",
        signed=False,
        channels=False,
        passes=2,
        compute=cam.gradcam,
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
        compute=cam.guided_gradcam,
        supports=support.feature_maps_and_relu,
        options={"layer": LAYER},
        note=(
            f"Claims: Grad-CAM with the detail of guided backpropagation, whose faults it inherits. {_EDGES}"
        ),
    ),
    "layercam": Method(
        title="LayerCAM",
        family="gradient",
        source="PruneAttr",
        citation="Jiang et al. 2021, LayerCAM, IEEE Transactions on Image Processing",
        signed=False,
        channels=False,
        passes=2,
        compute=cam.layercam,
        supports=support.feature_maps,
        options={"layer": LAYER},
        note=(
            "Claims: feature maps weighed at each position by their own positive gradient, so that early, "
            "fine layers can be asked. Known against it: averaging over positions is what makes Grad-CAM "
            "steady, so gradient noise comes back (Balduzzi et al. 2017, ICML), more at early layers."
        ),
    ),
    "deeplift": Method(
        title="DeepLift (rescale)",
        family="relevance",
        source="PruneAttr",
        citation=(
            "Shrikumar et al. 2017, Learning Important Features Through Propagating Activation "
            "Differences, ICML"
        ),
        signed=True,
        channels=True,
        passes=2,
        compute=deeplift,
        supports=support.deeplift,
        options={"baseline": BASELINE},
        memory=3.0,
        completeness="difference",
        note=(
            "Claims: shares of the difference from a baseline in one pass. Captum's numbers, but where "
            "pooling windows overlap or a tensor goes on besides its ReLU: there Captum's map misses the sum."
            " Known against it: the baseline decides, and two networks that compute the same can get "
            "different maps (Sundararajan et al. 2017)."
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
            "Claims: integrated gradients by random points. Captum's numbers for the same draws; the draws "
            "come from a generator of our own, as Captum's is NumPy's global one. Known against it: noisy "
            "for few samples, and the baseline decides (Sturmfels et al. 2020, Distill)."
        ),
    ),
    "expected_gradients": Method(
        title="Expected Gradients",
        family="gradient",
        source="PruneAttr",
        citation=(
            "Erion et al. 2021, Improving performance of deep learning models with axiomatic attribution "
            "priors and expected gradients, Nature Machine Intelligence"
        ),
        signed=True,
        channels=True,
        passes=25,
        compute=noise.expected_gradients,
        pictures=True,
        options={
            "samples": Option("int", 25, 1, 10000, note="Random baselines and points per picture."),
            "baselines": Option(
                "text",
                None,
                note="A .npy file of normalised pictures (N, C, H, W) to draw baselines from (`data --save` "
                "writes one); by default plain pictures of random colour.",
            ),
            "seed": SEED,
        },
        cost_of=lambda side, options: options["samples"],
        note=(
            "Claims: integrated gradients averaged over many baselines instead of one chosen. Known against "
            "it: noisy for few samples, and the set of baselines is still a choice (Sturmfels et al. 2020, "
            "Distill)."
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
        pictures=True,
        options={
            "window": Option(
                "int", None, 1, 4096, note="Side of the square; by default an eighth of the picture."
            ),
            "stride": Option("int", None, 1, 4096, note="Step between squares; by default half the window."),
            "baseline": BASELINE,
        },
        cost_of=_windows,
        backward=False,
        note=(
            "Claims: what the logit loses without a region. Known against it: a grey square is a thing "
            "the network "
            "never saw (Hooker et al. 2019, ROAR, NeurIPS), and only the chosen size and shape is tested."
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
            "where ReLU is the only nonlinearity it is input x gradient (Shrikumar et al. 2016; Ancona et "
            "al. 2018, ICLR)."
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
        supports=support.relative,
        memory=3.0,
        completeness="logit",
        note=(
            "Claims: relevant above and irrelevant below zero, summing to the logit. Known against it: "
            "the uniform shift decides where zero is, and its positive part is that of LRP-z+, which hardly "
            "depends on the later layers (Sixt et al. 2020, ICML)."
        ),
    ),
}
