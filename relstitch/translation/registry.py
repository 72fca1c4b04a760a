"""The registry of translators, and how one is fitted on anchors and applied to rows."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from relstitch.artifacts.spaces import Matrix
from relstitch.errors import MismatchError, UsageError, counted, some
from relstitch.translation.linear import fit_affine, fit_inverse, fit_procrustes
from relstitch.translation.perceptron import fit_mlp
from relstitch.translation.ridge import fit_kernel, fit_low_rank, fit_ridge
from relstitch.translation.smoothing import fit_smoothing
from relstitch.translation.vectors import Arrays, Numbers, directions, kernel

Side = Literal["source", "target"]
Held = Mapping[str, NDArray[Any]]
_ROWS_AT_ONCE = 4096
_MOST_HIDDEN = 65_536


@dataclass(frozen=True)
class TranslatorSettings:
    """Which translator, and its parameters where they are not the usual ones.

    Attributes:
        method: One of `relstitch.names.TRANSLATORS`.
        params: Parameters of the method (`TRANSLATORS[method].params` holds their names and usual values).
    """

    method: str = "smoothing"
    params: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class TranslatorMethod:
    """One way to carry rows of one space to another.

    Attributes:
        name: One of `relstitch.names.TRANSLATORS`.
        source: Where it is from.
        fit: From A [k, d_A], B [k, d_B] (float64) and all parameters to the fitted arrays.
        apply: From the arrays, X [n, d] (float64) and the side to float64 [n, w].
        params: Names of the parameters with their usual values; None stands for "chosen by leave-one-out".
        two_sided: Whether the target's rows are carried too; otherwise they stay as they are.
    """

    name: str
    source: str
    fit: Callable[[Numbers, Numbers, Mapping[str, Any]], Arrays]
    apply: Callable[[Held, Numbers, Side], Numbers]
    params: Mapping[str, Any] = field(default_factory=dict)
    two_sided: bool = False


def _apply_linear(arrays: Held, X: Numbers, side: Side) -> Numbers:
    del side
    Z = directions(X, arrays["center"]) if arrays["normalise"] else X - arrays["center"]
    carried: Numbers = Z @ arrays["weights"] + arrays["bias"]
    return carried


def _apply_kernel(arrays: Held, X: Numbers, side: Side) -> Numbers:
    del side
    similar = kernel(directions(X, arrays["center"]), arrays["anchors"], float(arrays["gamma"]))
    carried: Numbers = similar @ arrays["weights"] + arrays["bias"]
    return carried


def _apply_smoothing(arrays: Held, X: Numbers, side: Side) -> Numbers:
    unit = directions(X, arrays[f"{side}.center"])
    carried: Numbers = kernel(unit, arrays[f"{side}.anchors"], float(arrays["gamma"])) @ arrays[f"{side}.weights"]
    return carried


def _apply_mlp(arrays: Held, X: Numbers, side: Side) -> Numbers:
    hidden = np.tanh(directions(X, arrays["center"]) @ arrays["hidden.weights"] + arrays["hidden.bias"])
    carried: Numbers = _apply_linear(arrays, X, side) + hidden @ arrays["out.weights"] + arrays["out.bias"]
    return carried


_RIDGE = {"penalty": None, "normalise": True}

TRANSLATORS: Mapping[str, TranslatorMethod] = {
    method.name: method
    for method in (
        TranslatorMethod("procrustes", "Schönemann 1966", fit_procrustes, _apply_linear, {"scale": True}),
        TranslatorMethod("ridge", "Hoerl and Kennard 1970; λ by PRESS", fit_ridge, _apply_linear, _RIDGE),
        TranslatorMethod("affine", "least squares with intercept", fit_affine, _apply_linear),
        TranslatorMethod(
            "low-rank", "Mukherjee and Zhu 2011", fit_low_rank, _apply_linear, {**_RIDGE, "rank": None}
        ),
        TranslatorMethod(
            "inverse", "Maiorca et al. 2024 (arXiv 2406.15057)", fit_inverse, _apply_linear, {"penalty": 0.1}
        ),
        TranslatorMethod(
            "kernel", "Saunders et al. 1998", fit_kernel, _apply_kernel, {"gamma": 1.0, "penalty": None}
        ),
        TranslatorMethod(
            "smoothing", "ours: anchored smoothing", fit_smoothing, _apply_smoothing,
            {"gamma": 1.0, "penalty": 0.1, "targets": "target"}, two_sided=True,
        ),
        TranslatorMethod("mlp", "ridge and one hidden layer", fit_mlp, _apply_mlp, {"hidden": 256, "seed": 0}),
    )
}  # fmt: skip
"""The registry: one entry a translator."""


def _whole(value: Any, least: int) -> bool:
    return isinstance(value, int | np.integer) and not isinstance(value, bool) and bool(value >= least)


def _positive(value: Any) -> bool:
    numeric = isinstance(value, int | float | np.integer | np.floating) and not isinstance(value, bool)
    return numeric and bool(np.isfinite(value)) and value > 0


_ALLOWED: Mapping[str, tuple[Callable[[Any], bool], str]] = {
    "gamma": (_positive, "a number above 0"),
    "penalty": (_positive, "a number above 0"),
    "rank": (lambda value: _whole(value, 1), "a whole number from 1"),
    "hidden": (lambda value: _whole(value, 1) and value <= _MOST_HIDDEN, f"a whole number from 1 to {_MOST_HIDDEN}"),
    "seed": (lambda value: _whole(value, 0), "a whole number from 0"),
    "normalise": (lambda value: isinstance(value, bool), "true or false"),
    "scale": (lambda value: isinstance(value, bool), "true or false"),
    "targets": (lambda value: value in ("target", "both"), "'target' or 'both'"),
}


def method_of(settings: TranslatorSettings) -> tuple[TranslatorMethod, dict[str, Any]]:
    """The method that settings name, with all of its parameters.

    Raises:
        UsageError: There is no such translator or parameter, or a parameter's value is out of its range.

    Example:
        >>> method_of(TranslatorSettings("smoothing", {"gamma": 2.0}))[1]
        {'gamma': 2.0, 'penalty': 0.1, 'targets': 'target'}
    """
    method = TRANSLATORS.get(settings.method)
    if method is None:
        raise UsageError(f"There is no translator {settings.method!r}. Choose one of: {', '.join(TRANSLATORS)}.")
    unknown = sorted(set(settings.params) - set(method.params))
    if unknown:
        known = ", ".join(method.params) or "none"
        raise UsageError(f"The translator {method.name!r} has no parameter {some(unknown)}; its parameters: {known}.")
    for name, value in settings.params.items():
        fits, expected = _ALLOWED[name]
        if not fits(value) and not (value is None and method.params[name] is None):
            raise UsageError(
                f"The parameter {name!r} of the translator {method.name!r} is {value!r}; expected {expected}."
            )
    return method, {**method.params, **settings.params}


def check_anchors(A: NDArray[Any], B: NDArray[Any]) -> None:
    """Refuse anchors that nothing can be learned from.

    Args:
        A: [k, d_A], the anchors in the source's space.
        B: [k, d_B], the same anchors in the target's space.

    Raises:
        MismatchError: They do not fit together, are too few, not finite, or all alike.
    """
    if A.ndim != 2 or B.ndim != 2 or len(A) != len(B):
        raise MismatchError(
            f"The anchors' vectors have the shapes {list(A.shape)} in the source and {list(B.shape)} in the target; "
            "expected the same k anchors in the same order, [k, d]."
        )
    if len(A) < 2:
        raise MismatchError(
            f"A translator was asked for with {counted(len(A), 'anchor')}; at least 2 are needed, and a few hundred "
            "are better. Pick more anchors."
        )
    for name, X in (("source", A), ("target", B)):
        if not np.isfinite(X).all():
            raise MismatchError(
                f"The anchors' vectors in the {name} hold NaN or infinite values. Leave these anchors out, or encode "
                "them again."
            )
        if not np.ptp(X, axis=0).any():
            raise MismatchError(
                f"All {len(X)} anchors have the same vector in the {name}: nothing can be learned from them. Pick "
                "anchors that differ."
            )


def fit_arrays(A: NDArray[Any], B: NDArray[Any], settings: TranslatorSettings | None = None) -> Arrays:
    """Fit a translator on anchors.

    Args:
        A: float [k, d_A], the anchors in the source's space, finite, k ≥ 2, not all equal.
        B: float [k, d_B], the same anchors in the target's space.
        settings: Which translator; default: anchored smoothing.

    Returns:
        The fitted arrays, float64, by name.

    Raises:
        UsageError: Unknown translator or parameter, or a parameter out of its range.
        MismatchError: Anchors that do not fit together, too few, not finite, or all alike.

    Source: of each method, `TRANSLATORS[name].source`.

    Example:
        >>> A = np.array([[1.0, 0.0], [0.0, 2.0], [3.0, 1.0]])
        >>> arrays = fit_arrays(A, A[:, ::-1], TranslatorSettings("procrustes"))
        >>> apply_arrays("procrustes", arrays, np.array([[5.0, 7.0]])).round(4).tolist()
        [[7.0, 5.0]]
    """
    method, params = method_of(settings or TranslatorSettings())
    check_anchors(A, B)
    return method.fit(A.astype(np.float64), B.astype(np.float64), params)


def apply_arrays(method: str, arrays: Held, X: NDArray[Any], *, side: Side = "source") -> Matrix:
    """Carry rows by fitted arrays, in blocks: beside the result only a few megabytes are needed.

    Args:
        method: What fitted them.
        arrays: From `fit_arrays`.
        X: float [n, d], finite.
        side: Whose rows they are. The target's rows are changed by two-sided translators only.

    Returns:
        float32 [n, w].

    Raises:
        MismatchError: Rows of another width than the anchors'.
        UsageError: Unknown translator.

    Example:
        >>> A = np.array([[1.0, 0.0], [0.0, 2.0], [3.0, 1.0]])
        >>> apply_arrays("smoothing", fit_arrays(A, A), A, side="target").shape
        (3, 2)
    """
    chosen, _ = method_of(TranslatorSettings(method))
    if side == "target" and not chosen.two_sided:
        return X.astype(np.float32)
    center = arrays[f"{side}.center" if chosen.two_sided else "center"]
    if X.ndim != 2 or X.shape[1] != len(center):
        raise MismatchError(
            f"Rows of shape {list(X.shape)} met a translator whose {side} is {len(center)} wide; expected "
            f"[n, {len(center)}]. Both must come from the same encoder."
        )
    blocks = [slice(start, start + _ROWS_AT_ONCE) for start in range(0, max(len(X), 1), _ROWS_AT_ONCE)]
    carried = [chosen.apply(arrays, X[rows].astype(np.float64), side).astype(np.float32) for rows in blocks]
    return carried[0] if len(carried) == 1 else np.concatenate(carried)
