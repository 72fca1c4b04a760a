"""What any projection can be asked for: products, subspaces, rounding, the largest only, scaled columns."""

import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from relstitch.artifacts import (
    AnchorList,
    AnchorVectors,
    Decoder,
    Embeddings,
    EncoderStamp,
    ProjectionSpec,
    Relative,
    Rows,
)
from relstitch.errors import ArtifactError, MismatchError, UsageError
from relstitch.relative import parse_projection, project, relative_representation, with_columns
from relstitch.storage import load, save
from relstitch.transformer import RelativeProjection

Matrix = NDArray[np.float32]
quick = settings(max_examples=15, deadline=None)
seeds = st.integers(0, 2**32 - 1)


def normal(seed: int, *shape: int) -> Matrix:
    return np.random.default_rng(seed).standard_normal(shape).astype(np.float32)


def space(vectors: Matrix, splits: list[str] | None = None) -> Embeddings:
    rows = Rows.build([f"r{i}" for i in range(len(vectors))], splits=splits or "all")
    return Embeddings(rows, vectors, EncoderStamp("vectors:x", "vectors", vectors.shape[1]))


def anchored(vectors: Matrix) -> AnchorVectors:
    return AnchorVectors(AnchorList(tuple(f"r{i}" for i in range(len(vectors))), ("",) * len(vectors)), vectors)


def array(columns: Matrix | None) -> Matrix:
    assert columns is not None
    return columns


def spin(seed: int, d: int) -> Matrix:
    return np.linalg.qr(normal(seed, d, d).astype(np.float64))[0].astype(np.float32)


# --- against plain loops ---------------------------------------------------------------------------------------------


def test_a_product_is_its_spaces_side_by_side() -> None:
    X, A = normal(1, 7, 6), normal(2, 3, 6)
    found = project(X, A, parse_projection("cosine+rbf:gamma=2"))
    assert found.shape == (7, 6)
    np.testing.assert_array_equal(found[:, :3], project(X, A, ProjectionSpec("cosine")))
    np.testing.assert_array_equal(found[:, 3:], project(X, A, ProjectionSpec("rbf", params={"gamma": 2})))


def test_subspaces_are_averaged() -> None:
    X, A = normal(3, 7, 6) + 1, normal(4, 3, 6) + 1
    parts = [project(X[:, c : c + 2], A[:, c : c + 2]).astype(np.float64) for c in (0, 2, 4)]
    np.testing.assert_allclose(project(X, A, parse_projection("cosine:subspaces=3")), sum(parts) / 3, atol=1e-6)
    np.testing.assert_array_equal(project(X, A, parse_projection("cosine:subspaces=1")), project(X, A))


def test_similarities_are_rounded() -> None:
    X, A = normal(5, 50, 6), normal(6, 4, 6)
    plain = project(X, A)
    expected = [[round(float(value) / 0.25) * 0.25 for value in row] for row in plain]
    np.testing.assert_array_equal(project(X, A, parse_projection("cosine:quantise=0.25")), expected)


def largest(row: list[float], s: int, p: float) -> list[float]:
    """The s largest of a row, to the power p with their sign, as a unit vector."""
    kept = sorted(range(len(row)), key=lambda place: (-row[place], place))[:s]
    powered = [math.copysign(abs(v) ** p, v) if place in kept else 0.0 for place, v in enumerate(row)]
    length = math.sqrt(sum(v * v for v in powered))
    return [v / length if length else 0.0 for v in powered]


@pytest.mark.parametrize(("s", "p"), [(2, 3.0), (1, 0.5), (5, 1.0), (9, 2.0)])
def test_the_largest_are_kept(s: int, p: float) -> None:
    X, A = normal(7, 20, 4), normal(8, 5, 4)
    expected = [largest([float(v) for v in row], s, p) for row in project(X, A)]
    found = project(X, A, ProjectionSpec(params={"top": s, "power": p}))
    np.testing.assert_allclose(found, expected, atol=1e-5)
    assert np.count_nonzero(found, axis=1).max() <= s


def test_of_equal_similarities_the_first_anchors_are_kept() -> None:
    X = np.array([[1.0, 1.0], [0.0, 0.0]], dtype=np.float32)
    A = np.array([[1.0, 0.0], [0.0, 1.0], [1.0, 0.0]], dtype=np.float32)
    spec = ProjectionSpec("cosine", False, {"top": 1})
    assert project(X, A, spec).tolist() == [[1.0, 0.0, 0.0], [0.0, 0.0, 0.0]], "a zero row stays zero"


