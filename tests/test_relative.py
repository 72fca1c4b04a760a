"""Relative representations against plain loops, their invariances, and what must break them."""

import math
import tracemalloc
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from relstitch.artifacts import (
    AnchorList,
    Anchors,
    AnchorSide,
    AnchorVectors,
    Embeddings,
    EncoderStamp,
    ProjectionSpec,
    Rows,
    Skipped,
)
from relstitch.errors import MismatchError, UsageError
from relstitch.names import PROJECTIONS as NAMES
from relstitch.relative import (
    PROJECTIONS,
    anchor_vectors,
    count_zero_rows,
    mean_cosine,
    project,
    relative_representation,
)

Matrix = NDArray[np.float32]
DIRECTIONAL = ("cosine", "angular", "polynomial")
BY_ANCHORS = ("rbf", "whitened", "mahalanobis")  # what they give depends on all anchors: test_relative_parameters.py
PLAIN = tuple(name for name in NAMES if name not in BY_ANCHORS)
seeds = st.integers(0, 2**32 - 1)
quick = settings(max_examples=20, deadline=None)


def normal(seed: int, *shape: int) -> NDArray[np.float64]:
    return np.random.default_rng(seed).standard_normal(shape)


def single(values: NDArray[Any]) -> Matrix:
    return values.astype(np.float32)


def orthogonal(seed: int, d: int) -> NDArray[np.float64]:
    """A random rotation, followed by a reflection for odd seeds."""
    q, r = np.linalg.qr(normal(seed, d, d))
    q = q * np.sign(np.diag(r))
    if (np.linalg.det(q) < 0) != bool(seed % 2):
        q[:, 0] *= -1
    return q


def of(name: str, center: bool = False) -> ProjectionSpec:
    return ProjectionSpec(name, center)


def space(vectors: NDArray[Any], ids: list[str] | None = None) -> Embeddings:
    rows = Rows.build(ids or [f"r{i}" for i in range(len(vectors))])
    return Embeddings(rows, single(vectors), EncoderStamp("vectors:x", "vectors", vectors.shape[1]))


def listed(*ids: str) -> AnchorList:
    return AnchorList(ids, ("",) * len(ids))


def oracle(name: str, x: list[float], a: list[float]) -> float:
    """One similarity in plain Python."""
    dot = sum(p * q for p, q in zip(x, a, strict=True))
    lengths = math.sqrt(sum(p * p for p in x)) * math.sqrt(sum(q * q for q in a))
    cosine = max(-1.0, min(1.0, dot / lengths)) if lengths else 0.0
    gaps = [abs(p - q) for p, q in zip(x, a, strict=True)]
    return {
        "cosine": cosine,
        "angular": 1 - math.acos(cosine) / math.pi,
        "euclidean": -math.sqrt(sum(gap * gap for gap in gaps)),
        "l1": -sum(gaps),
        "linf": -max(gaps),
        "dot": dot,
        "polynomial": (cosine + 1) ** 2,
    }[name]


# --- against the oracle ----------------------------------------------------------------------------------------------


def test_the_registry_holds_the_names_of_the_help() -> None:
    assert tuple(PROJECTIONS) == NAMES
    assert all(projection.name == name and projection.source for name, projection in PROJECTIONS.items())


@pytest.mark.parametrize("center", [False, True])
@pytest.mark.parametrize("name", PLAIN)
def test_every_projection_agrees_with_plain_loops(name: str, center: bool) -> None:
    X, A = single(normal(1, 9, 5) + 0.5), single(normal(2, 4, 5) + 0.5)
    mean = [sum(map(float, column)) / len(A) if center else 0.0 for column in A.T]
    shifted_x = [[float(v) - m for v, m in zip(x, mean, strict=True)] for x in X]
    shifted_a = [[float(v) - m for v, m in zip(a, mean, strict=True)] for a in A]
    expected = [[oracle(name, x, a) for a in shifted_a] for x in shifted_x]
    found = project(X, A, of(name, center))
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, expected, atol=2e-6)


