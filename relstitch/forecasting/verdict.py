"""Whether to go on, and why."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from relstitch.artifacts.forecasts import Verdict
from relstitch.errors import UsageError, counted
from relstitch.forecasting.calibration import Calibration, Signals

FEW = 30
_MOST_ANCHORS = 100_000
_GROWTH = 1.1


@dataclass(frozen=True)
class Gates:
    """What is asked of the figure that is forecast.

    Attributes:
        accuracy: The least accuracy.
        retention: The least share of the ceiling.
        recall: The least recall@1.
    """

    accuracy: float | None = None
    retention: float | None = None
    recall: float | None = None

    def check(self) -> None:
        """Refuse gates that mean nothing.

        Raises:
            UsageError: A gate that is no share, or gates of both quantities.
        """
        for called, gate in (("accuracy", self.accuracy), ("retention", self.retention), ("recall", self.recall)):
            if gate is not None and not (np.isfinite(gate) and gate >= 0 and (called == "retention" or gate <= 1)):
                raise UsageError(f"A gate for the {called} must be a share such as 0.8; {gate} was given.")
        if self.recall is not None and (self.accuracy is not None or self.retention is not None):
            raise UsageError(
                "--min-recall is for a forecast of recall, --min-accuracy and --min-retention for one of accuracy. "
                "Give the gates of one of them."
            )

    def least(self, ceiling: float | None) -> float | None:
        """The least figure that passes all gates; None without a gate.

        Example:
            >>> Gates(accuracy=0.5, retention=0.9).least(0.8)
            0.7200000000000001
        """
        kept = None if self.retention is None or ceiling is None else self.retention * ceiling
        asked = [gate for gate in (self.accuracy, kept, self.recall) if gate is not None]
        return max(asked) if asked else None


@dataclass(frozen=True)
class Case:
    """What is judged.

    Attributes:
        quantity: ``accuracy`` or ``recall@1``.
        signals: The evidence.
        calibration: What makes a figure of it.
        floor: What is reached without any meeting.
        ceiling: The target's own accuracy, or None.
        labelled: How many anchors could be asked.
        notes: What else a reader should know.
    """

    quantity: str
    signals: Signals
    calibration: Calibration
    floor: float
    ceiling: float | None
    labelled: int
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Judgement:
    """The figure and what it means.

    Attributes:
        figure: Value, low, high.
        verdict: Whether to go on.
        reasons: Why.
        more_anchors: As `relstitch.artifacts.forecasts.Forecast`.
    """

    figure: tuple[float, float, float]
    verdict: Verdict
    reasons: tuple[str, ...]
    more_anchors: int | None


def judge(case: Case, gates: Gates) -> Judgement:
    """Hold a forecast against its gate and its floor.

    Args:
        case: The evidence.
        gates: What is asked. Without any, the floor is the gate.

    Returns:
        Go where the whole interval reaches the gate and 30 anchors or more could be asked, no-go where none of it
        reaches the gate, else undecided.
    """
    figure = case.calibration.estimate(case.signals)
    _, low, high = figure
    least = gates.least(case.ceiling)
    gate, called = (case.floor, "floor") if least is None else (least, "gate")
    more = None
    if high < gate:
        verdict: Verdict = "no-go"
        reasons = [f"Even the high end of the interval, {high:.3f}, is below the {called} of {gate:.3f}."]
    elif low < gate:
        verdict, more = "undecided", _more(case, gate)
        reasons = [f"The {called} of {gate:.3f} lies within the interval, {low:.3f} to {high:.3f}.", _way_out(more)]
    else:
        verdict = "go" if case.labelled >= FEW else "undecided"
        more = None if verdict == "go" else FEW - case.labelled
        reached = "is above" if low > gate else "equals"
        reasons = [f"Even the low end of the interval, {low:.3f}, {reached} the {called} of {gate:.3f}."]
        reasons += [] if more is None else [_way_out(more)]
    return Judgement(figure, verdict, (*reasons, *_warnings(case, low), *case.notes), more)


def _more(case: Case, gate: float) -> int | None:
    """How many more anchors make the interval leave the gate, if the evidence stays what it is."""
    have, total = case.signals.anchors, float(case.signals.anchors)
    while total < _MOST_ANCHORS:
        total *= _GROWTH
        _, low, high = case.calibration.estimate(case.signals, anchors=round(total))
        if not low < gate <= high:
            return max(round(total), FEW) - have
    return None


def _way_out(more: int | None) -> str:
    if more is None:
        return "It is too near for more anchors to settle it: score some labelled rows of the source instead."
    return f"If further anchors agree with these, about {more} more would settle it."


def _warnings(case: Case, low: float) -> Iterator[str]:
    if case.labelled < FEW:
        asked = counted(case.labelled, "anchor")
        yield f"Only {asked} could be asked; below {FEW} a forecast is hardly more than a guess."
    if low <= case.floor:
        yield f"It may be no better than the floor, {case.floor:.3f}, which needs no meeting at all."
