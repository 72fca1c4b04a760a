"""The stitch report as a table for eyes, as TSV for pipes, as Markdown for documents."""

import sys

from rich import box
from rich.table import Table
from rich.text import Text

from relstitch.artifacts import Cell, Score, StitchReport
from relstitch.errors import counted
from relstitch.report.facts import markdown_table, tsv
from relstitch.report.streams import on_terminal, out, tell
from relstitch.report.ways_table import chosen_lines, ways_header, ways_lines

_FORMS = {"absolute": "absolute", "relative": "centred", "relative, paper": "not centred"}
MISSING = "–"


def form_title(form: str) -> str:
    """How a form is called at the head of a column."""
    base = form.removesuffix(", transductive")
    return _FORMS.get(base, base) + ("" if base == form else ", transductive")


def number(score: Score | None, digits: int = 3) -> str:
    """Mean ± spread with three decimals, or so many; – where the figure does not exist.

    Example:
        >>> number(Score((0.5, 0.75)))
        '0.625 ±.177'
    """
    if score is None or score.mean is None:
        return MISSING
    spread = score.spread
    if spread is None or spread < 0.5 * 10**-digits:
        return f"{score.mean:.{digits}f}"
    return f"{score.mean:.{digits}f} ±{f'{spread:.{digits}f}'.removeprefix('0')}"


def _digits(report: StitchReport) -> int:
    """Errors of pixels in [0, 1] are small numbers."""
    return 4 if report.lower_is_better else 3


def leading_form(report: StitchReport) -> str:
    """The form whose retention and F1 the table shows: the first relative one."""
    return next((form for form in report.forms if form != "absolute"), report.forms[0])


def _header(report: StitchReport) -> list[str]:
    other = [name for name in _metrics(report) if name != report.metric]
    titles = [form_title(form) for form in report.forms]
    return ["decoder of", "encoder", *titles, "retention", *(name.replace("_", " ") for name in other)]


def _metrics(report: StitchReport) -> list[str]:
    lead = leading_form(report)
    return next((list(cell.scores) for cell in report.cells if cell.form == lead and cell.scores), [report.metric])


def _lines(report: StitchReport) -> list[list[str]]:
    lead = leading_form(report)
    other = [name for name in _metrics(report) if name != report.metric]
    cells: dict[tuple[str, str], dict[str, Cell]] = {}
    for cell in report.cells:
        cells.setdefault((cell.decoder, cell.encoder), {})[cell.form] = cell
    lines = []
    for (decoder, encoder), by_form in cells.items():
        leading = by_form.get(lead)
        leads = [by_form[form].scores.get(report.metric) if form in by_form else None for form in report.forms]
        figures = [number(one, _digits(report)) for one in leads]
        retention = "ceiling" if decoder == encoder else number(leading.retention if leading else None)
        rest = [number(leading.scores.get(name)) if leading else MISSING for name in other]
        lines.append([decoder, encoder, *figures, retention, *rest])
    return lines


def _means(report: StitchReport) -> list[str]:
    means = []
    for form in report.forms:
        mean = report.stitched_mean(form)
        means.append(MISSING if mean is None else f"{mean:.{_digits(report)}f}")
    return means


def summary(report: StitchReport) -> str:
    """What the figures rest on, in one sentence or two."""
    settings = report.settings
    ready = report.settings.get("decoder")
    called = f"the {report.method} decoder" if ready is None else f"{ready['file']}, trained on {ready['of']}"
    parts = [f"{_metric_title(report)} of {called}"]
    if "k" in settings:
        parts.append(f"{counted(settings['k'], 'anchor')} ({settings.get('strategy', 'unknown')})")
    draws, seeds = settings.get("draws", 1), len(settings.get("seeds", [0]))
    repeated = counted(draws, "draw")
    parts.append(repeated if ready else f"{repeated} × {counted(seeds, 'seed')}")
    learned = "" if ready else f"{report.rows.get('train', 0)} training and "
    parts.append(f"{learned}{counted(report.rows.get('test', 0), 'test row')}")
    means = ", ".join(f"{form_title(form)} {mean}" for form, mean in zip(report.forms, _means(report), strict=True))
    floor = f"{report.floor:.{_digits(report)}f}{' (the mean training picture)' if report.lower_is_better else ''}"
    return f"{', '.join(parts)}. Floor {floor}. Stitched mean: {means}.{_sources(report)}{_retained(report)}"


