"""Trying ways on held-out anchors: how well is each answered that took no part in the fit?"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from relstitch.artifacts import Decoder, Targets
from relstitch.artifacts.spaces import Matrix
from relstitch.choosing.folds import folds_for, folds_of
from relstitch.choosing.sides import Source, Target, crossing_without, usable
from relstitch.choosing.strength import draft_path, sample_of
from relstitch.decoders import DecoderSettings, decision_values
from relstitch.ways import Crossing, Way, rescaled

Goodness = NDArray[np.float64]
_LEVEL_ROWS = 1000
_FEWEST_LEVEL_ROWS = 30


def try_ways(
    target: Target, sources: Mapping[str, Source], ways: Sequence[Way], settings: DecoderSettings
) -> dict[tuple[str, str], Goodness]:
    """How well each held-out anchor is answered, by source and way.

    Few anchors give a rough figure. But the target knows the same anchors too, and many more rows: if its own answers
    for these anchors are better than for its other rows, the anchors are easy ones, and the source's answers are
    lowered by as much as the two go together. This control variate leaves the mean what it is and takes noise out.

    Args:
        target: Whose decoder answers, and whose labels are asked.
        sources: By name.
        ways: To be tried.
        settings: The decoder; its seed deals the folds.

    Returns:
        float64 [strengths, labelled anchors] by source and way.

    Source: control variates (Glasserman 2003, section 4.1).
    """
    found: dict[tuple[str, str], list[tuple[Goodness, Goodness]]] = {}
    for out in folds_of(target.known, folds_for(len(target.anchors)), settings.seed):
        fold = _Fold(target, out, settings)
        for way in ways:
            for name, source in sources.items():
                if usable(way, source):
                    found.setdefault((name, way.name), []).append(fold.goodness(way, name, source))
    return {key: _steadied(parts) for key, parts in found.items()}


def _steadied(parts: Sequence[tuple[Goodness, Goodness]]) -> Goodness:
    """Take off what the target's own surprise explains, strength by strength."""
    asked, surprise = (np.concatenate(side, axis=1) for side in zip(*parts, strict=True))
    centred = asked - asked.mean(axis=1, keepdims=True)
    own = surprise - surprise.mean(axis=1, keepdims=True)
    shared = (centred * own).sum(axis=1) / np.maximum(np.square(own).sum(axis=1), 1e-12)
    steadied: Goodness = asked - np.clip(shared, 0.0, 1.0)[:, None] * surprise
    return steadied


@dataclass(frozen=True, eq=False)
class _Learned:
    """What was learned at one place of meeting.

    Attributes:
        rows: float32 [n, w], the training rows there.
        decoders: One for every strength of the grid.
        level: float64 [strengths], how well the target's other rows are answered; empty where there are too few.
    """

    rows: Matrix
    decoders: Sequence[Decoder]
    level: Goodness


@dataclass(frozen=True, eq=False)
class _Fold:
    """One deal of the anchors.

    Attributes:
        target: Whose decoder answers.
        out: The anchors that are asked.
        settings: What is trained.
        learned: By place of meeting.
    """

    target: Target
    out: NDArray[np.intp]
    settings: DecoderSettings
    learned: dict[tuple[str, str], _Learned] = field(default_factory=dict)

    def learn(self, way: Way, name: str, crossing: Crossing) -> _Learned:
        """Train where the target meets a source; ways of one place share it."""
        place = (way.place, name if way.pairwise else "")
        if place not in self.learned:
            target = self.target
            free = target.targets.present & ~np.isin(target.rows, self.out)
            others = np.flatnonzero(free & (target.rows < 0))
            aside = np.random.default_rng(self.settings.seed).permutation(others)
            aside = aside[: min(_LEVEL_ROWS, len(others) // 4)]
            free[aside] = False
            usable = np.flatnonzero(free)
            rows = sample_of(usable, self.settings.seed)
            learned = crossing.target(target.train[rows])
            decoders = list(draft_path(learned, target.targets.take(rows), self.settings, len(usable)))
            level = np.empty(0)
            if len(aside) >= _FEWEST_LEVEL_ROWS:
                there, truth = crossing.target(target.train[aside]), target.targets.take(aside)
                level = np.array([_goodness(decoder, there, truth).mean() for decoder in decoders])
            self.learned[place] = _Learned(learned, decoders, level)
        return self.learned[place]

    def goodness(self, way: Way, name: str, source: Source) -> tuple[Goodness, Goodness]:
        """How well the asked anchors are answered, and the target's surprise at them: float64 [strengths, asked]."""
        crossing = crossing_without(way, source, self.target, self.out)
        learned = self.learn(way, name, crossing)
        carry = crossing.source
        if way.rescale:
            # A sample will do for the moments, as it does for the decoder.
            some = sample_of(np.arange(len(source.rows)), self.settings.seed)
            carry = rescaled(carry, source.rows[some], learned.rows)
        truth = self.target.known.take(self.out)
        asked = carry(source.anchors[self.out])
        answers = np.stack([_goodness(decoder, asked, truth) for decoder in learned.decoders])
        if not len(learned.level):
            return answers, np.zeros_like(answers)
        own = crossing.target(self.target.anchors[self.out])
        known = np.stack([_goodness(decoder, own, truth) for decoder in learned.decoders])
        return answers, known - learned.level[:, None]


def _goodness(decoder: Decoder, X: Matrix, truth: Targets) -> NDArray[np.float64]:
    values = decision_values(decoder, X)
    if truth.kind in ("real", "image"):
        numbers = truth.numbers()
        errors = np.square(values - numbers).mean(axis=1)
        return np.asarray(-errors / max(float(numbers.var()), 1e-12))
    if truth.kind == "multilabel":
        columns = [truth.names.index(name) for name in decoder.names]
        rest = np.delete(truth.values, columns, axis=1).any(axis=1)
        right: NDArray[np.bool_] = ((values > 0) == truth.values[:, columns]).all(axis=1) & ~rest
        return right.astype(np.float64)
    codes = np.array([truth.names.index(name) for name in decoder.names], dtype=np.intp)
    hits: NDArray[np.float64] = (codes[values.argmax(axis=1)] == truth.values).astype(np.float64)
    return hits
