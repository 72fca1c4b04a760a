"""Pictures of an experiment as PNG: curves with their spread, scatters, rows of pictures. The owner of matplotlib."""

import io
import textwrap
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

import numpy as np

from relstitch.artifacts.experiments import Line, PictureGrid, Plot

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

# Okabe and Ito 2008: told apart by eyes of every kind; markers and strokes tell them apart in print.
_COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000", "#8C6D1F")
_MARKERS = ("o", "s", "^", "D", "v", "P", "X", "*")
_STROKES = ("-", "--", "-.", ":")
_DOTS_PER_INCH = 150
_MANY_TICKS = 9
_LABEL_WIDTH = 26
_GAP = 0.06


def can_draw() -> bool:
    """Whether matplotlib is installed."""
    return find_spec("matplotlib") is not None


def draw_plot(plot: Plot) -> bytes:
    """Draw curves with a band of ± one spread, or points: a PNG file."""
    return _png(plot_figure(plot))


def plot_figure(plot: Plot) -> "Figure":
    """Curves or points as a figure of matplotlib: the title above, the legend beside, nothing on top of the axes."""
    names = {name: textwrap.fill(name, _LABEL_WIDTH) for name in plot.lines}
    tall = sum(0.08 + 0.15 * (1 + label.count("\n")) for label in names.values())
    figure = _figure(7.2, max(4.4, 0.9 + tall))
    axes = figure.add_subplot()
    for at, (name, line) in enumerate(plot.lines.items()):
        _draw_line(axes, at, names[name], line, points=plot.points)
    axes.set_xlabel(textwrap.fill(plot.axes[0], 60))
    axes.set_ylabel(textwrap.fill(plot.axes[1], 40))
    axes.grid(visible=True, color="#dddddd", linewidth=0.6)
    axes.set_axisbelow(True)
    axes.spines[["top", "right"]].set_visible(False)
    if plot.log_x:
        axes.set_xscale("log")
    _place_ticks(axes, plot)
    figure.suptitle(textwrap.fill(plot.title, 76), fontsize=11)
    if len(plot.lines) > 1:
        # Beside the axes: nothing that is drawn can lie beneath it.
        axes.legend(loc="upper left", bbox_to_anchor=(1.01, 1.0), frameon=False, fontsize=8, handlelength=3)
    return figure


def _draw_line(axes: "Axes", at: int, label: str, line: Line, *, points: bool) -> None:
    colour, marker = _COLOURS[at % len(_COLOURS)], _MARKERS[at % len(_MARKERS)]
    if points:
        axes.scatter(line.x, line.y, s=20, alpha=0.65, color=colour, marker=marker, linewidths=0, label=label)
        return
    stroke = _STROKES[at // len(_COLOURS) % len(_STROKES)]
    axes.plot(line.x, line.y, color=colour, marker=marker, markersize=4.5, linestyle=stroke, label=label)
    if line.spread:
        y, spread = np.array(line.y), np.array(line.spread)
        axes.fill_between(line.x, y - spread, y + spread, color=colour, alpha=0.15, linewidth=0)


def _place_ticks(axes: "Axes", plot: Plot) -> None:
    """Curves have ticks where they were measured, if these are few: numbers of anchors read better than powers."""
    from matplotlib.ticker import NullFormatter, NullLocator

    places = sorted({x for line in plot.lines.values() for x in line.x})
    if plot.points or not 1 < len(places) <= _MANY_TICKS:
        return
    axes.set_xticks(places, [f"{place:g}" for place in places])
    axes.xaxis.set_minor_locator(NullLocator())
    axes.xaxis.set_minor_formatter(NullFormatter())


def draw_grid(grid: PictureGrid) -> bytes:
    """Draw rows of pictures, what each row shows to the left of it: a PNG file."""
    return _png(grid_figure(grid))


def grid_figure(grid: PictureGrid) -> "Figure":
    """Rows of pictures as a figure of matplotlib."""
    rows, columns, height, width, _channels = grid.pictures.shape
    tall = 0.75 * height / width
    figure = _figure(1.8 + 0.75 * columns, 0.6 + (tall + 0.12) * rows)
    places = figure.subplots(rows, 1, squeeze=False)[:, 0]
    for axes, name, pictures in zip(places, grid.rows, grid.pictures, strict=True):
        axes.imshow(_joined(pictures), interpolation="nearest", vmin=0, vmax=1, cmap="gray")
        axes.set_ylabel(textwrap.fill(name, 20), rotation=0, ha="right", va="center", labelpad=8, fontsize=9)
        axes.set_xticks([])
        axes.set_yticks([])
        axes.spines[:].set_visible(False)
    figure.suptitle(textwrap.fill(grid.title, max(30, 12 * columns)), fontsize=11)
    return figure


def _joined(pictures: Any) -> Any:
    """Pictures side by side with white between them: [h, columns × w + gaps, 1 or 3]."""
    height, width, channels = pictures.shape[1:]
    gap = np.ones((height, max(1, round(_GAP * width)), channels), dtype=np.float32)
    parts = [part for picture in pictures for part in (gap, picture)][1:]
    return np.clip(np.concatenate(parts, axis=1), 0.0, 1.0)


def _figure(width: float, height: float) -> "Figure":
    # No pyplot: it has a state of its own and looks for a display.
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height), dpi=_DOTS_PER_INCH, layout="constrained")
    FigureCanvasAgg(figure)
    return figure


def _png(figure: "Figure") -> bytes:
    stream = io.BytesIO()
    figure.savefig(stream, format="png", facecolor="white", metadata={"Software": None})
    return stream.getvalue()
