"""An experiment's numbers beside the paper's: tables for eyes, TSV for pipes, Markdown for documents."""

import sys
from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import Literal

from rich import box
from rich.table import Table
from rich.text import Text

from relstitch.artifacts.experiments import ExperimentReport, Measured, Pattern, ResultRow, ResultTable
from relstitch.report.facts import markdown_table, plain, tsv
from relstitch.report.streams import on_terminal, out, tell

_MISSING = "–"


def measured_words(value: Measured | None, digits: int = 3) -> str:
    """Mean ± spread; – where there is no figure, the mean alone where there was one run.

    Example:
        >>> measured_words(Measured(0.5, 0.0312, 10)), measured_words(Measured(97.791, 1.2, 2), 1)
        ('0.500 ±.031', '97.8 ±1.2')
    """
    if value is None:
        return _MISSING
    # Plus zero: what rounds to -0 is 0.
    mean = f"{round(value.mean, digits) + 0.0:.{digits}f}"
    return mean if value.spread is None else f"{mean} ±{f'{value.spread:.{digits}f}'.removeprefix('0')}"


def runs_words(table: ResultTable) -> str:
    """What our figures are means of, in one sentence; nothing where every figure is of one run.

    Example:
        >>> runs_words(ResultTable("t", ("s",), ("m",), (ResultRow(("x",), (Measured(0.5, 0.1, 5),), (None,)),)))
        'Ours: mean ± sample standard deviation over 5 seeds.'
    """
    runs = sorted({value.runs for row in table.rows for value in row.ours if value is not None})
    if not runs or runs[-1] < 2:
        return ""
    many = str(runs[-1]) if len(runs) == 1 else f"{runs[0]} to {runs[-1]}"
    return f"Ours: mean ± sample standard deviation over {many} {table.runs}."


def _with_paper(table: ResultTable) -> list[bool]:
    """Of each measure, whether the paper has a figure in some row."""
    return [any(row.paper[at] is not None for row in table.rows) for at in range(len(table.measures))]


def _header(table: ResultTable) -> list[str]:
    header = list(table.settings)
    for name, has_paper in zip(table.measures, _with_paper(table), strict=True):
        header += [name, "paper"] if has_paper else [name]
    return header


def _cells(table: ResultTable, row: ResultRow) -> Iterator[str]:
    yield from row.setting
    for ours, paper, has_paper in zip(row.ours, row.paper, _with_paper(table), strict=True):
        yield measured_words(ours, table.digits)
        if has_paper:
            yield paper or _MISSING


def _wide(table: ResultTable) -> list[list[str]]:
    """One line per row, its header first."""
    return [_header(table), *(list(_cells(table, row)) for row in table.rows)]


def _long(table: ResultTable) -> list[list[str]]:
    """One line per figure, its header first: what a narrow terminal has room for."""
    lines = [[*table.settings, "measure", "ours", "paper"]]
    for row in table.rows:
        for name, ours, paper in zip(table.measures, row.ours, row.paper, strict=True):
            if ours is not None or paper is not None:
                lines.append([*row.setting, name, measured_words(ours, table.digits), paper or _MISSING])
    return lines


def _fitting(table: ResultTable, width: int) -> Table:
    lines, numbers_from = _wide(table), len(table.settings)
    if sum(max(map(len, column)) + 3 for column in zip(*lines, strict=True)) > width:
        lines, numbers_from = _long(table), len(table.settings) + 1
    shown = Table(box=box.SIMPLE_HEAD, pad_edge=False, header_style="bold")
    for at, title in enumerate(lines[0]):
        number, style = at >= numbers_from, "dim" if title == "paper" else ""
        side: Literal["left", "right"] = "right" if number else "left"
        # Words may be broken, numbers not: half of one would be another.
        shown.add_column(Text(title), justify=side, overflow="fold", no_wrap=number, style=style)
    for before, line in pairwise(lines):
        # What a line has in common with the one above it is said once.
        same = next((at for at in range(numbers_from) if line[at] != before[at]), numbers_from)
        shown.add_row(*(Text("" if at < same else cell) for at, cell in enumerate(line)))
    return shown


