"""Embeddings, relative and decoder files: what stands where in each."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from relstitch.artifacts import AnchorList, AnchorVectors, Decoder, Embeddings, EncoderStamp, Relative
from relstitch.errors import ArtifactError
from relstitch.names import DECODERS
from relstitch.storage.metadata import (
    damaged,
    entry,
    one_of,
    projection_facts,
    read_counts,
    read_projection,
    read_stamp,
    texts,
)
from relstitch.storage.row_layout import Layout, lay_rows, lay_skipped, lay_texts, read_rows, read_skipped, read_texts
from relstitch.storage.tensors import TensorFile, tensor
from relstitch.storage.texts import pack_hashes, unpack_hashes

_TASKS = ("class", "multilabel", "real")
_ARRAY = "array."


def lay_embeddings(artifact: Embeddings, dtype: str = "float32") -> Layout:
    """An embeddings file."""
    tensors = {"vectors": _matrix(artifact.vectors, dtype)}
    return _lay_space("embeddings", tensors, artifact)


def read_embeddings(file: TensorFile) -> Embeddings:
    """The embeddings in a file of ours."""
    rows, stamp = read_rows(file), read_stamp(file.path, file.facts)
    vectors = _read_matrix(file, "vectors", len(rows), stamp.dimension)
    return Embeddings(rows, vectors, stamp, read_skipped(file), read_counts(file.path, file.facts))


def lay_relative(artifact: Relative, dtype: str = "float32") -> Layout:
    """A relative file: with the anchors, their vectors and their mean."""
    tensors = {
        "values": _matrix(artifact.values, dtype),
        "anchors.vectors": _matrix(artifact.anchors.vectors),
        "anchors.mean": _matrix(artifact.anchors.mean),
        **_lay_columns("anchors", artifact.anchors),
        **_lay_list("anchors", artifact.anchors.anchors),
    }
    facts = {
        "projection": projection_facts(artifact.projection),
        "anchors": {"k": len(artifact.anchors.anchors), **_draw_facts(artifact.anchors)},
    }
    return _lay_space("relative", tensors, artifact, facts)


def read_relative(file: TensorFile) -> Relative:
    """The relative representations in a file of ours."""
    rows, stamp = read_rows(file), read_stamp(file.path, file.facts)
    facts = entry(file.path, file.facts, "anchors", dict)
    listed = _read_list(file, "anchors", entry(file.path, facts, "k", int))
    tensor(file, "anchors.mean", np.float32, (stamp.dimension,))
    projection = read_projection(file.path, file.facts)
    return Relative(
        rows, _read_matrix(file, "values", len(rows), len(listed) * projection.factors), stamp, projection,
        _read_anchor_vectors(file, "anchors", facts, listed, (stamp.dimension, projection.factors)),
        read_skipped(file), read_counts(file.path, file.facts),
    )  # fmt: skip


def lay_decoder(artifact: Decoder) -> Layout:
    """A decoder file: its arrays, and the spaces it serves with their anchors; each list of anchors stands once."""
    tensors: dict[str, NDArray[Any]] = {f"{_ARRAY}{name}": array for name, array in artifact.arrays.items()}
    lists = tuple(dict.fromkeys(anchors.anchors for _, anchors in artifact.spaces))
    for position, listed in enumerate(lists):
        tensors.update(_lay_list(f"anchors.{position}", listed))
    spaces = []
    for position, (stamp, anchors) in enumerate(artifact.spaces):
        tensors[f"space.{position}.vectors"] = _matrix(anchors.vectors)
        tensors.update(_lay_columns(f"space.{position}", anchors))
        place = {"encoder": stamp.to_json(), "list": lists.index(anchors.anchors)}
        spaces.append({**place, **_draw_facts(anchors)})
    facts = {
        "kind": "decoder",
        "method": artifact.method,
        "task": artifact.task,
        "names": artifact.names,
        "settings": artifact.settings,
        "encoder": None if artifact.encoder is None else artifact.encoder.to_json(),
        "projection": None if artifact.projection is None else projection_facts(artifact.projection),
        "anchors": [len(listed) for listed in lists],
        "spaces": spaces,
    }
    return Layout(tensors, facts)


def read_decoder(file: TensorFile) -> Decoder:
    """The decoder in a file of ours."""
    path, facts = file.path, file.facts
    known = entry(path, facts, "projection", dict | None) is not None
    projection = read_projection(path, facts) if known else None
    return Decoder(
        method=one_of(path, facts, "method", DECODERS),
        task=one_of(path, facts, "task", _TASKS),
        names=texts(path, facts, "names"),
        # Small and used over and over: in memory, and free to be written to.
        arrays={
            name.removeprefix(_ARRAY): np.array(array)
            for name, array in file.tensors.items()
            if name.startswith(_ARRAY)
        },
        settings=entry(path, facts, "settings", dict),
        encoder=read_stamp(path, facts) if entry(path, facts, "encoder", dict | None) is not None else None,
        projection=projection,
        spaces=_read_spaces(file, projection.factors if projection else 1),
    )


def _read_spaces(file: TensorFile, factors: int) -> tuple[tuple[EncoderStamp, AnchorVectors], ...]:
    sizes = entry(file.path, file.facts, "anchors", list)
    if not all(type(size) is int for size in sizes):
        raise damaged(file.path, "its entry 'anchors' is not a list of whole numbers")
    lists = [_read_list(file, f"anchors.{position}", size) for position, size in enumerate(sizes)]
    spaces = []
    for position, facts in enumerate(entry(file.path, file.facts, "spaces", list)):
        which = entry(file.path, facts, "list", int) if isinstance(facts, dict) else -1
        if not 0 <= which < len(lists):
            raise damaged(file.path, f"space {position} names an anchors list that is not there")
        stamp = read_stamp(file.path, facts)
        widths = (stamp.dimension, factors)
        spaces.append((stamp, _read_anchor_vectors(file, f"space.{position}", facts, lists[which], widths)))
    return tuple(spaces)


def _lay_space(
    kind: str,
    tensors: Mapping[str, NDArray[Any]],
    artifact: Embeddings | Relative,
    facts: Mapping[str, Any] | None = None,
) -> Layout:
    rows, skipped = lay_rows(artifact.rows), lay_skipped(artifact.skipped)
    described = {"kind": kind, "encoder": artifact.encoder.to_json(), "counts": artifact.counts, **(facts or {})}
    return Layout(
        {**tensors, **rows.tensors, **skipped.tensors},
        {**described, **rows.facts, **skipped.facts},
    )


def _matrix(values: NDArray[Any], dtype: str = "float32") -> NDArray[Any]:
    with np.errstate(over="ignore"):
        stored = values.astype(dtype, copy=False)
    # float16 ends at 65504: a larger number would be stored as infinity.
    if stored is not values and not np.isfinite(stored).all():
        raise ArtifactError(
            f"These vectors hold values up to {float(np.abs(values).max()):.4g}, more than {dtype} can hold. "
            "Store them as float32, or leave out rows that are not finite."
        )
    return stored


def _read_matrix(file: TensorFile, name: str, n: int, width: int) -> NDArray[np.float32]:
    return tensor(file, name, ("float32", "float16"), (n, width)).astype(np.float32, copy=False)


def _lay_list(name: str, listed: AnchorList) -> dict[str, NDArray[Any]]:
    return {**lay_texts(f"{name}.ids", listed.ids), f"{name}.hashes": pack_hashes(listed.hashes)}


def _read_list(file: TensorFile, name: str, k: int) -> AnchorList:
    ids = read_texts(file, f"{name}.ids", k)
    hashes = unpack_hashes(tensor(file, f"{name}.hashes", np.uint8, (k, 16)))
    return AnchorList(tuple(ids), tuple(hashes.tolist()))


def _draw_facts(anchors: AnchorVectors) -> dict[str, Any]:
    return {
        "side": anchors.side,
        "draw": anchors.draw,
        "strategy": anchors.strategy,
        "digest": anchors.anchors.digest,
        "correspondence": anchors.correspondence,
    }


def _lay_columns(name: str, anchors: AnchorVectors) -> dict[str, NDArray[Any]]:
    return {} if anchors.columns is None else {f"{name}.columns": _matrix(anchors.columns)}


def _read_anchor_vectors(
    file: TensorFile, place: str, facts: Mapping[str, Any], listed: AnchorList, widths: tuple[int, int]
) -> AnchorVectors:
    """The anchors at a place of the file; widths: of their vectors, and how many spaces the projection has."""
    path, name, scales = file.path, f"{place}.vectors", f"{place}.columns"
    if entry(path, facts, "digest", str) != listed.digest:
        raise damaged(path, f"the anchors of {name!r} are not those its digest names")
    vectors = _read_finite(file, name, (len(listed), widths[0]))
    # Files of projections that do not scale their columns have no such tensor.
    columns = _read_finite(file, scales, (2, len(listed) * widths[1])) if scales in file.tensors else None
    return AnchorVectors(
        listed, vectors, entry(path, facts, "side", str), entry(path, facts, "correspondence", str),
        entry(path, facts, "draw", int), entry(path, facts, "strategy", str), columns,
    )  # fmt: skip


def _read_finite(file: TensorFile, name: str, shape: tuple[int, int]) -> NDArray[np.float32]:
    values = np.array(tensor(file, name, np.float32, shape))
    if not np.isfinite(values).all():
        raise damaged(file.path, f"its tensor {name!r} holds values that are not finite")
    return values
