"""Ours inside Captum's NoiseTunnel and metrics, and as a Quantus `explain_func`."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
import torch
from captum.attr import NoiseTunnel
from captum.metrics import infidelity, sensitivity_max
from torch import Tensor

import networks
from pruneattr_core import PruneGrad, PrunePGD
from pruneattr_core.attribution import METHODS, explain, explain_func


@pytest.mark.parametrize("method", [PruneGrad, PrunePGD])
def test_noise_tunnel_averages_ours(method: type[PruneGrad] | type[PrunePGD]) -> None:
    net, x = networks.network("residual"), networks.inputs(2)
    ours = method(net)
    smooth = NoiseTunnel(ours).attribute(x, nt_samples=4, stdevs=0.0, target=1, sparsity=0.5)
    torch.testing.assert_close(smooth, ours.attribute(x, 1, sparsity=0.5), rtol=1e-12, atol=1e-14)
    noisy = NoiseTunnel(ours).attribute(x, nt_samples=4, stdevs=0.2, target=1, sparsity=0.5)
    assert noisy.shape == x.shape
    assert not torch.equal(noisy, smooth)


@pytest.mark.parametrize("method", ["prunegrad", "saliency", "gradcam", "guided_backprop"])
def test_our_noise_tunnel_is_the_mean_over_its_noise(method: str) -> None:
    net, x = networks.network("residual"), networks.inputs(1)
    still = explain(net, x, 1, "noise_tunnel", of=method, samples=3, stdev=0.0).values
    torch.testing.assert_close(still, explain(net, x, 1, method).values, rtol=1e-12, atol=1e-14)
    one = explain(net, x, 1, "noise_tunnel", of=method, samples=3, seed=1).values
    other = explain(net, x, 1, "noise_tunnel", of=method, samples=3, seed=2).values
    assert not torch.equal(one, other)
    variance = explain(net, x, 1, "noise_tunnel", of=method, samples=3, kind="vargrad").values
    assert bool((variance >= -1e-12).all())


def test_captum_metrics_judge_ours() -> None:
    net, x = networks.network("residual"), networks.inputs(2)
    ours = PruneGrad(net)

    def perturb(inputs: Tensor) -> tuple[Tensor, Tensor]:
        noise = 0.01 * torch.randn_like(inputs)
        return noise, inputs - noise

    map_ = ours.attribute(x, 1, sparsity=0.0)
    unfaithful = infidelity(net, perturb, x, map_, target=1)
    random = infidelity(net, perturb, x, explain(net, x, 1, "random").values, target=1)
    assert unfaithful.shape == (2,)
    assert bool((unfaithful < random).all())  # the gradient predicts small changes, chance does not

    changes = sensitivity_max(
        ours.attribute, x, perturb_radius=0.02, n_perturb_samples=3, target=1, sparsity=0.5
    )
    assert changes.shape == (2,)
    assert bool(torch.isfinite(changes).all())


def test_explain_func_takes_and_gives_arrays() -> None:
    net, x = networks.network("residual", torch.float32), networks.inputs(2, dtype=torch.float32)
    labels = np.array([1, 3])
    values = explain_func(net, x.double().numpy(), labels, device="cpu", sparsity=0.5)
    assert isinstance(values, np.ndarray)
    np.testing.assert_array_equal(values, explain(net, x, [1, 3], sparsity=0.5).values.numpy())
    assert explain_func(net, x, labels, reduce="signed_max").shape == (2, 1, 10, 10)
    assert explain_func(net, x, None, method="gradcam").shape == (2, 1, 10, 10)


def test_quantus_runs_a_metric_on_ours() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Quantus and what it imports warn about their own dependencies
        try:
            import quantus
        except ImportError as error:  # OpenCV, which Quantus imports, wants libGL on the system
            pytest.skip(f"pip install -r requirements-dev.txt, apt install libgl1: {error}")
        net, x = networks.network("residual", torch.float32), networks.inputs(2, dtype=torch.float32)
        metric = quantus.MaxSensitivity(nr_samples=2, disable_warnings=True, display_progressbar=False)
        scores = metric(
            model=net,
            x_batch=x.numpy(),
            y_batch=np.array([1, 3]),
            explain_func=explain_func,
            explain_func_kwargs={"method": "prunegrad", "sparsity": 0.5},
            device="cpu",
        )
    assert len(scores) == 2
    assert np.isfinite(scores).all()


def test_every_method_can_be_smoothed_by_name() -> None:
    net, x = networks.network("plain"), networks.inputs(1)
    for method in METHODS:
        if METHODS[method].passes <= 6 and method != "noise_tunnel":
            values = explain(net, x, 1, "noise_tunnel", of=method, samples=1).values
            assert values.shape[0] == 1
