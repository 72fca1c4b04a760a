"""What a stitch will be worth, before a single label of the new encoder's rows is known."""

from relstitch.forecasting.advising import advise
from relstitch.forecasting.calibration import Calibration, Signals
from relstitch.forecasting.crossings import Answers, Crossed, Values, crossed
from relstitch.forecasting.evidence import Evidence, ceiling_of, gather_evidence
from relstitch.forecasting.search import Places, SearchEvidence, search_evidence
from relstitch.forecasting.shift import shift_of
from relstitch.forecasting.sides import AdviseOptions, Side
from relstitch.forecasting.signals import search_signals, signals_of
from relstitch.forecasting.verdict import Gates

__all__ = [
    "AdviseOptions",
    "Answers",
    "Calibration",
    "Crossed",
    "Evidence",
    "Gates",
    "Places",
    "SearchEvidence",
    "Side",
    "Signals",
    "Values",
    "advise",
    "ceiling_of",
    "crossed",
    "gather_evidence",
    "search_evidence",
    "search_signals",
    "shift_of",
    "signals_of",
]
