"""How alike two spaces are: measures, what chance gives, and how sure the figures are."""

from relstitch.comparison.comparing import CompareOptions, compare
from relstitch.comparison.measures import MEASURES, Measure, similarity
from relstitch.comparison.resampling import permutation_baseline, row_interval

__all__ = ["MEASURES", "CompareOptions", "Measure", "compare", "permutation_baseline", "row_interval", "similarity"]
