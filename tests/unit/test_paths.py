"""Selection of neurons and the Path value."""

from __future__ import annotations

import itertools
import json
import re
from pathlib import Path as FilePath

import numpy as np
import pytest
import torch

import networks
from pruneattr_core import Path, PruneGrad, contributions, selection
from pruneattr_core.errors import ArgumentTypeError, InputError, StoreError
from pruneattr_core.selection import masks_at, order_statistics

LEVELS = (0.0, 0.001, 0.25, 0.5, 0.7, 0.9, 0.999, 1.0)


def scores(dtype: torch.dtype = torch.float64, seed: int = 0) -> list[torch.Tensor]:
    """Layers with half their values 0, many ties, wide magnitudes and mixed memory layouts."""
    generator = torch.Generator().manual_seed(seed)
    layers = [torch.randn(3, *shape, generator=generator) for shape in ((4, 5, 6), (50,), (7, 3, 3))]
    layers = [
        (layer.relu() * 10).round() / 10 * scale
        for layer, scale in zip(layers, (1, 1e-20, 1e20), strict=True)
    ]
    layers[2][..., 0] = 0.3
    layers[1][:, :5] = -0.0
    layers = [layer.to(dtype) for layer in layers]
    layers[0] = layers[0].contiguous(memory_format=torch.channels_last)
    return layers


def flat(layers: list[torch.Tensor] | tuple[torch.Tensor, ...], image: int) -> np.ndarray:
    return np.concatenate([layer[image].numpy().ravel() for layer in layers])


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_order_statistics_equal_sorting(dtype: torch.dtype) -> None:
    layers = scores(dtype)
    ranks = [0, 1, 90, 150, 200, 231, 232]
    found = order_statistics(layers, torch.tensor(ranks).view(-1, 1).expand(-1, 3))
    for image in range(3):
        np.testing.assert_array_equal(found[:, image], np.sort(flat(layers, image))[ranks])


