"""Autoencoders stitched: what a rotation must leave and what it must not, resumption, and the data they are read from."""

from copy import deepcopy
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from picture_samples import write_idx
from torch import nn

from relstitch.artifacts.experiments import ExperimentReport
from relstitch.experiments import Run, Steps, autoencoders
from relstitch.experiments.autoencoders import EXPERIMENT, SETTINGS, Net, Scene, decoders_of
from relstitch.experiments.materials.gallery import picture_anchors
from relstitch.experiments.materials.mnist import mnist
from relstitch.experiments.networks import Autoencoder, Dense, Plan
from relstitch.experiments.training import Course, learned, seeded, taught, train


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("data")
    write_idx(folder / "mnist", 200, 60)
    return folder


@pytest.fixture(scope="module")
def steps(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("steps")


@pytest.fixture(scope="module")
def report(data: Path, steps: Path) -> ExperimentReport:
    return EXPERIMENT.run(Run("toy", Steps(steps), data=data))


def scene_of(data: Path) -> Scene:
    setting = replace(SETTINGS["toy"], train=200, test=60)
    few = mnist(data).fewer(setting.train, setting.test)
    return Scene(few, picture_anchors(few, setting.anchors), setting, 2)


def pixels(scene: Scene) -> tuple[torch.Tensor, torch.Tensor]:
    values = torch.from_numpy(scene.pictures.pictures)
    return values[scene.pictures.train :], values[torch.from_numpy(scene.anchors)]


def turned(model: Autoencoder, by: torch.Tensor) -> Autoencoder:
    """The same network with its embedding carried through a linear map: another net that learned as well."""
    copy, last = deepcopy(model), nn.Linear(len(by), len(by), bias=False)
    with torch.no_grad():
        last.weight.copy_(by)
    copy.encoder = nn.Sequential(copy.encoder, last)
    return copy


def test_a_variance_beyond_all_bounds_does_not_end_in_nan(data: Path) -> None:
    """Log variances of 1000 would overflow: exp(1000) is infinite, and so is the loss."""
    scene = scene_of(data)
    shown, anchors = pixels(scene)
    with seeded(0):
        model = scene.build(Net("VAE", "relative", "dense", 0), "cpu")
        with torch.no_grad():
            dict(model.named_parameters())["encoder.1.linear.bias"][scene.setting.width :] = 1000.0
        torch.autograd.backward(model.loss(shown, anchors))
    gradients = [parameter.grad for parameter in model.parameters()]
    assert all(gradient is not None and bool(torch.isfinite(gradient).all()) for gradient in gradients)


def test_a_step_whose_gradient_is_not_finite_is_left_out() -> None:
    line = torch.nn.Linear(1, 1)
    before, calls = float(line.weight.detach()), []

    def loss_of(batch: torch.Tensor) -> torch.Tensor:
        calls.append(len(batch))
        broken = float("nan") if len(calls) == 2 else 1.0
        error: torch.Tensor = (line(torch.ones(len(batch), 1)) - 3).square().mean() * broken
        return error

    with seeded(0):
        train(line, loss_of, 8, Course(20, 4, 0.1), lambda _done, _all: None)
    assert len(calls) == 40
    assert np.isfinite(float(line.weight.detach()))
    assert float(line.weight.detach()) != before


@pytest.mark.parametrize("architecture", ["dense", "convolutional"])
def test_a_relative_decoder_does_not_see_a_rotation_of_the_encoder_and_an_absolute_one_does(
    data: Path, architecture: Any
) -> None:
    scene = scene_of(data)
    shown, anchors = pixels(scene)
    d = scene.setting.width
    turn = torch.linalg.qr(torch.randn(d, d, generator=torch.Generator().manual_seed(0)))[0]
    stretch = torch.diag(torch.linspace(0.05, 5.0, d))
    for form in ("relative", "absolute"):
        with seeded(0):
            model = scene.build(Net("AE", form, architecture, 0), "cpu")
        with torch.inference_mode():
            own = model.decode(model.represent(shown, anchors))
            rotated = model.decode(turned(model, turn).represent(shown, anchors))
            stretched = model.decode(turned(model, stretch).represent(shown, anchors))
        assert torch.allclose(own, rotated, atol=1e-4) == (form == "relative")
        assert not torch.allclose(own, stretched, atol=1e-3)


def test_an_encoder_with_its_own_decoder_is_not_stitched(data: Path, report: ExperimentReport, steps: Path) -> None:
    """The figure in the table is the one that the kept networks give by hand."""
    scene = Scene(mnist(data).fewer(300, 100), picture_anchors(mnist(data).fewer(300, 100), 40), SETTINGS["toy"], 2)
    shown, anchors = pixels(scene)
    errors = []
    for net in scene.nets("AE", "relative"):
        model = autoencoders._taught(Run("toy", Steps(steps), data=data), scene, net)
        with torch.inference_mode():
            errors.append(float((model.decode(model.represent(shown, anchors)) - shown).square().mean()))
    row = next(row for row in report.tables[0].rows if row.setting == ("AE", "relative", "own"))
    assert row.ours[0] is not None
    assert row.ours[0].mean == pytest.approx(1000 * float(np.mean(errors)), rel=1e-5)
    assert row.paper[0] == "1.18"


def test_a_run_goes_on_where_it_stopped(
    data: Path, steps: Path, report: ExperimentReport, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_args: Any) -> None:
        raise AssertionError("trained again")

    monkeypatch.setattr(autoencoders, "train", refuse)
    again = EXPERIMENT.run(Run("toy", Steps(steps), data=data))
    assert again.to_json() == report.to_json()
    for grid, first in zip(again.grids, report.grids, strict=True):
        np.testing.assert_array_equal(grid.pictures, first.pictures)
    next(steps.glob("mnist-vae-relative-dense-1-*.npz")).unlink()
    with pytest.raises(AssertionError, match="trained again"):
        EXPERIMENT.run(Run("toy", Steps(steps), data=data))


def test_the_report_holds_every_crossing_and_a_picture_a_class(report: ExperimentReport) -> None:
    (table,) = report.tables
    assert [row.setting for row in table.rows][:3] == [
        ("AE", "absolute", "own"), ("AE", "absolute", "another seed"), ("AE", "absolute", "another architecture"),
    ]  # fmt: skip
    assert [[ours and ours.runs for ours in row.ours] for row in table.rows] == [
        [4, None, None], [4, None, None], [8, None, None],
    ] * 4  # fmt: skip
    for grid in report.grids:
        assert grid.rows == (
            "original", "relative, own decoder", "relative, stitched", "absolute, own decoder", "absolute, stitched",
        )  # fmt: skip
        assert grid.pictures.shape == (5, 10, 28, 28, 1)
        assert grid.pictures.min() >= 0.0
        assert grid.pictures.max() <= 1.0
    assert len(report.patterns) == 3
    assert report.settings["data"] == {"MNIST": {"from": str(Path(report.settings["data"]["MNIST"]["from"])),
                                                 "train": 200, "test": 60}}  # fmt: skip
    assert report.notes[-1] == (
        "CIFAR-10 is left out. CIFAR-10 is in no package. Give a folder with cifar10/train/CLASS/*.jpg and "
        "cifar10/test/CLASS/*.jpg: --data FOLDER"
    )


def test_patterns_are_held_by_the_numbers_alone() -> None:
    same = {"relative": 2.0, "absolute": 30.0}

    def square(stitched: float) -> Any:
        return np.where(np.eye(4) > 0, 1.0, stitched)

    errors = {("MNIST", k, f): square(same[f]) for k in ("AE", "VAE") for f in ("absolute", "relative")}
    assert [pattern.held for pattern in autoencoders._patterns(errors, 2)] == [True, True, True]
    errors["MNIST", "AE", "relative"] = square(3.1)
    errors["MNIST", "AE", "absolute"] = square(19.0)
    errors["MNIST", "VAE", "relative"] = square(31.0)
    found = autoencoders._patterns(errors, 2)
    assert [pattern.held for pattern in found] == [False, False, False]
    assert found[0].found == "MNIST 3.1 × (another architecture 3.1 ×)"


def test_errors_are_sorted_by_whose_decoder_it_was() -> None:
    square = np.array([[100 * e + d for d in range(6)] for e in range(6)], dtype=np.float64)
    found = decoders_of(square, 3)
    assert sum(map(len, found.values())) == 36
    assert found["own"] == [0, 101, 202, 303, 404, 505]
    assert set(found["another seed"]) == {1, 2, 100, 102, 200, 201, 304, 305, 403, 405, 503, 504}


def test_variational_networks_draw_in_training_and_not_afterwards(data: Path) -> None:
    scene = scene_of(data)
    shown, anchors = pixels(scene)
    with seeded(0):
        model = scene.build(Net("VAE", "relative", "dense", 0), "cpu")
        with torch.inference_mode():
            assert model.loss(shown, anchors) != model.loss(shown, anchors)
            assert torch.equal(model.represent(shown, anchors), model.represent(shown, anchors))


def test_training_is_decided_by_its_seed_and_leaves_torch_as_it_was(data: Path) -> None:
    scene = scene_of(data)
    values = torch.from_numpy(scene.pictures.pictures)
    _, anchors = pixels(scene)

    def made(seed: int) -> dict[str, Any]:
        with seeded(seed):
            model = scene.build(Net("AE", "relative", "dense", seed), "cpu")
            before = float(model.loss(values[:200], anchors).detach())
            course = replace(scene.setting.course, epochs=2)
            train(model, lambda batch: model.loss(values[batch], anchors), 200, course, lambda _done, _all: None)
            assert float(model.loss(values[:200], anchors).detach()) < 0.9 * before
        return learned(model)

    torch.manual_seed(5)
    expected = torch.rand(3)
    torch.manual_seed(5)
    threads = torch.get_num_threads()
    first = made(1)
    assert torch.equal(torch.rand(3), expected)
    assert torch.get_num_threads() == threads
    again, other = made(1), made(2)
    assert all(np.array_equal(first[name], again[name]) for name in first)
    assert not np.array_equal(first["encoder.1.linear.weight"], other["encoder.1.linear.weight"])
    copy = scene.build(Net("AE", "relative", "dense", 0), "cpu")
    taught(copy, first)
    assert all(np.array_equal(first[name], value) for name, value in learned(copy).items())


@pytest.mark.parametrize("architecture", ["dense", "convolutional"])
@pytest.mark.parametrize("shape", [(1, 28, 28), (3, 32, 32)])
def test_decoders_give_back_the_shape_that_encoders_were_given(
    architecture: Any, shape: tuple[int, int, int]
) -> None:
    plan = Plan(architecture, shape, 12, 8, anchors=5, variational=True)
    model = Autoencoder(plan, torch.zeros(shape), 1.0, 0.1)
    shown = torch.rand(7, *shape)
    relative = model.represent(shown, shown[:5])
    assert relative.shape == (7, 5)
    assert model.decode(relative).shape == shown.shape


def test_a_dense_layer_is_a_linear_map_and_a_curved_one() -> None:
    layer, X = Dense(3, 4, 2), torch.randn(5, 3)
    assert torch.allclose(layer(X), layer.linear(X) + layer.curved[2](nn.functional.elu(layer.curved[0](X))))
