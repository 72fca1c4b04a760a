"""Which column of a table is what: as named by the options, or guessed by its name."""

import difflib
from dataclasses import dataclass
from itertools import islice
from typing import Any

from relstitch.dataset.file_kinds import is_picture_name
from relstitch.dataset.options import ReadOptions
from relstitch.dataset.tables import Table
from relstitch.errors import DatasetError, some
from relstitch.names import Modality

TEXT_NAMES = frozenset(
    [
        "text",
        "texts",
        "sentence",
        "sentences",
        "content",
        "document",
        "question",
        "review",
        "comment",
        "tweet",
        "utterance",
        "passage",
        "body",
    ]
)
IMAGE_NAMES = frozenset(
    [
        "image",
        "images",
        "img",
        "picture",
        "photo",
        "path",
        "file",
        "filename",
        "file_name",
        "filepath",
        "image_path",
        "img_path",
        "image_file",
    ]
)
LABEL_NAMES = frozenset(["label", "labels", "class", "category", "target", "intent"])
_ID_NAMES = frozenset(["id"])
SPLIT_NAMES = frozenset(["split"])
_PEEK = 20


@dataclass(frozen=True)
class Chosen:
    """The columns to read.

    Attributes:
        modality: Whether `content` holds texts or pictures.
        content: The column of the items.
        label: The column of the labels, or None.
        targets: The columns of real-valued targets.
        id: The column of the ids, or None.
        split: The column of the splits, or None.
        count: The column of the counts, or None.
        label_guessed: Whether nobody named the label column.
    """

    modality: Modality
    content: str
    label: str | None
    targets: tuple[str, ...]
    id: str | None
    split: str | None
    count: str | None
    label_guessed: bool

    @property
    def names(self) -> list[str]:
        """All of them, each once, the content first."""
        listed = [self.content, self.label, *self.targets, self.id, self.split, self.count]
        return list(dict.fromkeys(name for name in listed if name is not None))


def choose_columns(table: Table, options: ReadOptions, *, split_known: bool) -> Chosen:
    """Decide what each column of a table is.

    Args:
        table: The table.
        options: The columns the user named; ``None`` is guessed, ``""`` is none.
        split_known: Whether the source has a split already, so that no column is guessed to hold it.

    Returns:
        The columns to read.

    Raises:
        DatasetError: A named column does not exist, or a guess is not clear.
    """
    _check_named(table, options)
    taken = [*options.target, *(name for name in (options.text, options.image, options.count) if name)]
    split = "" if split_known and options.split is None else options.split
    label = "" if options.target and options.label is None else options.label
    chosen_label = _one(table, "--label", LABEL_NAMES, label, taken)
    chosen_id = _one(table, "--id", _ID_NAMES, options.id, taken)
    chosen_split = _one(table, "--split", SPLIT_NAMES, split, taken)
    taken += [name for name in (chosen_label, chosen_id, chosen_split) if name]
    modality, content = _content(table, options, taken)
    return Chosen(
        modality, content, chosen_label, options.target, chosen_id, chosen_split, options.count or None,
        label_guessed=options.label is None,
    )  # fmt: skip


def _found(table: Table) -> str:
    return f"columns found: {some((name or '(no name)' for name in table.column_names), 20)}{table.hint}"


def _check_named(table: Table, options: ReadOptions) -> None:
    # fmt: off
    named = [("--text", options.text), ("--image", options.image), ("--label", options.label), ("--id", options.id),
             ("--split", options.split), ("--count", options.count), *(("--target", name) for name in options.target)]
    # fmt: on
    for option, name in named:
        times = table.column_names.count(name) if name else 1
        if times > 1:
            raise DatasetError(
                f"{table.name} has {times} columns named {name!r}; expected one ({option}). Rename the others."
            )
        if times == 0:
            near = difflib.get_close_matches(str(name), table.column_names, n=1)
            hint = f" Did you mean {near[0]!r}?" if near else ""
            raise DatasetError(f"{table.name} has no column {name!r} ({option}); {_found(table)}.{hint}")


def _candidates(table: Table, names: frozenset[str], taken: list[str]) -> list[str]:
    return [name for name in table.column_names if name.casefold() in names and name not in taken]


def _one(table: Table, option: str, names: frozenset[str], named: str | None, taken: list[str]) -> str | None:
    """The named column, or the only one whose name fits, or none."""
    if named is not None:
        return named or None
    candidates = _candidates(table, names, taken)
    if len(candidates) > 1:
        raise DatasetError(
            f"{table.name}: {len(candidates)} columns may be meant ({some(candidates)}); {_found(table)}. Name one "
            f"with {option}, or none of them with {option} ''."
        )
    return candidates[0] if candidates else None


def _content(table: Table, options: ReadOptions, taken: list[str]) -> tuple[Modality, str]:
    if options.text:
        return "text", options.text
    if options.image:
        return "image", options.image
    guesses: list[tuple[Modality, str]] = [
        *(("text", name) for name in _candidates(table, TEXT_NAMES, taken) if options.text is None),
        *(("image", name) for name in _candidates(table, IMAGE_NAMES, taken) if options.image is None),
    ]
    if not guesses:
        guesses = _only_column(table, taken)
    if len(guesses) != 1:
        which = f"{len(guesses)} columns may hold the items" if guesses else "no column is clearly that of the items"
        listed = f" ({some(name for _, name in guesses)})" if guesses else ""
        raise DatasetError(
            f"{table.name}: {which}{listed}; {_found(table)}. Name it with --text, or with --image for pictures."
        )
    return guesses[0]


def _only_column(table: Table, taken: list[str]) -> list[tuple[Modality, str]]:
    """The only columns of pictures or of text that are nothing else."""
    free = [column for column in table.columns if column.name not in taken and column.name]
    pictures = [column.name for column in free if column.kind == "picture"]
    texts = [column.name for column in free if column.kind == "text"]
    if len(texts) == 1 and not pictures and _names_pictures(table, texts[0]):
        return [("image", texts[0])]
    return [*(("image", name) for name in pictures), *(("text", name) for name in texts)]


def _names_pictures(table: Table, column: str) -> bool:
    values: list[Any] = [cells[0] for _, cells in islice(table.records([column]), _PEEK) if cells[0]]
    return bool(values) and all(isinstance(value, str) and is_picture_name(value) for value in values)
