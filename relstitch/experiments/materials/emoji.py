"""Emoji: their names in many languages, their groups, and their pictures in two drawing styles."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from relstitch.artifacts import Rows, Targets
from relstitch.artifacts.rows import content_hash
from relstitch.dataset import Dataset, ImageRef
from relstitch.errors import DatasetError
from relstitch.experiments.materials.node_packages import NodePackage, read_package

STYLES = ("google", "twitter")
_USER = "The experiment with emoji"
NAMES = NodePackage(
    "emojibase-data",
    "17.0.0",
    ("*/data.json", "en/messages.json"),
    "5824837782be931c9fd4e8aa3ef5f9350b6733ef7d74aef62d60b02d6ae6e9dc",
    _USER,
)
PICTURES: Mapping[str, NodePackage] = {
    style: NodePackage(f"emoji-datasource-{style}", "16.0.0", (f"img/{style}/64/*.png",), sha, _USER)
    for style, sha in (
        ("google", "2475e99f005550ce579cb134b48590abb60d9335c4dfe7522a26d3727b479755"),
        ("twitter", "7f719a42fcd0e15d33ffdf6d703e8f2e5b4ec48a40a3731c766da6bffeadd995"),
    )
}
_NO_GROUP = "component"
_JOINER, _VARIANT = "200D", "FE0F"


@dataclass(frozen=True)
class Emoji:
    """Emoji by their code points, one form of each: no skin tones, nothing that is joined of several.

    Attributes:
        codes: Code points, such as ``1F600``, without variation selectors.
        groups: The Unicode group of each, in English.
        names: By language, in the same order.
    """

    codes: tuple[str, ...]
    groups: tuple[str, ...]
    names: Mapping[str, tuple[str, ...]]


def emoji(data: Path | None, languages: Sequence[str]) -> Emoji:
    """Read names and groups: those that have both, in all of the languages.

    Args:
        data: A folder of the user's, looked into first (`relstitch.experiments.materials.node_packages`).
        languages: Of 27, such as ``en``, ``zh`` or ``es-mx``.

    Raises:
        DatasetError: The package is not there, is damaged, or has no names in a language.

    Source: npm package emojibase-data 17.0.0 (MIT), names of the Unicode CLDR.
    """
    files = read_package(NAMES, data)
    groups = {entry["order"]: entry["key"] for entry in json.loads(files["en/messages.json"])["groups"]}
    told = {language: _names(files, language) for language in languages}
    listed = [
        (_code(entry["hexcode"]), groups[entry["group"]])
        for entry in json.loads(files["en/data.json"])
        if groups.get(entry.get("group"), _NO_GROUP) != _NO_GROUP and _JOINER not in entry["hexcode"].split("-")
    ]
    kept = [(code, group) for code, group in listed if all(code in names for names in told.values())]
    return Emoji(
        tuple(code for code, _ in kept), tuple(group for _, group in kept),
        {language: tuple(names[code] for code, _ in kept) for language, names in told.items()},
    )  # fmt: skip


def pictures(data: Path | None, style: str) -> dict[str, bytes]:
    """Pictures by code points, 64 × 64, as PNG files with transparency.

    Args:
        data: As `emoji`.
        style: One of `STYLES`: whose drawings.

    Raises:
        DatasetError: The package is not there, or damaged.

    Source: npm packages emoji-datasource-google and -twitter 16.0.0 (MIT).
    """
    return {_code(Path(name).stem): content for name, content in read_package(PICTURES[style], data).items()}


def names_in(all_emoji: Emoji, language: str, test: int = 0) -> Dataset:
    """Names as a data set, with the group as the class.

    Args:
        all_emoji: The emoji.
        language: Of the names.
        test: How many are of the split ``test``, the same whatever the language.
    """
    names = all_emoji.names[language]
    return Dataset(_rows(all_emoji, [name.encode() for name in names], test), list(names), "text")


def pictures_in(all_emoji: Emoji, drawn: Mapping[str, bytes], test: int = 0) -> Dataset:
    """Pictures as a data set, with the ids, classes and splits of `names_in`.

    Args:
        all_emoji: The emoji, each of which is drawn.
        drawn: Their pictures (`pictures`).
        test: How many are of the split ``test``.
    """
    content = [drawn[code] for code in all_emoji.codes]
    items = [ImageRef(f"{code}.png", data=one) for code, one in zip(all_emoji.codes, content, strict=True)]
    return Dataset(_rows(all_emoji, content, test), items, "image")


def some_of(all_emoji: Emoji, wanted: Sequence[bool]) -> Emoji:
    """The emoji that are wanted, one flag each."""

    def kept(values: Sequence[str]) -> tuple[str, ...]:
        return tuple(value for value, want in zip(values, wanted, strict=True) if want)

    names = {language: kept(values) for language, values in all_emoji.names.items()}
    return Emoji(kept(all_emoji.codes), kept(all_emoji.groups), names)


def _rows(all_emoji: Emoji, content: Sequence[bytes], test: int) -> Rows:
    n = len(all_emoji.codes)
    splits = np.full(n, "train", dtype=object)
    splits[np.random.default_rng(0).permutation(n)[:test]] = "test"
    return Rows.build(
        all_emoji.codes, hashes=map(content_hash, content), splits=splits.tolist(),
        targets=Targets.from_labels(all_emoji.groups),
    )  # fmt: skip


def _names(files: Mapping[str, bytes], language: str) -> dict[str, str]:
    file = f"{language}/data.json"
    if file not in files:
        there = ", ".join(sorted(name.partition("/")[0] for name in files if name.endswith("/data.json")))
        raise DatasetError(f"There are no names of emoji in {language!r}. Choose of: {there}.")
    return {_code(entry["hexcode"]): entry["label"] for entry in json.loads(files[file])}


def _code(hexcode: str) -> str:
    """Code points without variation selectors: files and tables write them differently."""
    return "-".join(part for part in hexcode.upper().split("-") if part != _VARIANT)