@pytest.mark.parametrize("power", [1000.0, 0.001])
def test_extreme_powers_stay_in_range(power: float) -> None:
    found = project(normal(9, 20, 4), normal(10, 5, 4) * 1e-20, ProjectionSpec("dot", params={"power": power}))
    np.testing.assert_allclose(np.linalg.norm(found, axis=1), 1.0, atol=1e-5)


def test_steps_follow_their_order() -> None:
    """Rounded, then the largest, then scaled: a row that was rounded to nothing is zero before it is scaled."""
    X, A = normal(11, 30, 6), normal(12, 4, 6)
    spec = parse_projection("cosine:quantise=0.5,top=2,power=2,zscore")
    anchors = with_columns(anchored(A), space(X), spec)
    rounded = [[round(float(v) * 2) / 2 for v in row] for row in project(X, A)]
    kept = np.array([largest(row, 2, 2.0) for row in rounded])
    expected = (kept - kept.mean(axis=0)) / kept.std(axis=0)
    np.testing.assert_allclose(project(X, A, spec, columns=anchors.columns), expected, atol=1e-4)


# --- scaled columns --------------------------------------------------------------------------------------------------

ZSCORED = ProjectionSpec("cosine+dot", params={"zscore": True})


def test_columns_are_measured_on_training_rows_alone() -> None:
    X = normal(13, 40, 6)
    splits = ["train"] * 25 + ["test"] * 15
    anchors = with_columns(anchored(X[:4]), space(X, splits), ZSCORED)
    changed = X.copy()
    changed[25:] *= 100
    again = with_columns(anchored(X[:4]), space(changed, splits), ZSCORED)
    np.testing.assert_array_equal(array(anchors.columns), array(again.columns))
    values = relative_representation(space(X, splits), anchors, ZSCORED).values
    np.testing.assert_allclose(values[:25].mean(axis=0), 0.0, atol=1e-5)
    np.testing.assert_allclose(values[:25].std(axis=0), 1.0, atol=1e-5)
    assert np.abs(values[25:].mean(axis=0)).max() > 0.01, "test rows are not standardised by themselves"


def test_columns_without_a_training_split_are_measured_on_all_rows() -> None:
    X = normal(14, 40, 6)
    whole = with_columns(anchored(X[:4]), space(X), ZSCORED).columns
    named = with_columns(anchored(X[:4]), space(X, ["train"] * 40), ZSCORED).columns
    np.testing.assert_array_equal(array(whole), array(named))


def test_columns_that_do_not_vary_become_zero() -> None:
    X = np.tile(np.array([[0.1, 0.3]], dtype=np.float32), (9, 1))
    spec = ProjectionSpec("cosine", False, {"zscore": True})
    anchors = with_columns(anchored(X[:2]), space(X), spec)
    assert not relative_representation(space(X), anchors, spec).values.any()


def test_anchors_are_left_as_they_are_without_zscore() -> None:
    anchors = anchored(normal(15, 3, 6))
    assert with_columns(anchors, space(normal(16, 9, 6)), ProjectionSpec()) is anchors
    assert with_columns(anchors, space(normal(16, 9, 6)), ProjectionSpec(params={"zscore": False})) is anchors


def test_zscore_needs_columns_of_its_own_projection() -> None:
    X = normal(17, 9, 6)
    with pytest.raises(UsageError) as missing:
        relative_representation(space(X), anchored(X[:3]), ProjectionSpec(params={"zscore": True}))
    assert str(missing.value) == (
        "The projection cosine, centred, zscore=True scales each column by its mean and spread over the encoder's own "
        "training rows, and these anchors come without them. Measure them with relstitch.relative.with_columns, or "
        "leave out zscore."
    )
    anchors = with_columns(anchored(X[:3]), space(X), ZSCORED)
    with pytest.raises(MismatchError) as other:
        relative_representation(space(X), anchors, ProjectionSpec(params={"zscore": True}))
    assert str(other.value) == (
        "The columns' mean and spread have the shape [2, 6]; the projection cosine, centred, zscore=True needs "
        "[2, 3]. Measure them with this projection and these anchors."
    )
    with pytest.raises(MismatchError) as empty:
        with_columns(anchored(X[:3]), space(X[:0]), ZSCORED)
    assert str(empty.value) == (
        "There are no rows to measure the mean and spread of each similarity over, which zscore needs. Give embeddings "
        "with rows, or leave out zscore."
    )


# --- invariances, and what must break them ---------------------------------------------------------------------------

