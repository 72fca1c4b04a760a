"""How a source is to be read: columns, encoding, limits, and what to do with rows that have a problem."""

from dataclasses import dataclass
from typing import Literal, get_args

from relstitch.errors import UsageError, some
from relstitch.names import OnEmpty, OnProblem

FormatName = Literal["csv", "tsv", "jsonl", "json", "parquet", "text", "npy", "npz", "folder"]
FORMATS: tuple[str, ...] = get_args(FormatName)
NO_COLUMN = ""
"""As the name of a column: none, and none is to be guessed."""


@dataclass(frozen=True)
class ReadOptions:
    """How to read sources. A column of ``None`` is guessed by its name; of ``""`` it is left out.

    Attributes:
        text: Column of the texts.
        image: Column of the pictures: paths relative to the table's folder, or the picture files' bytes.
        label: Column of the class labels; a list in a cell means several labels.
        target: Columns of real-valued targets, instead of a label.
        id: Column of the ids; ``""`` numbers the rows.
        split: Column that says which split a row belongs to.
        count: Column that says how often a row occurs (word tables); never guessed.
        format: What the sources are, where their names do not say it.
        encoding: The encoding of text files.
        delimiter: What stands between the cells of a CSV file; None reads it off the first line.
        header: Whether the first line of a CSV or TSV file names its columns; False names them ``1``, ``2`` ….
        quotes: Whether quotes in CSV and TSV are quotes; False reads them as ordinary characters.
        label_separator: What stands between several labels in one cell.
        limit: How many rows to read of every split: the first ones, counted before anything is left out.
        on_empty: What to do with empty, blank or missing texts: ``error``, ``skip``, or ``embed`` them as they are.
        on_bad: What to do with pictures that are missing or cannot be read: ``error`` or ``skip``.
        allow_outside: Whether a table may name pictures outside its own folder.

    Example:
        >>> ReadOptions(text="question", limit=100).limit
        100
    """

    text: str | None = None
    image: str | None = None
    label: str | None = None
    target: tuple[str, ...] = ()
    id: str | None = None
    split: str | None = None
    count: str | None = None
    format: FormatName | None = None
    encoding: str = "utf-8"
    delimiter: str | None = None
    header: bool = True
    quotes: bool = True
    label_separator: str | None = None
    limit: int | None = None
    on_empty: OnEmpty = "error"
    on_bad: OnProblem = "error"
    allow_outside: bool = False

    def __post_init__(self) -> None:
        self._check_columns()
        self._check_form()
        for value, option, known in (
            (self.on_empty, "--on-empty", get_args(OnEmpty)),
            (self.on_bad, "--on-bad", get_args(OnProblem)),
            (self.format or FORMATS[0], "--format", FORMATS),
        ):
            if value not in known:
                raise UsageError(f"{option} {value} is not known; expected one of: {some(known, 9)}.")

    def _check_columns(self) -> None:
        if self.text and self.image:
            raise UsageError(
                f"--text {self.text} and --image {self.image} were both given; a row holds one item. "
                "Encode texts and pictures in two runs."
            )
        if self.label and self.target:
            raise UsageError(
                f"--label {self.label} and --target {some(self.target)} were both given; expected classes or "
                "numbers, not both. Leave one of them out."
            )

    def _check_form(self) -> None:
        if self.limit is not None and self.limit < 1:
            raise UsageError(f"--limit {self.limit} leaves nothing to read; expected 1 or more rows per split.")
        if self.delimiter is not None and (len(self.delimiter) != 1 or self.delimiter in '\r\n"'):
            raise UsageError(f"--delimiter {self.delimiter!r} is not one character that can stand between cells.")
        if self.label_separator == "":
            raise UsageError("--label-separator is empty; expected what stands between labels, for example ';'.")
        try:
            b"x".decode(self.encoding, errors="replace")
        except LookupError as error:
            raise UsageError(
                f"--encoding {self.encoding} is not a text encoding; expected for example utf-8, latin-1 or utf-16."
            ) from error

    @property
    def named_columns(self) -> tuple[str, ...]:
        """The options that name a column, as the user would write them."""
        named = {
            "--text": self.text, "--image": self.image, "--label": self.label, "--target": " ".join(self.target),
            "--id": self.id, "--split": self.split, "--count": self.count,
        }  # fmt: skip
        return tuple(f"{option} {column}" for option, column in named.items() if column)
