"""``--task reconstruct``: decoders that give back pictures and real values."""

import json
from collections.abc import Callable
from dataclasses import replace
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from PIL import Image
from stitching_samples import Floats, anchors_in, rotation, space
from typer.testing import CliRunner

from relstitch import storage
from relstitch.artifacts import Anchors, Embeddings, Rows, StitchReport, Targets
from relstitch.artifacts.rows import content_hash
from relstitch.choosing import Target
from relstitch.choosing.directions import in_few_directions
from relstitch.cli import app
from relstitch.dataset import Dataset, ImageRef, pixel_targets, read_dataset
from relstitch.decoders import DecoderSettings, Prediction, fit_decoder, predict
from relstitch.errors import DatasetError, GateError, MismatchError, RelstitchError, UsageError
from relstitch.scoring import floor, score
from relstitch.stitching import (
    StitchOptions,
    check_gate_values,
    check_gates,
    decoder_of,
    predict_with,
    stitch,
    stitch_pair,
)
from relstitch.stitching.ready import ready_of

N, TRAIN, SIDE = 240, 160, 4
BACK = StitchOptions("ridge", task="reconstruct", strength=0.01)


def scenes(seed: int = 0) -> tuple[Floats, NDArray[np.uint8]]:
    """What an encoder sees, float64 [240, 6], and small coloured pictures that it decides."""
    random = np.random.default_rng(seed)
    hidden = random.normal(size=(N, 6))
    light = 1 / (1 + np.exp(-hidden @ random.normal(size=(6, SIDE * SIDE * 3)) / 2))
    return hidden, (255 * light).astype(np.uint8).reshape(N, SIDE, SIDE, 3)


def image_targets(values: NDArray[np.uint8]) -> Targets:
    return Targets("image", values, np.ones(len(values), dtype=bool))


def two(values: NDArray[np.uint8] | None = None, turn: Floats | None = None) -> tuple[dict[str, Embeddings], Anchors]:
    """An encoder, and the same one turned: absolute vectors then mislead."""
    hidden, drawn = scenes()
    targets = image_targets(drawn if values is None else values)
    one = space(hidden, targets, "one")
    return {"one": one, "two": space(hidden @ (rotation(6) if turn is None else turn), targets, "two")}, anchors_in(
        one
    )


def mse(report: StitchReport, decoder: str, encoder: str, form: str = "relative") -> float:
    found = report.cell(form, decoder, encoder).scores["mse"].mean
    assert found is not None
    return found


def refusal(call: Callable[[], Any], kind: type[RelstitchError] = UsageError) -> str:
    with pytest.raises(kind) as caught:
        call()
    return str(caught.value)


def in_id_order(one: Embeddings, values: NDArray[Any], split: str) -> NDArray[Any]:
    at = np.flatnonzero(one.rows.in_splits(split))
    return np.asarray(values[at[np.argsort(one.rows.ids[at], kind="stable")]])


def relative_rows(vectors: NDArray[Any], anchors: NDArray[Any]) -> Floats:
    """Centred cosines, row by row."""
    mean = anchors.mean(axis=0)
    return np.array([
        [(x - mean) @ (a - mean) / np.linalg.norm(x - mean) / np.linalg.norm(a - mean) for a in anchors]
        for x in vectors
    ])  # fmt: skip


