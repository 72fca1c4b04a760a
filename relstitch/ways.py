"""Ways in which two spaces meet: both become similarities to the anchors, or one is carried to the other."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from relstitch.artifacts import ProjectionSpec
from relstitch.artifacts.spaces import Matrix
from relstitch.errors import MismatchError, counted
from relstitch.relative import project, unit_rows
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
        coloring: The power p of a coloring transform that comes first on both sides: unit rows, then C^(p/2), C being
            the covariance of the encoder's own training rows. 0 for none. It is the opposite of whitening: directions
            that vary much count for more, and few anchors can tell only those.
        share: The share of the anchors that is used, from the beginning of their list.
    """

    name: str
    projection: ProjectionSpec | None = None
    translator: TranslatorSettings | None = None
    rescale: bool = False
    coloring: float = 0.0
    share: float = 1.0

    @property
    def needs_rows(self) -> bool:
        """Whether rows of the source's side are needed, beside its anchors."""
        return self.rescale or self.coloring != 0

    @property
    def pairwise(self) -> bool:
        """Whether what the target's rows become depends on the source."""
        return self.translator is not None and self.translator.params.get("targets") == "both"

    @property
    def place(self) -> str:
        """Where the target's rows are when they meet the source's; those of one-sided translators stay."""
        colored = f", coloring {self.coloring:g}" if self.coloring else ""
        part = f", share {self.share:g}" if self.share < 1 else ""
        if self.projection is not None:
            return f"{self.projection}{colored}{part}"
        two_sided = self.translator is not None and TRANSLATORS[self.translator.method].two_sided
        return f"{self.translator}{colored}{part}" if two_sided else f"absolute{colored}"


@dataclass(frozen=True, eq=False)
class Crossing:
    """Where the rows of a pair of encoders meet.

    Attributes:
        source: From the source's absolute embeddings [n, d_A] to [n, w].
        target: From the target's absolute embeddings [n, d_B] to [n, w].
    """

    source: Carry
    target: Carry


def cross(way: Way, source: Matrix, target: Matrix, *, colorings: tuple[Carry, Carry] | None = None) -> Crossing:
    """Fit a way on the anchors of two encoders.

    Args:
        way: How they meet.
        source: float32 [k, d_A], the anchors in the source's space.
        target: float32 [k, d_B], the same anchors in the target's space.
        colorings: The coloring transforms of the source and of the target (`colored`), for a way that has them.

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
            f"{counted(len(source), 'anchor')} of the source met {len(target)} of the target; the same anchors, in "
            "the same order, are needed on both sides."
        )
    used = max(2, round(way.share * len(source)))
    source, target = source[:used], target[:used]
    if colorings is not None:
        left, right = colorings
        inner = cross(replace(way, share=1.0), left(source), right(target))
        return Crossing(lambda X: inner.source(left(X)), lambda X: inner.target(right(X)))
    if way.projection is not None:
        spec = way.projection
        return Crossing(lambda X: project(X, source, spec), lambda X: project(X, target, spec))
    settings = way.translator or TranslatorSettings()
    arrays = fit_arrays(source, target, settings)

    def carry(X: Matrix, side: Any) -> Matrix:
        return apply_arrays(settings.method, arrays, X, side=side)

    two_sided = TRANSLATORS[settings.method].two_sided
    return Crossing(lambda X: carry(X, "source"), lambda X: carry(X, "target") if two_sided else X)


@dataclass(frozen=True, eq=False)
class Spectrum:
    """Where an encoder's unit rows lie, and how much they vary in which direction.

    Attributes:
        mean: float64 [d], of the rows.
        axes: float64 [d, d], the eigenvectors of the covariance of the centred, normalised rows, in columns.
        variances: float64 [d], their eigenvalues, not negative.
    """

    mean: NDArray[np.float64]
    axes: NDArray[np.float64]
    variances: NDArray[np.float64]


def spectrum_of(rows: Matrix) -> Spectrum:
    """The spectrum of an encoder, from rows of its own that need no labels.

    Args:
        rows: float32 [n, d], n ≥ 2.

    Example:
        >>> spectrum_of(np.array([[3.0, 1.0], [-3.0, 1.0]], dtype=np.float32)).variances.round(6).tolist()
        [0.0, 1.0]
    """
    mean = rows.mean(axis=0, dtype=np.float64)
    unit = unit_rows(rows - mean)
    variances, axes = np.linalg.eigh(unit.T @ unit / len(unit))
    return Spectrum(mean, axes, np.maximum(variances, 0.0))


def colored(spectrum: Spectrum, power: float) -> Carry:
    """A coloring transform: centred, normalised rows times C^(power/2), normalised again.

    Args:
        spectrum: Of the encoder.
        power: 1 for C^½; below 0 it whitens.

    Returns:
        From float32 [n, d] to float32 [n, d], unit rows.

    Source: the inverse of whitening (Kessy, Lewin and Strimmer 2018, "Optimal whitening and decorrelation"), of a
        power that is not 1; that it helps where anchors are few is ours.

    Example:
        >>> rows = np.array([[3.0, 1.0], [-3.0, 1.0]] * 2 + [[0.0, 2.0], [0.0, 0.0]], dtype=np.float32)
        >>> [round(float(x), 3) for x in colored(spectrum_of(rows), 1.0)(np.array([[1.0, 2.0]], dtype=np.float32))[0]]
        [0.816, 0.577]
    """
    largest = max(float(spectrum.variances.max()), 1e-300)
    # Directions in which nothing varies have no inverse; a floor keeps them finite where the power is below 0.
    scale = np.maximum(spectrum.variances / largest, 1e-9) ** (power / 2)
    transform = ((spectrum.axes * scale) @ spectrum.axes.T).astype(np.float32)

    def carry(X: Matrix) -> Matrix:
        turned = unit_rows(X - spectrum.mean).astype(np.float32) @ transform
        return unit_rows(turned).astype(np.float32)

    return carry


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


def _smoothing(name: str, *, rescale: bool = False, coloring: float = 0.0, share: float = 1.0, **params: Any) -> Way:
    return Way(name, None, TranslatorSettings("smoothing", params), rescale, coloring, share)


DEFAULT = _smoothing("smoothing on both, colored ¼, rescaled", rescale=True, coloring=0.25, targets="both")
"""The way preferred where anchors are few: they can tell only the directions that vary much."""

CANDIDATES: tuple[Way, ...] = (
    _smoothing("smoothing on both, rescaled", rescale=True, targets="both"),
    DEFAULT,
    _smoothing("smoothing on both, colored ½, rescaled", rescale=True, coloring=0.5, targets="both"),
    _smoothing("smoothing on both", targets="both"),
    _smoothing("smoothing"),
    Way("cosine, centred", ProjectionSpec("cosine")),
    Way("cosine, centred, rescaled", ProjectionSpec("cosine"), rescale=True),
    Way("cosine, not centred", ProjectionSpec("cosine", center=False)),
    Way("polynomial, centred", ProjectionSpec("polynomial")),
    *(way_of(name) for name in ("procrustes", "ridge", "affine", "low-rank", "inverse", "kernel")),
    _smoothing("smoothing on both, rescaled, half the anchors", rescale=True, share=0.5, targets="both"),
    replace(way_of("affine"), name="affine, half the anchors", share=0.5),
)
"""What ``auto`` tries, the preferred ones first."""