def pattern_words(pattern: Pattern) -> str:
    """A pattern in one line: whether it held, what it says, what was found.

    Example:
        >>> pattern_words(Pattern("absolute MRR below .01", True, ".0003"))
        'held: absolute MRR below .01 (found: .0003)'
    """
    return f"{'held' if pattern.held else 'not held'}: {pattern.claim} (found: {pattern.found})"


def _closing(report: ExperimentReport, pictures: Sequence[str]) -> Iterator[str]:
    """What stands beneath the tables: notes, what the figures rest on, where the pictures are."""
    yield from report.notes
    rests = plain(dict(report.settings))
    yield f"Size {report.size}, {report.seconds:.0f} s in all." + (f" {rests}." if report.settings else "")
    if pictures:
        yield f"Pictures: {', '.join(pictures)}"


def show_experiment(report: ExperimentReport, pictures: Sequence[str] = (), *, header: bool = True) -> None:
    """Show an experiment: tables on a terminal, TSV (one line per figure, full precision) in a pipe.

    Args:
        report: What was found.
        pictures: Where its pictures were written.
        header: Whether the TSV begins with the names of its columns: not after another experiment's.
    """
    title = f"{report.name}: {report.title} ({report.section})"
    if not on_terminal():
        sys.stdout.write(tsv(_plain_lines(report)[0 if header else 1 :]))
        for sentence in (title, *map(pattern_words, report.patterns), *_closing(report, pictures)):
            tell(sentence)
        return
    console = out()
    if not header:
        console.print()
    console.print(Text(title, style="bold"))
    for table in report.tables:
        console.print()
        console.print(Text(table.title))
        console.print(_fitting(table, console.width))
        console.print(Text(runs_words(table), style="dim"), soft_wrap=True)
    for pattern in report.patterns:
        said = Text(pattern_words(pattern))
        said.stylize("green" if pattern.held else "bold red", 0, len("held" if pattern.held else "not held"))
        console.print(said, soft_wrap=True)
    for sentence in _closing(report, pictures):
        console.print(Text(sentence), soft_wrap=True)


def _plain_lines(report: ExperimentReport) -> list[list[str]]:
    lines = [["experiment", "table", "setting", "measure", "ours", "spread", "runs", "paper"]]
    for table in report.tables:
        for row in table.rows:
            for name, ours, paper in zip(table.measures, row.ours, row.paper, strict=True):
                figures = ["", "", ""]
                if ours is not None:
                    spread = "" if ours.spread is None else f"{ours.spread:.6g}"
                    figures = [f"{ours.mean:.6g}", spread, str(ours.runs)]
                if ours is not None or paper is not None:
                    setting = "; ".join(row.setting)
                    lines.append([report.name, table.title, setting, name, *figures, paper or ""])
    return lines


def experiment_markdown(report: ExperimentReport, pictures: Sequence[tuple[str, str]] = ()) -> str:
    """An experiment as a Markdown section.

    Args:
        report: What was found.
        pictures: The title of each picture, and where it lies as seen from the document.

    Returns:
        A heading, tables, patterns, notes, pictures.
    """
    parts = [f"## {report.name}: {report.title} ({report.section})\n"]
    for table in report.tables:
        parts.append(f"**{table.title}**\n")
        parts.append(markdown_table(_wide(table), text_columns=len(table.settings)))
        parts += [f"{words}\n" for words in [runs_words(table)] if words]
    parts += ["".join(f"- {_marked(pattern)}\n" for pattern in report.patterns)] if report.patterns else []
    parts.append("".join(f"{sentence}\n\n" for sentence in _closing(report, ())).rstrip("\n") + "\n")
    parts += [f"![{title}]({place})\n" for title, place in pictures]
    return "\n".join(parts)


def _marked(pattern: Pattern) -> str:
    word, rest = pattern_words(pattern).split(":", 1)
    return f"**{word}**:{rest}"
