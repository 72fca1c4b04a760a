"""From rows and anchors to similarities: centring, the similarity itself, and what is made of it."""

from collections.abc import Iterator
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from relstitch.artifacts import ProjectionSpec
from relstitch.errors import MismatchError, UsageError
from relstitch.relative.similarities import Array, Frame, Projection, inverse, lengths
from relstitch.relative.specification import factors_of

Float = TypeVar("Float", bound=np.floating[Any])

_CENTRED_COSINE = ProjectionSpec()
_ROWS_AT_ONCE = 4096


def _centred(vectors: NDArray[Float], mean: NDArray[np.float64] | None) -> NDArray[Float]:
    if mean is None:
        return vectors
    # Float64 on the way: rounding the mean first would move every row by the same error.
    centred: NDArray[Float] = (vectors - mean).astype(vectors.dtype)
    return centred


def blocks(n: int) -> Iterator[slice]:
    """Consecutive rows, few enough to be copied."""
    return (slice(start, min(start + _ROWS_AT_ONCE, n)) for start in range(0, n, _ROWS_AT_ONCE))


def project(
    vectors: NDArray[Float],
    anchors: NDArray[Float],
    spec: ProjectionSpec = _CENTRED_COSINE,
    *,
    columns: NDArray[np.float32] | None = None,
) -> NDArray[Float]:
    """Compute relative representations: the similarity of each row to each anchor.

    Cosine and angular do not change when the space is rotated, reflected or rescaled, and, centred, when it is
    shifted. Rows are taken in blocks, so beside the result only a few megabytes are needed.

    The parameters that every projection has act in this order, the first three in each space of a product by itself:
    ``subspaces=m`` (the mean of the similarities in m equal groups of columns), ``quantise=step`` (rounded to
    multiples of it), ``top=s`` with ``power=p`` (the s largest of a row are kept, raised to p with their sign, and
    the row is made a unit vector), ``zscore`` (each column by its mean and spread in `columns`).

    Args:
        vectors: float32 [n, d], finite. Float64 is kept as float64.
        anchors: float32 [k, d], the anchors' vectors in the same space.
        spec: Which similarity, and whether the anchors' mean is taken off both sides first.
        columns: float32 [2, w], mean and spread of each column (`with_columns`); only asked for by ``zscore``.

    Returns:
        float32 [n, w], w = k × the number of spaces of a product; cosine in [-1, 1], angular in [0, 1], polynomial in
        [0, 4], rbf in [0, 1], distances ≤ 0. The cosine to a zero vector counts as 0 (so angular is ½ and polynomial
        1); it is never NaN. With fewer than two different anchors rbf, whitened and mahalanobis have no spread to
        measure by and take lengths as they are.

    Raises:
        UsageError: Unknown projection or parameter, ``zscore`` without columns, or vectors too large for this
            projection.
        MismatchError: Rows and anchors of different width, a width that the subspaces do not divide, or columns of
            another width.

    Source: Moschella et al. 2023, section 3, equation 2. Centring is ours (see `ProjectionSpec`); top with power as
    Norelli et al. 2023 (ASIF, arXiv 2210.01738), section 2; zscore as arXiv 2409.10967, but with training rows.

    Example:
        >>> X = np.array([[2.0, 0.0], [0.0, -3.0]], dtype=np.float32)
        >>> project(X, X[:1], ProjectionSpec("cosine", center=False)).tolist()
        [[1.0], [0.0]]
    """
    factors = factors_of(spec)
    groups = int(spec.params.get("subspaces", 1))
    check_widths(vectors.shape[1], anchors.shape[1], groups)
    scale = _scale_of(spec, columns, len(anchors) * len(factors))
    mean = anchors.mean(axis=0, dtype=np.float64) if spec.center else None
    parts = np.split(_centred(anchors, mean), groups, axis=1)
    result = np.empty((len(vectors), len(anchors) * len(factors)), dtype=vectors.dtype)
    # What is too large for the type becomes infinite or NaN, which is found below and said in words.
    with np.errstate(over="ignore", invalid="ignore"):
        fitted = [(factor, [_frame(factor, A, spec) for A in parts]) for factor in factors]
        for rows in blocks(len(vectors)):
            X = np.split(_centred(vectors[rows], mean), groups, axis=1)
            for place, (factor, frames) in enumerate(fitted):
                side = slice(place * len(anchors), (place + 1) * len(anchors))
                similar = [factor.similarity(f(x), f(A)) for f, x, A in zip(frames, X, parts, strict=True)]
                result[rows, side] = similar[0] if groups == 1 else np.mean(similar, axis=0)
                _check_in_range(result[rows, side], vectors[rows], spec)
                result[rows, side] = _shaped(result[rows, side], spec)
            if scale is not None:
                result[rows] = (result[rows] - scale[0]) * scale[1]
    return result


