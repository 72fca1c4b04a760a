"""Comparing files: rows met by id, anchors, references, the report, and the verb."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from typer.testing import CliRunner

from relstitch import storage
from relstitch.artifacts import (
    AnchorList,
    Anchors,
    AnchorSide,
    Embeddings,
    EncoderStamp,
    ProjectionSpec,
    Relative,
    Rows,
)
from relstitch.cli import app
from relstitch.comparison import CompareOptions, compare, similarity
from relstitch.errors import MismatchError, UsageError
from relstitch.relative import anchor_vectors, relative_representation

N = 60
IDS = [f"r{at:02}" for at in range(N)]
QUICK = CompareOptions(permutations=5, bootstrap=5)


def file_of(vectors: Any, ids: list[str] | None = None, name: str = "st:x") -> Embeddings:
    values = np.asarray(vectors, dtype=np.float32)
    return Embeddings(Rows.build(ids or IDS), values, EncoderStamp(name, "text", values.shape[1]))


def anchors_of(k: int = 8) -> Anchors:
    return Anchors("explicit", 0, (AnchorSide("main", "", (AnchorList(tuple(IDS[:k]), ("",) * k),)),))


def world(noise: float = 0.3) -> dict[str, Embeddings]:
    """A space, the same turned, a noisy one, and one that has nothing to do with it."""
    rng = np.random.default_rng(0)
    X = rng.normal(size=(N, 6))
    turn = np.linalg.qr(rng.normal(size=(6, 6)))[0]
    return {
        "plain": file_of(X), "turned": file_of(3 * X @ turn), "noisy": file_of(X + noise * rng.normal(size=(N, 6))),
        "other": file_of(rng.normal(size=(N, 9))),
    }  # fmt: skip


def relative_of(file: Embeddings, k: int = 8, spec: ProjectionSpec | None = None) -> Relative:
    return relative_representation(file, anchor_vectors(file, anchors_of(k)), spec or ProjectionSpec())


def test_every_pair_and_measure() -> None:
    report = compare(world(), anchors_of(), QUICK)
    assert len(report.figures) == 6 * 8
    for measure in report.measures:
        alike, apart = report.figure(measure, "turned", "plain"), report.figure(measure, "plain", "other")
        assert alike.value == pytest.approx(1, abs=1e-4)
        assert apart.value < 0.8 * alike.value
        assert alike.baseline is not None
        assert alike.value > alike.baseline.high
        assert alike.interval is not None
        assert alike.interval.low <= alike.value <= alike.interval.high
    assert report.rows["anchors"] == 8
    assert report.figure("cosine", "plain", "other").rows == N - 8
    assert report.figure("cka", "plain", "other").rows == N
    assert report.notes == ("8 rows are anchors and are left out of the measures on relative spaces.",)
    with pytest.raises(KeyError):
        report.figure("cka", "plain", "nobody")


def test_rows_meet_by_id_in_any_order() -> None:
    files = world()
    order = np.random.default_rng(3).permutation(N)
    moved = compare({**files, "noisy": files["noisy"].take(order[:50])}, options=QUICK)
    kept = np.sort(order[:50])
    expected = similarity(files["plain"].vectors[kept], files["noisy"].vectors[kept])
    assert moved.figure("cka", "plain", "noisy").value == pytest.approx(expected, abs=1e-9)
    assert moved.notes[0] == "10 rows of plain are not in all files and were left out."
    by_position = similarity(files["plain"].vectors[:50], files["noisy"].vectors[order[:50]])
    assert by_position < expected - 0.3  # what pairing by position would have said


def test_a_reference_gives_latent_distances() -> None:
    report = compare(world(), anchors_of(), replace(QUICK, reference="plain"))
    assert len(report.figures) == 3 * 8
    distance = report.latent_distance
    assert distance["turned"] < 1e-5 < distance["noisy"] < distance["other"]
    assert distance["noisy"] == 1 - report.figure("cosine", "noisy", "plain").value
    assert report.to_json()["latent_distance"] == distance
    assert compare(world(), options=replace(QUICK, reference="plain")).latent_distance == {}


def test_relative_files_are_compared_as_they_are() -> None:
    files = world()
    relatives = {name: relative_of(file) for name, file in files.items()}
    own, made = compare(relatives, options=QUICK), compare(files, anchors_of(), QUICK)
    for measure in ("jaccard", "mrr", "cosine"):
        assert own.figure(measure, "plain", "noisy") == made.figure(measure, "plain", "noisy")


def test_a_sample_is_stated_and_the_rest_is_exact() -> None:
    files = world()
    report = compare(files, options=replace(QUICK, limit=30))
    whole = compare(files, options=QUICK)
    assert report.figure("cka", "plain", "noisy").value == whole.figure("cka", "plain", "noisy").value
    assert report.figure("cka", "plain", "noisy").baseline == whole.figure("cka", "plain", "noisy").baseline
    assert report.figure("rsa", "plain", "noisy").rows == 30
    assert report.notes == (
        "rsa, mutual-knn and all intervals are of a sample of 30 of 60 rows.",
        "Half of the rows are too few for an interval of svcca. Raise the limit.",
    )
    assert report.figure("svcca", "plain", "other").interval is None
    assert whole.figure("svcca", "plain", "noisy").interval is not None


def test_the_same_twice() -> None:
    assert compare(world(), options=QUICK) == compare(world(), options=QUICK)


def test_the_report_is_plain_json() -> None:
    values = json.loads(json.dumps(compare(world(), options=QUICK).to_json(), allow_nan=False))
    matrix = np.array(values["matrices"]["cka"])
    assert matrix.shape == (4, 4)
    assert (matrix == matrix.T).all()
    assert (np.diagonal(matrix) == 1).all()


def test_what_can_not_be_measured_is_said_before_anything_is(monkeypatch: pytest.MonkeyPatch) -> None:
    def measured(*_given: object) -> None:
        raise AssertionError

    monkeypatch.setattr("relstitch.comparison.comparing._figure", measured)
    with pytest.raises(MismatchError) as caught:
        compare(world(), options=replace(QUICK, neighbours=60))
    assert str(caught.value) == (
        "60 rows are too few for mutual-knn, which needs 61 here. Compare files that share more rows, or look at fewer "
        "neighbours."
    )


SPEC = ProjectionSpec("cosine", center=False)
SIDED = Anchors("parallel", 0, tuple(AnchorSide(name, "", anchors_of().sides[0].draws) for name in ("en", "es")))
REFUSED: list[tuple[Any, Any, CompareOptions, Any, str]] = [
    (lambda f: {"plain": f["plain"]}, None, QUICK, UsageError, "A comparison needs at least two files; 1 given."),
    (lambda f: f, None, replace(QUICK, reference="best"), UsageError,
     "The reference 'best' is none of the files: plain, turned, noisy, other. Name one of them."),
    (lambda f: f, None, replace(QUICK, limit=3), UsageError, "limit is 3; it must be at least 8."),
    (lambda f: f, None, replace(QUICK, measures=("mrr", "cka")), UsageError,
     "The measure mrr compares relative representations: give --anchors, or relative files."),
    (lambda f: f, None, replace(QUICK, measures=("mrr", "jaccard")), UsageError,
     "The measures mrr, jaccard compare relative representations: give --anchors, or relative files."),
    (lambda f: {"plain": relative_of(f["plain"]), "noisy": f["noisy"]}, None, QUICK, MismatchError,
     "plain holds relative representations and noisy embeddings. Compare files of one kind: embeddings files, with "
     "--anchors if you like, or relative files."),
    (lambda f: {name: relative_of(file) for name, file in f.items()}, anchors_of(), QUICK, UsageError,
     "Relative files carry their anchors: compare them without --anchors."),
    (lambda f: {"plain": relative_of(f["plain"]), "noisy": relative_of(f["noisy"], spec=SPEC)}, None, QUICK,
     MismatchError,
     "plain was projected with cosine, centred and noisy with cosine, not centred; only one projection can be "
     "compared column by column. Encode both the same way, or compare their embeddings."),
    (lambda f: {"plain": relative_of(f["plain"]), "noisy": relative_of(f["noisy"], k=9)}, None, QUICK, MismatchError,
     "plain and noisy were made with different anchors, 8 and 9 of them; their columns do not correspond. Encode both "
     "with the same anchors file."),
    (lambda f: f, SIDED, QUICK, UsageError,
     "These anchors have 2 sides (en, es), one for the items of each file; files are compared on the rows that they "
     "share. Give anchors with one side, or compare without --anchors."),
    (lambda f: f, anchors_of(N - 2), QUICK, MismatchError,
     "2 rows are too few for jaccard, which needs 11 here. Compare files that share more rows, or look at fewer "
     "neighbours."),
]  # fmt: skip


@pytest.mark.parametrize(("files", "anchors", "options", "error", "message"), REFUSED)
def test_what_cannot_be_compared_is_said(
    files: Any, anchors: Anchors | None, options: CompareOptions, error: Any, message: str
) -> None:
    with pytest.raises(error) as caught:
        compare(files(world()), anchors, options)
    assert str(caught.value) == message


@pytest.fixture
def desk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name, file in world().items():
        storage.save(file, tmp_path / f"{name}.safetensors")
    storage.save(anchors_of(), tmp_path / "anchors.json")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def run(*arguments: str) -> Any:
    return CliRunner().invoke(app, ["compare", *arguments, "--permutations", "5", "--bootstrap", "5"])


FILES = ("plain.safetensors", "noisy.safetensors", "turned.safetensors")


def test_the_verb_writes_tsv_to_a_pipe(desk: Path) -> None:
    result = run(*FILES[:2], "-a", "anchors.json", "-m", "cka", "-m", "cosine")
    assert result.exit_code == 0
    lines = [line.split("\t") for line in result.stdout.splitlines()]
    assert lines[0] == ["measure", "left", "right", "value", "low", "high", "chance", "chance_95", "rows"]
    assert [line[:3] + line[8:] for line in lines[1:]] == [
        ["cka", "plain", "noisy", "60"], ["cosine", "plain", "noisy", "52"]
    ]  # fmt: skip
    assert result.stderr.splitlines()[0] == (
        "60 shared rows, 10 neighbours, 8 anchors (cosine, centred), chance (mean and 95th percentile) from 5 "
        "permutations, 90% intervals from 5 draws of rows. 1 means equal; higher is more alike."
    )


def test_the_verb_takes_a_reference_by_path(desk: Path) -> None:
    result = run(*FILES, "-a", "anchors.json", "--reference", "noisy.safetensors", "--json")
    values = json.loads(result.stdout)
    assert values["reference"] == "noisy"
    assert set(values["latent_distance"]) == {"plain", "turned"}
    assert run(*FILES, "-m", "cka", "--reference", str(desk / "noisy.safetensors")).exit_code == 0
    shown = run(*FILES, "-a", "anchors.json", "--reference", "plain")
    assert " Latent distance to plain (0 means equal): turned 0.000, noisy 0." in shown.stderr


def test_the_verb_writes_markdown(desk: Path) -> None:
    matrix = run(*FILES, "-m", "cka", "--markdown").stdout.splitlines()
    assert matrix[:2] == ["| cka | plain | noisy | turned |", "| --- | ---: | ---: | ---: |"]
    assert matrix[2].startswith("| plain | 1.000 | 0.")
    assert matrix[2].endswith(" | 1.000 |")
    table = run(*FILES[:2], "-m", "cka", "--markdown").stdout.splitlines()
    assert table[0] == "| measure | left | right | value | interval | chance | chance 95% | rows |"


def test_the_table_for_eyes(desk: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("relstitch.report.compare_table.on_terminal", lambda: True)
    lines = run(*FILES[:2], "-m", "cka").stdout.splitlines()
    assert lines[1].split() == [
        "measure",
        "left",
        "right",
        "value",
        "interval",
        "chance",
        "chance",
        "95%",
        "rows",
    ]
    assert lines[3].split()[:3] == ["cka", "plain", "noisy"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (FILES[:1], "Error: A comparison needs at least two files; 1 given.\n"),
        ((FILES[0], FILES[0]),
         "Error: The same file was given twice; a comparison needs a file for each space.\n"),
        ((*FILES[:2], "--json", "--markdown"),
         "Error: --json and --markdown are two forms of one output; give one of them.\n"),
    ],
)  # fmt: skip
def test_the_verb_refuses_in_words(desk: Path, arguments: tuple[str, ...], message: str) -> None:
    result = run(*arguments)
    assert (result.exit_code, result.stdout, result.stderr) == (2, "", message)


def test_two_encoders_of_the_same_texts_are_alike(test_data: Path) -> None:
    """MiniLM and MPNet on TREC are far more alike than chance; shuffled rows are not."""
    with (
        np.load(test_data / "embeddings" / "trec-minilm.npz") as one,
        np.load(test_data / "embeddings" / "trec-mpnet.npz") as other,
    ):
        X, Y = one["train"][:800], other["train"][:800]
    shuffled = Y[np.random.default_rng(0).permutation(800)]
    for measure in ("cka", "rsa", "mutual-knn"):
        assert similarity(X, Y, measure) > 0.45
        assert abs(similarity(X, shuffled, measure)) < 0.05
