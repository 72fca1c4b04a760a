"""The dataset room as a whole: the same rows from every format, real data, and nothing heavy loaded."""

import csv
import io
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from dataset_samples import ids, labels, read, splits, write
from hypothesis import given, settings
from hypothesis import strategies as st

from relstitch.artifacts import Rows
from relstitch.artifacts.rows import content_hash
from relstitch.dataset import Dataset, ReadOptions, describe, read_dataset

DATA = os.environ.get("RELSTITCH_TEST_DATA")
with_data = pytest.mark.skipif(
    not DATA, reason="RELSTITCH_TEST_DATA names no folder with trec/, cifar10/, embeddings/"
)

# Everything that can stand in a cell of a CSV file; lone surrogates cannot be written as UTF-8.
cells = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\x00"), min_size=1).filter(str.strip)
tables = st.lists(st.tuples(cells, st.one_of(st.just(""), cells)), min_size=1, max_size=6)


def as_csv(rows: list[tuple[str, str]], delimiter: str) -> str:
    stream = io.StringIO()
    csv.writer(stream, delimiter=delimiter).writerows([("text", "label"), *rows])
    return stream.getvalue()


@settings(max_examples=25, deadline=None)
@given(tables)
def test_every_format_gives_the_same_rows(rows: list[tuple[str, str]]) -> None:
    """CSV, TSV, JSONL, JSON and Parquet of one table agree with the table in all that a dataset holds."""
    records = [{"text": text, "label": label or None} for text, label in rows]
    with tempfile.TemporaryDirectory() as folder:
        Path(folder, "a.csv").write_bytes(as_csv(rows, ",").encode())
        Path(folder, "a.tsv").write_bytes(as_csv(rows, "\t").encode())
        Path(folder, "a.jsonl").write_text("".join(json.dumps(r) + "\n" for r in records), encoding="utf-8")
        Path(folder, "a.json").write_text(json.dumps(records, indent=1, ensure_ascii=False), encoding="utf-8")
        pq.write_table(
            pa.Table.from_pylist(records, pa.schema([("text", pa.string()), ("label", pa.string())])),
            f"{folder}/a.parquet",
        )
        for suffix in ("csv", "tsv", "jsonl", "json", "parquet"):
            dataset = read_dataset([f"train={folder}/a.{suffix}"])
            assert list(dataset.items) == [text for text, _ in rows]
            found = [None] * len(rows) if dataset.rows.targets is None else labels(dataset)
            assert found == [label or None for _, label in rows]
            assert ids(dataset) == [f"train:{at}" for at in range(len(rows))]
            assert dataset.rows.hashes.tolist() == [content_hash(text.encode()) for text, _ in rows]


@settings(max_examples=15, deadline=None)
@given(st.lists(cells, min_size=2, max_size=6), st.randoms(use_true_random=False))
def test_the_order_of_rows_does_not_change_the_dataset(texts: list[str], random: object) -> None:
    """With ids of their own, rows in another order are the same dataset; one changed text makes another one."""
    rows = [{"id": at, "text": text} for at, text in enumerate(texts)]
    shuffled = rows[:]
    random.shuffle(shuffled)  # type: ignore[attr-defined]
    changed = [*rows[:-1], {**rows[-1], "text": texts[-1] + "!"}]
    with tempfile.TemporaryDirectory() as folder:
        prints = []
        for name, content in (("a", rows), ("b", shuffled), ("c", changed)):
            Path(folder, f"{name}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in content))
            prints.append(read_dataset([f"{folder}/{name}.jsonl"]).rows.fingerprint)
    assert prints[0] == prints[1] != prints[2]


def test_a_dataset_in_words(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    write("a.csv", "text,label\na,x\nb,y\n,y\nd,\n")
    dataset = read("train=a.csv", "test=a.csv", on_empty="skip", limit=4)
    assert describe(dataset) == ("6 texts (train 3, test 3), 2 classes, 2 rows without a label, 2 rows left out")
    assert dataset.split_sizes == {"train": 3, "test": 3}
    assert dataset.class_sizes == {"x": 2, "y": 2}
    write("b.csv", "text,y\na,1\n")
    assert describe(read("b.csv", target=("y",))) == "1 text (all 1), 1 real-valued target"
    assert describe(read("a.csv", label_separator=",", on_empty="embed", limit=2)) == (
        "2 texts (all 2), 2 classes (several per row)"
    )
    assert Dataset(Rows.build(["a"]), np.zeros((1, 2), dtype=np.float32).tolist(), "vectors").class_sizes == {}


@with_data
def test_trec_with_its_repeated_questions() -> None:
    """71 training texts stand twice, 10 test texts stand in train: kept, and reported by content."""
    dataset = read(f"train={DATA}/trec/train.csv", f"test={DATA}/trec/test.csv")
    assert describe(dataset) == "5952 texts (train 5452, test 500), 6 classes"
    assert dataset.counts == {"duplicate_content": 71, "test_content_in_train": 10}
    assert dataset.notes == (
        f"{DATA}/trec/train.csv and {DATA}/trec/test.csv: text from text, label from label, split as named, ids by "
        "row; column not used: fine (name it with --text, --label, …).",
        "71 rows have the content of an earlier row of the split; kept.",
        "10 test rows have content that also stands in train; kept.",
    )
    fine = read(f"{DATA}/trec/train.csv", label="fine", limit=3)
    assert labels(fine) == ["DESC:manner", "ENTY:cremat", "DESC:manner"]


@with_data
def test_trec_s_vectors_have_the_ids_of_its_tables() -> None:
    tables = read(f"train={DATA}/trec/train.csv", f"test={DATA}/trec/test.csv")
    vectors = read(f"{DATA}/embeddings/trec-minilm.npz")
    assert ids(vectors) == ids(tables)
    assert splits(vectors) == splits(tables)
    assert labels(vectors) == labels(tables)


@with_data
def test_cifar_s_folders() -> None:
    dataset = read(f"{DATA}/cifar10", limit=500)
    assert describe(dataset).startswith("1000 pictures (train 500, test 500), ")
    assert all(name.startswith(f"{split}/") for name, split in zip(ids(dataset), splits(dataset), strict=True))


def test_importing_the_room_loads_nothing_heavy() -> None:
    code = "import sys, relstitch.dataset; print([m for m in ('torch', 'PIL', 'pyarrow', 'datasets') if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_the_defaults_are_safe() -> None:
    options = ReadOptions()
    assert (options.on_empty, options.on_bad, options.allow_outside, options.encoding) == (
        "error",
        "error",
        False,
        "utf-8",
    )
