"""Scores against scikit-learn and against counting by hand; what must not change them; what they refuse."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from relstitch.artifacts import Targets
from relstitch.artifacts.rows import TargetKind
from relstitch.decoders import Prediction
from relstitch.errors import MismatchError
from relstitch.scoring import LEADING, METRICS, floor, score

CLASSES = ("ant", "bee", "cat", "dog")


def answers(labels: list[str], names: tuple[str, ...] = CLASSES) -> Prediction:
    return Prediction("class", np.array([names.index(label) for label in labels]), names)


def drawn(n: int, seed: int, names: tuple[str, ...] = CLASSES) -> list[str]:
    return [names[code] for code in np.random.default_rng(seed).integers(len(names), size=n)]


def all_present(kind: TargetKind, values: NDArray[np.generic], names: tuple[str, ...]) -> Targets:
    return Targets(kind, values, np.ones(len(values), dtype=bool), names)


@settings(max_examples=15, deadline=None)
@given(seed=st.integers(0, 10_000), n=st.integers(1, 30))
def test_classes_are_scored_as_scikit_learn_scores_them(seed: int, n: int) -> None:
    from sklearn.metrics import accuracy_score, f1_score

    truth, said = drawn(n, seed), drawn(n, seed + 1)
    scored = score(answers(said), Targets.from_labels(truth))
    assert scored.metrics["accuracy"] == pytest.approx(accuracy_score(truth, said))
    for average in ("macro", "weighted"):
        expected = f1_score(truth, said, average=average, zero_division=0)
        assert scored.metrics[f"{average}_f1"] == pytest.approx(expected)


def test_classes_counted_by_hand() -> None:
    scored = score(answers(["ant", "ant", "bee", "cat"]), Targets.from_labels(["ant", "bee", "bee", "bee"]))
    # ant: 1 hit of 1 true and 2 said, F1 2/3; bee: 1 hit of 3 true and 1 said, 1/2; cat: said once, never true, 0.
    assert scored.metrics == {
        "accuracy": 0.5,
        "macro_f1": pytest.approx((2 / 3 + 1 / 2 + 0) / 3),
        "weighted_f1": pytest.approx((2 / 3 + 3 * 1 / 2) / 4),
    }
    assert scored.rows == 4


@settings(max_examples=10, deadline=None)
@given(seed=st.integers(0, 10_000))
def test_several_labels_are_scored_as_scikit_learn_scores_them(seed: int) -> None:
    from sklearn.metrics import accuracy_score, f1_score

    rng = np.random.default_rng(seed)
    truth, said = rng.random((20, 3)) < 0.5, rng.random((20, 3)) < 0.5
    names = ("x", "y", "z")
    scored = score(Prediction("multilabel", said, names), all_present("multilabel", truth, names))
    assert scored.metrics["subset_accuracy"] == pytest.approx(accuracy_score(truth, said))
    for average in ("macro", "weighted"):
        expected = f1_score(truth, said, average=average, zero_division=0)
        assert scored.metrics[f"{average}_f1"] == pytest.approx(expected)


@settings(max_examples=10, deadline=None)
@given(seed=st.integers(0, 10_000))
def test_numbers_are_scored_as_scikit_learn_scores_them(seed: int) -> None:
    from sklearn.metrics import mean_squared_error, r2_score

    rng = np.random.default_rng(seed)
    truth, said = rng.normal(size=(20, 2)).astype(np.float32), rng.normal(size=(20, 2))
    scored = score(Prediction("real", said, ("a", "b")), all_present("real", truth, ("a", "b")))
    assert scored.metrics["r2"] == pytest.approx(r2_score(truth, said), rel=1e-5)
    assert scored.metrics["rmse"] == pytest.approx(mean_squared_error(truth, said) ** 0.5, rel=1e-5)


@settings(max_examples=10, deadline=None)
@given(seed=st.integers(0, 10_000))
def test_order_of_rows_and_of_names_changes_nothing(seed: int) -> None:
    """A property, and the case of cleanlab #997: two sides whose class orders differ."""
    rng = np.random.default_rng(seed)
    truth, said = drawn(15, seed), drawn(15, seed + 1)
    order = rng.permutation(15)
    other_names = tuple(rng.permutation(CLASSES).tolist())
    moved = score(
        answers([said[at] for at in order], other_names), Targets.from_labels([truth[at] for at in order])
    ).metrics
    assert moved == pytest.approx(score(answers(said), Targets.from_labels(truth)).metrics)


def test_columns_of_numbers_meet_by_name() -> None:
    truth = np.array([[1.0, 10.0], [2.0, 30.0], [4.0, 20.0]], dtype=np.float32)
    scored = score(
        Prediction("real", truth[:, ::-1], ("depth", "height")), all_present("real", truth, ("height", "depth"))
    )
    assert scored.metrics == {"r2": 1.0, "rmse": 0.0}


