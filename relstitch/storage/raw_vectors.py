"""Ready-made vectors: their stamp, and safetensors files of bare arrays that some other program wrote."""

import hashlib
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from relstitch.artifacts import Embeddings, EncoderStamp, Rows, Targets
from relstitch.artifacts.rows import texts_array
from relstitch.errors import ArtifactError, DatasetError, MismatchError, some
from relstitch.storage.files import peek
from relstitch.storage.foreign import read_head, what_it_is
from relstitch.storage.metadata import KINDS
from relstitch.storage.output import os_reason
from relstitch.storage.tensors import Header, is_safetensors, map_tensors, read_header

_SOLE = ("vectors", "embeddings")
_FLOATS = ("F16", "BF16", "F32", "F64")
_BLOCK_ROWS = 2**16


def embeddings_from_vectors(vectors: NDArray[Any], rows: Rows, source_name: str) -> Embeddings:
    """Give ready-made vectors the stamp that tells them apart: nobody knows what encoder made them.

    Args:
        vectors: [n, d] real numbers, finite; kept as float32.
        rows: Who the n rows are.
        source_name: The name of the file they came from; the stamp's spec becomes ``vectors:NAME``.

    Returns:
        Embeddings whose stamp carries the SHA-256 of the vectors (float32, little-endian, row after row).

    Raises:
        MismatchError: One vector per row is not what was given, or some are not finite.

    Example:
        >>> made = embeddings_from_vectors(np.eye(2), Rows.build(["a", "b"]), "two.npy")
        >>> made.encoder.spec, made.encoder.dimension
        ('vectors:two.npy', 2)
    """
    if vectors.ndim != 2:
        raise MismatchError(
            f"The vectors of {source_name} have the shape {list(vectors.shape)}; expected one vector per row, [n, d]."
        )
    with np.errstate(over="ignore"):
        # A number too large for float32 becomes infinite, which is found and named below.
        kept = np.asarray(vectors, dtype="<f4", order="C")
    digest = hashlib.sha256()
    for start in range(0, len(kept), _BLOCK_ROWS):
        digest.update(kept[start : start + _BLOCK_ROWS].tobytes())
    extra = {"vectors_sha256": digest.hexdigest()}
    stamp = EncoderStamp(f"vectors:{source_name}", "vectors", int(kept.shape[1]), extra=extra)
    return Embeddings(rows, kept, stamp)


def load_vectors(path: str | Path, *, split: str = "all") -> Embeddings:
    """Read a safetensors file of bare vectors that some other program wrote.

    It holds either one matrix [n, d] (called ``vectors`` or ``embeddings`` where there are others beside it), with
    optional ``labels`` and ``ids`` [n]; or one matrix a split, called ``SPLIT``, with optional ``SPLIT_labels`` and
    ``SPLIT_ids``. Labels are whole numbers and become class names; ids are whole numbers.

    Args:
        path: The file.
        split: The split of a matrix that is alone; matrices that are named for their splits keep those.

    Returns:
        Embeddings whose ids are ``split:id``, or ``split:row`` where there are no ids.

    Raises:
        ArtifactError: Not such a file.
    """
    place = Path(path)
    head = read_head(place)
    if not is_safetensors(head) or peek(place) is not None:
        kind = peek(place)
        found = KINDS.get(kind, f"a {kind} file of relstitch") if kind else what_it_is(place, head)
        raise ArtifactError(f"{path} is {found}; a safetensors file of bare vectors was expected.")
    try:
        header = read_header(place)
        arrays = map_tensors(place, header)
        return _embeddings(place, header, arrays, split)
    except OSError as error:
        raise ArtifactError(f"{path} could not be read: {os_reason(error)}.") from error
    except (DatasetError, MismatchError) as error:
        raise ArtifactError(f"{path}: {error}") from error


def _embeddings(path: Path, header: Header, arrays: dict[str, NDArray[Any]], split: str) -> Embeddings:
    parts = _parts(path, header, split)
    vectors = [_floats(arrays[name], header.tensors[name].dtype) for name in parts]
    widths = {name: array.shape[1] for name, array in zip(parts, vectors, strict=True)}
    if len(set(widths.values())) > 1:
        listed = ", ".join(f"{name} {width}" for name, width in widths.items())
        raise ArtifactError(f"{path} holds matrices of different widths ({listed}); all splits must have one width.")
    ids: list[str] = []
    labels: list[str | None] = []
    splits: list[str] = []
    for (name, split_name), array in zip(parts.items(), vectors, strict=True):
        n = len(array)
        numbers = _column(path, arrays, _names_of("ids", name), n)
        ids += [f"{split_name}:{number}" for number in (range(n) if numbers is None else numbers)]
        classes = _column(path, arrays, _names_of("labels", name), n)
        labels += [None] * n if classes is None else [str(label) for label in classes]
        splits += [split_name] * n
    targets = Targets.from_labels(labels) if any(label is not None for label in labels) else None
    rows = Rows(texts_array(ids), np.full(len(ids), "", dtype="<U32"), texts_array(splits), targets)
    return embeddings_from_vectors(vectors[0] if len(vectors) == 1 else np.concatenate(vectors), rows, path.name)


def _parts(path: Path, header: Header, split: str) -> dict[str, str]:
    matrices = [
        name
        for name, info in header.tensors.items()
        if info.dtype in _FLOATS and len(info.shape) == 2 and not name.endswith(("_labels", "_ids"))
    ]
    named = [name for name in matrices if name in _SOLE]
    if len(named) == 1:
        return {named[0]: split}
    beside = {name for name in matrices for kind in ("labels", "ids") if f"{name}_{kind}" in header.tensors}
    if len(matrices) == 1 and not beside and matrices[0] not in ("train", "validation", "val", "test"):
        return {matrices[0]: split}
    if not matrices:
        listed = some(sorted(header.tensors)) or "none"
        raise ArtifactError(
            f"{path} holds no matrix of vectors; its tensors: {listed}. Expected float vectors [n, d], called "
            "'vectors' or for their split."
        )
    return {name: name for name in matrices}


def _names_of(kind: str, matrix: str) -> Iterable[str]:
    return (f"{matrix}_{kind}", kind) if matrix in _SOLE else (f"{matrix}_{kind}",)


def _column(path: Path, arrays: dict[str, NDArray[Any]], names: Iterable[str], n: int) -> list[int] | None:
    for name in names:
        if name in arrays:
            column = arrays[name]
            if column.shape != (n,) or column.dtype.kind not in "iu":
                raise ArtifactError(
                    f"{path}: its tensor {name!r} is {column.dtype} {list(column.shape)}; expected whole numbers "
                    f"[{n}], one a vector."
                )
            numbers: list[int] = column.tolist()
            return numbers
    return None


def _floats(array: NDArray[Any], dtype: str) -> NDArray[Any]:
    if dtype == "BF16":
        # bfloat16 is the upper half of float32.
        return (array.astype(np.uint32) << 16).view(np.float32)
    return array
