"""Which decoders there are, and the three things one does with them: fit, ask for values, ask for answers."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from relstitch.artifacts import Decoder, Targets
from relstitch.artifacts.spaces import check_finite
from relstitch.decoders.linear import linear_values, logistic_path, ridge_path, svm_path
from relstitch.decoders.mlp import fit_mlp, mlp_values
from relstitch.decoders.neighbours import neighbours_path, neighbours_values
from relstitch.decoders.prediction import Prediction, Task, task_of
from relstitch.errors import MismatchError, UsageError, counted

Path = Callable[[NDArray[Any], Task, Sequence[float], bool], Iterator[dict[str, NDArray[Any]]]]
Values = Callable[[Mapping[str, NDArray[Any]], NDArray[Any]], NDArray[np.float64]]


@dataclass(frozen=True)
class Method:
    """A kind of decoder.

    Attributes:
        strength_name: What its strength is; empty where it has none.
        grid: The strengths to choose from, the strongest regularisation first; empty where there are none.
        strength: The strength where none is given or chosen.
        path: Fits it for one strength after the other; None for the neural one, which has no strength.
        values: Its outputs, from its arrays.
        real: Whether it can learn numbers and pixels.
        seeded: Whether its seed makes a difference.
    """

    strength_name: str
    grid: tuple[float, ...]
    strength: float | None
    path: Path | None
    values: Values | None
    real: bool
    seeded: bool = False


METHODS: Mapping[str, Method] = {
    "logistic": Method(
        "C", (1e-4, 3e-4, 1e-3, 3e-3, 1e-2, 3e-2, 1e-1, 1.0), 1e-2, logistic_path, linear_values, real=False
    ),
    "svm": Method("C", (1e-5, 1e-4, 1e-3, 1e-2), 1e-3, svm_path, linear_values, real=False),
    "ridge": Method("penalty", (10.0, 3.0, 1.0, 0.3, 0.1, 0.03, 0.01), 0.3, ridge_path, linear_values, real=True),
    "knn": Method("neighbours", (50, 20, 10, 5, 1), 10, neighbours_path, neighbours_values, real=True),
    "mlp": Method("", (), None, None, None, real=True, seeded=True),
}
"""The registry. Every strength was measured on inputs standardised with the training rows' statistics."""


LEAST, MOST = 1e-9, 1e9
"""The strengths there may be. Far beyond them solvers end before they begin (C = 1e-300) or never (C = 1e300)."""


@dataclass(frozen=True)
class DecoderSettings:
    """What to fit.

    Attributes:
        method: One of `relstitch.names.DECODERS`.
        strength: C (logistic, svm), the penalty as a share of n (ridge), how many neighbours (knn); None: the
            method's own.
        seed: Of the neural decoder; the others have no randomness.
        transductive: Only mlp: normalise hidden units over the rows scored together, as the published head does.
    """

    method: str = "logistic"
    strength: float | None = None
    seed: int = 0
    transductive: bool = False


def method_of(settings: DecoderSettings) -> Method:
    """The method that some settings name, once they are known to make sense.

    Raises:
        UsageError: Unknown method, a strength that it cannot have, or a protocol that means nothing for it.

    Example:
        >>> method_of(DecoderSettings("ridge")).strength_name
        'penalty'
    """
    name, strength = settings.method, settings.strength
    method = METHODS.get(name)
    if method is None:
        raise UsageError(f"There is no decoder {name!r}. Choose one of: {', '.join(METHODS)}.")
    if settings.transductive and name != "mlp":
        raise UsageError(
            f"The transductive protocol normalises a neural decoder's hidden units; the {name} decoder has none. "
            "Choose the mlp decoder, or leave --transductive out."
        )
    if strength is not None and not method.strength_name:
        raise UsageError(f"The {name} decoder has no strength to set ({strength:g} was given). Leave it out.")
    if strength is not None and not (LEAST <= strength <= MOST):
        raise UsageError(
            f"The strength of the {name} decoder ({method.strength_name}) must be from {LEAST:g} to {MOST:g}; "
            f"{strength:g} was given."
        )
    if strength is not None and name == "knn" and strength != int(strength):
        raise UsageError(f"The knn decoder asks a whole number of neighbours; {strength:g} was given.")
    return method


def fit_decoder(X: NDArray[Any], targets: Targets, settings: DecoderSettings | None = None) -> Decoder:
    """Train a decoder on representations.

    Inputs are standardised with the training rows' mean and standard deviation (the neural decoder normalises each
    row instead). Rows without a label are left out. Only classes that occur become outputs.

    Args:
        X: float32 [n, k], relative representations or absolute embeddings, finite.
        targets: One per row.
        settings: The method and its strength; by default logistic regression with C = 0.01.

    Returns:
        The decoder. Its arrays are all it needs.

    Raises:
        UsageError: Settings or targets that the method cannot work with; one class only; no labels.
        MismatchError: Rows and targets that do not match, or values that are not finite.

    Example:
        >>> X = np.array([[0.0, 1.0], [0.1, 0.9], [1.0, 0.0], [0.9, 0.1]], dtype=np.float32)
        >>> decoder = fit_decoder(X, Targets.from_labels(["cat", "cat", "dog", None]), DecoderSettings("ridge"))
        >>> predict(decoder, X[3:]).labels().tolist()
        ['dog']
    """
    settings = settings or DecoderSettings()
    method = method_of(settings)
    strengths = () if method.strength is None else (settings.strength or method.strength,)
    # One BLAS thread: the matrices are small, and keeping threads in step costs up to ten times the work.
    with threadpool_limits(1):
        return next(fit_path(X, targets, settings, strengths, draft=False))


