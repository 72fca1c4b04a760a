"""What ``auto`` tried: every candidate with its held-out score, how often it was chosen, and what it then reached.

In a pipe only what was chosen is said, one line per decoder and encoder.
"""

from collections.abc import Iterator, Mapping, Sequence
from statistics import fmean
from typing import Any

from relstitch.artifacts import StitchReport


def ways_header(report: StitchReport) -> list[str]:
    """The head of the table, with the names of the figures.

    Example:
        >>> ways_header(StitchReport("accuracy", "ridge", (), ("auto",), (), 0.0, {}, {}))
        ['way', 'held-out accuracy', 'chosen', 'test accuracy']
    """
    return ["way", f"held-out {report.held_out_metric}", "chosen", f"test {report.metric.replace('_', ' ')}"]


def ways_lines(report: StitchReport) -> list[list[str]]:
    """One line per candidate, the most often chosen first; none where nothing was chosen between.

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
            _mean(
                [entry["test"] for entry in chosen[name] if entry["test"] is not None],
                4 if report.lower_is_better else 3,
            ),
        ]
        for name in names
    ]


def chosen_lines(report: StitchReport) -> list[str]:
    """How every decoder and encoder met, in words; none where nothing was chosen, or where the notes say it already.

    Example:
        >>> entry = {"decoder": "a", "encoder": "b", "way": "ridge", "held_out": {"ridge": 0.75}, "chosen_on": "x"}
        >>> chosen_lines(StitchReport("accuracy", "ridge", (), ("auto",), (), 0.0, {"ways": [entry]}, {}))
        ['The decoder of a and the rows of b meet by ridge (held-out accuracy 0.750).']
    """
    if report.method == "ready" or "auto" not in report.forms:
        return []
    entries: Sequence[Mapping[str, Any]] = report.settings.get("ways", ())
    pairs = dict.fromkeys((entry["decoder"], entry["encoder"]) for entry in entries)
    return [
        f"The decoder of {decoder} and the rows of {encoder} meet by "
        + "; ".join(_told([e for e in entries if (e["decoder"], e["encoder"]) == (decoder, encoder)], report))
        + "."
        for decoder, encoder in pairs
    ]


def _told(entries: Sequence[Mapping[str, Any]], report: StitchReport) -> Iterator[str]:
    """Each way that was chosen in some draw: in how many, and its held-out score or why it is the default."""
    for way in dict.fromkeys(entry["way"] for entry in entries):
        mine = [entry for entry in entries if entry["way"] == way]
        scores = [entry["held_out"][way] for entry in mine if way in entry["held_out"]]
        parts = [f"in {len(mine)} of {len(entries)} draws"] if len(entries) > 1 else []
        parts += [f"held-out {report.held_out_metric} {_mean(scores)}"] if scores else [mine[0]["chosen_on"]]
        yield f"{way} ({', '.join(parts)})"


def _mean(values: Sequence[float], digits: int = 3) -> str:
    return f"{fmean(values):.{digits}f}" if values else "–"
