"""What pictures and names say: tables, curves by number of anchors, and what should hold."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from statistics import fmean
from typing import Any

from relstitch.artifacts.experiments import Line, Measured, Pattern, Plot, ResultRow, ResultTable, measured
from relstitch.experiments.parallel import low_end
from relstitch.experiments.picture_names import (
    ABSOLUTE,
    AUTO,
    CENTRED,
    DRAWN,
    NAMES,
    PLAIN,
    SPECS,
    WAYS,
    chance,
)

_TIMES, _ABOVE = 10.0, 0.05


@dataclass(frozen=True)
class Sizes:
    """How much is done.

    Attributes:
        emoji: How many; None: all.
        test: Of these, those that are looked for and scored.
        styles: By drawing style, the encoders of its pictures.
        numbers: Numbers of anchors.
        draws: Anchor draws.
        auto_draws: Anchor draws in which the best way to meet is chosen.
        auto_numbers: Numbers of anchors at which ``stitch --method auto`` is tried, which takes long with many.
    """

    emoji: int | None
    test: int
    styles: Mapping[str, tuple[str, ...]]
    numbers: tuple[int, ...]
    draws: int
    auto_draws: int
    auto_numbers: tuple[int, ...]


@dataclass(frozen=True)
class Pair:
    """An encoder of pictures in one style, and an encoder of names.

    Attributes:
        style: Whose drawings.
        picture: Name of the picture encoder.
        text: Name of the text encoder.
    """

    style: str
    picture: str
    text: str

    @property
    def setting(self) -> tuple[str, str, str]:
        """As the first columns of a table have it."""
        return self.style, self.picture, self.text


Found = dict[tuple[Pair, int], list[dict[str, Any]]]
"""By pair and number of anchors, of every draw: ``retrieval`` (`Scores`), ``accuracy`` (by form)."""


def _retrieved(draws: Iterable[Mapping[str, Any]], form: str, way: str, at: int) -> list[float]:
    return [draw["retrieval"][form][way][at] for draw in draws if form in draw["retrieval"]]


def _accuracy(draws: Iterable[Mapping[str, Any]], form: str) -> list[float]:
    return [draw["accuracy"][form] for draw in draws if form in draw["accuracy"]]


_BOTH = tuple(f"{one} → {other}" for one, other in WAYS)
_RETRIEVAL = tuple(f"{way}, {name}" for way in _BOTH for name in ("R@1", "R@10", "MRR"))


def retrieval_table(found: Found, sizes: Sizes) -> ResultTable:
    """Retrieval of every pair with the most anchors, chance first."""
    k = sizes.numbers[-1]
    blank = (None,) * len(_RETRIEVAL)
    rows = [
        ResultRow(("–", "–", "–", "chance"), tuple(Measured(one, None, 1) for one in 2 * chance(sizes.test)), blank)
    ]
    for pair in dict.fromkeys(pair for pair, _ in found):
        for form in (ABSOLUTE, *SPECS, AUTO):
            values = [_retrieved(found[pair, k], form, way, at) for way in _BOTH for at in range(3)]
            if all(values):
                rows.append(ResultRow((*pair.setting, form), tuple(map(measured, values)), blank))
    return ResultTable(
        f"{k} paired anchors: a picture's own name among {sizes.test} that are no anchors, and the other way round",
        ("drawings", "pictures", "names", "how they meet"), _RETRIEVAL, tuple(rows), "anchor draws",
    )  # fmt: skip


def curve_table(found: Found, sizes: Sizes) -> ResultTable:
    """Means over all pairs of encoders, by number of anchors."""
    rows = []
    for form in (*SPECS, AUTO):
        for k in sizes.numbers:
            values = [_over_pairs(found, form, k, way, at) for way in _BOTH for at in range(3)]
            if all(values):
                rows.append(ResultRow((form, str(k)), tuple(map(measured, values)), (None,) * len(_RETRIEVAL)))
    return ResultTable(
        "The same by number of anchors", ("how they meet", "anchors"), _RETRIEVAL, tuple(rows),
        "pairs of encoders, each a mean over draws",
    )  # fmt: skip


def _over_pairs(found: Found, form: str, k: int, way: str, at: int) -> list[float]:
    parts = [_retrieved(draws, form, way, at) for (_, number), draws in found.items() if number == k]
    return [fmean(part) for part in parts if part]


def classifier_table(found: Found, ends: Mapping[Pair, Mapping[str, float]], sizes: Sizes) -> ResultTable:
    """Accuracies with the most anchors, between floor and ceilings (`ends_of`)."""
    k, tried = sizes.numbers[-1], max(sizes.auto_numbers)
    forms = dict.fromkeys((ABSOLUTE, PLAIN, CENTRED), k) | {AUTO: tried}
    rows = []
    for pair, end in ends.items():
        known = [Measured(end[name], None, 1) for name in ("floor", NAMES, DRAWN)]
        values = [_accuracy(found[pair, number], form) for form, number in forms.items()]
        figures = (*known, *(measured(one) if one else None for one in values))
        rows.append(ResultRow(pair.setting, figures, (None,) * len(figures)))
    return ResultTable(
        "A decoder of groups trained on names answers for pictures: accuracy",
        ("drawings", "pictures", "names"),
        ("floor", "own: names on names", "own: pictures on pictures",
         *(f"stitched, {form}, {number} anchors" for form, number in forms.items())),
        tuple(rows), "anchor draws",
    )  # fmt: skip


def patterns_of(found: Found, ends: Mapping[Pair, Mapping[str, float]], sizes: Sizes) -> tuple[Pattern, ...]:
    """What should hold; the worst pair of encoders and the worse way decides.

    Args:
        found: What was measured.
        ends: Floors and ceilings (`ends_of`).
        sizes: Of the run.
    """
    forms = (PLAIN, CENTRED, AUTO)
    least, most = sizes.numbers[0], sizes.numbers[-1]
    grown = [fmean(_over_pairs(found, CENTRED, k, way, 1)) for k in (least, most) for way in _BOTH]
    return (
        *(_above_chance(found, form, sizes) for form in forms),
        *(_above_floor(found, ends, form, sizes) for form in forms),
        Pattern(
            f"more anchors find more: recall@10, centred, is higher with {most} than with {least}, both ways",
            grown[2] > grown[0] and grown[3] > grown[1],
            f"{grown[2]:.3f} against {grown[0]:.3f}, and {grown[3]:.3f} against {grown[1]:.3f}",
        ),
    )  # fmt: skip


def _above_chance(found: Found, form: str, sizes: Sizes) -> Pattern:
    k = sizes.numbers[-1]
    values = {
        (pair, way): fmean(_retrieved(draws, form, way, 0))
        for (pair, number), draws in found.items()
        for way in _BOTH
        if number == k
    }
    (pair, way), lowest = min(values.items(), key=lambda item: item[1])
    luck = chance(sizes.test)[0]
    return Pattern(
        f"{form}: recall@1 is at least {_TIMES:.0f} times chance, both ways, with every pair of encoders",
        lowest >= _TIMES * luck, f"lowest {lowest:.3f}, {way} ({', '.join(pair.setting)}); chance {luck:.4f}",
    )  # fmt: skip


def _above_floor(found: Found, ends: Mapping[Pair, Mapping[str, float]], form: str, sizes: Sizes) -> Pattern:
    k = max(sizes.auto_numbers) if form == AUTO else sizes.numbers[-1]
    over = {pair: low_end(_accuracy(found[pair, k], form)) - end["floor"] for pair, end in ends.items()}
    pair = min(over, key=lambda one: over[one])
    return Pattern(
        f"{form}: the decoder of names is far above the floor on pictures: the lower end of the 95 % interval over "
        f"draws is at least {100 * _ABOVE:.0f} points above it, with every pair of encoders ({k} anchors)",
        over[pair] >= _ABOVE,
        f"least {100 * over[pair]:+.1f} points ({', '.join(pair.setting)}; mean "
        f"{fmean(_accuracy(found[pair, k], form)):.3f}, floor {ends[pair]['floor']:.3f})",
    )  # fmt: skip


def plots_of(found: Found, ends: Mapping[Pair, Mapping[str, float]], sizes: Sizes) -> Iterator[Plot]:
    """Recall@10 and accuracy by number of anchors: means over pairs of encoders."""
    x = tuple(map(float, sizes.numbers))
    across = (x[0], x[-1])
    lines = {}
    for form in (*SPECS, AUTO):
        values = [
            [*_over_pairs(found, form, k, _BOTH[0], 1), *_over_pairs(found, form, k, _BOTH[1], 1)]
            for k in sizes.numbers
        ]
        if all(values):
            lines[form] = Line(x, tuple(map(fmean, values)))
    lines["chance"] = Line(across, (chance(sizes.test)[1],) * 2)
    yield Plot(
        "multimodal-retrieval", "Pictures and names of emoji find each other",
        ("paired anchors", "recall@10, both ways"), lines, log_x=True,
    )  # fmt: skip
    answers = {}
    for form in (PLAIN, CENTRED):
        parts = [
            [fmean(_accuracy(found[pair, k], form)) for pair in ends if _accuracy(found[pair, k], form)]
            for k in sizes.numbers
        ]
        if all(parts):
            answers[form] = Line(x, tuple(map(fmean, parts)))
    for said, name in (("own: pictures", DRAWN), ("own: names", NAMES), ("floor", "floor")):
        answers[said] = Line(across, (fmean(end[name] for end in ends.values()),) * 2)
    yield Plot(
        "multimodal-classifier", "A decoder of names answers for pictures of emoji",
        ("paired anchors", "accuracy (nine groups)"), answers, log_x=True,
    )  # fmt: skip
