"""Relative representations as a scikit-learn transformer."""

from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.base import BaseEstimator, ClassNamePrefixFeaturesOutMixin, TransformerMixin
from sklearn.utils import Tags
from sklearn.utils.validation import check_is_fitted, validate_data

from relstitch.artifacts import ProjectionSpec
from relstitch.relative import parse_projection, project

_FLOATS = (np.float64, np.float32)


class RelativeProjection(ClassNamePrefixFeaturesOutMixin, TransformerMixin, BaseEstimator):  # type: ignore[misc]
    """Project vectors on their similarities to anchors; the rows given to `fit` are the anchors.

    Args:
        projection: One of `relstitch.relative.PROJECTIONS`, or as `parse_projection` reads it (without ``zscore``).
        center: Whether the anchors' mean is taken off both sides first. The paper's form does not.

    Attributes:
        anchors_: [k, d], the anchors, in order.
        n_features_in_: The width d.

    Source: Moschella et al. 2023 (arXiv 2209.15430), section 3, equation 2. Centring is ours.

    Example:
        >>> X = np.array([[1.0, 0.0], [0.0, 1.0], [1.0, 1.0]])
        >>> RelativeProjection(center=False).fit(X[:2]).transform(X).round(3).tolist()
        [[1.0, 0.0], [0.0, 1.0], [0.707, 0.707]]
    """

    def __init__(self, projection: str = "cosine", *, center: bool = True) -> None:
        self.projection = projection
        self.center = center

    def fit(self, X: ArrayLike, y: Any = None) -> Self:  # noqa: ARG002 - scikit-learn passes targets to every step
        """Keep the rows of X as the anchors.

        Args:
            X: [k, d], finite, not sparse.
            y: Not used.

        Returns:
            Itself.

        Raises:
            ValueError: X is not a finite, dense, two-dimensional table of numbers (as scikit-learn's own).

        Example:
            >>> RelativeProjection().fit([[1.0, 0.0], [0.0, 1.0]]).get_feature_names_out().tolist()
            ['relativeprojection0', 'relativeprojection1']
        """
        self.anchors_ = validate_data(self, X, dtype=_FLOATS, copy=True)
        self._n_features_out = len(self.anchors_) * ProjectionSpec(self.projection.partition(":")[0]).factors
        return self

    def transform(self, X: ArrayLike) -> NDArray[Any]:
        """Compute the similarity of each row to each anchor.

        Args:
            X: [n, d], finite, not sparse.

        Returns:
            [n, w], w = k × the number of spaces of a product; float32 for float32 X, else float64.

        Raises:
            NotFittedError: Before `fit`.
            ValueError: X is not a finite, dense table as wide as the anchors.
            UsageError: Unknown projection, or one that does not fit the rows (`project`).

        Example:
            >>> RelativeProjection("dot", center=False).fit([[2.0, 0.0]]).transform([[3.0, 1.0]]).tolist()
            [[6.0]]
        """
        check_is_fitted(self)
        vectors = validate_data(self, X, dtype=_FLOATS, reset=False)
        return project(vectors, self.anchors_, parse_projection(self.projection, self.center))

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        tags.transformer_tags.preserves_dtype = ["float64", "float32"]
        return tags
