"""Measures from linear maps and inner products: CKA, SVCCA, orthogonal Procrustes."""

import math

import numpy as np

from relstitch.comparison.pairing import Pairing, Shuffled
from relstitch.comparison.pairs import Index, Matrix, Numbers, Pair, crossed

_NO_STRUCTURE = 1e-12


def _hsic(product: float, k: Numbers, l: Numbers) -> float:  # noqa: E741 - K and L are the kernels' names
    """The unbiased HSIC of two linear kernels, from ‖XᵀY‖² and the squared lengths of the centred rows.

    With centred rows a kernel without its diagonal has row sums −k, so that the three sums of Song et al. 2012,
    equation 5, need no n × n matrix.
    """
    n, both = len(k), float(k @ l)
    total = product - both + float(k.sum()) * float(l.sum()) / ((n - 1) * (n - 2)) - 2.0 * both / (n - 2)
    return total / (n * (n - 3))


def _ratio(hsic: tuple[float, float, float], scales: tuple[float, float]) -> float:
    xy, xx, yy = hsic
    # Rounding leaves a rest where all rows are equally far apart; a ratio of rests would be any number.
    if xx <= _NO_STRUCTURE * scales[0] ** 2 or yy <= _NO_STRUCTURE * scales[1] ** 2:
        return 0.0
    return min(xy / (math.sqrt(xx) * math.sqrt(yy)), 1.0)


def cka(pair: Pair) -> float:
    """Linear CKA with the unbiased estimate of HSIC, over blocks of rows.

    It does not change when a space is rotated, reflected, shifted or rescaled. Unlike the biased form it is near 0
    for unrelated spaces however few the rows are; it can fall a little below 0.

    Args:
        pair: At least 4 rows.

    Returns:
        At most 1; 0 where the rows of a space are all equally far apart, so that it has nothing to compare.

    Source: Kornblith et al. 2019 (arXiv 1905.00414), section 3; the estimator of Song et al. 2012, equation 5, as in
        Nguyen et al. 2021 (arXiv 2010.15327). Exact over all rows here, not an average over minibatches.

    Example:
        >>> X = np.random.default_rng(0).normal(size=(20, 3))
        >>> round(cka(Pair(X, 5 - 2 * X)), 6)
        1.0
    """
    return _cka(pair, pair.moments.xy, np.arange(len(pair.X)))


def _cka(pair: Pair, xy: Numbers, order: Index) -> float:
    m = pair.moments
    k, l = m.lengths[0], m.lengths[1]  # noqa: E741
    products = [float(np.square(one).sum()) for one in (xy, m.xx, m.yy)]
    found = _hsic(products[0], k, l[order]), _hsic(products[1], k, k), _hsic(products[2], l, l)
    return _ratio(found, (float(k.mean()), float(l.mean())))


def cka_shuffled(pair: Pair) -> Shuffled:
    """Unbiased linear CKA over all rows, those of Y in another order."""
    return lambda order: _cka(pair, crossed(pair, order), order)


def cka_pairing(pair: Pair) -> Pairing:
    """Unbiased linear CKA of chosen rows, from the kernels of the sample: quick, however wide the spaces are."""
    K, L = (_kernel(X) for X in (pair.X, pair.Y))

    def meet(left: Index, right: Index) -> Numbers:
        kernels = _centred_kernel(K[np.ix_(left, left)]), _centred_kernel(L[np.ix_(right, right)])
        k, l = (np.diagonal(kernel) for kernel in kernels)  # noqa: E741
        xy, xx, yy = (_hsic(float(np.vdot(kernels[a], kernels[b])), (k, l)[a], (k, l)[b])
                      for a, b in ((0, 1), (0, 0), (1, 1)))  # fmt: skip
        return np.array(_ratio((xy, xx, yy), (float(k.mean()), float(l.mean()))))

    return meet


def _kernel(X: Matrix) -> Numbers:
    centred: Numbers = X - X.mean(axis=0, dtype=np.float64)
    return centred @ centred.T


def _centred_kernel(K: Numbers) -> Numbers:
    rows = K.mean(axis=1)
    centred: Numbers = K - rows - rows[:, None] + rows.mean()
    return centred


