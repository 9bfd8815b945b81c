"""Local linearity of a frozen path: how far the input may move before a neuron of the path switches.

In mode freeze the neurons outside the path are constants, so with piecewise-linear activations the network is
affine on every ball in which no neuron of the path switches (SCP Prop. 4, 5). The largest such l2 ball
around x has

    radius = min_j |z_j| / ||grad_x z_j||        over the path's neurons of nonzero gradient    (SCP eq. 6, 7)

with z_j the distance of the pre-activation to its nearest kink. Max pooling and rectified class scores have
switches of their own, which are no neurons: the equation leaves them out, and `affine_error` shows what that
costs.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from pruneattr_core import tape
from pruneattr_core.activations import Activation, Watch
from pruneattr_core.brief import brief
from pruneattr_core.checks import Target, check_inputs, check_target, resolve_target
from pruneattr_core.errors import InputError, ModelError
from pruneattr_core.graph import bytes_each
from pruneattr_core.runtime import within_budget
from pruneattr_core.values import Path

Progress = Callable[[int, int], None]

#: A radius found fast is, but for its risk, at most the true one divided by this.
_CLOSE = 0.95


@dataclass(frozen=True)
class Radius:
    """The ball of a frozen path; every field has the batch first.

    Attributes:
        value: (B,) the smallest |z_j| / ||grad z_j|| found; inf where no neuron of the path moves. Exact
            where `risk` is 0, otherwise an upper bound.
        normal: shape of the inputs: unit direction in which the first neuron switches, at distance `value`.
        call: (B,) int64, activation call of that neuron; -1 where there is none.
        checked: (B,) int64, neurons of the path whose gradient was computed exactly.
        neurons: (B,) int64, neurons of the path.
        risk: (B,) bound on the probability that a neuron of smaller ratio was missed (by more than 5 % where
            a risk was allowed); 0 when all are known.
    """

    value: Tensor
    normal: Tensor
    call: Tensor
    checked: Tensor
    neurons: Tensor
    risk: Tensor

    __repr__ = brief


@dataclass(frozen=True)
class AffineError:
    """|f_p(x + d) - f_p(x) - grad f_p(x) . d| of the frozen network on spheres around x.

    Attributes:
        factors: (K,) radii of the spheres in units of the ball's radius.
        error: (K, B) largest over the directions tried, in logit units.
        change: (K, B) mean |grad f_p(x) . d| over those directions: what the error compares with.
    """

    factors: tuple[float, ...]
    error: Tensor
    change: Tensor

    __repr__ = brief


def _to_kink(found: Activation) -> Tensor:
    """The distance of every pre-activation to its nearest kink, attached to the graph."""
    to_kinks = [found.before - kink for kink in found.kinks] or [torch.full_like(found.before, torch.inf)]
    nearest = to_kinks[0]
    for other in to_kinks[1:]:
        nearest = torch.where(nearest.abs() <= other.abs(), nearest, other)
    return nearest


class Frozen:
    """The network of one image in which everything outside the path is a constant.

    Attributes:
        model: the network, untouched.
        image: (1, C, H, W).
        masks: bool (1, *shape) per activation call, the path.
        constants: (1, *shape) per call, what the others stay.
        logits: (1, classes).

    Raises:
        ModelError: an activation that is not piecewise linear.
    """

    def __init__(self, model: nn.Module, image: Tensor, masks: Sequence[Tensor], class_scores: bool) -> None:
        self.model, self.image, self.masks, self.class_scores = model, image, masks, class_scores
        with torch.no_grad():
            record = tape.run(model, image.clone(), class_scores=class_scores)
        if not all(record.piecewise_linear):
            smooth = record.names[record.piecewise_linear.index(False)]
            raise ModelError(
                f"Local linearity needs piecewise-linear activations (ReLU and its kin); {smooth} is smooth, "
                "so its network is affine nowhere."
            )
        self.constants, self.logits = record.activations, record.logits

    def run(self, given: Tensor) -> tuple[list[Tensor], Tensor]:
        """Pre-activation distances per call and logits for inputs (n, C, H, W) near the image."""
        return self.seen(given, _to_kink)

    def seen(self, given: Tensor, keep: Callable[[Activation], Tensor]) -> tuple[list[Tensor], Tensor]:
        """What `keep` makes of every activation call, and logits, for inputs near the image."""

        def gate(call: int, activation: Tensor) -> Tensor:
            return torch.where(self.masks[call], activation, self.constants[call])

        with Watch(keep) as watch:
            record = tape.run(self.model, given, gate, class_scores=self.class_scores)
        # A network that works in place on activations is run twice; the last run is the one that counts.
        last = watch.seen[-record.total :]
        return [last[call] for call in record.calls], record.logits

    def tangents(self, directions: Tensor) -> list[Tensor]:
        """(n, path's neurons of the call) derivative of z_j along each of n directions, per call.

        As the derivative of (J^T u) . v by u, which needs reverse mode only.
        """
        with torch.enable_grad():
            leaf = self.image.expand_as(directions).contiguous().requires_grad_()
            distances, _ = self.run(leaf.clone())
            moving = [z for z in distances if z.requires_grad]
            weights = [torch.zeros_like(z, requires_grad=True) for z in moving]
            (pulled,) = torch.autograd.grad(moving, leaf, weights, create_graph=True)
            pushed = iter(torch.autograd.grad((pulled * directions).sum(), weights, allow_unused=True))
        found = []
        for z, mask in zip(distances, self.masks, strict=True):
            moved = next(pushed) if z.requires_grad else None
            moved = torch.zeros_like(z) if moved is None else moved
            found.append(moved.detach().flatten(1)[:, mask.flatten()])
        return found

    def gradients(self, calls: Tensor, places: Tensor) -> Tensor:
        """(n, C, H, W) gradient of z of n neurons, given by call and flat index in the call."""
        with torch.enable_grad():
            leaf = self.image.expand(len(calls), *self.image.shape[1:]).contiguous().requires_grad_()
            distances, _ = self.run(leaf.clone())
            picked = []
            for call, z in enumerate(distances):
                rows = (calls == call).nonzero().flatten()
                if len(rows) and z.requires_grad:
                    picked.append(z.flatten(1)[rows, places[rows]].sum())
            if not picked:
                return torch.zeros_like(leaf)
            (gradient,) = torch.autograd.grad(torch.stack(picked).sum(), leaf)
            return gradient


def linear_radius(
    model: nn.Module,
    inputs: Tensor,
    path: Path,
    passes: int = 4096,
    probes: int = 64,
    seed: int = 0,
    progress: Progress | None = None,
    risk: float | None = None,
) -> Radius:
    """Radius of the ball around each input in which the frozen path is affine (SCP eq. 6).

    Exact with one backward pass per neuron of the path, or one directional derivative per input value if
    those are fewer. Where both exceed `passes`, `probes` random directions v estimate every ||grad z_j||^2
    as the mean of (grad z_j . v)^2, and neurons are checked exactly in order of the estimated ratio until
    it is twice the smallest ratio found or `passes` are spent; `Radius.risk` bounds the chance of having
    missed a smaller one.

    With `risk` the radius is found in seconds instead: directions are probed and neurons checked in float32
    until the chance of having missed a ratio more than 5 % smaller is at most that. Distances to kinks, and
    the ratio of the neuron found, are in the precision of the inputs; rounding of the probes enters as
    measured along one of them.

    Args:
        model: classifier in eval mode with piecewise-linear activations; left untouched.
        inputs: normalised batch (B, C, H, W); float64 is advised.
        path: of these inputs.
        passes: most passes per image.
        probes: random directions of the estimate.
        seed: of those directions.
        progress: called with (images done, B); may raise to stop.
        risk: None for the exact radius where `passes` allow it; in (0, 1) for a fast one, see above.

    Raises:
        InputError: the path belongs to other inputs, a count is < 1, or a risk outside (0, 1).
        ModelError: smooth activations, none, or training mode.
    """
    inputs = check_inputs(model, inputs)
    if len(path) != len(inputs):
        raise InputError(f"Expected the path of {len(inputs)} inputs, got one of {len(path)}.")
    if passes < 1 or probes < 1:
        raise InputError(f"Expected passes and probes >= 1, got {passes!r} and {probes!r}.")
    if risk is not None and not 0 < risk < 1:
        raise InputError(f"Expected a risk between 0 and 1, or None for the exact radius; got {risk!r}.")
    coarse = copy.deepcopy(model).float() if risk is not None and inputs.dtype == torch.float64 else model
    found = []
    for image in range(len(inputs)):
        x = inputs[image : image + 1]
        masks = [mask[image : image + 1].to(inputs.device) for mask in path.layers]
        frozen = Frozen(model, x, masks, path.class_scores)
        rough = frozen if coarse is model else Frozen(coarse, x.float(), masks, path.class_scores)
        found.append(_one(frozen, rough, passes, probes, seed, risk))
        if progress is not None:
            progress(image + 1, len(inputs))
    value, normal, call, checked, neurons, missed = zip(*found, strict=True)
    return Radius(
        torch.stack(value).double(),
        torch.cat(normal),
        torch.tensor(call),
        torch.tensor(checked),
        torch.tensor(neurons),
        torch.tensor(missed, dtype=torch.float64),
    )


def _one(
    frozen: Frozen, rough: Frozen, passes: int, probes: int, seed: int, allowed: float | None
) -> tuple[Tensor, Tensor, int, int, int, float]:
    image = frozen.image
    with torch.no_grad():
        distances, _ = frozen.run(image.clone())
    at = [mask.flatten().nonzero().flatten() for mask in frozen.masks]
    calls = torch.cat([torch.full_like(where, call) for call, where in enumerate(at)])
    places = torch.cat(at)
    distance = torch.cat([z.flatten()[where].abs() for z, where in zip(distances, at, strict=True)])
    count = len(distance)
    if count == 0:
        return torch.tensor(torch.inf), torch.zeros_like(image), -1, 0, 0, 0.0
    generator = torch.Generator().manual_seed(seed)
    exact_norms = allowed is None and image.numel() < count and image.numel() <= passes
    if exact_norms:
        directions = torch.eye(image.numel(), dtype=image.dtype, device=image.device).view(
            -1, *image.shape[1:]
        )
    else:
        shape = (probes, *image.shape[1:])
        directions = torch.randn(shape, generator=generator, dtype=torch.float64).to(image)
    every = count <= (passes if allowed is None else min(passes, probes)) and not exact_norms
    if every:
        ratio = torch.zeros_like(distance)
    else:
        square = torch.zeros_like(distance)
        for part in within_budget(len(directions), 3 * bytes_each(image), image.device):
            given = directions[part].to(rough.image)
            square += torch.cat(rough.tangents(given), 1).to(image).square().sum(0)
        norm = (square if exact_norms else square / probes).sqrt()
        if rough is not frozen:
            norm += torch.where(norm > 0, _rounding(frozen, rough, directions[:1]), 0)
        ratio = torch.where(norm > 0, distance / norm, torch.inf)
    order = ratio.argsort()
    best, checked, nearest, normal = (
        torch.tensor(torch.inf, dtype=image.dtype),
        0,
        -1,
        torch.zeros_like(image),
    )
    limit = 1 if exact_norms else passes
    size = next(iter(within_budget(min(limit, count), bytes_each(image), image.device))).stop
    size, most = min(size, 64 if every else 4), min(size, 64)
    while checked < min(limit, count):
        if allowed is None and not every and float(ratio[order[checked]]) >= 2 * float(best):
            break
        if allowed is not None and _risk(ratio[order[checked:]], _CLOSE * float(best), probes) <= allowed:
            break
        which = order[checked : min(checked + size, limit)]
        size = min(2 * size, most)
        gradients = rough.gradients(calls[which], places[which]).to(image)
        norms = gradients.flatten(1).norm(dim=1)
        true = torch.where(norms > 0, distance[which] / norms, torch.inf)
        k = int(true.argmin())
        if true[k] < best:
            best, nearest = true[k].cpu(), int(which[k])
            normal = gradients[k : k + 1] / norms[k]
        checked += len(which)
    if nearest >= 0 and rough is not frozen:
        normal = frozen.gradients(calls[nearest : nearest + 1], places[nearest : nearest + 1])
        best, normal = (distance[nearest] / normal.norm()).cpu(), normal / normal.norm()
    if nearest >= 0:
        z = distances[int(calls[nearest])].flatten()[places[nearest]]
        normal = -normal * (torch.sign(z) if z != 0 else 1)
    if every or exact_norms:
        return best, normal, int(calls[nearest]) if nearest >= 0 else -1, count, count, 0.0
    risk = _risk(ratio[order[checked:]], float(best) * (1 if allowed is None else _CLOSE), probes)
    return best, normal, int(calls[nearest]) if nearest >= 0 else -1, checked, count, risk


def _rounding(frozen: Frozen, rough: Frozen, direction: Tensor) -> Tensor:
    """Four times the largest error of a probe in each call, for every neuron of the path."""
    pairs = zip(frozen.tangents(direction), rough.tangents(direction.to(rough.image)), strict=True)
    errors = [(fine - found.to(fine)).abs() for fine, found in pairs]
    return torch.cat([4 * e.amax().expand(e.numel()) if e.numel() else e.flatten() for e in errors])


def _risk(unchecked: Tensor, best: float, probes: int) -> float:
    """Union bound: a ratio < best was estimated at c * best or more, so chi^2 was <= probes / c^2."""
    estimated = unchecked[torch.isfinite(unchecked)].double()
    if not len(estimated):
        return 0.0
    half = estimated.new_tensor(probes / 2)
    shrunk = (best / estimated).square().nan_to_num(torch.inf, torch.inf)
    return min(1.0, float(torch.special.gammainc(half, half * shrunk).sum()))


def affine_error(
    model: nn.Module,
    inputs: Tensor,
    path: Path,
    radius: Tensor,
    target: Target = None,
    factors: Sequence[float] = (0.5, 0.99, 2.0, 10.0),
    directions: int = 16,
    seed: int = 0,
    normal: Tensor | None = None,
) -> AffineError:
    """Measure how affine the frozen network is inside and outside its ball.

    Args:
        model: as in `linear_radius`.
        inputs: as in `linear_radius`.
        path: as in `linear_radius`.
        radius: (B,) of the balls; finite.
        target: None for the predicted class; int, list or tensor as in Captum.
        factors: radii of the spheres in units of `radius`.
        directions: random directions per sphere.
        seed: of the directions.
        normal: shape of the inputs, `Radius.normal`: tried beside the random ones. In many dimensions those
            hardly approach a kink, so what happens just outside the ball shows along this one alone.

    Raises:
        InputError: a radius that is not finite, or another batch size.
        TargetError: a target out of range.
        ModelError: as in `linear_radius`.
    """
    inputs = check_inputs(model, inputs)
    if len(path) != len(inputs) or radius.shape != (len(inputs),) or not bool(torch.isfinite(radius).all()):
        raise InputError("Expected one path and one finite radius for every input.")
    chosen = check_target(target, len(inputs))
    error = torch.zeros(len(factors), len(inputs), dtype=torch.float64)
    change = torch.zeros_like(error)
    generator = torch.Generator().manual_seed(seed)
    for image in range(len(inputs)):
        x = inputs[image : image + 1]
        masks = [mask[image : image + 1].to(x.device) for mask in path.layers]
        frozen = Frozen(model, x, masks, path.class_scores)
        own = int(resolve_target(frozen.logits, None if chosen is None else chosen[image : image + 1]))
        with torch.enable_grad():
            leaf = x.clone().requires_grad_()
            logit = frozen.run(leaf.clone())[1][0, own]
            gradient = torch.autograd.grad(logit, leaf)[0] if logit.requires_grad else torch.zeros_like(leaf)
        shape = (directions, *x.shape[1:])
        ways = torch.randn(shape, generator=generator, dtype=torch.float64).to(x)
        ways = ways / ways.flatten(1).norm(dim=1).view(-1, *[1] * (x.ndim - 1))
        if normal is not None:
            ways = torch.cat([ways, normal[image : image + 1].to(x)])
        for k, factor in enumerate(factors):
            steps = ways * float(radius[image]) * factor
            linear = (steps * gradient).flatten(1).sum(1)
            with torch.no_grad():
                real = frozen.run(x + steps)[1][:, own] - logit.detach()
            error[k, image] = float((real - linear).abs().max())
            change[k, image] = float(linear.abs().mean())
    return AffineError(tuple(float(f) for f in factors), error, change)
