"""What a comparison of spaces found: every measure for every pair, with what chance alone would give."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any


@dataclass(frozen=True)
class Baseline:
    """What a measure says of rows that do not belong together: one side's rows shuffled.

    Attributes:
        mean: Over the permutations.
        high: Their 95th percentile: a value below it could be chance.
        permutations: How many.
    """

    mean: float
    high: float
    permutations: int


@dataclass(frozen=True)
class Interval:
    """Where a value lies when the rows are drawn again.

    Attributes:
        low: Lower end, never above the value.
        high: Upper end.
        level: Coverage, such as 0.9.
        resamples: How many times rows were drawn.
    """

    low: float
    high: float
    level: float
    resamples: int


@dataclass(frozen=True)
class Likeness:
    """One measure of one pair of spaces.

    Attributes:
        measure: One of `relstitch.names.MEASURES`.
        left: Name of the first file.
        right: Name of the second file.
        value: 1 for equal spaces; the measures are symmetric.
        rows: How many shared rows the value is of.
        baseline: None where no permutations were asked for.
        interval: None where none was asked for, or the rows are too few.
    """

    measure: str
    left: str
    right: str
    value: float
    rows: int
    baseline: Baseline | None = None
    interval: Interval | None = None


@dataclass(frozen=True)
class CompareReport:
    """Everything `relstitch compare` says.

    Attributes:
        files: Names of the files, in the order given.
        measures: Names of the measures, in order.
        figures: One for every measure and pair; with a reference, only the pairs with it.
        reference: The file all others are held against, or None.
        rows: Counts: shared by all files, left out, anchors among them, rows of the sample.
        settings: Neighbours, permutations, resamples, seed, limit, anchors.
        notes: What a reader should know, in words.
    """

    files: tuple[str, ...]
    measures: tuple[str, ...]
    figures: tuple[Likeness, ...]
    reference: str | None
    rows: Mapping[str, int]
    settings: Mapping[str, Any]
    notes: tuple[str, ...] = field(default_factory=tuple)

    def figure(self, measure: str, left: str, right: str) -> Likeness:
        """The figure of a measure and a pair, in either order; KeyError where there is none."""
        for one in self.figures:
            if one.measure == measure and {one.left, one.right} == {left, right}:
                return one
        raise KeyError((measure, left, right))

    @property
    def latent_distance(self) -> dict[str, float]:
        """By file, 1 − mean cosine of its relative representations to the reference's; empty without either.

        Source: Moschella et al. 2023, section 4.2: the nearer a good reference, the better the model.
        """
        if self.reference is None or "cosine" not in self.measures:
            return {}
        others = [name for name in self.files if name != self.reference]
        return {name: 1.0 - self.figure("cosine", self.reference, name).value for name in others}

    def to_json(self) -> dict[str, Any]:
        """The report as plain JSON values; a matrix a measure unless there is a reference."""
        values: dict[str, Any] = {
            "files": list(self.files), "measures": list(self.measures), "reference": self.reference,
            "figures": [asdict(one) for one in self.figures], "rows": dict(self.rows),
            "settings": dict(self.settings), "notes": list(self.notes),
        }  # fmt: skip
        if self.reference is None:
            values["matrices"] = {name: self.matrix(name) for name in self.measures}
        else:
            values["latent_distance"] = self.latent_distance
        return values

    def matrix(self, measure: str) -> list[list[float]]:
        """The measure's values, files × files, 1 on the diagonal; KeyError with a reference and over two files."""
        return [
            [1.0 if left == right else self.figure(measure, left, right).value for right in self.files]
            for left in self.files
        ]
