"""Where pictures come from: shape scenes, samples, data sets that are found, uploads; each decoded once."""

from __future__ import annotations

import base64
import hashlib
import io
import os
from collections.abc import Callable, Hashable, MutableMapping
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import streamlit as st
from numpy.typing import NDArray
from PIL import Image, ImageOps

from pruneattr_core.datasets import Dataset, list_datasets, load_dataset
from pruneattr_core.datasets.folder import files_stamp
from pruneattr_core.datasets.opening import OWN_FOLDER
from pruneattr_core.errors import ImageError, PruneAttrError
from pruneattr_core.images import decode_image, image_hash
from pruneattr_core.models import ModelCard
from pruneattr_core.share.way_back import PICTURES
from pruneattr_core.share.way_back import UPLOAD as UPLOAD
from pruneattr_core.ui.jobs import Cache

#: Uploads a session keeps; the oldest goes first.
UPLOADS_KEPT = PICTURES
_UPLOADS = "_uploads"
#: The data set that is a folder of one's own, and seconds for which what lies on the disk is taken to stay.
OWN, STAYS = "folder", 5.0
#: Bytes of decoded pictures kept for all sessions together.
DECODED_BYTES = 256 << 20
#: Bytes of what networks see of pictures, and of drawn ones, kept for all sessions together.
SEEN_BYTES = 32 << 20
#: Pixels of a thumbnail's side, and bytes of thumbnails kept for all sessions together.
THUMBNAIL, THUMBNAIL_BYTES = 88, 16 << 20


@dataclass(frozen=True)
class Picture:
    """A picture with its identity.

    Attributes:
        source: data set id, or "upload".
        place: index in the data set, or SHA-256 of the upload, as text.
        title: a few words.
        image: RGB.
        sha256: identity in links, caches and exports.
        label: name of the labelled class, if there is one.
        code: a Python expression that gives the same RGB picture.
    """

    source: str
    place: str
    title: str
    image: Image.Image
    sha256: str
    label: str | None
    code: str


@st.cache_resource(show_spinner=False)
def _decoded() -> Cache:
    """Pictures of all sessions, decoded: what names them -> `Picture`."""
    return Cache(DECODED_BYTES, lambda one: 3 * one.image.width * one.image.height)


@st.cache_resource(show_spinner=False)
def _thumbnails() -> Cache:
    """(data set, its stamp, index) -> (address of a small JPEG that holds itself, title)."""
    return Cache(THUMBNAIL_BYTES, lambda one: len(one[0]) + len(one[1]))


@st.cache_resource(show_spinner=False)
def _seen() -> Cache:
    """What networks see of pictures, and pictures drawn in words: what names it -> it."""
    return Cache(SEEN_BYTES, lambda one: one.nbytes if isinstance(one, np.ndarray) else len(one))


def seen_by(card: ModelCard, picture: Picture) -> NDArray[np.uint8]:
    """What a network sees of a picture, `ModelCard.display`: pixels (H, W, 3), for reading only."""
    key = card, picture.sha256  # a card of one's own may take other sizes or channels later, under its id

    def display() -> NDArray[np.uint8]:
        pixels = card.display(picture.image)
        pixels.setflags(write=False)
        return pixels

    found: NDArray[np.uint8] = _seen().once(key, display)
    return found


def drawn(key: Hashable, draw: Callable[[], str]) -> str:
    """A picture in an address, drawn once for all runs of all sessions.

    Args:
        key: names it.
        draw: the address that holds it.
    """
    found: str = _seen().once(key, draw)
    return found


def thumbnail(name: str, index: int) -> tuple[str, str]:
    """A small square picture, as an address that holds it, and its title.

    Raises:
        ImageError: the picture is damaged.
    """

    def small() -> tuple[str, str]:
        picture, data = from_dataset(name, index), io.BytesIO()
        ImageOps.fit(picture.image, (THUMBNAIL, THUMBNAIL)).save(data, "JPEG", quality=80)
        return "data:image/jpeg;base64," + base64.b64encode(data.getvalue()).decode("ascii"), picture.title

    found: tuple[str, str] = _thumbnails().once((name, stamp_of(name), index), small)
    return found


