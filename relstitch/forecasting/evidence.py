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
from relstitch.choosing.strength import draft_path
from relstitch.decoders import DecoderSettings, decision_values, method_of
from relstitch.ways import Crossing, Way, rescaled

Numbers = NDArray[np.float64]
_PARTS, _OWN_PARTS, _MOST = 5, 3, 5000


@dataclass(frozen=True, eq=False)
class Answers:
    """Answers for rows whose class is known.

    Attributes:
        right: bool [n], whether each is right.
        margin: float64 [n], how far the best class was ahead of the second.
    """

    right: NDArray[np.bool_]
    margin: Numbers

    @property
    def share(self) -> float:
        """The share of right answers."""
        return float(self.right.mean())


@dataclass(frozen=True, eq=False)
class Evidence:
    """What a forecast of accuracy rests on. Of the source, only the anchors' classes are known, from the target.

    Attributes:
        parts: Held-out anchors, where four fifths of the anchors were fitted on.
        halves: Held-out anchors, where half of the anchors were fitted on.
        margin: float64 [m], of the answers for the source's rows without labels.
        agreement: How often decoders that were fitted through either half of the anchors agree on those rows.
        shares: float64 [2, c], of the classes among the answers for those rows, and in the target's training rows.
    """

    parts: Answers
    halves: Answers
    margin: Numbers
    agreement: float
    shares: Numbers


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
        The evidence. Decoders are coarse ones, trained on at most 5000 rows.

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
    asked = asked[evenly(len(asked), _MOST)]
    with threadpool_limits(1):
        parts = _gathered([trial.held_out(out)[0] for out in folds_of(target.known, _PARTS, settings.seed)])
        two = [trial.held_out(out) for out in folds_of(target.known, 2, settings.seed)]
        first, second = (_classes(decoder, meeting.source(asked)) for _, meeting, decoder in two)
        meeting, decoder = trial.fitted(np.empty(0, dtype=np.intp))
        values = decision_values(decoder, meeting.source(asked))
    codes = np.bincount(_codes(decoder, target)[values.argmax(axis=1)], minlength=len(target.targets.names))
    known = target.targets.values[target.targets.present]
    shares = np.stack([codes / len(asked), np.bincount(known, minlength=len(codes)) / len(known)])
    halves = _gathered([answers for answers, _, _ in two])
    return Evidence(parts, halves, _margin(values), float((first == second).mean()), shares)


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

    def fitted(self, out: NDArray[np.intp]) -> tuple[Crossing, Decoder]:
        """The meeting without the anchors that are out, and a decoder that has seen none of them."""
        meeting = crossing_without(self.way, self.source, self.target, out)
        free = np.flatnonzero(self.target.targets.present & ~np.isin(self.target.rows, out))
        rows = _some(free)
        learned = meeting.target(self.target.train[rows])
        if self.way.rescale:
            like = self.source.rows[evenly(len(self.source.rows), _MOST)]
            meeting = replace(meeting, source=rescaled(meeting.source, like, learned))
        return meeting, _decoder(learned, self.target.targets.take(rows), self.settings, len(free))

    def held_out(self, out: NDArray[np.intp]) -> tuple[Answers, Crossing, Decoder]:
        """The answers for the anchors that are out."""
        meeting, decoder = self.fitted(out)
        values = decision_values(decoder, meeting.source(self.source.anchors[out]))
        right = _codes(decoder, self.target)[values.argmax(axis=1)] == self.target.known.values[out]
        return Answers(right, _margin(values)), meeting, decoder


def _crossed(X: Matrix, targets: Targets, settings: DecoderSettings) -> Answers:
    """Answers by cross-validation over the rows."""
    answers = []
    for out in folds_of(targets, _OWN_PARTS, settings.seed):
        kept = np.delete(np.arange(len(X)), out)
        decoder = _decoder(X[kept], targets.take(kept), settings, len(kept))
        values = decision_values(decoder, X[out])
        codes = np.array([targets.names.index(name) for name in decoder.names], dtype=np.intp)
        answers.append(Answers(codes[values.argmax(axis=1)] == targets.values[out], _margin(values)))
    return _gathered(answers)


def _decoder(X: Matrix, targets: Targets, settings: DecoderSettings, usable: int) -> Decoder:
    strength = method_of(settings).strength if settings.strength is None else settings.strength
    return next(draft_path(X, targets, settings, usable, [] if strength is None else [strength]))


def _gathered(answers: list[Answers]) -> Answers:
    return Answers(np.concatenate([one.right for one in answers]), np.concatenate([one.margin for one in answers]))


def _codes(decoder: Decoder, target: Target) -> NDArray[np.intp]:
    return np.array([target.targets.names.index(name) for name in decoder.names], dtype=np.intp)


def _classes(decoder: Decoder, X: Matrix) -> NDArray[np.object_]:
    names: NDArray[np.object_] = np.array(decoder.names, dtype=object)
    chosen: NDArray[np.object_] = names[decision_values(decoder, X).argmax(axis=1)]
    return chosen


def _margin(values: NDArray[Any]) -> Numbers:
    ahead = np.sort(values, axis=1)[:, -2:]
    margin: Numbers = (ahead[:, 1] - ahead[:, 0]).astype(np.float64)
    return margin


def _some(rows: NDArray[np.intp]) -> NDArray[np.intp]:
    """Enough of the rows to try on."""
    return rows[evenly(len(rows), _MOST)]


def evenly(n: int, most: int) -> NDArray[np.intp]:
    """At most so many of n rows, evenly spread over all.

    Example:
        >>> evenly(10, 3).tolist()
        [0, 4, 9]
    """
    return np.unique(np.linspace(0, n - 1, min(n, most)).astype(np.intp))