def fit_path(
    X: NDArray[Any], targets: Targets, settings: DecoderSettings, strengths: Sequence[float], *, draft: bool = True
) -> Iterator[Decoder]:
    """Train one decoder for every strength, each from where the last one ended where the method can.

    Args:
        X: As `fit_decoder`.
        targets: As `fit_decoder`.
        settings: As `fit_decoder`; its strength is not used.
        strengths: The strengths, the strongest regularisation first; without any, one decoder that needs none.
        draft: Whether coarse solutions will do.

    Yields:
        The decoders, in the order of the strengths.

    Raises:
        UsageError: As `fit_decoder`.
        MismatchError: As `fit_decoder`.

    Example:
        >>> X = np.array([[0.0], [1.0]], dtype=np.float32)
        >>> path = fit_path(X, Targets.from_labels(["a", "b"]), DecoderSettings("ridge"), [10.0, 1.0])
        >>> [decoder.settings["strength"] for decoder in path]
        [10.0, 1.0]
    """
    method, task, X = _checked(X, targets, settings)
    chosen: dict[str, Any] = {"seed": settings.seed, "transductive": settings.transductive, "train_rows": len(X)}
    if task.picture:
        chosen["picture"] = list(task.picture)
    if method.path is None:
        yield _decoder(settings, task, fit_mlp(X, task, settings.seed, settings.transductive), chosen)
        return
    for strength, arrays in zip(strengths, method.path(X, task, strengths, draft), strict=True):
        yield _decoder(settings, task, arrays, {"strength": strength} | chosen)


def _decoder(
    settings: DecoderSettings, task: Task, arrays: Mapping[str, NDArray[Any]], chosen: Mapping[str, Any]
) -> Decoder:
    return Decoder(settings.method, task.kind, task.names, arrays, chosen)


def _checked(X: NDArray[Any], targets: Targets, settings: DecoderSettings) -> tuple[Method, Task, NDArray[Any]]:
    method = method_of(settings)
    if X.ndim != 2 or len(X) != len(targets):
        raise MismatchError(
            f"Representations of shape {list(X.shape)} came with {counted(len(targets), 'target')}; expected one row "
            "per target."
        )
    if targets.kind in ("real", "image") and not method.real:
        can = ", ".join(name for name, other in METHODS.items() if other.real)
        found = "numbers" if targets.kind == "real" else "pictures"
        raise UsageError(
            f"The {settings.method} decoder learns classes, and these targets are {found}. Choose one of: {can}."
        )
    check_finite(X, np.arange(len(X)).astype(object), "representations")
    kept = X if targets.present.all() else X[targets.present]
    return method, task_of(targets.take(targets.present)), kept


def decision_values(decoder: Decoder, X: NDArray[Any]) -> NDArray[np.float64]:
    """Compute a decoder's outputs from its arrays alone.

    Args:
        decoder: A trained decoder, fresh or read from a file.
        X: float32 [n, k].

    Returns:
        float64 [n, c]. Classes: the largest is the answer. Several labels: a label is given where its value is
        above 0. Numbers and pixels: themselves.

    Raises:
        UsageError: A decoder of a method that this version does not know.
        MismatchError: Rows of another width than it was trained on.

    Example:
        >>> X = np.array([[-1.0], [1.0]], dtype=np.float32)
        >>> decoder = fit_decoder(X, Targets.from_labels(["a", "b"]), DecoderSettings("ridge", strength=1.0))
        >>> decision_values(decoder, X).tolist()
        [[0.5, -0.5], [-0.5, 0.5]]
    """
    method = method_of(DecoderSettings(decoder.method))
    width = len(decoder.arrays["norm_weight" if decoder.method == "mlp" else "mean"])
    if X.ndim != 2 or X.shape[1] != width:
        raise MismatchError(
            f"This decoder reads {counted(width, 'value')} per row; representations of shape {list(X.shape)} were "
            "given."
        )
    if method.values is None:
        return mlp_values(decoder.arrays, X, bool(decoder.settings.get("transductive", False)))
    return method.values(decoder.arrays, X)


def predict(decoder: Decoder, X: NDArray[Any]) -> Prediction:
    """Let a decoder answer.

    Args:
        decoder: A trained decoder.
        X: float32 [n, k]. For a transductive decoder, all rows that are to be scored together.

    Returns:
        One answer per row.

    Raises:
        UsageError: As `decision_values`.
        MismatchError: As `decision_values`; or a decoder of pictures without their shape.

    Example:
        >>> X = np.array([[-1.0], [1.0]], dtype=np.float32)
        >>> decoder = fit_decoder(X, Targets.from_labels(["a", "b"]))
        >>> predict(decoder, X).labels().tolist()
        ['a', 'b']
    """
    values = decision_values(decoder, X)
    if decoder.task == "class":
        return Prediction("class", values.argmax(axis=1).astype(np.int32), decoder.names)
    if decoder.task == "multilabel":
        return Prediction("multilabel", values > 0, decoder.names)
    if decoder.task == "image":
        return Prediction("image", values.reshape(len(values), *_picture(decoder, values.shape[1])), ())
    return Prediction("real", values, decoder.names)


def _picture(decoder: Decoder, outputs: int) -> tuple[int, ...]:
    shape = decoder.settings.get("picture")
    if isinstance(shape, list) and len(shape) == 3 and all(isinstance(side, int) and side > 0 for side in shape):
        height, width, channels = shape
        if height * width * channels == outputs:
            return height, width, channels
    raise MismatchError(
        f"This decoder draws pictures of {counted(outputs, 'value')}, and their shape in its settings is {shape}; "
        "expected [height, width, channels] of as many values. Make the decoder anew."
    )
