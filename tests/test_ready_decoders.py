"""Decoders that are trained already, from their arrays: the answers of whoever trained them, and nothing guessed."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression, RidgeClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import LinearSVC
from stitching_samples import CLASSES, blobs

from relstitch.decoders.ready import (
    ReadyDecoder,
    ReadyStatement,
    held_still,
    ready_function,
    ready_linear,
    ready_predict,
    ready_values,
)
from relstitch.errors import MismatchError, UsageError

SAID = ReadyStatement("head.npz", CLASSES, "raw")
TWO = ReadyStatement("head.npz", ("no", "yes"), "raw")


def refused(arrays: Mapping[str, NDArray[Any]], said: ReadyStatement, widths: tuple[int, ...] = ()) -> str:
    with pytest.raises((UsageError, MismatchError)) as error:
        ready_linear(arrays, said, widths)
    return str(error.value)


@pytest.mark.parametrize(
    "model", [LogisticRegression(), LinearSVC(), RidgeClassifier()], ids=lambda m: type(m).__name__
)
@pytest.mark.parametrize("classes", [2, 4])
def test_answers_are_those_of_scikit_learn(model: Any, classes: int) -> None:
    X, labels = blobs()
    kept = np.isin(labels, CLASSES[:classes])
    X, y = X[kept], np.array(labels)[kept]
    model.fit(X, y)
    arrays = {"weights": model.coef_, "bias": model.intercept_}
    decoder = ready_linear(arrays, ReadyStatement("head.npz", tuple(model.classes_), "raw"), (10,))
    assert ready_predict(decoder, X).labels().tolist() == model.predict(X).tolist()
    assert decoder.told == (
        f"a linear decoder of {classes} classes that reads rows of 10 values as the encoder gives them"
    )


def test_standardised_input_is_that_of_a_pipeline() -> None:
    X, labels = blobs()
    model = make_pipeline(StandardScaler(), LogisticRegression()).fit(5 * X + 3, labels)
    scaler, head = model[0], model[1]
    arrays = {"weights": head.coef_, "bias": head.intercept_, "mean": scaler.mean_, "scale": scaler.scale_}
    decoder = ready_linear(arrays, ReadyStatement("head.npz", tuple(head.classes_)))
    assert ready_predict(decoder, 5 * X + 3).labels().tolist() == model.predict(5 * X + 3).tolist()
    np.testing.assert_allclose(ready_values(decoder, 5 * X + 3), model.decision_function(5 * X + 3))


def test_columns_that_all_but_stand_still_are_known() -> None:
    X, labels = blobs()
    X[:, 3] = 1e-9 * X[:, 3] + 2
    model = make_pipeline(StandardScaler(), LogisticRegression()).fit(X, labels)
    scaler, head = model[0], model[1]
    arrays = {"weights": head.coef_, "bias": head.intercept_, "mean": scaler.mean_, "scale": scaler.scale_}
    decoder = ready_linear(arrays, ReadyStatement("head.npz", tuple(head.classes_)))
    # Its own rows are read as they are; carried ones are put at its mean there and nowhere else.
    np.testing.assert_allclose(ready_values(decoder, X), model.decision_function(X))
    held = held_still(decoder, X.astype(np.float32))
    assert held.dtype == np.float32
    for column in range(10):
        expected = np.full(len(X), scaler.mean_[3]) if column == 3 else X[:, column]
        np.testing.assert_array_equal(held[:, column], expected.astype(np.float32))
    usual = ready_linear(arrays | {"scale": np.ones(10)}, ReadyStatement("head.npz", tuple(head.classes_)))
    assert usual.still is None
    assert held_still(usual, X) is X


def test_values_are_sums_over_values_row_by_row() -> None:
    """The plain oracle, for rows at length 1."""
    random = np.random.default_rng(0)
    X, W, b = random.normal(size=(5, 3)), random.normal(size=(4, 3)), random.normal(size=4)
    X[0] = 0.0  # a row without a direction stays 0, and gets the bias
    found = ready_values(ready_linear({"weights": W, "bias": b}, ReadyStatement("x", CLASSES, "unit")), X)
    for row in range(5):
        length = sum(value**2 for value in X[row]) ** 0.5 or 1.0
        for output in range(4):
            expected = sum(w * value / length for w, value in zip(W[output], X[row], strict=True)) + b[output]
            assert found[row, output] == pytest.approx(expected)


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 99), st.floats(0.1, 50), st.floats(-9, 9))
def test_unit_input_knows_no_length_and_answers_no_common_shift(seed: int, length: float, shift: float) -> None:
    random = np.random.default_rng(seed)
    X, W, b = random.normal(size=(6, 3)), random.normal(size=(4, 3)), random.normal(size=4)
    said = ReadyStatement("x", CLASSES, "unit")
    one = ready_linear({"weights": W, "bias": b}, said)
    other = ready_linear({"weights": W, "bias": b + shift}, said)
    assert ready_predict(one, X).values.tolist() == ready_predict(other, length * X).values.tolist()


def test_another_form_of_the_input_gives_other_answers() -> None:
    """What is stated matters: the control for never guessing it."""
    X, labels = blobs()
    model = LogisticRegression().fit(X, labels)
    arrays = {"weights": model.coef_, "bias": 20 * model.intercept_}
    raw, unit = (
        ready_predict(ready_linear(arrays, ReadyStatement("x", CLASSES, form)), X).values for form in ("raw", "unit")
    )
    assert (raw != unit).any()


def test_both_layouts_and_one_output_for_two_classes() -> None:
    random = np.random.default_rng(1)
    X, W = random.normal(size=(9, 3)), random.normal(size=(4, 3))
    first = ready_values(ready_linear({"weights": W}, SAID), X)
    np.testing.assert_array_equal(first, ready_values(ready_linear({"weights": W.T}, SAID), X))
    expected = np.where(X @ W[0] + 0.5 > 0, "yes", "no").tolist()
    for weights in (W[:1], W[:1].T, W[0]):
        decoder = ready_linear({"weights": weights, "bias": np.array(0.5)}, TWO)
        assert ready_predict(decoder, X).labels().tolist() == expected


def test_square_weights_are_never_guessed() -> None:
    W = np.arange(16.0).reshape(4, 4)
    assert refused({"weights": W}, SAID, (4,)) == (
        "head.npz: weights of shape [4, 4] may hold an output in each row or in each column. Say so with "
        "--weights-layout outputs-first (torch, scikit-learn) or inputs-first (Keras)."
    )
    X = np.eye(4)
    rows = ready_linear({"weights": W}, ReadyStatement("x", CLASSES, "raw", "outputs-first"))
    columns = ready_linear({"weights": W}, ReadyStatement("x", CLASSES, "raw", "inputs-first"))
    np.testing.assert_array_equal(ready_values(rows, X), W.T)
    np.testing.assert_array_equal(ready_values(columns, X), W)


def test_the_width_of_the_encoders_settles_what_the_shape_alone_does_not() -> None:
    W = np.arange(2.0).reshape(1, 2)
    # Two classes: one row of two weights, or two outputs on one value each.
    assert ready_linear({"weights": W}, TWO, (2,)).width == 2
    assert ready_linear({"weights": W}, TWO, (1,)).width == 1
    assert refused({"weights": W}, TWO).startswith("head.npz: weights of shape [1, 2] may hold an output")


def test_class_names_are_never_guessed() -> None:
    assert refused({"weights": np.ones((2, 3))}, ReadyStatement("head.npz", None, "raw")) == (
        "head.npz does not say which class each output stands for. Give their names in the order of the outputs, with "
        "--classes FILE (a JSON list, or one name per line)."
    )
    assert refused({"weights": np.ones((2, 3))}, ReadyStatement("head.npz", ("a", "a"), "raw")) == (
        "head.npz: a decoder needs two or more different class names, one per output; found these twice: a."
    )
    assert refused({"weights": np.ones((1, 3))}, ReadyStatement("head.npz", ("a",), "raw")) == (
        "head.npz: a decoder needs two or more different class names, one per output; found 1 of them."
    )


def test_the_form_of_the_input_is_never_guessed() -> None:
    W = np.ones((4, 3))
    assert refused({"weights": W}, ReadyStatement("head.npz", CLASSES)) == (
        "head.npz does not say in which form the decoder was given its rows, and another form would give other answers. "
        "Say so with --input raw (as the encoder gives them), unit (scaled to length 1) or standardised (by the arrays "
        "mean and scale of the file)."
    )
    assert refused({"weights": W}, ReadyStatement("head.npz", CLASSES, "standardised")) == (
        "head.npz is said to read rows in the form 'standardised', and it holds neither a mean nor a scale. "
        "Standardised rows need both arrays, mean and scale, of the training rows; the other forms have neither."
    )
    scaling = {"mean": np.zeros(3), "scale": np.ones(3)}
    assert refused({"weights": W, **scaling}, SAID) == (
        "head.npz is said to read rows in the form 'raw', and it holds mean and scale. Standardised rows need both "
        "arrays, mean and scale, of the training rows; the other forms have neither."
    )
    assert refused({"weights": W, "mean": np.zeros(3)}, ReadyStatement("head.npz", CLASSES)).startswith(
        "head.npz does not say in which form"
    )


def test_arrays_that_do_not_fit_are_refused() -> None:
    W = np.ones((4, 3))
    assert refused({"weights": W}, SAID, (5, 7)) == (
        "head.npz: weights of shape [4, 3] do not fit 4 class names (ant, bee, cat, dog) and embeddings of 5 or 7 "
        "values each; expected one row of weights per class, or one column."
    )
    assert refused({"weights": np.ones((2, 4, 3))}, SAID) == (
        "head.npz: weights of shape [2, 4, 3] do not fit 4 class names (ant, bee, cat, dog) and embeddings; expected one "
        "row of weights per class, or one column."
    )
    assert refused({"weights": W}, ReadyStatement("head.npz", CLASSES, "raw", "inputs-first")).startswith(
        "head.npz: weights of shape [4, 3] do not fit 4 class names"
    )
    assert refused({"weights": W, "bias": np.ones(3)}, SAID) == (
        "head.npz: the array of its bias has the shape [3]; the weights need [4]."
    )
    scaling = {"mean": np.zeros(3), "scale": np.array([1.0, 0.0, -1.0])}
    assert refused({"weights": W, **scaling}, ReadyStatement("head.npz", CLASSES)) == (
        "head.npz: 2 of 3 values of its scale are not above 0, and rows are divided by them. A column that did not vary "
        "has the scale 1."
    )
    assert refused({"weights": np.full((4, 3), np.nan)}, SAID) == (
        "head.npz: the array of its weights holds NaN or infinite values. Export the decoder again."
    )


def test_rows_of_another_width_are_refused_and_none_are_fine() -> None:
    decoder = ready_linear({"weights": np.ones((4, 3))}, SAID)
    assert ready_values(decoder, np.empty((0, 3))).shape == (0, 4)
    with pytest.raises(MismatchError) as error:
        ready_predict(decoder, np.ones((2, 5)))
    assert str(error.value) == "head.npz reads 3 values per row; rows of shape [2, 5] were given."


def test_blocks_change_nothing() -> None:
    X = np.random.default_rng(0).normal(size=(5000, 3))
    W = np.random.default_rng(1).normal(size=(4, 3))
    np.testing.assert_allclose(ready_values(ready_linear({"weights": W}, SAID), X), X @ W.T)


def test_a_function_is_asked_in_the_form_that_was_said() -> None:
    seen = []

    def run(X: NDArray[Any]) -> NDArray[Any]:
        seen.append(X)
        return X[:, :2]

    X = np.array([[3.0, 4.0, 0.0]])
    for form in ("raw", "unit"):
        decoder = ready_function(run, 3, ReadyStatement("net.onnx", ("a", "b"), form), told="a network")
        assert ready_predict(decoder, X).labels().tolist() == ["b"]
    assert seen[0].dtype == np.float32
    assert np.linalg.norm(seen[0]) == 5.0
    assert np.linalg.norm(seen[1]) == pytest.approx(1.0)


def test_what_a_function_gives_is_checked() -> None:
    def decoder(values: Any) -> ReadyDecoder:
        return ready_function(lambda X: values, 3, ReadyStatement("net.onnx", ("a", "b"), "raw"), told="a network")

    with pytest.raises(MismatchError) as shape:
        ready_values(decoder(np.ones((2, 3))), np.ones((2, 3)))
    assert str(shape.value) == (
        "net.onnx gave outputs of shape [2, 3] for 2 rows and 2 class names; expected [2, 2]: one value per class, in the "
        "order of the names."
    )
    with pytest.raises(MismatchError, match=r"^1 row of the outputs of net.onnx holds NaN or infinite values: 1\."):
        ready_values(decoder(np.array([[1.0, 2.0], [np.nan, 1.0]])), np.ones((2, 3)))
    with pytest.raises(UsageError) as error:
        ready_function(lambda X: X, 3, ReadyStatement("net.onnx", ("a", "b"), "standardised"), told="a network")
    assert str(error.value) == (
        "net.onnx is a network: it is given rows as they are (raw) or scaled to length 1 (unit). Put the standardisation "
        "into it, and say --input raw."
    )


def test_several_labels_and_numbers_come_through() -> None:
    X = np.array([[1.0, -1.0]])
    labels = ReadyDecoder("x", ("a", "b"), 2, lambda X: X, "as it is", "multilabel")
    assert ready_predict(labels, X).labels().tolist() == [("a",)]
    numbers = ReadyDecoder("x", ("a", "b"), 2, lambda X: X, "as it is", "real")
    assert ready_predict(numbers, X).values.tolist() == [[1.0, -1.0]]
