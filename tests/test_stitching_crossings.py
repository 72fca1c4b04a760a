"""Stitches in which a pair of encoders meets in a way of its own."""

from pathlib import Path

import numpy as np
import pytest
from stitching_samples import anchors_in, blobs, space, turned_pair
from typer.testing import CliRunner

from relstitch import storage
from relstitch.artifacts import ProjectionSpec
from relstitch.cli import app
from relstitch.errors import UsageError
from relstitch.relative import anchor_vectors, relative_representation
from relstitch.stitching import StitchOptions, stitch, stitch_pair
from relstitch.translation import TRANSLATORS

NAMES = sorted(set(TRANSLATORS) - {"mlp"})


@pytest.mark.parametrize("way", [*NAMES, "auto"])
def test_every_way_stitches_a_turned_space_that_absolute_vectors_cannot(way: str) -> None:
    files, anchors = turned_pair()
    report = stitch(files, anchors, StitchOptions("ridge", way))
    assert report.forms == ("absolute", way)
    stitched, absolute = report.stitched_mean(way), report.stitched_mean("absolute")
    assert stitched is not None
    assert absolute is not None
    assert stitched > 0.85 > absolute


def test_the_report_lists_every_candidate_with_its_held_out_score_and_the_chosen_one() -> None:
    files, anchors = turned_pair()
    report = stitch(files, anchors, StitchOptions("ridge", "auto", absolute=False))
    pairs = {(entry["decoder"], entry["encoder"]) for entry in report.settings["ways"]}
    assert pairs == {("one", "two"), ("two", "one")}
    for entry in report.settings["ways"]:
        assert entry["way"] in entry["held_out"]
        assert len(entry["held_out"]) >= 10
        assert all(0 <= value <= 1 for value in entry["held_out"].values())


def test_labels_of_test_rows_and_of_the_encoders_side_never_decide() -> None:
    """Other labels on the test rows: other scores, the very same choices."""
    X, labels = blobs()
    one, two = space(X, labels, "one"), space(-3 * X, labels, "two")
    other = [*labels[:160], *labels[160:][::-1]]
    changed = {"one": space(X, other, "one"), "two": space(-3 * X, other, "two")}
    options = StitchOptions("ridge", "auto", absolute=False)
    first = stitch({"one": one, "two": two}, anchors_in(one), options)
    second = stitch(changed, anchors_in(one), options)
    assert first.settings["ways"] == second.settings["ways"]
    assert first.stitched_mean("auto") != second.stitched_mean("auto")


def test_widths_may_differ() -> None:
    X, labels = blobs()
    wide = np.hstack([X, X[:, :3]])
    files = {"one": space(X, labels, "one"), "two": space(wide, labels, "two")}
    mean = stitch(files, anchors_in(files["one"]), StitchOptions("ridge", "auto", absolute=False)).stitched_mean(
        "auto"
    )
    assert mean is not None
    assert mean > 0.85


def test_an_unrelated_space_is_stitched_no_better_than_chance() -> None:
    X, labels = blobs()
    noise = np.random.default_rng(5).normal(size=X.shape)
    files = {"one": space(X, labels, "one"), "noise": space(noise, labels, "noise")}
    report = stitch(files, anchors_in(files["one"]), StitchOptions("ridge", "auto", absolute=False))
    mean = report.cell("auto", "one", "noise").scores["accuracy"].mean
    assert mean is not None
    assert mean < 0.5


def test_a_pair_of_different_data_meets_by_a_translator() -> None:
    X, labels = blobs()
    left, right = space(X, labels, "left"), space(-3 * X, labels, "right")
    options = StitchOptions("ridge", "procrustes", train_side="left", test_side="right", absolute=False)
    report = stitch_pair(("left", left), ("right", right), anchors_in(left, right), options)
    mean = report.cell("procrustes", "left", "right").scores["accuracy"].mean
    assert mean is not None
    assert mean > 0.85


def test_a_method_that_does_not_exist_is_refused() -> None:
    files, anchors = turned_pair()
    with pytest.raises(UsageError) as error:
        stitch(files, anchors, StitchOptions(way="magic"))
    assert str(error.value) == (
        f"There is no method 'magic'. Choose one of: relative, auto, {', '.join(TRANSLATORS)}."
    )


def test_relative_files_are_refused() -> None:
    files, anchors = turned_pair()
    relatives = {
        name: relative_representation(file, anchor_vectors(file, anchors), ProjectionSpec())
        for name, file in files.items()
    }
    with pytest.raises(UsageError) as error:
        stitch(relatives, None, StitchOptions("ridge", "auto", absolute=False))
    assert str(error.value) == (
        "one is a relative file, which holds no absolute embeddings to carry over. Give embeddings files with "
        "--anchors, or leave --method out."
    )


def test_the_command_takes_a_method_and_refuses_to_keep_its_decoder(tmp_path: Path) -> None:
    files, anchors = turned_pair()
    for name, file in files.items():
        storage.save(file, tmp_path / f"{name}.safetensors")
    storage.save(anchors, tmp_path / "a.json")
    given = [str(tmp_path / "one.safetensors"), str(tmp_path / "two.safetensors"), "-a", str(tmp_path / "a.json")]
    run = CliRunner().invoke(
        app, ["stitch", *given, "--decoder", "ridge", "--method", "auto", "--min-accuracy", "0.8"]
    )
    assert run.exit_code == 0, run.output
    assert "auto\tone\ttwo\tyes" in run.stdout
    kept = CliRunner().invoke(
        app, ["stitch", *given, "-m", "ridge", "--save-decoder", str(tmp_path / "d.safetensors")]
    )
    assert kept.exit_code == 2
    assert (
        "--save-decoder keeps a decoder of relative representations; --method ridge carries the rows another way. "
        "Leave one of the two out."
    ) in kept.stderr
