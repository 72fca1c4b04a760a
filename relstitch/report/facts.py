"""Plain facts and plain tables: aligned on a terminal, TSV in a pipe."""

import sys
from collections.abc import Mapping, Sequence
from typing import Any

from rich.table import Table
from rich.text import Text

from relstitch.report.streams import on_terminal, out

_MANY = 5
_ESCAPES = str.maketrans({"\t": "\\t", "\n": "\\n", "\r": "\\r"})


def tsv(rows: Sequence[Sequence[str]]) -> str:
    r"""Rows as tab-separated lines; tabs and line breaks inside a value are written as ``\t`` and ``\n``.

    Example:
        >>> tsv([["id", "answer"], ["a", "x y"]])
        'id\tanswer\na\tx y\n'
    """
    return "".join("\t".join(cell.translate(_ESCAPES) for cell in row) + "\n" for row in rows)


def markdown_table(lines: Sequence[Sequence[str]], *, text_columns: int) -> str:
    r"""A Markdown table, its header first: so many columns of text, then numbers, which stand to the right.

    Example:
        >>> markdown_table([["id", "n"], ["a|b", "1"]], text_columns=1).splitlines()[2]
        '| a\\|b | 1 |'
    """
    rule = ["---"] * text_columns + ["---:"] * (len(lines[0]) - text_columns)
    return "".join(
        "| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |\n" for line in (lines[0], rule, *lines[1:])
    )


def plain(value: Any) -> str:
    """One value in words: numbers short, missing as –, mappings and lists on one line.

    Example:
        >>> plain({"penalty": None, "fitted": {"penalty": 0.5}}), plain([{"k": 1}, {"k": 2}])
        ('penalty: –, fitted (penalty: 0.5)', 'k: 1; k: 2')
    """
    if value is None:
        return "–"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return f"{value:.4g}"
    if isinstance(value, Mapping):
        return ", ".join(_entry(str(key), inner) for key, inner in value.items()) or "none"
    if isinstance(value, list | tuple):
        return _listed(value)
    return str(value)


def _entry(key: str, value: Any) -> str:
    """One entry of a mapping; what has entries of its own stands in brackets."""
    return f"{key} ({plain(value)})" if _nested(value) else f"{key}: {plain(value)}"


def _nested(value: Any) -> bool:
    if isinstance(value, Mapping):
        return bool(value)
    return isinstance(value, list | tuple) and any(isinstance(inner, Mapping | list | tuple) for inner in value)


def _listed(values: Sequence[Any]) -> str:
    between = "; " if any(isinstance(inner, Mapping | list | tuple) for inner in values) else ", "
    return between.join(plain(inner) for inner in values) or "none"


def _spread(value: Any) -> list[tuple[str, Any]]:
    """The lines of one fact: of many facts one each, of a list of mappings (such as spaces) one each, numbered."""
    if isinstance(value, Mapping) and len(value) > _MANY:
        return [(str(key), inner) for key, inner in value.items()]
    if isinstance(value, list | tuple) and len(value) > 1 and _nested(value):
        return [(str(at), inner) for at, inner in enumerate(value, start=1)]
    return [("", value)]


def show_facts(title: str, facts: Mapping[str, Any]) -> None:
    """Show named facts, one per line; a fact that is itself many facts is spread over as many lines."""
    pairs = []
    for name, value in facts.items():
        pairs += [(f"{name} {inner}".strip().replace("_", " "), plain(one)) for inner, one in _spread(value)]
    if not on_terminal():
        sys.stdout.write(tsv(pairs))
        return
    grid = Table.grid(padding=(0, 2))
    grid.add_column(style="cyan", no_wrap=True)
    grid.add_column(overflow="fold")
    for name, value in pairs:
        grid.add_row(Text(name), Text(value))
    console = out()
    console.print(Text(title, style="bold"))
    console.print(grid)


def show_rows(header: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Show a table, one row each: TSV with a header in a pipe."""
    if not on_terminal():
        sys.stdout.write(tsv([header, *rows]))
        return
    table = Table(box=None, header_style="bold", pad_edge=False)
    for name in header:
        table.add_column(Text(name))
    for row in rows:
        table.add_row(*(Text(cell) for cell in row))
    out().print(table)