@pytest.mark.parametrize("kind", ["continuous", "tied", "zero", "misleading"])
def test_ranks_found_from_a_sample_equal_sorting(kind: str) -> None:
    generator = torch.Generator().manual_seed(0)
    layers = [
        torch.randn(2, 16, 96, 96, generator=generator),
        9 * torch.randn(2, 200_000, generator=generator),
    ]
    layers[0] = layers[0].contiguous(memory_format=torch.channels_last)
    layers = [
        layer.relu() if kind in ("continuous", "misleading") else layer.relu().round() for layer in layers
    ]
    layers = [torch.zeros_like(layer) for layer in layers] if kind == "zero" else layers
    if kind == "misleading":  # the sample sees nothing but large values
        layers[1][:, :: layers[1].shape[1] * 2 // selection._SAMPLE | 1] = 50
    for share in (0.0, 0.3, 0.9, 0.9999, 1.0):
        rank = int(share * (16 * 96 * 96 + 200_000 - 1))
        found = order_statistics(layers, torch.tensor([[rank, rank // 2]]))
        expected = [np.sort(flat(layers, image))[at] for image, at in enumerate((rank, rank // 2))]
        np.testing.assert_array_equal(found[0], expected)


def test_drop_removes_what_numpys_percentile_removes() -> None:
    layers = scores()
    for level, masks in zip(LEVELS[1:], masks_at(layers, LEVELS[1:]), strict=True):
        for image in range(3):
            values = flat(layers, image)
            np.testing.assert_array_equal(flat(masks, image), values > np.percentile(values, 100 * level))


def test_exact_removes_the_rounded_number_first_ties_first() -> None:
    layers = scores()
    for level, masks in zip(LEVELS, masks_at(layers, LEVELS, "exact"), strict=True):
        for image in range(3):
            values = flat(layers, image)
            order = np.argsort(values, kind="stable")
            expected = np.ones(len(values), bool)
            expected[order[: round(level * len(values))]] = False
            np.testing.assert_array_equal(flat(masks, image), expected)


@pytest.mark.parametrize("ties", ["drop", "exact"])
def test_paths_nest_and_report_the_sparsity_really_reached(ties: str) -> None:
    found = contributions(networks.network("residual"), networks.inputs(3))
    paths = found.paths(LEVELS, ties)  # type: ignore[arg-type]
    for level, path in zip(LEVELS, paths, strict=True):
        removed = [(~flat(path.layers, image)).mean() for image in range(3)]
        np.testing.assert_allclose(path.sparsity, removed, rtol=1e-15)
        if ties == "exact":
            np.testing.assert_allclose(removed, level, atol=0.5 / sum(path.neurons))
        else:
            assert (path.sparsity >= level - 1 / sum(path.neurons)).all()
    for outer, inner in itertools.pairwise(paths):
        assert not (inner - outer).kept.any()
    assert paths[0].sparsity.tolist() == [0, 0, 0]
    assert not paths[-1].kept.any()


def test_dead_neurons_contribute_nothing_and_leave_first() -> None:
    found = contributions(networks.network("residual"), networks.inputs(2))
    for layer, dead in zip(found.layers, found.dead, strict=True):
        assert not layer[dead].any()
    assert 0.2 < found.dead_fraction.min() < found.dead_fraction.max() < 0.8
    above = found.path(0.85)
    assert above.dead_share(found.dead).tolist() == [0, 0]
    assert found.path(0.0).dead_share(found.dead).tolist() == pytest.approx(found.dead_fraction.tolist())


def test_jaccard_and_dead_share_by_hand() -> None:
    def path(*layers: list[int]) -> Path:
        return Path(("a", "b"), tuple(torch.tensor([layer], dtype=torch.bool) for layer in layers))

    one, two = path([1, 1, 0, 0], [0, 0]), path([1, 0, 1, 0], [0, 0])
    assert one.jaccard(two).tolist() == [1 / 3]
    assert one.jaccard(two, per_layer=True).tolist() == [[1 / 3], [1.0]]
    assert one.dead_share(two.layers).tolist() == [0.5]
    assert one.dead_share(two.layers, per_layer=True).tolist() == [[0.5], [0.0]]
    assert (one | two).sparsity.tolist() == [0.5]
    assert (one - two).kept.tolist() == [[1], [0]]


def test_random_paths_overlap_by_p_over_two_minus_p() -> None:
    n, p = 200_000, 0.2
    values = torch.rand(2, n, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    (masks,) = masks_at([values], [1 - p], "exact")
    overlap = Path(("a",), (masks[0][:1],)).jaccard(Path(("a",), (masks[0][1:],))).item()
    # Of the p * n neurons of one path a hypergeometric number is in the other; five standard deviations.
    spread = np.sqrt(p * n * p * (1 - p) * (1 - p)) / (p * n)
    assert abs(overlap - p / (2 - p)) < 5 * spread


def test_a_path_survives_saving(tmp_path: FilePath) -> None:
    path = contributions(networks.network("residual"), networks.inputs(2)).path(0.8)
    path.save(tmp_path / "path.npz")
    again = Path.load(tmp_path / "path.npz")
    assert again.names == path.names
    assert dict(again.meta) == {"method": "taylor", "sparsity": 0.8, "ties": "drop"}
    assert all(torch.equal(a, b) for a, b in zip(path.layers, again.layers, strict=True))
    assert [f.name for f in tmp_path.iterdir()] == ["path.npz"]


def test_bad_path_files_are_named(tmp_path: FilePath) -> None:
    with pytest.raises(StoreError, match="There is no path file"):
        Path.load(tmp_path / "missing.npz")
    path = contributions(networks.network("plain"), networks.inputs(1)).path(0.5)
    path.save(tmp_path / "path.npz")
    whole = (tmp_path / "path.npz").read_bytes()
    np.savez(tmp_path / "pickle.npz", header=np.array([{"a": 1}], dtype=object))
    for name, data in {"cut": whole[: len(whole) // 2], "empty": b"", "text": b"hello"}.items():
        (tmp_path / f"{name}.npz").write_bytes(data)
    for name in ("cut", "empty", "text", "pickle"):
        with pytest.raises(StoreError, match="not a path saved by PruneAttr"):
            Path.load(tmp_path / f"{name}.npz")
    with pytest.raises(StoreError, match="could not be written"):
        path.save(tmp_path / "cut.npz" / "path.npz")


@pytest.mark.parametrize("meta", [["x"], "x", 3, None])
def test_a_path_file_whose_meta_is_no_record_is_refused(tmp_path, meta):
    path = Path(("a",), (torch.ones(1, 3, dtype=torch.bool),))
    path.save(tmp_path / "a.npz")
    with np.load(tmp_path / "a.npz") as data:
        parts = {name: data[name] for name in data}
    header = json.loads(parts["header"].tobytes()) | {"meta": meta}
    parts["header"] = np.frombuffer(json.dumps(header).encode(), np.uint8)
    np.savez(tmp_path / "a.npz", **parts)
    with pytest.raises(StoreError, match="is not a path saved by PruneAttr"):
        Path.load(tmp_path / "a.npz")


def test_paths_of_other_networks_are_refused() -> None:
    x = networks.inputs(1)
    one = contributions(networks.network("plain"), x).path(0.5)
    two = contributions(networks.network("residual"), x).path(0.5)
    longer = Path(one.names, tuple(torch.cat([layer, layer], -1) for layer in one.layers))
    for other in (two, longer, Path(tuple(f"{name}?" for name in one.names), one.layers)):
        for compared in (one.jaccard, one.__or__, one.__and__, other.__or__):
            with pytest.raises(InputError, match="cannot be compared"):
                compared(one if compared == other.__or__ else other)
    with pytest.raises(ArgumentTypeError, match="boolean"):
        Path(("a",), (torch.zeros(1, 3),))
    with pytest.raises(InputError, match="one mask per name"):
        Path((), ())


def test_results_say_in_a_line_what_they_are() -> None:
    """A notebook prints the last value of a cell: no tensor of it."""
    model, inputs = networks.network("plain"), networks.inputs(6)
    scores = contributions(model, inputs)
    sweep = PruneGrad(model).sweep(inputs, sparsities=[0, 0.5], of="contributing")
    for value, name in (
        (scores, "Contributions(taylor"),
        (scores.path(0.5), "CriticalPath("),
        (sweep, "Sweep(zero"),
    ):
        assert repr(value).startswith(name)
        assert len(repr(value)) < 120
    assert "sparsities=[0, 0.5] of contributing" in repr(sweep)
    shown = ", ".join(map(str, scores.target[:4].tolist()))
    assert f"target=[{shown}, ...]" in repr(scores)
    assert f"target=[{shown}]" in repr(scores[:4])
    assert repr(scores.path(0.5)).count(", ...]") == 1
    assert "..." not in repr(scores[:4].path(0.5))


MASK = torch.tensor([[True, False]])


@pytest.mark.parametrize(
    ("ask", "said"),
    [
        (lambda: Path("a", (MASK,)), 'Expected several names, such as ("relu1", "relu2"), got \'a\'.'),
        (lambda: Path(("a",), MASK), "Expected several layers, such as (mask1, mask2), got one tensor."),
        (lambda: Path(("a",), None), "Expected several layers, such as (mask1, mask2), got None."),
        (lambda: Path(("a",), (MASK,), "zero"), "got 'zero'"),
        (lambda: Path(("a",), (MASK,)).to("nowhere"), "Expected a device that is here, such as cpu"),
        (lambda: Path(("a",), (MASK,)).to(None), "Expected a device that is here, such as cpu, got None"),
        (lambda: Path(("a",), (MASK,)).dead_share(None), "Expected several dead"),
        (lambda: Path(("a",), (MASK,)).dead_share(MASK), "Expected several dead"),
        (lambda: Path(("a",), (MASK,)).dead_share((MASK,), "no"), "per_layer as True or False"),
        (lambda: Path(("a",), (MASK,)).jaccard(Path(("a",), (MASK,)), 1), "per_layer as True or False"),
        (
            lambda: Path(("a",), (MASK,)).save(None),
            'the name of a file, such as "out.npz", got None.',
        ),
        (lambda: Path(("a",), (MASK,)).save(3), "got 3"),
    ],
)
def test_what_is_no_argument_of_a_path_is_a_sentence(ask, said):
    """Python's and torch's own errors came out, or a text was taken as names, a letter each."""
    with pytest.raises((InputError, ArgumentTypeError), match=re.escape(said)):
        ask()


def test_a_change_of_something_else_is_no_change_of_probability():
    """A misspelt "response" gave it."""
    sweep = PruneGrad(networks.network("plain")).sweep(networks.inputs(1), sparsities=[0.5])
    assert torch.equal(sweep.change("probability"), sweep.probability_change)
    with pytest.raises(InputError, match="got 'responce'"):
        sweep.change("responce")


def test_a_path_of_lists_is_the_path_of_tuples():
    """Its names were unequal to its own network's."""
    one, other = Path(["a"], [MASK]), Path(("a",), (MASK,))
    assert one == other
    assert (one & other) == one
    assert one.jaccard(other).tolist() == [1]
