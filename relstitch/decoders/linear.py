"""Linear decoders on standardised inputs: logistic regression, linear support vectors, ridge."""

import warnings
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from relstitch.decoders.prediction import Task
from relstitch.decoders.scaling import standardise, statistics

Arrays = dict[str, NDArray[Any]]
_MAX_ITERATIONS = 10_000
_DRAFT_TOLERANCE = 1e-3
_TOLERANCE = 1e-5
_NARROW = 128
_CHECKED = 64
_MISSED = 1e-3


def logistic_path(X: NDArray[Any], task: Task, strengths: Sequence[float], draft: bool) -> Iterator[Arrays]:
    """Fit logistic regression for one C after the other, each from where the last one ended.

    Multinomial for classes, one binary problem a label for several labels. L-BFGS, inputs standardised.

    Args:
        X: [n, k].
        task: ``class`` or ``multilabel``.
        strengths: C in scikit-learn's sense (of the sum of losses), best in rising order.
        draft: Whether a coarse solution in float32 will do (for choosing C).

    Yields:
        ``weights`` float64 [c, k], ``bias`` [c], ``mean`` and ``scale`` [k].
    """
    from sklearn.linear_model import LogisticRegression

    scaling = statistics(X)
    scaled = standardise(X, scaling).astype(np.float32 if draft else np.float64)
    problems = list(_binary(task)) if task.kind == "multilabel" else [task.values]
    tolerance = _DRAFT_TOLERANCE if draft else _TOLERANCE
    models = [LogisticRegression(tol=tolerance, max_iter=_MAX_ITERATIONS, warm_start=True) for _ in problems]
    for strength in strengths:
        for model, labels in zip(models, problems, strict=True):
            if labels is not None:
                with warnings.catch_warnings():
                    # That there are many classes for the rows is not for the reader of a terminal.
                    warnings.simplefilter("ignore", UserWarning)
                    model.set_params(C=strength).fit(scaled, labels)
        yield _outputs(models, problems, task) | scaling


def svm_path(X: NDArray[Any], task: Task, strengths: Sequence[float], draft: bool) -> Iterator[Arrays]:
    """Fit linear support vector machines, one against the rest, for one C after the other.

    Squared hinge, primal form: it has no randomness. The arguments and arrays are those of `logistic_path`.
    """
    from sklearn.svm import LinearSVC

    scaling = statistics(X)
    scaled = standardise(X, scaling)
    problems = list(_binary(task)) if task.kind == "multilabel" else [task.values]
    for strength in strengths:
        models = [
            LinearSVC(C=strength, dual=False, tol=1e-2 if draft else 1e-4, max_iter=_MAX_ITERATIONS) for _ in problems
        ]
        for model, labels in zip(models, problems, strict=True):
            if labels is not None:
                with warnings.catch_warnings():
                    # Where labels are separable and C is huge, the last digits of the margin may not settle.
                    warnings.simplefilter("ignore", UserWarning)
                    model.fit(scaled, labels)
        yield _outputs(models, problems, task) | scaling


def _binary(task: Task) -> Iterator[NDArray[Any] | None]:
    """One problem a label; None where all rows agree, so that there is nothing to learn."""
    for column in task.values.T:
        yield column if column.any() and not column.all() else None


def _outputs(models: Sequence[Any], problems: Sequence[NDArray[Any] | None], task: Task) -> Arrays:
    """Weights and bias of c outputs from scikit-learn's models."""
    if task.kind == "class":
        weights, bias = models[0].coef_.astype(np.float64), models[0].intercept_.astype(np.float64)
        if len(task.names) == 2:
            # One row of weights speaks for two classes. Halves: their difference is scikit-learn's own value.
            weights, bias = np.vstack([-weights, weights]) / 2, np.concatenate([-bias, bias]) / 2
        return {"weights": weights, "bias": bias}
    k = next(model.coef_.shape[1] for model, labels in zip(models, problems, strict=True) if labels is not None)
    weights, bias = np.zeros((len(models), k)), np.zeros(len(models))
    for at, (model, labels) in enumerate(zip(models, problems, strict=True)):
        if labels is None:
            bias[at] = 1.0 if task.values[0, at] else -1.0
        else:
            weights[at], bias[at] = model.coef_[0], model.intercept_[0]
    return {"weights": weights, "bias": bias}


def ridge_path(X: NDArray[Any], task: Task, strengths: Sequence[float], draft: bool) -> Iterator[Arrays]:
    """Fit ridge regression in closed form, on numbers, on pixels, or on labels written as +1 and -1.

    With standardised X and centred Y the weights are (XᵀX + strength · n · I)⁻¹ XᵀY, and the intercept is Y's mean,
    which is not penalised. The eigenvectors of XᵀX serve every strength.

    Args:
        X: [n, k].
        task: Any.
        strengths: The penalty as a share of n.
        draft: Whether float32 will do, and a row space that is found by asking part of the rows.

    Yields:
        As `logistic_path`.
    """
    scaling = statistics(X)
    scaled: NDArray[Any] = standardise(X, scaling).astype(np.float32 if draft else np.float64, copy=False)
    Y = task.signs()
    bias = Y.mean(axis=0, dtype=np.float64)
    axes = _row_space(scaled) if draft else None
    inside: NDArray[Any] = scaled if axes is None else scaled @ axes
    values, vectors = np.linalg.eigh(inside.T @ inside)
    rotated = vectors.T @ (inside.T @ (Y - bias))
    if axes is not None:
        vectors = axes @ vectors
    for strength in strengths:
        penalised = np.maximum(values, 0.0)[:, None] + strength * len(X)
        yield {"weights": (vectors @ (rotated / penalised)).T, "bias": bias} | scaling


def _row_space(X: NDArray[Any]) -> NDArray[Any] | None:
    """An orthonormal basis [w, w/2] of the rows, if that many can hold them; None if not, or if it is not worth it.

    What went through few anchors is wide but of low rank, and eigenvectors cost the third power of the width.
    """
    width = X.shape[1] // 2
    if width < _NARROW or len(X) < 2 * width:
        return None
    # Spread over all rows, which may stand class by class.
    asked = np.linspace(0, len(X) - 1, width + _CHECKED).astype(np.intp)
    checked = asked[:: max(len(asked) // _CHECKED, 1)]
    axes, _ = np.linalg.qr(X[np.setdiff1d(asked, checked)].T)
    rest = X[checked]
    missed = rest - (rest @ axes) @ axes.T
    return axes if np.linalg.norm(missed) <= _MISSED * np.linalg.norm(rest) else None


def linear_values(arrays: Mapping[str, NDArray[Any]], X: NDArray[Any]) -> NDArray[np.float64]:
    """The outputs of a linear decoder: standardised X · weightsᵀ + bias, float64 [n, c]."""
    values: NDArray[np.float64] = standardise(X, arrays) @ arrays["weights"].T + arrays["bias"]
    return values
