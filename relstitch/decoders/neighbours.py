"""Nearest neighbours among the training rows."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from relstitch.decoders.prediction import Task
from relstitch.decoders.scaling import standardise, statistics

_ROWS_AT_ONCE = 1024


def neighbours_path(
    X: NDArray[Any], task: Task, strengths: Sequence[float], draft: bool
) -> Iterator[dict[str, NDArray[Any]]]:
    """Keep the training rows: standardised, scaled to length 1, so that a product is a cosine.

    Args:
        X: [n, k].
        task: Any.
        strengths: How many neighbours are asked; never more than n.
        draft: Makes no difference here.

    Yields:
        ``rows`` float32 [n, k], ``answers`` float32 [n, c], ``neighbours`` int64 [1], ``mean`` and ``scale`` [k].
    """
    del draft
    scaling = statistics(X)
    kept = {"rows": _units(X, scaling), "answers": task.signs().astype(np.float32)}
    for strength in strengths:
        yield kept | {"neighbours": np.array([min(int(strength), len(X))])} | scaling


def neighbours_values(arrays: Mapping[str, NDArray[Any]], X: NDArray[Any]) -> NDArray[np.float64]:
    """The neighbours' answers, weighted by how near they are: float64 [n, c].

    A neighbour's weight is (1 + cosine) / 2, so that a tie in votes falls to the nearer side. For labels, the value
    is the weighted share of neighbours that have it minus the share that have it not, in [-1, 1].
    """
    units, rows, answers = _units(X, arrays), arrays["rows"], arrays["answers"].astype(np.float64)
    count = int(arrays["neighbours"][0])
    values = np.empty((len(X), answers.shape[1]))
    for start in range(0, len(X), _ROWS_AT_ONCE):
        cosines = units[start : start + _ROWS_AT_ONCE] @ rows.T
        nearest = np.argpartition(-cosines, count - 1, axis=1)[:, :count]
        weights = (1.0 + np.take_along_axis(cosines, nearest, axis=1).astype(np.float64)) / 2.0
        # Rows that all point the other way weigh nothing: then every neighbour counts alike.
        weights[weights.sum(axis=1) < 1e-6] = 1.0
        weights /= weights.sum(axis=1, keepdims=True)
        values[start : start + len(cosines)] = np.einsum("nj,njc->nc", weights, answers[nearest])
    return values


def _units(X: NDArray[Any], scaling: Mapping[str, NDArray[Any]]) -> NDArray[np.float32]:
    scaled = standardise(X, scaling)
    lengths = np.linalg.norm(scaled, axis=1, keepdims=True)
    units: NDArray[np.float32] = (scaled / np.where(lengths > 0, lengths, 1.0)).astype(np.float32)
    return units
