"""Parquet, batch by batch, only the columns that are needed."""

from collections.abc import Iterator, Sequence
from functools import partial
from typing import Any

from relstitch.dataset.sources import Source, check_kind
from relstitch.dataset.tables import Column, ColumnKind, Record, Table
from relstitch.errors import DatasetError

_MAGIC = b"PAR1"
_BATCH = 256
"""Rows held at a time: pictures in a table may be large."""


def parquet_table(source: Source) -> Table:
    """A Parquet file as a table.

    Args:
        source: What to read.

    Returns:
        The table; dictionary-encoded columns are plain text in it.

    Raises:
        DatasetError: The file is something else, cut short, or damaged.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    check_kind(source, expected="a Parquet table", allowed="a Parquet file")
    _check_end(source)
    try:
        with source.open() as stream:
            schema = pq.ParquetFile(stream).schema_arrow
    except (pa.ArrowException, OSError) as error:
        raise DatasetError(_damaged(source.name)) from error
    columns = tuple(Column(field.name, _kind(field.type)) for field in schema)
    return Table(source.name, columns, partial(_records, source), unit="row", folder=source.folder)


def _check_end(source: Source) -> None:
    with source.open() as stream:
        size = stream.seek(0, 2)
        stream.seek(max(0, size - len(_MAGIC)))
        end = stream.read()
    if end != _MAGIC or size < 12:
        raise DatasetError(
            f"{source.name} is a truncated Parquet file: it begins as one and its {size} bytes do not end as one. "
            "Fetch or write it again."
        )


def _damaged(name: str) -> str:
    return f"{name} is a damaged Parquet file: it cannot be read to its end. Fetch or write it again."


def _kind(kind: Any) -> ColumnKind:
    import pyarrow.types as of

    if of.is_dictionary(kind):
        return _kind(kind.value_type)
    tests: tuple[tuple[ColumnKind, tuple[Any, ...]], ...] = (
        ("text", (of.is_string, of.is_large_string, of.is_string_view)),
        ("picture", (of.is_struct, of.is_binary, of.is_large_binary, of.is_binary_view)),
        ("list", (of.is_list, of.is_large_list, of.is_fixed_size_list)),
        ("number", (of.is_integer, of.is_floating, of.is_boolean, of.is_decimal)),
    )
    return next((name for name, checks in tests if any(check(kind) for check in checks)), "other")


def _records(source: Source, wanted: Sequence[str]) -> Iterator[Record]:
    import pyarrow as pa
    import pyarrow.parquet as pq

    row = 0
    with source.open() as stream:
        try:
            for batch in pq.ParquetFile(stream).iter_batches(batch_size=_BATCH, columns=list(dict.fromkeys(wanted))):
                cells = {name: batch.column(name).to_pylist() for name in dict.fromkeys(wanted)}
                for at in range(batch.num_rows):
                    yield row + at, tuple(cells[name][at] for name in wanted)
                row += batch.num_rows
        except (pa.ArrowException, OSError) as error:
            raise DatasetError(_damaged(source.name)) from error
