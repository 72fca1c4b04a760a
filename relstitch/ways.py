"""Ways in which two spaces meet: both become similarities to the anchors, or one is carried to the other."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from relstitch.artifacts import ProjectionSpec
from relstitch.artifacts.spaces import Matrix
from relstitch.errors import MismatchError
from relstitch.relative import project
from relstitch.translation import TRANSLATORS, TranslatorSettings, apply_arrays, fit_arrays

Carry = Callable[[Matrix], Matrix]


@dataclass(frozen=True)
class Way:
    """How two spaces meet: by a projection or by a translator.

    Attributes:
        name: What it is called in a report.
        projection: Both sides become similarities to the anchors.
        translator: The source is carried to the target's space; a two-sided translator carries the target too.
        rescale: Whether the source's columns are given the mean and spread that the target's have, each measured on
            the encoder's own training rows, which need no labels for it.
    """

    name: str
    projection: ProjectionSpec | None = None
    translator: TranslatorSettings | None = None
    rescale: bool = False

    @property
    def pairwise(self) -> bool:
        """Whether what the target's rows become depends on the source."""
        return self.translator is not None and self.translator.params.get("targets") == "both"

    @property
    def place(self) -> str:
        """Where the target's rows are when they meet the source's; those of one-sided translators stay."""
        if self.projection is not None:
            return str(self.projection)
        two_sided = self.translator is not None and TRANSLATORS[self.translator.method].two_sided
        return str(self.translator) if two_sided else "absolute"


@dataclass(frozen=True, eq=False)
class Crossing:
    """Where the rows of a pair of encoders meet.

    Attributes:
        source: From the source's absolute embeddings [n, d_A] to [n, w].
        target: From the target's absolute embeddings [n, d_B] to [n, w].
    """

    source: Carry
    target: Carry


def cross(way: Way, source: Matrix, target: Matrix) -> Crossing:
    """Fit a way on the anchors of two encoders.

    Args:
        way: How they meet.
        source: float32 [k, d_A], the anchors in the source's space.
        target: float32 [k, d_B], the same anchors in the target's space.

    Returns:
        The two maps to the place where they meet; without rescaling, which needs more rows (`rescaled`).

    Raises:
        MismatchError: Different numbers of anchors.

    Example:
        >>> spin = np.array([[0.0, 1.0], [-1.0, 0.0]], dtype=np.float32)
        >>> A = np.array([[1.0, 0.0], [0.0, 2.0], [3.0, 1.0]], dtype=np.float32)
        >>> met = cross(Way("procrustes", translator=TranslatorSettings("procrustes")), A @ spin, A)
        >>> bool(np.allclose(met.source(A @ spin), A, atol=1e-5))
        True
    """
    if len(source) != len(target):
        raise MismatchError(
            f"{len(source)} anchors of the source met {len(target)} of the target; the same anchors, in the same "
            "order, are needed on both sides."
        )
    if way.projection is not None:
        spec = way.projection
        return Crossing(lambda X: project(X, source, spec), lambda X: project(X, target, spec))
    settings = way.translator or TranslatorSettings()
    arrays = fit_arrays(source, target, settings)

    def carry(X: Matrix, side: Any) -> Matrix:
        return apply_arrays(settings.method, arrays, X, side=side)

    two_sided = TRANSLATORS[settings.method].two_sided
    return Crossing(lambda X: carry(X, "source"), lambda X: carry(X, "target") if two_sided else X)


def rescaled(source: Carry, rows: Matrix, like: Matrix) -> Carry:
    """Give the source's columns the mean and the spread of the target's.

    Args:
        source: The map of the source's rows.
        rows: float32 [n, d_A], rows of the source; their labels are not asked for.
        like: float32 [m, w], the target's rows where the spaces meet.

    Returns:
        The map, followed by the rescaling. A column that does not vary keeps its spread.

    Source: the column z-scores of "Batch-normalised relative map" (arXiv 2409.10967), for any place of meeting.

    Example:
        >>> X = np.array([[0.0], [2.0]], dtype=np.float32)
        >>> rescaled(lambda rows: rows, X, np.array([[10.0], [30.0]], dtype=np.float32))(X).tolist()
        [[10.0], [30.0]]
    """
    mean, spread = _moments(source(rows))
    mean_like, spread_like = _moments(like)
    factor = np.divide(spread_like, spread, out=np.ones_like(spread), where=(spread > 0) & (spread_like > 0))

    def carry(X: Matrix) -> Matrix:
        return ((source(X) - mean) * factor + mean_like).astype(np.float32)

    return carry


def _moments(X: NDArray[Any]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    mean = X.mean(axis=0, dtype=np.float64)
    spread = X.std(axis=0, dtype=np.float64)
    # A spread that is rounding is none: dividing by it would make signal of it.
    return mean, np.where(spread > 1e-6 * np.abs(mean), spread, 0.0)


def way_of(name: str) -> Way:
    """The way that one translator is, with its own settings.

    Example:
        >>> way_of("ridge").translator
        TranslatorSettings(method='ridge', params={})
    """
    return Way(name, translator=TranslatorSettings(name))


def _smoothing(name: str, *, rescale: bool = False, **params: Any) -> Way:
    return Way(name, translator=TranslatorSettings("smoothing", params), rescale=rescale)


DEFAULT = _smoothing("smoothing on both, rescaled", rescale=True, targets="both")
"""The way taken where anchors cannot be asked."""

CANDIDATES: tuple[Way, ...] = (
    DEFAULT,
    _smoothing("smoothing on both", targets="both"),
    _smoothing("smoothing"),
    _smoothing("smoothing, γ=2", gamma=2.0),
    Way("cosine, centred", ProjectionSpec("cosine")),
    Way("cosine, centred, rescaled", ProjectionSpec("cosine"), rescale=True),
    Way("cosine, not centred", ProjectionSpec("cosine", center=False)),
    Way("polynomial, centred", ProjectionSpec("polynomial")),
    *(way_of(name) for name in ("procrustes", "ridge", "affine", "low-rank", "inverse", "kernel")),
)
"""What ``auto`` tries, the preferred ones first."""
