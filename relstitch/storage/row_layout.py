"""Rows, targets and skipped rows: whatever grows with n as tensors, the names of classes and splits as metadata."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, get_args

import numpy as np
from numpy.typing import NDArray

from relstitch.artifacts import Portion, Rows, Skipped, Targets
from relstitch.artifacts.rows import TargetKind, texts_array
from relstitch.errors import counted
from relstitch.storage.metadata import damaged, entry, one_of, texts
from relstitch.storage.tensors import TensorFile, tensor
from relstitch.storage.texts import pack_hashes, pack_texts, unpack_hashes, unpack_texts

_TARGET_TYPES: Mapping[str, type[np.generic]] = {
    "class": np.int32,
    "multilabel": np.bool_,
    "real": np.float32,
    "image": np.uint8,
}
_TARGET_DIMENSIONS: Mapping[str, int] = {"class": 1, "multilabel": 2, "real": 2, "image": 4}


@dataclass(frozen=True, eq=False)
class Layout:
    """A part of a file: its tensors, and what it adds to the metadata."""

    tensors: Mapping[str, NDArray[Any]]
    facts: Mapping[str, Any]


def lay_texts(name: str, values: Sequence[str]) -> dict[str, NDArray[Any]]:
    """A column of text as two tensors: ``NAME.bytes`` and ``NAME.offsets``."""
    buffer, offsets = pack_texts(values)
    return {f"{name}.bytes": buffer, f"{name}.offsets": offsets}


def read_texts(file: TensorFile, name: str, n: int) -> list[str]:
    """The n texts that `lay_texts` laid down."""
    offsets = tensor(file, f"{name}.offsets", np.int64, (n + 1,))
    try:
        return unpack_texts(tensor(file, f"{name}.bytes", np.uint8, (None,)), offsets)
    except ValueError as error:
        raise damaged(file.path, f"its texts {name!r} cannot be read ({error})") from error


def _lay_codes(values: Sequence[str], names: Sequence[str]) -> NDArray[np.int32]:
    code = {name: position for position, name in enumerate(names)}
    return np.fromiter((code[value] for value in values), dtype=np.int32, count=len(values))


def _read_codes(file: TensorFile, name: str, n: int, count: int) -> NDArray[np.int32]:
    codes = tensor(file, name, np.int32, (n,))
    if n and not (codes.min() >= 0 and codes.max() < count):
        raise damaged(file.path, f"its tensor {name!r} points outside the {counted(count, 'name')} it has")
    return codes


def lay_rows(rows: Rows) -> Layout:
    """Rows as tensors, their names and fingerprints as metadata."""
    ids, splits = rows.ids.tolist(), rows.splits.tolist()
    tensors = lay_texts("ids", ids)
    tensors["hashes"] = pack_hashes(rows.hashes.tolist())
    pack_texts(rows.split_names)  # refuses what is not valid Unicode before a fingerprint is taken of it
    tensors["splits"] = _lay_codes(splits, rows.split_names)
    facts: dict[str, Any] = {
        "n": len(rows),
        "dataset": rows.fingerprint,
        "split_fingerprint": rows.split_fingerprint,
        "splits": rows.split_names,
        "has_counts": rows.counts is not None,
        "targets": None,
    }
    if rows.counts is not None:
        tensors["counts"] = rows.counts.astype(np.float64, copy=False)
    if rows.targets is not None:
        kind = rows.targets.kind
        facts["targets"] = {"kind": kind, "names": rows.targets.names}
        tensors["targets.values"] = rows.targets.values.astype(_TARGET_TYPES[kind], copy=False)
        tensors["targets.present"] = rows.targets.present.astype(np.bool_, copy=False)
    if rows.portion is not None:
        facts["portion"] = asdict(rows.portion)
    return Layout(tensors, {"rows": facts})


def read_rows(file: TensorFile) -> Rows:
    """The rows that `lay_rows` laid down.

    Raises:
        ArtifactError: Something in them contradicts the rest.
    """
    facts = entry(file.path, file.facts, "rows", dict)
    n, names = entry(file.path, facts, "n", int), texts(file.path, facts, "splits")
    ids = texts_array(read_texts(file, "ids", n))
    hashes = unpack_hashes(tensor(file, "hashes", np.uint8, (n, 16)))
    splits = texts_array(names)[_read_codes(file, "splits", n, len(names))]
    counts = tensor(file, "counts", np.float64, (n,)) if entry(file.path, facts, "has_counts", bool) else None
    return Rows(ids, hashes, splits, _read_targets(file, facts, n), counts, _read_portion(file, facts))


def _read_portion(file: TensorFile, facts: Mapping[str, Any]) -> Portion | None:
    if "portion" not in facts:
        return None
    values = entry(file.path, facts, "portion", dict)
    lists = {name: entry(file.path, values, name, list) for name in ("shards", "rows", "skipped")}
    if not all(type(number) is int for numbers in lists.values() for number in numbers):
        raise damaged(file.path, "its shards are not whole numbers")
    of, total = (entry(file.path, values, name, int) for name in ("of", "total"))
    dataset, order = (entry(file.path, values, name, str) for name in ("dataset", "order"))
    return Portion(of, total, dataset, order, **{name: tuple(numbers) for name, numbers in lists.items()})


def _read_targets(file: TensorFile, facts: Mapping[str, Any], n: int) -> Targets | None:
    if entry(file.path, facts, "targets", dict | None) is None:
        return None
    kind: TargetKind = one_of(file.path, facts["targets"], "kind", get_args(TargetKind))  # type: ignore[assignment]
    names = texts(file.path, facts["targets"], "names")
    shape = (n, *[None] * (_TARGET_DIMENSIONS[kind] - 1))
    values = tensor(file, "targets.values", _TARGET_TYPES[kind], shape)
    present = tensor(file, "targets.present", np.bool_, (n,))
    if kind == "class":
        _check_codes(file, values, present, len(names))
    elif kind != "image" and values.shape[1] != len(names):
        found = f"{counted(values.shape[1], 'target')} per row and {counted(len(names), 'name')} for them"
        raise damaged(file.path, f"it has {found}")
    for name, flags in (("targets.present", present), ("targets.values", values)):
        if flags.dtype == np.bool_ and flags.size and flags.view(np.uint8).max() > 1:
            raise damaged(file.path, f"its tensor {name!r} holds more than yes and no")
    return Targets(kind, values, present, names)


def _check_codes(file: TensorFile, values: NDArray[Any], present: NDArray[Any], count: int) -> None:
    if len(values) and not (values.min() >= -1 and values.max() < count and (values[present] >= 0).all()):
        raise damaged(file.path, f"its tensor 'targets.values' points outside the {counted(count, 'name')} it has")


def lay_skipped(skipped: Sequence[Skipped]) -> Layout:
    """Skipped rows as tensors: there may be as many as rows."""
    splits = tuple(dict.fromkeys(row.split for row in skipped))
    tensors = {
        **lay_texts("skipped.ids", [row.id for row in skipped]),
        **lay_texts("skipped.reasons", [row.reason for row in skipped]),
        "skipped.splits": _lay_codes([row.split for row in skipped], splits),
    }
    return Layout(tensors, {"skipped": {"n": len(skipped), "splits": splits}})


def read_skipped(file: TensorFile) -> tuple[Skipped, ...]:
    """The skipped rows that `lay_skipped` laid down."""
    facts = entry(file.path, file.facts, "skipped", dict)
    n, names = entry(file.path, facts, "n", int), texts(file.path, facts, "splits")
    codes = _read_codes(file, "skipped.splits", n, len(names)).tolist()
    ids, reasons = read_texts(file, "skipped.ids", n), read_texts(file, "skipped.reasons", n)
    return tuple(Skipped(*row) for row in zip(ids, (names[code] for code in codes), reasons, strict=True))
