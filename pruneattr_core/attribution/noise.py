"""Methods that average over random inputs, with generators of their own.

Captum draws from the process-wide generators of torch and NumPy, which threads share. Here every picture
has a generator made from its values and the seed, so a map depends on nothing else and nothing global
moves.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from pruneattr_core.attribution.captum_methods import logits_of
from pruneattr_core.attribution.captum_shape import CaptumShaped, attributing
from pruneattr_core.attribution.controls import generator_for
from pruneattr_core.errors import InputError
from pruneattr_core.importing import one_at_a_time

#: (model, inputs, target) -> attribution.
Compute = Callable[[nn.Module, Tensor, Tensor], Tensor]


class Computed(CaptumShaped):
    """Any method of the table in Captum's shape, for `NoiseTunnel` and `captum.metrics`."""

    def __init__(self, model: nn.Module, compute: Compute) -> None:
        """Take a classifier in eval mode and what computes the map."""
        super().__init__(model)
        self.compute = compute

    @attributing
    def attribute(self, inputs: Tensor, target: Tensor) -> Tensor:
        """The map of a batch (B, C, H, W) for targets (B,)."""
        return self.compute(self.model, inputs.detach(), target)


class _Seeded(TorchFunctionMode):
    """Give `torch.normal` a generator; thread-local, so other threads draw as before.

    And its deviation in float32: Captum's is of the default dtype, which may be a coarser one.
    """

    def __init__(self, generator: torch.Generator, stdev: float, dtype: torch.dtype) -> None:
        super().__init__()
        self.generator, self.stdev, self.dtype = generator, stdev, dtype

    def __torch_function__(
        self, func: Any, types: Any, args: Sequence[Any] = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        kwargs = kwargs or {}
        if func is not torch.normal:
            return func(*args, **kwargs)
        mean, std = args
        noise = torch.randn(std.shape, generator=self.generator, dtype=torch.float64)
        scaled = self.stdev * noise.to(std.device, torch.float32)
        return (mean + scaled).to(self.dtype)


def noise_tunnel(
    model: nn.Module,
    inputs: Tensor,
    target: Tensor,
    compute: Compute,
    kind: str = "smoothgrad",
    samples: int = 10,
    stdev: float = 0.15,
    seed: int = 0,
) -> Tensor:
    """Captum's NoiseTunnel over `compute`: mean, mean square or variance over noisy copies of each input.

    Args:
        model: network in eval mode.
        inputs: checked batch (B, C, H, W).
        target: (B,) int64.
        compute: the method that is smoothed.
        kind: "smoothgrad", "smoothgrad_sq" or "vargrad".
        samples: noisy copies per input, >= 1.
        stdev: of the Gaussian noise, in normalised input units, >= 0.
        seed: with the picture's values it fixes the noise.
    """
    with one_at_a_time:
        from captum.attr import NoiseTunnel

    tunnel = NoiseTunnel(Computed(model, compute))
    maps = []
    for x, one in zip(inputs.split(1), target.split(1), strict=True):
        # One copy at a time: methods that keep a graph then need the memory of one input.
        with _Seeded(generator_for(x, seed), float(stdev), x.dtype):
            maps.append(
                tunnel.attribute(
                    x,
                    nt_type=kind,
                    nt_samples=samples,
                    nt_samples_batch_size=1,
                    stdevs=float(stdev),
                    target=one,
                )
            )
    return torch.cat(maps).detach()


def gradient_shap(
    model: nn.Module,
    inputs: Tensor,
    target: Tensor,
    samples: int = 5,
    stdev: float = 0.0,
    baseline: float = 0.0,
    seed: int = 0,
) -> Tensor:
    """Mean over samples of (x' - b) * grad f(b + alpha (x' - b)), x' = x + noise, alpha ~ U(0, 1).

    Captum's GradientShap with a constant baseline, and its numbers for the same draws (tested). It is written
    out because Captum takes alpha from NumPy's process-wide generator: to borrow, seed and give that back
    would change what other threads draw meanwhile.

    Args:
        model: network in eval mode.
        inputs: checked batch (B, C, H, W).
        target: (B,) int64.
        samples: random points per input, >= 1.
        stdev: of the Gaussian noise on the input, in normalised input units, >= 0.
        baseline: b, every value of the reference input.
        seed: with the picture's values it fixes the points.
    """

    def ends(x: Tensor, generator: torch.Generator) -> tuple[Tensor, Tensor]:
        noise = torch.randn(x.shape, generator=generator, dtype=torch.float64).to(x)
        return torch.full_like(x, baseline), x + stdev * noise

    return _on_random_points(model, inputs, target, samples, seed, ends)


def expected_gradients(
    model: nn.Module,
    inputs: Tensor,
    target: Tensor,
    samples: int = 25,
    baselines: Tensor | str | None = None,
    seed: int = 0,
) -> Tensor:
    """Mean over samples of (x - b) * grad f(b + alpha (x - b)), b drawn from a set, alpha ~ U(0, 1).

    Integrated gradients averaged over baselines (Erion et al. 2021, eq. 5), which spares the choice of one.
    In expectation the map sums to f(x) less the mean of f over the set.

    Args:
        model: network in eval mode.
        inputs: checked batch (B, C, H, W).
        target: (B,) int64.
        samples: random points per input, >= 1.
        baselines: pictures (N, C, H, W) that the model could be given, training pictures say, or the name
            of a `.npy` file that holds them; None for plain pictures whose colour is N(0, 1) per channel, as
            that of a normalised data set.
        seed: with the picture's values it fixes baselines and points.

    Raises:
        InputError: a file that cannot be read, or pictures of another shape than the inputs.
    """
    given = None if baselines is None else _set_of(baselines, inputs)

    def ends(x: Tensor, generator: torch.Generator) -> tuple[Tensor, Tensor]:
        if given is None:
            colour = torch.randn(x.shape[1], generator=generator, dtype=torch.float64)
            return colour.to(x).view(1, -1, 1, 1).expand_as(x), x
        return given[int(torch.randint(len(given), (), generator=generator))].unsqueeze(0), x

    return _on_random_points(model, inputs, target, samples, seed, ends)


def _set_of(baselines: Tensor | str, inputs: Tensor) -> Tensor:
    wanted = tuple(inputs.shape[1:])
    if isinstance(baselines, str):
        try:
            baselines = torch.from_numpy(np.load(baselines, allow_pickle=False))
        except (OSError, ValueError, TypeError) as error:
            raise InputError(
                f"Expected baselines as a .npy file of pictures (N, *{wanted}); {baselines} cannot be read: "
                f"{error}"
            ) from error
    if baselines.shape[1:] != wanted or not len(baselines):
        raise InputError(f"Expected baselines (N, *{wanted}) with N >= 1, got {tuple(baselines.shape)}.")
    return baselines.to(inputs)


def _on_random_points(
    model: nn.Module,
    inputs: Tensor,
    target: Tensor,
    samples: int,
    seed: int,
    ends: Callable[[Tensor, torch.Generator], tuple[Tensor, Tensor]],
) -> Tensor:
    """Mean of (b - a) * grad f(a + alpha (b - a)); `ends` draws a and b for one picture (1, C, H, W)."""
    forward, maps = logits_of(model), []
    for x, one in zip(inputs.split(1), target.split(1), strict=True):
        generator, total = generator_for(x, seed), torch.zeros_like(x)
        for _ in range(samples):
            alpha = torch.rand((), generator=generator, dtype=torch.float64).to(x)
            start, end = ends(x, generator)
            with torch.enable_grad():
                leaf = (start + alpha * (end - start)).detach().requires_grad_()
                (gradient,) = torch.autograd.grad(forward(leaf)[0, one], leaf)
            total += (end - start) * gradient
        maps.append(total / samples)
    return torch.cat(maps)
