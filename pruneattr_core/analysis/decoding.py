"""Path decoding: the input that a path, or its top neuron, responds to most (SCP section 2.4).

Gradient ascent on an image, in the parametrisations and under the transformations of Lucid (Olah,
Mordvintsev, Schubert: Feature Visualization, Distill 2017). A path is restricted in mode zero: its masks
are fixed, neurons outside it are multiplied by 0. A rectifier passes no gradient to a neuron that is silent;
while it is, the ascent climbs what goes into the rectifier, as Lucid redirects ReLU gradients in its first
steps.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from pruneattr_core import tape
from pruneattr_core.activations import Watch
from pruneattr_core.brief import brief
from pruneattr_core.critical_path import Path
from pruneattr_core.errors import InputError, TargetError
from pruneattr_core.one_of import is_one_of
from pruneattr_core.pruning import zero_gate
from pruneattr_core.same import same
from pruneattr_core.values import Contributions

Parametrisation = Literal["pixel", "fourier"]

# Square root of the covariance of colours in ImageNet photographs, as published with Lucid.
_COLOUR_ROOT = ((0.26, 0.09, 0.02), (0.27, 0.00, -0.05), (0.27, -0.09, 0.03))


@dataclass(frozen=True)
class Neuron:
    """One activation of the network.

    Attributes:
        call: index of its activation call.
        place: flat index in the call, C order.
    """

    call: int
    place: int


@dataclass(frozen=True)
class Recipe:
    """How an image is optimised.

    Attributes:
        parametrisation: "pixel" optimises values, "fourier" amplitudes scaled by 1 / frequency.
        decorrelate: whether channels are combined by the colour covariance of photographs (3 channels only).
        steps: of Adam.
        rate: learning rate of Adam.
        jitter: largest shift in pixels; 0 for none.
        scale: largest relative zoom in or out; 0 for none.
        rotate: largest angle in degrees; 0 for none.
        seed: of the start and the transformations.
    """

    parametrisation: Parametrisation = "fourier"
    decorrelate: bool = True
    steps: int = 256
    rate: float = 0.05
    jitter: int = 8
    scale: float = 0.1
    rotate: float = 5.0
    seed: int = 0

    def __post_init__(self) -> None:
        """Check ranges."""
        if not is_one_of(self.parametrisation, ("pixel", "fourier")):
            raise InputError(f'Expected parametrisation "pixel" or "fourier", got {self.parametrisation!r}.')
        if self.steps < 1 or not self.rate > 0:
            raise InputError(f"Expected steps >= 1 and rate > 0, got {self.steps!r} and {self.rate!r}.")
        if self.jitter < 0 or not 0 <= self.scale < 1 or self.rotate < 0:
            raise InputError("Expected jitter >= 0, scale in [0, 1) and rotate >= 0.")


@dataclass(frozen=True, eq=False)
class Decoded:
    """One step of a decoding.

    Attributes:
        step: 0 for the start, `Recipe.steps` for the end.
        image: (C, H, W) in [0, 1], float32 on the CPU.
        response: of the objective to that image, without transformation.
    """

    step: int
    image: Tensor
    response: float

    __repr__ = brief
    __eq__ = same


def top_neuron(scores: Contributions, path: Path | None = None, image: int = 0) -> Neuron:
    """The neuron of a path that contributes most.

    Args:
        scores: contributions of a batch.
        path: of the same batch; None for all neurons.
        image: index in the batch.

    Raises:
        InputError: the path keeps nothing.
    """
    best, found = -math.inf, None
    for call, layer in enumerate(scores.layers):
        values = layer[image].flatten()
        if path is not None:
            values = torch.where(path.layers[call][image].flatten(), values, -math.inf)
        place = int(values.argmax())
        if float(values[place]) > best:
            best, found = float(values[place]), Neuron(call, place)
    if found is None:
        raise InputError("The path keeps no neuron, so it has no top neuron. Choose a lower sparsity.")
    return found


def decode(
    model: nn.Module,
    objective: int | Neuron,
    size: Sequence[int],
    mean: Sequence[float],
    std: Sequence[float],
    path: Path | None = None,
    recipe: Recipe | None = None,
    every: int = 16,
) -> Iterator[Decoded]:
    """Maximise a logit or a neuron over images, restricted to a path; yields the image as it grows.

    Nothing runs before the first step is asked for, and closing the generator stops it. Random numbers come
    from a generator of its own: the same recipe gives the same images, and the global one is left alone.

    Args:
        model: classifier in eval mode; left untouched.
        objective: class whose logit is maximised, or a neuron.
        size: (C, H, W) of the image, which must be that of the path's input.
        mean: per channel, of the normalisation (image - mean) / std the model expects.
        std: per channel.
        path: of one input; None for the original network.
        recipe: how to optimise; None for `Recipe()`.
        every: steps between two images; the start and the end always come.

    Raises:
        InputError: a path of several inputs or another size, mean or std of another number of channels, or
            a neuron that does not exist.
        TargetError: a class that does not exist.
        ModelError: no activations, or training mode.
    """
    recipe = Recipe() if recipe is None else recipe
    if path is not None and len(path) != 1:
        raise InputError(f"Expected the path of one input, got {len(path)}; choose one with path[i].")
    if every < 1:
        raise InputError(f"Expected every >= 1, got {every!r}.")
    if len(size) != 3 or not len(mean) == len(std) == size[0]:
        raise InputError(
            f"Expected a size (C, H, W) and C of mean and std, got {tuple(size)}, {len(mean)} and {len(std)}."
        )
    return _ascend(model, objective, tuple(size), tuple(mean), tuple(std), path, recipe, every)


def _ascend(
    model: nn.Module,
    objective: int | Neuron,
    size: tuple[int, ...],
    mean: tuple[float, ...],
    std: tuple[float, ...],
    path: Path | None,
    recipe: Recipe,
    every: int,
) -> Iterator[Decoded]:
    parameter = next(model.parameters())
    kind = {"dtype": parameter.dtype, "device": parameter.device}
    shift, spread = (torch.tensor(values).to(parameter).view(1, -1, 1, 1) for values in (mean, std))
    masks = None if path is None else path.to(parameter.device).layers
    class_scores = path is not None and path.class_scores
    generator = torch.Generator().manual_seed(recipe.seed)
    weights, paint = _start(size, recipe, generator, kind)

    def respond(picture: Tensor, waking: bool = False) -> Tensor:
        gate = None if masks is None else zero_gate(masks)
        with Watch(lambda found: found.before) as before:
            record = tape.run(model, (picture - shift) / spread, gate, class_scores=class_scores)
        value = _response(record, objective)
        if waking and isinstance(objective, Neuron) and value.item() == 0:
            # The tape may have run twice; its calls are the last ones.
            call = record.calls[objective.call] - record.total
            value = before.seen[call].flatten()[objective.place]
        return value

    def look(step: int) -> Decoded:
        with torch.inference_mode(False), torch.no_grad():
            picture = paint(weights)
            return Decoded(step, picture[0].float().cpu(), float(respond(picture)))

    moments = torch.zeros_like(weights), torch.zeros_like(weights)
    yield look(0)
    for step in range(1, recipe.steps + 1):
        with torch.inference_mode(False), torch.enable_grad():
            leaf = weights.detach().requires_grad_()
            value = respond(_transform(paint(leaf), recipe, generator), waking=True)
            gradient = torch.autograd.grad(value, leaf)[0] if value.requires_grad else torch.zeros_like(leaf)
        weights = _adam(weights, gradient, moments, step, recipe.rate)
        if step % every == 0 or step == recipe.steps:
            yield look(step)


def _response(record: tape.Record, objective: int | Neuron) -> Tensor:
    if isinstance(objective, Neuron):
        if not 0 <= objective.call < len(record.activations):
            raise InputError(
                f"This network has {len(record.activations)} activation calls, not {objective.call}."
            )
        values = record.activations[objective.call].flatten()
        if not 0 <= objective.place < len(values):
            raise InputError(f"Call {objective.call} has {len(values)} neurons, not {objective.place}.")
        return values[objective.place]
    if not 0 <= objective < record.logits.shape[1]:
        raise TargetError(
            f"Target {objective} does not exist: this model has classes 0 to {record.logits.shape[1] - 1}."
        )
    return record.logits[0, objective]


def _start(
    size: tuple[int, ...], recipe: Recipe, generator: torch.Generator, kind: dict[str, object]
) -> tuple[Tensor, Callable[[Tensor], Tensor]]:
    """Weights to optimise and the function that paints them as an image (1, C, H, W) in [0, 1]."""
    channels, height, width = size
    root = torch.tensor(_COLOUR_ROOT, **kind)  # type: ignore[arg-type]
    root = root / root.norm(dim=0).max()
    if recipe.parametrisation == "pixel":
        first = 0.01 * torch.randn(size, generator=generator, dtype=torch.float64)
    else:
        fy = torch.fft.fftfreq(height, dtype=torch.float64).view(-1, 1)
        fx = torch.fft.rfftfreq(width, dtype=torch.float64).view(1, -1)
        scale = (height * width) ** 0.5 / torch.hypot(fy, fx).clamp(min=1 / max(height, width))
        first = 0.01 * torch.randn(channels, *scale.shape, 2, generator=generator, dtype=torch.float64)
        scale = scale.to(**kind)

    def paint(weights: Tensor) -> Tensor:
        picture = weights
        if recipe.parametrisation == "fourier":
            spectrum = torch.view_as_complex(weights) * scale
            picture = torch.fft.irfft2(spectrum, s=(height, width)) / 4
        if recipe.decorrelate and channels == 3:
            picture = torch.einsum("dc,chw->dhw", root, picture)
        return torch.sigmoid(picture)[None]

    return first.to(**kind), paint  # type: ignore[call-overload]


def _transform(picture: Tensor, recipe: Recipe, generator: torch.Generator) -> Tensor:
    """Shifted, zoomed and turned, of the same size; outside is grey."""
    if not (recipe.jitter or recipe.scale or recipe.rotate):
        return picture
    height, width = picture.shape[2:]
    across, down, zoom, turn = (2 * torch.rand(4, generator=generator, dtype=torch.float64) - 1).tolist()
    angle, zoom = math.radians(turn * recipe.rotate), 1 + zoom * recipe.scale
    cos, sin = math.cos(angle) / zoom, math.sin(angle) / zoom
    dx, dy = 2 * across * recipe.jitter / width, 2 * down * recipe.jitter / height
    matrix = [[cos, -sin * height / width, dx], [sin * width / height, cos, dy]]
    theta = torch.tensor([matrix], dtype=picture.dtype, device=picture.device)
    grid = F.affine_grid(theta, list(picture.shape), align_corners=False)
    return F.grid_sample(picture - 0.5, grid, align_corners=False) + 0.5


def _adam(
    weights: Tensor, gradient: Tensor, moments: tuple[Tensor, Tensor], step: int, rate: float
) -> Tensor:
    """One step of Adam upwards; `moments` are brought up to date."""
    first, second = moments
    first.mul_(0.9).add_(gradient, alpha=0.1)
    second.mul_(0.999).addcmul_(gradient, gradient, value=0.001)
    return weights + rate * (first / (1 - 0.9**step)) / ((second / (1 - 0.999**step)).sqrt() + 1e-8)