def _metric_title(report: StitchReport) -> str:
    if not report.lower_is_better:
        return report.metric.replace("_", " ")
    shape = report.settings.get("picture")
    of = "" if shape is None else f", {shape['height']} × {shape['width']} × {shape['channels']}"
    return f"mean squared error (pixels from 0 to 1{of}; lower is better)"


def _retained(report: StitchReport) -> str:
    """What retention means of errors, which are no share of anything."""
    if not report.lower_is_better:
        return ""
    return (
        " Retention: of what the ceiling takes off the floor's error, the share that the stitched one takes off too."
    )


def _sources(report: StitchReport) -> str:
    """How far the stitched mean varies with the draws and with the seeds, where there are seeds to tell apart."""
    spread = report.stitched.get(leading_form(report))
    if spread is None or spread.between_seeds is None:
        return ""
    digits = _digits(report)
    draws = "" if spread.between_draws is None else f"{spread.between_draws:.{digits}f} between draws and "
    return f" Its spread, {form_title(leading_form(report))}: {draws}{spread.between_seeds:.{digits}f} between seeds."


def show_stitch(report: StitchReport) -> None:
    """Show a stitch report: a table on a terminal, TSV (one line per cell, full precision) in a pipe."""
    if not on_terminal():
        sys.stdout.write(tsv(_long(report)))
        for sentence in (summary(report), *report.notes, *chosen_lines(report)):
            tell(sentence)
        return
    console = out()
    console.print(_fitting(report, console.width))
    tried = ways_lines(report)
    for sentence in (summary(report), *report.notes, *([] if tried else chosen_lines(report))):
        console.print(Text(sentence), soft_wrap=True)
    if tried:
        console.print(_plain_table(ways_header(report), tried))


def _fitting(report: StitchReport, width: int) -> Table:
    """The table for a terminal: where it is too narrow, without the last columns, which --json and TSV still have."""
    header, lines = _header(report), _lines(report)
    # Each column is followed by two spaces and a divider; a digit that is cut off would be another number.
    widths = [max(map(len, column)) + 3 for column in zip(header, *lines, strict=True)]
    shown = len(header)
    while shown > 3 + len(report.forms) and sum(widths[:shown]) > width:
        shown -= 1
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, header_style="bold")
    for at, title in enumerate(header[:shown]):
        table.add_column(Text(title), justify="left" if at < 2 else "right", overflow="fold")
    for cells in lines:
        table.add_row(*(Text(cell) for cell in cells[:shown]), style="dim" if cells[0] == cells[1] else "")
    return table


def _plain_table(header: list[str], lines: list[list[str]]) -> Table:
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, header_style="bold")
    for at, title in enumerate(header):
        table.add_column(Text(title), justify="right" if at else "left", overflow="fold")
    for cells in lines:
        table.add_row(*map(Text, cells))
    return table


def _long(report: StitchReport) -> list[list[str]]:
    metrics = _metrics(report)
    header = ["form", "decoder", "encoder", "stitched"]
    for name in (*metrics, "retention"):
        header += [name, f"{name}_spread"]
    lines = [[*header, "repetitions", "test_rows", "floor"]]
    for cell in report.cells:
        line = [cell.form, cell.decoder, cell.encoder, "yes" if cell.stitched else "no"]
        for score in (*(cell.scores.get(name) for name in metrics), cell.retention):
            mean, spread = (None, None) if score is None else (score.mean, score.spread)
            line += ["" if mean is None else f"{mean:.6f}", "" if spread is None else f"{spread:.6f}"]
        leading = cell.scores.get(report.metric)
        line += [str(len(leading.values) if leading else 0), str(cell.n_test), f"{report.floor:.6f}"]
        lines.append(line)
    return lines


def markdown(report: StitchReport) -> str:
    """The report as a Markdown table with its summary and notes beneath."""
    table = markdown_table([_header(report), *_lines(report)], text_columns=2)
    tried = ways_lines(report)
    notes = "".join(f"\n- {note}" for note in (*report.notes, *([] if tried else chosen_lines(report))))
    ways = f"\n\n{markdown_table([ways_header(report), *tried], text_columns=1)}" if tried else ""
    return f"{table}\n{summary(report)}\n{notes}{ways}".rstrip() + "\n"
