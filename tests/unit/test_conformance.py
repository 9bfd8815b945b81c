"""Every method of the table keeps the same promises on every kind of network.

Where a method does not fit a network it says so instead, and which those are is written down here: no method
leaves the suite unnoticed.
"""

from __future__ import annotations

import importlib
import inspect
import itertools
import pkgutil
import threading
from contextlib import suppress

import numpy as np
import pytest
import torch
from torch import Tensor, nn

import networks
from pruneattr_core import attribution, circuits, paths, scoring
from pruneattr_core.attribution import METHODS, explain
from pruneattr_core.errors import Cancelled, InputError, ModelError, TargetError

#: Cheap settings for whatever method has these options.
_QUICK = {"steps": 3, "samples": 2}

#: Networks that call something else than ReLU, for methods that are defined by what ReLU passes back.
_SMOOTH = {"in_place", "gelu", "silu"}
#: Method -> networks it does not fit; every other pair is tested in full.
UNFIT = {
    **dict.fromkeys(("rectgrad", "guided_backprop", "deconvolution", "guided_gradcam"), _SMOOTH),
    **dict.fromkeys(("lrp", "lrp_alpha1_beta0", "excitation_backprop", "rap"), _SMOOTH),
}
FIT = [(m, n) for m, n in itertools.product(METHODS, networks.NAMES) if n not in UNFIT.get(m, ())]
#: Without networks that differ in arithmetic only: they fail, stop and run at once as the others do.
CALLS = [(m, n) for m, n in FIT if n not in ("branching", "inverted")]


def quick(method: str) -> dict[str, int]:
    return {name: value for name, value in _QUICK.items() if name in METHODS[method].options}


def globals_now() -> tuple[bytes, bytes, bool]:
    """State of what is process-wide: both random generators and gradient mode."""
    drawn = np.random.get_state()[1]  # noqa: NPY002  (it is the global one that must not move)
    return torch.random.get_rng_state().numpy().tobytes(), drawn.tobytes(), torch.is_grad_enabled()


@pytest.mark.parametrize("name", networks.NAMES)
@pytest.mark.parametrize("method", METHODS)
def test_one_protocol(method: str, name: str) -> None:
    net, x = networks.network(name), networks.inputs(2)
    before, kept, outside = networks.state(net), x.clone(), globals_now()
    reason = METHODS[method].supports(net, x)
    assert METHODS[method].supports(net) == reason
    assert (reason is None) == ((method, name) in FIT)
    if reason is not None:
        assert reason.endswith(".")
        with pytest.raises(ModelError, match="does not fit this network"):
            explain(net, x, None, method)
    else:
        shares: list[float] = []
        found = explain(net, x, None, method, progress=shares.append, **quick(method))
        assert shares == sorted(shares)
        assert shares[-1] == 1
        assert len(shares) == 1 or shares[-2] < 0.95  # no more passes than were foretold, or hardly more
        assert found.values.shape == (x.shape if METHODS[method].channels else (2, 1, 10, 10))
        assert (found.values.dtype, found.values.device) == (x.dtype, x.device)
        assert not found.values.requires_grad
        assert bool(torch.isfinite(found.values).all())
        assert METHODS[method].signed or bool((found.values >= 0).all())
        assert torch.equal(found.target, net(x).argmax(1))
        alone = [
            explain(net, x[i : i + 1], found.target[i], method, **quick(method)).values for i in range(2)
        ]
        assert torch.equal(torch.cat(alone), found.values)
    assert networks.state(net) == before
    assert torch.equal(x, kept)
    assert globals_now() == outside


@pytest.mark.parametrize("method", METHODS)
def test_a_mixed_batch_in_float32_equals_its_single_images(method: str) -> None:
    """In float32 a batch runs as one, so a target or a threshold could stray to a neighbour."""
    net, x = networks.network("plain", torch.float32), networks.inputs(4).float()
    predicted = net(x).argmax(1)
    assert len(set(predicted.tolist())) > 1
    assert predicted.tolist() != predicted.flip(0).tolist()
    together = explain(net, x, None, method, **quick(method)).values
    alone = torch.cat([explain(net, x[i : i + 1], None, method, **quick(method)).values for i in range(4)])
    torch.testing.assert_close(together, alone, rtol=1e-3, atol=1e-4 * float(alone.abs().max()))


