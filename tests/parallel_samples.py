"""npm packages as small as they can be: verses in ten languages, emoji with names and pictures."""

import io
import json
import tarfile
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from relstitch.experiments.materials import emoji, verses
from relstitch.experiments.materials.node_packages import NodePackage, digest_of_files
from relstitch.experiments.materials.picture_sources import png

Files = Mapping[str, bytes]
WORDS = {"meccan": "sun moon star sky night dawn", "medinan": "house gate street wall road door"}
"""What the verses of each class are about."""


def write_folder(folder: Path, name: str, version: str, files: Files) -> Path:
    """A package as npm installs it."""
    for path, content in {**files, "package.json": manifest(name, version)}.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_bytes(content)
    return folder


def write_archive(folder: Path, name: str, version: str, files: Files) -> Path:
    """A package as ``npm pack`` fetches it."""
    place = folder / f"{name}-{version}.tgz"
    with tarfile.open(place, "w:gz") as archive:
        for path, content in {"package.json": manifest(name, version), **files}.items():
            member = tarfile.TarInfo(f"package/{path}")
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    return place


def manifest(name: str, version: str) -> bytes:
    return json.dumps({"name": name, "version": version}).encode()


def verse_files(chapters: int = 24, verses_each: int = 14) -> dict[str, bytes]:
    """Verses about few things; another language writes every word backwards, with its own name in front."""
    random = np.random.default_rng(0)
    book = []
    for chapter in range(1, chapters + 1):
        kind = "meccan" if chapter % 2 else "medinan"
        others = [word for words in WORDS.values() for word in words.split()]
        told = [
            [
                *random.choice(WORDS[kind].split(), 9).tolist(),
                *random.choice(others, 5).tolist(),
                f"v{chapter}x{verse}",
            ]
            for verse in range(verses_each)
        ]
        book.append((chapter, kind, told))
    return {
        f"dist/quran_{language}.json": json.dumps([
            {"id": chapter, "type": kind, "verses": [
                {"id": at, "text": "", "translation": " ".join(_said(word, language) for word in words)}
                for at, words in enumerate(told, start=1)
            ]}
            for chapter, kind, told in book
        ]).encode()
        for language in verses.LANGUAGES
    }  # fmt: skip


def _said(word: str, language: str) -> str:
    return word if language == "en" else language + word[::-1]


def emoji_files(n: int = 150) -> dict[str, bytes]:
    """Emoji with names in three languages: two groups, and what is to be left out."""
    random = np.random.default_rng(1)
    letters = ["".join(random.choice(list("abcdefghij"), 6)) for _ in range(n)]
    listed: list[dict[str, Any]] = [
        {"hexcode": f"{0x1F300 + at:X}", "group": at % 2, "label": f"{'face' if at % 2 else 'tree'} {name}"}
        for at, name in enumerate(letters)
    ]
    listed[3]["hexcode"] = f"{listed[3]['hexcode']}-FE0F"
    odd: list[dict[str, Any]] = [
        {"hexcode": "1F9D1-200D-1F680", "group": 1, "label": "astronaut"},
        {"hexcode": "1F3FB", "group": 2, "label": "light skin tone"},
        {"hexcode": "1F1E6", "label": "regional indicator A"},
    ]
    groups = [{"key": "trees", "order": 0}, {"key": "faces", "order": 1}, {"key": "component", "order": 2}]
    files = {
        f"{language}/data.json": json.dumps([
            {**one, "label": one["label"] if language == "en" else f"{language} {one['label']}"} for one in (*listed, *odd)
        ]).encode()
        for language in ("en", "es", "fr")
    }  # fmt: skip
    return {**files, "en/messages.json": json.dumps({"groups": groups}).encode()}


def picture_files(style: str, n: int = 150) -> dict[str, bytes]:
    """Noise, brighter for one group than for the other."""
    random = np.random.default_rng(len(style))
    drawn = {
        f"img/{style}/64/{0x1F300 + at:x}{'-fe0f' if at == 3 else ''}.png": png(
            (random.integers(0, 100, (8, 8)) + 100 * (at % 2)).astype(np.uint8)
        )
        for at in range(n)
    }
    return {**drawn, f"img/{style}/64/1f9d1-200d-1f680.png": png(np.zeros((8, 8), dtype=np.uint8))}


def of_these(package: NodePackage, files: Files) -> NodePackage:
    """The package, with other files in it."""
    return replace(package, sha256=digest_of_files(files))


def write_packages(folder: Path, patch: pytest.MonkeyPatch) -> Path:
    """All packages in one folder, verses as an archive, and what is expected of them changed accordingly."""
    files = verse_files()
    write_archive(folder, "quran-json", "3.1.2", files)
    patch.setattr(verses, "PACKAGE", of_these(verses.PACKAGE, files))
    files = emoji_files()
    write_folder(folder / "emojibase-data", "emojibase-data", "17.0.0", files)
    patch.setattr(emoji, "NAMES", of_these(emoji.NAMES, files))
    expected = {}
    for style, package in emoji.PICTURES.items():
        files = picture_files(style)
        write_folder(folder / "node_modules" / package.name, package.name, package.version, files)
        expected[style] = of_these(package, files)
    patch.setattr(emoji, "PICTURES", expected)
    return folder