def test_the_figures_are_those_of_plain_ridge_regression() -> None:
    """The oracle: least squares with a penalty from pixels on standardised similarities, solved by numpy."""
    files, anchors = two()
    report = stitch(files, anchors, BACK)
    one, other = files["one"], files["two"]
    at = [one.rows.position[name] for name in anchors.sides[0].draws[0].ids]
    pixels = np.asarray(scenes()[1], dtype=np.float64).reshape(N, -1) / 255
    X, Y = relative_rows(in_id_order(one, one.vectors, "train"), one.vectors[at]), in_id_order(one, pixels, "train")
    asked = relative_rows(in_id_order(other, other.vectors, "test"), other.vectors[at])
    mean, scale = X.mean(axis=0), X.std(axis=0)
    scaled = (X - mean) / scale
    weights = np.linalg.solve(scaled.T @ scaled + 0.01 * TRAIN * np.eye(40), scaled.T @ (Y - Y.mean(axis=0)))
    answers = (asked - mean) / scale @ weights + Y.mean(axis=0)
    truth = in_id_order(one, pixels, "test")
    assert mse(report, "one", "two") == pytest.approx(np.square(answers - truth).mean(), rel=1e-4)
    assert report.floor == pytest.approx(np.square(Y.mean(axis=0) - truth).mean(), rel=1e-5)
    psnr = report.cell("relative", "one", "two").scores["psnr"].mean
    assert psnr == pytest.approx(-10 * np.log10(mse(report, "one", "two")))


@settings(max_examples=4, deadline=None)
@given(st.integers(0, 2**20), st.floats(0.1, 10))
def test_a_turned_and_stretched_space_is_drawn_as_well_as_its_own(seed: int, stretch: float) -> None:
    files, anchors = two(turn=stretch * rotation(6, seed))
    report = stitch(files, anchors, replace(BACK, absolute=False, center=True))
    for decoder, encoder in (("one", "two"), ("two", "one")):
        assert mse(report, decoder, encoder) == pytest.approx(mse(report, decoder, decoder), rel=1e-3)
        retention = report.cell("relative", decoder, encoder).retention.mean
        assert retention == pytest.approx(1.0, abs=1e-3)


def test_absolute_vectors_mislead_and_relative_ones_do_not() -> None:
    files, anchors = two()
    report = stitch(files, anchors, BACK)
    assert (report.metric, report.lower_is_better) == ("mse", True)
    assert mse(report, "one", "two") < 0.2 * report.floor < report.floor < mse(report, "one", "two", "absolute")
    own = mse(report, "one", "one")
    kept = (report.floor - mse(report, "one", "two")) / (report.floor - own)
    assert report.cell("relative", "one", "two").retention.mean == pytest.approx(kept)
    assert report.settings["picture"] == {"height": SIDE, "width": SIDE, "channels": 3}
    assert not [note for note in report.notes if "do no better than the floor" in note]


def test_pictures_of_other_rows_cannot_be_drawn() -> None:
    """Negative control: with the pictures dealt anew there is nothing to learn, by anybody."""
    shuffled = scenes()[1][np.random.default_rng(1).permutation(N)]
    files, anchors = two(shuffled)
    report = stitch(files, anchors, BACK)
    assert min(mse(report, decoder, encoder) for decoder in files for encoder in files) > 0.95 * report.floor
    note = next(note for note in report.notes if note.startswith("Centred, these pairs do no better than the floor"))
    assert note == (
        f"Centred, these pairs do no better than the floor of {report.floor:.4f}: decoder of one on two, decoder of "
        "two on one."
    )
    # A ceiling that is no better than the floor has no gain to keep a share of.
    assert report.cell("relative", "one", "two").retention.mean is None


def test_centring_is_told_as_what_lowers_the_error() -> None:
    hidden, drawn = scenes()
    files, anchors = two()
    files["two"] = space(hidden @ rotation(6) + 9, image_targets(drawn), "two")
    report = stitch(files, anchors, BACK)
    paper, centred = (report.stitched_mean(form) for form in ("relative, paper", "relative"))
    assert (
        f"Centring on the anchors' mean lowers the stitched mean from {paper:.4f} to {centred:.4f}." in report.notes
    )


@pytest.mark.parametrize("method", ["ridge", "knn", "mlp"])
@pytest.mark.parametrize("way", ["relative", "procrustes"])
def test_every_decoder_of_numbers_draws(method: str, way: str) -> None:
    files, anchors = two()
    report = stitch(
        files,
        anchors,
        StitchOptions(
            method, way=way, task="reconstruct", absolute=False, center=None if way != "relative" else True
        ),
    )
    assert mse(report, "one", "two", way) < 0.7 * report.floor