def dataset(name: str) -> Dataset:
    """A data set, opened once; a folder of one's own once more when its files have changed."""
    return _opened(name, stamp_of(name))


@st.cache_resource(max_entries=8, show_spinner=False)
def _opened(name: str, stamp: str) -> Dataset:
    return load_dataset(name)


def stamp_of(name: str) -> str:
    """Changes when a file of a folder of one's own does; the other data sets stay as they are."""
    return _stamp(os.environ.get(OWN_FOLDER, "")) if name == OWN else ""


@st.cache_resource(ttl=STAYS, show_spinner=False)
def _stamp(folder: str) -> str:
    return files_stamp(Path(folder)) if folder else ""


def sources() -> list[str]:
    """Data sets that are there and can be opened, then uploads."""
    there, refused = _found(stamp_of(OWN))
    return [*(name for name in there if name not in refused), UPLOAD]


def unopened() -> dict[str, str]:
    """Data sets that are there and cannot be opened -> why."""
    return _found(stamp_of(OWN))[1]


@st.cache_resource(ttl=STAYS, show_spinner=False)
def _found(stamp: str) -> tuple[tuple[str, ...], dict[str, str]]:
    """Data sets that are there, and why some cannot be opened; a run of a page asks several times.

    Found anew after `STAYS` seconds, as files may be mended, and with each change of a folder of one's own.
    """
    there, refused = list_datasets(), {}
    for name in there:
        try:
            dataset(name)
        except PruneAttrError as error:
            refused[name] = str(error)
    return there, refused


def from_dataset(name: str, index: int) -> Picture:
    """Picture `index` of a data set."""
    stamp = stamp_of(name)  # an object's number may be another's later

    def decode() -> Picture:
        data = _opened(name, stamp)
        sample = data[index]
        image = sample.image
        label = None if sample.label is None else data.classes[sample.label]
        code = f"load_dataset({name!r})[{index}].image"
        return Picture(name, str(index), sample.name, image, pixels_hash(image), label, code)

    found: Picture = _decoded().once((name, stamp, index), decode)
    return found


def titles(name: str, count: int) -> tuple[str, ...]:
    """Of the first `count` pictures of a data set."""
    return _titles(name, count, stamp_of(name))


@st.cache_resource(max_entries=16, show_spinner=False)
def _titles(name: str, count: int, stamp: str) -> tuple[str, ...]:
    data = _opened(name, stamp)  # scenes are drawn for their names, so once and for all
    return tuple(data.name(index) for index in range(count))


def pixels_hash(image: Image.Image) -> str:
    """What names a picture that came as no file: SHA-256 over its size and pixels."""
    return hashlib.sha256(f"{image.size}".encode() + image.tobytes()).hexdigest()


def uploads() -> MutableMapping[str, tuple[str, bytes]]:
    """This session's uploads: hash -> (name, bytes)."""
    kept: dict[str, tuple[str, bytes]] = st.session_state.setdefault(_UPLOADS, {})
    return kept


def keep_upload(name: str, data: bytes) -> str:
    """Check and keep an upload; returns its hash.

    Raises:
        ImageError: it is not a picture we can read.
    """
    kept, sha256 = uploads(), image_hash(data)
    _upload(sha256, name, data)
    kept.pop(sha256, None)  # what comes once more is the newest
    kept[sha256] = (name, data)
    while len(kept) > UPLOADS_KEPT:
        del kept[next(iter(kept))]
    return sha256


def from_upload(sha256: str) -> Picture:
    """An upload of this session.

    Raises:
        ImageError: this session does not have it.
    """
    if sha256 not in uploads():
        raise ImageError(
            f"This view shows an uploaded picture (SHA-256 {sha256[:12]}...) that is neither in "
            "this session nor in this browser: upload the same file again to restore the view."
        )
    return _upload(sha256, *uploads()[sha256])


def _upload(sha256: str, name: str, data: bytes) -> Picture:
    def decode() -> Picture:
        code = 'decode_image(open("your file", "rb").read())'
        return Picture(UPLOAD, sha256, name, decode_image(data, name), sha256, None, code)

    kept: Picture = _decoded().once(sha256, decode)
    return kept if kept.title == name else replace(kept, title=name)
