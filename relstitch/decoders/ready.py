"""Decoders that are trained already: a linear one from its arrays, and any other from the function that it is."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from relstitch.artifacts import EncoderStamp
from relstitch.artifacts.rows import texts_array
from relstitch.artifacts.spaces import check_finite
from relstitch.decoders.prediction import Prediction
from relstitch.errors import MismatchError, UsageError, counted, some
from relstitch.names import InputForm, WeightsLayout
from relstitch.relative import unit_rows

Numbers = NDArray[np.float64]
_ROWS_AT_ONCE = 4096
_FORMS: Mapping[InputForm, str] = {
    "raw": "as the encoder gives them",
    "unit": "scaled to length 1",
    "standardised": "standardised by its own mean and scale",
}
_STILL = 1e-4
"""A column all but stands still whose scale is less than this share of the median scale."""


@dataclass(frozen=True)
class ReadyStatement:
    """What is said of a ready decoder, by its file or by whoever uses it. Nothing of it is guessed.

    Attributes:
        source: What to call it in a message: the name of its file.
        names: Its c class names, in the order of its outputs; None where nobody said them.
        input: What it does to a row first; None where nobody said.
        layout: How its weights lie; None: their shape tells, unless they are square.
    """

    source: str
    names: tuple[str, ...] | None = None
    input: InputForm | None = None
    layout: WeightsLayout | None = None


@dataclass(frozen=True, eq=False)
class ReadyDecoder:
    """A decoder of one encoder's absolute embeddings that is used as it is.

    Attributes:
        source: What to call it.
        names: Its c class names, or the names of its target columns.
        width: How many values of an absolute embedding it reads.
        values: From float [n, d] to its outputs, float64 [n, c]: the largest is the answer (several labels: those
            above 0; numbers: the numbers).
        told: What it is, in words.
        task: ``class``, ``multilabel`` or ``real``.
        encoder: The encoder that it reads, where its file says so.
        still: float64 [d], the means of columns that all but stand still, by whose tiny scale rows are divided; NaN
            for every other column; None where there is none of them (`held_still`).
    """

    source: str
    names: tuple[str, ...]
    width: int
    values: Callable[[NDArray[Any]], Numbers]
    told: str
    task: str = "class"
    encoder: EncoderStamp | None = None
    still: Numbers | None = None


def ready_linear(
    arrays: Mapping[str, NDArray[Any]], statement: ReadyStatement, widths: Sequence[int] = ()
) -> ReadyDecoder:
    """A linear classifier from its arrays: X · weightsᵀ + bias, on rows in the form it was trained on.

    One output stands for two classes: the second one where its value is above 0, as in scikit-learn.

    Args:
        arrays: ``weights`` [c, d] or [d, c] (one output: [d] too); ``bias`` [c] or none; ``mean`` and ``scale`` [d]
            where it standardises its input.
        statement: Class names, form of the input, and layout of the weights where their shape does not tell it.
        widths: The widths d of the encoders that it may read; none: any.

    Returns:
        The decoder. Its answers are those of the library that trained it.

    Raises:
        UsageError: Nobody said the class names, the form of the input, or how square weights lie; or two that
            contradict each other.
        MismatchError: Arrays whose shapes do not fit each other, the names or the widths, or that are not finite.

    Example:
        >>> said = ReadyStatement("head.npz", ("cat", "dog"), "raw")
        >>> decoder = ready_linear({"weights": np.array([[1.0, -1.0, 0.0]])}, said)
        >>> ready_predict(decoder, np.array([[2.0, 1.0, 9.0]])).labels().tolist()
        ['dog']
    """
    names = _names(statement)
    for role, array in arrays.items():
        if not np.isfinite(array).all():
            raise MismatchError(
                f"{statement.source}: the array of its {role} holds NaN or infinite values. Export the decoder again."
            )
    form = _form(arrays, statement)
    weights = _weights(arrays["weights"].astype(np.float64), names, statement, widths)
    bias = _vector(arrays.get("bias", np.zeros(len(weights))), len(weights), "bias", statement)
    width = weights.shape[1]
    prepare = _preparation(form, arrays, width, statement)

    def values(X: NDArray[Any]) -> Numbers:
        # What is too large to be a number is found by whoever asks for the values.
        with np.errstate(over="ignore", invalid="ignore"):
            outputs: Numbers = prepare(X.astype(np.float64)) @ weights.T + bias
        return np.hstack([-outputs, outputs]) if len(weights) == 1 else outputs

    told = f"a linear decoder of {len(names)} classes that reads rows of {width} values {_FORMS[form]}"
    still = _still(arrays) if form == "standardised" else None
    return ReadyDecoder(statement.source, names, width, values, told, still=still)


def _still(arrays: Mapping[str, NDArray[Any]]) -> Numbers | None:
    scale = arrays["scale"].astype(np.float64).reshape(-1)
    near = scale < _STILL * np.median(scale)
    return np.where(near, arrays["mean"].astype(np.float64).reshape(-1), np.nan) if near.any() else None


def held_still(decoder: ReadyDecoder, X: NDArray[Any]) -> NDArray[Any]:
    """Rows that were carried to a decoder's space, put at its mean where its columns all but stand still.

    Some encoders have columns whose spread is a millionth of the others'. No translator hits them so exactly that its
    error, divided by such a scale, would not drown the rest. Rows of the decoder's own encoder need none of this.

    Args:
        decoder: A ready decoder.
        X: float [n, d], carried rows.

    Returns:
        The same rows; a copy where something had to be put.

    Example:
        >>> arrays = {"weights": np.ones((2, 3)), "mean": np.array([5.0, 6.0, 7.0]), "scale": np.array([1, 1e-8, 1])}
        >>> decoder = ready_linear(arrays, ReadyStatement("head.npz", ("a", "b")))
        >>> held_still(decoder, np.array([[1.0, 2.0, 3.0]])).tolist()
        [[1.0, 6.0, 3.0]]
    """
    if decoder.still is None:
        return X
    held: NDArray[Any] = np.where(np.isnan(decoder.still), X, decoder.still).astype(X.dtype)
    return held


def ready_function(
    run: Callable[[NDArray[Any]], NDArray[Any]], width: int, statement: ReadyStatement, *, told: str
) -> ReadyDecoder:
    """Any classifier that is a function of a row, such as a network.

    Args:
        run: From float32 [n, d] to real [n, c].
        width: d.
        statement: Class names, and whether rows are scaled to length 1 first; what else it does to its input is
            inside it.
        told: What it is, in words.

    Returns:
        The decoder; asked for its values, it refuses those that are not [n, c].

    Raises:
        UsageError: Nobody said the class names or the form of the input, or rows are to be standardised from outside.

    Example:
        >>> ready_function(lambda X: X, 2, ReadyStatement("x", ("a", "b"), "raw"), told="a network").names
        ('a', 'b')
    """
    names = _names(statement)
    if statement.input == "standardised":
        raise UsageError(
            f"{statement.source} is {told}: it is given rows as they are (raw) or scaled to length 1 (unit). Put the "
            "standardisation into it, and say --input raw."
        )
    form = _form({}, statement)

    def values(X: NDArray[Any]) -> Numbers:
        rows = X if form == "raw" else unit_rows(X.astype(np.float64))
        outputs = np.asarray(run(np.ascontiguousarray(rows, dtype=np.float32)), dtype=np.float64)
        if outputs.shape != (len(X), len(names)):
            raise MismatchError(
                f"{statement.source} gave outputs of shape {list(outputs.shape)} for {counted(len(X), 'row')} and "
                f"{len(names)} class names; expected [{len(X)}, {len(names)}]: one value per class, in the order of "
                "the names."
            )
        return outputs

    reads = f"{told} of {len(names)} classes that reads rows of {width} values {_FORMS[form]}"
    return ReadyDecoder(statement.source, names, width, values, reads)


def _names(statement: ReadyStatement) -> tuple[str, ...]:
    if statement.names is None:
        raise UsageError(
            f"{statement.source} does not say which class each output stands for. Give their names in the order of "
            "the outputs, with --classes FILE (a JSON list, or one name per line)."
        )
    repeated = sorted({name for name in statement.names if statement.names.count(name) > 1})
    if len(statement.names) < 2 or repeated:
        found = f"these twice: {some(repeated)}" if repeated else f"{len(statement.names)} of them"
        raise UsageError(
            f"{statement.source}: a decoder needs two or more different class names, one per output; found {found}."
        )
    return statement.names


def _form(arrays: Mapping[str, NDArray[Any]], statement: ReadyStatement) -> InputForm:
    """What happens to a row first. Arrays of means and scales beside the weights say it too."""
    scaling = [role for role in ("mean", "scale") if role in arrays]
    form: InputForm | None = statement.input or ("standardised" if len(scaling) == 2 else None)
    if form is None:
        raise UsageError(
            f"{statement.source} does not say in which form the decoder was given its rows, and another form would "
            "give other answers. Say so with --input raw (as the encoder gives them), unit (scaled to length 1) or "
            "standardised (by the arrays mean and scale of the file)."
        )
    if (form == "standardised" and len(scaling) < 2) or (form != "standardised" and scaling):
        held = " and ".join(scaling) or "neither a mean nor a scale"
        raise UsageError(
            f"{statement.source} is said to read rows in the form {form!r}, and it holds {held}. Standardised rows "
            "need both arrays, mean and scale, of the training rows; the other forms have neither."
        )
    return form


def _weights(array: Numbers, names: tuple[str, ...], statement: ReadyStatement, widths: Sequence[int]) -> Numbers:
    """The weights as [c, d]; c is 1 where one output stands for two classes."""
    matrix = array[None] if array.ndim == 1 and len(names) == 2 else array
    outputs = (len(names), 1) if len(names) == 2 else (len(names),)
    layouts: dict[WeightsLayout, Numbers] = {"outputs-first": matrix, "inputs-first": matrix.T}
    fitting = [
        name
        for name, weights in layouts.items()
        if weights.ndim == 2 and len(weights) in outputs and (not widths or weights.shape[1] in widths)
    ]
    if len(fitting) == 2 and statement.layout is None:
        raise UsageError(
            f"{statement.source}: weights of shape {list(array.shape)} may hold an output in each row or in each "
            "column. Say so with --weights-layout outputs-first (torch, scikit-learn) or inputs-first (Keras)."
        )
    if not fitting or (statement.layout is not None and statement.layout not in fitting):
        wide = f" of {' or '.join(map(str, dict.fromkeys(widths)))} values each" if widths else ""
        raise MismatchError(
            f"{statement.source}: weights of shape {list(array.shape)} do not fit {len(names)} class names "
            f"({some(names)}) and embeddings{wide}; expected one row of weights per class, or one column."
        )
    return layouts[statement.layout or fitting[0]]


def _vector(array: NDArray[Any], length: int, role: str, statement: ReadyStatement) -> Numbers:
    flat = array.astype(np.float64).reshape(-1)
    if array.ndim > 1 or len(flat) != length:
        raise MismatchError(
            f"{statement.source}: the array of its {role} has the shape {list(array.shape)}; the weights need "
            f"[{length}]."
        )
    return flat


def _preparation(
    form: InputForm, arrays: Mapping[str, NDArray[Any]], width: int, statement: ReadyStatement
) -> Callable[[Numbers], Numbers]:
    if form == "raw":
        return lambda X: X
    if form == "unit":
        return unit_rows
    mean, scale = (_vector(arrays[role], width, role, statement) for role in ("mean", "scale"))
    if not (scale > 0).all():
        raise MismatchError(
            f"{statement.source}: {int((scale <= 0).sum())} of {width} values of its scale are not above 0, and rows "
            "are divided by them. A column that did not vary has the scale 1."
        )
    return lambda X: (X - mean) / scale


def ready_values(decoder: ReadyDecoder, X: NDArray[Any]) -> Numbers:
    """What a ready decoder puts out, block by block: beside the result only a few megabytes are needed.

    Args:
        decoder: A ready decoder.
        X: float [n, d], absolute embeddings of its encoder, or rows carried to its space.

    Returns:
        float64 [n, c].

    Raises:
        MismatchError: Rows of another width, or outputs that are not finite or not [n, c].

    Example:
        >>> decoder = ReadyDecoder("x", ("a", "b"), 2, lambda X: X.astype(np.float64), "as it is")
        >>> ready_values(decoder, np.array([[1.0, 3.0]])).tolist()
        [[1.0, 3.0]]
    """
    if X.ndim != 2 or X.shape[1] != decoder.width:
        raise MismatchError(
            f"{decoder.source} reads {counted(decoder.width, 'value')} per row; rows of shape {list(X.shape)} were "
            "given."
        )
    blocks = [decoder.values(X[start : start + _ROWS_AT_ONCE]) for start in range(0, max(len(X), 1), _ROWS_AT_ONCE)]
    values = np.concatenate(blocks)
    check_finite(values, texts_array(map(str, range(len(X)))), f"outputs of {decoder.source}")
    return values


def ready_predict(decoder: ReadyDecoder, X: NDArray[Any]) -> Prediction:
    """Let a ready decoder answer.

    Args:
        decoder: A ready decoder.
        X: As `ready_values`.

    Returns:
        One answer per row.

    Raises:
        MismatchError: As `ready_values`.

    Example:
        >>> decoder = ReadyDecoder("x", ("a", "b"), 2, lambda X: X.astype(np.float64), "as it is")
        >>> ready_predict(decoder, np.array([[1.0, 3.0]])).labels().tolist()
        ['b']
    """
    values = ready_values(decoder, X)
    if decoder.task == "class":
        return Prediction("class", values.argmax(axis=1).astype(np.int32), decoder.names)
    return Prediction(decoder.task, values > 0 if decoder.task == "multilabel" else values, decoder.names)
