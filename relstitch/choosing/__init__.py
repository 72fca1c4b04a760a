"""Choosing how spaces meet and how strongly a decoder is held: scored on held-out anchors, never on test rows."""

from relstitch.choosing.folds import MIN_ANCHORS
from relstitch.choosing.retrieval import TRANSLATOR_CANDIDATES, TranslatorChoice, choose_translator
from relstitch.choosing.sides import Source, Target, meeting_of
from relstitch.choosing.strength import Choice, HeldOut, choose_strength
from relstitch.choosing.way import WayChoice, choose_ways

__all__ = [
    "MIN_ANCHORS",
    "TRANSLATOR_CANDIDATES",
    "Choice",
    "HeldOut",
    "Source",
    "Target",
    "TranslatorChoice",
    "WayChoice",
    "choose_strength",
    "choose_translator",
    "choose_ways",
    "meeting_of",
]
