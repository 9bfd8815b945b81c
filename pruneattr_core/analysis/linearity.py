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

from pruneattr_core.analysis.frozen import Frozen
from pruneattr_core.brief import brief
from pruneattr_core.checks import Target, check_inputs, check_target, resolve_target
from pruneattr_core.critical_path import Path
from pruneattr_core.errors import InputError
from pruneattr_core.given import check_progress
from pruneattr_core.graph import bytes_each
from pruneattr_core.runtime import Tick, own_modes, within_budget
from pruneattr_core.same import same

#: A radius found fast is, but for its risk, at most the true one divided by this.
_CLOSE = 0.95


@dataclass(frozen=True, eq=False)
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
    __eq__ = same


@dataclass(frozen=True, eq=False)
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
    __eq__ = same


@own_modes()
def linear_radius(
    model: nn.Module,
    inputs: Tensor,
    path: Path,
    passes: int = 4096,
    probes: int = 64,
    seed: int = 0,
    progress: Tick | None = None,
    risk: float | None = None,
) -> Radius:
    """Radius of the ball around each input in which the frozen path is affine (SCP eq. 6).

    Exact with one backward pass per neuron of the path, or one directional derivative per input value if
    those are fewer: in float32, and every neuron that may be the nearest within their rounding, as measured
    along a random direction, once more in the precision of the inputs. Where both exceed `passes`, `probes`
    random directions v estimate every ||grad z_j||^2 as the mean of (grad z_j . v)^2, and neurons are checked
    exactly in order of the estimated ratio until it is twice the smallest ratio found or `passes` are spent;
    `Radius.risk` bounds the chance of having missed a smaller one.

    With `risk` the radius is found in seconds instead: directions are probed, a quarter of `probes`, half or
    all of them, and neurons checked in float32 until the chance of having missed a ratio more than 5 %
    smaller is at most that. Distances to kinks, and the ratio of the neuron found, are in the precision of
    the inputs; rounding of the probes enters as measured along one of them.

    Args:
        model: classifier in eval mode with piecewise-linear activations; left untouched.
        inputs: normalised batch (B, C, H, W); float64 is advised.
        path: of these inputs.
        passes: most passes per image.
        probes: random directions of the estimate, at most.
        seed: of those directions.
        progress: called with (images done, B); may raise to stop.
        risk: None for the exact radius where `passes` allow it; in (0, 1) for a fast one, see above.

    Raises:
        InputError: the path belongs to other inputs, a count is < 1, or a risk outside (0, 1).
        ModelError: smooth activations, none, or training mode.
    """
    check_progress(progress)
    inputs = check_inputs(model, inputs)
    if len(path) != len(inputs):
        raise InputError(f"Expected the path of {len(inputs)} inputs, got one of {len(path)}.")
    if passes < 1 or probes < 1:
        raise InputError(f"Expected passes and probes >= 1, got {passes!r} and {probes!r}.")
    if risk is not None and not 0 < risk < 1:
        raise InputError(f"Expected a risk between 0 and 1, or None for the exact radius; got {risk!r}.")
    exact = risk is None and inputs[0].numel() <= passes
    coarse = (
        copy.deepcopy(model).float()
        if inputs.dtype == torch.float64 and (exact or risk is not None)
        else model
    )
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
    image, search = frozen.image, _Search(frozen)
    count = len(search.distance)
    shape = (probes, *image.shape[1:])
    generator = torch.Generator().manual_seed(seed)
    directions = torch.randn(shape, generator=generator, dtype=torch.float64).to(image)
    if allowed is None and image.numel() < count and image.numel() <= passes:
        eye = torch.eye(image.numel(), dtype=image.dtype, device=image.device)
        norm = search.squares(rough, eye.view(-1, *image.shape[1:])).sqrt()
        ratio = search.ratio(norm, rough, directions[:1])
        missed = search.check(ratio, frozen, passes, lambda left: float(float(left[0]) < float(search.best)))
        search.known |= missed == 0  # each norm is, up to rounding that cannot matter
    elif count <= (passes if allowed is None else min(passes, probes)):
        by = frozen if allowed is None else rough
        missed = search.check(torch.zeros_like(search.distance), by, passes, lambda _: 1.0)
    elif allowed is None:
        ratio = search.ratio((search.squares(frozen, directions) / probes).sqrt(), frozen, directions[:1])

        def left_over(left: Tensor) -> float:
            return _risk(left, float(search.best), probes)

        search.check(ratio, frozen, passes, lambda left: float(float(left[0]) < 2 * float(search.best)))
        missed = left_over(ratio[~search.known])
    else:
        missed = _staged(search, rough, passes, directions, allowed)
    search.refine()
    call = int(search.calls[search.nearest]) if search.nearest >= 0 else -1
    return search.best.cpu(), search.normal, call, int(search.known.sum()), count, missed