def test_a_decoder_chosen_on_held_out_anchors_minimises_the_error() -> None:
    files, anchors = two()
    report = stitch(files, anchors, replace(BACK, strength=None, absolute=False, center=True))
    chosen = report.settings["strength"]["relative"]["one"][0]
    assert report.settings["chosen_on"]["relative"]["one"] == ["held-out anchors"]
    tried = {
        penalty: stitch(files, anchors, replace(BACK, strength=penalty, center=True)) for penalty in (10.0, 0.01)
    }
    assert chosen < 1
    assert mse(tried[0.01], "one", "two") < mse(tried[10.0], "one", "two")


def test_the_best_way_is_chosen_for_pictures_too() -> None:
    files, anchors = two()
    report = stitch(files, anchors, StitchOptions("ridge", way="auto", task="reconstruct", absolute=False))
    assert report.held_out_metric == "−MSE/variance"
    assert mse(report, "one", "two", "auto") < 0.2 * report.floor
    assert report.settings["ways"][0]["test"] == mse(report, "one", "two", "auto")


def test_ridge_answers_for_directions_are_directions_of_its_answers() -> None:
    """Why pictures may be chosen for by few coordinates: in all directions nothing is lost."""
    hidden, drawn = scenes()
    X, pictures = hidden.astype(np.float32), image_targets(drawn[:, :, :2, :1])
    few = in_few_directions(Target(X, pictures, np.full(N, -1), X[:40], pictures.take(np.arange(40))))
    assert (few.targets.kind, few.targets.values.shape, few.known.values.shape) == ("real", (N, 8), (40, 8))
    ridge = DecoderSettings("ridge", 0.1)
    whole, inside = (fit_decoder(X[40:], one.take(np.arange(40, N)), ridge) for one in (pictures, few.targets))
    lost = np.square(predict(whole, X[:40]).values.reshape(40, -1) - pictures.numbers()[:40]).sum(axis=1)
    kept = np.square(predict(inside, X[:40]).values - few.known.values).sum(axis=1)
    assert np.allclose(lost, kept, rtol=1e-3)


def test_pictures_to_look_at() -> None:
    files, anchors = two()
    grid = stitch(files, anchors, BACK).pictures
    assert grid is not None
    assert [name.split(" (")[0] for name in grid.rows] == [
        "original", "own decoder: one", "relative, centred: two", "relative, not centred: two", "absolute: two",
    ]  # fmt: skip
    assert grid.pictures.shape == (5, 10, SIDE, SIDE, 3)
    truth = in_id_order(files["one"], scenes()[1], "test")
    assert np.array_equal(grid.pictures[0], truth[np.linspace(0, 79, 10).round().astype(int)] / np.float32(255))
    errors = np.square(grid.pictures[1:] - grid.pictures[0]).mean(axis=(1, 2, 3, 4))
    assert max(errors[:3]) < 0.5 * errors[3]
    numbers = StitchOptions("ridge", task="reconstruct", targets=values_of(files["one"]))
    assert stitch(files, anchors, numbers).pictures is None


def values_of(one: Embeddings, columns: int = 3) -> Rows:
    """Real values by id, in another order than the files have."""
    turned = np.arange(N)[::-1]
    values = (one.vectors @ np.random.default_rng(5).normal(size=(6, columns))).astype(np.float32)
    return Rows.build(one.rows.ids[turned], targets=Targets("real", values[turned], np.ones(N, dtype=bool)))


