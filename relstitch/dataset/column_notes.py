"""What was read from which column of a table, for messages and for programs."""

from collections.abc import Sequence
from dataclasses import dataclass

from relstitch.dataset.columns import SPLIT_NAMES, Chosen
from relstitch.dataset.contents import Columns
from relstitch.dataset.options import NO_COLUMN, ReadOptions
from relstitch.dataset.tables import Table
from relstitch.errors import counted, some


@dataclass(frozen=True)
class ColumnUse:
    """How the columns of one table were used.

    Attributes:
        name: What to call the table's source.
        words: Where text, label, split and ids come from, and which columns are left.
        columns: The same for programs (`relstitch.dataset.Dataset.columns`).
    """

    name: str
    words: str
    columns: Columns


def column_use(name: str, table: Table, chosen: Chosen, options: ReadOptions, *, split_known: bool) -> ColumnUse:
    """Say what was read from which column of a table.

    Args:
        name: What to call its source.
        table: The table.
        chosen: The columns that are read.
        options: The columns the user named.
        split_known: Whether the source says which split its rows belong to.

    Returns:
        The facts, in words and as a mapping.
    """
    ignored = [column for column in table.column_names if split_known and column.casefold() in SPLIT_NAMES]
    ignored = [column for column in ignored if column not in chosen.names] if options.split is None else []
    split = f"split from {chosen.split}" if chosen.split else "no split"
    if split_known:
        split = "split as named" + (f" (the column {ignored[0]} is not read)" if ignored else "")
    label = f"label from {chosen.label}" if chosen.label else "no label"
    if chosen.targets:
        label = f"{'target' if len(chosen.targets) == 1 else 'targets'} from {', '.join(chosen.targets)}"
    parts = [f"{chosen.modality} from {chosen.content}", label, split, _ids(table, chosen, options)]
    parts += [f"count from {chosen.count}"] if chosen.count else []
    left = [column for column in table.column_names if column and column not in (*chosen.names, *ignored[:1])]
    flags = _open_options(chosen, options, split_known=split_known)
    return ColumnUse(name, ", ".join(parts) + _unused(left, flags), _columns(chosen))


def column_notes(uses: Sequence[ColumnUse]) -> list[str]:
    """One remark for all tables that are read alike.

    Example:
        >>> column_notes([ColumnUse(name, "text from text", {}) for name in ("a.csv", "b.csv", "c.csv")])
        ['a.csv and 2 others: text from text.']
    """
    names: dict[str, list[str]] = {}
    for use in uses:
        known = names.setdefault(use.words, [])
        if use.name not in known:
            known.append(use.name)
    return [f"{_joined(listed)}: {words}." for words, listed in names.items()]


def common_columns(uses: Sequence[ColumnUse]) -> Columns:
    """The columns of all tables: where they differ, a tuple of all that were read.

    Example:
        >>> common_columns([ColumnUse("a", "", {"text": "text"}), ColumnUse("b", "", {"text": "body"})])
        {'text': ('text', 'body')}
    """
    found: dict[str, dict[str, None]] = {}
    listed: set[str] = set()
    for use in uses:
        for role, column in use.columns.items():
            found.setdefault(role, {}).update(dict.fromkeys(_several(column)))
            listed |= {role} if isinstance(column, tuple) else set()
    return {
        role: tuple(names) if role in listed or len(names) > 1 else next(iter(names), None)
        for role, names in found.items()
    }


def _several(column: str | tuple[str, ...] | None) -> tuple[str, ...]:
    return (column,) if isinstance(column, str) else column or ()


def _columns(chosen: Chosen) -> Columns:
    contents: dict[str, str | None] = {"text": None, "image": None, chosen.modality: chosen.content}
    return {**contents, "label": chosen.label, "target": chosen.targets or None, "id": chosen.id,
            "split": chosen.split, "count": chosen.count}  # fmt: skip


def _ids(table: Table, chosen: Chosen, options: ReadOptions) -> str:
    if chosen.id:
        return f"ids from {chosen.id}"
    if chosen.modality == "text" or options.id == NO_COLUMN:
        return "ids by row"
    kind = next(column.kind for column in table.columns if column.name == chosen.content)
    # A cell of another kind holds a picture's bytes, its path, or both.
    return "ids by path" if kind == "text" else "ids by path or row"


def _open_options(chosen: Chosen, options: ReadOptions, *, split_known: bool) -> list[str]:
    """The options that nobody gave: with them a column that is not used can be."""
    could_be = {
        f"--{chosen.modality}": not (options.text or options.image),
        "--label": options.label is None and not chosen.targets,
        "--split": options.split is None and not split_known,
    }
    return [flag for flag, open_ in could_be.items() if open_]


def _unused(columns: list[str], flags: list[str]) -> str:
    if not columns:
        return ""
    noun, them = ("column", "it") if len(columns) == 1 else ("columns", "them")
    hint = f" (name {them} with {', '.join(flags)}, …)" if flags else ""
    return f"; {noun} not used: {some(columns, 8)}{hint}"


def _joined(names: list[str]) -> str:
    first = "Standard input" if names[0] == "standard input" else names[0]
    if len(names) < 3:
        return " and ".join([first, *names[1:]])
    return f"{first} and {counted(len(names) - 1, 'other')}"