@pytest.mark.parametrize("dtype", [torch.float64, torch.bfloat16])
@pytest.mark.parametrize("method", METHODS)
def test_what_torch_makes_tensors_of_does_not_matter(method: str, dtype: torch.dtype) -> None:
    net, x = networks.network("residual").float(), networks.inputs(1).float()
    usual = explain(net, x, 1, method, **quick(method)).values
    torch.set_default_dtype(dtype)
    try:
        found = explain(net, x, 1, method, **quick(method)).values
    finally:
        torch.set_default_dtype(torch.float32)
    assert found.dtype == torch.float32
    torch.testing.assert_close(found, usual, rtol=1e-5, atol=1e-6 * float(usual.abs().max()))


class _Casting(nn.Module):
    """Computes in double precision, whatever it is given."""

    def __init__(self, inner: nn.Module) -> None:
        super().__init__()
        self.inner = inner

    def forward(self, x: Tensor) -> Tensor:
        return self.inner(x.double())


@pytest.mark.parametrize("method", METHODS)
def test_a_network_may_cast_what_it_is_given(method: str) -> None:
    net, x = networks.network("residual"), networks.inputs(2).float()
    found = explain(_Casting(net).eval(), x, 1, method, **quick(method)).values
    assert found.dtype == torch.float32
    if "seed" in METHODS[method].options:  # what is drawn hangs on the picture's bytes
        assert bool(found.isfinite().all())
        return
    expected = explain(net, x.double(), 1, method, **quick(method)).values
    torch.testing.assert_close(found.double(), expected, rtol=1e-5, atol=1e-6 * float(expected.abs().max()))


def test_whether_a_network_casts_is_asked_without_leaving_a_trace() -> None:
    net = nn.Sequential(nn.BatchNorm2d(3), nn.ReLU(), nn.Flatten(), nn.Linear(3 * 10 * 10, 5)).double()
    casting, before = _Casting(net).train(), net[0].running_mean.clone()
    with pytest.raises(InputError, match=r"the model is torch\.float64"):
        explain(casting, networks.inputs(1).float(), 1, "saliency")
    assert torch.equal(net[0].running_mean, before)

    class Strict(_Casting):
        def forward(self, x: Tensor) -> Tensor:
            assert x.dtype == torch.float64
            return self.inner(x)

    with pytest.raises(InputError, match=r"the model is torch\.float64"):
        explain(Strict(networks.network("residual")).eval(), networks.inputs(1).float(), 1, "saliency")


@pytest.mark.parametrize("method", METHODS)
def test_bad_targets_and_options_are_named(method: str) -> None:
    net, x = networks.network("plain"), networks.inputs(1)
    with pytest.raises(TargetError, match="Target 5 does not exist: this model has classes 0 to 4"):
        explain(net, x, 5, method)
    with pytest.raises(InputError, match="has no option colour"):
        explain(net, x, 0, method, colour="red")
    training = METHODS[method].supports(networks.network("residual").train())
    assert training is not None
    assert "model.eval()" in training


class _Failing(nn.Module):
    """Works for a while, then fails."""

    def __init__(self, inner: nn.Module, passes: int) -> None:
        super().__init__()
        self.inner = inner
        self.counter = [passes]

    def forward(self, x: Tensor) -> Tensor:
        self.counter[0] -= 1
        if self.counter[0] == 0:
            raise RuntimeError("out of luck")
        return self.inner(x)


@pytest.mark.parametrize(("method", "name"), CALLS)
@pytest.mark.parametrize("passes", [2, 4, 5])
def test_a_failure_leaves_nothing_behind(method: str, name: str, passes: int) -> None:
    net, x = _Failing(networks.network(name), passes), networks.inputs(1)
    before, outside = networks.state(net), globals_now()
    # Methods of fewer passes do not get as far as the failure.
    with suppress(RuntimeError, InputError, ModelError):
        explain(net, x, 1, method, **quick(method))
    assert networks.state(net) == before
    assert globals_now() == outside


