"""Some two hundred files that want memory, time or code: one sentence each, in bounded memory."""

from __future__ import annotations

import io
import json
import pickle
import resource
import struct
import threading
import zipfile
from collections import OrderedDict
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save as save_safetensors

from pruneattr_core.errors import PruneAttrError, WeightsError
from pruneattr_core.models import load_model, model_card
from pruneattr_core.models.cifar_resnet import CifarResNet
from pruneattr_core.models.fitting import hollow
from pruneattr_core.models.zoo import zoo_builder

NET = "cifar-resnet20"
KEYS = ("conv1.weight", "layer2.1.bn1.running_var", "linear.bias")
with torch.random.fork_rng(devices=[]):
    torch.manual_seed(0)
    STATE = CifarResNet(3).state_dict()


def saved(value: object, legacy: bool = False) -> bytes:
    out = io.BytesIO()
    torch.save(value, out, _use_new_zipfile_serialization=not legacy)
    return out.getvalue()


def archive(index: bytes, records: dict[str, bytes] | None = None, method: int = zipfile.ZIP_STORED) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", method) as file:
        for name, data in {"data.pkl": index, "version": b"3\n", **(records or {})}.items():
            file.writestr(f"archive/{name}", data)
    return out.getvalue()


def npz(**arrays: np.ndarray) -> bytes:
    out = io.BytesIO()
    np.savez(out, **arrays)
    return out.getvalue()


def repacked(method: int, extra: dict[str, bytes] | None = None, without: str = "-") -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(saved(STATE))) as old, zipfile.ZipFile(out, "w", method) as new:
        for one in old.infolist():
            if without not in one.filename:
                new.writestr(one.filename, old.read(one))
        for name, data in (extra or {}).items():
            new.writestr(name, data)
    return out.getvalue()


def assembled(size: tuple[int, ...], stride: tuple[int, ...], offset: int, numel: int) -> bytes:
    """An index with one float tensor that says these things of itself; its record has eight bytes."""

    def whole(value: int) -> bytes:
        data = value.to_bytes(10, "little", signed=True)
        return b"\x8a" + bytes([len(data)]) + data

    def text(value: str) -> bytes:
        return b"X" + struct.pack("<I", len(value)) + value.encode()

    def several(values: tuple[int, ...]) -> bytes:
        return b"(" + b"".join(map(whole, values)) + b"t"

    pid = b"(" + text("storage") + b"ctorch\nFloatStorage\n" + text("0") + text("cpu") + whole(numel) + b"tQ"
    rest = several(size) + several(stride) + b"\x89ccollections\nOrderedDict\n)R"
    tensor = b"ctorch._utils\n_rebuild_tensor_v2\n(" + pid + whole(offset) + rest + b"tR"
    return archive(b"\x80\x02}" + text("conv1.weight") + tensor + b"s.", {"data/0": bytes(8)})


def tensors(header: object, size: int = 8, length: int | None = None) -> bytes:
    """A safetensors file with this header."""
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    return struct.pack("<Q", len(text) if length is None else length) + text + bytes(size)


def one(dtype: str = "F32", shape: object = (2,), offsets: object = (0, 8)) -> dict[str, object]:
    return {"conv1.weight": {"dtype": dtype, "shape": shape, "data_offsets": offsets}}


def changed(key: str, value: torch.Tensor) -> OrderedDict[str, torch.Tensor]:
    return OrderedDict({**STATE, key: value})


def quantised(like: torch.Tensor) -> torch.Tensor:
    return torch._empty_affine_quantized(like.shape, scale=0.1, zero_point=0, dtype=torch.qint8)


