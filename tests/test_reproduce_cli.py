"""``relstitch reproduce``: exit codes, folders, resumption, and one failure that does not cost the others."""

import json
import shutil
import sys
import types
from collections.abc import Callable
from functools import partial
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from typer.testing import CliRunner

from relstitch import experiments
from relstitch.artifacts.experiments import (
    ExperimentReport,
    Line,
    Pattern,
    PictureGrid,
    Plot,
    ResultRow,
    ResultTable,
    measured,
)
from relstitch.cli import app
from relstitch.errors import DatasetError, UsageError
from relstitch.experiments import experiment_of
from relstitch.experiments.everything import MARKER, Asked, Watching, run_all, run_experiment
from relstitch.experiments.experiment import Experiment, Run
from relstitch.experiments.results import write_outcome
from relstitch.names import EXPERIMENTS
from relstitch.report.figures import can_draw

VERB = import_module("relstitch.cli.reproduce")
PNG = ["curve.png", "grid.png"] if can_draw() else []


class Toys:
    """Two experiments: what they made, what they were given, and what goes wrong in the second."""

    def __init__(self) -> None:
        self.made: list[str] = []
        self.given: list[Run] = []
        self.fault: Exception | None = None
        self.held = True

    def run(self, name: str, given: Run) -> ExperimentReport:
        self.given.append(given)
        values = [given.steps.values(f"seed-{seed}", {"seed": seed}, self.maker(name, seed)) for seed in range(2)]
        if name == "second" and self.fault is not None:
            raise self.fault
        table = ResultTable("Accuracy", ("way",), ("accuracy",), (ResultRow(("x",), (measured(values),), ("0.9",)),))
        curve = Plot("curve", "Curve", ("anchors", "accuracy"), {"x": Line((1.0, 2.0), (0.1, 0.2), (0.1, 0.1))})
        grid = PictureGrid("grid", "Grid", ("original",), np.zeros((1, 2, 4, 4, 1), dtype=np.float32))
        return ExperimentReport(
            name, f"the {name} one", "section 1", given.size, (table,), (Pattern("it is so", self.held, "0.5"),),
            {"seeds": 2}, ("A note.",), plots=(curve,), grids=(grid,),
        )  # fmt: skip

    def maker(self, name: str, seed: int) -> Callable[[], float]:
        def make() -> float:
            self.made.append(f"{name} {seed}")
            return seed + 0.25

        return make


