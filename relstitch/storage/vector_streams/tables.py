"""Parquet tables, batch by batch: one column of vectors carried, all others copied along."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from relstitch.artifacts.spaces import Matrix
from relstitch.errors import ArtifactError, UsageError, some
from relstitch.storage.vector_streams.source import (
    Carrier,
    Output,
    VectorSource,
    by_number,
    carry_block,
    check_vectors,
    rows_at_once,
)

_ID = "id"
_BUFFER = 2**20
_CODECS: Mapping[str, str] = {name.upper(): name for name in ("snappy", "gzip", "brotli", "zstd", "lz4", "none")}
_TYPED = b"huggingface"
"""The key under which the datasets library keeps a second description of every column's type."""


def open_parquet(path: Path, vectors: str | None, id_: str | None) -> VectorSource:
    """A Parquet table as a source of vectors.

    Args:
        path: The file.
        vectors: The column of the vectors; None where it is the only one that holds lists of floats.
        id_: The column of the ids; None where it is called ``id``, or there is none.

    Raises:
        UsageError: There is no such column, or several may be meant.
        ArtifactError: The file is damaged, or the column holds something other than vectors.
    """
    import pyarrow as pa

    try:
        table = _table(path)
    except (pa.ArrowException, OSError) as error:
        raise _damaged(path) from error
    with table:
        schema, n = table.schema_arrow, table.metadata.num_rows
    column, id_column = _vector_column(path, schema, vectors), _id_column(path, schema, id_)
    width = _width(path, column) if n else 0
    dtype = np.dtype(schema.field(column).type.value_type.to_pandas_dtype())
    check_vectors(path, f"its column {column!r}", (n, width), dtype)

    def names(positions: Sequence[int]) -> list[str]:
        return by_number(positions) if id_column is None else _ids_at(path, id_column, positions)

    def blocks() -> Iterator[NDArray[Any]]:
        start = 0
        for batch in _batches(path, [column], width):
            yield _matrix(source, batch.column(column), start)
            start += batch.num_rows

    beside = tuple(name for name in schema.names if name != column)
    source = VectorSource(path, "parquet", column, n, width, blocks, names, id_column=id_column, beside=beside)
    return source


def _table(path: Path) -> Any:
    import pyarrow.parquet as pq

    # Without a buffer of its own, whole column chunks would be read ahead: gigabytes where a row group is large.
    return pq.ParquetFile(path, pre_buffer=False, buffer_size=_BUFFER)


def _damaged(path: Path) -> ArtifactError:
    return ArtifactError(f"{path} is a damaged or truncated Parquet file. Write or copy it again.")


def _batches(path: Path, columns: Sequence[str] | None, width: int) -> Iterator[Any]:
    import pyarrow as pa

    try:
        with _table(path) as table:
            yield from table.iter_batches(batch_size=rows_at_once(width), columns=columns)
    except (pa.ArrowException, OSError) as error:
        raise _damaged(path) from error


def _floats(kind: Any) -> bool:
    import pyarrow.types as of

    listed = of.is_list(kind) or of.is_large_list(kind) or of.is_fixed_size_list(kind)
    return bool(listed and of.is_floating(kind.value_type))


def _vector_column(path: Path, schema: Any, named: str | None) -> str:
    columns = some((f"{field.name} ({field.type})" for field in schema), 20)
    fitting = [field.name for field in schema if _floats(field.type)]
    if named is None:
        if len(fitting) != 1:
            raise UsageError(
                f"{path} has {len(fitting)} columns of float lists, and one is to be carried: name it with "
                f"--vectors. Its columns: {columns}."
            )
        named = fitting[0]
    if named not in fitting or schema.names.count(named) > 1:
        raise UsageError(
            f"{path} has not exactly one column {named!r} of float lists (--vectors). Its columns: {columns}."
        )
    return named


def _id_column(path: Path, schema: Any, named: str | None) -> str | None:
    if named is None:
        return _ID if schema.names.count(_ID) == 1 else None
    if schema.names.count(named) != 1:
        raise UsageError(
            f"{path} has not exactly one column {named!r} (--id). Its columns: {some(schema.names, 20)}."
        )
    return named


def _width(path: Path, column: str) -> int:
    """The width of the first vector there is; 0 where there is none."""
    import pyarrow.compute as pc

    for batch in _batches(path, [column], 1):
        lengths = pc.list_value_length(batch.column(column)).drop_null()
        if len(lengths):
            return int(lengths[0].as_py())
    return 0