def test_real_values_meet_by_id_and_are_given_back() -> None:
    files, anchors = two()
    targets = values_of(files["one"], columns=11)
    report = stitch(files, anchors, StitchOptions("ridge", task="reconstruct", strength=1e-6, targets=targets))
    assert (report.metric, report.floor) == ("r2", 0.0)
    assert (report.cell("relative", "one", "two").scores["r2"].mean or 0) > 0.9
    assert targets.targets is not None
    # The same values under other ids belong to other rows: nothing is paired by position.
    moved = replace(targets, ids=targets.ids[np.random.default_rng(0).permutation(N)])
    lost = stitch(files, anchors, StitchOptions("ridge", task="reconstruct", targets=moved))
    assert (lost.cell("relative", "one", "two").scores["r2"].mean or 0) < 0.1
    kept = decoder_of("one", files, anchors, StitchOptions("ridge", task="reconstruct", targets=targets))
    assert kept.names == tuple(f"{column:02d}" for column in range(11))


def test_rows_without_a_target_are_left_out() -> None:
    files, anchors = two()
    some_rows = values_of(files["one"]).take(np.arange(0, N, 2))
    report = stitch(files, anchors, StitchOptions("ridge", task="reconstruct", targets=some_rows))
    assert (report.rows["train"], report.rows["test"]) == (80, 40)
    assert "40 test rows have no label in any file and were left out." in report.notes


def test_one_decoder_and_one_encoder_of_different_rows() -> None:
    files, anchors = two()
    learn = files["one"].take(np.flatnonzero(files["one"].rows.in_splits("train")))
    asked = stitch_pair(("one", learn), ("two", files["two"]), anchors, BACK)
    assert mse(asked, "one", "two") < 0.2 * asked.floor
    assert asked.pictures is not None
    assert [name.split(":")[0] for name in asked.pictures.rows][:2] == ["original", "relative, centred"]


def test_a_kept_decoder_draws_the_same(tmp_path: Path) -> None:
    files, anchors = two()
    storage.save(decoder_of("one", files, anchors, BACK), tmp_path / "kept.safetensors")
    kept = storage.load_decoder(tmp_path / "kept.safetensors")
    assert (kept.task, kept.names, kept.settings["picture"]) == ("image", (), [SIDE, SIDE, 3])
    drawn = predict_with(kept, files["two"])
    assert drawn.values.shape == (N, SIDE, SIDE, 3)
    test = files["two"].rows.in_splits("test")
    found = np.square(drawn.values[test] - scenes()[1][test] / 255).mean()
    assert found == pytest.approx(mse(stitch(files, anchors, BACK), "one", "two"), rel=1e-4)
    assert refusal(drawn.labels) == "This decoder draws pictures, not classes: read `values`, not `labels()`."
    assert refusal(lambda: ready_of(kept, "kept.safetensors")) == (
        "kept.safetensors draws pictures; a decoder in a file answers with classes or numbers here. Let the stitch "
        "train one, with --task reconstruct."
    )
    shapeless = replace(kept, settings={"picture": [4, 4]})
    assert refusal(lambda: predict_with(shapeless, files["two"]), MismatchError) == (
        "This decoder draws pictures of 48 values, and their shape in its settings is [4, 4]; expected [height, "
        "width, channels] of as many values. Make the decoder anew."
    )


def test_scores_of_pictures() -> None:
    truth = image_targets(np.array([[[[0], [255]]], [[[51], [51]]]], dtype=np.uint8))
    answers = Prediction("image", np.array([[[[0.5], [1.0]]], [[[0.2], [0.2]]]]), ())
    found = score(answers, truth)
    assert found.metrics == pytest.approx({"mse": 0.0625, "psnr": 12.0412}, rel=1e-4)
    assert found.hits is None
    assert score(Prediction("image", truth.values / 255, ()), truth).metrics["mse"] < 1e-12
    # The mean picture is [0.1, 0.6].
    assert floor(truth, truth) == pytest.approx((0.01 + 0.16 + 0.01 + 0.16) / 4)
    assert refusal(lambda: score(Prediction("image", np.zeros((2, 2, 2, 1)), ()), truth), MismatchError) == (
        "The decoder draws pictures of 2 × 2 × 1 (height × width × channels), and the targets are of 1 × 2 × 1. Score "
        "it on pictures of the size it was trained on."
    )


