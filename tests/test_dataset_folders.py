"""Folders of pictures and tables that name pictures."""

import os
from pathlib import Path

import pytest
from dataset_samples import ids, labels, picture, read, refusal, skipped, splits, write

from relstitch.artifacts.rows import content_hash
from relstitch.dataset import open_image


@pytest.fixture(autouse=True)
def _in_a_folder_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def pictures(*names: str) -> None:
    """Write pictures, each of another colour."""
    for at, name in enumerate(names):
        write(name, picture((at, 7, 7)))


def test_a_folder_a_class() -> None:
    pictures("d/dog/1.png", "d/cat/deep/er/2.png", "d/cat/1.png")
    dataset = read("d")
    assert ids(dataset) == ["cat/1.png", "cat/deep/er/2.png", "dog/1.png"]
    assert labels(dataset) == ["cat", "cat", "dog"]
    assert splits(dataset) == ["all"] * 3
    assert dataset.rows.hashes[2] == content_hash(Path("d/dog/1.png").read_bytes())


def test_class_folders_1_2_10_are_stored_by_name() -> None:
    """vision #714."""
    pictures("d/10/a.png", "d/2/a.png", "d/1/a.png")
    dataset = read("d")
    assert sorted(set(labels(dataset)), key=str) == ["1", "10", "2"]
    assert dict(zip(ids(dataset), labels(dataset), strict=True)) == {"10/a.png": "10", "2/a.png": "2", "1/a.png": "1"}


@pytest.mark.parametrize(
    "names", [("train", "dev", "val", "test"), ("train", "dev"), ("Train", "validation"), ("test",)]
)
def test_split_folders_keep_their_names(names: tuple[str, ...]) -> None:
    pictures(*(f"d/{name}/cat/a.png" for name in names))
    dataset = read("d")
    assert set(splits(dataset)) == set(names)
    assert set(labels(dataset)) == {"cat"}
    assert sorted(ids(dataset)) == sorted(f"{name}/cat/a.png" for name in names)


def test_the_split_train_comes_first_and_test_last() -> None:
    pictures(*(f"d/{name}/{animal}/a.png" for name in ("Test", "val", "train") for animal in ("dog", "cat")))
    dataset = read("d")
    assert list(dataset.split_sizes.items()) == [("train", 2), ("val", 2), ("Test", 2)]
    assert ids(dataset)[:3] == ["train/cat/a.png", "train/dog/a.png", "val/cat/a.png"]


def test_ids_are_the_same_whichever_way_splits_are_named() -> None:
    pictures("d/train/cat/a.png", "d/test/cat/a.png")
    whole, named = read("d"), read("train=d/train", "test=d/test")
    assert ids(whole) == ids(named)
    assert whole.rows.fingerprint == named.rows.fingerprint
    assert whole.rows.split_fingerprint == named.rows.split_fingerprint


def test_a_flat_folder_has_no_labels() -> None:
    pictures("d/a.png", "d/b.png", "e/train/a.png", "e/test/b.png")
    assert read("d").rows.targets is None
    assert (splits(read("e")), read("e").rows.targets) == (["train", "test"], None)


def test_pictures_beside_class_folders_have_no_label() -> None:
    pictures("d/a.png", "d/cat/b.png")
    assert labels(read("d")) == [None, "cat"]


def test_one_class_called_test_among_others_is_a_class() -> None:
    pictures("d/car/a.png", "d/train/a.png", "d/plane/a.png")
    assert (splits(read("d")), labels(read("d"))) == (["all"] * 3, ["car", "plane", "train"])


def test_splits_beside_something_else() -> None:
    pictures("d/train/cat/a.png", "d/test/cat/a.png", "d/extra/a.png")
    assert refusal("d") == (
        "d has the split folders test, train and beside them extra; expected splits only, or classes only. Name the "
        "splits you want: test=d/test"
    )
    pictures("e/train/cat/a.png", "e/test/cat/a.png", "e/a.png")
    assert "beside them 1 picture in no folder; expected" in refusal("e")


def test_a_split_given_to_a_folder_of_splits() -> None:
    pictures("d/train/cat/a.png", "d/test/cat/a.png")
    assert refusal("dev=d") == (
        "d was given as the split 'dev' and holds split folders itself. Name one of them: dev=d/test"
    )


def test_what_systems_leave_behind_is_no_class() -> None:
    """vision #2831."""
    pictures(
        "d/cat/a.png", "d/.ipynb_checkpoints/a.png", "d/__MACOSX/cat/._a.png", "d/cat/.hidden.png", "d/.git/x.png"
    )
    for name in ("d/.DS_Store", "d/cat/.DS_Store", "d/cat/Thumbs.db", "d/desktop.ini"):
        write(name, b"\0\0\0")
    dataset = read("d")
    assert (ids(dataset), labels(dataset), dataset.notes) == (["cat/a.png"], ["cat"], ())