@pytest.mark.parametrize("name", NAMES)
def test_rows_alone_are_as_rows_in_a_batch(name: str) -> None:
    """Blocks are an inner matter: a row past a block's end is what it is alone."""
    X, A = single(normal(3, 4099, 3)), single(normal(4, 5, 3))
    whole = project(X, A, of(name, True))
    for row in (0, 4095, 4096, 4098):
        np.testing.assert_allclose(whole[row], project(X[row : row + 1], A, of(name, True))[0], atol=1e-6)


def test_polynomial_is_the_squared_kernel_of_unit_vectors_and_not_of_raw_ones() -> None:
    X = single(np.array([[3.0, 0.0], [0.0, 2.0], [-1.0, 0.0]]))
    assert project(X, X[:1], of("polynomial")).tolist() == [[4.0], [1.0], [0.0]]


@pytest.mark.parametrize("name", NAMES)
def test_larger_means_more_alike(name: str) -> None:
    a = single(np.array([[1.0, 1.0]]))
    near, far = single(np.array([[0.9, 1.0]])), single(np.array([[-2.0, 0.5]]))
    assert project(near, a, of(name))[0, 0] > project(far, a, of(name))[0, 0]


@pytest.mark.parametrize("name", ["l1", "linf"])
def test_distances_by_value_need_bounded_memory(name: str) -> None:
    X, A = single(normal(5, 3000, 100)), single(normal(6, 200, 100))
    tracemalloc.start()
    try:
        project(X, A, of(name))
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 15e6, "n × k × d float32 values would be 240 MB"


def test_float64_stays_float64() -> None:
    X = normal(7, 6, 4)
    found = project(X, X[:2], of("cosine"))
    assert found.dtype == np.float64
    np.testing.assert_allclose(found[0, 0], 1.0, atol=1e-15)


@pytest.mark.parametrize("name", NAMES)
def test_no_rows_give_no_values(name: str) -> None:
    assert project(single(np.empty((0, 3))), single(normal(8, 2, 3)), of(name)).shape == (0, 2)


@pytest.mark.parametrize("scale", [1e-25, 1e-3, 1e3, 1e25])
def test_lengths_whose_squares_leave_float32(scale: float) -> None:
    X = normal(9, 20, 8)
    np.testing.assert_allclose(
        project(single(X * scale), single(X[:5] * scale), of("cosine", True)),
        project(single(X), single(X[:5]), of("cosine", True)),
        atol=1e-5,
    )


def test_near_points_keep_their_distance() -> None:
    """‖x‖² + ‖a‖² − 2x·a in float32 would give 0 or noise here."""
    A = single(np.full((1, 16), 100.0))
    X = single(np.full((1, 16), 100.001))
    gap = float(np.linalg.norm(X.astype(np.float64) - A.astype(np.float64)))
    np.testing.assert_allclose(project(X, A, of("euclidean"))[0, 0], -gap, rtol=1e-4)


# --- invariances, and what must break them ---------------------------------------------------------------------------


@quick
@given(seed=seeds, scale=st.floats(1e-3, 1e3), name=st.sampled_from(DIRECTIONAL), center=st.booleans())
def test_rotation_reflection_and_rescaling_change_nothing(seed: int, scale: float, name: str, center: bool) -> None:
    X = normal(seed, 40, 12) + 0.3
    Y = scale * X @ orthogonal(seed, 12)
    before = project(single(X), single(X[:10]), of(name, center))
    after = project(single(Y), single(Y[:10]), of(name, center))
    np.testing.assert_allclose(after, before, atol=1e-5)


