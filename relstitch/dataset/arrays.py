"""Vectors that were made elsewhere: .npy and .npz files."""

import zipfile
import zlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from relstitch.dataset.items import DEFAULT_SPLIT, Journal, Label
from relstitch.dataset.options import ReadOptions
from relstitch.dataset.sources import Source, check_kind
from relstitch.dataset.tables import CellError, cell_text
from relstitch.errors import DatasetError, UsageError, counted, some

_PLAIN = ("vectors", "embeddings")
_LABELS, _IDS = "_labels", "_ids"
_BLOCK = 65536
"""Rows that are looked at together, so that large files stay where they are: on the disk."""
_SPLITS = frozenset(["train", "val", "valid", "validation", "dev", "test"])
_DAMAGE = (OSError, ValueError, EOFError, KeyError, zipfile.BadZipFile, zlib.error, NotImplementedError, SyntaxError)


@dataclass(frozen=True, eq=False)
class VectorPart:
    """The vectors of one split of one file.

    Attributes:
        split: The split.
        ids: One id per row.
        vectors: float32 [n, d].
        labels: One label per row, or None where the file has none.
    """

    split: str
    ids: list[str]
    vectors: NDArray[np.float32]
    labels: list[Label] | None


def vector_parts(source: Source, options: ReadOptions, journal: Journal) -> list[VectorPart]:
    """Read a .npy or .npz file. Arrays of Python objects (pickles) are refused.

    A .npy file holds one array [n, d]. A .npz file holds one such array (called ``vectors`` or ``embeddings``, or
    the only one of two dimensions) with ``labels`` and ``ids`` where there are any; or one array per split, each with
    ``SPLIT_labels`` and ``SPLIT_ids`` (``train``, ``train_labels``, ``train_ids`` …). Ids that are numbers become
    ``SPLIT:NUMBER``, as rows without an id do.

    Args:
        source: The file.
        options: How to read it; columns cannot be named.
        journal: It numbers the rows and keeps the limit.

    Returns:
        One part a split.

    Raises:
        DatasetError: The file is damaged, holds pickles, or no array of vectors.
        UsageError: A column was named, or a split was given to a file of several.
    """
    if options.named_columns:
        raise UsageError(f"{source.name} holds vectors and has no columns; found {some(options.named_columns)}.")
    arrays = _single(source) if source.format == "npy" else archive_arrays(source)
    places = _places(source, arrays)
    named = [source.split or split for split, _ in places]
    if source.split is not None and len(places) > 1:
        raise UsageError(
            f"{source.name} was given as the split {source.split!r} and holds the splits "
            f"{some(split for split, _ in places)} itself. Name the file alone."
        )
    return [
        _part(source, arrays, (split, key), journal) for split, (_, key) in zip(named, places, strict=True)
    ]  # fmt: skip


def _loaded(source: Source, read: Callable[[], Any]) -> Any:
    """Whatever numpy gives, its many errors made one."""
    try:
        return read()
    except _DAMAGE as error:
        pickled = "allow_pickle" in str(error) or "Python objects" in str(error)
        found = "holds Python objects (a pickle), which are never loaded" if pickled else "is damaged or cut short"
        expected = "plain arrays of numbers and text" if pickled else "a whole .npy or .npz file"
        raise DatasetError(f"{source.name} {found}; expected {expected}. Write it again with numpy.") from error


def _single(source: Source) -> Mapping[str, NDArray[Any]]:
    check_kind(source, expected="a NumPy array (.npy)", allowed="a NumPy array")

    def read() -> NDArray[Any]:
        if source.path is None:
            with source.open() as stream:
                piped: NDArray[Any] = np.load(stream, allow_pickle=False)
            return piped
        mapped: NDArray[Any] = np.load(source.path, mmap_mode="r", allow_pickle=False)
        return mapped

    return {_PLAIN[0]: _loaded(source, read)}


def archive_arrays(source: Source) -> Mapping[str, NDArray[Any]]:
    """The arrays of a .npz file, by name.

    Raises:
        DatasetError: It is empty, damaged, something else, or holds pickles.
    """
    head = source.head()
    if head and not head.startswith(b"PK"):
        check_kind(source, expected="NumPy arrays (.npz)", allowed="an archive of NumPy arrays")
    elif not head:
        check_kind(source, expected="NumPy arrays (.npz)")

    def read() -> dict[str, NDArray[Any]]:
        with source.open() as stream, np.load(stream, allow_pickle=False) as archive:
            members = {key: archive[key] for key in archive.files}
        # A member that is no array comes as bytes.
        return {key: array for key, array in members.items() if isinstance(array, np.ndarray)}

    arrays: dict[str, NDArray[Any]] = _loaded(source, read)
    return arrays


