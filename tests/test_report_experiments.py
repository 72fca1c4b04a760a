"""An experiment's report: a table on a terminal, TSV in a pipe, Markdown; curves and pictures that can be read."""

import io
import json
import re
import sys
from itertools import combinations
from typing import Any

import numpy as np
import pytest
from PIL import Image

from relstitch.artifacts.experiments import (
    ExperimentReport,
    Line,
    Measured,
    Pattern,
    PictureGrid,
    Plot,
    ResultRow,
    ResultTable,
    measured,
)
from relstitch.report.experiment_table import experiment_markdown, measured_words, runs_words, show_experiment
from relstitch.report.figures import can_draw, draw_grid, draw_plot, grid_figure, plot_figure

needs_matplotlib = pytest.mark.skipif(not can_draw(), reason="matplotlib is not installed")

TABLE = ResultTable(
    "Stitched [bold] error",
    ("data", "form"),
    ("MSE", "F1"),
    (
        ResultRow(("a|b", "absolute"), (measured([0.5, 0.7]), None), ("0.66", None)),
        ResultRow(("a|b", "relative"), (measured([0.25]), Measured(0.123456789, 0.0, 2)), (None, None)),
    ),
)
REPORT = ExperimentReport(
    "toys",
    "toys that are stitched",
    "section 9, table 9",
    "toy",
    (TABLE,),
    (Pattern("relative error below .3", True, ".25"), Pattern("absolute error [is] high", False, "0.6")),
    {"rows": 12, "data": {"x": "made up"}},
    ("Something [bold] to know.",),
    12.4,
)
CLOSING = "Size toy, 12 s in all. rows: 12, data (x: made up)."


class Screen(io.StringIO):
    """A terminal, as far as a program can tell."""

    def isatty(self) -> bool:
        return True


def shown_at(width: int, monkeypatch: pytest.MonkeyPatch, **given: Any) -> list[str]:
    screen = Screen()
    with monkeypatch.context() as patch:
        patch.setattr(sys, "stdout", screen)
        patch.setenv("COLUMNS", str(width))
        patch.setenv("TERM", "xterm")
        show_experiment(REPORT, **given)
    return [line.rstrip() for line in re.sub(r"\x1b\[[\d;]*m", "", screen.getvalue()).splitlines()]


def test_numbers_and_their_runs() -> None:
    assert [measured_words(one) for one in (None, measured([0.5]), measured([0.5, 0.7]), Measured(12.0, 1.5, 9))] == [
        "–", "0.500", "0.600 ±.141", "12.000 ±1.500",
    ]  # fmt: skip
    assert measured_words(measured([-0.0001])) == "0.000"
    assert measured_words(Measured(-0.0312, 0.004, 3), 2) == "-0.03 ±.00"
    assert runs_words(TABLE) == "Ours: mean ± sample standard deviation over 1 to 2 seeds."
    assert runs_words(ResultTable("t", ("s",), ("m",), (ResultRow(("x",), (measured([1.0]),), (None,)),))) == ""


def test_a_wide_terminal_has_ours_beside_the_papers(monkeypatch: pytest.MonkeyPatch) -> None:
    lines = shown_at(100, monkeypatch, pictures=["out/a.png"])
    words = [line.split() for line in lines]
    assert lines[0] == "toys: toys that are stitched (section 9, table 9)"
    assert "Stitched [bold] error" in lines
    # No paper's column for a measure that the paper has not.
    assert ["data", "form", "MSE", "paper", "F1"] in words
    assert ["a|b", "absolute", "0.600", "±.141", "0.66", "–"] in words
    assert ["relative", "0.250", "–", "0.123", "±.000"] in words
    assert lines[-5:] == [
        "held: relative error below .3 (found: .25)",
        "not held: absolute error [is] high (found: 0.6)",
        "Something [bold] to know.",
        CLOSING,
        "Pictures: out/a.png",
    ]


