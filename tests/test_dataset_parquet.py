"""Parquet tables, whole and damaged, with texts and with pictures."""

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from dataset_samples import ids, labels, picture, read, refusal, skipped, splits, write

from relstitch.artifacts.rows import content_hash
from relstitch.dataset import open_image


@pytest.fixture(autouse=True)
def _in_a_folder_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def table(name: str = "a.parquet", **columns: object) -> str:
    """Write a Parquet file of these columns."""
    pq.write_table(pa.table(columns), name, row_group_size=2)
    return name


def test_texts_labels_and_splits_over_row_groups_and_batches() -> None:
    n = 1000
    dataset = read(
        table(text=[f"t{row}" for row in range(n)], label=[row % 3 for row in range(n)], split=["train"] * n)
    )
    assert dataset.items == [f"t{row}" for row in range(n)]
    assert labels(dataset) == [str(row % 3) for row in range(n)]
    assert (ids(dataset)[-1], set(splits(dataset))) == ("train:999", {"train"})


def test_dictionary_encoded_columns_are_plain_text() -> None:
    dictionary = pa.array(["x", None, "y", "x"]).dictionary_encode()
    dataset = read(table(text=pa.array(["a", "b", "c", "d"]).dictionary_encode(), label=dictionary))
    assert (dataset.items, labels(dataset)) == (["a", "b", "c", "d"], ["x", None, "y", "x"])


def test_types_are_shown_as_text() -> None:
    assert labels(read(table(text=["a", "b"], label=[1.0, 2.5]))) == ["1.0", "2.5"]
    assert labels(read(table(text=["a", "b"], label=[True, None]))) == ["true", None]
    assert read(table(text=pa.array(["ä"], pa.large_string()))).items == ["ä"]
    assert read(table(text=pa.array(["ä".encode()], pa.binary()))).items == ["ä"]


def test_null_texts_list_their_rows() -> None:
    assert refusal(table(text=["a", None, "b", None])) == (
        "a.parquet: 2 rows with an empty text: all:1, all:3. Fill them in, leave them out with --on-empty skip, or "
        "encode them as they are with --on-empty embed."
    )


def test_cells_that_are_no_text() -> None:
    assert refusal(table(text=["a", "b"], label=[0.5, float("nan")])) == (
        "a.parquet, row 1: column 'label' holds NaN; expected text, a number, or an empty cell."
    )
    assert refusal(table(text=pa.array([b"\xff\xfe"], pa.binary()))) == (
        "a.parquet, row 0: column 'text' holds 2 bytes that are not UTF-8; expected text."
    )
    assert refusal(table(text=["a"], label=[{"x": 1}])) == (
        "a.parquet, row 0: column 'label' holds an object; expected text or a number."
    )


def test_rows_are_counted_over_batches() -> None:
    assert refusal(table(text=["a"] * 1000, label=[0.5] * 700 + [float("nan")] * 300)).startswith(
        "a.parquet, row 700: column 'label' holds NaN;"
    )


def test_lists_of_labels() -> None:
    dataset = read(table(text=["a", "b", "c"], label=[["x", "y"], [], None]))
    targets = dataset.rows.targets
    assert targets is not None
    assert (targets.kind, targets.values.tolist(), targets.present.tolist()) == (
        "multilabel",
        [[True, True], [False, False], [False, False]],
        [True, True, False],
    )


def test_names_with_dots_are_names() -> None:
    columns = {"a": ["x"], "a.b": ["y"], "n": [{"m": 1}]}
    pq.write_table(pa.table(columns), "a.parquet")
    assert read("a.parquet", text="a.b").items == ["y"]
    assert read("a.parquet", text="a", id="a.b").items == ["x"]


def test_the_only_text_column_is_the_text() -> None:
    assert read(table(number=[1], title=["a"], when=[0.5])).items == ["a"]


def test_a_truncated_file() -> None:
    content = Path(table(text=["a"] * 100)).read_bytes()
    write("b.parquet", content[: len(content) // 2])
    assert refusal("b.parquet") == (
        f"b.parquet is a truncated Parquet file: it begins as one and its {len(content) // 2} bytes do not end as one. "
        "Fetch or write it again."
    )
    assert refusal(write("c.parquet", b"PAR1")).startswith("c.parquet is a truncated Parquet file: ")


def test_a_damaged_footer_and_damaged_pages() -> None:
    message = "b.parquet is a damaged Parquet file: it cannot be read to its end. Fetch or write it again."
    content = bytearray(Path(table(text=[f"text number {row}" for row in range(5000)])).read_bytes())
    broken_footer = bytes(content[:-40]) + b"\xff" * 32 + bytes(content[-8:])
    assert refusal(write("b.parquet", broken_footer)) == message
    content[4:400] = b"\xff" * 396
    assert refusal(write("b.parquet", bytes(content))) == message


def test_something_else_under_the_name_of_a_parquet_file() -> None:
    assert refusal(write("a.parquet", "")) == (
        "a.parquet is empty (0 bytes); expected a Parquet table. Check how it was written."
    )
    assert refusal(write("a.parquet", "text\na\n")) == (
        "a.parquet does not begin as a Parquet file does; expected a Parquet table."
    )
    assert refusal(write("a.parquet", "<html>")) == "a.parquet is an HTML page; expected a Parquet table."
    assert refusal(write("a.parquet", "version https://git-lfs.github.com/spec/v1\n")) == (
        "a.parquet is a Git LFS pointer, not the file itself (fetch it with: git lfs pull); expected a Parquet table."
    )


def test_a_table_without_rows() -> None:
    assert refusal(table(text=pa.array([], pa.string()))) == (
        "a.parquet: there are columns and no rows; expected at least one row."
    )


def test_pictures_as_bytes() -> None:
    red, blue = picture((255, 0, 0)), picture((0, 0, 255))
    dataset = read(table(picture=[red, blue], label=["r", "b"]))
    assert dataset.modality == "image"
    assert dataset.rows.hashes.tolist() == [content_hash(red), content_hash(blue)]
    assert (ids(dataset), labels(dataset)) == (["all:0", "all:1"], ["r", "b"])
    assert open_image(dataset.items[1]).getpixel((0, 0)) == (0, 0, 255)
    assert dataset.items[1].name == "a.parquet, row 1"


def test_pictures_as_bytes_and_path() -> None:
    write("pictures/b.png", picture((0, 0, 255)))
    cells = [{"bytes": picture((255, 0, 0)), "path": "a.png"}, {"bytes": None, "path": "pictures/b.png"}]
    dataset = read("train=" + table(img=cells, label=[0, 1]))
    assert ids(dataset) == ["train:0", "train/pictures/b.png"]
    assert [open_image(ref).getpixel((0, 0)) for ref in dataset.items] == [(255, 0, 0), (0, 0, 255)]


def test_cells_without_a_picture() -> None:
    name = table(image=[{"bytes": picture(), "path": None}, None, {"bytes": b"", "path": None}])
    assert refusal(name) == (
        "a.parquet: 2 pictures that cannot be read: all:1 (no picture in the cell), all:2 (no picture in the cell). "
        "Put them back, or leave these rows out with --on-bad skip."
    )
    dataset = read(name, on_bad="skip")
    assert (ids(dataset), skipped(dataset)[0]) == (["all:0"], ("all:1", "all", "no picture in the cell"))
