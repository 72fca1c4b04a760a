"""The comparison as a table for eyes, as TSV for pipes, as Markdown for documents."""

import sys

from rich import box
from rich.table import Table
from rich.text import Text

from relstitch.artifacts.comparisons import CompareReport, Likeness
from relstitch.errors import counted
from relstitch.report.facts import markdown_table, tsv
from relstitch.report.streams import on_terminal, out, tell

_HEADER = ("measure", "left", "right", "value", "interval", "chance", "chance 95%", "rows")
_MISSING = "–"


def _line(one: Likeness) -> list[str]:
    between = _MISSING if one.interval is None else f"{one.interval.low:.3f} … {one.interval.high:.3f}"
    chance = (
        (_MISSING, _MISSING) if one.baseline is None else (f"{one.baseline.mean:.3f}", f"{one.baseline.high:.3f}")
    )
    return [one.measure, one.left, one.right, f"{one.value:.3f}", between, *chance, str(one.rows)]


def _ordered(report: CompareReport) -> list[Likeness]:
    """By measure; with a reference, the nearest file first."""
    at = report.measures.index
    if report.reference is None:
        return sorted(report.figures, key=lambda one: at(one.measure))
    return sorted(report.figures, key=lambda one: (at(one.measure), -one.value))


def compare_summary(report: CompareReport) -> str:
    """What the figures rest on and how to read them, in a few sentences."""
    settings, rows = report.settings, report.rows
    parts = [counted(rows["shared"], "shared row"), counted(settings["neighbours"], "neighbour")]
    if settings["k"] is not None:
        parts.append(f"{counted(settings['k'], 'anchor')} ({settings['projection']})")
    if settings["permutations"]:
        parts.append(f"chance (mean and 95th percentile) from {counted(settings['permutations'], 'permutation')}")
    if settings["bootstrap"]:
        parts.append(f"{settings['level']:.0%} intervals from {counted(settings['bootstrap'], 'draw')} of rows")
    distances = ", ".join(f"{name} {value:.3f}" for name, value in _nearest_first(report))
    return f"{', '.join(parts)}. 1 means equal; higher is more alike." + (
        f" Latent distance to {report.reference} (0 means equal): {distances}." if distances else ""
    )


def _nearest_first(report: CompareReport) -> list[tuple[str, float]]:
    return sorted(report.latent_distance.items(), key=lambda pair: pair[1])


def show_compare(report: CompareReport) -> None:
    """Show a comparison: a table on a terminal, TSV (one line per figure, full precision) in a pipe."""
    sentences = (compare_summary(report), *report.notes)
    if not on_terminal():
        sys.stdout.write(tsv(_long(report)))
        for sentence in sentences:
            tell(sentence)
        return
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, header_style="bold")
    for at, title in enumerate(_HEADER):
        table.add_column(Text(title), justify="left" if at < 3 else "right", overflow="fold")
    for one in _ordered(report):
        table.add_row(*map(Text, _line(one)))
    console = out()
    console.print(table)
    for sentence in sentences:
        console.print(Text(sentence), soft_wrap=True)


def _long(report: CompareReport) -> list[list[str]]:
    lines = [["measure", "left", "right", "value", "low", "high", "chance", "chance_95", "rows"]]
    for one in _ordered(report):
        interval = ("", "") if one.interval is None else (f"{one.interval.low:.6f}", f"{one.interval.high:.6f}")
        chance = ("", "") if one.baseline is None else (f"{one.baseline.mean:.6f}", f"{one.baseline.high:.6f}")
        lines.append([one.measure, one.left, one.right, f"{one.value:.6f}", *interval, *chance, str(one.rows)])
    return lines


def compare_markdown(report: CompareReport) -> str:
    """Markdown: a matrix a measure for three files and more without a reference, else one table of figures."""
    if report.reference is None and len(report.files) > 2:
        parts = [_matrix(report, measure) for measure in report.measures]
    else:
        parts = [markdown_table([list(_HEADER), *map(_line, _ordered(report))], text_columns=3)]
    notes = "".join(f"- {note}\n" for note in report.notes)
    return "\n".join([*parts, compare_summary(report) + "\n", *([notes] if notes else [])])


def _matrix(report: CompareReport, measure: str) -> str:
    lines = [[measure, *report.files]]
    for name, values in zip(report.files, report.matrix(measure), strict=True):
        lines.append([name, *(f"{value:.3f}" for value in values)])
    return markdown_table(lines, text_columns=1)