#: What stands in place of a tensor of the network, and a word of the sentence.
VALUES: dict[str, tuple[Callable[[torch.Tensor], object], str]] = {
    "expanded to 400 MB": (lambda t: torch.zeros(1).expand(10**8), "expanded|shape"),
    "expanded to 400 TB": (lambda t: torch.zeros(1).expand(10**14), "expanded|shape"),
    "expanded to its shape": (lambda t: torch.zeros(1).expand(t.shape), "expanded"),
    "overlapping": (
        lambda t: torch.zeros(t.numel() + 9).as_strided(t.shape, (1,) * t.ndim),
        "share places|expand",
    ),
    "sparse": (lambda t: t.to_sparse(), "sparse"),
    "meta": (lambda t: t.to("meta"), "without values"),
    "complex": (lambda t: t.to(torch.complex64), "torch.complex64"),
    "int8": (lambda t: t.to(torch.int8), "torch.int8"),
    "int64": (lambda t: t.to(torch.int64), "torch.int64"),
    "bool": (lambda t: t.to(torch.bool), "torch.bool"),
    "float8": (lambda t: t.to(torch.float8_e4m3fn), "torch.float8_e4m3fn|damaged"),
    "not a number": (lambda t: t * torch.nan, "not finite"),
    "infinite": (lambda t: (t * 0).half() + torch.inf, "not finite"),
    "another shape": (lambda t: torch.zeros(3, 1, 4, 1, 5), "has shape"),
    "a number": (lambda t: 3, "type int"),
    "a list": (lambda t: [[[]]] * 9, "type list"),
    "a module's own class": (lambda t: torch.nn.Buffer(t) if t.ndim == 9 else OrderedDict(), "empty dict"),
}
FOREIGN = (
    *("os\nsystem", "posix\nsystem", "builtins\neval", "builtins\nexec", "builtins\nbytearray", "nt\nsystem"),
    *("__builtin__\nbytearray", "subprocess\nPopen", "torch\nload", "torch.hub\nload", "shutil\nrmtree"),
    *("numpy\nzeros", "numpy.core.multiarray\nscalar", "collections\ndeque", "functools\npartial"),
    *("torch\nempty", "torch._utils\n_rebuild_wrapper_subclass", "torch._utils\n_rebuild_nested_tensor"),
    *("torch._tensor\n_rebuild_from_type_v2", "torch.jit\nload", "pickle\nloads", "_pickle\nloads"),
)