@quick
@given(seed=seeds, name=st.sampled_from(("cosine", "angular")), center=st.booleans())
def test_a_shear_changes_it(seed: int, name: str, center: bool) -> None:
    """Negative control: the tolerance of the invariance is not so wide that anything passes."""
    X = normal(seed, 40, 12) + 0.3
    shear = np.eye(12)
    shear[0, 1:] = 0.5
    Y = X @ shear
    before = project(single(X), single(X[:10]), of(name, center))
    after = project(single(Y), single(Y[:10]), of(name, center))
    assert np.abs(after - before).max() > 0.01


@quick
@given(seed=seeds, size=st.floats(0.5, 5.0), name=st.sampled_from(NAMES))
def test_a_shift_changes_no_centred_form(seed: int, size: float, name: str) -> None:
    X = normal(seed, 30, 8)
    Y = X + size * normal(seed + 1, 8)
    before = project(single(X), single(X[:6]), of(name, True))
    np.testing.assert_allclose(project(single(Y), single(Y[:6]), of(name, True)), before, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("name", [*DIRECTIONAL, "dot"])
def test_a_shift_changes_the_uncentred_form(name: str) -> None:
    """Negative control: without centring, cosine is not invariant to translation."""
    X = normal(10, 30, 8)
    Y = X + 2.0
    assert (
        np.abs(project(single(Y), single(Y[:6]), of(name)) - project(single(X), single(X[:6]), of(name))).max() > 0.1
    )


@pytest.mark.parametrize("name", ["euclidean", "l1", "linf"])
def test_distances_are_not_changed_by_centring(name: str) -> None:
    X = single(normal(11, 30, 8) + 3)
    np.testing.assert_allclose(project(X, X[:6], of(name, True)), project(X, X[:6], of(name)), atol=1e-5)


def matched(left: Matrix, right: Matrix) -> float:
    """How many rows of one relative space find themselves in another: recall@1 by cosine."""
    unit = [m / np.linalg.norm(m, axis=1, keepdims=True) for m in (left, right)]
    return float(np.mean((unit[0] @ unit[1].T).argmax(axis=1) == np.arange(len(left))))


def decoded(left: Matrix, right: Matrix, labels: NDArray[np.intp]) -> float:
    """Accuracy on the right of a decoder of the left: the nearest class mean."""
    means = np.stack([left[labels == label].mean(axis=0) for label in np.unique(labels)])
    nearest = np.square(right[:, None, :] - means).sum(axis=2).argmin(axis=1)
    return float(np.mean(nearest == labels))


def test_2605_30596_rotation_and_a_constant_shift() -> None:
    """A second encoder that is a rotation and a shift of the first: lost without centring, whole with it."""
    labels = np.arange(600) % 12
    X = 3 * normal(12, 12, 24)[labels] + normal(13, 600, 24)
    Y = X @ orthogonal(12, 24) + 10.0
    accuracy = {
        center: decoded(
            project(single(X), single(X[:50]), of("cosine", center)),
            project(single(Y), single(Y[:50]), of("cosine", center)),
            labels,
        )
        for center in (False, True)
    }
    assert accuracy[True] == 1.0
    assert accuracy[False] < 0.2
    assert mean_cosine(Y) > 0.9 > mean_cosine(Y - Y.mean(axis=0)), "the narrow cone shows beforehand"


def test_per_dimension_scaling() -> None:
    """Cosine does not see one scale for all dimensions; a scale for each it does see."""
    X = normal(13, 300, 24)
    before = project(single(X), single(X[:50]), of("cosine", True))
    scales = np.geomspace(0.05, 20.0, 24)
    uneven = X * scales
    assert matched(before, project(single(uneven), single(uneven[:50]), of("cosine", True))) < 0.9
    even = X * 20.0
    assert matched(before, project(single(even), single(even[:50]), of("cosine", True))) == 1.0


# --- edges of the numbers --------------------------------------------------------------------------------------------


def test_pytorch_78064_self_cosine_above_one() -> None:
    X = single(normal(14, 400, 7))
    unit = X / np.linalg.norm(X, axis=1, keepdims=True)
    assert np.einsum("ij,ij->i", unit, unit).max() > 1.0, "the trap is there: float32 goes past 1"
    for name in ("cosine", "angular"):
        found = project(X, X, of(name))
        assert not np.isnan(found).any()
        assert found.max() <= 1.0
        np.testing.assert_allclose(np.diag(found), 1.0, atol=1e-6)
    opposite = project(-X, X, of("angular"))
    assert opposite.min() >= 0.0
    np.testing.assert_allclose(np.diag(opposite), 0.0, atol=1e-6)


@pytest.mark.parametrize("name", NAMES)
def test_burn_5584_zero_vectors_give_no_nan(name: str) -> None:
    X = np.vstack([normal(15, 3, 4), np.zeros((2, 4))])
    found = project(single(X), single(X[[0, 3]]), of(name))
    assert np.isfinite(found).all()
    if name in DIRECTIONAL:
        neutral = {"cosine": 0.0, "angular": 0.5, "polynomial": 1.0}[name]
        assert found[3:].tolist() == [[neutral] * 2] * 2
        assert found[:, 1].tolist() == [neutral] * 5


def test_burn_5584_zero_vectors_are_counted() -> None:
    X = np.vstack([normal(16, 3, 4), np.zeros((2, 4))])
    assert count_zero_rows(X) == 2
    assert count_zero_rows(X[:3]) == 0
    assert count_zero_rows(np.array([[0.0, -1e-30]])) == 0
    relative = relative_representation(space(X), AnchorVectors(listed("r0", "r1"), single(X[:2])))
    assert relative.counts == {"zero_vectors": 2}
    whole = relative_representation(space(X[:3]), AnchorVectors(listed("r0", "r1"), single(X[:2])))
    assert whole.counts == {}


@quick
@given(seed=seeds, shift=st.floats(0.0, 5.0))
def test_mean_cosine_is_the_mean_over_all_pairs(seed: int, shift: float) -> None:
    X = normal(seed, 12, 4) + shift
    cosines = [
        oracle("cosine", X[i].tolist(), X[j].tolist()) for i in range(12) for j in range(12) if i != j
    ]  # fmt: skip
    assert mean_cosine(X) == pytest.approx(sum(cosines) / len(cosines), abs=1e-12)
    assert mean_cosine(single(X)) == pytest.approx(sum(cosines) / len(cosines), abs=1e-6)


def test_mean_cosine_leaves_zero_rows_out_and_needs_two() -> None:
    X = np.vstack([np.zeros(3), [1.0, 0.0, 0.0], np.zeros(3), [2.0, 0.0, 0.0]])
    assert mean_cosine(X) == 1.0
    assert mean_cosine(X[:2]) == 0.0
    assert mean_cosine(np.empty((0, 3))) == 0.0


# --- anchors and files -----------------------------------------------------------------------------------------------


def two_sides() -> Anchors:
    return Anchors(
        "parallel",
        7,
        (
            AnchorSide("en", "", (listed("r0", "r1"), listed("r2", "r3"))),
            AnchorSide("es", "", (listed("p", "q"), listed("s", "t"))),
        ),
    )


def test_anchor_vectors_finds_a_draw_of_a_side() -> None:
    embeddings, anchors = space(normal(17, 5, 3)), two_sides()
    found = anchor_vectors(embeddings, anchors, draw=1, side="en")
    assert found.anchors.ids == ("r2", "r3")
    np.testing.assert_array_equal(found.vectors, embeddings.vectors[2:4])
    assert (found.side, found.draw, found.strategy) == ("en", 1, "parallel")
    assert found.correspondence == anchors.correspondence(1)


def test_anchor_vectors_names_the_file_that_lacks_them() -> None:
    with pytest.raises(MismatchError, match=r"^2 of 2 anchors are not in b\.safetensors: p, q\."):
        anchor_vectors(space(normal(17, 5, 3)), two_sides(), side="es", name="b.safetensors")
    with pytest.raises(UsageError, match=r"^Draw 2 was asked for; these anchors have 2, numbered from 0\."):
        anchor_vectors(space(normal(17, 5, 3)), two_sides(), draw=2, side="en")


def test_burn_5584_zero_vectors_are_refused_as_anchors() -> None:
    X = normal(18, 4, 3)
    X[[1, 3]] = 0.0
    anchors = Anchors("explicit", 0, (AnchorSide("main", "", (listed("r0", "r1", "r3"),)),))
    with pytest.raises(MismatchError) as caught:
        anchor_vectors(space(X), anchors, name="a.safetensors")
    assert str(caught.value) == (
        "2 of 3 anchors are the zero vector in a.safetensors: r1, r3. Nothing is similar to the zero vector: pick "
        "anchors without them."
    )


def test_relative_representation_keeps_the_rows_and_what_happened_to_them() -> None:
    plain = space(normal(19, 6, 3))
    lost = (Skipped("bad.jpg", "train", "truncated"),)
    embeddings = Embeddings(plain.rows, plain.vectors, plain.encoder, lost, {"truncated": 1})
    anchors = AnchorVectors(listed("r0", "r1", "r2"), plain.vectors[:3])
    relative = relative_representation(embeddings, anchors)
    assert relative.rows is plain.rows
    assert relative.anchors is anchors
    assert relative.projection == ProjectionSpec("cosine", center=True)
    assert (relative.skipped, relative.counts) == (lost, {"truncated": 1})
    np.testing.assert_array_equal(relative.values, project(plain.vectors, plain.vectors[:3]))


def test_centring_must_leave_something() -> None:
    X = normal(20, 4, 3)
    X[1] = X[0]
    with pytest.raises(UsageError) as caught:
        relative_representation(space(X), AnchorVectors(listed("r0", "r1"), single(X[:2])))
    assert str(caught.value) == (
        "2 anchors, all with the same vector, leave nothing once their mean is taken off. "
        "Give at least two different anchors, or project with --no-center."
    )
    one = AnchorVectors(listed("r0"), single(X[:1]))
    for spec in (of("cosine"), of("euclidean", True)):
        assert relative_representation(space(X), one, spec).values.shape == (4, 1)


def test_rows_and_anchors_of_different_width() -> None:
    with pytest.raises(MismatchError) as caught:
        project(single(normal(21, 3, 4)), single(normal(21, 2, 5)))
    assert str(caught.value) == (
        "The vectors are 4 wide and the anchors' vectors 5; both must come from the same encoder."
    )


def test_unknown_projections_and_parameters() -> None:
    X = single(normal(22, 3, 4))
    with pytest.raises(UsageError) as caught:
        project(X, X, ProjectionSpec("cosin"))
    assert str(caught.value) == (
        "There is no projection 'cosin'. Choose one of: cosine, angular, euclidean, l1, linf, dot, polynomial, "
        "rbf, whitened, mahalanobis."
    )
    with pytest.raises(UsageError) as caught:
        project(X, X, ProjectionSpec("cosine", params={"gamma": 1.0}))
    assert str(caught.value) == (
        "The projection 'cosine' has no parameter gamma; its parameters: subspaces, quantise, top, power, zscore."
    )


@pytest.mark.parametrize("name", ["dot", "euclidean", "l1"])
def test_vectors_too_large_for_a_projection(name: str, recwarn: pytest.WarningsRecorder) -> None:
    X = np.array([[3e38, 0.0], [0.0, -3e38], [1.0, 2.0]], dtype=np.float32)
    spec = ProjectionSpec(name, center=False)
    with pytest.raises(UsageError) as caught:
        project(X, -X, spec)
    assert str(caught.value) == (
        f"The projection {name}, not centred of vectors with values up to 3e+38 is beyond what float32 can hold. "
        "Scale the vectors down, or choose cosine or angular, which see only directions."
    )
    assert np.isfinite(project(X, -X, ProjectionSpec("cosine", center=False))).all()
    assert not recwarn.list
