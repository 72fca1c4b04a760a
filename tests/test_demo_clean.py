"""Cleaning: exactly what the demo wrote goes, whatever is the user's stays, and the words say which."""

import json
import os
import shlex
from pathlib import Path

import pytest
from typer.testing import CliRunner

from relstitch import demo
from relstitch.cli import app
from relstitch.demo import archives, catalogue, folders, manifest

WEIGHTS = b"weights" * 200_000


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The pictures' demo, unpacked, with one encoder of 1.4 MB that has a second file without a known sum."""
    source = tmp_path / "toy"
    (source / "1_Pooling").mkdir(parents=True)
    (source / "toy.pth").write_bytes(WEIGHTS)
    (source / "1_Pooling/config.json").write_bytes(b"{}")
    toy = catalogue.Material(
        "models/toy",
        {"toy.pth": archives.sha256_of(source / "toy.pth")},
        None,
        lambda _located, folder: archives.copy_files(source, folder),
        catalogue.LITE0.error,
    )
    monkeypatch.setattr(catalogue, "MODELS", {"text": (toy,), "images": (toy,)})
    monkeypatch.setattr(catalogue, "NAMES", {"text": ("toy",), "images": ("toy",)})
    return demo.unpack("images", tmp_path / "a demo")


def write_output(place: Path, name: str, content: bytes) -> None:
    """As the flow does: write, then list."""
    (place / name).write_bytes(content)
    manifest.record(place, manifest.measure(place / name, name, {}))


def bytes_in(place: Path) -> int:
    return sum(path.lstat().st_size for path in place.rglob("*") if not path.is_dir())


def said(*arguments: str) -> str:
    shown = CliRunner().invoke(app, ["demo", *arguments])
    assert (shown.exit_code, shown.stdout) == (0, ""), shown.stderr
    return shown.stderr


def test_clean_removes_everything_and_says_how_much(place: Path, tmp_path: Path) -> None:
    write_output(place, "toy.safetensors", b"12345")
    (place / f"{folders.UNPACKING}old").mkdir()
    size = bytes_in(place)
    assert demo.clean(place) == demo.Cleaned(place, size, ())
    assert not place.exists()
    assert tmp_path.exists()


def test_the_command_says_what_it_removed(place: Path, tmp_path: Path) -> None:
    megabytes = f"{bytes_in(place) / 1e6:.0f}"
    assert megabytes == "2"
    assert said("--clean", "--folder", str(place)) == f"Removed {megabytes} MB from {place}.\n"
    again = CliRunner().invoke(app, ["demo", "--clean", "--folder", str(place)])
    assert (again.exit_code, again.stdout) == (2, "")
    assert again.stderr == f"Error: There is nothing to remove: {place} is not there.\n"


def test_the_command_keeps_and_names_the_users_files(place: Path) -> None:
    (place / "mine.txt").touch()
    (place / "models/toy/1_Pooling/note.txt").write_bytes(b"mine")
    demo_files = {"toy.pth", "config.json"}
    assert said("--clean", "--folder", str(place)) == (
        f"Removed 2 MB from {place}; kept 2 files that are not the demo's: mine.txt, models/toy/1_Pooling/note.txt.\n"
    )
    assert not demo_files & {path.name for path in place.rglob("*")}
    assert manifest.list_leaves(place) == [manifest.MARKER, "mine.txt", "models/toy/1_Pooling/note.txt"]
    assert not (place / "fashion-mnist").exists()
    assert said("--clean", "--folder", str(place)) == (
        f"There is nothing of the demo in {place}; kept 2 files that are not the demo's: mine.txt, "
        "models/toy/1_Pooling/note.txt.\n"
    )
    (place / "mine.txt").unlink()
    assert said("--clean", "--folder", str(place)) == (
        f"There is nothing of the demo in {place}; kept 1 file that is not the demo's: models/toy/1_Pooling/note.txt.\n"
    )
    (place / "models/toy/1_Pooling/note.txt").unlink()
    assert said("--clean", "--folder", str(place)) == (
        f"There is nothing of the demo in {place}; kept 1 entry that is not the demo's: models/toy/1_Pooling/.\n"
    )


@pytest.mark.parametrize("how", ["longer", "as long"])
def test_a_file_changed_since_is_the_users(place: Path, how: str) -> None:
    write_output(place, "bbc-anchors.json", b"[1, 2]")
    write_output(place, "toy.safetensors", b"12345")
    changed = b"[1, 2, 3]" if how == "longer" else b"[1, 3]"
    before = (place / "bbc-anchors.json").stat()
    (place / "bbc-anchors.json").write_bytes(changed)
    os.utime(place / "bbc-anchors.json", ns=(before.st_atime_ns, before.st_mtime_ns))
    assert demo.clean(place).kept == ("bbc-anchors.json",)
    assert (place / "bbc-anchors.json").read_bytes() == changed


def test_a_file_under_a_name_of_the_demo_that_it_did_not_write_is_the_users(place: Path) -> None:
    (place / "toy.safetensors").write_bytes(b"encoded by hand")
    (place / ".toy.safetensors.bak").write_bytes(b"mine")
    assert demo.clean(place).kept == (".toy.safetensors.bak", "toy.safetensors")


def test_an_output_written_again_by_the_demo_is_the_demos(place: Path) -> None:
    write_output(place, "toy.safetensors", b"first run")
    write_output(place, "toy.safetensors", b"another run")
    assert demo.clean(place).kept == ()


