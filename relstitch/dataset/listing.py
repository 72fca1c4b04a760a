"""Short lists beside a dataset: ids of anchors, pairs of ids."""

from collections.abc import Sequence

from relstitch.dataset.delimited import delimited_table
from relstitch.dataset.options import ReadOptions
from relstitch.dataset.sources import Source, parse_sources
from relstitch.dataset.tables import cell_text
from relstitch.dataset.text_lines import lines_table
from relstitch.errors import DatasetError, UsageError, some


def read_ids(path: str, *, encoding: str = "utf-8") -> tuple[str, ...]:
    """Read ids from a text file, one per line; blank lines are left out.

    Args:
        path: The file, or ``-`` for standard input.
        encoding: Its encoding.

    Returns:
        The ids, in order.

    Raises:
        DatasetError: The file is missing, holds no id, or is no text.
    """
    options = ReadOptions(encoding=encoding, format="text")
    table = lines_table(_only(path, options), options)
    ids = tuple(cells[0].strip() for _, cells in table.records(["text"]) if cells[0].strip())
    if not ids:
        raise DatasetError(f"{table.name} holds no ids; expected one id per line.")
    return ids


def read_pairs(path: str, *, encoding: str = "utf-8") -> tuple[tuple[str, ...], tuple[tuple[str, ...], ...]]:
    """Read which rows of two domains (or more) correspond: a CSV or TSV table, one column of ids per domain.

    Args:
        path: The file, or ``-`` for standard input.
        encoding: Its encoding.

    Returns:
        The names of the domains (the header), and the ids of each pair.

    Raises:
        DatasetError: The table has fewer than two columns, no rows, or an empty cell.
    """
    options = ReadOptions(encoding=encoding, format="tsv" if path.lower().endswith((".tsv", ".tab")) else "csv")
    table = delimited_table(_only(path, options), options)
    names = table.column_names
    if len(names) < 2:
        raise DatasetError(
            f"{table.name} has one column ({some(names)}); pairs need a column of ids for each domain, with the "
            "domains' names in the first line."
        )
    pairs = tuple(_pair(table.name, names, line, cells) for line, cells in table.records(names))
    if not pairs:
        raise DatasetError(f"{table.name} holds a header and no pairs; expected a row of ids for each pair.")
    return tuple(names), pairs


def _only(path: str, options: ReadOptions) -> Source:
    found = parse_sources([path], format=options.format)
    if len(found) != 1:
        raise UsageError(f"{path} means {len(found)} files; expected one.")
    return found[0]


def _pair(table: str, names: Sequence[str], line: int, cells: Sequence[object]) -> tuple[str, ...]:
    ids = [cell_text(cell) for cell in cells]
    missing = [name for name, found in zip(names, ids, strict=True) if found is None]
    if missing:
        raise DatasetError(f"{table}, line {line}: no id for {some(missing)}; a pair needs an id in every column.")
    return tuple(found for found in ids if found is not None)