def test_pixels_count_alike_for_the_neural_decoder() -> None:
    """A corner that hardly varies must not be learned at the expense of the middle."""
    hidden, drawn = scenes()
    drawn[:, 0, 0] = 7
    decoder = fit_decoder(hidden.astype(np.float32), image_targets(drawn), DecoderSettings("mlp"))
    assert len(np.unique(decoder.arrays["target_scale"])) == 1
    drawn_again = predict(decoder, hidden.astype(np.float32)).values
    assert np.square(drawn_again - drawn / 255).mean() < 0.5 * (drawn / 255).var(axis=0).mean()
    same = fit_decoder(hidden.astype(np.float32), image_targets(np.full_like(drawn, 9)), DecoderSettings("mlp"))
    assert np.allclose(predict(same, hidden.astype(np.float32)).values, 9 / 255, atol=0.05)


def test_targets_as_numbers() -> None:
    assert refusal(lambda: Targets.from_labels(["a"]).numbers(), DatasetError) == (
        "The targets are of kind 'class'; numbers exist for kinds 'real' and 'image'."
    )


def png(values: NDArray[np.uint8]) -> bytes:
    stream = BytesIO()
    Image.fromarray(values).save(stream, "PNG")
    return stream.getvalue()


def test_pictures_as_targets() -> None:
    half = np.zeros((8, 8, 3), dtype=np.uint8)
    half[:, 4:] = (200, 100, 0)
    refs = [ImageRef("half.png", data=png(half)), ImageRef("grey.png", data=png(np.full((8, 8), 60, dtype=np.uint8)))]
    found = Dataset(Rows.build(["half", "grey"]), refs, "image", source="shelf")
    values = pixel_targets(found, size=2).targets
    assert values is not None
    assert values.values[0].tolist() == [[[0, 0, 0], [200, 100, 0]]] * 2 or values.values[0, 0, 0, 0] < 60
    assert values.values[1].tolist() == [[[60] * 3] * 2] * 2
    grey = pixel_targets(found, size=2, grey=True, wanted=["grey"]).targets
    assert grey is not None
    assert (grey.values.shape, grey.present.tolist()) == ((2, 2, 2, 1), [False, True])
    # What is grey throughout needs no three channels.
    one = pixel_targets(Dataset(Rows.build(["grey"]), refs[1:], "image"), size=2).targets
    assert one is not None
    assert one.values.shape == (1, 2, 2, 1)
    assert refusal(lambda: pixel_targets(found, size=0)) == "Pictures of size 0 were asked for; a size is at least 1."
    assert refusal(lambda: pixel_targets(found, size=100_000)) == (
        "2 pictures of 100000 × 100000 pixels take 56 GB; at most 8 GB are held. Choose a smaller size (--size)."
    )
    assert refusal(lambda: pixel_targets(replace(found, modality="text")), DatasetError) == (
        "shelf: the items are of kind 'text'; expected pictures."
    )


def test_options_that_make_no_task() -> None:
    files, anchors = two()
    rows = values_of(files["one"])
    assert refusal(lambda: StitchOptions(task="paint")) == (  # type: ignore[arg-type]
        "There is no task 'paint'. Choose one of: labels, reconstruct."
    )
    assert refusal(lambda: StitchOptions(targets=rows)) == (
        "Targets of their own were given, and the task is to learn the files' labels. Choose the task reconstruct "
        "(--task reconstruct), or leave the targets out."
    )
    assert refusal(lambda: StitchOptions(task="reconstruct", targets=replace(rows, targets=None))) == (
        "The rows to be reconstructed have no targets; expected pictures (kind 'image') or real values (kind 'real')."
    )
    classes = Targets.from_labels(["a", "b"] * 120)
    assert refusal(lambda: StitchOptions(task="reconstruct", targets=replace(rows, targets=classes))) == (
        "The rows to be reconstructed have targets of kind 'class'; expected pictures (kind 'image') or real values "
        "(kind 'real')."
    )
    named = {name: replace(one, rows=replace(one.rows, targets=classes)) for name, one in files.items()}
    assert refusal(lambda: stitch(named, anchors, BACK)) == (
        "The task is to give back pictures or real values, and no file holds such targets (one: class, two: class). "
        "Name them with --targets SOURCE: the pictures or vectors, with the ids of the files."
    )


