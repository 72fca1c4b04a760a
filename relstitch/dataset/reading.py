"""Sources → one dataset."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from relstitch.artifacts import Rows, Skipped, Targets
from relstitch.dataset.arrays import VectorPart, vector_parts
from relstitch.dataset.column_notes import column_notes, common_columns
from relstitch.dataset.contents import Dataset
from relstitch.dataset.delimited import delimited_table
from relstitch.dataset.folders import folder_items
from relstitch.dataset.graphs import GraphPart, graph_part, is_graph
from relstitch.dataset.hub import hub_tables
from relstitch.dataset.items import Item, Journal, Label, check_ids
from relstitch.dataset.json_records import json_table
from relstitch.dataset.labels import class_targets, label_notes, real_targets
from relstitch.dataset.options import ReadOptions
from relstitch.dataset.parquet import parquet_table
from relstitch.dataset.sniffing import sniff_format
from relstitch.dataset.sources import Source, parse_sources
from relstitch.dataset.table_rows import table_items
from relstitch.dataset.tables import Table
from relstitch.dataset.text_lines import lines_table
from relstitch.errors import DatasetError, counted, some
from relstitch.names import Modality

_TABLES: dict[str, Callable[[Source, ReadOptions], Table]] = {
    "csv": delimited_table,
    "tsv": delimited_table,
    "json": json_table,
    "jsonl": json_table,
    "parquet": lambda source, _options: parquet_table(source),
    "text": lines_table,
}
_VECTORS = ("npy", "npz")
_OTHER_IDS = "choose another column with --id, or number the rows with --id ''."
DEFAULTS = ReadOptions()


def read_dataset(sources: Sequence[str], options: ReadOptions = DEFAULTS) -> Dataset:
    r"""Read one or more sources into one dataset.

    Sources: an image folder (a folder a class; ``train``, ``val``, ``test`` … above them are splits), CSV, TSV,
    JSONL, a JSON array, Parquet, text lines (``.txt``), ``.npy`` and ``.npz`` vectors, a graph
    (`relstitch.dataset.graphs`), ``hf:NAME``, or ``-`` for standard input. ``train=a.csv`` names a split; several
    sources of one split are joined, their rows numbered on. A source without a split has the split ``all``, unless a
    column or its folders say otherwise. A graph stands alone, and its nodes are the rows.

    An id is what the id column says; else a picture's path relative to its source; else ``split:row``, counting the
    rows of the file from 0 before any are left out. Texts and pictures carry the hash of their content.

    Args:
        sources: What to read.
        options: How to read it.

    Returns:
        The dataset. Repeated content is kept and counted.

    Raises:
        DatasetError: Something cannot be read as described; the message says where and what to do.
        UsageError: Sources and options contradict each other.

    Example:
        >>> import tempfile, pathlib
        >>> folder = tempfile.TemporaryDirectory()
        >>> path = pathlib.Path(folder.name) / "pets.csv"
        >>> _ = path.write_text("text,label\nIt purrs.,cat\nIt barks.,dog\n")
        >>> dataset = read_dataset([f"train={path}"])
        >>> dataset.items, dataset.rows.ids.tolist(), dataset.rows.targets.names
        (['It purrs.', 'It barks.'], ['train:0', 'train:1'], ('cat', 'dog'))
        >>> folder.cleanup()
    """
    journal = Journal(options.limit)
    parsed = [_with_format(source, options, journal) for source in parse_sources(sources, format=options.format)]
    graphs = [source for source in parsed if is_graph(source)]
    if graphs:
        _refuse_beside(graphs[0], parsed)
        return _graph_dataset(graph_part(graphs[0], options, journal), journal, " ".join(sources))
    vectors = [source for source in parsed if source.format in _VECTORS]
    if vectors and len(vectors) < len(parsed):
        other = next(source for source in parsed if source.format not in _VECTORS)
        raise DatasetError(
            f"{vectors[0].name} holds vectors and {other.name} does not; expected items of one kind. "
            "Read them in two runs."
        )
    if vectors:
        parts = [part for source in parsed for part in vector_parts(source, options, journal)]
        return _vector_dataset(parts, journal, " ".join(sources))
    items: list[Item] = []
    for source in parsed:
        items += _items(source, options, journal)
    return _item_dataset(items, options, journal, " ".join(sources))


def _with_format(source: Source, options: ReadOptions, journal: Journal) -> Source:
    if source.format is not None:
        return source
    found = sniff_format(source, options)
    name = source.name[:1].upper() + source.name[1:]
    journal.notes.append(f"{name} was read as {found} (say otherwise with --format).")
    return replace(source, format=found)


def _items(source: Source, options: ReadOptions, journal: Journal) -> Iterator[Item]:
    if source.format == "folder":
        yield from folder_items(source, options, journal)
        return
    for split, table in _tables(source, options):
        yield from table_items(source, table, options, journal, split=split)


def _tables(source: Source, options: ReadOptions) -> list[tuple[str | None, Table]]:
    if source.format == "hub":
        return [*hub_tables(source)]
    return [(source.split, _TABLES[str(source.format)](source, options))]


def _check_modality(items: Sequence[Item], source: str) -> Modality:
    texts = sum(1 for item in items if isinstance(item.content, str))
    if 0 < texts < len(items):
        raise DatasetError(
            f"{source}: {counted(texts, 'row is a text', 'rows are texts')} and "
            f"{counted(len(items) - texts, 'is a picture', 'are pictures')}; expected items of one kind. Read them "
            "in two runs."
        )
    return "text" if texts else "image"


def _item_dataset(
    items: list[Item], options: ReadOptions, journal: Journal, source: str
) -> Dataset:  # fmt: skip
    skipped = _skipped(items, options, journal, source)
    modality = _check_modality(items, source)
    check_ids([item.id for item in items], source, way_out=_OTHER_IDS)
    journal.notes += column_notes(journal.uses)
    splits = [item.split for item in items]
    targets = real_targets(items, options.target) if options.target else class_targets([item.label for item in items])
    if targets is not None and targets.kind != "real":
        journal.notes += label_notes(targets, splits, guessed=journal.guessed_label)
    counts = None
    if options.count:
        counts = np.array([item.count for item in items], dtype=np.float64)
    rows = Rows.build(
        [item.id for item in items],
        hashes=[item.hash for item in items],
        splits=splits,
        targets=targets,
        counts=counts,
    )
    _note_repeated(rows, journal)
    contents: list[Any] = [item.content for item in items]
    columns, notes = common_columns(journal.uses), tuple(journal.notes)
    return Dataset(rows, contents, modality, skipped, dict(journal.counts), notes, source, columns)


def _skipped(items: list[Item], options: ReadOptions, journal: Journal, source: str) -> tuple[Skipped, ...]:
    """The rows left out, or the error that they are."""
    if journal.empty and options.on_empty == "error":
        found = some(row.id for row in journal.empty)
        raise DatasetError(
            f"{source}: {counted(len(journal.empty), 'row', 'rows')} with an empty text: {found}. Fill them in, "
            "leave them out with --on-empty skip, or encode them as they are with --on-empty embed."
        )
    if journal.bad and options.on_bad == "error":
        found = some(f"{row.id} ({row.reason})" for row in journal.bad)
        raise DatasetError(
            f"{source}: {counted(len(journal.bad), 'picture', 'pictures')} that cannot be read: {found}. Put "
            "them back, or leave these rows out with --on-bad skip."
        )
    if journal.empty:
        journal.counts["empty_text"] = len(journal.empty)
    skipped = (*(journal.empty if options.on_empty == "skip" else ()), *journal.bad)
    if not items and skipped:
        way_out = "Mend the source." if options.limit is None else "Mend the source, or raise --limit."
        raise DatasetError(
            f"{source}: no row is left to encode; {counted(len(skipped), 'row', 'rows')} left out, the first one "
            f"{skipped[0].id}: {skipped[0].reason}. {way_out}"
        )
    if not items:
        raise DatasetError(f"{source}: there are columns and no rows; expected at least one row.")
    return skipped


def _note_repeated(rows: Rows, journal: Journal) -> None:
    repeated = 0
    for split in rows.split_names:
        hashes = rows.hashes[rows.in_splits(split)]
        repeated += len(hashes) - len(np.unique(hashes))
    journal.counts["duplicate_content"] = repeated
    if repeated:
        journal.notes.append(
            f"{counted(repeated, 'row has', 'rows have')} the content of an earlier row of the split; kept."
        )
    if {"train", "test"} <= set(rows.split_names):
        train = rows.hashes[rows.in_splits("train")]
        shared = int(np.isin(rows.hashes[rows.in_splits("test")], train).sum())
        journal.counts["test_content_in_train"] = shared
        if shared:
            journal.notes.append(
                f"{counted(shared, 'test row has', 'test rows have')} content that also stands in train; kept."
            )


def _vector_dataset(parts: list[VectorPart], journal: Journal, source: str) -> Dataset:
    widths = {part.vectors.shape[1] for part in parts}
    if len(widths) > 1:
        shapes = some(f"{part.split} {list(part.vectors.shape)}" for part in parts)
        raise DatasetError(
            f"{source}: the vectors have {len(widths)} widths: {shapes}; expected one. Vectors that belong together "
            "must come from one encoder."
        )
    ids = [name for part in parts for name in part.ids]
    if not ids:
        raise DatasetError(f"{source}: there are no rows in the vectors; expected at least one.")
    check_ids(ids, source, way_out="mend the ids in the file, or leave them out of it to number the rows.")
    splits = [part.split for part in parts for _ in part.ids]
    labels: list[Label] = [
        label for part in parts for label in (part.labels if part.labels is not None else [None] * len(part.ids))
    ]
    targets: Targets | None = class_targets(labels)
    if targets is not None:
        journal.notes += label_notes(targets, splits, guessed=None)
    rows = Rows.build(ids, splits=splits, targets=targets)
    items: Any = parts[0].vectors if len(parts) == 1 else np.concatenate([part.vectors for part in parts])
    return Dataset(rows, items, "vectors", (), dict(journal.counts), tuple(journal.notes), source)


def _refuse_beside(graph: Source, sources: Sequence[Source]) -> None:
    if len(sources) > 1:
        other = next(source for source in sources if source is not graph)
        raise DatasetError(
            f"{graph.name} holds a graph, and {other.name} was given beside it; expected one graph alone. Read them "
            "in two runs."
        )


def _graph_dataset(part: GraphPart, journal: Journal, source: str) -> Dataset:
    targets = None if part.labels is None else class_targets(part.labels)
    if targets is not None:
        journal.notes += label_notes(targets, part.splits, guessed=None)
    rows = Rows.build(part.ids, hashes=part.hashes, splits=part.splits, targets=targets)
    _note_repeated(rows, journal)
    journal.counts["edges"] = part.nodes.graph.edges.shape[1]
    items: Any = part.nodes
    return Dataset(rows, items, "graph", (), dict(journal.counts), tuple(journal.notes), source)
