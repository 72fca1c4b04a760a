"""Embeddings, relative and decoder files: what stands where in each."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from relstitch.artifacts import Decoder, Embeddings, Relative
from relstitch.names import DECODERS
from relstitch.storage.anchor_layout import (
    draw_facts,
    lay_arrays,
    lay_columns,
    lay_list,
    lay_spaces,
    matrix,
    read_anchor_vectors,
    read_arrays,
    read_list,
    read_spaces,
)
from relstitch.storage.metadata import (
    entry,
    one_of,
    projection_facts,
    read_counts,
    read_projection,
    read_stamp,
    texts,
)
from relstitch.storage.row_layout import Layout, lay_rows, lay_skipped, read_rows, read_skipped
from relstitch.storage.tensors import TensorFile, tensor

_TASKS = ("class", "multilabel", "real", "image")


def lay_embeddings(artifact: Embeddings, dtype: str = "float32") -> Layout:
    """An embeddings file."""
    tensors = {"vectors": matrix(artifact.vectors, dtype)}
    return _lay_space("embeddings", tensors, artifact)


def read_embeddings(file: TensorFile) -> Embeddings:
    """The embeddings in a file of ours."""
    rows, stamp = read_rows(file), read_stamp(file.path, file.facts)
    vectors = _read_matrix(file, "vectors", len(rows), stamp.dimension)
    return Embeddings(rows, vectors, stamp, read_skipped(file), read_counts(file.path, file.facts))


def lay_relative(artifact: Relative, dtype: str = "float32") -> Layout:
    """A relative file: with the anchors, their vectors and their mean."""
    tensors = {
        "values": matrix(artifact.values, dtype),
        "anchors.vectors": matrix(artifact.anchors.vectors),
        "anchors.mean": matrix(artifact.anchors.mean),
        **lay_columns("anchors", artifact.anchors),
        **lay_list("anchors", artifact.anchors.anchors),
    }
    facts = {
        "projection": projection_facts(artifact.projection),
        "anchors": {"k": len(artifact.anchors.anchors), **draw_facts(artifact.anchors)},
    }
    return _lay_space("relative", tensors, artifact, facts)


def read_relative(file: TensorFile) -> Relative:
    """The relative representations in a file of ours."""
    rows, stamp = read_rows(file), read_stamp(file.path, file.facts)
    facts = entry(file.path, file.facts, "anchors", dict)
    listed = read_list(file, "anchors", entry(file.path, facts, "k", int))
    tensor(file, "anchors.mean", np.float32, (stamp.dimension,))
    projection = read_projection(file.path, file.facts)
    return Relative(
        rows, _read_matrix(file, "values", len(rows), len(listed) * projection.factors), stamp, projection,
        read_anchor_vectors(file, "anchors", facts, listed, (stamp.dimension, projection.factors)),
        read_skipped(file), read_counts(file.path, file.facts),
    )  # fmt: skip


def lay_decoder(artifact: Decoder) -> Layout:
    """A decoder file: its arrays, and the spaces it serves with their anchors; each list of anchors stands once."""
    spaces = lay_spaces(artifact.spaces)
    facts = {
        "kind": "decoder",
        "method": artifact.method,
        "task": artifact.task,
        "names": artifact.names,
        "settings": artifact.settings,
        "encoder": None if artifact.encoder is None else artifact.encoder.to_json(),
        "projection": None if artifact.projection is None else projection_facts(artifact.projection),
        **spaces.facts,
    }
    return Layout({**lay_arrays(artifact.arrays), **spaces.tensors}, facts)


def read_decoder(file: TensorFile) -> Decoder:
    """The decoder in a file of ours."""
    path, facts = file.path, file.facts
    known = entry(path, facts, "projection", dict | None) is not None
    projection = read_projection(path, facts) if known else None
    return Decoder(
        method=one_of(path, facts, "method", DECODERS),
        task=one_of(path, facts, "task", _TASKS),
        names=texts(path, facts, "names"),
        arrays=read_arrays(file),
        settings=entry(path, facts, "settings", dict),
        encoder=read_stamp(path, facts) if entry(path, facts, "encoder", dict | None) is not None else None,
        projection=projection,
        spaces=read_spaces(file, projection.factors if projection else 1),
    )


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


def _read_matrix(file: TensorFile, name: str, n: int, width: int) -> NDArray[np.float32]:
    return tensor(file, name, ("float32", "float16"), (n, width)).astype(np.float32, copy=False)
