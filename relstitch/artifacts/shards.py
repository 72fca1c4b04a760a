"""Shards: contiguous parts of a dataset's rows, so that several runs can share the work of one."""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise

from relstitch.errors import MismatchError, UsageError, counted

Run = tuple[int, int]
"""The first and the last of consecutive shards."""


@dataclass(frozen=True)
class Shard:
    """One of n contiguous parts of some rows; the parts' sizes differ by at most one.

    Attributes:
        index: Which part, from 1.
        of: How many parts there are.

    Example:
        >>> str(Shard(3, 8)), Shard(3, 8).span(1000)
        ('3/8', range(250, 375))
    """

    index: int
    of: int

    def __post_init__(self) -> None:
        if not 1 <= self.index <= self.of:
            raise UsageError(f"There is no shard {self}: in i/n, n is at least 1 and i runs from 1 to n.")

    def __str__(self) -> str:
        return f"{self.index}/{self.of}"

    @staticmethod
    def parse(text: str) -> "Shard":
        """The shard that a text such as ``3/8`` names.

        Raises:
            UsageError: It names none.

        Example:
            >>> Shard.parse("3/8")
            Shard(index=3, of=8)
        """
        found = re.fullmatch(r"(\d{1,9})/(\d{1,9})", text, re.ASCII)
        if found is None:
            raise UsageError(f"--shard is {text!r}; expected i/n, such as 3/8 for the third of eight shards.")
        return Shard(int(found[1]), int(found[2]))

    def span(self, n: int) -> range:
        """Which of n rows it holds, counted from 0."""
        return range((self.index - 1) * n // self.of, self.index * n // self.of)


@dataclass(frozen=True)
class Portion:
    """Which shards of a whole a file holds; each of them is there from its first row to its last.

    Attributes:
        of: How many shards the whole was cut into.
        total: How many rows the whole has.
        dataset: The whole's `Rows.fingerprint`.
        order: The whole's `Rows.order_fingerprint`.
        shards: Which ones are here, rising, from 1.
        rows: How many rows of each are here.
        skipped: How many rows of each were left out. The first shard also lists what was left out before the rows
            were cut into shards.
    """

    of: int
    total: int
    dataset: str
    order: str
    shards: tuple[int, ...]
    rows: tuple[int, ...]
    skipped: tuple[int, ...]

    def __post_init__(self) -> None:
        rising = all(one < other for one, other in pairwise(self.shards))
        sizes = {len(self.shards), len(self.rows), len(self.skipped)}
        if not self.shards or not rising or len(sizes) > 1 or self.shards[0] < 1 or self.shards[-1] > self.of:
            raise MismatchError(
                f"Of {counted(self.of, 'shard')} these were named: {self.shards}, with {self.rows} rows and "
                f"{self.skipped} skipped ones; expected rising numbers from 1, and two counts for each."
            )
        for index, rows, skipped in zip(self.shards, self.rows, self.skipped, strict=True):
            size = len(Shard(index, self.of).span(self.total))
            if (
                min(rows, skipped) < 0
                or rows > size
                or (rows + skipped != size if index > 1 else rows + skipped < size)
            ):
                raise MismatchError(
                    f"Shard {index}/{self.of} of {counted(self.total, 'row')} came with {counted(rows, 'row')} and "
                    f"{skipped} skipped; expected {size} in all."
                )

    @cached_property
    def present(self) -> tuple[Run, ...]:
        """The shards that are here, as runs of consecutive ones."""
        found: list[Run] = []
        for index in self.shards:
            found[-1:] = (
                [(found[-1][0], index)] if found and found[-1][1] == index - 1 else [*found[-1:], (index, index)]
            )
        return tuple(found)

    @cached_property
    def missing(self) -> tuple[Run, ...]:
        """The shards that are not here, as runs of consecutive ones."""
        # The runs that are here, between two that stand just outside: however many shards there are, few steps.
        edges = [(0, 0), *self.present, (self.of + 1, self.of + 1)]
        return tuple((before[1] + 1, after[0] - 1) for before, after in pairwise(edges) if before[1] + 1 < after[0])

    def rows_of(self, run: Run) -> range:
        """Where the rows of consecutive shards stand in the whole, counted from 0."""
        return range(Shard(run[0], self.of).span(self.total).start, Shard(run[1], self.of).span(self.total).stop)

    def __str__(self) -> str:
        return f"{run_words(self.present)} of {self.of}"


def run_words(runs: Iterable[Run]) -> str:
    """Runs of shards as they are written for a Slurm array.

    Example:
        >>> run_words([(1, 3), (5, 5)])
        '1-3,5'
    """
    return ",".join(str(first) if first == last else f"{first}-{last}" for first, last in runs)


def row_words(spans: Sequence[range]) -> str:
    """Ranges of rows in words.

    Example:
        >>> row_words([range(0, 3), range(7, 9)])
        '0 to 2, 7 to 8'
    """
    return ", ".join(f"{span.start} to {span.stop - 1}" for span in spans)