def test_targets_of_other_rows_and_of_other_content() -> None:
    files, anchors = two()
    rows = values_of(files["one"])
    strangers = replace(rows, ids=np.array([f"x{name}" for name in rows.ids], dtype=object))
    back = StitchOptions("ridge", task="reconstruct", targets=rows)
    assert refusal(lambda: stitch(files, anchors, replace(back, targets=strangers)), MismatchError) == (
        "one and the targets share no id: 240 rows (train:0, train:1, train:2, train:3, train:4 … and 235 more) met "
        "240 targets (xtest:79, xtest:78, xtest:77, xtest:76, xtest:75 … and 235 more). Targets meet rows by id: name "
        "the source that was encoded, or give the targets the ids of the rows (in .npz: an array ids)."
    )
    learned = rows.take(np.flatnonzero([name.startswith("train") for name in rows.ids]))
    assert refusal(lambda: stitch(files, anchors, replace(back, targets=learned))) == (
        "The targets meet no row to use in split 'test' of all files: 80 rows in it, of 240 in splits test, train. Give "
        "targets of these rows too, with their ids."
    )
    hashes = np.array([content_hash(name.encode()) for name in files["one"].rows.ids])
    hashed = {name: replace(one, rows=replace(one.rows, hashes=hashes)) for name, one in files.items()}
    moved = replace(rows, hashes=np.array([content_hash(name.encode()) for name in rows.ids]))
    moved.hashes[:2] = moved.hashes[:2][::-1]
    assert refusal(lambda: stitch(hashed, anchors, replace(back, targets=moved)), MismatchError) == (
        "Of 240 targets that one meets by id, 2 hold other content than the row they meet: test:78, test:79. Take the "
        "targets from the source that was encoded, or from one that is different throughout."
    )
    other = replace(rows, hashes=np.array([content_hash(f"a picture of {name}".encode()) for name in rows.ids]))
    notes = stitch(hashed, anchors, replace(back, targets=other)).notes
    assert "The targets hold other content than the rows of one: they met on ids alone." in notes


def test_targets_that_do_not_vary_have_no_r2() -> None:
    files, anchors = two()
    rows = values_of(files["one"])
    assert rows.targets is not None
    values = rows.targets.values.copy()
    values[:, 0] = 3.0
    note = "R² does not exist where a column of the targets has one value in all test rows; RMSE is given alone."
    constant = replace(rows, targets=replace(rows.targets, values=values))
    assert note in stitch(files, anchors, replace(BACK, targets=constant)).notes
    assert note not in stitch(files, anchors, replace(BACK, targets=rows)).notes


def test_gates_on_the_error() -> None:
    files, anchors = two()
    report = stitch(files, anchors, replace(BACK, absolute=False, center=True))
    check_gates(report, max_mse=0.05, min_retention=0.9)
    found = mse(report, "one", "two")
    assert refusal(lambda: check_gates(report, max_mse=1e-6), GateError) == (
        f"Gate failed: the mean squared error of the decoder of one on two (relative) is {found:.4g}; at most 1e-06 "
        "was asked for."
    )
    assert refusal(lambda: check_gates(report, min_accuracy=0.5)) == (
        "Pictures have no accuracy, and a gate on it was given. Take one on their mean squared error (--max-mse), or "
        "on retention."
    )
    assert refusal(lambda: check_gates(replace(report, metric="subset_accuracy"), max_mse=0.5)) == (
        "The answers are classes, whose figure is the subset accuracy, and a gate on the mean squared error was given. "
        "Take one on that figure (--min-accuracy)."
    )
    assert refusal(lambda: check_gate_values(max_mse=-1)) == (
        "No mean squared error is below 0, and at most -1 was asked for."
    )
    numbers = stitch(files, anchors, replace(BACK, targets=values_of(files["one"])))
    root = numbers.cell("relative", "one", "two").scores["rmse"].mean or 0
    check_gates(numbers, max_mse=1.01 * root**2)
    assert "the mean squared error of the decoder of one on two" in refusal(
        lambda: check_gates(numbers, max_mse=0.99 * root**2), GateError
    )


