"""The demo's flow: the steps a user would take, with their commands, on toy encoders; the real ones where marked."""

import csv
import json
import shlex
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from relstitch import demo
from relstitch.artifacts import StitchReport
from relstitch.cli import app
from relstitch.demo import catalogue, flow, manifest
from relstitch.errors import DatasetError, EncoderError
from relstitch.storage import inspect, load_anchors, load_embeddings

ENCODERS = '''
import hashlib
import numpy as np

WORDS = {"sports": 0, "tech": 1, "other": 2}

def hidden(text):
    seed = int.from_bytes(hashlib.blake2b(text.encode(), digest_size=4).digest(), "little")
    noise = np.random.default_rng(seed).normal(size=8)
    noise[WORDS[text.split()[0]]] += 6
    return noise

class Turned:
    """A space of its own: the same hidden features, rotated; what one puts where another puts something else."""
    def __init__(self, order):
        self.turn = np.linalg.qr(np.random.default_rng(1).normal(size=(8, 8)))[0][[*order, 3, 4, 5, 6, 7]]
    def encode(self, items, **options):
        return np.stack([hidden(item) @ self.turn for item in items]).astype(np.float32)

def one(): return Turned([0, 1, 2])
def two(): return Turned([1, 2, 0])
'''


@pytest.fixture
def toy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[demo.DemoMaterials]:
    """A few texts and two encoders that see the same in them, each turned its own way."""
    (tmp_path / "toy_turned_encoders.py").write_text(ENCODERS)
    monkeypatch.syspath_prepend(str(tmp_path))
    place = tmp_path / "a demo"
    place.mkdir()
    for split, size in (("train", 60), ("test", 30)):
        with (place / f"{split}.csv").open("w", newline="") as file:
            table = csv.writer(file)
            table.writerow(["id", "text", "label"])
            for at in range(size):
                label = ("sports", "tech", "other")[at % 3]
                table.writerow([f"{label}/{split}{at}", f"{label} story {split} {at}", label])
    models = (
        demo.DemoModel("one", "python:toy_turned_encoders:one"),
        demo.DemoModel("two", "python:toy_turned_encoders:two"),
    )
    yield demo.DemoMaterials((f"train={place}/train.csv", f"test={place}/test.csv"), models, place, ("A toy.",))
    sys.modules.pop("toy_turned_encoders", None)


def test_the_flow_writes_what_a_user_would_and_says_how(toy: demo.DemoMaterials) -> None:
    said: list[str] = []
    report = demo.stitch_materials(
        toy, "toy-anchors", say=said.append, options=demo.DemoOptions(k=20, draws=2, seed=7)
    )
    commands = [line for line in said if line.startswith("$ ")]
    assert commands == [
        f"$ cd '{toy.folder}'",
        "$ relstitch encode train=train.csv test=test.csv -m python:toy_turned_encoders:one "
        "-o one.safetensors --force",
        "$ relstitch encode train=train.csv test=test.csv -m python:toy_turned_encoders:two "
        "-o two.safetensors --force",
        "$ relstitch anchors one.safetensors -k 20 --draws 2 --seed 7 -o toy-anchors.json --force",
        "$ relstitch stitch one.safetensors two.safetensors --anchors toy-anchors.json",
    ]
    assert report.encoders == ("one", "two")
    assert len(load_embeddings(toy.folder / "one.safetensors").rows) == 90
    anchors = load_anchors(toy.folder / "toy-anchors.json")
    assert (anchors.k, anchors.n_draws, anchors.seed, anchors.strategy) == (20, 2, 7, "uniform")
    assert not inspect(toy.folder / "two.safetensors").problems


