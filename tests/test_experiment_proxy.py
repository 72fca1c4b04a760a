"""The experiment `proxy`: what must hold of it at any size."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from relstitch.artifacts.experiments import ExperimentReport
from relstitch.experiments.experiment import Run
from relstitch.experiments.gnn.recipes import Recipe
from relstitch.experiments.proxy import EXPERIMENT, FORMS, SIZES, Measurement, correlated, likeness, recipe_of
from relstitch.experiments.steps import Steps

pytest.importorskip("torch_geometric")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("steps")


@pytest.fixture(scope="module")
def report(folder: Path) -> ExperimentReport:
    return EXPERIMENT.run(Run("toy", Steps(folder)))


def test_the_report_has_every_network(report: ExperimentReport) -> None:
    for plot in report.plots:
        assert (
            sum(len(line.x) for line in plot.lines.values()) == SIZES["toy"].networks == report.settings["networks"]
        )
        assert all(
            -1 <= x <= 1 and 0 <= y <= 1 for line in plot.lines.values() for x, y in zip(line.x, line.y, strict=True)
        )
    json.dumps(report.to_json(), allow_nan=False)


def test_going_on_gives_the_same_report(
    report: ExperimentReport, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from relstitch.experiments.gnn import training

    trainings: list[Recipe] = []
    train = training.train

    def counted(lesson: Any, recipe: Recipe, *, keep: Any) -> Any:
        trainings.append(recipe)
        return train(lesson, recipe, keep=keep)

    monkeypatch.setattr(training, "train", counted)
    next(iter(folder.glob("network-7-*"))).unlink()
    again = EXPERIMENT.run(Run("toy", Steps(folder)))
    assert trainings == [recipe_of(7, SIZES["toy"])]
    assert again.to_json() == report.to_json()


@pytest.mark.parametrize("size", ["toy", "usual", "full"])
def test_the_reference_is_none_of_the_networks(size: str) -> None:
    sizes = SIZES[size]  # type: ignore[index]
    recipes = [recipe_of(number, sizes) for number in range(sizes.networks)]
    assert sizes.reference not in recipes
    assert all(replace(recipe, seed=sizes.reference.seed) != sizes.reference for recipe in recipes)
    assert len(set(recipes)) == sizes.networks
    assert len({recipe.architecture for recipe in recipes}) == 4


def space(seed: int, d: int = 6) -> dict[str, np.ndarray]:
    generator = np.random.default_rng(seed)
    return {"rows": generator.normal(size=(50, d)), "anchors": generator.normal(size=(9, d))}


@pytest.mark.parametrize("center", FORMS.values(), ids=FORMS)
def test_likeness_sees_no_rotation_and_what_is_paired(center: bool) -> None:
    one = space(0)
    turn = -2 * np.linalg.qr(np.random.default_rng(1).normal(size=(6, 6)))[0]
    turned = {name: array @ turn for name, array in one.items()}
    assert likeness(one, turned, center=center) == pytest.approx(1)
    shifted = {name: array + 3 for name, array in one.items()}
    assert (likeness(one, shifted, center=center) == pytest.approx(1)) is center
    mixed = {**turned, "rows": np.roll(turned["rows"], 1, axis=0)}
    assert likeness(one, mixed, center=center) < 0.7
    assert -0.7 < likeness(one, space(2, d=11), center=center) < 0.7


def measurements(x: np.ndarray, y: np.ndarray) -> list[Measurement]:
    return [Measurement(Recipe("gcn"), float(b), {"centred": float(a)}) for a, b in zip(x, y, strict=True)]


def test_correlations_are_those_of_scipy_with_intervals_around_them() -> None:
    stats = pytest.importorskip("scipy.stats")
    generator = np.random.default_rng(0)
    x = generator.normal(size=120)
    y = np.round(x**3 + generator.normal(size=120))
    found = correlated(measurements(x, y), "centred")
    for name, oracle in (("pearson", stats.pearsonr), ("spearman", stats.spearmanr)):
        value, low, high = found[name]
        assert value == pytest.approx(oracle(x, y).statistic)
        assert -1 <= low < value < high <= 1
    chance = correlated(measurements(x, generator.permutation(y)), "centred")["spearman"]
    assert abs(chance[0]) < 0.3


def test_what_does_not_vary_has_no_correlation() -> None:
    found = correlated(measurements(np.arange(5.0), np.ones(5)), "centred")
    assert np.isnan(found["pearson"]).all()
