"""What a forecast says: a figure with its interval, before it can be measured, and whether to go on."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

Verdict = Literal["go", "undecided", "no-go"]


@dataclass(frozen=True)
class Forecast:
    """What `relstitch advise` says of a pair of encoders.

    Attributes:
        quantity: ``accuracy`` (of the target's decoder on the source's rows) or ``recall@1`` (of the source's rows
            among the target's).
        source: The encoder whose rows are to be understood.
        target: The encoder whose decoder or index answers.
        value: The expected figure, in [0, 1].
        low: Lower end of its interval.
        high: Upper end.
        level: What the interval shall hold, such as 0.9.
        way: How the spaces are to meet.
        floor: Accuracy: of the commonest class alone, in the target's training rows. Recall: of a row drawn by lot.
        ceiling: Accuracy of the target's decoder on its own rows, by cross-validation; None for recall.
        verdict: Whether to go on.
        reasons: Why, in words.
        more_anchors: How many more anchors would settle what is undecided; None where that is not so, or none would.
        rows: Counts: anchors, rows of the source that were asked without labels, rows of the target.
        evidence: The figures that the forecast was made of.
        settings: Gate, draw, decoder and its strength, how the way was chosen.
    """

    quantity: str
    source: str
    target: str
    value: float
    low: float
    high: float
    level: float
    way: str
    floor: float
    ceiling: float | None
    verdict: Verdict
    reasons: tuple[str, ...]
    more_anchors: int | None
    rows: Mapping[str, int]
    evidence: Mapping[str, float]
    settings: Mapping[str, Any] = field(default_factory=dict)

    @property
    def retention(self) -> tuple[float, float, float] | None:
        """The figure and its interval as shares of the ceiling; None where there is none to keep."""
        if not self.ceiling:
            return None
        return self.value / self.ceiling, self.low / self.ceiling, self.high / self.ceiling

    def to_json(self) -> dict[str, Any]:
        """The forecast as plain JSON values."""
        kept = self.retention
        shares = None if kept is None else dict(zip(("value", "low", "high"), kept, strict=True))
        return asdict(self) | {"reasons": list(self.reasons), "retention": shares}
