"""Parameters of projections and products of spaces: against plain loops, their invariances, what they refuse."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from relstitch.artifacts import AnchorList, AnchorVectors, Embeddings, EncoderStamp, ProjectionSpec, Rows
from relstitch.errors import MismatchError, UsageError
from relstitch.relative import parse_projection, project, relative_representation, with_columns

Matrix = NDArray[np.float32]


def rows(n: int, d: int, seed: int = 0) -> Matrix:
    return np.random.default_rng(seed).normal(size=(n, d)).astype(np.float32)


def turn(d: int, seed: int) -> Matrix:
    return np.linalg.qr(np.random.default_rng(seed).normal(size=(d, d)))[0].astype(np.float32)


def space(X: Matrix, train: int) -> Embeddings:
    splits = ["train"] * train + ["test"] * (len(X) - train)
    stamp = EncoderStamp("st:x", "text", X.shape[1])
    return Embeddings(Rows.build([str(at) for at in range(len(X))], splits=splits), X, stamp)


def anchors_of(X: Matrix) -> AnchorVectors:
    return AnchorVectors(AnchorList(tuple(str(at) for at in range(len(X))), ("",) * len(X)), X)


def test_rbf_agrees_with_a_plain_loop() -> None:
    X, A = rows(4, 3), rows(6, 3, 1)
    pairs = [float(np.sum((a - b) ** 2)) for at, a in enumerate(A) for b in A[at + 1 :]]
    plain = [[np.exp(-2.0 * np.sum((x - a) ** 2) / np.mean(pairs)) for a in A] for x in X]
    np.testing.assert_allclose(project(X, A, ProjectionSpec("rbf", params={"gamma": 2.0})), plain, atol=1e-5)


def test_top_keeps_the_largest_and_scales_rows_to_length_one() -> None:
    X, A = rows(5, 4), rows(9, 4, 1)
    values = project(X, A)
    kept = project(X, A, ProjectionSpec(params={"top": 3, "power": 2.0}))
    for full, sparse in zip(values, kept, strict=True):
        largest = np.argsort(-full)[:3]
        plain = np.zeros(9)
        plain[largest] = np.sign(full[largest]) * full[largest] ** 2
        np.testing.assert_allclose(sparse, plain / np.linalg.norm(plain), atol=1e-5)


def test_quantised_similarities_are_multiples_of_the_step() -> None:
    X, A = rows(5, 4), rows(9, 4, 1)
    values = project(X, A, ProjectionSpec(params={"quantise": 0.25}))
    np.testing.assert_allclose(values, np.round(project(X, A) / 0.25) * 0.25, atol=1e-6)


def test_subspaces_are_averaged() -> None:
    X, A = rows(5, 6), rows(9, 6, 1)
    plain = (project(X[:, :3].copy(), A[:, :3].copy()) + project(X[:, 3:].copy(), A[:, 3:].copy())) / 2
    np.testing.assert_allclose(project(X, A, ProjectionSpec(params={"subspaces": 2})), plain, atol=1e-5)


def test_a_product_puts_spaces_side_by_side() -> None:
    X, A = rows(5, 6), rows(9, 6, 1)
    both = np.hstack([project(X, A, ProjectionSpec("cosine")), project(X, A, ProjectionSpec("l1"))])
    np.testing.assert_allclose(project(X, A, ProjectionSpec("cosine+l1")), both, atol=1e-5)
    assert relative_representation(space(X, 5), anchors_of(A), ProjectionSpec("cosine+l1")).values.shape == (5, 18)


@settings(max_examples=10, deadline=None)
@given(seed=st.integers(0, 1000))
def test_rbf_and_whitened_do_not_change_when_the_space_is_turned_and_moved(seed: int) -> None:
    X, A = rows(5, 4, seed), rows(12, 4, seed + 1)
    R = turn(4, seed)
    for name in ("rbf", "whitened", "mahalanobis"):
        first = project(X, A, ProjectionSpec(name))
        np.testing.assert_allclose(project(X @ R + 2, A @ R + 2, ProjectionSpec(name)), first, atol=1e-2, rtol=1e-2)


def test_whitening_brings_back_what_scaling_of_single_dimensions_takes_from_cosine() -> None:
    """Per-dimension scaling of the second encoder: cosine changes, the whitened product does not."""
    X, A = rows(20, 4), rows(200, 4, 1)
    scale = np.array([1.0, 5.0, 0.2, 3.0], dtype=np.float32)

    def moved(spec: ProjectionSpec) -> float:
        first, second = project(X, A, spec), project(X * scale, A * scale, spec)
        return float(np.abs(first - second).mean() / np.abs(first).mean())

    assert moved(ProjectionSpec("whitened", params={"shrinkage": 1e-6})) < 0.01
    assert moved(ProjectionSpec("cosine")) > 0.2


def test_whitened_and_mahalanobis_agree_with_plain_loops() -> None:
    X, A = rows(4, 3).astype(np.float64), rows(9, 3, 1).astype(np.float64)
    S = np.cov(A.T)
    inverse = np.linalg.inv(0.7 * S + 0.3 * np.trace(S) / 3 * np.eye(3))
    mean = A.mean(axis=0)
    inner = [[(x - mean) @ inverse @ (a - mean) for a in A] for x in X]
    distance = [[-np.sqrt((x - a) @ inverse @ (x - a)) for a in A] for x in X]
    params = {"shrinkage": 0.3}
    np.testing.assert_allclose(project(X, A, ProjectionSpec("whitened", params=params)), inner, atol=1e-9)
    np.testing.assert_allclose(project(X, A, ProjectionSpec("mahalanobis", params=params)), distance, atol=1e-9)


def test_zscores_come_from_the_training_rows_alone() -> None:
    X, A = rows(30, 4), rows(6, 4, 1)
    spec = ProjectionSpec(params={"zscore": True})
    anchors = with_columns(anchors_of(A), space(X, 20), spec)
    plain = project(X, A)
    scaled = (plain - plain[:20].mean(axis=0)) / plain[:20].std(axis=0)
    np.testing.assert_allclose(relative_representation(space(X, 20), anchors, spec).values, scaled, atol=1e-4)


def test_what_is_written_is_read() -> None:
    spec = parse_projection("cosine+rbf:gamma=0.5,top=3", center=False)
    assert spec == ProjectionSpec("cosine+rbf", False, {"gamma": 0.5, "top": 3})


REFUSED = [
    ("cosine:top", "'top' in the projection 'cosine:top' can't be read. Write NAME+NAME:PARAM,PARAM with every "
     "parameter once, as KEY=NUMBER or zscore alone: for example cosine+dot:zscore,top=50,power=4."),
    ("l1:top=3", "top and power set all but the largest similarities to 0; l1 is a negative distance, where 0 is the "
     "most alike of all. Take rbf or another similarity, or leave out top and power."),
]  # fmt: skip


@pytest.mark.parametrize(("text", "message"), REFUSED)
def test_texts_that_make_no_sense_are_refused(text: str, message: str) -> None:
    with pytest.raises(UsageError) as error:
        parse_projection(text)
    assert str(error.value) == message


def test_values_out_of_range_are_refused() -> None:
    with pytest.raises(UsageError) as error:
        parse_projection("rbf:gamma=-1")
    assert str(error.value).startswith("A projection can't be made with gamma=-1; expected ")
    message = "A projection can't be made with zscore=3; expected true or false."
    with pytest.raises(UsageError) as error:
        project(rows(2, 2), rows(2, 2), ProjectionSpec(params={"zscore": 3}))
    assert str(error.value) == message


def test_unknown_names_and_parameters_are_refused() -> None:
    with pytest.raises(UsageError) as error:
        parse_projection("rbf:temperature=1")
    assert str(error.value) == (
        "The projection 'rbf' has no parameter temperature; its parameters: gamma, subspaces, quantise, top, power, "
        "zscore."
    )


def test_subspaces_that_do_not_divide_the_width_are_refused() -> None:
    with pytest.raises(MismatchError) as error:
        project(rows(2, 5), rows(3, 5), ProjectionSpec(params={"subspaces": 2}))
    assert str(error.value) == (
        "The vectors are 5 wide, which 2 subspaces of equal width do not divide. Choose a divisor of the width."
    )


def test_zscores_need_the_columns_moments() -> None:
    spec = ProjectionSpec(params={"zscore": True})
    with pytest.raises(UsageError) as missing:
        relative_representation(space(rows(4, 3), 4), anchors_of(rows(3, 3, 1)), spec)
    assert str(missing.value) == (
        f"The projection {spec} scales each column by its mean and spread over the encoder's own training rows, and "
        "these anchors come without them. Measure them with relstitch.relative.with_columns, or leave out zscore."
    )
    with pytest.raises(MismatchError) as wrong:
        project(rows(4, 3), rows(3, 3, 1), spec, columns=np.ones((2, 5), dtype=np.float32))
    assert str(wrong.value) == (
        f"The columns' mean and spread have the shape [2, 5]; the projection {spec} needs [2, 3]. Measure them with "
        "this projection and these anchors."
    )
    with pytest.raises(MismatchError) as empty:
        with_columns(anchors_of(rows(3, 3)), space(rows(0, 3), 0), spec)
    assert str(empty.value) == (
        "There are no rows to measure the mean and spread of each similarity over, which zscore needs. Give "
        "embeddings with rows, or leave out zscore."
    )


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("cosine+", "The projection 'cosine+' lacks a name beside a +. Write names with one + between two, for example "
         "cosine+rbf."),
        ("cosine+l1+cosine", "The projection 'cosine+l1+cosine' has cosine more than once, which adds nothing. Name "
         "each once."),
        ("cosine:power=1e300", "A projection can't be made with power=1e+300; expected an exponent from 0.001 to 1000."),
    ],
)  # fmt: skip
def test_products_that_say_too_little_or_too_much(text: str, message: str) -> None:
    with pytest.raises(UsageError) as error:
        parse_projection(text)
    assert str(error.value) == message