def test_what_killed_runs_left_is_removed(place: Path) -> None:
    for scrap in (f"{folders.UNPACKING}abc/toy", ".toy.safetensors.17.xyz.partial", ".bbc-anchors.json.17.a.partial"):
        (place / scrap).mkdir(parents=True)
        (place / scrap / "unfinished").write_bytes(b"half")
    # Killed while it added a line to the list: the next one is not spoilt.
    with (place / manifest.MARKER).open("a", encoding="utf-8") as file:
        file.write('\n{"path": "toy.safe')
    write_output(place, "toy.safetensors", b"12345")
    assert demo.clean(place).kept == ()
    assert not place.exists()


def test_killed_before_anything_was_unpacked(tmp_path: Path) -> None:
    folders.open_folder(tmp_path / "demo")
    size = bytes_in(tmp_path / "demo")
    assert demo.clean(tmp_path / "demo") == demo.Cleaned(tmp_path / "demo", size, ())


def test_nothing_behind_a_link_is_touched(place: Path, tmp_path: Path) -> None:
    # The user moved the model elsewhere and left a link; one of the demo's pictures is a link now, too.
    (place / "models/toy").rename(tmp_path / "elsewhere")
    (place / "models/toy").symlink_to(tmp_path / "elsewhere")
    picture = sorted(place.glob("fashion-mnist/test/bag/*"))[0]
    picture.rename(tmp_path / picture.name)
    picture.symlink_to(tmp_path / picture.name)
    assert demo.clean(place).kept == ("models/toy", picture.relative_to(place).as_posix())
    assert (tmp_path / "elsewhere/toy.pth").read_bytes() == WEIGHTS
    assert (tmp_path / "elsewhere/1_Pooling/config.json").exists()
    assert (tmp_path / picture.name).exists()


@pytest.mark.parametrize("name", ["../outside.txt", "models/../../outside.txt", "/outside.txt", "..\\outside.txt"])
def test_the_list_never_leads_out_of_the_folder(place: Path, tmp_path: Path, name: str) -> None:
    outside = tmp_path / "outside.txt"
    outside.write_bytes(b"mine")
    path = str(outside) if name.startswith("/") else name
    entry = {"path": path, "size": 4, "sha256": archives.sha256_of(outside)}
    with (place / manifest.MARKER).open("a", encoding="utf-8") as file:
        file.write(f"\n{json.dumps(entry)}")
    assert demo.clean(place).kept == ()
    assert outside.read_bytes() == b"mine"


def test_a_marker_without_a_list_goes_by_the_known_sums(place: Path) -> None:
    """Folders of before there were lists: what has the sum of what the demo unpacks is the demo's."""
    manifest.start_manifest(place)
    assert manifest.read_manifest(place) == {}
    assert demo.clean(place).kept == ("models/toy/1_Pooling/config.json",)


def test_a_damaged_set_without_a_list_is_kept(place: Path) -> None:
    manifest.start_manifest(place)
    picture = sorted(place.glob("fashion-mnist/test/bag/*"))[0]
    picture.write_bytes(b"mine")
    kept = demo.clean(place).kept
    assert picture.relative_to(place).as_posix() in kept
    assert not (place / "models/toy/toy.pth").exists()
    assert not (place / "fashion-mnist/train").exists()


def test_unpacking_anew_keeps_the_users_files(place: Path, tmp_path: Path) -> None:
    """What cleaning kept stays when the demo is run again, and cleaning keeps it again."""
    (place / "models/toy/1_Pooling/note.txt").write_bytes(b"mine")
    (tmp_path / "elsewhere").mkdir()
    (place / "models/toy/link").symlink_to(tmp_path / "elsewhere")
    kept = ("models/toy/link", "models/toy/1_Pooling/note.txt")
    assert demo.clean(place).kept == kept
    demo.unpack("images", place)
    assert (place / "models/toy/toy.pth").read_bytes() == WEIGHTS
    assert (place / "models/toy/1_Pooling/note.txt").read_bytes() == b"mine"
    assert demo.clean(place).kept == kept


def test_unpacking_anew_drops_what_the_demo_no_longer_has(place: Path) -> None:
    write_output(place, "models/toy/stale.json", b"of an older version")
    (place / "models/toy/toy.pth").write_bytes(b"damaged")
    demo.unpack("images", place)
    assert not (place / "models/toy/stale.json").exists()
    assert (place / "models/toy/toy.pth").read_bytes() == WEIGHTS


def test_a_folder_that_is_not_the_demos_gets_no_list(tmp_path: Path) -> None:
    write_output(tmp_path, "toy.json", b"{}")
    assert [path.name for path in tmp_path.iterdir()] == ["toy.json"]


@pytest.mark.parametrize(("flags", "disk"), [([], "0.55 GB"), (["--images"], "0.05 GB")], ids=["text", "images"])
def test_disk_is_said_before_unpacking(
    flags: list[str], disk: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(catalogue, "DATA", {"text": catalogue.FASHION, "images": catalogue.FASHION})
    monkeypatch.setattr(catalogue, "MODELS", {"text": (), "images": ()})
    place = tmp_path / "my demo"
    assert said(*flags, "--unpack", "--folder", str(place)) == (
        f"The demo takes about {disk} of disk. It unpacks into {place}. Remove it with: relstitch demo --clean "
        f"--folder {shlex.quote(str(place))}\nUnpacked into {place}.\n"
    )
    assert (place / "fashion-mnist").is_dir()
