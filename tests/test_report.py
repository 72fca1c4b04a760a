"""Reports: a table on a terminal, TSV in a pipe, Markdown for documents; progress only where somebody watches."""

import io
import re
import sys

import pytest

from relstitch.artifacts.reports import Cell, Score, StitchReport
from relstitch.report import markdown, progress, show_facts, show_rows, show_stitch, warn
from relstitch.report.facts import plain, tsv
from relstitch.report.stitch_table import number


def cells(form: str, stitched: float | None) -> list[Cell]:
    def cell(decoder: str, encoder: str, value: float | None) -> Cell:
        scores = (
            {} if value is None else {"accuracy": Score((value, value + 0.02)), "macro_f1": Score((value, value))}
        )
        kept = Score() if decoder == encoder or value is None else Score((value / 0.9,))
        return Cell(form, decoder, encoder, scores, kept, 50)

    return [cell("a|b", "a|b", 0.9), cell("a|b", "c", stitched), cell("c", "a|b", stitched), cell("c", "c", 0.9)]


REPORT = StitchReport(
    metric="accuracy",
    method="logistic",
    encoders=("a|b", "c"),
    forms=("absolute", "relative", "relative, paper"),
    cells=tuple(cells("absolute", None) + cells("relative", 0.8) + cells("relative, paper", 0.4)),
    floor=0.25,
    settings={"k": 30, "strategy": "uniform", "draws": 2, "seeds": [0]},
    rows={"train": 100, "test": 50},
    notes=("Something [bold] to know.",),
)
SUMMARY = (
    "accuracy of the logistic decoder, 30 anchors (uniform), 2 draws × 1 seed, 100 training and 50 test rows. "
    "Floor 0.250. Stitched mean: absolute –, centred 0.810, not centred 0.410."
)


class Screen(io.StringIO):
    """A terminal, as far as a program can tell."""

    def isatty(self) -> bool:
        return True


def switch_on(monkeypatch: pytest.MonkeyPatch) -> Screen:
    """From here on, standard output is a terminal. (In a fixture it would not last: pytest puts its own back.)"""
    shown = Screen()
    monkeypatch.setattr(sys, "stdout", shown)
    monkeypatch.setenv("COLUMNS", "110")
    monkeypatch.setenv("TERM", "xterm")
    return shown


def test_markdown_in_full() -> None:
    assert markdown(REPORT) == (
        "| decoder of | encoder | absolute | centred | not centred | retention | macro f1 |\n"
        "| --- | --- | ---: | ---: | ---: | ---: | ---: |\n"
        "| a\\|b | a\\|b | 0.910 ±.014 | 0.910 ±.014 | 0.910 ±.014 | ceiling | 0.900 |\n"
        "| a\\|b | c | – | 0.810 ±.014 | 0.410 ±.014 | 0.889 | 0.800 |\n"
        "| c | a\\|b | – | 0.810 ±.014 | 0.410 ±.014 | 0.889 | 0.800 |\n"
        "| c | c | 0.910 ±.014 | 0.910 ±.014 | 0.910 ±.014 | ceiling | 0.900 |\n"
        f"\n{SUMMARY}\n\n- Something [bold] to know.\n"
    )


def test_a_terminal_gets_a_table_and_its_words(monkeypatch: pytest.MonkeyPatch) -> None:
    screen = switch_on(monkeypatch)
    show_stitch(REPORT)
    lines = [line.rstrip() for line in re.sub(r"\x1b\[\d*m", "", screen.getvalue()).splitlines()]
    assert any(line.split() == ["decoder", "of", "encoder", "absolute", "centred", "not", "centred", "retention", "macro", "f1"]
               for line in lines)  # fmt: skip
    assert any(
        line.split() == ["c", "a|b", "–", "0.810", "±.014", "0.410", "±.014", "0.889", "0.800"] for line in lines
    )
    assert SUMMARY in lines
    assert lines[-1] == "Something [bold] to know."


def test_a_narrow_terminal_gets_fewer_columns_and_whole_words(monkeypatch: pytest.MonkeyPatch) -> None:
    screen = switch_on(monkeypatch)
    monkeypatch.setenv("COLUMNS", "80")
    show_stitch(REPORT)
    lines = [line.rstrip() for line in re.sub(r"\x1b\[\d*m", "", screen.getvalue()).splitlines()]
    assert any(line.split() == ["decoder", "of", "encoder", "absolute", "centred", "not", "centred", "retention"]
               for line in lines)  # fmt: skip
    assert any(line.split() == ["c", "a|b", "–", "0.810", "±.014", "0.410", "±.014", "0.889"] for line in lines)
    assert max(len(line) for line in lines if line not in (SUMMARY, *REPORT.notes)) <= 80