FILES = ("one.safetensors", "two.safetensors", "-a", "anchors.json")
TASK = ("--task", "reconstruct")


@pytest.fixture
def desk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of pictures, and two encoders that have seen them."""
    monkeypatch.chdir(tmp_path)
    hidden, drawn = scenes()
    for row, values in enumerate(drawn):
        split = "train" if row < TRAIN else "test"
        place = tmp_path / "shelf" / split / f"{row:03d}.png"
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(png(values))
    rows = read_dataset(["shelf"]).rows
    assert rows.ids[0] == "train/000.png"
    for name, vectors in (("one", hidden), ("two", hidden @ rotation(6))):
        storage.save(replace(space(vectors, None, name), rows=rows), f"{name}.safetensors")
    storage.save(anchors_in(replace(space(hidden, None), rows=rows)), "anchors.json")
    values = {"vectors": hidden.astype(np.float32), "ids": rows.ids.astype(str)}
    np.savez("values.npz", **values)
    Path("words.txt").write_text("a word\nanother\n", encoding="utf-8")
    Path("table.csv").write_text("id,u,v\ntrain/000.png,1,2\n", encoding="utf-8")
    return tmp_path


def run(*arguments: str) -> Any:
    return CliRunner().invoke(app, ["stitch", *FILES, *arguments])


def test_pictures_from_a_folder(desk: Path) -> None:
    result = run(
        *TASK, "--targets", "shelf", "--size", "4", "--strength", "0.01", "--pictures", "grid.png", "--max-mse",
        "0.02", "--save-decoder", "kept.safetensors",
    )  # fmt: skip
    assert result.exit_code == 0, result.output
    header, *lines = [line.split("\t") for line in result.stdout.splitlines()]
    assert header[4:8] == ["mse", "mse_spread", "psnr", "psnr_spread"]
    cells = {tuple(line[:3]): float(line[4]) for line in lines}
    expected = stitch(*two(), BACK)
    for form in ("absolute", "relative", "relative, paper"):
        assert cells[form, "one", "two"] == pytest.approx(mse(expected, "one", "two", form), abs=1e-6)
    assert "Wrote grid.png: what the decoder of one draws of test rows." in result.stderr
    assert (
        f"mean squared error (pixels from 0 to 1, 4 × 4 × 3; lower is better) of the ridge decoder, 40 anchors "
        f"(uniform), 1 draw × 1 seed, 160 training and 80 test rows. Floor {expected.floor:.4f} (the mean training "
        "picture). Stitched mean:"
    ) in result.stderr
    with Image.open("grid.png") as picture:
        assert picture.format == "PNG"
    refused = CliRunner().invoke(app, ["predict", "kept.safetensors", "two.safetensors"])
    assert (refused.exit_code, refused.stderr) == (
        2, "Error: kept.safetensors draws pictures, which no line of text holds. In Python, relstitch.predict_with "
        "gives them as an array.\n",
    )  # fmt: skip


def test_reports_of_pictures(desk: Path) -> None:
    given = (*TASK, "--targets", "shelf", "--size", "2", "--grey", "--strength", "0.01")
    plain = json.loads(run(*given, "--json").stdout)
    assert (plain["metric"], plain["settings"]["task"]) == ("mse", "reconstruct")
    assert plain["settings"]["picture"] == {"height": 2, "width": 2, "channels": 1}
    shown = run(*given, "--markdown").stdout
    assert shown.splitlines()[0] == ("| decoder of | encoder | absolute | centred | not centred | retention | psnr |")
    assert "Retention: of what the ceiling takes off the floor's error, the share that the stitched one" in shown
    failed = run(*given, "--max-mse", "0")
    assert failed.exit_code == 1
    assert failed.stderr.splitlines()[-1].startswith(
        "Error: Gate failed: the mean squared error of the decoder of one"
    )


@pytest.mark.parametrize("source", ["values.npz", "one.safetensors"])
def test_real_values_from_a_file(desk: Path, source: str) -> None:
    result = run(*TASK, "--targets", source, "--json", "--strength", "1e-6", "--max-mse", "0.2")
    assert result.exit_code == 0, result.output
    report = json.loads(result.stdout)
    assert report["metric"] == "r2"
    assert report["stitched_mean"]["relative"] > 0.9


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (
            ("--targets", "shelf", "--size", "8", "--grey", "--pictures", "x.png"),
            "--targets, --size, --grey, --pictures: only for decoders that give something back. Add --task "
            "reconstruct.",
        ),
        (
            (*TASK, "--targets", "shelf", "-d", "one.safetensors"),
            "--task reconstruct trains the decoders itself, and --decoder names a file. Choose one of: ridge, knn, "
            "mlp.",
        ),
        (
            (*TASK, "--size", "8"),
            "--size and --grey say how the pictures of --targets are read. Name them with --targets.",
        ),
        (
            (*TASK, "--targets", "values.npz", "--size", "8"),
            "values.npz holds vectors; --size and --grey are for pictures. Leave them out.",
        ),
        (
            (*TASK, "--targets", "words.txt"),
            "words.txt holds items of kind 'text', which no decoder gives back. Name pictures or vectors with "
            "--targets; columns of numbers are encoded with the rows (encode --target).",
        ),
        (
            (*TASK, "--targets", "table.csv"),
            "No pictures are named by a table of --targets: table.csv: 2 columns may hold the items (u, v); columns "
            "found: id, u, v (the first line is read as the header; if it is none, say --no-header). Name it with "
            "--text, or with --image for pictures. Here a table can only name pictures; columns of numbers are encoded "
            "with the rows (encode --target), or given as .npz (arrays vectors and ids).",
        ),
        (
            (*TASK, "--targets", "nowhere.npz"),
            "There is no file or folder nowhere.npz. Check the path.",
        ),
        (
            (*TASK, "--targets", "values.npz", "--pictures", "x.png"),
            "--pictures draws pictures, and the targets are none. Leave it out, or name pictures.",
        ),
        (
            (*TASK, "--targets", "shelf", "--pictures", "x.jpg"),
            "x.jpg: the name of this output must end in .png.",
        ),
        (
            (*TASK, "--targets", "shelf", "-d", "logistic"),
            "The logistic decoder learns classes, and these targets are pictures. Choose one of: ridge, knn, mlp.",
        ),
        (
            TASK,
            "The task is to give back pictures or real values, and no file holds such targets (one: none, two: none). "
            "Name them with --targets SOURCE: the pictures or vectors, with the ids of the files.",
        ),
    ],
)
def test_what_the_command_refuses(desk: Path, arguments: tuple[str, ...], text: str) -> None:
    result = run(*arguments)
    assert (result.exit_code, result.stdout) == (2, "")
    assert result.stderr.splitlines()[-1] == f"Error: {text}"


def test_pictures_need_matplotlib(desk: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("relstitch.report.figures.can_draw", lambda: False)
    result = run(*TASK, "--targets", "shelf", "--pictures", "x.png")
    assert (result.exit_code, result.stderr) == (
        2, "Error: --pictures needs matplotlib, which is not installed. Install it: pip install 'relstitch[figures]'\n",
    )  # fmt: skip
