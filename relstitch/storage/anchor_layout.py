"""Anchors with their vectors, and learned arrays: the parts that several kinds of files share."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from relstitch.artifacts import AnchorList, AnchorVectors, EncoderStamp
from relstitch.errors import ArtifactError
from relstitch.storage.metadata import damaged, entry, read_stamp
from relstitch.storage.row_layout import Layout, lay_texts, read_texts
from relstitch.storage.tensors import TensorFile, tensor
from relstitch.storage.texts import pack_hashes, unpack_hashes

Spaces = tuple[tuple[EncoderStamp, AnchorVectors], ...]
_ARRAY = "array."


def lay_spaces(found: Spaces) -> Layout:
    """Encoders with the anchors as each sees them; each list of anchors stands once."""
    tensors: dict[str, NDArray[Any]] = {}
    lists = tuple(dict.fromkeys(anchors.anchors for _, anchors in found))
    for position, listed in enumerate(lists):
        tensors.update(lay_list(f"anchors.{position}", listed))
    spaces = []
    for position, (stamp, anchors) in enumerate(found):
        tensors[f"space.{position}.vectors"] = matrix(anchors.vectors)
        tensors.update(lay_columns(f"space.{position}", anchors))
        place = {"encoder": stamp.to_json(), "list": lists.index(anchors.anchors)}
        spaces.append({**place, **draw_facts(anchors)})
    return Layout(tensors, {"anchors": [len(listed) for listed in lists], "spaces": spaces})


def read_spaces(file: TensorFile, factors: int = 1) -> Spaces:
    """What `lay_spaces` laid down; factors: how many spaces the projection puts side by side."""
    sizes = entry(file.path, file.facts, "anchors", list)
    if not all(type(size) is int for size in sizes):
        raise damaged(file.path, "its entry 'anchors' is not a list of whole numbers")
    lists = [read_list(file, f"anchors.{position}", size) for position, size in enumerate(sizes)]
    spaces = []
    for position, facts in enumerate(entry(file.path, file.facts, "spaces", list)):
        which = entry(file.path, facts, "list", int) if isinstance(facts, dict) else -1
        if not 0 <= which < len(lists):
            raise damaged(file.path, f"space {position} names an anchors list that is not there")
        stamp = read_stamp(file.path, facts)
        widths = (stamp.dimension, factors)
        spaces.append((stamp, read_anchor_vectors(file, f"space.{position}", facts, lists[which], widths)))
    return tuple(spaces)


def lay_arrays(arrays: Mapping[str, NDArray[Any]]) -> dict[str, NDArray[Any]]:
    """Learned arrays, apart from everything else that a file holds."""
    return {f"{_ARRAY}{name}": array for name, array in arrays.items()}


def read_arrays(file: TensorFile) -> dict[str, NDArray[Any]]:
    """The arrays that `lay_arrays` laid down. Small and used over and over: in memory, and free to be written to."""
    return {
        name.removeprefix(_ARRAY): np.array(array) for name, array in file.tensors.items() if name.startswith(_ARRAY)
    }


def matrix(values: NDArray[Any], dtype: str = "float32") -> NDArray[Any]:
    """Vectors as they are stored.

    Raises:
        ArtifactError: Values that the type can't hold.
    """
    with np.errstate(over="ignore"):
        stored = values.astype(dtype, copy=False)
    # float16 ends at 65504: a larger number would be stored as infinity.
    if stored is not values and not np.isfinite(stored).all():
        raise ArtifactError(
            f"These vectors hold values up to {float(np.abs(values).max()):.4g}, more than {dtype} can hold. "
            "Store them as float32, or leave out rows that are not finite."
        )
    return stored


def lay_list(name: str, listed: AnchorList) -> dict[str, NDArray[Any]]:
    """A list of anchors as tensors."""
    return {**lay_texts(f"{name}.ids", listed.ids), f"{name}.hashes": pack_hashes(listed.hashes)}


def read_list(file: TensorFile, name: str, k: int) -> AnchorList:
    """The k anchors that `lay_list` laid down."""
    ids = read_texts(file, f"{name}.ids", k)
    hashes = unpack_hashes(tensor(file, f"{name}.hashes", np.uint8, (k, 16)))
    return AnchorList(tuple(ids), tuple(hashes.tolist()))


def draw_facts(anchors: AnchorVectors) -> dict[str, Any]:
    """Which draw of which anchors these are."""
    return {
        "side": anchors.side,
        "draw": anchors.draw,
        "strategy": anchors.strategy,
        "digest": anchors.anchors.digest,
        "correspondence": anchors.correspondence,
    }


def lay_columns(name: str, anchors: AnchorVectors) -> dict[str, NDArray[Any]]:
    """Mean and spread of the similarities, where the projection scales them."""
    return {} if anchors.columns is None else {f"{name}.columns": matrix(anchors.columns)}


def read_anchor_vectors(
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