def test_a_narrow_terminal_has_every_figure_too(monkeypatch: pytest.MonkeyPatch) -> None:
    words = [line.split() for line in shown_at(52, monkeypatch)]
    assert ["data", "form", "measure", "ours", "paper"] in words
    assert ["a|b", "absolute", "MSE", "0.600", "±.141", "0.66"] in words
    assert ["F1", "0.123", "±.000", "–"] in words


def test_a_pipe_gets_tsv_and_the_words_go_to_stderr(capsys: pytest.CaptureFixture[str]) -> None:
    show_experiment(REPORT)
    shown = capsys.readouterr()
    assert shown.out == (
        "experiment\ttable\tsetting\tmeasure\tours\tspread\truns\tpaper\n"
        "toys\tStitched [bold] error\ta|b; absolute\tMSE\t0.6\t0.141421\t2\t0.66\n"
        "toys\tStitched [bold] error\ta|b; relative\tMSE\t0.25\t\t1\t\n"
        "toys\tStitched [bold] error\ta|b; relative\tF1\t0.123457\t0\t2\t\n"
    )
    assert shown.err == (
        "toys: toys that are stitched (section 9, table 9)\n"
        "held: relative error below .3 (found: .25)\nnot held: absolute error [is] high (found: 0.6)\n"
        f"Something [bold] to know.\n{CLOSING}\n"
    )


def test_only_the_first_of_several_has_a_header(capsys: pytest.CaptureFixture[str]) -> None:
    show_experiment(REPORT, header=False)
    assert capsys.readouterr().out.startswith("toys\tStitched [bold] error\ta|b; absolute\tMSE\t")


def test_markdown_in_full() -> None:
    assert experiment_markdown(REPORT, [("A curve", "toys/a.png")]) == (
        "## toys: toys that are stitched (section 9, table 9)\n"
        "\n**Stitched [bold] error**\n"
        "\n| data | form | MSE | paper | F1 |\n"
        "| --- | --- | ---: | ---: | ---: |\n"
        "| a\\|b | absolute | 0.600 ±.141 | 0.66 | – |\n"
        "| a\\|b | relative | 0.250 | – | 0.123 ±.000 |\n"
        "\nOurs: mean ± sample standard deviation over 1 to 2 seeds.\n"
        "\n- **held**: relative error below .3 (found: .25)\n"
        "- **not held**: absolute error [is] high (found: 0.6)\n"
        f"\nSomething [bold] to know.\n\n{CLOSING}\n"
        "\n![A curve](toys/a.png)\n"
    )


def test_json_holds_everything_but_pixels() -> None:
    grid = PictureGrid("g", "Grid", ("one",), np.zeros((1, 2, 3, 3, 1), dtype=np.float32))
    report = ExperimentReport(**{**vars(REPORT), "grids": (grid,)})
    values = json.loads(json.dumps(report.to_json(), allow_nan=False))
    assert values["grids"] == [{"name": "g", "title": "Grid", "rows": ["one"]}]
    assert values["tables"][0]["rows"][0]["ours"][0] == {"mean": 0.6, "spread": pytest.approx(0.1414, abs=1e-4),
                                                         "runs": 2}  # fmt: skip
    assert values["patterns"][1]["held"] is False


def opened(data: bytes) -> Any:
    picture = Image.open(io.BytesIO(data))
    assert picture.format == "PNG"
    return np.asarray(picture.convert("RGB"))


def plot_of(lines: int, *, words: int = 4, points: bool = False) -> Plot:
    random = np.random.default_rng(0)
    x = (10.0, 50.0, 300.0)
    named = {
        " ".join(["line", str(at), *["long"] * words]): Line(x, tuple(random.random(3)), () if points else (0.1,) * 3)
        for at in range(lines)
    }
    return Plot("p", "A title " * 20, ("number of anchors " * 4, "accuracy of " * 8), named, points, log_x=not points)