@pytest.mark.parametrize(("method", "name"), CALLS)
def test_cancelling_leaves_nothing_behind(method: str, name: str) -> None:
    """Stopped at the first, a middle and the last thing it reports."""
    net, x = networks.network(name), networks.inputs(1)
    before, outside = networks.state(net), globals_now()
    seen: list[float] = []
    whole = explain(net, x, 1, method, progress=seen.append, **quick(method)).values
    own = LookupError("of the one who asked")  # not taken for what a network says that refuses its inputs
    for at, stopped in ((1, own), (len(seen) // 2, Cancelled("Superseded.")), (len(seen), own)):
        left = iter(range(at - 1))

        def stop(share: float, left=left, stopped=stopped) -> None:
            if next(left, None) is None:
                raise stopped

        with pytest.raises(type(stopped)) as raised:
            explain(net, x, 1, method, progress=stop, **quick(method))
        assert raised.value is stopped
        assert networks.state(net) == before
        assert globals_now() == outside
    assert torch.equal(explain(net, x, 1, method, **quick(method)).values, whole)


@pytest.mark.parametrize(("method", "name"), CALLS)
def test_threads_on_one_model_agree_with_a_single_one(method: str, name: str) -> None:
    net = networks.network(name)
    jobs = [networks.inputs(1, seed) for seed in range(3)]
    expected = [explain(net, x, 1, method, **quick(method)).values for x in jobs]
    wrong: list[object] = []
    barrier = threading.Barrier(len(jobs))

    def work(index: int) -> None:
        try:
            barrier.wait()
            for _ in range(2):
                found = explain(net, jobs[index], 1, method, **quick(method)).values
                if not torch.equal(found, expected[index]):
                    wrong.append(index)
        except Exception as error:
            wrong.append(error)

    threads = [threading.Thread(target=work, args=(index,)) for index in range(len(jobs))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []


class _Blind(nn.Module):
    """A network whose answer does not depend on the picture: every gradient is zero."""

    def __init__(self) -> None:
        super().__init__()
        self.conv, self.relu, self.linear = nn.Conv2d(3, 4, 3), nn.ReLU(), nn.Linear(256, 5)
        nn.init.zeros_(self.conv.weight)
        nn.init.constant_(self.conv.bias, -1.0)

    def forward(self, x: Tensor) -> Tensor:
        return self.linear(self.relu(self.conv(x)).flatten(1))


@pytest.mark.parametrize("method", [name for name in METHODS if METHODS[name].family != "control"])
def test_a_zero_map_is_an_answer(method: str) -> None:
    net = _Blind().double().eval()
    values = explain(net, networks.inputs(1), 2, method, **quick(method)).values
    assert not values.any()


@pytest.mark.parametrize("method", METHODS)
def test_what_the_table_says_is_complete(method: str) -> None:
    entry = METHODS[method]
    assert entry.title
    assert entry.note.endswith(".")
    assert any(character.isdigit() for character in entry.citation)
    assert entry.cost() <= entry.passes
    assert not entry.needs_lock
    for name, option in entry.options.items():
        assert option.check(name, option.default) == option.default
        assert option.note.endswith(".")
        if option.low is not None:
            with pytest.raises(InputError, match=f"{name} >= "):
                option.check(name, option.low - 1)


@pytest.mark.parametrize("method", METHODS)
def test_a_functions_defaults_are_those_of_the_table(method: str) -> None:
    entry = METHODS[method]
    for name, parameter in inspect.signature(entry.compute).parameters.items():
        if isinstance(parameter.default, int | float) and name in entry.options:
            assert parameter.default == entry.options[name].default, name


def test_class_scores_count_where_somebody_asks_for_them() -> None:
    """Whatever takes `class_scores` and has a default leaves them out."""
    found = 0
    for package in (scoring, paths, attribution, circuits):
        for module in pkgutil.iter_modules(package.__path__, f"{package.__name__}."):
            for thing in vars(importlib.import_module(module.name)).values():
                methods = vars(thing).values() if isinstance(thing, type) else (thing,)
                for one in filter(inspect.isfunction, methods):
                    if not one.__module__.startswith("pruneattr_core"):
                        continue
                    given = inspect.signature(one).parameters.get("class_scores")
                    if given is not None and given.default is not given.empty:
                        assert given.default is False, one
                        found += 1
    assert found > 10


def test_an_unknown_method_is_named() -> None:
    with pytest.raises(InputError, match="Expected method in prunegrad"):
        explain(networks.network("plain"), networks.inputs(1), 0, "magic")


@pytest.mark.parametrize("method", METHODS)
def test_no_option_takes_what_is_no_finite_number(method: str) -> None:
    """An infinite number of steps was an OverflowError, a baseline of NaN a map of NaN."""
    numbers = [name for name, option in METHODS[method].options.items() if option.kind in ("int", "float")]
    for name, value in itertools.product(numbers, (float("nan"), float("inf"), -float("inf"), 10**400)):
        with pytest.raises(InputError, match=f"Expected {name} as a finite number"):
            METHODS[method].options[name].check(name, value)
