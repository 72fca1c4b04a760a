"""The two sides of a stitch, as what a choice between ways is made on."""

from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from relstitch.artifacts import Targets
from relstitch.artifacts.spaces import Matrix
from relstitch.ways import Carry, Crossing, Spectrum, Way, colored, cross, rescaled, spectrum_of

_SPECTRUM_ROWS = 10_000


@dataclass(frozen=True, eq=False)
class Target:
    """The side whose decoder answers.

    Attributes:
        train: float32 [n, d_B], its training rows.
        targets: Of the n training rows.
        rows: intp [n], which anchor a training row is, -1 for none.
        anchors: float32 [k, d_B].
        known: The targets of the k anchors, from this side.
    """

    train: Matrix
    targets: Targets
    rows: NDArray[np.intp]
    anchors: Matrix
    known: Targets

    @cached_property
    def spectrum(self) -> Spectrum:
        """Of its training rows."""
        return _spectrum_of_some(self.train)


@dataclass(frozen=True, eq=False)
class Source:
    """The side whose rows are to be understood.

    Attributes:
        anchors: float32 [k, d_A].
        rows: float32 [m, d_A], rows of its training split, without labels; empty where there are none.
    """

    anchors: Matrix
    rows: Matrix

    @cached_property
    def spectrum(self) -> Spectrum:
        """Of its rows."""
        return _spectrum_of_some(self.rows)


def meeting_of(way: Way, source: Source, target: Target) -> Crossing:
    """Fit a way on all anchors of both sides, rescaled where it says so.

    Example:
        >>> from relstitch.ways import DEFAULT
        >>> X = np.eye(3, dtype=np.float32)
        >>> labels = Targets.from_labels(["a", "b", "a"])
        >>> met = meeting_of(DEFAULT, Source(X, X), Target(X, labels, np.arange(3), X, labels))
        >>> met.source(X).shape == met.target(X).shape
        True
    """
    crossing = crossing_without(way, source, target, np.empty(0, dtype=np.intp))
    if not way.rescale:
        return crossing
    return replace(crossing, source=rescaled(crossing.source, source.rows, crossing.target(target.train)))


def crossing_without(way: Way, source: Source, target: Target, out: NDArray[np.intp]) -> Crossing:
    """Fit a way on the anchors that are not held out; rescaling is for the caller, who knows which rows to take.

    Args:
        way: How the spaces meet; its coloring is that of all rows, which need no labels.
        source: One side.
        target: The other.
        out: Which anchors are held out.
    """
    kept = np.delete(np.arange(len(target.anchors)), out)
    return cross(way, source.anchors[kept], target.anchors[kept], colorings=colorings_of(way, source, target))


def colorings_of(way: Way, source: Source, target: Target) -> tuple[Carry, Carry] | None:
    """The coloring transforms of both sides, for a way that has them."""
    if not way.coloring:
        return None
    return colored(source.spectrum, way.coloring), colored(target.spectrum, way.coloring)


def usable(way: Way, source: Source) -> bool:
    """Whether there is what the way needs: rescaling and coloring need rows of the source."""
    return not way.needs_rows or len(source.rows) > 1


def _spectrum_of_some(rows: Matrix) -> Spectrum:
    """A few thousand rows say what all say, and their covariance is quickly had."""
    few = rows if len(rows) <= _SPECTRUM_ROWS else rows[:: -(-len(rows) // _SPECTRUM_ROWS)]
    return spectrum_of(few)
