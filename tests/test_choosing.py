"""The choice of regularisation: against a plain loop, what must not change it, and when it is not made."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from relstitch.artifacts import ProjectionSpec, Targets
from relstitch.choosing import Choice, HeldOut, choose_strength
from relstitch.decoders import METHODS, DecoderSettings
from relstitch.errors import UsageError
from relstitch.relative import project

CENTRED = ProjectionSpec("cosine", center=True)
Numbers = NDArray[np.float32]


def worlds(seed: int = 0, n: int = 240, k: int = 60, noise: float = 1.5) -> tuple[Numbers, HeldOut, Targets]:
    """Training rows of one encoder, and the anchors in two others: rotations of it with noise of their own."""
    rng = np.random.default_rng(seed)
    codes = rng.integers(3, size=n)
    base = 2 * rng.normal(size=(3, 12))[codes] + rng.normal(size=(n, 12))
    targets = Targets.from_labels([f"c{code}" for code in codes])
    others = {}
    for name in ("second", "third"):
        turn = np.linalg.qr(rng.normal(size=(12, 12)))[0]
        space = (base[:k] @ turn + noise * rng.normal(size=(k, 12))).astype(np.float32)
        others[name] = project(space, space, CENTRED)
    base32 = base.astype(np.float32)
    rows = np.where(np.arange(n) < k, np.arange(n), -1)
    return project(base32, base32[:k], CENTRED), HeldOut(targets.take(np.arange(k)), rows, others), targets


def plain_choice(X: Numbers, targets: Targets, held: HeldOut, penalties: tuple[float, ...], seed: int) -> float:
    """Ridge by direct solution, for every fold, penalty and encoder in turn."""
    labelled = np.random.default_rng(seed).permutation(len(held.targets))
    by_class = sorted(labelled, key=lambda at: held.targets.values[at])
    totals = dict.fromkeys(penalties, 0.0)
    for fold in range(3):
        out = sorted(by_class[fold::3])
        kept = [column for column in range(len(held.targets)) if column not in out]
        rows = [row for row in range(len(X)) if held.rows[row] not in out]
        train = X[np.ix_(rows, kept)].astype(np.float64)
        mean, scale = train.mean(axis=0), train.std(axis=0)
        z = (train - mean) / scale
        Y = np.array([[1.0 if targets.values[row] == code else -1.0 for code in range(3)] for row in rows])
        for penalty in penalties:
            weights = np.linalg.solve(z.T @ z + penalty * len(z) * np.eye(len(kept)), z.T @ (Y - Y.mean(axis=0)))
            for space in held.spaces.values():
                values = (space[np.ix_(out, kept)] - mean) / scale @ weights + Y.mean(axis=0)
                totals[penalty] += float(np.mean(values.argmax(axis=1) == held.targets.values[out]))
    best = max(round(total, 6) for total in totals.values())
    return next(penalty for penalty in penalties if round(totals[penalty], 6) == best)


@pytest.mark.parametrize("seed", [0, 1, 2, 3])
def test_the_choice_against_a_plain_loop(seed: int) -> None:
    X, held, targets = worlds(seed)
    choice = choose_strength(X, targets, held, DecoderSettings("ridge", seed=seed))
    assert choice.how == "held-out anchors"
    assert tuple(choice.scores) == METHODS["ridge"].grid
    assert choice.strength == plain_choice(X, targets, held, METHODS["ridge"].grid, seed)


@pytest.mark.parametrize("method", ["logistic", "svm", "knn"])
def test_other_decoders_choose_too(method: str) -> None:
    X, held, targets = worlds()
    choice = choose_strength(X, targets, held, DecoderSettings(method))
    assert choice.strength in METHODS[method].grid
    assert choice.scores[choice.strength] == max(choice.scores.values()) > 0.5


def test_of_equals_the_stronger_regularisation_wins() -> None:
    X, held, targets = worlds(noise=0.0)
    choice = choose_strength(X, targets, held, DecoderSettings("ridge"))
    best = [strength for strength, value in choice.scores.items() if value == max(choice.scores.values())]
    assert len(best) > 1
    assert choice.strength == max(best)


def test_unrelated_encoders_score_near_chance() -> None:
    """Negative control: held-out anchors of a space that knows nothing of the classes are at a third."""
    X, held, targets = worlds()
    rng = np.random.default_rng(1)
    space = rng.normal(size=(60, 12)).astype(np.float32)
    blind = replace(held, spaces={"blind": project(space, space, CENTRED)})
    choice = choose_strength(X, targets, blind, DecoderSettings("ridge"))
    assert max(choice.scores.values()) < 0.6
    seeing = choose_strength(X, targets, held, DecoderSettings("ridge"))
    assert max(seeing.scores.values()) > 0.8


@settings(max_examples=6, deadline=None)
@given(seed=st.integers(0, 1000))
def test_order_of_encoders_and_names_of_classes_change_nothing(seed: int) -> None:
    X, held, targets = worlds(seed)
    one = choose_strength(X, targets, held, DecoderSettings("ridge", seed=seed))
    turned = replace(held, spaces=dict(reversed(list(held.spaces.items()))))
    assert choose_strength(X, targets, turned, DecoderSettings("ridge", seed=seed)) == one
    assert choose_strength(X, targets, held, DecoderSettings("ridge", seed=seed)) == one


def test_a_training_row_that_repeats_an_anchor_leaves_with_it() -> None:
    """A decoder that has seen a held-out anchor's twin would judge itself: with labels drawn by lot, all would be right."""
    X, held, _ = worlds(noise=0.0)
    lots = Targets.from_labels([f"c{code}" for code in np.random.default_rng(7).integers(3, size=240)])
    twice = np.concatenate([np.arange(240), np.arange(60)])
    lot = replace(held, targets=lots.take(np.arange(60)))
    aware, blind = (
        choose_strength(X[twice], lots.take(twice), replace(lot, rows=rows), DecoderSettings("knn")).scores
        for rows in (held.rows[twice], np.append(held.rows, np.full(60, -1)))
    )
    assert max(aware.values()) < 0.5
    assert blind[1] == 1.0


