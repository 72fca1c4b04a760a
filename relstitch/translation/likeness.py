"""Whether rows of which nobody knows the encoder look like rows of the encoder they were taken for."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from relstitch.artifacts import Translator
from relstitch.relative import unit_rows
from relstitch.translation.registry import Side

_SHARE = 0.57
"""Measured on five encoders of texts and pictures: other data of the same encoder keep .61 to 1.1 of the anchors'
own figure, rows of another encoder of the same width .31 to .55, with 50 anchors and more."""
_FEWEST_ANCHORS, _FEWEST_ROWS = 50, 8
LOOKED_AT = 256
"""How many rows are looked at."""


@dataclass(frozen=True)
class Likeness:
    """How near rows are to a translator's anchors.

    Attributes:
        rows: Median cosine of a row and its nearest anchor, both without the anchors' mean.
        anchors: The same of the anchors themselves, each without itself.
    """

    rows: float
    anchors: float

    @property
    def foreign(self) -> bool:
        """Whether the rows look as another encoder's do."""
        return self.rows < _SHARE * self.anchors


def likeness(translator: Translator, X: NDArray[Any], *, side: Side = "source") -> Likeness | None:
    """Compare rows with the anchors that a translator was fitted on.

    Args:
        translator: What is to carry the rows.
        X: float [n, d], finite; the first 256 are looked at.
        side: Whose rows they were taken for.

    Returns:
        The two figures; None where there are fewer than 50 anchors or 8 rows, which tell nothing.

    Source: ours.

    Example:
        >>> from relstitch.artifacts import AnchorList, AnchorVectors, EncoderStamp
        >>> from relstitch.translation import TranslatorSettings, fit_translator
        >>> X = (np.random.default_rng(0).normal(size=(120, 40)) * 0.8 ** np.arange(40)).astype(np.float32)
        >>> anchors = AnchorVectors(AnchorList(tuple(map(str, range(60))), ("",) * 60), X[:60])
        >>> one = EncoderStamp("st:x", "text", 40)
        >>> same = fit_translator(anchors, anchors, (one, one), TranslatorSettings("affine"))
        >>> likeness(same, X[60:]).foreign, likeness(same, X[60:, ::-1]).foreign
        (False, True)
    """
    anchors = translator.anchors[0 if side == "source" else -1]
    if len(anchors.vectors) < _FEWEST_ANCHORS or len(X) < _FEWEST_ROWS:
        return None
    unit = unit_rows(anchors.vectors.astype(np.float64) - anchors.mean)
    rows = unit_rows(X[:LOOKED_AT].astype(np.float64) - anchors.mean)
    own = unit[:LOOKED_AT] @ unit.T
    np.fill_diagonal(own, -1.0)
    return Likeness(float(np.median((rows @ unit.T).max(axis=1))), float(np.median(own.max(axis=1))))


def note_on_likeness(translator: Translator, X: NDArray[Any], name: str, *, side: Side = "source") -> str | None:
    """What to say of rows that look like another encoder's; None where they do not.

    Args:
        translator: What is to carry the rows.
        X: As `likeness`.
        name: What to call the rows: the name of their file.
        side: Whose rows they were taken for.
    """
    found = likeness(translator, X, side=side)
    if found is None or not found.foreign:
        return None
    stamp = translator.source if side == "source" else translator.target
    return (
        f"The rows of {name} do not look like rows of {stamp.spec}: the cosine to their nearest anchor is "
        f"{found.rows:.2f} (median), that of the anchors among themselves {found.anchors:.2f}. Check that this very "
        "encoder made them, with the same prompt and settings."
    )
