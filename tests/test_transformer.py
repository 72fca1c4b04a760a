"""`RelativeProjection` keeps scikit-learn's contract, and is the same maths as `project`."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from scipy.sparse import csr_matrix
from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.utils.estimator_checks import parametrize_with_checks

from relstitch.artifacts import ProjectionSpec
from relstitch.errors import UsageError
from relstitch.names import PROJECTIONS, ProjectionName
from relstitch.relative import project
from relstitch.transformer import RelativeProjection

ESTIMATORS = [RelativeProjection(), *(RelativeProjection(name, center=False) for name in ("euclidean", "l1", "dot"))]


@parametrize_with_checks(ESTIMATORS)  # type: ignore[untyped-decorator]
def test_scikit_learns_own_checks(estimator: RelativeProjection, check: Callable[[Any], None]) -> None:
    check(estimator)


def data(n: int = 30, d: int = 6) -> np.ndarray[Any, np.dtype[np.float32]]:
    return np.random.default_rng(0).standard_normal((n, d)).astype(np.float32) + 1


@pytest.mark.parametrize("center", [True, False])
@pytest.mark.parametrize("name", PROJECTIONS)
def test_it_is_project_with_the_fitted_rows_as_anchors(name: ProjectionName, center: bool) -> None:
    X = data()
    found = RelativeProjection(name, center=center).fit(X[:8]).transform(X)
    assert found.dtype == np.float32
    np.testing.assert_array_equal(found, project(X, X[:8], ProjectionSpec(name, center)))


def test_centring_makes_a_difference() -> None:
    """Negative control: the parameter reaches the maths."""
    X = data()
    by = {center: RelativeProjection(center=center).fit(X[:8]).transform(X) for center in (True, False)}
    assert np.abs(by[True] - by[False]).max() > 0.1


def test_later_changes_to_the_fitted_array_do_not_reach_the_anchors() -> None:
    X = data()
    fitted = RelativeProjection().fit(X)
    X[:] = 0
    assert fitted.anchors_.any()


def test_float64_is_kept_and_float32_is_kept() -> None:
    X = data()
    assert RelativeProjection().fit_transform(X).dtype == np.float32
    assert RelativeProjection().fit_transform(X.astype(np.float64)).dtype == np.float64


def test_names_of_the_outputs() -> None:
    fitted = RelativeProjection().fit(data(3))
    assert fitted.get_feature_names_out().tolist() == [f"relativeprojection{i}" for i in range(3)]


def test_sparse_input_is_refused() -> None:
    with pytest.raises(TypeError, match="Sparse data was passed"):
        RelativeProjection().fit(csr_matrix(data()))


def test_zero_vectors_are_no_matter_for_fit() -> None:
    """They are refused where anchors are picked; here they are similar to nothing."""
    X = data()
    X[1] = 0
    found = RelativeProjection(center=False).fit(X[:3]).transform(X)
    assert np.isfinite(found).all()
    assert not found[:, 1].any()


def test_use_before_fit_and_unknown_projections() -> None:
    with pytest.raises(NotFittedError):
        RelativeProjection().transform(data())
    with pytest.raises(UsageError, match=r"^There is no projection 'cosin'\."):
        RelativeProjection("cosin").fit_transform(data())


def test_it_works_in_a_pipeline_and_can_be_cloned() -> None:
    X = data(60)
    y = X[:, 0] > 1
    model = make_pipeline(RelativeProjection("angular"), LogisticRegression()).fit(X, y)
    assert model.score(X, y) > 0.8
    assert clone(RelativeProjection("l1", center=False)).get_params() == {"projection": "l1", "center": False}