def _is_vectors(key: str, array: NDArray[Any]) -> bool:
    """Whole numbers are vectors only where the name says so: edges or token numbers have two dimensions, too."""
    kinds = "fiu" if key in _PLAIN or key in _SPLITS else "f"
    shaped = array.ndim == 2 and array.shape[1] > 0
    return shaped and array.dtype.kind in kinds and not key.endswith((_LABELS, _IDS))


def _places(source: Source, arrays: Mapping[str, NDArray[Any]]) -> list[tuple[str, str]]:
    """Which keys hold vectors, and the split each is: (split, key)."""
    keys = [key for key, array in arrays.items() if _is_vectors(key, array)]
    plain = [key for key in keys if key in _PLAIN]
    if len(plain) == 1:
        return [(DEFAULT_SPLIT, plain[0])]
    if not keys or plain:
        found = some((f"{key} {list(array.shape)} {array.dtype}" for key, array in arrays.items()), 8) or "nothing"
        raise DatasetError(
            f"{source.name} holds {found}; expected vectors [n, d] of numbers: one array, or one per split "
            "(train, test …)."
        )
    if len(keys) == 1 and keys[0] not in _SPLITS and not {keys[0] + _LABELS, keys[0] + _IDS} & set(arrays):
        return [(DEFAULT_SPLIT, keys[0])]
    widths = {arrays[key].shape[1] for key in keys}
    if len(widths) > 1:
        shapes = some((f"{key} {list(arrays[key].shape)}" for key in keys), 8)
        raise DatasetError(
            f"{source.name} holds arrays of several widths: {shapes}; expected one width. Vectors that belong "
            "together must come from one encoder: keep the others in another file."
        )
    return [(key, key) for key in keys]


def _part(
    source: Source, arrays: Mapping[str, NDArray[Any]], place: tuple[str, str], journal: Journal
) -> VectorPart:  # fmt: skip
    split, key = place
    found = arrays[key]
    start = journal.advance(split, len(found))
    n = journal.room(split, len(found))
    journal.take(split, n)
    ids = _companion(source, arrays, key, _IDS)
    labels = _companion(source, arrays, key, _LABELS)
    # What does not fit into float32 becomes infinite here, and is refused by id below.
    with np.errstate(over="ignore"):
        vectors = np.ascontiguousarray(found[:n], dtype=np.float32)
    names = _ids(source, split, None if ids is None else ids[:n], range(start, start + n))
    _check_finite(source, names, vectors)
    return VectorPart(
        split,
        names,
        vectors,
        None if labels is None else texts(source.name, labels[:n], "labels"),
    )


def _check_finite(source: Source, names: list[str], vectors: NDArray[np.float32]) -> None:
    blocks = range(0, len(vectors), _BLOCK)
    fine = [np.isfinite(vectors[start : start + _BLOCK]).all(axis=1) for start in blocks]
    broken = np.flatnonzero(np.logical_not(np.concatenate(fine))) if fine else ()
    if len(broken):
        rows = counted(len(broken), "row", "rows")
        raise DatasetError(
            f"{source.name}: {rows} with NaN or infinite values: {some(names[row] for row in broken)}; expected "
            "finite numbers of float32. Leave these rows out, or make them again."
        )


def _companion(source: Source, arrays: Mapping[str, NDArray[Any]], key: str, suffix: str) -> NDArray[Any] | None:
    """The labels or ids that go with a key, one per row."""
    name = key + suffix if key + suffix in arrays or key not in _PLAIN else suffix.removeprefix("_")
    values = arrays.get(name)
    if values is None:
        return None
    n = len(arrays[key])
    if values.ndim != 1 or len(values) != n:
        raise DatasetError(
            f"{source.name}: {name} has shape {list(values.shape)}; expected [{n}], one per row of {key}."
        )
    return values


def texts(name: str, values: NDArray[Any], what: str) -> list[Label]:
    """Labels or ids as text, the way a table would show them; None where one is empty.

    Args:
        name: Of the source, for a message.
        values: One dimension.
        what: What they are, in the plural.

    Raises:
        DatasetError: One of them is no text and no number.
    """
    try:
        return [cell_text(value) for value in values.tolist()]
    except CellError as error:
        raise DatasetError(f"{name}: one of the {what} {error}.") from error


def _ids(source: Source, split: str, values: NDArray[Any] | None, numbers: range) -> list[str]:
    if values is None:
        return [f"{split}:{number}" for number in numbers]
    names = texts(source.name, values, "ids")
    if values.dtype.kind in "iu":
        return [f"{split}:{text}" for text in names]
    missing = [row for row, text in enumerate(names) if text is None]
    if missing:
        raise DatasetError(
            f"{source.name}: {counted(len(missing), f'id of {split} is', f'ids of {split} are')} empty, at rows "
            f"{some(missing)}; expected one per row."
        )
    return [str(text) for text in names]
