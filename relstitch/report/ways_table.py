"""What ``auto`` tried: every candidate with its held-out score, how often it was chosen, and what it then reached."""

from collections.abc import Mapping, Sequence
from statistics import fmean
from typing import Any

from relstitch.artifacts import StitchReport

HEADER = ("way", "held out", "chosen", "test")


def ways_lines(report: StitchReport) -> list[list[str]]:
    """One line a candidate, the most often chosen first; none where nothing was chosen between.

    The held-out score is the mean over pairs and draws; the test score that over those in which it was chosen.

    Example:
        >>> entry = {"way": "ridge", "held_out": {"ridge": 0.75, "affine": 0.5}, "test": 0.625}
        >>> ways_lines(StitchReport("accuracy", "ridge", (), ("auto",), (), 0.0, {"ways": [entry]}, {}))
        [['ridge', '0.750', '1 of 1', '0.625'], ['affine', '0.500', '–', '–']]
    """
    entries: Sequence[Mapping[str, Any]] = report.settings.get("ways", ())
    names = list(dict.fromkeys(name for entry in entries for name in entry["held_out"]))
    if len(names) < 2:
        return []
    chosen = {name: [entry for entry in entries if entry["way"] == name] for name in names}
    held_out = {name: fmean(e["held_out"][name] for e in entries if name in e["held_out"]) for name in names}
    names.sort(key=lambda name: (-len(chosen[name]), -held_out[name]))
    return [
        [
            name,
            f"{held_out[name]:.3f}",
            f"{len(chosen[name])} of {len(entries)}" if chosen[name] else "–",
            _mean([entry["test"] for entry in chosen[name] if entry["test"] is not None]),
        ]
        for name in names
    ]


def _mean(values: Sequence[float]) -> str:
    return f"{fmean(values):.3f}" if values else "–"
