"""What an experiment leaves in its folder: the report as JSON and Markdown, and its pictures."""

import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from relstitch.artifacts.experiments import ExperimentReport
from relstitch.errors import counted
from relstitch.experiments.everything import MARKER, Outcome
from relstitch.storage.output import whole_or_absent

Pictures = Sequence[tuple[str, Path]]
"""The title and the file of each picture."""

_NOT_DRAWN = "Pictures were not drawn: matplotlib is not installed. Install it: pip install 'relstitch[figures]'"


def write_outcome(outcome: Outcome, say: Callable[[str], None]) -> Pictures:
    """Write what an experiment came to into its folder; what an earlier run wrote there is replaced.

    Args:
        outcome: With a report: ``report.json``, ``report.md`` and a PNG a picture. Without: ``failure.txt``.
        say: Called with each sentence a user should read.

    Returns:
        The title and the file of each picture.
    """
    failure = outcome.folder / "failure.txt"
    if outcome.report is None:
        if (outcome.folder / MARKER).is_file():
            _write(failure, f"{outcome.problem}\n\n{outcome.trace}".rstrip() + "\n")
        return []
    from relstitch.report.experiment_table import experiment_markdown

    failure.unlink(missing_ok=True)
    pictures = _draw(outcome.report, outcome.folder, say)
    values = json.dumps(outcome.report.to_json(), ensure_ascii=False, allow_nan=False, indent=2)
    _write(outcome.folder / "report.json", values + "\n")
    names = [(title, file.name) for title, file in pictures]
    _write(outcome.folder / "report.md", experiment_markdown(outcome.report, names))
    return pictures


def _draw(report: ExperimentReport, folder: Path, say: Callable[[str], None]) -> Pictures:
    from relstitch.report.figures import can_draw, draw_grid, draw_plot

    if not can_draw():
        if report.plots or report.grids:
            say(_NOT_DRAWN)
        return []
    drawn = {plot.name: (plot.title, draw_plot(plot)) for plot in report.plots}
    drawn |= {grid.name: (grid.title, draw_grid(grid)) for grid in report.grids}
    pictures = []
    for name, (title, data) in drawn.items():
        file = folder / f"{name}.png"
        with whole_or_absent(file) as temporary:
            temporary.write_bytes(data)
        pictures.append((title, file))
    return pictures


def write_summary(outcomes: Sequence[Outcome], pictures: Mapping[str, Pictures], folder: Path) -> Path:
    """Write ``summary.md``: which patterns held, then every experiment's tables, patterns and pictures.

    Args:
        outcomes: What each experiment came to.
        pictures: By experiment, the title and the file of each picture.
        folder: Where the experiments' folders are.

    Returns:
        The file.
    """
    file = folder / "summary.md"
    _write(file, summary_markdown(outcomes, pictures, folder))
    return file


def summary_markdown(outcomes: Sequence[Outcome], pictures: Mapping[str, Pictures], folder: Path) -> str:
    """The text of ``summary.md``; arguments as for `write_summary`."""
    from relstitch.report.experiment_table import experiment_markdown
    from relstitch.report.facts import markdown_table

    lines = [["experiment", "of the paper", "patterns held", "minutes"]]
    parts = []
    for outcome in outcomes:
        report = outcome.report
        if report is None:
            lines.append([outcome.name, "–", "failed", "–"])
            parts.append(f"## {outcome.name}\n\nFailed: {outcome.problem}\n")
            continue
        held = sum(pattern.held for pattern in report.patterns)
        share = f"{held} of {len(report.patterns)}" if report.patterns else "–"
        lines.append([outcome.name, report.section, share, f"{report.seconds / 60:.1f}"])
        links = [(title, place.relative_to(folder).as_posix()) for title, place in pictures.get(outcome.name, ())]
        parts.append(experiment_markdown(report, links))
    seconds = sum(outcome.report.seconds for outcome in outcomes if outcome.report is not None)
    said = f"{counted(len(outcomes), 'experiment')}, {seconds / 60:.0f} minutes in all."
    return "\n".join(["# The paper's experiments\n", said + "\n", markdown_table(lines, text_columns=2), *parts])


def _write(file: Path, text: str) -> None:
    with whole_or_absent(file) as temporary:
        temporary.write_text(text, encoding="utf-8")
