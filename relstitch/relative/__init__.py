"""Relative representations: similarities to anchors (Moschella et al. 2023, section 3, equation 2)."""

from relstitch.relative.projecting import project
from relstitch.relative.representation import (
    anchor_vectors,
    count_zero_rows,
    mean_cosine,
    relative_representation,
    with_columns,
)
from relstitch.relative.similarities import PROJECTIONS, Projection, unit_rows
from relstitch.relative.specification import factors_of, parse_projection, whitens

__all__ = [
    "PROJECTIONS",
    "Projection",
    "anchor_vectors",
    "count_zero_rows",
    "factors_of",
    "mean_cosine",
    "parse_projection",
    "project",
    "relative_representation",
    "unit_rows",
    "whitens",
    "with_columns",
]
