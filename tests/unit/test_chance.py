"""Chance belongs to the picture and the seed: slow twins, one generator a picture, of what draws numbers."""

from __future__ import annotations

import hashlib
import zlib

import numpy as np
import torch

import networks
from pruneattr_core.attribution.controls import random_map
from pruneattr_core.attribution.noise import noise_tunnel
from pruneattr_core.paths.control import random_paths


def drawn(picture: torch.Tensor, seed: int) -> torch.Tensor:
    digest = hashlib.sha256(picture.numpy().tobytes() + str(seed).encode()).digest()
    generator = torch.Generator().manual_seed(int.from_bytes(digest[:8], "big") >> 1)
    return torch.randn(picture.shape, generator=generator, dtype=torch.float64)


def test_each_picture_has_noise_of_its_own() -> None:
    net, x, target = networks.network("plain"), networks.inputs(3), torch.tensor([0, 1, 2])
    values = random_map(net, x, target, seed=4)
    noisy = noise_tunnel(net, x, target, lambda model, given, chosen: given, samples=1, stdev=0.5, seed=4)
    for image in range(3):
        assert torch.equal(values[image], drawn(x[image], 4))
        torch.testing.assert_close(noisy[image] - x[image], 0.5 * drawn(x[image], 4), rtol=0, atol=1e-6)
    assert not torch.equal(noisy[0] - x[0], noisy[1] - x[1])


def test_each_picture_has_a_random_path_of_its_own() -> None:
    net, x = networks.network("plain"), networks.inputs(2)
    (path,) = random_paths(net, x, [0.9], seed=6)
    for image in range(2):
        generator = np.random.default_rng([6, zlib.crc32(x[image].numpy().tobytes())])
        values = [generator.random(tuple(layer.shape[1:]), np.float32) for layer in path.layers]
        flat = np.concatenate([one.ravel() for one in values])
        highest = np.argsort(flat)[round(0.9 * len(flat)) :]
        found = torch.cat([layer[image].flatten() for layer in path.layers]).nonzero().flatten()
        assert sorted(highest.tolist()) == found.tolist()
