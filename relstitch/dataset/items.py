"""One row on its way into a dataset, and the journal of a reading."""

from collections import Counter
from dataclasses import dataclass, field

from relstitch.artifacts import Skipped
from relstitch.dataset.column_notes import ColumnUse
from relstitch.dataset.contents import ImageRef
from relstitch.errors import DatasetError, counted, some

DEFAULT_SPLIT = "all"
Label = str | tuple[str, ...] | None


@dataclass(frozen=True, slots=True)
class Item:
    """One row.

    Attributes:
        id: Its id.
        split: Its split.
        content: A text or a picture.
        hash: The hash of the content.
        label: One label, several, or None for a missing one.
        numbers: Its real-valued targets, None where one is missing; empty where there are none.
        count: How often it occurs, or None.
    """

    id: str
    split: str
    content: str | ImageRef
    hash: str
    label: Label = None
    numbers: tuple[float, ...] | None = ()
    count: float | None = None


@dataclass
class Journal:
    """What happens while sources are read: rows numbered on from file to file, limits, remarks.

    Attributes:
        limit: How many rows of a split are wanted, or None for all.
        empty: Rows without a text.
        bad: Rows whose picture is missing or cannot be read.
        notes: What a reader should know, in words.
        counts: What happened, as numbers.
        guessed_label: The column that was taken for the labels without being named, or None.
        uses: How the columns of each table were used.
    """

    limit: int | None
    empty: list[Skipped] = field(default_factory=list)
    bad: list[Skipped] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    counts: Counter[str] = field(default_factory=Counter)
    guessed_label: str | None = None
    uses: list[ColumnUse] = field(default_factory=list)
    _numbers: Counter[str] = field(default_factory=Counter)
    _taken: Counter[str] = field(default_factory=Counter)

    def advance(self, key: str, rows: int = 1) -> int:
        """The number of the next row of a split; the ones after it are numbered on, from file to file."""
        first = self._numbers[key]
        self._numbers[key] += rows
        return first

    def room(self, split: str, rows: int = 1) -> int:
        """How many of the next rows of a split are still wanted."""
        return rows if self.limit is None else min(rows, self.limit - self._taken[split])

    def take(self, split: str, rows: int = 1) -> None:
        """Note that rows of a split were taken, whatever becomes of them."""
        self._taken[split] += rows


def check_ids(ids: list[str], source: str, *, way_out: str) -> None:
    """Refuse ids that stand more than once.

    Args:
        ids: One a row.
        source: What to call it in a message.
        way_out: What to do about it.

    Raises:
        DatasetError: With the ids that are repeated.
    """
    if len(set(ids)) == len(ids):
        return
    seen: set[str] = set()
    repeated = list(dict.fromkeys(name for name in ids if name in seen or seen.add(name)))  # type: ignore[func-returns-value]
    raise DatasetError(
        f"{source}: {counted(len(repeated), 'id', 'ids')} found more than once: {some(repeated)}. Ids must be "
        f"unique: {way_out}"
    )