def _staged(search: _Search, rough: Frozen, passes: int, directions: Tensor, allowed: float) -> float:
    """Few probes first; more of them where few gradients do not bring the risk down. The risk reached.

    When to stop hangs on what was seen, so each stage gets an equal part of the risk.
    """
    stages = sorted({max(1, len(directions) // parts) for parts in (4, 2, 1)})
    square, used, missed = torch.zeros_like(search.distance), 0, 1.0
    for probes in stages:
        square += search.squares(rough, directions[used:probes])
        used = probes
        ratio = search.ratio((square / used).sqrt(), rough, directions[:1])

        def left_over(left: Tensor, probes: int = probes) -> float:
            return len(stages) * _risk(left, _CLOSE * float(search.best), probes)

        # Two gradients a probe: beyond that another stage of probes is the cheaper way.
        most = passes if probes == stages[-1] else min(passes, int(search.known.sum()) + 2 * probes)
        missed = search.check(ratio, rough, most, left_over, allowed)
        if missed <= allowed:
            break
    return min(1.0, missed)


class _Search:
    """The neurons of a path, and those whose distance to the picture is known.

    Attributes:
        distance: (n,) |z_j| in the precision of the inputs.
        calls: (n,) activation call of each.
        places: (n,) flat index in it.
        known: (n,) bool, whether its gradient was computed.
        best: the smallest ratio found so far, inf before.
        nearest: its neuron, -1 before.
        normal: (1, C, H, W) unit direction to where it switches.
    """

    def __init__(self, frozen: Frozen) -> None:
        self._frozen, image = frozen, frozen.image
        with torch.no_grad():
            self._z, _ = frozen.run(image.clone())
        at = [mask.flatten().nonzero().flatten() for mask in frozen.masks]
        self.calls = torch.cat([torch.full_like(where, call) for call, where in enumerate(at)])
        self.places = torch.cat(at)
        self.distance = torch.cat([z.flatten()[where].abs() for z, where in zip(self._z, at, strict=True)])
        self.known = torch.zeros_like(self.calls, dtype=torch.bool)
        self.best = torch.tensor(torch.inf, dtype=image.dtype, device=image.device)
        self.nearest, self.normal = -1, torch.zeros_like(image)
        self._by = frozen

    def squares(self, by: Frozen, directions: Tensor) -> Tensor:
        """(n,) sum over the directions of (grad z_j . v)^2."""
        total = torch.zeros_like(self.distance)
        for part in within_budget(len(directions), 3 * bytes_each(by.image), by.image.device):
            found = by.tangents(directions[part].to(by.image))
            total += torch.cat(found, 1).to(total).square().sum(0)
        return total

    def ratio(self, norm: Tensor, by: Frozen, direction: Tensor) -> Tensor:
        """(n,) distances over norms, made smaller by what `by` rounds along one direction; inf of norm 0."""
        if by is not self._frozen:
            pairs = zip(self._frozen.tangents(direction), by.tangents(direction.to(by.image)), strict=True)
            errors = [(fine - found.to(fine)).abs() for fine, found in pairs]
            rounding = [4 * e.amax().expand(e.numel()) if e.numel() else e.flatten() for e in errors]
            norm = norm + torch.where(norm > 0, torch.cat(rounding), 0)
        return torch.where(norm > 0, self.distance / norm, torch.inf)

    def check(
        self,
        ratio: Tensor,
        by: Frozen,
        most: int,
        risk: Callable[[Tensor], float],
        allowed: float = 0.0,
    ) -> float:
        """Compute gradients in order of `ratio` until `risk` of those left is allowed, or `most` are known.

        Returns:
            That risk; 0 when all neurons are known.
        """
        order = (~self.known).nonzero().flatten()
        order = order[ratio[order].argsort()]
        done, start = 0, int(self.known.sum())
        largest = next(iter(within_budget(64, bytes_each(by.image), by.image.device))).stop
        size = min(largest, 4)
        while done < len(order):
            missed = risk(ratio[order[done:]])
            if missed <= allowed or start + done >= most:
                return missed
            which = order[done : min(done + size, most - start)]
            self._measure(which, by)
            done, size = done + len(which), min(2 * size, largest)
        return 0.0

    def _measure(self, which: Tensor, by: Frozen) -> None:
        gradients = by.gradients(self.calls[which], self.places[which]).to(self.distance)
        norms = gradients.flatten(1).norm(dim=1)
        true = torch.where(norms > 0, self.distance[which] / norms, torch.inf)
        k = int(true.argmin())
        if true[k] < self.best:
            self.best, self.nearest, self._by = true[k], int(which[k]), by
            self.normal = gradients[k : k + 1] / norms[k]
        self.known[which] = True

    def refine(self) -> None:
        """The nearest neuron's ratio in the precision of the inputs, and its normal's sign."""
        if self.nearest < 0:
            return
        at = slice(self.nearest, self.nearest + 1)
        if self._by is not self._frozen:
            gradient = self._frozen.gradients(self.calls[at], self.places[at])
            self.best, self.normal = self.distance[self.nearest] / gradient.norm(), gradient / gradient.norm()
        z = self._z[int(self.calls[self.nearest])].flatten()[self.places[self.nearest]]
        self.normal = -self.normal * (torch.sign(z) if z != 0 else 1)


def _risk(unchecked: Tensor, best: float, probes: int) -> float:
    """Union bound: a ratio < best was estimated at c * best or more, so chi^2 was <= probes / c^2."""
    estimated = unchecked[torch.isfinite(unchecked)].double()
    if not len(estimated):
        return 0.0
    half = estimated.new_tensor(probes / 2)
    shrunk = (best / estimated).square().nan_to_num(torch.inf, torch.inf)
    return min(1.0, float(torch.special.gammainc(half, half * shrunk).sum()))


@own_modes()
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
            logit = frozen.answers(leaf.clone())[0, own]
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
                real = frozen.answers(x + steps)[:, own] - logit.detach()
            error[k, image] = float((real - linear).abs().max())
            change[k, image] = float(linear.abs().mean())
    return AffineError(tuple(float(f) for f in factors), error, change)
