"""Stitches in which a pair of encoders meets in a way of its own."""

import re
from dataclasses import replace
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
from relstitch.report.stitch_table import markdown
from relstitch.report.ways_table import ways_lines
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


def test_every_choice_says_what_it_reached_on_the_test_rows() -> None:
    files, anchors = turned_pair()
    report = stitch(files, anchors, StitchOptions("ridge", "auto", absolute=False))
    for entry in report.settings["ways"]:
        cell = report.cell("auto", entry["decoder"], entry["encoder"])
        assert entry["test"] == cell.scores["accuracy"].values[entry["draw"]]
    lines = ways_lines(report)
    assert {line[0] for line in lines} == set(report.settings["ways"][0]["held_out"])
    assert next(line[2] for line in lines) in {"1 of 2", "2 of 2"}
    assert "| way | held-out accuracy | chosen | test accuracy |" in markdown(report)
    assert ways_lines(stitch(files, anchors, StitchOptions("ridge", "ridge", absolute=False))) == []


def test_a_decoder_that_passes_its_ceiling_is_named() -> None:
    """Three quarters of one's own columns are noise that the other encoder does not have."""
    X, labels = blobs()
    noise = np.random.default_rng(5).normal(scale=12.0, size=X.shape)
    files = {"noisy": space(X + noise, labels, "noisy"), "clean": space(-3 * X, labels, "clean")}
    report = stitch(files, anchors_in(files["clean"]), StitchOptions("ridge", "auto", absolute=False))
    own = report.cell("auto", "noisy", "noisy").scores["accuracy"].mean
    other = report.cell("auto", "noisy", "clean").scores["accuracy"].mean
    assert own is not None
    assert other is not None
    assert other > own
    assert (
        "With auto, these decoders pass their ceiling, that of the absolute embeddings of their own encoder: noisy on "
        f"clean ({other:.3f} against {own:.3f})."
    ) in report.notes


def test_labels_of_test_rows_and_of_the_encoders_side_never_decide() -> None:
    """Other labels on the test rows: other scores, the very same choices."""
    X, labels = blobs()
    one, two = space(X, labels, "one"), space(-3 * X, labels, "two")
    other = [*labels[:160], *labels[160:][::-1]]
    changed = {"one": space(X, other, "one"), "two": space(-3 * X, other, "two")}
    options = StitchOptions("ridge", "auto", absolute=False)
    first = stitch({"one": one, "two": two}, anchors_in(one), options)
    second = stitch(changed, anchors_in(one), options)
    chosen = [[{**entry, "test": None} for entry in report.settings["ways"]] for report in (first, second)]
    assert chosen[0] == chosen[1]
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


def test_the_command_takes_a_method_and_keeps_the_decoder_of_absolute_embeddings(tmp_path: Path) -> None:
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
    for pair in (("one", "two"), ("two", "one")):  # a pipe has no table of ways: what was chosen is said beside it
        said = rf"^The decoder of {pair[0]} and the rows of {pair[1]} meet by .+ \(held-out accuracy \d\.\d{{3}}\)\.$"
        assert re.search(said, run.stderr, re.MULTILINE), run.stderr
    few = CliRunner().invoke(
        app, ["stitch", *given, "--decoder", "ridge", "--method", "auto", "-k", "20", "--markdown"]
    )
    assert "- The decoder of one and the rows of two meet by " in few.stdout
    assert "anchors" in few.stdout.rsplit("(", 1)[1]
    kept = CliRunner().invoke(
        app, ["stitch", *given, "-m", "ridge", "--save-decoder", str(tmp_path / "d.safetensors")]
    )
    assert kept.exit_code == 0, kept.output
    assert (
        f"Wrote {tmp_path / 'd.safetensors'}: the decoder of one, for its absolute embeddings; stitch --decoder "
        f"{tmp_path / 'd.safetensors'} brings it to other encoders."
    ) in kept.stderr
    assert storage.load_decoder(tmp_path / "d.safetensors").projection is None


def test_what_another_method_would_not_heed_is_refused() -> None:
    with pytest.raises(UsageError) as error:
        StitchOptions("mlp", "ridge", projection="l1", center=True, transductive=True)
    assert str(error.value) == (
        "The method 'ridge' does not stitch by one projection, so projection 'l1', centring, the transductive protocol "
        "would have no effect. Leave out either the method or what goes with --projection, --center and --transductive."
    )


def test_an_affine_map_of_as_many_anchors_as_columns_is_warned_of() -> None:
    X, labels = blobs()
    files = {"one": space(X, labels, "one"), "two": space(-3 * X, labels, "two")}
    d = X.shape[1]
    options = StitchOptions("ridge", "affine", absolute=False)
    near = stitch(files, anchors_in(files["one"]), replace(options, k=d + 1)).notes
    assert (
        "The affine map is fitted without a penalty, and with about as many anchors as columns it follows their "
        f"noise: one ({d + 1} anchors, {d} wide), two ({d + 1} anchors, {d} wide). Take ridge, or many more or many "
        "fewer anchors."
    ) in near
    assert not any("affine" in note for note in stitch(files, anchors_in(files["one"]), options).notes)
