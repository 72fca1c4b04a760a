"""Small ONNX networks, written byte by byte: a network of two nodes needs no library to make it."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

_FLOAT, _INT64 = 1, 7
Dim = int | str


def _varint(value: int) -> bytes:
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes([*out, value])


def _number(field: int, value: int) -> bytes:
    return _varint(field << 3) + _varint(value)


def _bytes(field: int, value: bytes | str) -> bytes:
    data = value.encode() if isinstance(value, str) else value
    return _varint(field << 3 | 2) + _varint(len(data)) + data


def _end(name: str, dims: Sequence[Dim], kind: int = _FLOAT) -> bytes:
    shape = b"".join(_bytes(1, _number(1, dim) if isinstance(dim, int) else _bytes(2, dim)) for dim in dims)
    return _bytes(1, name) + _bytes(2, _bytes(1, _number(1, kind) + _bytes(2, shape)))


def _tensor(name: str, array: NDArray[Any]) -> bytes:
    dims = b"".join(_number(1, size) for size in array.shape)
    return dims + _number(2, _FLOAT) + _bytes(8, name) + _bytes(9, array.astype("<f4").tobytes())


def _node(kind: str, inputs: Sequence[str], output: str) -> bytes:
    return b"".join(_bytes(1, name) for name in inputs) + _bytes(2, output) + _bytes(4, kind)


def network(
    weights: NDArray[Any],
    bias: NDArray[Any],
    *,
    rows: Dim = "n",
    width: Dim | None = None,
    outputs: Sequence[str] = ("values",),
    metadata: Mapping[str, str] | None = None,
) -> bytes:
    """X · weights + bias as an ONNX file: weights [d, c], bias [c]; `products` is the output before the bias."""
    d, c = weights.shape
    graph = _bytes(1, _node("MatMul", ("rows", "weights"), "products"))
    graph += _bytes(1, _node("Add", ("products", "bias"), "values"))
    graph += _bytes(2, "head") + _bytes(5, _tensor("weights", weights)) + _bytes(5, _tensor("bias", bias))
    graph += _bytes(11, _end("rows", (rows, d if width is None else width)))
    graph += b"".join(_bytes(12, _end(name, (rows, c))) for name in outputs)
    said = b"".join(_bytes(14, _bytes(1, key) + _bytes(2, value)) for key, value in (metadata or {}).items())
    return _number(1, 8) + _bytes(7, graph) + _bytes(8, _number(2, 13)) + said


def head(seed: int = 0, d: int = 10, c: int = 4) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Random weights [d, c] and bias [c]."""
    random = np.random.default_rng(seed)
    return random.normal(size=(d, c)).astype(np.float32), random.normal(size=c).astype(np.float32)