def _matrix(source: VectorSource, column: Any, start: int) -> NDArray[Any]:
    """The vectors of one batch: [m, width].

    Raises:
        ArtifactError: A vector is missing, or of another width, or has missing values.
    """
    import pyarrow.compute as pc

    lengths = pc.fill_null(pc.list_value_length(column), -1).to_numpy(zero_copy_only=False)
    bad = lengths != source.width
    values = column.flatten()
    if values.null_count and not bad.any():
        bad = values.is_null().to_numpy(zero_copy_only=False).reshape(-1, source.width).any(axis=1)
    if bad.any():
        rows = some(source.names((np.flatnonzero(bad) + start).tolist()))
        raise ArtifactError(
            f"{source.path}: its column {source.place!r} holds no whole vector of width {source.width} in every row; "
            f"the first without one: {rows}. Leave these rows out, or make them again."
        )
    flat: NDArray[Any] = values.to_numpy(zero_copy_only=False)
    return flat.reshape(-1, source.width)


def _ids_at(path: Path, column: str, positions: Sequence[int]) -> list[str]:
    found: list[str] = []
    start = 0
    for batch in _batches(path, [column], 1):
        here = [at - start for at in positions if start <= at < start + batch.num_rows]
        found += [f"id {batch.column(column)[at].as_py()}" for at in here]
        start += batch.num_rows
    return found


def row_ids(source: VectorSource) -> list[str]:
    """The ids of all rows as texts: from the id column, or ``all:0``, ``all:1`` … where there is none.

    Raises:
        ArtifactError: A row has no id.
    """
    if source.id_column is None:
        return [f"all:{position}" for position in range(source.n)]
    ids: list[Any] = []
    for batch in _batches(source.path, [source.id_column], 1):
        ids += batch.column(source.id_column).to_pylist()
    missing = [position for position, value in enumerate(ids) if value is None]
    if missing:
        raise ArtifactError(
            f"{source.path}: its column {source.id_column!r} has no id in {some(by_number(missing))}; expected one "
            "per row. Fill them in, or name another column with --id."
        )
    return [str(value) for value in ids]


def write_parquet(source: VectorSource, carrier: Carrier, output: Output) -> None:
    """The same table with one column carried: lists of float32 of the same sort, everything else as it was.

    Args:
        source: From `open_parquet`.
        carrier: What carries the vectors.
        output: What is written.

    Raises:
        ArtifactError: The table is damaged, or some of its vectors are missing or not finite.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    with _table(source.path) as table:
        codec = _CODECS.get(table.metadata.row_group(0).column(0).compression, "none")
        at = table.schema_arrow.get_field_index(source.place)
        schema = _carried_schema(table.schema_arrow, at, output.width)
    start = 0
    with pq.ParquetWriter(output.temporary, schema, compression=codec) as writer:
        for batch in _batches(source.path, None, source.width):
            block = carry_block(source, _matrix(source, batch.column(at), start), start, carrier)
            columns = [*batch.columns]
            columns[at] = _lists(block, schema.field(at).type)
            writer.write_batch(pa.RecordBatch.from_arrays(columns, schema=schema))
            start += batch.num_rows


def _carried_schema(schema: Any, at: int, width: int) -> Any:
    import pyarrow as pa
    import pyarrow.types as of

    field = schema.field(at)
    value = field.type.value_field.with_type(pa.float32())
    if of.is_fixed_size_list(field.type):
        kind = pa.list_(value, width)
    else:
        kind = pa.large_list(value) if of.is_large_list(field.type) else pa.list_(value)
    carried = schema.set(at, field.with_type(kind))
    facts = dict(schema.metadata or {})
    if kind != field.type and _TYPED in facts:
        # It would name the old type, and that library would not read the file.
        del facts[_TYPED]
    return carried.with_metadata(facts or None)


def _lists(block: Matrix, kind: Any) -> Any:
    import pyarrow as pa
    import pyarrow.types as of

    flat = pa.array(block.reshape(-1))
    if of.is_fixed_size_list(kind):
        return pa.FixedSizeListArray.from_arrays(flat, type=kind)
    large = of.is_large_list(kind)
    make = pa.LargeListArray if large else pa.ListArray
    offsets = pa.array(np.arange(len(block) + 1) * block.shape[1], pa.int64() if large else pa.int32())
    return make.from_arrays(offsets, flat, type=kind)