@pytest.fixture
def toys(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Toys:
    """Only the two toys are experiments; the current folder is empty."""
    toys = Toys()
    names = ("first", "second")
    for name in names:
        module: Any = types.ModuleType(f"relstitch_toy_{name}")
        module.EXPERIMENT = Experiment(name, f"the {name} one", "section 1", partial(toys.run, name))
        monkeypatch.setitem(sys.modules, module.__name__, module)
    monkeypatch.setattr(experiments, "_HOMES", {name: f"relstitch_toy_{name}" for name in names})
    monkeypatch.setattr(VERB, "EXPERIMENTS", names)
    work = tmp_path / "work"
    work.mkdir()
    monkeypatch.chdir(work)
    return toys


def ignored(_value: Any) -> None:
    """Nobody reads it."""


def call(*arguments: str) -> Any:
    return CliRunner().invoke(app, ["reproduce", *arguments])


def names_in(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_one_experiment_into_its_default_folder(toys: Toys) -> None:
    result = call("first")
    assert result.exit_code == 0
    assert result.stdout == (
        "experiment\ttable\tsetting\tmeasure\tours\tspread\truns\tpaper\n"
        "first\tAccuracy\tx\taccuracy\t0.75\t0.707107\t2\t0.9\n"
    )
    pictures = ", ".join(f"relstitch-first/{name}" for name in PNG)
    assert result.stderr.startswith(
        "first: the first one (section 1)\nheld: it is so (found: 0.5)\nA note.\nSize usual, 0 s in all. seeds: 2.\n"
    )
    assert pictures in result.stderr
    assert names_in(Path("relstitch-first")) == [MARKER, *PNG, "report.json", "report.md", "steps"]
    report = json.loads(Path("relstitch-first/report.json").read_text())
    assert (report["name"], report["size"]) == ("first", "usual")
    assert Path("relstitch-first/report.md").read_text().startswith("## first: the first one (section 1)\n")


def test_finished_steps_are_taken_over_and_the_report_is_the_same(toys: Toys) -> None:
    first = call("first", "--json", "-o", "out")
    again = call("first", "--json", "-o", "out")
    assert toys.made == ["first 0", "first 1"]
    assert json.loads(first.stdout) == json.loads(again.stdout)
    assert json.loads(first.stdout)["pictures"] == [f"out/{name}" for name in PNG]
    # Another size, or no resumption: made again.
    call("first", "-o", "out", "--size", "toy")
    call("first", "-o", "out", "--no-resume")
    assert toys.made == ["first 0", "first 1"] * 3
    call("first", "-o", "out")
    assert len(toys.made) == 6


def test_another_version_computes_anew(toys: Toys, monkeypatch: pytest.MonkeyPatch) -> None:
    call("first", "-o", "out")
    monkeypatch.setattr("relstitch.experiments.everything.__version__", "99.0.0")
    call("first", "-o", "out")
    assert toys.made == ["first 0", "first 1"] * 2


def test_what_is_asked_for_reaches_the_experiment(toys: Toys, tmp_path: Path) -> None:
    call("first")
    call("first", "--full", "--seeds", "3", "--data", str(tmp_path))
    call("first", "--size", "full", "--full")
    plain, full, both = toys.given
    assert (plain.size, plain.seeds, plain.data, plain.device) == ("usual", None, None, "cpu")
    assert (full.size, full.seeds, full.data, both.size) == ("full", 3, tmp_path, "full")


def test_everything_with_a_summary(toys: Toys) -> None:
    result = call("all", "--markdown")
    assert result.exit_code == 0
    summary = Path("relstitch-all/summary.md").read_text()
    assert result.stdout == summary
    assert summary.startswith(
        "# The paper's experiments\n\n2 experiments, 0 minutes in all.\n\n"
        "| experiment | of the paper | patterns held | minutes |\n| --- | --- | ---: | ---: |\n"
        "| first | section 1 | 1 of 1 | 0.0 |\n| second | section 1 | 1 of 1 | 0.0 |\n\n"
        "## first: the first one (section 1)\n"
    )
    for name in PNG:
        assert f"](second/{name})\n" in summary
        assert (Path("relstitch-all/second") / name).is_file()
    assert "Experiment 1 of 2: first\n" in result.stderr
    assert "Summary: relstitch-all/summary.md\n" in result.stderr
    # What `all` made, one experiment takes over.
    call("second", "-o", "relstitch-all/second")
    assert len(toys.made) == 4


@pytest.mark.parametrize(
    ("fault", "problem"),
    [
        (DatasetError("The package toys is not installed."), "The package toys is not installed."),
        (ValueError("shapes do not fit"), "ValueError: shapes do not fit"),
        (OSError(28, "No space left on device"), "[Errno 28] No space left on device"),
        (MemoryError("too large"), "MemoryError: too large"),
    ],
)
def test_one_that_fails_is_reported_and_the_others_go_on(
    toys: Toys, monkeypatch: pytest.MonkeyPatch, fault: Exception, problem: str
) -> None:
    toys.fault = fault
    result = call("all", "--json")
    assert result.exit_code == 1
    said = json.loads(result.stdout)
    assert [one["name"] for one in said["experiments"]] == ["first"]
    assert said["failed"] == [{"name": "second", "problem": problem}]
    assert result.stderr.endswith(f"Error: 1 experiment failed. second: {problem}\n")
    summary = Path("relstitch-all/summary.md").read_text()
    assert f"## second\n\nFailed: {problem}\n" in summary
    assert "| second | – | failed | – |" in summary
    failure = Path("relstitch-all/second/failure.txt").read_text()
    assert failure.startswith(f"{problem}\n")
    assert ("Traceback" in failure) == isinstance(fault, ValueError | MemoryError)
    # Put right, its finished steps are taken over and the failure is forgotten.
    toys.fault = None
    assert call("all").exit_code == 0
    assert len(toys.made) == 4
    assert not Path("relstitch-all/second/failure.txt").exists()


def test_an_experiment_that_cannot_be_imported_costs_only_itself(
    toys: Toys, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(experiments, "_HOMES", {**experiments._HOMES, "first": "relstitch_toy_that_is_not_there"})
    ended = Watching(ended=lambda outcome: ignored(write_outcome(outcome, ignored)))
    outcomes = run_all(("first", "second"), tmp_path / "out", Asked("toy"), ended)
    assert [outcome.report is None for outcome in outcomes] == [True, False]
    assert "Traceback" in (tmp_path / "out/first/failure.txt").read_text()
    assert outcomes[0].problem == "ModuleNotFoundError: No module named 'relstitch_toy_that_is_not_there'"


def test_nothing_is_written_into_a_folder_that_is_not_ours(toys: Toys) -> None:
    call("all", "-o", "out")
    shutil.rmtree("out/second")
    Path("out/second").mkdir()
    Path("out/second/diary.txt").write_text("mine")
    result = call("all", "-o", "out")
    assert result.exit_code == 1
    assert "second failed: out/second holds files that are not of relstitch reproduce." in result.stderr
    assert names_in(Path("out/second")) == ["diary.txt"]


def test_an_interruption_stops_everything(toys: Toys, tmp_path: Path) -> None:
    def stopped(name: str) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run_all(
            ("first", "second"), tmp_path / "out", Asked("toy"), Watching(ended=lambda outcome: stopped(outcome.name))
        )
    assert toys.made == ["first 0", "first 1"]


def test_a_run_that_was_cut_short_has_a_summary_too(toys: Toys, monkeypatch: pytest.MonkeyPatch) -> None:
    real = toys.run

    def stopped(name: str, given: Run) -> ExperimentReport:
        if name == "second":
            raise KeyboardInterrupt
        return real(name, given)

    monkeypatch.setattr(toys, "run", stopped)
    for name in ("first", "second"):
        run = partial(stopped, name)
        sys.modules[f"relstitch_toy_{name}"].EXPERIMENT = Experiment(name, "one", "section 1", run)  # type: ignore[attr-defined]
    assert call("all").exit_code == 130
    assert "| first | section 1 | 1 of 1 | 0.0 |" in Path("relstitch-all/summary.md").read_text()


def test_a_fault_in_a_single_experiment_is_an_internal_one(toys: Toys) -> None:
    toys.fault = ValueError("shapes do not fit")
    result = call("second")
    assert result.exit_code == 3
    assert "relstitch failed in a way it should not: ValueError: shapes do not fit." in result.stderr


def test_patterns_that_do_not_hold_fail_only_when_asked(toys: Toys) -> None:
    toys.held = False
    assert call("first").exit_code == 0
    one, both = call("first", "--strict"), call("all", "--strict")
    assert (one.exit_code, both.exit_code) == (1, 1)
    assert "not held: it is so (found: 0.5)\n" in one.stderr
    assert one.stderr.endswith("Error: 1 pattern of the paper does not hold. first: it is so\n")
    assert both.stderr.endswith("Error: 2 patterns of the paper do not hold. first: it is so; second: it is so\n")
    toys.held = True
    assert call("all", "--strict").exit_code == 0


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["third"], "There is no experiment 'third'. Choose one of: first, second, all."),
        (["first", "--json", "--markdown"], "--json and --markdown are two forms of one output; give one of them."),
        (
            ["first", "--full", "--size", "toy"],
            "--full is the same as --size full, and --size toy was given beside it. Give one.",
        ),
        (
            ["first", "--data", "nowhere"],
            "nowhere is not a folder. With --data, give the folder that holds the data sets.",
        ),
        (["first", "-o", "file.txt"], "file.txt is a file; the results go into a folder. Choose another with -o."),
        (
            ["all", "-o", "mine"],
            "mine holds files that are not of relstitch reproduce. Choose a new or an empty folder with -o.",
        ),
        (["first", "--device", "abacus"], "There is no device 'abacus' here. Available: cpu"),
    ],
)
def test_bad_input(toys: Toys, arguments: list[str], said: str) -> None:
    Path("file.txt").write_text("mine")
    Path("mine").mkdir()
    Path("mine/diary.txt").write_text("mine")
    result = call(*arguments)
    assert (result.exit_code, result.stdout) == (2, "")
    assert said in result.stderr
    assert toys.made == []
    assert names_in(Path("mine")) == ["diary.txt"]