def test_no_digit_is_ever_cut_off(monkeypatch: pytest.MonkeyPatch) -> None:
    """At every width: a column is there whole, folded between words, or not at all."""
    screen = switch_on(monkeypatch)
    for width in range(50, 130, 5):
        monkeypatch.setenv("COLUMNS", str(width))
        screen.truncate(0)
        show_stitch(REPORT)
        shown = re.sub(r"\x1b\[\d*m", "", screen.getvalue())
        assert "…" not in shown
        assert shown.count("±.014") >= 8


def test_a_pipe_gets_tsv_and_the_words_go_to_stderr(capsys: pytest.CaptureFixture[str]) -> None:
    show_stitch(REPORT)
    shown = capsys.readouterr()
    lines = shown.out.splitlines()
    assert lines[0].split("\t") == [
        "form", "decoder", "encoder", "stitched", "accuracy", "accuracy_spread", "macro_f1", "macro_f1_spread",
        "retention", "retention_spread", "repetitions", "test_rows", "floor",
    ]  # fmt: skip
    assert lines[2] == "absolute\ta|b\tc\tyes\t\t\t\t\t\t\t0\t50\t0.250000"
    assert lines[6] == "relative\ta|b\tc\tyes\t0.810000\t0.014142\t0.800000\t0.000000\t0.888889\t\t2\t50\t0.250000"
    assert shown.err.splitlines() == [SUMMARY, "Something [bold] to know."]


def test_facts_and_rows(monkeypatch: pytest.MonkeyPatch) -> None:
    screen = switch_on(monkeypatch)
    facts = {"skipped_rows": ["a: [red]", "b"], "share": 0.123456, "is_whole": True, "nothing": None, "sides": [{"k": 1}],
             "encoder": {"a": 1, "b": 2, "c": 3, "d": 4, "e": 5, "f": 6}}  # fmt: skip
    show_facts("A file", facts)
    assert "skipped rows  a: [red], b" in screen.getvalue()
    show_rows(["id", "answer"], [["1", "[bold]"]])
    assert "[bold]" in screen.getvalue()
    piped = io.StringIO()
    monkeypatch.setattr(sys, "stdout", piped)
    show_facts("A file", facts)
    assert piped.getvalue().splitlines()[:6] == [
        "skipped rows\ta: [red], b", "share\t0.1235", "is whole\tyes", "nothing\t–", "sides\tk: 1", "encoder a\t1",
    ]  # fmt: skip


def test_tsv_keeps_one_row_a_line() -> None:
    assert tsv([["a\tb", "c\nd"]]) == "a\\tb\\tc\\nd\n".replace("b\\t", "b\t")


def test_numbers_say_their_spread_where_there_is_one() -> None:
    assert number(Score((0.5, 0.5))) == "0.500"
    assert number(Score((1.0,))) == "1.000"
    assert number(Score((-0.5, 1.5))) == "0.500 ±1.414"
    assert number(None) == number(Score()) == "–"
    assert plain({}) == plain([]) == "none"


def test_facts_within_facts_are_words_and_not_code(capsys: pytest.CaptureFixture[str]) -> None:
    spaces = [{"encoder": "st:a", "k": 2}, {"encoder": "st:b", "k": 2}]
    show_facts("A translator", {"settings": {"penalty": None, "fitted": {"penalty": 0.25}}, "spaces": spaces,
                                "options": {"sides": spaces}, "shapes": [[1, 2]]})  # fmt: skip
    assert capsys.readouterr().out.splitlines() == [
        "settings\tpenalty: –, fitted (penalty: 0.25)", "spaces 1\tencoder: st:a, k: 2", "spaces 2\tencoder: st:b, k: 2",
        "options\tsides (encoder: st:a, k: 2; encoder: st:b, k: 2)", "shapes\t1, 2",
    ]  # fmt: skip


def test_progress_is_silent_where_nobody_watches(capsys: pytest.CaptureFixture[str]) -> None:
    with progress("Encoding") as advance:
        advance(1, 2)
    assert capsys.readouterr().err == ""


def test_progress_shows_rate_and_time_left(monkeypatch: pytest.MonkeyPatch) -> None:
    shown = Screen()
    monkeypatch.setattr(sys, "stderr", shown)
    monkeypatch.delenv("CI")
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", "100")
    with progress("Encoding") as advance:
        for done in range(5):
            advance(done, 10)
    assert "Encoding" in shown.getvalue()
    assert "10" in shown.getvalue()


def test_warnings_are_one_line_however_long(capsys: pytest.CaptureFixture[str]) -> None:
    warn("long " * 60)
    assert capsys.readouterr().err == f"Warning: {'long ' * 60}\n"