def hostile() -> dict[str, tuple[Callable[[], bytes], str]]:
    found: dict[str, tuple[Callable[[], bytes], str]] = {}
    for name, (make, says) in VALUES.items():
        for key in KEYS[: 1 if name == "overlapping" else 3]:
            for legacy in (False, True):
                found[f"{name}, {key}, {'legacy' if legacy else 'zip'}"] = (
                    lambda make=make, key=key, legacy=legacy: saved(changed(key, make(STATE[key])), legacy),
                    says,
                )
    found["quantised"] = (lambda: saved(changed(KEYS[0], quantised(STATE[KEYS[0]]))), "quantised")
    for name in FOREIGN:
        index = b"\x80\x02c" + name.encode() + b"\n(\x8a\x06\x00\x00\x00\x00\x00\x01tR."
        found[f"name {name!r}, zip"] = (
            lambda index=index: archive(index),
            says := "NumPy" if "numpy" in name else "Python objects|class of their own|nested",
        )
        found[f"name {name!r}, bare"] = (lambda index=index: index, f"{says}|damaged")
    for share in range(1, 20):
        for legacy in (False, True):
            found[f"cut at {share}/20, {legacy}"] = (
                lambda share=share, legacy=legacy: saved(STATE, legacy)[
                    : len(saved(STATE, legacy)) * share // 20
                ],
                "damaged",
            )
    found |= {
        "deflated": (lambda: repacked(zipfile.ZIP_DEFLATED), "compressed"),
        "bzip2": (lambda: repacked(zipfile.ZIP_BZIP2), "compressed"),
        "lzma": (lambda: repacked(zipfile.ZIP_LZMA), "compressed"),
        "400 MB deflated": (
            lambda: archive(b"\x80\x02}.", {"data/0": bytes(4 * 10**7)}, zipfile.ZIP_DEFLATED),
            "compressed",
        ),
        "two indices": (lambda: repacked(0, {"other/data.pkl": b"\x80\x02}."}), "damaged"),
        "no index": (lambda: repacked(0, without="data.pkl"), "damaged"),
        "no records": (lambda: repacked(0, without="/data/"), "damaged"),
        "scripted": (lambda: repacked(0, {"archive/constants.pkl": b""}), "scripted"),
        "crowded index": (lambda: archive(b"\x80\x02" + b"}" * (5 << 20) + b"."), "more than"),
        "crowded pickle": (lambda: b"\x80\x02" + 4 * (b"X\x00\x00\x10\x00" + b"a" * (1 << 20)), "more than"),
        "deep tuples as a key": (lambda: archive(b"\x80\x02}N" + b"\x85" * 1000 + b"K\x01s."), "nested"),
        "opcodes without a protocol": (lambda: b"}N" + b"\x85" * 1000 + b"K\x01s.", "damaged"),
        "half a million objects": (
            lambda: archive(b"\x80\x02}](ccollections\nOrderedDict\nq\0" + b"h\0)R" * 400_000 + b"es."),
            "more objects",
        ),
        "a key of a megabyte": (lambda: saved({**STATE, "k" * 10**6: torch.zeros(2)}), "is unknown"),
        "a key of many digits": (lambda: saved({10**500: 3}), "type int under a key of type int"),
        "a mask of another shape": (lambda: saved(_parts("orig", "mask", 7, 7)), "together"),
        "a mask over many": (lambda: saved(_parts("orig", "mask", 999, 1, 1, 1, 1)), "together"),
        "lengths of nothing": (lambda: saved(_parts("v", "g")), "together"),
        "lengths over all": (lambda: saved(_parts("v", "g", 16, 3, 1, 1)), "together"),
        "a shape of many sides": (
            lambda: tensors({**one(shape=[1] * 10_000, offsets=(0, 4))}, 4),
            r"has shape \(1, 1, [1, ]*, expected \(16, 3, 3, 3\)",
        ),
        "many prefixes": (lambda: saved({f"{i}.{KEYS[0]}": torch.zeros(1) for i in range(2000)}), "shape"),
        "a prefix of many words": (lambda: saved({"a." * 300_000 + KEYS[0]: torch.zeros(2)}), "missing"),
        "versions that are none": (lambda: saved(_versions()), "is missing"),
        "deep lists": (lambda: archive(b"\x80\x02" + b"]" * 9999 + b"a" * 9998 + b"."), "nested"),
        "memo of 2**31": (lambda: archive(b"\x80\x02}r\xff\xff\xff\x7f."), "empty dict|damaged"),
        "wrong counts": (lambda: archive(b"\x80\x02}" + b"0" * 9 + b"."), "damaged|objects"),
        "a record that lies": (lambda: assembled((10**9,), (1,), 0, 10**9), "damaged"),
        "a record of 4 TB": (lambda: assembled((10**12,), (1,), 0, 10**12), "damaged"),
        "negative sizes": (lambda: assembled((-1,), (1,), 0, 2), "damaged"),
        "negative strides": (lambda: assembled((2,), (-1,), 1, 2), "damaged"),
        "negative offsets": (lambda: assembled((2,), (1,), -5, 2), "damaged"),
        "far offsets": (lambda: assembled((2,), (1,), 2**62, 2), "damaged"),
        "sizes past all numbers": (lambda: assembled((2**40, 2**40), (0, 0), 0, 2), "damaged|expanded"),
        "no stride": (lambda: assembled((2**40,), (0,), 0, 2), "expanded|shape"),
        "no numbers": (lambda: assembled((0, 2**40), (1, 1), 0, 2), "shape|missing"),
        "pickle protocol 4 of NumPy": (lambda: pickle.dumps({KEYS[0]: np.zeros(3)}, 4), "NumPy"),
        "pickle protocol 2 of NumPy": (lambda: pickle.dumps({KEYS[0]: np.zeros(3)}, 2), "NumPy"),
        "numbers of NumPy alone": (
            lambda: saved({"best": np.float64(0.5)}),
            r"NumPy.*code \(numpy[\w.]+scalar\): ",
        ),
        "npz": (lambda: npz(weight=np.zeros(3)), "NumPy"),
        "pickle protocol 5": (lambda: pickle.dumps(dict(STATE), 5), "Python objects"),
        "header of 2**60 bytes": (lambda: tensors({}, length=2**60), "damaged"),
        "header of 5 MB": (lambda: tensors(b'{"a":"' + b"b" * (5 << 20) + b'"}'), "damaged"),
        "header past the end": (lambda: tensors(one(), length=10**6), "damaged"),
        "deep header": (lambda: tensors(b"{" + b'"a":{' * 10**5), "damaged"),
        "no JSON": (lambda: tensors(b"{]"), "damaged"),
        "no object": (lambda: tensors({"conv1.weight": 3}), "damaged"),
        "unknown type": (lambda: tensors(one("F31")), "damaged"),
        "bytes too few": (lambda: tensors(one(shape=(3,))), "damaged"),
        "offsets past the end": (lambda: tensors(one(shape=(10**12,), offsets=(0, 4 * 10**12))), "damaged"),
        "offsets back to front": (lambda: tensors(one(offsets=(8, 0))), "damaged"),
        "negative shape": (lambda: tensors(one(shape=(-2,))), "damaged"),
        "shape past all numbers": (lambda: tensors(one(shape=(2**40, 2**40))), "damaged"),
        "a hole": (lambda: tensors(one(offsets=(8, 16)), 16), "damaged"),
        "only notes": (lambda: tensors({"__metadata__": {"a": "b"}}, 0), "empty dict"),
        "eight bits": (lambda: save_safetensors({"conv1.weight": torch.zeros(16, 3, 3, 3).char()}), "int8"),
        "one wrapped in itself": (lambda: saved(_ring()), "missing|type"),
        "two thousand wrappers": (lambda: saved({f"a{i}": {"b": {}} for i in range(2000)}), "type|missing"),
    }  # fmt: skip
    return found


