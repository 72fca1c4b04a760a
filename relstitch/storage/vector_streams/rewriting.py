"""A file of vectors into another space, whatever its kind: opened, carried block by block, written."""

import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from relstitch.errors import ArtifactError, MismatchError, UsageError
from relstitch.storage.foreign import read_head, what_it_is
from relstitch.storage.output import check_output, whole_or_absent
from relstitch.storage.tensors import is_safetensors
from relstitch.storage.vector_streams.archives import open_npz, write_npz
from relstitch.storage.vector_streams.arrays import open_npy, write_npy
from relstitch.storage.vector_streams.embeddings import embed_vectors, open_embeddings, write_embeddings
from relstitch.storage.vector_streams.source import FILE_KINDS, Carrier, FileKind, Output, VectorSource, carry_block
from relstitch.storage.vector_streams.tables import open_parquet, row_ids, write_parquet

_WRITERS: Mapping[FileKind, Callable[[VectorSource, Carrier, Output], None]] = {
    "embeddings": write_embeddings,
    "npy": write_npy,
    "npz": write_npz,
    "parquet": write_parquet,
}
_OUTPUTS: Mapping[FileKind, tuple[FileKind, ...]] = {
    "embeddings": ("embeddings", "npy"),
    "npy": ("npy", "embeddings"),
    "npz": ("npz", "npy"),
    "parquet": ("parquet", "npy", "embeddings"),
}
"""What the vectors of each kind of file can be written as."""


@dataclass(frozen=True)
class Carried:
    """What was written.

    Attributes:
        rows: How many rows.
        width: How wide their vectors are now.
        kind: The kind of file.
        beside: Names of the arrays or columns that were copied along.
    """

    rows: int
    width: int
    kind: FileKind
    beside: tuple[str, ...]


def open_vectors(
    path: str | Path, *, vectors: str | None = None, id_: str | None = None, array: str | None = None
) -> VectorSource:
    """Look at a file of vectors, without reading them.

    Args:
        path: An embeddings file of ours, a .npy, .npz or Parquet file: known by its first bytes, not by its name.
        vectors: Column of a Parquet table that holds the vectors; default: the only one that can.
        id_: Column of a Parquet table that holds the ids; default: ``id``, if there is one.
        array: Array of a .npz file that holds the vectors; default: the only one that can.

    Returns:
        What gives the vectors block by block.

    Raises:
        UsageError: An option for another kind of file, or a column or array that is not there or not clear.
        ArtifactError: No such file, another kind of file, a damaged one, or one that holds no vectors.

    Example:
        >>> import tempfile, numpy as np
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     np.save(Path(folder) / "x.npy", np.zeros((3, 2), dtype=np.float32))
        ...     source = open_vectors(Path(folder) / "x.npy")
        >>> source.kind, source.n, source.width
        ('npy', 3, 2)
    """
    place = Path(path)
    kind = _kind(place)
    if kind != "parquet" and (vectors, id_) != (None, None):
        raise UsageError(f"{path} is {FILE_KINDS[kind][1]} and has no columns; --vectors and --id are for Parquet.")
    if kind != "npz" and array is not None:
        raise UsageError(f"{path} is {FILE_KINDS[kind][1]}; --array is for NumPy archives (.npz).")
    if kind == "parquet":
        return open_parquet(place, vectors, id_)
    if kind == "npz":
        return open_npz(place, array)
    return open_npy(place) if kind == "npy" else open_embeddings(place)


def _kind(path: Path) -> FileKind:
    head = read_head(path)
    if is_safetensors(head):
        return "embeddings"
    signatures: Mapping[bytes, FileKind] = {b"\x93NUMPY": "npy", b"PK": "npz", b"PAR1": "parquet"}
    for signature, kind in signatures.items():
        if head.startswith(signature):
            return kind
    raise ArtifactError(
        f"{path} is {what_it_is(path, head)}; vectors were expected: an embeddings file, .npy, .npz or Parquet. "
        "Texts and pictures go through `relstitch encode` first."
    )


def carry_vectors(
    source: VectorSource,
    output: str | Path,
    carrier: Carrier,
    *,
    force: bool = False,
    inputs: Sequence[str | Path] = (),
) -> Carried:
    """Write the vectors of a file, carried, to a file that is whole or absent; only one block is in memory at a time.

    The same kind of file keeps everything else: ids, labels and splits of an embeddings file, the other arrays of a
    .npz file, the other columns of a Parquet table. Any kind can become a .npy file of the vectors alone; a .npy file
    and a Parquet table can become an embeddings file, whose ids are those of the id column, or ``all:0``, ``all:1`` …
    The carried vectors are float32, whatever the source holds.

    Args:
        source: From `open_vectors`.
        output: The file to write; the end of its name says its kind.
        carrier: What carries the vectors.
        force: Whether a file that stands there may be replaced.
        inputs: What else the output is made from; neither these files nor the source are ever overwritten.

    Returns:
        What was written.

    Raises:
        UsageError: An output of a kind that cannot be made of this one, that stands there already, or is an input.
        ArtifactError: A damaged source, vectors that are not finite, or a disk that refuses.
        MismatchError: Carried vectors of another width than the stamp says.

    Example:
        >>> import tempfile, numpy as np
        >>> from relstitch.artifacts import EncoderStamp
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     x, y = Path(folder) / "x.npy", Path(folder) / "y.npy"
        ...     np.save(x, np.ones((3, 2), dtype=np.float32))
        ...     five = Carrier(lambda X: X[:, :1] * 5, EncoderStamp("st:y", "text", 1))
        ...     _ = carry_vectors(open_vectors(x), y, five)
        ...     np.load(y).tolist()
        [[5.0], [5.0], [5.0]]
    """
    kind = _output_kind(source, Path(output))
    target = check_output(output, suffix=FILE_KINDS[kind][0], force=force, inputs=(source.path, *inputs))
    first = next(source.blocks())
    width = carry_block(source, first[:1], 0, carrier).shape[1]
    if width != carrier.encoder.dimension:
        raise MismatchError(
            f"The vectors of {source.path} are {width} wide when they are carried; the stamp of the space they go to "
            f"({carrier.encoder.spec}) says {carrier.encoder.dimension}. Map and stamp must belong together."
        )
    _check_room(target, source.n, width)
    with whole_or_absent(target) as temporary:
        written = Output(temporary, target, width)
        if kind == "embeddings" != source.kind:
            embed_vectors(source, row_ids(source), carrier, written)
        else:
            _WRITERS[kind](source, carrier, written)
    return Carried(source.n, width, kind, source.beside if kind == source.kind else ())


def _output_kind(source: VectorSource, output: Path) -> FileKind:
    possible = {FILE_KINDS[kind][0]: kind for kind in _OUTPUTS[source.kind]}
    kind = possible.get(output.suffix.lower())
    if kind is None:
        raise UsageError(
            f"{source.path} is {FILE_KINDS[source.kind][1]}; its vectors can be written to a name in "
            f"{' or '.join(possible)}, and {output} was asked for."
        )
    return kind


def _check_room(target: Path, n: int, width: int) -> None:
    free, needed = shutil.disk_usage(target.parent).free, 4 * n * width
    if free < needed:
        raise ArtifactError(
            f"{target} needs {needed} bytes for {n} vectors of width {width}, and its disk has {free} free. Make "
            "room, or put the output elsewhere."
        )