def test_torn_answers_score_low() -> None:
    """Negative control: right answers on other rows are wrong answers."""
    truth = drawn(400, 0)
    assert score(answers(truth), Targets.from_labels(truth)).metrics["accuracy"] == 1.0
    assert score(answers(truth[1:] + truth[:1]), Targets.from_labels(truth)).metrics["accuracy"] < 0.4


def test_a_label_the_decoder_never_saw_is_wrong_and_listed() -> None:
    """scikit-learn #19830: the row counts as wrong; the score without such rows is given beside it."""
    truth = Targets.from_labels(["ant", "newt", "bee", "newt", "owl", "bee"])
    scored = score(answers(["ant", "ant", "bee", "bee", "cat", "cat"]), truth)
    assert scored.metrics["accuracy"] == pytest.approx(2 / 6)
    assert scored.unseen == {"newt": 2, "owl": 1}
    assert scored.without_unseen == pytest.approx(2 / 3)
    only = score(answers(["ant"]), Targets.from_labels(["newt"]))
    assert (only.metrics["accuracy"], only.without_unseen) == (0.0, None)


def test_a_label_of_several_that_the_decoder_never_saw() -> None:
    said = Prediction("multilabel", np.array([[True], [True], [False]]), ("x",))
    truth = all_present("multilabel", np.array([[True, True], [True, False], [False, True]]), ("x", "new"))
    scored = score(said, truth)
    assert scored.metrics["subset_accuracy"] == pytest.approx(1 / 3)
    assert scored.unseen == {"new": 2}
    assert scored.without_unseen == 1.0
    none_known = score(said, all_present("multilabel", np.array([[True, True]] * 3), ("x", "new")))
    assert none_known.without_unseen is None


def test_no_label_given_and_none_true() -> None:
    said = Prediction("multilabel", np.zeros((2, 2), dtype=bool), ("x", "y"))
    scored = score(said, all_present("multilabel", np.zeros((2, 2), dtype=bool), ("x", "y")))
    assert scored.metrics == {"subset_accuracy": 1.0, "macro_f1": 0.0, "weighted_f1": 0.0}


def test_label_map_reads_other_names() -> None:
    said = answers(["ant", "bee", "bee"])
    truth = Targets.from_labels(["Ameise", "Biene", "bee"])
    assert score(said, truth).metrics["accuracy"] == pytest.approx(1 / 3)
    assert score(said, truth, label_map={"Ameise": "ant", "Biene": "bee"}).metrics["accuracy"] == 1.0


def test_rows_without_a_label_are_not_scored() -> None:
    scored = score(answers(["ant", "bee", "cat"]), Targets.from_labels(["ant", None, "bee"]))
    assert (scored.rows, scored.metrics["accuracy"]) == (2, 0.5)


def test_a_figure_that_does_not_exist_is_left_out() -> None:
    """fabric-dw #831: never NaN. R² of targets that do not vary has no meaning."""
    truth = all_present("real", np.full((3, 1), 2.0, dtype=np.float32), ("a",))
    assert score(Prediction("real", np.zeros((3, 1)), ("a",)), truth).metrics == {"rmse": 2.0}


def test_floor_is_the_training_splits_commonest_answer() -> None:
    train = Targets.from_labels(["ant", "ant", "bee", None])
    assert floor(train, Targets.from_labels(["bee", "bee", "ant", None, "owl"])) == 0.25
    assert floor(train, Targets.from_labels(["bee"])) == 0.0
    sets = np.array([[True, True], [True, True], [True, False]])
    assert floor(all_present("multilabel", sets, ("x", "y")), all_present("multilabel", sets[1:], ("x", "y"))) == 0.5
    numbers = all_present("real", np.array([[1.0], [2.0]], dtype=np.float32), ("a",))
    assert floor(numbers, numbers) == 0.0


def test_leading_metrics_come_first() -> None:
    assert {kind: names[0] for kind, names in METRICS.items()} == LEADING


@pytest.mark.parametrize(
    ("prediction", "targets", "text"),
    [
        (
            answers(["ant"]),
            Targets.from_labels(["ant", "bee"]),
            "1 answer came with 2 targets; expected one answer per row.",
        ),
        (
            answers(["ant"]),
            all_present("real", np.zeros((1, 1), dtype=np.float32), ("a",)),
            "The decoder's answers are of kind 'class' and the targets of kind 'real'. "
            "Score a decoder on targets of the kind it was trained on.",
        ),
        (
            answers(["ant"]),
            Targets.from_labels([None]),
            "Of 1 row none has a label, so there is nothing to score.",
        ),
        (
            Prediction("real", np.zeros((1, 2)), ("a", "b")),
            all_present("real", np.zeros((1, 2), dtype=np.float32), ("a", "c")),
            "The decoder predicts the columns a, b; the targets hold a, c. "
            "Columns meet by name: encode both with the same --target columns.",
        ),
    ],
    ids=["rows", "kind", "none", "columns"],
)
def test_refusals(prediction: Prediction, targets: Targets, text: str) -> None:
    with pytest.raises(MismatchError) as caught:
        score(prediction, targets)
    assert str(caught.value) == text
