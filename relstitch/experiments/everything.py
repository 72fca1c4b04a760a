"""One experiment or all of them, each in a folder of its own; one that fails does not cost the others."""

import time
import traceback
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from relstitch import __version__
from relstitch.artifacts.experiments import ExperimentReport, Size
from relstitch.errors import RelstitchError, UsageError
from relstitch.experiments import experiment_of
from relstitch.experiments.experiment import Progress, Run
from relstitch.experiments.steps import Steps

MARKER = ".relstitch-reproduce"
_SENTENCE = "Made by relstitch reproduce. The folder may be removed; what it holds is then computed again.\n"


@dataclass(frozen=True)
class Asked:
    """How experiments are to be run.

    Attributes:
        size: toy, usual or full.
        seeds: How many seeds or draws; None: as many as each experiment finds right.
        data: A folder of the user's with more data, or None.
        device: Where torch trains.
        resume: Whether steps that an earlier run finished are taken over.
    """

    size: Size = "usual"
    seeds: int | None = None
    data: Path | None = None
    device: str = "cpu"
    resume: bool = True


@dataclass(frozen=True)
class Watching:
    """Who watches.

    Attributes:
        say: Called with each sentence a user should read.
        progress: Shows how far a long step is.
        ended: Called as soon as an experiment has ended, with what it came to.
    """

    say: Callable[[str], None] = field(default=lambda _text: None)
    progress: Progress | None = None
    ended: Callable[["Outcome"], None] = field(default=lambda _outcome: None)


@dataclass(frozen=True)
class Outcome:
    """What an experiment came to.

    Attributes:
        name: Of the experiment.
        folder: Where its files are.
        report: What it found; None where it failed.
        problem: Why it failed, in one line.
        trace: Where in the code, for a fault that is no user's.
    """

    name: str
    folder: Path
    report: ExperimentReport | None
    problem: str = ""
    trace: str = ""


_SILENT = Watching()


def run_experiment(name: str, folder: Path, asked: Asked, watching: Watching = _SILENT) -> Outcome:
    """Run one experiment, or go on with it where it stopped.

    Args:
        name: One of `relstitch.names.EXPERIMENTS`.
        folder: Where its files go; the steps of another size or version of relstitch are not taken over.
        asked: How.
        watching: Who watches.

    Returns:
        The outcome, with a report.

    Raises:
        UsageError: No such experiment, or a folder that holds something else.
        RelstitchError: What the experiment itself raises: a `DatasetError` where nothing of its data is there.
    """
    experiment = experiment_of(name)
    open_folder(folder)
    steps = Steps(folder / "steps", f"relstitch {__version__}, {asked.size}", fresh=not asked.resume)
    given = Run(asked.size, steps, asked.seeds, asked.data, asked.device, watching.say)
    if watching.progress is not None:
        given = replace(given, progress=watching.progress)
    start = time.monotonic()
    report = experiment.run(given)
    between = time.monotonic() - start - steps.seconds_now
    outcome = Outcome(name, folder, replace(report, seconds=round(steps.seconds + between, 1)))
    watching.ended(outcome)
    return outcome


def run_all(names: Sequence[str], folder: Path, asked: Asked, watching: Watching = _SILENT) -> tuple[Outcome, ...]:
    """Run experiments in turn. One that fails is reported, and the others go on.

    Args:
        names: Which, in order.
        folder: A folder of its own for each is made in here.
        asked: How.
        watching: Who watches.

    Returns:
        What each came to.

    Raises:
        UsageError: A folder that holds something else.
    """
    open_folder(folder)
    outcomes = []
    for at, name in enumerate(names, start=1):
        place = folder / name
        watching.say(f"Experiment {at} of {len(names)}: {name}")
        try:
            open_folder(place)
            outcome = run_experiment(name, place, asked, watching)
        except (RelstitchError, OSError) as error:
            outcome = Outcome(name, place, None, str(error))
        except Exception as error:  # noqa: BLE001 - a fault in one experiment must not cost the hours of the others
            problem = f"{type(error).__name__}: {error}"
            outcome = Outcome(name, place, None, problem, traceback.format_exc())
        if outcome.report is None:
            watching.say(f"{name} failed: {outcome.problem}")
            watching.ended(outcome)
        outcomes.append(outcome)
    return tuple(outcomes)


def open_folder(place: Path) -> None:
    """Make the folder that results go into, or take it up again.

    Args:
        place: Where. It gets a marker by which it is known again.

    Raises:
        UsageError: It is a file, or a folder that holds something else.
    """
    if place.exists() and not place.is_dir():
        raise UsageError(f"{place} is a file; the results go into a folder. Choose another with -o.")
    place.mkdir(parents=True, exist_ok=True)
    if not (place / MARKER).exists():
        if any(place.iterdir()):
            raise UsageError(
                f"{place} holds files that are not of relstitch reproduce. Choose a new or an empty folder with -o."
            )
        (place / MARKER).write_text(_SENTENCE, encoding="utf-8")