def procrustes(pair: Pair) -> float:
    """Orthogonal Procrustes similarity: 1 − half the squared distance after the best rotation, both of norm 1.

    That is the sum of the singular values of XᵀY over ‖X‖‖Y‖, both centred. It does not change when a space is
    rotated, reflected, shifted, rescaled, or padded with zeros. With few rows for the width a rotation can bring much
    together by chance: read it against its baseline.

    Args:
        pair: At least 2 rows.

    Returns:
        In [0, 1].

    Source: Ding et al. 2021 (arXiv 2108.01661), section 2, as a similarity; the norm taken off as in Williams et al.
        2021 (arXiv 2110.14739).

    Example:
        >>> X = np.random.default_rng(0).normal(size=(20, 3))
        >>> round(procrustes(Pair(X, 2 * X[:, ::-1])), 6)
        1.0
    """
    m = pair.moments
    scale = math.sqrt(float(m.lengths[0].sum())) * math.sqrt(float(m.lengths[1].sum()))
    return _nuclear(m.xy, scale)


def _nuclear(xy: Numbers, scale: float) -> float:
    return min(float(np.linalg.svd(xy, compute_uv=False).sum()) / scale, 1.0) if scale > 0 else 0.0


def procrustes_shuffled(pair: Pair) -> Shuffled:
    """Procrustes similarity over all rows, those of Y in another order."""
    lengths = pair.moments.lengths.sum(axis=1)
    scale = math.sqrt(float(lengths[0])) * math.sqrt(float(lengths[1]))
    return lambda order: _nuclear(crossed(pair, order), scale)


def procrustes_pairing(pair: Pair) -> Pairing:
    """Procrustes similarity of chosen rows."""

    def meet(left: Index, right: Index) -> Numbers:
        x, y = (Z[rows] - Z[rows].mean(axis=0, dtype=np.float64) for Z, rows in ((pair.X, left), (pair.Y, right)))
        return np.array(_nuclear(x.T @ y, float(np.linalg.norm(x)) * float(np.linalg.norm(y))))

    return meet


def svcca(pair: Pair) -> float:
    """SVCCA: mean canonical correlation between the leading components that hold 99 % of each space's variance.

    It does not change when a space is rotated, reflected, shifted or rescaled. With as many components as rows it is
    1 for anything: read it against its baseline.

    Args:
        pair: At least 2 rows.

    Returns:
        In [0, 1]: the mean over the smaller number of components.

    Source: Raghu et al. 2017 (arXiv 1706.05806), section 2; from the moments of all rows, so in blocks.

    Example:
        >>> X = np.random.default_rng(0).normal(size=(20, 3))
        >>> round(svcca(Pair(X, 2 * X[:, ::-1])), 6)
        1.0
    """
    m = pair.moments
    left, right = pair.whitenings
    return _mean_correlation(left.T @ m.xy @ right)


def _mean_correlation(between: Numbers) -> float:
    return float(np.minimum(np.linalg.svd(between, compute_uv=False), 1.0).mean())


def svcca_shuffled(pair: Pair) -> Shuffled:
    """SVCCA over all rows, those of Y in another order."""
    left, right = pair.whitenings
    return lambda order: _mean_correlation(left.T @ crossed(pair, order) @ right)


def svcca_pairing(pair: Pair) -> Pairing:
    """SVCCA of chosen rows, between the components that all rows chose."""
    left_scores, right_scores = (
        Z @ whitening for Z, whitening in zip((pair.X, pair.Y), pair.whitenings, strict=True)
    )

    def meet(left: Index, right: Index) -> Numbers:
        bases = (np.linalg.qr(P[rows] - P[rows].mean(axis=0))[0]
                 for P, rows in ((left_scores, left), (right_scores, right)))  # fmt: skip
        first, second = bases
        return np.array(_mean_correlation(first.T @ second))

    return meet


def svcca_rows(pair: Pair) -> int:
    """How many rows an interval of SVCCA takes.

    Two subspaces of a space too small for both meet, whatever they hold: half of the rows, centred, must be no fewer
    than the components of both spaces together.

    Example:
        >>> X = np.random.default_rng(0).normal(size=(20, 3))
        >>> svcca_rows(Pair(X, X))
        14
    """
    left, right = pair.whitenings
    return int(2 * (left.shape[1] + right.shape[1] + 1))