WHOLE = ("rbf", "whitened", "mahalanobis", "cosine:top=3,power=4", "cosine+rbf:zscore")


def seen(text: str, X: Matrix) -> Matrix:
    spec = parse_projection(text)
    return relative_representation(space(X), with_columns(anchored(X[:12]), space(X), spec), spec).values


@quick
@given(seed=seeds, scale=st.floats(1e-2, 1e2), text=st.sampled_from(WHOLE))
def test_rotation_rescaling_and_a_shift_change_nothing(seed: int, scale: float, text: str) -> None:
    X = normal(seed, 40, 8)
    Y = ((X + 0.5) @ spin(seed, 8) * scale).astype(np.float32)
    np.testing.assert_allclose(seen(text, Y), seen(text, X), atol=2e-3)


@pytest.mark.parametrize("text", ["cosine:subspaces=4", "dot"])
def test_a_rotation_and_a_scale_change_these(text: str) -> None:
    """Negative control: groups of columns are not those of a rotated space, and an inner product has a scale."""
    X = normal(18, 40, 8)
    assert np.abs(seen(text, 3 * X @ spin(18, 8)) - seen(text, X)).max() > 0.1


@pytest.mark.parametrize("text", WHOLE)
def test_a_shear_changes_it(text: str) -> None:
    """Negative control of the tolerance."""
    X, shear = normal(19, 40, 8), np.eye(8, dtype=np.float32)
    shear[0, 1:] = 1.5
    assert np.abs(seen(text, X @ shear) - seen(text, X)).max() > 0.05


def test_whitening_without_shrinkage_to_speak_of_undoes_any_linear_map() -> None:
    X = normal(20, 60, 5)
    mix = spin(20, 5) * np.array([0.5, 1, 2, 3, 4], dtype=np.float32)
    for name in ("whitened", "mahalanobis"):
        loose = ProjectionSpec(name, params={"shrinkage": 1e-6})
        np.testing.assert_allclose(project(X @ mix, (X @ mix)[:30], loose), project(X, X[:30], loose), atol=1e-2)
        held = ProjectionSpec(name, params={"shrinkage": 1.0})
        assert np.abs(project(X @ mix, (X @ mix)[:30], held) - project(X, X[:30], held)).max() > 0.1


@pytest.mark.parametrize("name", ["rbf", "whitened", "mahalanobis"])
def test_anchors_without_any_spread(name: str) -> None:
    """One anchor, or the same one twice, gives no scale: lengths count as they are."""
    X = normal(21, 6, 4)
    for A in (X[:1], X[[0, 0]]):
        plain = project(X, A, ProjectionSpec("euclidean" if name != "whitened" else "dot", center=False))
        expected = np.exp(-np.square(plain)) if name == "rbf" else plain
        np.testing.assert_allclose(project(X, A, ProjectionSpec(name, center=False)), expected, atol=1e-5)


# --- what is written, and refused ------------------------------------------------------------------------------------


def test_projections_are_read_as_they_are_written() -> None:
    assert parse_projection("l1", center=False) == ProjectionSpec("l1", False)
    found = parse_projection("cosine+rbf: zscore, top=50 ,power=0.5,gamma=2", center=False)
    assert found == ProjectionSpec("cosine+rbf", False, {"zscore": True, "top": 50, "power": 0.5, "gamma": 2})
    assert found.factors == 2


@pytest.mark.parametrize("item", ["top", "top=", "top=many", "zscore=x", "=3", ""])
def test_parameters_that_cannot_be_read(item: str) -> None:
    text = f"cosine:{item}"
    with pytest.raises(UsageError) as caught:
        parse_projection(text)
    assert str(caught.value) == (
        f"{item!r} in the projection {text!r} can't be read. Write NAME+NAME:PARAM,PARAM with every parameter once, as "
        "KEY=NUMBER or zscore alone: for example cosine+dot:zscore,top=50,power=4."
    )


def test_a_parameter_stands_once() -> None:
    with pytest.raises(UsageError, match=r"^'top=2' in the projection 'cosine:top=1,top=2' can't be read"):
        parse_projection("cosine:top=1,top=2")