def _versions() -> OrderedDict[str, torch.Tensor]:
    """A state dict without its first value, with versions of layers of every kind beside it."""
    odd = OrderedDict(list(STATE.items())[1:])
    odd._metadata = {10**500: {"version": 1}, "bn1": {"version": "x"}, "conv1": 7, "linear": None}
    return odd


def _parts(whole: str, other: str, *shape: int) -> OrderedDict[str, torch.Tensor]:
    """A state dict whose first value is saved as two: one of its own shape, another of this one."""
    parts = {f"{KEYS[0]}_{whole}": STATE[KEYS[0]], f"{KEYS[0]}_{other}": torch.ones(shape)}
    return OrderedDict({**{key: value for key, value in STATE.items() if key != KEYS[0]}, **parts})


def _ring() -> dict[str, object]:
    ring: dict[str, object] = {"epoch": 3}
    ring["model"] = ring
    return ring


HOSTILE = hostile()


def resident() -> int:
    """Most bytes this process ever held in memory."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss << 10


@pytest.mark.filterwarnings("ignore::UserWarning")  # torch's notes on sparse and quantised tensors
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_file_is_one_sentence(name: str, tmp_path) -> None:
    make, says = HOSTILE[name]
    file = tmp_path / "weights.pth"
    file.write_bytes(make())
    before = resident()
    with pytest.raises(PruneAttrError, match=says) as caught:
        load_model(NET, weights=file)
    assert resident() - before < 120 << 20
    text = str(caught.value)
    assert isinstance(caught.value, WeightsError)
    assert text.endswith(".")
    assert "\n" not in text
    assert len(text) < 400


def test_there_are_two_hundred() -> None:
    assert len(HOSTILE) >= 200


@pytest.mark.filterwarnings("ignore::UserWarning")
def test_a_flipped_byte_anywhere_leaves_a_network_or_one_sentence(tmp_path) -> None:
    """The index at the beginning and the directory at the end, a byte at a time."""
    data, file = saved(STATE), tmp_path / "w.pth"
    places = [*range(0, 3000, 151), *range(len(data) - 900, len(data), 97)]
    for place in places:
        file.write_bytes(data[:place] + bytes([data[place] ^ 0x55]) + data[place + 1 :])
        try:
            load_model(NET, weights=file)
        except PruneAttrError as error:
            assert "\n" not in str(error)  # noqa: PT017


def held() -> int:
    """Bytes of this process that are no view of a file."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("RssAnon")) << 10


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="memory is read from Linux's /proc")
@pytest.mark.parametrize("kind", ["half", "safetensors", "with optimiser"])
def test_loading_takes_the_memory_of_the_network_alone(kind: str, tmp_path) -> None:
    """No second copy, and nothing of an optimiser beside it."""
    state = hollow(zoo_builder(model_card("torchvision/resnet18"))).state_dict()
    state = {key: torch.zeros(value.shape, dtype=value.dtype) for key, value in state.items()}
    file = tmp_path / "w.pth"
    if kind == "safetensors":
        file.write_bytes(save_safetensors(state))
    elif kind == "with optimiser":
        torch.save({"optimizer": {"state": {0: {"a": torch.ones(10**7)}}}, "model": state}, file)
    else:
        torch.save({key: value.half() for key, value in state.items()}, file)
    peak, before, going = [0], held(), threading.Event()

    def watch() -> None:
        while not going.wait(0.0005):
            peak[0] = max(peak[0], held())

    thread = threading.Thread(target=watch)
    thread.start()
    try:
        model = load_model("torchvision/resnet18", weights=file)
    finally:
        going.set()
        thread.join()
    size = sum(value.numel() * value.element_size() for value in model.state_dict().values())
    assert peak[0] - before < 1.2 * size
