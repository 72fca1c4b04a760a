"""What an experiment is, and what it is given to run with."""

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from pathlib import Path

from relstitch.artifacts.experiments import ExperimentReport, Size
from relstitch.experiments.steps import Steps

Advance = Callable[[int, int], None]
Progress = Callable[[str], AbstractContextManager[Advance]]
"""From what is being done to something that shows how far it is (`relstitch.report.progress`)."""


def _silent(_text: str) -> None:
    """Say nothing."""


def _unwatched(_label: str) -> AbstractContextManager[Advance]:
    return nullcontext(lambda _done, _total: None)


@dataclass(frozen=True)
class Run:
    """What an experiment is given.

    Attributes:
        size: toy, usual or full.
        steps: Keeps what is finished, so that a run that was cut short goes on where it stopped.
        seeds: How many training seeds or anchor draws; None: as many as the experiment finds right for its size.
        data: A folder of the user's with more data (`relstitch.experiments.materials`), or None.
        device: Where torch trains: ``cpu``, ``cuda``.
        say: Called with each sentence a user should read.
        progress: Shows how far a long step is.
    """

    size: Size
    steps: Steps
    seeds: int | None = None
    data: Path | None = None
    device: str = "cpu"
    say: Callable[[str], None] = _silent
    progress: Progress = field(default=_unwatched)


@dataclass(frozen=True)
class Experiment:
    """One experiment of the paper.

    Attributes:
        name: What it is called on the command line.
        title: In a few words.
        section: Of the paper: where its numbers stand.
        run: From what it is given to its report.
    """

    name: str
    title: str
    section: str
    run: Callable[[Run], ExperimentReport]