def test_the_commands_that_were_said_give_the_same_result(
    toy: demo.DemoMaterials, monkeypatch: pytest.MonkeyPatch
) -> None:
    said: list[str] = []
    report = demo.stitch_materials(toy, "toy", say=said.append, options=demo.DemoOptions(k=20, draws=2))
    made = [path.read_bytes() for path in sorted(toy.folder.glob("*.safetensors"))]
    anchors = (toy.folder / "toy.json").read_bytes()
    there, *commands = [shlex.split(line.removeprefix("$ ")) for line in said if line.startswith("$ ")]
    assert there[0] == "cd"
    monkeypatch.chdir(there[1])
    for command in commands:
        assert command[0] == "relstitch"
        shown = CliRunner().invoke(app, [*command[1:], "--json"])
        assert shown.exit_code == 0, shown.stderr
    assert json.loads(shown.stdout)["cells"] == json.loads(json.dumps(report.to_json()))["cells"]
    assert [path.read_bytes() for path in sorted(toy.folder.glob("*.safetensors"))] == made
    assert (toy.folder / "toy.json").read_bytes() == anchors


def test_spaces_that_differ_by_a_rotation_stitch_without_loss_and_absolute_ones_do_not(
    toy: demo.DemoMaterials,
) -> None:
    report = demo.stitch_materials(toy, "toy", say=lambda _: None, options=demo.DemoOptions(k=20, draws=2))
    assert [report.stitched_mean(form) for form in ("relative", "relative, paper")] == [1.0, 1.0]
    # Where one encoder puts sports, the other puts tech.
    assert report.stitched_mean("absolute") == 0.0


def test_running_it_again_replaces_its_files(toy: demo.DemoMaterials) -> None:
    options = demo.DemoOptions(k=20, draws=2)
    first = demo.stitch_materials(toy, "toy", say=lambda _: None, options=options)
    second = demo.stitch_materials(toy, "toy", say=lambda _: None, options=options)
    assert first.to_json() == second.to_json()


def test_what_the_flow_writes_is_listed_for_cleaning(toy: demo.DemoMaterials) -> None:
    manifest.start_manifest(toy.folder)
    demo.stitch_materials(toy, "toy", say=lambda _: None, options=demo.DemoOptions(k=20, draws=1))
    assert set(manifest.read_manifest(toy.folder)) == {"one.safetensors", "two.safetensors", "toy.json"}
    assert demo.clean(toy.folder).kept == ("test.csv", "train.csv")


def test_progress_is_shown_for_each_encoder(toy: demo.DemoMaterials) -> None:
    seen: list[tuple[str, int, int]] = []

    @contextmanager
    def progress(label: str) -> Iterator[Callable[[int, int], None]]:
        yield lambda done, total: seen.append((label, done, total))

    options = demo.DemoOptions(k=20, draws=1, progress=progress)
    demo.stitch_materials(toy, "toy", say=lambda _: None, options=options)
    assert ("Encoding one", 90, 90) in seen
    assert ("Encoding two", 90, 90) in seen


