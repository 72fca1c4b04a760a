"""Maps from one encoder's space to another's that can be kept, sent and used without the data they were fitted on."""

import hashlib
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from functools import cached_property
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from relstitch.artifacts.spaces import AnchorVectors
from relstitch.artifacts.stamps import EncoderStamp
from relstitch.errors import MismatchError, some

Arrays = Mapping[str, NDArray[Any]]

_LINEAR = {"center": "s", "weights": "st", "bias": "t", "normalise": ""}
SHAPES: Mapping[str, Mapping[str, str]] = {
    **dict.fromkeys(("procrustes", "ridge", "affine", "low-rank", "inverse"), _LINEAR),
    "kernel": {"center": "s", "anchors": "ks", "weights": "kt", "bias": "t", "gamma": ""},
    "smoothing": {
        "source.center": "s", "source.anchors": "ks", "source.weights": "kw",
        "target.center": "t", "target.anchors": "kt", "target.weights": "kw", "gamma": "",
    },
    "mlp": {**_LINEAR, "hidden.weights": "sh", "hidden.bias": "h", "out.weights": "ht", "out.bias": "t"},
}  # fmt: skip
"""The arrays without which a translator can carry nothing, by method, a letter a dimension: the widths of source and
target (s, t), anchors (k), hidden units (h), the width of the place where both sides of a two-sided one meet (w)."""


@dataclass(frozen=True, eq=False)
class Translator:
    """What carries the rows of one encoder (the source) to the space of another (the target).

    Attributes:
        method: One of `relstitch.names.TRANSLATORS`; of a composed one, those of its steps, joined by ``+``.
        source: The encoder whose rows are carried.
        target: The encoder whose space they are carried to.
        arrays: The fitted arrays, by name (what they are is the method's own matter); of a composed one the names of
            step i begin with ``i.``.
        settings: What was chosen: penalty, how it was chosen, seed …
        anchors: The anchors in the source and in the target, position by position; of a composed one so many pairs
            as it has steps.
        through: The encoders between the steps of a composed one.
    """

    method: str
    source: EncoderStamp
    target: EncoderStamp
    arrays: Arrays
    settings: Mapping[str, Any]
    anchors: tuple[AnchorVectors, ...]
    through: tuple[EncoderStamp, ...] = ()

    def __post_init__(self) -> None:
        names = self.method.split("+")
        if len(self.through) != len(names) - 1 or len(self.anchors) != 2 * len(names):
            raise MismatchError(
                f"A translator of {len(names)} steps ({self.method}) came with {len(self.through)} encoders between "
                f"them and {len(self.anchors)} sets of anchors; expected {len(names) - 1} and {2 * len(names)}."
            )
        for (source, target), (method, arrays) in zip(self.stages, self.steps, strict=True):
            _check_arrays(method, arrays, {"s": source.dimension, "t": target.dimension})
        for stamp, anchors in self.spaces:
            if anchors.vectors.shape[1] != stamp.dimension:
                raise MismatchError(
                    f"The anchors' vectors of {stamp.spec} are {anchors.vectors.shape[1]} wide; the encoder's stamp "
                    f"says {stamp.dimension}."
                )

    @property
    def stages(self) -> tuple[tuple[EncoderStamp, EncoderStamp], ...]:
        """From which encoder to which each step goes."""
        return tuple(pairwise((self.source, *self.through, self.target)))

    @property
    def spaces(self) -> tuple[tuple[EncoderStamp, AnchorVectors], ...]:
        """The encoder of every set of anchors, with the set."""
        return tuple(zip([end for pair in self.stages for end in pair], self.anchors, strict=True))

    @cached_property
    def steps(self) -> tuple[tuple[str, Arrays], ...]:
        """The method and the arrays of every step, in order: one, unless it was composed."""
        names = self.method.split("+")
        if len(names) == 1:
            return ((self.method, self.arrays),)
        return tuple((name, part_of(self.arrays, at)) for at, name in enumerate(names))

    @cached_property
    def width(self) -> int:
        """The width of carried rows: the target's, or that of the place where both sides of a two-sided one meet."""
        _, arrays = self.steps[-1]
        return int(arrays["source.weights"].shape[1]) if "source.weights" in arrays else self.target.dimension

    @cached_property
    def digest(self) -> str:
        """SHA-256 over the methods and the arrays: which map this is, whatever file it came from."""
        found = hashlib.sha256(self.method.encode())
        for name, array in sorted(self.arrays.items()):
            found.update(f"{name} {array.dtype.name} {array.shape}".encode())
            found.update(np.ascontiguousarray(array).tobytes())
        return found.hexdigest()


