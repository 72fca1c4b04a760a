"""What can be named as a source: paths, splits, patterns, standard input."""

import io
import os
import sys
import threading
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from dataset_samples import ids, labels, picture, read, refusal, splits, write

from relstitch.dataset.sources import parse_sources

EXPECTED = (
    "expected an image folder, a CSV, TSV, JSON, JSONL or Parquet table, text lines (.txt), or .npy or .npz vectors; "
    "if it is one of these under another name, say so with --format."
)


@pytest.fixture(autouse=True)
def _in_a_folder_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def pipe(content: str | bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let standard input hold something."""
    data = content.encode() if isinstance(content, str) else content
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(data)))


def test_named_splits_and_bare_sources() -> None:
    write("a.csv", "text\na\n")
    write("b.csv", "text\nb\n")
    dataset = read("train=a.csv", "test=b.csv")
    assert (splits(dataset), ids(dataset)) == (["train", "test"], ["train:0", "test:0"])
    assert dataset.source == "train=a.csv test=b.csv"
    assert splits(read("a.csv")) == ["all"]


def test_parts_of_one_split_are_numbered_on_and_blank_lines_do_not_count() -> None:
    write("a.csv", "text\na\n\nb\n")
    write("b.csv", "text\nc\n")
    assert ids(read("train=a.csv", "train=b.csv")) == ["train:0", "train:1", "train:2"]
    assert ids(read("a.csv", "b.csv")) == ["all:0", "all:1", "all:2"]


def test_parts_with_a_split_column_are_numbered_on() -> None:
    write("a.csv", "text,split\na,train\nb,test\n")
    write("b.csv", "text,split\nc,train\n")
    assert ids(read("a.csv", "b.csv")) == ["train:0", "test:1", "train:2"]


def test_patterns_are_joined_in_order_of_their_names() -> None:
    for number in (2, 0, 1):
        write(f"parts/part-{number}.csv", f"text\n{number}\n")
    dataset = read("train=parts/part-*.csv")
    assert dataset.items == ["0", "1", "2"]
    assert ids(dataset) == ["train:0", "train:1", "train:2"]
    assert refusal("parts/*.tsv") == (
        "No file matches parts/*.tsv; expected at least one. Check the pattern and the folder."
    )


def test_files_whose_names_hold_signs_of_ours() -> None:
    write("lr=0.1.csv", "text\na\n")
    write("[x]*.csv", "text\nb\n")
    write("runs/lr=1/c.csv", "text\nc\n")
    assert (read("lr=0.1.csv").items, splits(read("lr=0.1.csv"))) == (["a"], ["all"])
    assert read("[x]*.csv").items == ["b"]
    assert read("runs/lr=1/c.csv").items == ["c"]
    assert splits(read("test=lr=0.1.csv")) == ["test"]


def test_a_drive_of_windows_is_no_split(monkeypatch: pytest.MonkeyPatch) -> None:
    assert refusal("C:\\data=x\\a.csv").startswith("There is no file or folder C:\\data=x\\a.csv.")
    monkeypatch.chdir("/")
    assert refusal("C:/data/a.csv") == "There is no C:/data/a.csv: the folder C:/data does not exist. Check the path."


def test_a_missing_file_and_what_is_near() -> None:
    write("train.csv", "text\na\n")
    assert refusal("trian.csv") == "There is no file or folder trian.csv. Did you mean train.csv?"
    assert refusal("python:mine") == (
        "There is no file or folder python:mine. Name a factory of your own as python:MODULE:FACTORY."
    )
    assert refusal("train=data.jsonl") == "There is no file or folder data.jsonl. Check the path."
    assert refusal("nowhere/a.csv") == "There is no nowhere/a.csv: the folder nowhere does not exist. Check the path."


def test_no_source_and_a_split_without_one() -> None:
    assert refusal() == "No source was given; expected at least one file or folder, or - for standard input."
    assert refusal("train=") == "train= names the split 'train' and no source; expected train=FILE."


def test_files_that_are_no_source() -> None:
    assert refusal(write("a.bin", "abc")) == f"a.bin is a .bin file; {EXPECTED}"
    assert refusal(write("a", "abc")) == f"a is a file without an extension; {EXPECTED}"
    assert refusal(write("a.gz", b"\x1f\x8b")) == f"a.gz is a gzip archive (unpack it first); {EXPECTED}"
    assert refusal(write("a.safetensors", b"\x08")) == (
        "a.safetensors is a safetensors file; it is read as a file of embeddings, by itself."
    )
    assert refusal(write("a.png", picture())) == (
        "a.png is one picture; expected a folder of pictures. Name the folder it is in."
    )


def test_the_format_can_be_said_or_seen_from_the_content() -> None:
    assert read(write("a.dat", "one\ntwo\n"), format="text").items == ["one", "two"]
    assert read(write("b.txt", "text,label\na,x\n"), format="csv").items == ["a"]
    pq.write_table(pa.table({"text": ["a"]}), "c.bin")
    assert read("c.bin").items == ["a"]


def test_folders_and_files_are_not_taken_for_each_other() -> None:
    write("d/a.csv", "text\na\n")
    assert refusal("d", format="csv") == ("d is a folder, and --format csv says it is a file. Name the file in it.")
    assert refusal("d/a.csv", format="folder") == (
        "d/a.csv is a file, and --format folder says it is a folder. Name the folder."
    )
    assert refusal("-", format="folder") == (
        "--format folder was given for standard input, which is no folder. Name the folder."
    )


@pytest.mark.parametrize(
    ("content", "form", "items"),
    [
        ('{"text": "a"}\n{"text": "b"}\n', "jsonl", ["a", "b"]),
        ('\ufeff\n [\n{"text": "a"}]', "json", ["a"]),
        ("text,label\na,x\n", "csv", ["a"]),
        ("Question;label\na;x\n", "csv", ["a"]),
        ("text\na b\n", "csv", ["a b"]),
        ("text\tlabel\na\tx\n", "tsv", ["a"]),
        ("one\ntwo, three\n", "text", ["one", "two, three"]),
        ("[1] one\n", "text", ["[1] one"]),
        ("[\n", "text", ["["]),
        ("{so it begins\n", "text", ["{so it begins"]),
        ('"a quote\n', "text", ['"a quote']),
    ],
)
def test_standard_input_is_seen_through(
    content: str, form: str, items: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    pipe(content, monkeypatch)
    dataset = read("-")
    assert dataset.items == items
    assert dataset.notes[0] == f"Standard input was read as {form} (say otherwise with --format)."


def test_standard_input_with_a_split_a_format_or_named_columns(monkeypatch: pytest.MonkeyPatch) -> None:
    pipe("text,label\na,x\n", monkeypatch)
    dataset = read("dev=-", format="text")
    assert (ids(dataset), dataset.items, dataset.notes) == (["dev:0", "dev:1"], ["text,label", "a,x"], ())
    pipe("word,kind\na,x\n", monkeypatch)
    dataset = read("-", text="word", label="kind")
    assert (dataset.items, labels(dataset)) == (["a"], ["x"])
    assert dataset.notes[1] == "Standard input: text from word, label from kind, no split, ids by row."
    pipe("a,x\nb,y\n", monkeypatch)
    dataset = read("-", text="1", label="2", header=False)
    assert (dataset.items, labels(dataset)) == (["a", "b"], ["x", "y"])


def test_standard_input_may_be_parquet(monkeypatch: pytest.MonkeyPatch) -> None:
    sink = io.BytesIO()
    pq.write_table(pa.table({"text": ["a"]}), sink)
    pipe(sink.getvalue(), monkeypatch)
    assert read("-").items == ["a"]


@pytest.mark.parametrize(
    ("content", "found"), [("", "nothing"), (" \n", "nothing"), (b"\x89PNG\r\n\x1a\n", "a PNG picture")]
)
def test_standard_input_with_nothing_to_read(
    content: str | bytes, found: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    pipe(content, monkeypatch)
    assert refusal("-") == (
        f"standard input: {found} came; expected JSONL, a JSON array, CSV or TSV with a header, Parquet, NumPy "
        "arrays, or lines of text."
    )


def test_standard_input_is_read_once(monkeypatch: pytest.MonkeyPatch) -> None:
    pipe("a\n", monkeypatch)
    assert refusal("train=-", "test=-") == (
        "Standard input (-) was named more than once; it can be read once. Put one part in a file."
    )


def test_indented_json_on_standard_input_is_explained(monkeypatch: pytest.MonkeyPatch) -> None:
    pipe('{\n"text": "a"\n}\n', monkeypatch)
    assert refusal("-").startswith("standard input, line 1: the object does not end on its line;")


def test_a_source_opens_from_the_beginning_each_time() -> None:
    (source,) = parse_sources([write("a.txt", "abc")])
    assert [source.head(2), source.head(2)] == [b"ab", b"ab"]


def test_a_closed_standard_input(monkeypatch: pytest.MonkeyPatch) -> None:
    """A shell's ``<&-``."""
    monkeypatch.setattr(sys, "stdin", None)
    assert refusal("-") == "Standard input (-) was named and is closed; expected data on it. Name a file."


def test_empty_text_is_not_the_working_directory() -> None:
    """A variable of the shell that is not set."""
    write("cat/a.png", picture())
    assert refusal("") == (
        "A source is empty text; expected a file, a folder or -. Is a variable of the shell unset?"
    )


def through_a_pipe(content: str, name: str) -> str:
    """A named pipe that gives its content once, as ``<(…)`` does."""
    os.mkfifo(name)
    threading.Thread(target=lambda: Path(name).write_text(content, encoding="utf-8"), daemon=True).start()
    return name


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="this system has no named pipes")
def test_pipes_are_read_once_and_whole() -> None:
    lines = [f"text {row}, and more of it" for row in range(20000)]
    dataset = read(through_a_pipe("\n".join(lines), "lines"), format="text")
    assert dataset.items == lines
    assert read("train=" + through_a_pipe("text,label\na,x\n", "a.csv")).items == ["a"]
    unnamed = read(through_a_pipe("text,label\na,x\n", "63"))
    assert unnamed.items == ["a"]
    assert unnamed.notes == (
        "63 was read as csv (say otherwise with --format).",
        "63: text from text, label from label, no split, ids by row.",
    )
    os.mkfifo("more")
    assert refusal("more", format="folder") == (
        "more is a pipe or a device, and --format folder says it is a folder. Name the folder."
    )
