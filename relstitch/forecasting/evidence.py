"""What can be known of a stitch before it is made: answers for held-out anchors, and answers that need no labels."""

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from relstitch.artifacts import Decoder, Targets
from relstitch.artifacts.spaces import Matrix
from relstitch.choosing import Source, Target, WayChoice
from relstitch.choosing.folds import folds_of
from relstitch.choosing.sides import crossing_without
from relstitch.choosing.strength import draft_path, evenly
from relstitch.decoders import DecoderSettings, decision_values, method_of
from relstitch.forecasting.crossings import Answers, Crossed, Values, crossed, gathered, margin_of
from relstitch.forecasting.shift import shift_of
from relstitch.ways import Crossing, Way, rescaled

Numbers = NDArray[np.float64]
_PARTS, _OWN_PARTS, _MOST = 5, 3, 5000
_ASIDE, _FEWEST_ASIDE = 1000, 30


@dataclass(frozen=True, eq=False)
class Evidence:
    """What a forecast of accuracy rests on. Of the source, only the anchors' classes are known, from the target.

    Attributes:
        parts: Held-out anchors, where four fifths of the anchors were fitted on.
        halves: Held-out anchors, where half of the anchors were fitted on.
        crossed: The target's rows, as if they had crossed as those of `parts`.
        crossed_halves: The target's rows, as if they had crossed as those of `halves`.
        margin: float64 [m], of the answers for the source's rows without labels.
        agreement: How often decoders that were fitted through either half of the anchors agree on those rows.
        shares: float64 [2, c], of the classes among the answers for those rows, and in the target's training rows.
        shift: How far those rows lie from the source's others, in standard deviations.
    """

    parts: Answers
    halves: Answers
    crossed: Crossed
    crossed_halves: Crossed
    margin: Numbers
    agreement: float
    shares: Numbers
    shift: float


def gather_evidence(
    target: Target, source: Source, asked: Matrix, choice: WayChoice, settings: DecoderSettings
) -> Evidence:
    """Try a way of meeting on held-out anchors and on the source's rows without labels.

    Args:
        target: The side whose decoder answers, with class targets.
        source: The other side.
        asked: float32 [m, d_A], rows of the source that are no anchors, m ≥ 1; no label is asked for.
        choice: How the spaces meet, and how strongly the decoder is held (`relstitch.choosing.choose_ways`).
        settings: The decoder that will be trained; its seed deals the folds.

    Returns:
        The evidence. Decoders are coarse ones, trained on at most 5000 rows; up to 1000 of the target's rows, and at
        most a quarter of those that are no anchors, are kept from each, to be asked.

    Raises:
        UsageError: Fewer than two classes among the target's training rows.

    Source: agreement as in Jiang et al. 2022 (arXiv 2106.13799), with halves of the anchors in place of seeds.

    Example:
        >>> X = np.random.default_rng(0).normal(size=(80, 3)).astype(np.float32)
        >>> X[::2] += 4
        >>> labels = Targets.from_labels(["a", "b"] * 40)
        >>> which = np.where(np.arange(80) < 40, np.arange(80), -1)
        >>> target = Target(X, labels, which, X[:40], labels.take(np.arange(40)))
        >>> from relstitch.choosing import choose_ways
        >>> source, settings = Source(X[:40], X), DecoderSettings("ridge")
        >>> choice = choose_ways(target, {"": source}, settings)[""]
        >>> gather_evidence(target, source, X[40:], choice, settings).agreement
        1.0
    """
    trial = _Trial(target, source, choice.way, replace(settings, strength=choice.strength.strength))
    some = asked[evenly(len(asked), _MOST)]
    with threadpool_limits(1):
        parts, _ = trial.dealt(_PARTS, some[:0])
        halves, (first, second) = trial.dealt(2, some)
        meeting, decoder = trial.fitted(np.empty(0, dtype=np.intp), trial.aside(0))
        values = trial.values(decoder, meeting.source(some))
    codes = np.bincount(values.argmax(axis=1), minlength=values.shape[1])
    known = target.targets.values[target.targets.present]
    shares = np.stack([codes / len(some), np.bincount(known, minlength=len(codes)) / len(known)])
    return Evidence(
        _held_out(parts), _held_out(halves), crossed(parts), crossed(halves), margin_of(values),
        float((first == second).mean()), shares, shift_of(source, some),
    )  # fmt: skip


def ceiling_of(target: Target, settings: DecoderSettings) -> Answers:
    """The target's own rows in its absolute space, each answered by a decoder that had not seen it.

    Args:
        target: The side whose decoder answers.
        settings: The decoder; with its own default strength where none is given.

    Example:
        >>> X = np.array([[0.0], [1.0]] * 10, dtype=np.float32)
        >>> labels = Targets.from_labels(["a", "b"] * 10)
        >>> target = Target(X, labels, np.full(20, -1), X[:0], labels.take(np.arange(0)))
        >>> ceiling_of(target, DecoderSettings("ridge")).share
        1.0
    """
    rows = _some(np.flatnonzero(target.targets.present))
    with threadpool_limits(1):
        return _crossed(target.train[rows], target.targets.take(rows), settings)