@pytest.mark.parametrize(
    ("key", "value", "words"),
    [
        ("subspaces", 0, "a whole number of groups of columns, 1 or more"),
        ("subspaces", 2.5, "a whole number of groups of columns, 1 or more"),
        ("quantise", 0, "the step that similarities are rounded to, from 1e-9 to 1e9"),
        ("quantise", math.nan, "the step that similarities are rounded to, from 1e-9 to 1e9"),
        ("top", True, "a whole number of similarities to keep, 1 or more"),
        ("top", math.inf, "a whole number of similarities to keep, 1 or more"),
        ("power", -1, "an exponent from 0.001 to 1000"),
        ("power", "4", "an exponent from 0.001 to 1000"),
        ("gamma", 0, "a number from 1e-9 to 1e9"),
        ("zscore", 1, "true or false"),
    ],
)
def test_values_that_make_no_projection(key: str, value: Any, words: str) -> None:
    with pytest.raises(UsageError) as caught:
        project(normal(22, 4, 6), normal(23, 2, 6), ProjectionSpec("rbf", params={key: value}))
    assert str(caught.value) == f"A projection can't be made with {key}={value}; expected {words}."


def test_a_number_that_is_none_is_refused_from_the_command_line_too() -> None:
    for text in ("rbf:top=inf", "rbf:top=nan"):
        with pytest.raises(UsageError, match=r"^A projection can't be made with top="):
            parse_projection(text)


def test_shrinkage_is_a_share() -> None:
    with pytest.raises(UsageError) as caught:
        parse_projection("whitened:shrinkage=2")
    assert str(caught.value) == "A projection can't be made with shrinkage=2; expected a share from 1e-6 to 1."


def test_names_of_a_product_are_checked_one_by_one() -> None:
    with pytest.raises(UsageError, match=r"^There is no projection 'cosin'"):
        parse_projection("l1+cosin")
    with pytest.raises(UsageError) as caught:
        parse_projection("l1+dot:gamma=1")
    assert str(caught.value) == (
        "The projection 'l1+dot' has no parameter gamma; its parameters: subspaces, quantise, top, power, zscore."
    )


@pytest.mark.parametrize("params", ["top=3", "power=2"])
def test_the_largest_of_a_negative_distance_are_refused(params: str) -> None:
    with pytest.raises(UsageError) as caught:
        parse_projection(f"cosine+l1:{params}")
    assert str(caught.value) == (
        "top and power set all but the largest similarities to 0; l1 is a negative distance, where 0 is the most alike "
        "of all. Take rbf or another similarity, or leave out top and power."
    )


def test_subspaces_must_divide_the_width() -> None:
    with pytest.raises(MismatchError) as caught:
        project(normal(24, 4, 6), normal(25, 2, 6), parse_projection("cosine:subspaces=4"))
    assert str(caught.value) == (
        "The vectors are 6 wide, which 4 subspaces of equal width do not divide. Choose a divisor of the width."
    )


# --- files, and the transformer --------------------------------------------------------------------------------------


def test_columns_and_products_come_back_from_files(tmp_path: Path) -> None:
    X = normal(26, 9, 6)
    anchors = with_columns(anchored(X[:4]), space(X), ZSCORED)
    made = relative_representation(space(X), anchors, ZSCORED)
    save(made, tmp_path / "r.safetensors")
    found = load(tmp_path / "r.safetensors")
    assert isinstance(found, Relative)
    assert (found.projection, found.values.shape) == (ZSCORED, (9, 8))
    np.testing.assert_array_equal(array(found.anchors.columns), array(anchors.columns))
    stamp = made.encoder
    decoder = Decoder(
        "ridge", "class", ("a", "b"), {"weights": normal(27, 8, 2)}, {}, stamp, ZSCORED, ((stamp, anchors),)
    )
    save(decoder, tmp_path / "d.safetensors")
    again = load(tmp_path / "d.safetensors")
    assert isinstance(again, Decoder)
    np.testing.assert_array_equal(array(again.spaces[0][1].columns), array(anchors.columns))


def test_columns_of_a_file_must_be_finite(tmp_path: Path) -> None:
    X = normal(28, 9, 6)
    made = relative_representation(space(X), with_columns(anchored(X[:4]), space(X), ZSCORED), ZSCORED)
    broken = replace(made, anchors=replace(made.anchors, columns=np.full((2, 8), np.nan, dtype=np.float32)))
    save(broken, tmp_path / "r.safetensors")
    with pytest.raises(ArtifactError, match=r"its tensor 'anchors\.columns' holds values that are not finite"):
        load(tmp_path / "r.safetensors")


def test_a_transformer_of_a_product_names_all_its_columns() -> None:
    X = normal(29, 9, 6)
    made = RelativeProjection("cosine+rbf:top=2").fit(X[:3])
    assert made.transform(X).shape == (9, 6)
    assert len(made.get_feature_names_out()) == 6
