"""Choosing how spaces meet and how strongly a decoder is held: scored on held-out anchors, never on test rows."""

from relstitch.choosing.strength import MIN_ANCHORS, Choice, HeldOut, choose_strength
from relstitch.choosing.way import Source, Target, WayChoice, choose_ways, meeting_of

__all__ = [
    "MIN_ANCHORS",
    "Choice",
    "HeldOut",
    "Source",
    "Target",
    "WayChoice",
    "choose_strength",
    "choose_ways",
    "meeting_of",
]
