"""Small artifacts of every kind, the same on every machine, and how to compare two of them."""

import json
from collections.abc import Callable, Mapping
from dataclasses import fields, is_dataclass
from pathlib import Path
from typing import Any

import numpy as np
from safetensors.numpy import save_file

from relstitch.artifacts import (
    AnchorList,
    Anchors,
    AnchorSide,
    AnchorVectors,
    Decoder,
    Embeddings,
    EncoderStamp,
    Hub,
    ProjectionSpec,
    Relative,
    Rows,
    Skipped,
    Targets,
    Translator,
)
from relstitch.artifacts.rows import content_hash
from relstitch.artifacts.spaces import Matrix
from relstitch.storage import Artifact
from relstitch.storage.tensors import read_tensors, write_tensors

IDS = ("train:0", "train:1", "test:0", "b/Übung 3.png", "文:4")
TEXTS = ("who", "what", "where", "", "who")


def matrix(n: int, d: int, start: float = 0.0) -> Matrix:
    """Numbers that float32 holds exactly."""
    return (np.arange(n * d, dtype=np.float32).reshape(n, d) - start) / np.float32(8)


def stamp(dimension: int = 3) -> EncoderStamp:
    return EncoderStamp(
        "st:minilm",
        "text",
        dimension,
        revision="0123abcd",
        weights_sha256="ab" * 32,
        pooling="mean",
        prompt="query: ",
        preprocessing={"size": [224, 224], "mean": [0.5]},
        max_length=256,
        normalized=True,
        extra={"own": "Größe"},
        libraries={"torch": "2.6"},
    )


def rows(targets: Targets | None = None) -> Rows:
    return Rows.build(
        IDS,
        hashes=[content_hash(text.encode()) if text else "" for text in TEXTS],
        splits=["train", "train", "test", "test", "train"],
        targets=Targets.from_labels(["01", "1", None, "NA", "01"]) if targets is None else targets,
        counts=np.array([1, 2, 3, 4, 5.5]),
    )


def embeddings() -> Embeddings:
    skipped = (Skipped("train:7", "train", "empty text"), Skipped("x/ü.jpg", "val", "truncated JPEG: 12 bytes"))
    return Embeddings(rows(), matrix(5, 3, 7), stamp(), skipped, {"truncated": 2})


def anchor_list() -> AnchorList:
    return AnchorList(("train:0", "文:4"), (content_hash(b"who"), ""))


def anchor_vectors(width: int = 3) -> AnchorVectors:
    return AnchorVectors(anchor_list(), matrix(2, width, 2), "main", "c0" * 32, 1, "uniform")


def relative() -> Relative:
    return Relative(
        rows(),
        matrix(5, 2, 5),
        stamp(),
        ProjectionSpec("polynomial", False, {"degree": 2}),
        anchor_vectors(),
        (),
        {"duplicate_content": 1},
    )


def decoder() -> Decoder:
    return Decoder(
        "logistic",
        "class",
        ("01", "1", "NA"),
        {"weights": matrix(3, 2), "bias": np.array([0.5, 0, -1]), "iterations": np.array(7)},
        {"strength": 0.01, "chosen": "held-out anchors"},
        stamp(),
        ProjectionSpec(),
        ((stamp(), anchor_vectors()), (stamp(4), anchor_vectors(4))),
    )


def anchors() -> Anchors:
    draws = (anchor_list(), AnchorList(("b", "train:0"), ("", content_hash(b"who"))))
    return Anchors("uniform", 3, (AnchorSide("main", "d5" * 32, draws),), {"splits": ["train"]})


def translator() -> Translator:
    """Two steps, so that everything a translator file can hold is in it."""
    arrays = {
        "0.center": np.array([0.5, 1, -2]), "0.weights": matrix(3, 2).astype(np.float64), "0.bias": np.array([1.0, 0]),
        "0.normalise": np.array(1), "1.gamma": np.array(0.5), "1.source.center": np.array([0.25, 1]),
        "1.source.anchors": matrix(2, 2).astype(np.float64), "1.source.weights": matrix(2, 6, 3).astype(np.float64),
        "1.target.center": np.array([0.0, 1, 2, 4]), "1.target.anchors": matrix(2, 4, 1).astype(np.float64),
        "1.target.weights": matrix(2, 6, 5).astype(np.float64),
    }  # fmt: skip
    settings = {"steps": [{"penalty": None, "fitted": {"penalty": 0.125}}, {"gamma": 0.5, "targets": "both"}]}
    anchors = tuple(anchor_vectors(width) for width in (3, 2, 2, 4))
    return Translator("ridge+smoothing", stamp(), stamp(4), arrays, settings, anchors, (stamp(2),))


def hub() -> Hub:
    arrays = {
        "0.center": np.array([0.5, 1, -2]), "0.weights": matrix(3, 4).astype(np.float64), "0.back": matrix(4, 3) * 2,
        "1.center": np.array([0.0, 1, 2, 4]), "1.weights": matrix(4, 4, 3).astype(np.float64), "1.back": matrix(4, 4),
    }  # fmt: skip
    encoders = ((stamp(), anchor_vectors()), (stamp(4), anchor_vectors(4)))
    return Hub(encoders, arrays, {"width": 4, "k": 2, "turns": 3})


SAMPLES: Mapping[str, Callable[[], Artifact]] = {
    "embeddings": embeddings,
    "relative": relative,
    "decoder": decoder,
    "anchors": anchors,
    "translator": translator,
    "hub": hub,
}


def file_name(kind: str) -> str:
    return f"{kind}.json" if kind == "anchors" else f"{kind}.safetensors"


def assert_same(left: Any, right: Any) -> None:
    """Two artifacts hold the same: types, shapes, values."""
    if is_dataclass(left):
        assert type(left) is type(right)
        for field in fields(left):
            assert_same(getattr(left, field.name), getattr(right, field.name))
    elif isinstance(left, np.ndarray):
        assert left.dtype.newbyteorder("=") == right.dtype.newbyteorder("=")
        assert left.shape == right.shape
        assert left.tolist() == right.tolist()
    elif isinstance(left, dict):
        assert set(left) == set(right)
        for key, value in left.items():
            assert_same(value, right[key])
    elif isinstance(left, tuple | list):
        assert len(left) == len(right)
        for one, other in zip(left, right, strict=True):
            assert_same(one, other)
    else:
        assert left == right


def forge(source: Path, target: Path, change: Callable[[dict[str, Any], dict[str, Any]], None]) -> Path:
    """A file of ours whose checksums fit and whose content was tampered with by ``change(tensors, facts)``."""
    file = read_tensors(source)
    tensors, facts = dict(file.tensors), json.loads(json.dumps(file.facts))
    del facts["checksum"], facts["checksums"]
    change(tensors, facts)
    write_tensors(target, target, tensors, facts)
    return target


def foreign(target: Path, tensors: dict[str, Any], metadata: dict[str, str] | None = None) -> Path:
    """A safetensors file as another program would write it."""
    save_file(tensors, target, metadata=metadata)
    return target
