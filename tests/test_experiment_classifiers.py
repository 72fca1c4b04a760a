"""Classifiers trained end to end: they learn what can be learned, not what cannot, and go on where they stopped."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from picture_samples import write_idx

from relstitch.experiments import Run, Steps, classifiers
from relstitch.experiments.classifiers import EXPERIMENT, SETTINGS
from relstitch.experiments.materials.mnist import mnist


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("data")
    write_idx(folder / "mnist", 200, 100)
    return folder


def test_a_run_goes_on_where_it_stopped(data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = EXPERIMENT.run(Run("toy", Steps(tmp_path), data=data))
    (table,) = first.tables
    assert [row.setting for row in table.rows] == [("MNIST",), ("Fashion-MNIST",), ("CIFAR-10",)]
    assert [ours and ours.runs for ours in table.rows[0].ours] == [2, 2]
    assert table.rows[0].paper == ("97.95", "97.91")

    def refuse(*_args: Any) -> None:
        raise AssertionError("trained again")

    monkeypatch.setattr(classifiers, "train", refuse)
    assert EXPERIMENT.run(Run("toy", Steps(tmp_path), data=data)).to_json() == first.to_json()
    with pytest.raises(AssertionError, match="trained again"):
        EXPERIMENT.run(Run("toy", Steps(tmp_path), seeds=3, data=data))


@pytest.mark.parametrize("form", ["absolute", "relative"])
def test_what_can_be_learned_is_learned_and_chance_is_not(data: Path, tmp_path: Path, form: str) -> None:
    course = replace(SETTINGS["toy"].course, epochs=10)
    setting, known = replace(SETTINGS["toy"], anchors=20, course=course), mnist(data)
    given = Run("toy", Steps(tmp_path))
    assert classifiers._score(given, setting, known, form, 0) > 80
    shuffled = replace(known, labels=np.random.default_rng(0).permutation(known.labels))
    assert classifiers._score(given, setting, shuffled, form, 0) < 30


def test_the_pattern_is_held_by_the_numbers_alone() -> None:
    scores = {("A", "absolute"): [90.0, 92.0], ("A", "relative"): [90.5, 89.5], ("B", "absolute"): [50.0],
              ("B", "relative"): [51.5]}  # fmt: skip
    found = classifiers._pattern(scores, ["A", "B"])
    assert found.held
    assert found.found == "points lost: A +1.00, B -1.50"
    assert not classifiers._pattern({**scores, ("B", "relative"): [48.9]}, ["A", "B"]).held