def test_many_training_rows_are_sampled_and_numbers_stay_the_same() -> None:
    X, held, targets = worlds(n=2600)
    first = choose_strength(X, targets, held, DecoderSettings())
    assert first == choose_strength(X, targets, held, DecoderSettings())
    assert first.how == "held-out anchors"


def test_absolute_vectors_keep_all_their_columns() -> None:
    rng = np.random.default_rng(0)
    codes = rng.integers(2, size=200)
    X = (rng.normal(size=(2, 5))[codes] * 3 + rng.normal(size=(200, 5))).astype(np.float32)
    targets = Targets.from_labels([str(code) for code in codes])
    rows = np.where(np.arange(200) < 40, np.arange(200), -1)
    held = HeldOut(targets.take(np.arange(40)), rows, {"same": X[:40]}, relative=False)
    choice = choose_strength(X, targets, held, DecoderSettings("ridge"))
    assert max(choice.scores.values()) > 0.9


def test_numbers_are_chosen_by_r2() -> None:
    X, held, _ = worlds(noise=0.5)
    heights = (X @ np.random.default_rng(0).normal(size=(60, 1))).astype(np.float32)
    real = Targets("real", heights, np.ones(len(X), dtype=bool), ("height",))
    choice = choose_strength(X, real, replace(held, targets=real.take(np.arange(60))), DecoderSettings("ridge"))
    assert choice.how == "held-out anchors"
    assert max(choice.scores.values()) > 0.5


def reason(X: Numbers, targets: Targets, held: HeldOut) -> str:
    choice = choose_strength(X, targets, held, DecoderSettings())
    assert choice.strength == 0.01
    return choice.how


def test_when_the_default_is_taken() -> None:
    X, held, targets = worlds()
    assert reason(X, targets, replace(held, spaces={})) == "default: no other encoder to try the anchors in"
    few = replace(held, targets=replace(held.targets, present=np.arange(60) < 29))
    assert reason(X, targets, few) == "default: 29 labelled anchors, fewer than 30"
    same = replace(held, targets=Targets.from_labels(["c0"] * 60))
    assert reason(X, targets, same) == "default: the anchors are all of one class"
    rest = replace(held, rows=np.where(targets.values == 0, held.rows, np.maximum(held.rows, 0)))
    assert reason(X, targets, rest) == "default: the training rows that are no anchors are all of one class"


def test_a_given_strength_is_kept_and_the_neural_decoder_has_none() -> None:
    X, held, targets = worlds()
    assert choose_strength(X, targets, held, DecoderSettings(strength=7.0)) == Choice(7.0, "given")
    assert choose_strength(X, targets, held, DecoderSettings("mlp")) == Choice(None, "this decoder has no strength")


def test_an_unknown_decoder() -> None:
    X, held, targets = worlds()
    with pytest.raises(UsageError) as caught:
        choose_strength(X, targets, held, DecoderSettings("forest"))
    assert str(caught.value) == "There is no decoder 'forest'. Choose one of: logistic, svm, ridge, knn, mlp."


def test_anchors_projected_anew_for_every_fold_are_asked_as_such() -> None:
    """Where nothing but the columns depends on the anchors, anew is the same as without their columns."""
    X, held, targets = worlds()
    again = replace(
        held,
        spaces={name: np.zeros_like(space) for name, space in held.spaces.items()},
        anew=lambda out: (
            np.delete(X, out, axis=1),
            {name: np.delete(space, out, axis=1) for name, space in held.spaces.items()},
        ),
    )
    for method in ("ridge", "logistic"):
        asked = DecoderSettings(method)
        assert choose_strength(np.zeros_like(X), targets, again, asked) == choose_strength(X, targets, held, asked)


def test_anchors_that_cannot_be_held_out_give_the_default() -> None:
    X, held, targets = worlds()
    choice = choose_strength(X, targets, replace(held, obstacle="default: so it is"), DecoderSettings("ridge"))
    assert (choice.strength, choice.how) == (METHODS["ridge"].strength, "default: so it is")
