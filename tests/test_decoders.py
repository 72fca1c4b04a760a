"""Decoders: each against a slow or independent oracle, what must not change them, and every refusal word for word."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from relstitch.artifacts import Decoder, Targets
from relstitch.decoders import METHODS, DecoderSettings, Prediction, decision_values, fit_decoder, fit_path, predict
from relstitch.decoders.linear import _row_space, linear_values, ridge_path
from relstitch.decoders.prediction import task_of
from relstitch.errors import MismatchError, UsageError
from relstitch.names import DECODERS

REAL = ("ridge", "knn", "mlp")


def sample(n: int = 90, k: int = 6, classes: int = 3, seed: int = 0) -> tuple[NDArray[np.float32], list[str]]:
    """Noisy blobs, one per class, on columns of very different location and scale."""
    rng = np.random.default_rng(seed)
    codes = rng.integers(classes, size=n)
    codes[:classes] = range(classes)
    X = rng.normal(size=(classes, k))[codes] * 2 + rng.normal(size=(n, k))
    return (X * 10.0 ** rng.integers(-2, 3, size=k) + 5).astype(np.float32), [f"class {code}" for code in codes]


def plain_standardise(X: NDArray[Any], train: NDArray[Any]) -> NDArray[np.float64]:
    X, train = X.astype(np.float64), train.astype(np.float64)
    scale = train.std(axis=0)
    scale[scale == 0] = 1
    standardised: NDArray[np.float64] = (X - train.mean(axis=0)) / scale
    return standardised


def labels_of(X: NDArray[Any], seed: int = 1) -> Targets:
    """Three labels, each its own linear rule with noise."""
    rng = np.random.default_rng(seed)
    z = plain_standardise(X, X)
    values = z @ rng.normal(size=(X.shape[1], 3)) + 0.3 * rng.normal(size=(len(X), 3)) > 0
    return Targets("multilabel", values, np.ones(len(X), dtype=bool), ("red", "round", "soft"))


def numbers_of(X: NDArray[Any], seed: int = 1) -> Targets:
    """Two numbers, linear in the columns, on scales of their own."""
    rng = np.random.default_rng(seed)
    z = plain_standardise(X, X)
    values = (z @ rng.normal(size=(X.shape[1], 2)) * [100, 0.1] + [7, -3]).astype(np.float32)
    return Targets("real", values, np.ones(len(X), dtype=bool), ("height", "depth"))


def test_the_registry_and_the_names_are_the_same() -> None:
    assert tuple(METHODS) == DECODERS


@pytest.mark.parametrize("classes", [2, 4])
def test_logistic_is_scikit_learns_on_standardised_inputs(classes: int) -> None:
    from sklearn.linear_model import LogisticRegression

    X, labels = sample(classes=classes)
    decoder = fit_decoder(X[:60], Targets.from_labels(labels[:60]), DecoderSettings(strength=0.3))
    oracle = LogisticRegression(C=0.3, tol=1e-8, max_iter=10_000)
    oracle.fit(plain_standardise(X[:60], X[:60]), labels[:60])
    expected = oracle.predict_proba(plain_standardise(X, X[:60]))
    values = np.exp(decision_values(decoder, X))
    np.testing.assert_allclose(values / values.sum(axis=1, keepdims=True), expected, atol=1e-4)
    assert predict(decoder, X).labels().tolist() == oracle.predict(plain_standardise(X, X[:60])).tolist()


@pytest.mark.parametrize("classes", [2, 4])
def test_svm_is_scikit_learns_on_standardised_inputs(classes: int) -> None:
    from sklearn.svm import LinearSVC

    X, labels = sample(classes=classes)
    decoder = fit_decoder(X[:60], Targets.from_labels(labels[:60]), DecoderSettings("svm", strength=0.05))
    oracle = LinearSVC(C=0.05, dual=True, tol=1e-8, max_iter=100_000, random_state=0)
    oracle.fit(plain_standardise(X[:60], X[:60]), labels[:60])
    expected = oracle.decision_function(plain_standardise(X, X[:60]))
    values = decision_values(decoder, X)
    np.testing.assert_allclose(values[:, 1] - values[:, 0] if classes == 2 else values, expected, atol=1e-3)


@pytest.mark.parametrize("kind", ["class", "multilabel", "real"])
def test_ridge_solves_its_normal_equations(kind: str) -> None:
    X, labels = sample()
    targets = {"class": Targets.from_labels(labels), "multilabel": labels_of(X), "real": numbers_of(X)}[kind]
    Y = np.array([[1.0 if label == name else -1.0 for name in targets.names] for label in labels])
    Y = {"class": Y, "multilabel": targets.values * 2.0 - 1.0, "real": targets.values.astype(float)}[kind]
    # The intercept as a column of its own that the penalty spares; solved directly.
    design = np.hstack([plain_standardise(X, X), np.ones((len(X), 1))])
    penalty = np.diag([0.4 * len(X)] * X.shape[1] + [0.0])
    weights = np.linalg.solve(design.T @ design + penalty, design.T @ Y)
    decoder = fit_decoder(X, targets, DecoderSettings("ridge", strength=0.4))
    np.testing.assert_allclose(decision_values(decoder, X), design @ weights, atol=1e-8 * np.abs(Y).max())


@pytest.mark.parametrize("kind", ["class", "multilabel", "real"])
def test_knn_against_a_loop(kind: str) -> None:
    X, labels = sample(n=40)
    targets = {"class": Targets.from_labels(labels), "multilabel": labels_of(X), "real": numbers_of(X)}[kind]
    decoder = fit_decoder(X[:30], targets.take(np.arange(30)), DecoderSettings("knn", strength=5))
    z = plain_standardise(X, X[:30])
    z /= np.linalg.norm(z, axis=1, keepdims=True)
    for row, values in zip(z, decision_values(decoder, X), strict=True):
        cosines = [float(row @ other) for other in z[:30]]
        nearest = sorted(range(30), key=lambda at: -cosines[at])[:5]
        weights = [(1 + cosines[at]) / 2 for at in nearest]
        expected = np.zeros(len(targets.names))
        for weight, at in zip(weights, nearest, strict=True):
            answer = targets.values[at]
            if kind == "class":
                expected += weight * np.where(np.arange(len(expected)) == answer, 1, -1)
            else:
                expected += weight * (answer * 2.0 - 1.0 if kind == "multilabel" else answer)
        np.testing.assert_allclose(values, expected / sum(weights), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("transductive", [False, True])
@pytest.mark.parametrize("kind", ["class", "multilabel", "real"])
def test_mlp_from_its_arrays_equals_torch(kind: str, transductive: bool) -> None:
    torch = pytest.importorskip("torch")
    X, labels = sample()
    targets = {"class": Targets.from_labels(labels), "multilabel": labels_of(X), "real": numbers_of(X)}[kind]
    decoder = fit_decoder(X, targets, DecoderSettings("mlp", transductive=transductive))
    weights = {name: torch.tensor(array) for name, array in decoder.arrays.items()}
    k, h, c = X.shape[1], len(weights["hidden_bias"]), len(targets.names)
    norm, hidden, output = torch.nn.LayerNorm(k), torch.nn.Linear(k, h), torch.nn.Linear(h, c)
    for layer, name in ((norm, "norm"), (hidden, "hidden"), (output, "output")):
        layer.load_state_dict({"weight": weights[f"{name}_weight"], "bias": weights[f"{name}_bias"]})
    # As published: instance norm over the transposed batch, each hidden unit over all rows.
    over_rows = torch.nn.InstanceNorm1d(h)
    with torch.no_grad():
        inner = hidden(norm(torch.tensor(X)))
        if transductive:
            inner = over_rows(inner.T[None])[0].T
        expected = output(torch.nn.functional.silu(inner)) * weights["target_scale"] + weights["target_mean"]
    np.testing.assert_allclose(decision_values(decoder, X), expected.numpy(), rtol=2e-3, atol=2e-3)


@pytest.mark.parametrize("method", DECODERS)
def test_every_method_learns_classes_and_several_labels(method: str) -> None:
    X, labels = sample(n=300)
    decoder = fit_decoder(X[:200], Targets.from_labels(labels[:200]), DecoderSettings(method))
    assert np.mean(predict(decoder, X[200:]).labels() == np.array(labels[200:])) > 0.8
    targets = labels_of(X)
    decoder = fit_decoder(X[:200], targets.take(np.arange(200)), DecoderSettings(method))
    assert np.mean(predict(decoder, X[200:]).values == targets.values[200:]) > 0.7
    assert predict(decoder, X[:5]).labels()[0] == tuple(
        name for name, has in zip(decoder.names, predict(decoder, X[:1]).values[0], strict=True) if has
    )


@pytest.mark.parametrize("method", DECODERS)
def test_shuffled_labels_teach_nothing(method: str) -> None:
    """Negative control: what the tests above call learning is gone when labels and rows are torn apart."""
    X, labels = sample(n=300)
    torn = np.random.default_rng(5).permutation(np.array(labels, dtype=object))
    decoder = fit_decoder(X[:200], Targets.from_labels(torn[:200].tolist()), DecoderSettings(method))
    assert np.mean(predict(decoder, X[200:]).labels() == np.array(labels[200:])) < 0.65


@pytest.mark.parametrize("method", REAL)
def test_numbers_are_learned(method: str) -> None:
    X, _ = sample(n=300)
    targets = numbers_of(X)
    strength = None if method == "mlp" else {"ridge": 1e-3, "knn": 5}[method]
    decoder = fit_decoder(X[:250], targets.take(np.arange(250)), DecoderSettings(method, strength))
    answers, truth = predict(decoder, X[250:]).values, targets.values[250:]
    assert decoder.names == ("height", "depth")
    assert answers.shape == truth.shape
    floor = {"ridge": 0.99, "knn": 0.6, "mlp": 0.3}[method]
    assert (1 - ((answers - truth) ** 2).sum(axis=0) / ((truth - truth.mean(axis=0)) ** 2).sum(axis=0) > floor).all()


@settings(max_examples=8, deadline=None)
@given(seed=st.integers(0, 10_000), method=st.sampled_from(["logistic", "svm", "ridge", "knn"]))
def test_rescaled_shifted_and_reordered_columns_change_nothing(seed: int, method: str) -> None:
    """Inputs are standardised, so that units and places of columns are of no account."""
    X, labels = sample(n=60, seed=seed)
    rng = np.random.default_rng(seed)
    order, scale, shift = rng.permutation(X.shape[1]), rng.uniform(0.1, 10, X.shape[1]), rng.normal(size=X.shape[1])
    targets = Targets.from_labels(labels)
    one = fit_decoder(X, targets, DecoderSettings(method))
    moved = (X * scale + shift)[:, order].astype(np.float32)
    other = fit_decoder(moved, targets, DecoderSettings(method))
    np.testing.assert_allclose(decision_values(one, X), decision_values(other, moved), atol=2e-3)


@pytest.mark.parametrize("method", DECODERS)
def test_same_inputs_and_seed_give_the_same_arrays(method: str) -> None:
    X, labels = sample()
    one, other = (fit_decoder(X, Targets.from_labels(labels), DecoderSettings(method, seed=3)) for _ in range(2))
    assert one.arrays.keys() == other.arrays.keys()
    for name, array in one.arrays.items():
        assert np.array_equal(array, other.arrays[name])


def test_mlp_seed_matters_and_the_global_generator_is_left_alone() -> None:
    torch = pytest.importorskip("torch")
    X, labels = sample()
    torch.manual_seed(11)
    expected = torch.rand(3).tolist()
    torch.manual_seed(11)
    one, other = (fit_decoder(X, Targets.from_labels(labels), DecoderSettings("mlp", seed=seed)) for seed in (0, 1))
    assert torch.rand(3).tolist() == expected
    assert not np.array_equal(one.arrays["hidden_weight"], other.arrays["hidden_weight"])


def test_only_the_transductive_head_looks_at_the_other_rows() -> None:
    X, labels = sample()
    targets = Targets.from_labels(labels)
    for transductive in (False, True):
        decoder = fit_decoder(X, targets, DecoderSettings("mlp", transductive=transductive))
        alone, together = decision_values(decoder, X[:10]), decision_values(decoder, X)[:10]
        assert np.allclose(alone, together, atol=1e-6) != transductive


def test_the_order_of_class_names_is_of_no_account() -> None:
    X, labels = sample()
    targets = Targets.from_labels(labels)
    other_names = targets.names[::-1]
    other = Targets("class", (len(other_names) - 1 - targets.values).astype(np.int32), targets.present, other_names)
    one, two = fit_decoder(X, targets), fit_decoder(X, other)
    assert one.names == two.names[::-1]
    assert predict(one, X).labels().tolist() == predict(two, X).labels().tolist()


def test_rows_without_a_label_are_left_out() -> None:
    X, labels = sample()
    some_missing: list[str | None] = [label if row % 3 else None for row, label in enumerate(labels)]
    kept = np.array([label is not None for label in some_missing])
    one = fit_decoder(X, Targets.from_labels(some_missing))
    two = fit_decoder(X[kept], Targets.from_labels([label for label in some_missing if label is not None]))
    assert np.array_equal(one.arrays["weights"], two.arrays["weights"])
    assert one.settings["train_rows"] == kept.sum()


def test_a_class_without_rows_is_no_output() -> None:
    X, labels = sample()
    targets = Targets("class", Targets.from_labels(labels).values, np.ones(len(X), bool), (
        "class 0", "class 1", "class 2", "never"))  # fmt: skip
    assert fit_decoder(X, targets).names == ("class 0", "class 1", "class 2")


@pytest.mark.parametrize("method", ["logistic", "svm", "ridge", "knn", "mlp"])
def test_a_label_that_all_rows_have_is_always_given(method: str) -> None:
    X, _ = sample()
    targets = labels_of(X)
    targets.values[:, 1] = True
    targets.values[:, 2] = False
    answers = predict(fit_decoder(X, targets, DecoderSettings(method)), X).values
    assert answers[:, 1].all()
    assert not answers[:, 2].any()


def test_a_constant_column_does_no_harm() -> None:
    X, labels = sample()
    X = np.hstack([X, np.full((len(X), 1), 0.1, dtype=np.float32)])
    targets = Targets.from_labels(labels)
    for method in DECODERS:
        assert np.isfinite(decision_values(fit_decoder(X, targets, DecoderSettings(method)), X + 1)).all()


def test_path_ends_where_single_fits_end() -> None:
    X, labels = sample()
    targets = Targets.from_labels(labels)
    for method in ("logistic", "svm", "ridge"):
        strengths = METHODS[method].grid[:4]
        path = list(fit_path(X, targets, DecoderSettings(method), strengths, draft=False))
        for strength, decoder in zip(strengths, path, strict=True):
            alone = fit_decoder(X, targets, DecoderSettings(method, strength))
            np.testing.assert_allclose(
                linear_values(decoder.arrays, X), linear_values(alone.arrays, X), atol=2e-3, rtol=1e-2
            )
            assert decoder.settings["strength"] == strength


def test_knn_never_asks_more_neighbours_than_rows() -> None:
    X = np.eye(3, dtype=np.float32)
    decoder = fit_decoder(X, Targets.from_labels(["a", "a", "b"]), DecoderSettings("knn", strength=50))
    assert decoder.arrays["neighbours"].tolist() == [3]
    assert predict(decoder, X).labels().tolist() == ["a", "a", "b"]


def refused(X: NDArray[Any], targets: Targets, settings: DecoderSettings | None = None) -> str:
    with pytest.raises((UsageError, MismatchError)) as caught:
        fit_decoder(X, targets, settings)
    return str(caught.value)


def test_one_class_only_is_an_error_in_words() -> None:
    assert refused(np.eye(3, dtype=np.float32), Targets.from_labels(["a", "a", None])) == (
        "All 2 labelled training rows are of one class, 'a': a decoder needs at least two classes to tell apart. "
        "Check the label column and the training split."
    )
    same = Targets("multilabel", np.ones((3, 2), dtype=bool), np.ones(3, dtype=bool), ("a", "b"))
    assert refused(np.eye(3, dtype=np.float32), same) == (
        "All 3 labelled training rows have the same labels: a decoder needs rows that differ. "
        "Check the label column and the training split."
    )


def test_targets_that_cannot_be_learned() -> None:
    X = np.eye(3, dtype=np.float32)
    present = np.ones(3, dtype=bool)
    assert refused(X, Targets.from_labels([None, None, None])) == (
        "No training row has a label: a decoder needs labelled rows to learn from."
    )
    assert refused(X, Targets("image", np.zeros((3, 2, 2, 1), dtype=np.uint8), present)) == (
        "The logistic decoder learns classes, and these targets are pictures. Choose one of: ridge, knn, mlp."
    )
    assert refused(X, Targets("real", X, present, ("a", "b", "c")), DecoderSettings("svm")) == (
        "The svm decoder learns classes, and these targets are numbers. Choose one of: ridge, knn, mlp."
    )
    assert refused(X[:2], Targets.from_labels(["a", "b", "b"])) == (
        "Representations of shape [2, 3] came with 3 targets; expected one row per target."
    )
    assert refused(X * [[1], [np.nan], [1]], Targets.from_labels(["a", "b", "b"])) == (
        "1 row of the representations holds NaN or infinite values: 1. Only finite values can be compared: leave "
        "these rows out, or make them again."
    )


@pytest.mark.parametrize(
    ("settings", "text"),
    [
        (DecoderSettings("forest"), "There is no decoder 'forest'. Choose one of: logistic, svm, ridge, knn, mlp."),
        (
            DecoderSettings("ridge", transductive=True),
            "The transductive protocol normalises a neural decoder's hidden units; the ridge decoder has none. "
            "Choose the mlp decoder, or leave --transductive out.",
        ),
        (
            DecoderSettings("mlp", strength=0.5),
            "The mlp decoder has no strength to set (0.5 was given). Leave it out.",
        ),
        (
            DecoderSettings(strength=0),
            "The strength of the logistic decoder (C) must be from 1e-09 to 1e+09; 0 was given.",
        ),
        # The solver of the svm decoder would never return from this one.
        (
            DecoderSettings("svm", strength=1e-300),
            "The strength of the svm decoder (C) must be from 1e-09 to 1e+09; 1e-300 was given.",
        ),
        (
            DecoderSettings("ridge", strength=float("nan")),
            "The strength of the ridge decoder (penalty) must be from 1e-09 to 1e+09; nan was given.",
        ),
        (
            DecoderSettings("knn", strength=2.5),
            "The knn decoder asks a whole number of neighbours; 2.5 was given.",
        ),
    ],
    ids=lambda value: value.method if isinstance(value, DecoderSettings) else "",
)
def test_settings_that_make_no_sense(settings: DecoderSettings, text: str) -> None:
    X, labels = sample()
    assert refused(X, Targets.from_labels(labels), settings) == text


def test_rows_of_another_width() -> None:
    X, labels = sample()
    for method in DECODERS:
        decoder = fit_decoder(X, Targets.from_labels(labels), DecoderSettings(method))
        with pytest.raises(MismatchError) as caught:
            predict(decoder, X[:, :4])
        assert str(caught.value) == (
            "This decoder reads 6 values per row; representations of shape [90, 4] were given."
        )


def test_numbers_have_no_labels() -> None:
    with pytest.raises(UsageError) as caught:
        Prediction("real", np.zeros((2, 1)), ("height",)).labels()
    assert str(caught.value) == (
        "This decoder predicts 1 number per row, not classes: read `values`, not `labels()`."
    )


def test_a_decoder_of_a_later_version() -> None:
    with pytest.raises(UsageError) as caught:
        predict(Decoder("forest", "class", ("a", "b"), {}, {}), np.eye(2, dtype=np.float32))
    assert str(caught.value) == "There is no decoder 'forest'. Choose one of: logistic, svm, ridge, knn, mlp."


def test_a_draft_of_rows_of_low_rank_is_what_the_whole_fit_is() -> None:
    """Wide rows that went through few anchors, and rows of full rank, which fill their space."""
    generator = np.random.default_rng(0)
    low = (generator.normal(size=(900, 100)) @ generator.normal(size=(100, 400)) + 3).astype(np.float32)
    full = generator.normal(size=(900, 400)).astype(np.float32)
    for X, found in ((low, True), (full, False), (low[:100], False), (low[:, :100], False)):
        assert (_row_space(X - X.mean(axis=0)) is not None) == found
        targets = Targets.from_labels([str(code) for code in (X[:, 0] > 3).astype(int) + (X[:, 1] > 3)])
        task = task_of(targets)
        for draft, whole in zip(
            ridge_path(X, task, (1.0, 0.01), draft=True), ridge_path(X, task, (1.0, 0.01), draft=False), strict=True
        ):
            scale = np.abs(whole["weights"]).max()
            np.testing.assert_allclose(draft["weights"], whole["weights"], atol=1e-3 * scale)


@pytest.mark.parametrize("method", ["ridge", "logistic", "svm"])
def test_a_column_that_all_but_stands_still_is_not_blown_up(method: str) -> None:
    """Rows of another encoder may well vary there, and their answers are to stay what they are."""
    generator = np.random.default_rng(0)
    codes = np.arange(200) % 2
    X = generator.normal(size=(200, 5)).astype(np.float32)
    X[:, 0] += 3 * codes
    X[:, 4] = 2e-8 * X[:, 4] + 1e-8 * codes
    decoder = fit_decoder(X, Targets.from_labels([str(code) for code in codes]), DecoderSettings(method))
    carried = X.copy()
    carried[:, 4] = 1e-2 * generator.normal(size=200)
    right = predict(decoder, carried).labels() == codes.astype(str)
    assert right.mean() > 0.9
    assert decoder.arrays["scale"][4] == np.median(X.std(axis=0, dtype=np.float64))


@pytest.mark.parametrize("unit", [1e-12, 1e18])
def test_the_unit_of_the_input_is_of_no_account(unit: float) -> None:
    generator = np.random.default_rng(0)
    X = generator.normal(size=(60, 4)).astype(np.float32)
    X[:, 3] *= 1e-7
    targets = Targets.from_labels([str(code) for code in (X[:, 0] > 0).astype(int)])
    for method in ("ridge", "logistic", "svm"):
        plain = predict(fit_decoder(X, targets, DecoderSettings(method)), X).values
        scaled = (X.astype(np.float64) * unit).astype(np.float32)
        np.testing.assert_array_equal(
            predict(fit_decoder(scaled, targets, DecoderSettings(method)), scaled).values, plain
        )


def test_many_classes_of_few_rows_raise_no_warning_of_a_library(recwarn: pytest.WarningsRecorder) -> None:
    X = np.random.default_rng(0).normal(size=(40, 4)).astype(np.float32)
    targets = Targets.from_labels([str(row // 1.5) for row in range(40)])
    fit_decoder(X, targets, DecoderSettings("logistic"))
    assert [str(one.message) for one in recwarn] == []