def test_wrong_sizes_and_seeds_are_refused_by_the_command_line(toys: Toys) -> None:
    assert call("first", "--size", "huge").exit_code == 2
    assert call("first", "--seeds", "0").exit_code == 2
    assert call().exit_code == 2


def test_a_result_that_was_edited_is_replaced_and_other_files_stay(toys: Toys) -> None:
    call("first", "-o", "out")
    Path("out/report.md").write_text("edited")
    Path("out/mine.txt").write_text("mine")
    call("first", "-o", "out")
    assert Path("out/report.md").read_text().startswith("## first")
    assert Path("out/mine.txt").read_text() == "mine"


def test_without_matplotlib_there_are_no_pictures_and_a_word(toys: Toys, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("relstitch.report.figures.can_draw", lambda: False)
    result = call("first", "--json")
    assert result.exit_code == 0
    assert json.loads(result.stdout)["pictures"] == []
    assert result.stderr == (
        "Pictures were not drawn: matplotlib is not installed. Install it: pip install 'relstitch[figures]'\n"
    )


def test_time_goes_into_the_report(toys: Toys, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    clock = [0.0]
    monkeypatch.setattr("time.monotonic", lambda: clock[0])
    maker = toys.maker

    def slow(name: str, seed: int) -> Callable[[], float]:
        clock[0] += 1.0  # outside of the step
        make = maker(name, seed)

        def slower() -> float:
            clock[0] += 30.0
            return make()

        return slower

    monkeypatch.setattr(toys, "maker", slow)
    for _ in range(2):
        outcome = run_experiment("first", tmp_path / "out", Asked("toy"))
        assert outcome.report is not None
        assert outcome.report.seconds == 62.0


def test_every_name_has_an_experiment_of_that_name() -> None:
    for name in EXPERIMENTS:
        found = experiment_of(name)
        assert (found.name, bool(found.title), bool(found.section)) == (name, True, True)
    with pytest.raises(UsageError) as error:
        experiment_of("nothing")
    assert str(error.value) == f"There is no experiment 'nothing'. Choose one of: {', '.join(EXPERIMENTS)}."