def test_extensions_in_capitals_other_formats_and_wrong_names() -> None:
    """vision #552: `.JPG`, `.webp`, a PNG named .jpg are read; what is left out is counted and named."""
    write("d/c/a.JPG", picture(kind="JPEG"))
    write("d/c/b.webp", picture(kind="WEBP"))
    write("d/c/c.jpg", picture((1, 2, 3), kind="PNG"))
    write("d/c/d.bmp", picture(kind="BMP"))
    write("d/c/e.gif", picture(kind="GIF"))
    write("d/c/f.tiff", picture(kind="TIFF"))
    write("d/c/g", picture((4, 5, 6), kind="JPEG"))
    for name in ("d/c/README", "d/c/x.txt", "d/c/y.txt", "d/z.svg"):
        write(name, "no picture")
    dataset = read("d")
    assert ids(dataset) == ["c/a.JPG", "c/b.webp", "c/c.jpg", "c/d.bmp", "c/e.gif", "c/f.tiff", "c/g"]
    assert all(open_image(ref).size == (8, 6) for ref in dataset.items)
    assert dataset.counts["left_out_files"] == 4
    assert dataset.notes[0] == (
        "d: left out 4 files without the extension of a picture (2 .txt, 1 .svg, 1 without an extension), for example "
        "z.svg."
    )


def test_empty_class_folders_are_told() -> None:
    pictures("d/train/cat/a.png", "d/test/cat/b.png")
    Path("d/test/dog").mkdir()
    Path("d/val/cat").mkdir(parents=True)
    dataset = read("d")
    assert dataset.notes == ("d: 3 folders without pictures, no class: val, test/dog, val/cat.",)
    assert dataset.counts["empty_class_folders"] == 3


def test_a_folder_with_nothing_to_read() -> None:
    write("d/a.csv", "text\na\n")
    write("d/b.txt", "a\n")
    assert refusal("d") == (
        "d holds no pictures; found: 1 .csv, 1 .txt; expected pictures, in a folder a class. Name the file, if one of "
        "them is a table: a.csv"
    )
    Path("e").mkdir()
    assert refusal("e") == "e holds no pictures; found: nothing; expected pictures, in a folder a class."


def test_columns_of_a_folder() -> None:
    pictures("d/cat/a.png")
    assert refusal("d", label="kind", target=("x", "y")[:0], id="name") == (
        "d is an image folder and has no columns; found --label kind, --id name."
    )


def test_limits_take_the_first_of_every_split() -> None:
    pictures(*(f"d/{split}/cat/{at}.png" for split in ("train", "test") for at in range(3)))
    assert ids(read("d", limit=1)) == ["train/cat/0.png", "test/cat/0.png"]


def test_links_are_followed_and_do_not_loop() -> None:
    pictures("elsewhere/a.png", "d/cat/b.png")
    Path("d/dog").symlink_to(Path("elsewhere").resolve())
    Path("d/cat/loop").symlink_to(Path("d").resolve())
    assert ids(read("d")) == ["cat/b.png", "dog/a.png"]


def test_a_picture_that_cannot_be_read_is_named_or_left_out() -> None:
    pictures("d/cat/a.png")
    Path("d/cat/b.png").symlink_to("nowhere.png")
    reason = "d/cat/b.png: cannot be read (No such file or directory)"
    assert refusal("train=d") == (
        f"train=d: 1 picture that cannot be read: train/cat/b.png ({reason}). Put them back, or leave these rows out "
        "with --on-bad skip."
    )
    dataset = read("train=d", on_bad="skip")
    assert (ids(dataset), skipped(dataset)) == (["train/cat/a.png"], [("train/cat/b.png", "train", reason)])
    Path("d/cat/a.png").unlink()
    assert refusal("train=d", on_bad="skip") == (
        f"train=d: no row is left to encode; 1 row left out, the first one train/cat/b.png: {reason}. Mend the source."
    )


def test_two_readings_that_skip_different_pictures_agree_on_the_rest() -> None:
    """Ids and hashes are those of the whole folder, whatever is left out."""
    pictures(*(f"d/cat/{at}.png" for at in range(4)))
    whole = dict(zip(ids(read("d")), read("d").rows.hashes.tolist(), strict=True))
    Path("d/cat/1.png").unlink()
    Path("d/cat/1.png").symlink_to("nowhere.png")
    fewer = read("d", on_bad="skip")
    assert {name: whole[name] for name in ids(fewer)} == dict(
        zip(ids(fewer), fewer.rows.hashes.tolist(), strict=True)
    )


@pytest.mark.skipif(os.name == "nt", reason="names of files are text there")
def test_a_name_that_is_not_utf_8() -> None:
    pictures("d/a.png")
    try:
        Path(os.fsdecode(b"d/\xff.png")).write_bytes(picture())
    except OSError:
        pytest.skip("this file system takes UTF-8 names only")
    assert refusal("d") == "The name of the file b'd/\\xff.png' is not UTF-8; ids must be text. Rename the file."