@pytest.mark.parametrize("given", [True, False], ids=["folder", "cache"])
def test_run_demo_says_where_things_are_and_how_to_remove_them(
    given: bool, toy: demo.DemoMaterials, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[tuple[Any, ...]] = []

    def prepared(kind: demo.DemoKind, folder: Path | None, *, hub: bool) -> demo.DemoMaterials:
        asked.append((kind, folder, hub))
        return toy

    monkeypatch.setattr(flow, "materials", prepared)
    monkeypatch.setenv("RELSTITCH_CACHE", str(tmp_path / "cache"))
    folder = Path("~/my demo") if given else None
    place = Path("~/my demo").expanduser() if given else tmp_path / "cache/demo"
    said: list[str] = []
    report = demo.run_demo("text", hub=True, folder=folder, say=said.append, options=demo.DemoOptions(k=20, draws=1))
    assert isinstance(report, StitchReport)
    assert asked == [("text", place, True)]
    again = "relstitch demo --clean" + (f" --folder '{place}'" if given else "")
    assert said[0] == (
        "The demo takes about 0.55 GB of disk, most of it for the models, in the hub's own cache. It unpacks into "
        f"{place}. Remove it with: {again}"
    )
    assert said[1] == "A toy."
    assert (toy.folder / "bbc-anchors.json").is_file()


def test_commands_show_options_and_paths_from_the_folder(tmp_path: Path) -> None:
    checkpoint = str(tmp_path / "models/lite0/w.pth")
    model = demo.DemoModel("lite0", "timm:tf_efficientnet_lite0", {"checkpoint": checkpoint, "by_order": True})
    found = demo.DemoMaterials((str(tmp_path / "fashion-mnist"),), (model,), tmp_path)
    assert shlex.join(flow._arguments(found, model)) == (
        "fashion-mnist -m timm:tf_efficientnet_lite0 --checkpoint models/lite0/w.pth --by-order"
    )
    model = demo.DemoModel("minilm", f"st:{tmp_path}/models/minilm", {"max_length": 64})
    assert shlex.join(flow._arguments(found, model)) == "fashion-mnist -m st:models/minilm --max-length 64"


def first_rows(folder: Path, rows: int) -> tuple[str, ...]:
    """The first rows of the text demo's tables, as tables."""
    sources = []
    for split in ("train", "test"):
        lines = (folder / f"bbc/{split}.csv").read_text(encoding="utf-8").splitlines()
        (folder / f"few-{split}.csv").write_text("\n".join(lines[: rows + 1]), encoding="utf-8")
        sources.append(f"{split}={folder}/few-{split}.csv")
    return tuple(sources)


@pytest.mark.encoders
def test_real_encoders_of_the_text_demo_on_a_few_rows(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Only MiniLM, which needs no unpacking to speak of, beside itself without the cut at 64 tokens."""
    monkeypatch.setattr(catalogue, "MODELS", {"text": (catalogue.MINILM,)})
    monkeypatch.setattr(catalogue, "NAMES", {"text": ("minilm",)})
    monkeypatch.setattr(catalogue, "HUB_SPECS", {"text": catalogue.HUB_SPECS["text"][:1]})
    try:
        found = demo.materials("text", tmp_path / "demo")
    except (DatasetError, EncoderError) as missing:
        pytest.skip(str(missing))
    (minilm,) = found.models
    longer = demo.DemoModel("longer", minilm.spec)
    few = demo.DemoMaterials(first_rows(found.folder, 60), (minilm, longer), found.folder)
    report = demo.stitch_materials(few, "few", say=lambda _: None, options=demo.DemoOptions(k=30, draws=1))
    stitched = report.cell("relative", "minilm", "longer").scores["accuracy"].mean
    assert stitched is not None
    assert stitched >= report.floor + 0.2
    made = [load_embeddings(found.folder / f"{name}.safetensors") for name in ("minilm", "longer")]
    assert made[0].vectors.shape == (120, 384)
    # Cutting changes the vectors, and not beyond recognition.
    alike = (made[0].vectors * made[1].vectors).sum(axis=1)  # MiniLM gives vectors of length 1
    assert 0.6 < float(alike.mean()) < 0.999


@pytest.mark.encoders
def test_real_encoders_of_the_images_demo_on_a_few_pictures(tmp_path: Path) -> None:
    try:
        found = demo.materials("images", tmp_path / "demo")
    except EncoderError as missing:
        pytest.skip(str(missing))
    for path in (found.folder / "fashion-mnist").rglob("*.png"):
        if path.parent.name not in ("bag", "sneaker") or path.name > "0150":
            path.unlink()
    for path in (found.folder / "fashion-mnist").glob("*/*"):
        if not any(path.iterdir()):
            path.rmdir()
    report = demo.stitch_materials(found, "few", say=lambda _: None, options=demo.DemoOptions(k=15, draws=1))
    ceiling = report.cell("relative", "lite0", "lite0").scores["accuracy"].mean
    assert ceiling is not None
    assert ceiling >= 0.9
    assert load_embeddings(found.folder / "lite2.safetensors").vectors.shape[1] == 1280
