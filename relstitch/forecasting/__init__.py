"""What a stitch will be worth, before a single label of the new encoder's rows is known."""

from relstitch.forecasting.advising import advise
from relstitch.forecasting.calibration import Calibration, Signals
from relstitch.forecasting.evidence import Answers, Evidence, ceiling_of, gather_evidence
from relstitch.forecasting.search import Places, SearchEvidence, search_evidence
from relstitch.forecasting.sides import AdviseOptions, Side
from relstitch.forecasting.signals import search_signals, signals_of
from relstitch.forecasting.verdict import Gates

__all__ = [
    "AdviseOptions",
    "Answers",
    "Calibration",
    "Evidence",
    "Gates",
    "Places",
    "SearchEvidence",
    "Side",
    "Signals",
    "advise",
    "ceiling_of",
    "gather_evidence",
    "search_evidence",
    "search_signals",
    "signals_of",
]
