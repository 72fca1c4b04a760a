"""Files of one encoder → one file: shards of a whole, or disjoint data."""

from relstitch.merging.verb import MergeOptions, merge

__all__ = ["MergeOptions", "merge"]