@needs_matplotlib
@pytest.mark.parametrize("plot", [plot_of(1), plot_of(3), plot_of(16, words=9), plot_of(2, points=True)])
def test_nothing_on_a_plot_overlaps_or_is_cut_off(plot: Plot) -> None:
    figure = plot_figure(plot)
    figure.draw_without_rendering()
    (axes,) = figure.axes
    legend = axes.get_legend()
    title, whole = figure._suptitle, figure.bbox  # type: ignore[attr-defined]
    boxes = {
        "axes": axes.get_window_extent(),
        "title": title.get_window_extent(),
        "x": axes.xaxis.label.get_window_extent(),
        "y": axes.yaxis.label.get_window_extent(),
    }
    if len(plot.lines) > 1:
        assert legend is not None
        boxes["legend"] = legend.get_window_extent()
    else:
        assert legend is None
    for name, box in boxes.items():
        assert whole.x0 <= box.x0 < box.x1 <= whole.x1, name
        assert whole.y0 <= box.y0 < box.y1 <= whole.y1, name
        for other, beside in boxes.items():
            assert name == other or not box.overlaps(beside), (name, other)


@needs_matplotlib
def test_curves_have_ticks_where_they_were_measured() -> None:
    figure = plot_figure(plot_of(2))
    figure.draw_without_rendering()
    assert [label.get_text() for label in figure.axes[0].get_xticklabels()] == ["10", "50", "300"]
    assert {line.get_marker() for line in figure.axes[0].get_lines()} == {"o", "s"}


@needs_matplotlib
def test_a_plot_is_a_png_and_the_same_every_time() -> None:
    assert draw_plot(plot_of(2)) == draw_plot(plot_of(2))
    pixels = opened(draw_plot(plot_of(2)))
    assert pixels.shape[0] > 500
    # Both lines' colours are there, and their bands.
    assert (np.abs(pixels.astype(int) - [0x00, 0x72, 0xB2]).sum(axis=2) < 6).any()
    assert (np.abs(pixels.astype(int) - [0xD5, 0x5E, 0x00]).sum(axis=2) < 6).any()


@needs_matplotlib
@pytest.mark.parametrize("channels", [1, 3])
def test_a_grid_shows_the_pictures_in_their_order(channels: int) -> None:
    """The first row's pictures get lighter from left to right; the second row's are black."""
    pictures = np.zeros((2, 3, 8, 8, channels), dtype=np.float32)
    pictures[0] = np.array([0.2, 0.5, 0.8])[:, None, None, None]
    pixels = opened(
        draw_grid(PictureGrid("g", "Grid", ("original", "stitched, with a long name of its row"), pictures))
    )
    places = [
        np.argwhere((np.abs(pixels.astype(int) - round(255 * level)) <= 2).all(axis=2)) for level in (0.2, 0.5, 0.8)
    ]
    middles = [np.median(place[:, 1]) for place in places]
    assert middles == sorted(middles)
    black = np.argwhere((pixels < 5).all(axis=2))
    assert np.median(black[:, 0]) > max(np.median(place[:, 0]) for place in places)


@needs_matplotlib
def test_the_names_of_a_grids_rows_stand_beside_the_pictures() -> None:
    pictures = np.zeros((3, 2, 28, 28, 1), dtype=np.float32)
    figure = grid_figure(
        PictureGrid("g", "A long title " * 6, ("original", "stitched, absolute " * 4, "own"), pictures)
    )
    figure.draw_without_rendering()
    names = [axes.yaxis.label.get_window_extent() for axes in figure.axes]
    rows = [axes.get_window_extent() for axes in figure.axes]
    title = figure._suptitle.get_window_extent()  # type: ignore[attr-defined]
    for name, row in zip(names, rows, strict=True):
        assert 0 <= name.x0 < name.x1 <= row.x0
    for box, beside in combinations([*rows, title], 2):
        assert not box.overlaps(beside)
    for box, beside in combinations([*names, title], 2):
        assert not box.overlaps(beside)
    assert figure.bbox.x0 <= title.x0
    assert title.x1 <= figure.bbox.x1