@dataclass(frozen=True, eq=False)
class _Trial:
    """One way of meeting, to be fitted on one part of the anchors after the other."""

    target: Target
    source: Source
    way: Way
    settings: DecoderSettings

    def dealt(self, folds: int, asked: Matrix) -> tuple[Values, list[NDArray[np.intp]]]:
        """Every anchor held out once; and the classes that each fold's decoder gives other rows of the source."""
        found, answers = [], []
        for fold, out in enumerate(folds_of(self.target.known, folds, self.settings.seed)):
            aside = self.aside(fold)
            meeting, decoder = self.fitted(out, aside)
            here = self.values(decoder, meeting.source(self.source.anchors[out]))
            there = self.values(decoder, meeting.target(self.target.anchors[out]))
            known = self.target.known.values[out].astype(np.intp)
            rows, classes = there, known
            if len(aside):
                rows = self.values(decoder, meeting.target(self.target.train[aside]))
                classes = self.target.targets.values[aside].astype(np.intp)
            found.append(Values(here, there, known, rows, classes))
            if len(asked):
                answers.append(self.values(decoder, meeting.source(asked)).argmax(axis=1))
        return Values(*(np.concatenate(parts) for parts in zip(*map(_columns, found), strict=True))), answers

    def aside(self, fold: int) -> NDArray[np.intp]:
        """Rows to be kept from a fold's decoder: of every class the same share; none where they would be few."""
        others = np.flatnonzero(self.target.targets.present & (self.target.rows < 0))
        share = min(0.25, _ASIDE / max(len(others), 1))
        others = np.random.default_rng(self.settings.seed).permutation(others)
        classes = self.target.targets.values[others]
        kept = []
        for code in np.unique(classes):
            own = others[classes == code]
            few = int(share * len(own))
            kept.append(own[fold % 4 * few : (fold % 4 + 1) * few])
        aside = np.sort(np.concatenate(kept))
        return aside if len(aside) >= _FEWEST_ASIDE else aside[:0]

    def fitted(self, out: NDArray[np.intp], aside: NDArray[np.intp]) -> tuple[Crossing, Decoder]:
        """The meeting without the anchors that are out, and a decoder that has seen none of them, nor those aside."""
        meeting = crossing_without(self.way, self.source, self.target, out)
        usable = self.target.targets.present & ~np.isin(self.target.rows, out)
        usable[aside] = False
        free = np.flatnonzero(usable)
        rows = _some(free)
        learned = meeting.target(self.target.train[rows])
        if self.way.rescale:
            like = self.source.rows[evenly(len(self.source.rows), _MOST)]
            meeting = replace(meeting, source=rescaled(meeting.source, like, learned))
        return meeting, _decoder(learned, self.target.targets.take(rows), self.settings, len(free))

    def values(self, decoder: Decoder, X: Matrix) -> Numbers:
        """Decision values in the target's order of classes; one that the decoder has not seen never wins."""
        found = decision_values(decoder, X).astype(np.float64)
        values = np.repeat(found.min(axis=1, keepdims=True) - 1, len(self.target.targets.names), axis=1)
        values[:, _codes(decoder, self.target.targets)] = found
        return values


def _crossed(X: Matrix, targets: Targets, settings: DecoderSettings) -> Answers:
    """Answers by cross-validation over the rows."""
    answers = []
    for out in folds_of(targets, _OWN_PARTS, settings.seed):
        kept = np.delete(np.arange(len(X)), out)
        decoder = _decoder(X[kept], targets.take(kept), settings, len(kept))
        values = decision_values(decoder, X[out])
        right = _codes(decoder, targets)[values.argmax(axis=1)] == targets.values[out]
        answers.append(Answers(right, margin_of(values)))
    return gathered(answers)


def _decoder(X: Matrix, targets: Targets, settings: DecoderSettings, usable: int) -> Decoder:
    strength = method_of(settings).strength if settings.strength is None else settings.strength
    return next(draft_path(X, targets, settings, usable, [] if strength is None else [strength]))


def _columns(values: Values) -> tuple[NDArray[Any], ...]:
    return values.source, values.target, values.known, values.rows, values.classes


def _held_out(values: Values) -> Answers:
    return Answers(values.source.argmax(axis=1) == values.known, margin_of(values.source))


def _codes(decoder: Decoder, targets: Targets) -> NDArray[np.intp]:
    return np.array([targets.names.index(name) for name in decoder.names], dtype=np.intp)


def _some(rows: NDArray[np.intp]) -> NDArray[np.intp]:
    """Enough of the rows to try on."""
    return rows[evenly(len(rows), _MOST)]