@dataclass(frozen=True, eq=False)
class Hub:
    """One space in which M encoders meet with M maps, instead of one map for every ordered pair.

    Attributes:
        encoders: The M encoders, each with the anchors' vectors in it.
        arrays: The fitted arrays; those of encoder i are ``i.center`` [d], ``i.weights`` [d, w] into the hub, and
            ``i.back`` [w, d] out of it.
        settings: What was chosen: the width of the hub, iterations …
    """

    encoders: tuple[tuple[EncoderStamp, AnchorVectors], ...]
    arrays: Arrays
    settings: Mapping[str, Any]

    def __post_init__(self) -> None:
        if len(self.encoders) < 2:
            raise MismatchError(f"A hub joins at least 2 encoders; {len(self.encoders)} given.")
        widths: dict[str, int] = {}
        for at, (stamp, anchors) in enumerate(self.encoders):
            if anchors.vectors.shape[1] != stamp.dimension:
                raise MismatchError(
                    f"A hub's anchors in {stamp.spec} are {anchors.vectors.shape[1]} wide; the encoder's stamp says "
                    f"{stamp.dimension}."
                )
            widths["s"] = stamp.dimension
            _match("hub", part_of(self.arrays, at), {"center": "s", "weights": "sw", "back": "ws"}, widths)


@dataclass(frozen=True)
class Evaluation:
    """How well rows that were carried over find themselves among the target's own.

    Attributes:
        recall: By n, the share of queries that stand among their own n nearest candidates, in [0, 1].
        mrr: Mean of 1 ÷ rank, in (0, 1].
        mean_cosine: Mean cosine between a carried row and itself in the target, in [-1, 1].
        queries: How many rows of the source were looked up.
        candidates: How many rows of the target they were looked up in.
        notes: What a reader should know, in words.
    """

    recall: Mapping[int, float]
    mrr: float
    mean_cosine: float
    queries: int
    candidates: int
    notes: tuple[str, ...] = field(default_factory=tuple)

    def to_json(self) -> dict[str, Any]:
        """The figures as plain JSON values."""
        values = asdict(self)
        return {**values, "recall": {str(n): share for n, share in self.recall.items()}, "notes": list(self.notes)}


def part_of(arrays: Arrays, position: int) -> dict[str, NDArray[Any]]:
    """The arrays of one part of a composed translator or of a hub, by their own names.

    Example:
        >>> part_of({"0.center": np.zeros(2), "1.center": np.ones(2)}, 1)
        {'center': array([1., 1.])}
    """
    start = f"{position}."
    return {name.removeprefix(start): array for name, array in arrays.items() if name.startswith(start)}


def _check_arrays(method: str, arrays: Arrays, widths: dict[str, int]) -> None:
    shapes = SHAPES.get(method)
    if shapes is None:
        raise MismatchError(f"There is no translator {method!r}. Choose one of: {', '.join(SHAPES)}.")
    _match(method, arrays, shapes, widths)


def _match(method: str, arrays: Arrays, shapes: Mapping[str, str], widths: dict[str, int]) -> None:
    """Refuse arrays that are missing, not finite, or do not fit each other; unknown widths are learned on the way."""
    missing = [name for name in shapes if name not in arrays]
    if missing:
        raise MismatchError(f"The arrays of a {method} translator lack {some(missing)}. Fit it again.")
    bad = [name for name, array in arrays.items() if array.dtype.kind not in "fiub" or not np.isfinite(array).all()]
    if bad:
        raise MismatchError(f"The arrays {some(bad)} of a {method} translator hold values that are not finite.")
    for name, letters in shapes.items():
        shape = arrays[name].shape
        if len(shape) == len(letters):
            for letter, size in zip(letters, shape, strict=True):
                widths.setdefault(letter, size)
        if shape != tuple(widths.get(letter) for letter in letters):
            expected = ", ".join(str(widths.get(letter, "any")) for letter in letters)
            raise MismatchError(
                f"The array {name!r} of a {method} translator has the shape {list(shape)}; expected [{expected}]. "
                "Fit it again."
            )