def test_paths_in_a_column_are_relative_to_the_table() -> None:
    pictures("t/imgs/a.png", "t/imgs/b.png")
    write("t/a.csv", "path,label,split\nimgs/a.png,x,train\n./imgs/../imgs/b.png,y,test\n")
    dataset = read("t/a.csv")
    assert (dataset.modality, labels(dataset), splits(dataset)) == ("image", ["x", "y"], ["train", "test"])
    assert ids(dataset) == ["imgs/a.png", "imgs/b.png"]
    assert open_image(dataset.items[1]).getpixel((0, 0)) == (1, 7, 7)
    assert ids(read("dev=t/a.csv")) == ["dev/imgs/a.png", "dev/imgs/b.png"]
    assert ids(read("t/a.csv", id="")) == ["train:0", "test:1"]


def test_a_column_of_picture_names_is_seen_by_its_values() -> None:
    pictures("a.png", "b.JPG")
    assert read(write("t.csv", "item,label\na.png,x\nb.JPG,y\n")).modality == "image"
    assert read(write("t.csv", "item,label\na.png,x\nno picture,y\n")).modality == "text"


def test_one_picture_in_two_rows_needs_numbers() -> None:
    pictures("a.png")
    write("t.csv", "image,label\na.png,x\na.png,y\n")
    assert refusal("t.csv").startswith("t.csv: 1 id found more than once: a.png.")
    assert ids(read("t.csv", id="")) == ["all:0", "all:1"]


def test_missing_pictures_of_a_table() -> None:
    pictures("a.png")
    write("t.csv", "image,label\na.png,x\nb.png,y\n,z\n")
    assert refusal("t.csv") == (
        "t.csv: 2 pictures that cannot be read: b.png (b.png: no such file), all:2 (no picture in the cell). Put them "
        "back, or leave these rows out with --on-bad skip."
    )
    dataset = read("t.csv", on_bad="skip")
    assert (ids(dataset), labels(dataset)) == (["a.png"], ["x"])
    assert skipped(dataset) == [("b.png", "all", "b.png: no such file"), ("all:2", "all", "no picture in the cell")]
    Path("b.png").mkdir()
    assert "(b.png: cannot be read (Is a directory))" in refusal("t.csv")


def test_pictures_outside_the_table_s_folder() -> None:
    pictures("a.png", "t/in.png")
    write("t/a.csv", "image\nin.png\n../a.png\n")
    here = Path.cwd().resolve()
    assert refusal("t/a.csv") == (
        f"t/a.csv, line 3: ../a.png is outside the table's folder {here / 't'}; expected a path inside it. If the file "
        "may be read all the same, say --allow-outside."
    )
    assert ids(read("t/a.csv", allow_outside=True)) == ["in.png", "../a.png"]
    write("t/b.csv", f"image\n{here / 't' / 'in.png'}\n")
    assert ids(read("t/b.csv")) == ["in.png"]
    Path("t/link.png").symlink_to(here / "a.png")
    assert "link.png is outside" in refusal(write("t/c.csv", "image\nlink.png\n"))
    assert "no such file" in refusal(write("t/d.jsonl", '{"image": "in\\u0000.png"}\n'))


def test_addresses_are_not_fetched() -> None:
    assert refusal(write("a.csv", "image\nhttps://example.org/a.png\n")) == (
        "a.csv, line 2: https://example.org/a.png is an address; expected the path of a file. Fetch the pictures first."
    )


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="this system has no named pipes")
@pytest.mark.parametrize("name", ["pipe.png", "pipe"])
def test_a_pipe_among_pictures_is_not_waited_for(name: str) -> None:
    pictures("d/cat/a.png")
    os.mkfifo(f"d/cat/{name}")
    write("t.csv", f"path\nd/cat/a.png\nd/cat/{name}\n")
    dataset = read("d", on_bad="skip")
    bad = [("cat/pipe.png", "all", "d/cat/pipe.png: cannot be read (a pipe or a device, no file)")]
    assert (ids(dataset), skipped(dataset)) == (["cat/a.png"], bad if name == "pipe.png" else [])
    assert [reason for *_, reason in skipped(read("t.csv", on_bad="skip"))] == [
        f"d/cat/{name}: cannot be read (a pipe or a device, no file)"
    ]


def test_a_folder_that_cannot_be_read_is_not_taken_for_an_empty_one(monkeypatch: pytest.MonkeyPatch) -> None:
    """Permissions: a whole split would be missing, and nobody told."""
    pictures("d/train/cat/a.png", "d/test/cat/b.png")
    scan = os.scandir

    def locked(place: str) -> object:
        if str(place).endswith("train"):
            raise PermissionError(13, "Permission denied", str(place))
        return scan(place)

    monkeypatch.setattr(os, "scandir", locked)
    assert refusal("d") == (
        "d/train: the folder cannot be read (Permission denied); expected to see what is in it. Mend its "
        "permissions, or name folders that can be read."
    )
