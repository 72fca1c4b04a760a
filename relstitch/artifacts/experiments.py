"""What an experiment of the paper found: our numbers beside the paper's, patterns, and pictures to be drawn."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from statistics import fmean, stdev
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

Size = Literal["toy", "usual", "full"]
"""toy: seconds, for tests. usual: what two cores finish in minutes. full: the paper's own sizes."""


@dataclass(frozen=True)
class Measured:
    """A figure over several runs.

    Attributes:
        mean: Over the runs.
        spread: Sample standard deviation; None with one run.
        runs: How many: seeds, draws or ordered pairs, as the table says.
    """

    mean: float
    spread: float | None
    runs: int


def measured(values: list[float]) -> Measured:
    """Mean and spread of some runs, at least one.

    Example:
        >>> measured([1.0, 3.0])
        Measured(mean=2.0, spread=1.4142135623730951, runs=2)
    """
    return Measured(fmean(values), stdev(values) if len(values) > 1 else None, len(values))


@dataclass(frozen=True)
class ResultRow:
    """One line of a table.

    Attributes:
        setting: What the figures are of, one word or phrase for each of the table's `settings`.
        ours: Our figures, one for each of the table's `measures`; None where there is none.
        paper: The paper's, as printed there; None where it has none.
    """

    setting: tuple[str, ...]
    ours: tuple[Measured | None, ...]
    paper: tuple[str | None, ...]


@dataclass(frozen=True)
class ResultTable:
    """Our numbers beside the paper's.

    Attributes:
        title: What the table shows.
        settings: What the columns of settings are called.
        measures: What is measured, with its unit or range where that is not plain, such as ``accuracy``.
        rows: The lines.
        runs: What the runs behind a spread are, such as ``seeds`` or ``anchor draws``.
        digits: Digits after the point.
    """

    title: str
    settings: tuple[str, ...]
    measures: tuple[str, ...]
    rows: tuple[ResultRow, ...]
    runs: str = "seeds"
    digits: int = 3


@dataclass(frozen=True)
class Pattern:
    """Something the paper's numbers show, and whether ours show it too.

    Attributes:
        claim: In words, with the bound it is held against.
        held: Whether ours hold it.
        found: Our figure, in words.
    """

    claim: str
    held: bool
    found: str


@dataclass(frozen=True)
class Line:
    """A curve, or the points of one group.

    Attributes:
        x: Places on the horizontal axis.
        y: Values there.
        spread: Of each value over the runs; empty where there is none.
    """

    x: tuple[float, ...]
    y: tuple[float, ...]
    spread: tuple[float, ...] = ()


@dataclass(frozen=True)
class Plot:
    """Curves with their spread, or a scatter.

    Attributes:
        name: Of the file it is drawn to, without ending.
        title: Above it.
        axes: What the horizontal and the vertical axis show.
        lines: By the name that the legend gives them.
        points: Whether they are points and no curves.
        log_x: Whether the horizontal axis is logarithmic.
    """

    name: str
    title: str
    axes: tuple[str, str]
    lines: Mapping[str, Line]
    points: bool = False
    log_x: bool = False


@dataclass(frozen=True, eq=False)
class PictureGrid:
    """Pictures in rows: an original and what was made of it, say.

    Attributes:
        name: Of the file it is drawn to, without ending.
        title: Above it.
        rows: What each row shows.
        pictures: float32 [rows, columns, h, w, channels], in [0, 1]; one channel or three.
    """

    name: str
    title: str
    rows: tuple[str, ...]
    pictures: NDArray[np.float32]


@dataclass(frozen=True)
class ExperimentReport:
    """Everything `relstitch reproduce` says of one experiment.

    Attributes:
        name: One of `relstitch.names.EXPERIMENTS`.
        title: In a few words.
        section: Of the paper.
        size: toy, usual or full.
        tables: Our numbers beside the paper's.
        patterns: What should hold.
        settings: Data, sizes, seeds: what the figures rest on.
        notes: What a reader should know, such as data that was not there.
        seconds: How long it took, in all, over interruptions.
        plots: To be drawn.
        grids: To be drawn.
    """

    name: str
    title: str
    section: str
    size: Size
    tables: tuple[ResultTable, ...]
    patterns: tuple[Pattern, ...]
    settings: Mapping[str, Any] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    seconds: float = 0.0
    plots: tuple[Plot, ...] = ()
    grids: tuple[PictureGrid, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """Everything as plain JSON values, but for the pictures of a grid, of which only the names are given."""
        plain = asdict(self)
        plain["grids"] = [{"name": grid.name, "title": grid.title, "rows": list(grid.rows)} for grid in self.grids]
        return plain