def check_widths(vectors: int, anchors: int, groups: int) -> None:
    """Refuse rows and anchors of different widths, and a width that the subspaces do not divide.

    Args:
        vectors: Width of the rows.
        anchors: Width of the anchors.
        groups: How many subspaces.

    Raises:
        MismatchError: They do not fit.

    Example:
        >>> check_widths(6, 6, 3)
    """
    if vectors != anchors:
        raise MismatchError(
            f"The vectors are {vectors} wide and the anchors' vectors {anchors}; "
            "both must come from the same encoder."
        )
    if vectors % groups:
        raise MismatchError(
            f"The vectors are {vectors} wide, which {groups} subspaces of equal width do not divide. Choose "
            "a divisor of the width."
        )


def _scale_of(
    spec: ProjectionSpec, columns: NDArray[np.float32] | None, width: int
) -> tuple[NDArray[np.float64], NDArray[np.float64]] | None:
    """Mean and inverse spread of each column; None where they are not asked for."""
    if not spec.params.get("zscore"):
        return None
    if columns is None:
        raise UsageError(
            f"The projection {spec} scales each column by its mean and spread over the encoder's own training rows, "
            "and these anchors come without them. Measure them with relstitch.relative.with_columns, or leave out "
            "zscore."
        )
    if columns.shape != (2, width):
        raise MismatchError(
            f"The columns' mean and spread have the shape {list(columns.shape)}; the projection {spec} needs "
            f"[2, {width}]. Measure them with this projection and these anchors."
        )
    mean, spread = columns.astype(np.float64)
    return mean, inverse(spread)


def _frame(factor: Projection, A: Array, spec: ProjectionSpec) -> Frame:
    if factor.frame is None:
        return _as_is
    return factor.frame(A, **{key: float(spec.params.get(key, value)) for key, value in factor.params.items()})


def _as_is(X: Array) -> Array:
    return X


def _check_in_range(similarities: Array, vectors: Array, spec: ProjectionSpec) -> None:
    if not np.isfinite(similarities).all() and np.isfinite(vectors).all():
        raise UsageError(
            f"The projection {spec} of vectors with values up to {float(np.abs(vectors).max()):.2g} is beyond what "
            f"{similarities.dtype} can hold. Scale the vectors down, or choose cosine or angular, which see only "
            "directions."
        )


def _shaped(similarities: Array, spec: ProjectionSpec) -> Array:
    """Rounded, and only the largest kept."""
    S, step = similarities, spec.params.get("quantise")
    if step is not None:
        S = np.round(S.astype(np.float64) / step) * step
    if not {"top", "power"} & set(spec.params):
        return S
    S = S.astype(np.float64)
    kept = min(int(spec.params.get("top", S.shape[1])), S.shape[1])
    # A stable order: of equal similarities the first anchors' are kept.
    dropped = np.argsort(-S, axis=1, kind="stable")[:, kept:]
    np.put_along_axis(S, dropped, 0.0, axis=1)
    # By the largest first: a power of small or large values would leave the range, and the length is divided out.
    S = S * inverse(np.abs(S).max(axis=1, initial=0.0))[:, None]
    S = np.sign(S) * np.abs(S) ** float(spec.params.get("power", 1.0))
    unit: Array = S * inverse(lengths(S))[:, None]
    return unit
