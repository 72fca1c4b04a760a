"""How good answers are: accuracy and F1 for classes and labels, R² and RMSE for numbers, MSE for pictures."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from relstitch.artifacts import Targets
from relstitch.decoders import Prediction
from relstitch.errors import MismatchError, counted, some

LEADING: Mapping[str, str] = {"class": "accuracy", "multilabel": "subset_accuracy", "real": "r2", "image": "mse"}
"""The metric a report leads with, by kind of targets."""

METRICS: Mapping[str, tuple[str, ...]] = {
    "class": ("accuracy", "macro_f1", "weighted_f1"),
    "multilabel": ("subset_accuracy", "macro_f1", "weighted_f1"),
    "real": ("r2", "rmse"),
    "image": ("mse", "psnr"),
}
"""Every metric, by kind of targets, the leading one first."""

_SHOWN = 10


@dataclass(frozen=True)
class Scored:
    """What answers are worth.

    Attributes:
        metrics: Metric → value. A figure that does not exist (R² of targets that do not vary) is left out.
        rows: How many rows were scored: those with a label.
        unseen: Labels among them that the decoder never learned, by name, with how many rows hold each. Such rows
            count as wrong.
        without_unseen: The leading metric over the other rows; None where there are none, or nothing unseen.
        hits: bool [rows]: which of them were answered rightly (with every label, where there are several); None for
            numbers and pictures.
        pictures: float32 [s, h, w, c]: what was drawn for some rows (`shown_rows`); None where nothing was drawn.
    """

    metrics: Mapping[str, float]
    rows: int
    unseen: Mapping[str, int] = field(default_factory=dict)
    without_unseen: float | None = None
    hits: NDArray[np.bool_] | None = field(default=None, repr=False, compare=False)
    pictures: NDArray[np.float32] | None = field(default=None, repr=False, compare=False)


def shown_rows(n: int) -> NDArray[np.intp]:
    """Which of n scored rows are kept to be looked at: ten, spread evenly, as rows of one class often stand together.

    Example:
        >>> shown_rows(100).tolist()
        [0, 11, 22, 33, 44, 55, 66, 77, 88, 99]
    """
    return np.unique(np.linspace(0, n - 1, min(n, _SHOWN)).round().astype(np.intp))


def merit(scored: Scored, kind: str) -> float:
    """The leading metric, so that more is better: minus the MSE of pictures. 0 where it does not exist.

    Example:
        >>> merit(Scored({"mse": 0.25, "psnr": 6.02}, 1), "image")
        -0.25
    """
    value = scored.metrics.get(LEADING[kind], 0.0)
    return -value if kind == "image" else value


def score(prediction: Prediction, targets: Targets, *, label_map: Mapping[str, str] | None = None) -> Scored:
    """Score answers against targets. Classes and columns meet by name; their order in either is of no account.

    F1 is averaged over the classes that stand in the targets or in the answers (with 0 where it is 0/0), and, for
    ``weighted_f1``, weighted by their rows in the targets. R² is averaged over target columns, RMSE is over all.
    Pictures: the mean squared error over all pixels and channels in [0, 1], and the peak signal-to-noise ratio in
    decibels, 10 · log10(1 / MSE), left out where the MSE is 0. Answers are scored as they are, beyond black and white
    too.

    Args:
        prediction: n answers.
        targets: n targets; rows without a label are not scored.
        label_map: What a name in the targets is called by the decoder, where they differ.

    Returns:
        The metrics (`METRICS`) and what the decoder had never seen.

    Raises:
        MismatchError: Different numbers of rows, another kind of targets, other target columns, other sizes of
            pictures, or no label at all.

    Example:
        >>> answers = Prediction("class", np.array([0, 1, 1]), ("cat", "dog"))
        >>> score(answers, Targets.from_labels(["cat", "dog", "cat"])).metrics["accuracy"]
        0.6666666666666666
    """
    if len(prediction) != len(targets):
        raise MismatchError(
            f"{counted(len(prediction), 'answer')} came with {counted(len(targets), 'target')}; expected one answer "
            "per row."
        )
    if prediction.task != targets.kind:
        raise MismatchError(
            f"The decoder's answers are of kind {prediction.task!r} and the targets of kind {targets.kind!r}. "
            "Score a decoder on targets of the kind it was trained on."
        )
    if not targets.present.any():
        raise MismatchError(f"Of {counted(len(targets), 'row')} none has a label, so there is nothing to score.")
    values, named = prediction.values[targets.present], targets.take(targets.present)
    if targets.kind == "image":
        return _pictures(np.asarray(values, dtype=np.float64), named)
    if targets.kind == "real":
        truth = named.values[:, _columns(prediction.names, named.names)]
        return Scored(_numbers(np.asarray(values, dtype=np.float64), truth.astype(np.float64)), len(named))
    names = tuple((label_map or {}).get(name, name) for name in named.names)
    every = tuple(dict.fromkeys((*prediction.names, *names)))
    at = {name: code for code, name in enumerate(every)}
    if targets.kind == "class":
        truth = np.array([at[name] for name in names], dtype=np.intp)[named.values]
        return _classes(values, truth, every, len(prediction.names))
    truth = np.zeros((len(named), len(every)), dtype=bool)
    for column, name in enumerate(names):
        truth[:, at[name]] |= named.values[:, column]
    answers = np.zeros_like(truth)
    answers[:, : len(prediction.names)] = values
    return _labels(answers, truth, every, len(prediction.names))


def _columns(decoder: tuple[str, ...], targets: tuple[str, ...]) -> list[int]:
    if sorted(decoder) != sorted(targets):
        raise MismatchError(
            f"The decoder predicts the columns {some(decoder)}; the targets hold {some(targets)}. "
            "Columns meet by name: encode both with the same --target columns."
        )
    return [targets.index(name) for name in decoder]


def _classes(answers: NDArray[Any], truth: NDArray[np.intp], names: tuple[str, ...], learned: int) -> Scored:
    hit = answers == truth
    count = len(names)
    true = np.bincount(truth, minlength=count)
    f1 = _f1(np.bincount(truth[hit], minlength=count), true, np.bincount(answers, minlength=count))
    metrics = {"accuracy": float(hit.mean())} | f1
    new = truth >= learned
    if not new.any():
        return Scored(metrics, len(truth), hits=hit)
    unseen = {names[code]: int(true[code]) for code in range(learned, count) if true[code]}
    return Scored(metrics, len(truth), unseen, None if new.all() else float(hit[~new].mean()), hit)


def _labels(answers: NDArray[np.bool_], truth: NDArray[np.bool_], names: tuple[str, ...], learned: int) -> Scored:
    exact = (answers == truth).all(axis=1)
    true = truth.sum(axis=0)
    metrics = {"subset_accuracy": float(exact.mean())} | _f1((answers & truth).sum(axis=0), true, answers.sum(axis=0))
    new = truth[:, learned:].any(axis=1)
    if not new.any():
        return Scored(metrics, len(truth), hits=exact)
    unseen = {names[code]: int(true[code]) for code in range(learned, len(names)) if true[code]}
    return Scored(metrics, len(truth), unseen, None if new.all() else float(exact[~new].mean()), exact)


def _f1(both: NDArray[Any], true: NDArray[Any], answered: NDArray[Any]) -> dict[str, float]:
    """F1 from counts by class: 2 · both / (true + answered)."""
    total = true + answered
    f1 = np.divide(2.0 * both, total, out=np.zeros(len(total)), where=total > 0)
    # Nothing true and nothing answered anywhere: no class to average over.
    macro = float(f1[total > 0].mean()) if total.any() else 0.0
    weighted = float(f1 @ true / true.sum()) if true.any() else 0.0
    return {"macro_f1": macro, "weighted_f1": weighted}


def _numbers(answers: NDArray[np.float64], truth: NDArray[np.float64]) -> dict[str, float]:
    errors = np.square(answers - truth)
    rmse = float(np.sqrt(errors.mean()))
    around = np.square(truth - truth.mean(axis=0)).sum(axis=0)
    if not (around > 0).all():
        return {"rmse": rmse}
    return {"r2": float((1.0 - errors.sum(axis=0) / around).mean()), "rmse": rmse}


def _pictures(answers: NDArray[np.float64], truth: Targets) -> Scored:
    shapes = (answers.shape[1:], truth.values.shape[1:])
    if shapes[0] != shapes[1]:
        drawn, there = (" × ".join(map(str, shape)) for shape in shapes)
        raise MismatchError(
            f"The decoder draws pictures of {drawn} (height × width × channels), and the targets are of {there}. "
            "Score it on pictures of the size it was trained on."
        )
    mse = float(np.square(answers.reshape(len(truth), -1) - truth.numbers()).mean())
    psnr = {"psnr": float(10 * np.log10(1 / mse))} if mse > 0 else {}
    return Scored({"mse": mse} | psnr, len(truth), pictures=answers[shown_rows(len(truth))].astype(np.float32))


def floor(train: Targets, test: Targets) -> float:
    """Score the answer that needs no encoder: the training split's commonest class (or set of labels).

    Args:
        train: The training rows' targets.
        test: The test rows' targets.

    Returns:
        The leading metric on the labelled test rows. Numbers: 0, the R² of answering with the mean. Pictures: the
        MSE of the mean training picture.

    Raises:
        MismatchError: As `score`.

    Example:
        >>> floor(Targets.from_labels(["a", "a", "b"]), Targets.from_labels(["b", "a", "b", "b"]))
        0.25
    """
    if test.kind == "real":
        return 0.0
    if test.kind == "image":
        mean = train.take(train.present).numbers().mean(axis=0, dtype=np.float64).reshape(train.values.shape[1:])
        return score(Prediction("image", np.repeat(mean[None], len(test), axis=0), ()), test).metrics["mse"]
    known = train.values[train.present]
    common, counts = np.unique(known, axis=0, return_counts=True)
    answer = common[np.argmax(counts)]
    values = np.repeat(answer[None], len(test), axis=0)
    return score(Prediction(train.kind, values, train.names), test).metrics[LEADING[train.kind]]
