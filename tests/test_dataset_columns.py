"""Which column is what: named, guessed, unclear; ids, splits, targets, counts and limits."""

from pathlib import Path

import numpy as np
import pytest
from dataset_samples import ids, labels, picture, read, refusal, splits, write

from relstitch.dataset import ReadOptions
from relstitch.errors import UsageError


@pytest.fixture(autouse=True)
def _in_a_folder_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


@pytest.mark.parametrize("column", ["text", "Sentence", "content", "document", "question", "whatever"])
def test_the_text_column_is_guessed(column: str) -> None:
    dataset = read(write("a.csv", f"id,{column},label,split\n7,hello,x,train\n"))
    assert (dataset.items, ids(dataset), labels(dataset), splits(dataset)) == (["hello"], ["7"], ["x"], ["train"])


def test_numbers_are_no_texts_where_the_file_says_so() -> None:
    assert read(write("a.jsonl", '{"score": 1, "title": "hello", "flags": [1]}\n')).items == ["hello"]


def test_named_columns_win_over_guesses() -> None:
    write("a.csv", "text,label,title,kind,key\na,x,b,y,k\n")
    dataset = read("a.csv", text="title", label="kind", id="key")
    assert (dataset.items, labels(dataset), ids(dataset)) == (["b"], ["y"], ["k"])


def test_an_empty_name_means_no_column() -> None:
    dataset = read(write("a.csv", "text,label,id,split\na,x,7,train\n"), label="", id="", split="")
    assert (dataset.rows.targets, ids(dataset), splits(dataset)) == (None, ["all:0"], ["all"])


def test_several_columns_that_may_hold_the_items() -> None:
    write("a.csv", "text,question,label\na,b,c\n")
    assert refusal("a.csv") == (
        "a.csv: 2 columns may hold the items (text, question); columns found: text, question, label (the first line is "
        "read as the header; if it is none, say --no-header). Name it with --text, or with --image for pictures."
    )
    assert read("a.csv", text="question").items == ["b"]
    assert "2 columns may hold the items (x, y)" in refusal(write("b.csv", "x,y\na,b\n"))
    assert "2 columns may hold the items (text, file)" in refusal(write("c.csv", "file,text\na.png,b\n"))


def test_no_column_that_may_hold_the_items() -> None:
    assert refusal(write("a.jsonl", '{"label": 1, "n": 2}\n')) == (
        "a.jsonl: no column is clearly that of the items; columns found: label, n. Name it with --text, or with "
        "--image for pictures."
    )


@pytest.mark.parametrize(
    ("columns", "option"), [("label,class", "--label"), ("id,ID", "--id"), ("split,Split", "--split")]
)
def test_several_columns_that_may_be_meant(columns: str, option: str) -> None:
    shown = columns.replace(",", ", ")
    assert refusal(write("a.csv", f"text,{columns}\na,b,c\n")) == (
        f"a.csv: 2 columns may be meant ({shown}); columns found: text, {shown} (the first line is read as the "
        f"header; if it is none, say --no-header). Name one with {option}, or none of them with {option} ''."
    )


@pytest.mark.parametrize("option", ["text", "image", "label", "id", "split", "count"])
def test_a_named_column_that_does_not_exist(option: str) -> None:
    write("a.csv", "text,labels,\na,b,c\n")
    assert refusal("a.csv", **{option: "lable"}) == (
        f"a.csv has no column 'lable' (--{option}); columns found: text, labels, (no name) (the first line is read as "
        "the header; if it is none, say --no-header). Did you mean 'labels'?"
    )


def test_a_named_target_that_does_not_exist() -> None:
    assert refusal(write("a.txt", "a\n"), target=("q",)) == "a.txt has no column 'q' (--target); columns found: text."


def test_a_named_column_that_exists_twice() -> None:
    assert refusal(write("a.csv", "text,label,label\na,b,c\n"), label="label") == (
        "a.csv has 2 columns named 'label'; expected one (--label). Rename the others."
    )


def test_ids_must_be_unique() -> None:
    """torchgeo-bench #176."""
    write("a.csv", "id,text\n1,a\n2,b\n1,c\n2,d\n3,e\n1,f\n")
    assert refusal("a.csv") == (
        "a.csv: 2 ids found more than once: 1, 2. Ids must be unique: choose another column with --id, or number the "
        "rows with --id ''."
    )
    assert ids(read("a.csv", id=""))[-1] == "all:5"


def test_an_empty_id_or_split() -> None:
    assert refusal(write("a.csv", "id,text\n1,a\n,b\n")) == (
        "a.csv, line 3: column 'id' is empty; expected the row's id. Fill it in, or choose another column with --id "
        "(none: --id '')."
    )
    assert refusal(write("b.jsonl", '{"text": "a", "split": null}\n')) == (
        "b.jsonl, line 1: column 'split' is empty; expected the row's split. Fill it in, or choose another column with "
        "--split (none: --split '')."
    )


def test_a_split_column_and_a_named_split() -> None:
    write("a.csv", "text,split\na,train\nb,test\n")
    assert splits(read("a.csv")) == ["train", "test"]
    assert ids(read("a.csv")) == ["train:0", "test:1"]
    assert splits(read("dev=a.csv")) == ["dev", "dev"]
    assert refusal("dev=a.csv", split="split") == (
        "a.csv was given as the split 'dev', and --split split names a column; expected one of the two. Leave one out."
    )


def test_limits_and_skips_do_not_change_ids() -> None:
    lines = ["text,split", *(f"t{row},{'test' if row % 3 == 2 else 'train'}" for row in range(9))]
    lines[2] = ",train"
    whole = read(write("a.csv", "\n".join(lines)), on_empty="skip")
    assert ids(whole) == ["train:0", "test:2", "train:3", "train:4", "test:5", "train:6", "train:7", "test:8"]
    few = read("a.csv", on_empty="skip", limit=2)
    assert ids(few) == ["train:0", "test:2", "test:5"]
    assert dict(zip(ids(whole), whole.items, strict=True))["test:5"] == few.items[-1]


def test_a_limit_holds_for_every_split_and_over_its_parts() -> None:
    for name in "abc":
        write(f"{name}.csv", f"text\n{name}0\n{name}1\n{name}2\n")
    dataset = read("train=a.csv", "train=b.csv", "test=c.csv", limit=4)
    assert ids(dataset) == ["train:0", "train:1", "train:2", "train:3", "test:0", "test:1", "test:2"]
    assert dataset.items[:4] == ["a0", "a1", "a2", "b0"]


def test_a_limit_stops_reading() -> None:
    assert read(write("a.csv", "text,label\na,b\nc,d\ne\n"), limit=1).items == ["a"]


def test_several_labels_in_one_cell() -> None:
    dataset = read(write("a.csv", "text,label\na,x; y\nb,y\nc,\n"), label_separator=";")
    targets = dataset.rows.targets
    assert targets is not None
    assert (targets.kind, targets.names) == ("multilabel", ("x", "y"))
    assert targets.values.tolist() == [[True, True], [False, True], [False, False]]
    assert targets.present.tolist() == [True, True, False]


def test_lists_of_labels_in_json() -> None:
    dataset = read(write("a.jsonl", '{"text": "a", "label": [2, "x"]}\n{"text": "b", "label": []}\n{"text": "c"}\n'))
    targets = dataset.rows.targets
    assert targets is not None
    assert (targets.kind, targets.names) == ("multilabel", ("2", "x"))
    assert targets.values.tolist() == [[True, True], [False, False], [False, False]]
    assert targets.present.tolist() == [True, True, False]
    assert dataset.class_sizes == {"2": 1, "x": 1}


def test_real_valued_targets() -> None:
    dataset = read(write("a.csv", "text,label,w,h\na,x,1.5,-2e3\nb,x,,4\n"), target=("w", "h"))
    targets = dataset.rows.targets
    assert targets is not None
    assert (targets.kind, targets.names) == ("real", ("w", "h"))
    assert targets.values.dtype == np.float32
    assert targets.values.tolist() == [[1.5, -2000.0], [0.0, 0.0]]
    assert targets.present.tolist() == [True, False]
    assert read(write("a.jsonl", '{"text": "a", "y": 2}\n'), target=("y",)).rows.targets is not None


@pytest.mark.parametrize("cell", ["nan", "inf", "1e39", "1_0", "abc"])
def test_targets_that_are_no_finite_numbers(cell: str) -> None:
    assert refusal(write("a.csv", f"text,y\na,{cell}\n"), target=("y",)) == (
        f"a.csv, line 2: column 'y' holds '{cell}'; expected a finite number."
    )


def test_counts() -> None:
    write("a.csv", "word,n\na,12\nb,0\n")
    counts = read("a.csv", text="word", count="n").rows.counts
    assert counts is not None
    assert counts.tolist() == [12.0, 0.0]
    for cell, found in (("", "is empty"), ("-1", "holds -1")):
        assert refusal(write("b.csv", f"text,n\na,{cell}\n"), count="n") == (
            f"b.csv, line 2: column 'n' {found}; expected a count of 0 or more (--count)."
        )


def test_a_guessed_label_that_is_hardly_one() -> None:
    rows = "".join(f"t{row},{row / 7}\n" for row in range(30))
    notes = read(write("a.csv", "text,target\n" + rows)).notes
    assert notes == (
        "a.csv: text from text, label from target, no split, ids by row.",
        "The column 'target' was taken for the labels and has 30 classes in 30 rows. If it is a number to predict, say "
        "--target target; if it is no label, say --label ''.",
    )
    assert read("a.csv", label="target").notes == ("a.csv: text from text, label from target, no split, ids by row.",)


def test_a_class_that_one_split_lacks_is_said() -> None:
    """ultralytics #13936: matched by name."""
    write("a.csv", "text,label\na,cat\nb,dog\nc,owl\n")
    write("b.csv", "text,label\nd,dog\n")
    dataset = read("train=a.csv", "test=b.csv")
    assert dataset.notes == (
        "a.csv and b.csv: text from text, label from label, split as named, ids by row.",
        "No row of the split test has the classes cat, owl; classes are matched by name.",
    )
    write("b.csv", "text\nd\n")
    assert read("train=a.csv", "test=b.csv").notes == (
        "a.csv: text from text, label from label, split as named, ids by row.",
        "b.csv: text from text, no label, split as named, ids by row.",
    )


def test_repeated_content_is_kept_and_counted() -> None:
    write("a.csv", "text\na\nb\na\na\n")
    write("b.csv", "text\na\nc\nc\n")
    dataset = read("train=a.csv", "test=b.csv")
    assert len(dataset) == 7
    assert dataset.counts == {"duplicate_content": 3, "test_content_in_train": 1}
    assert dataset.notes == (
        "a.csv and b.csv: text from text, no label, split as named, ids by row.",
        "3 rows have the content of an earlier row of the split; kept.",
        "1 test row has content that also stands in train; kept.",
    )
    assert read("train=a.csv").counts == {"duplicate_content": 2}


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (
            {"text": "a", "image": "b"},
            "--text a and --image b were both given; a row holds one item. Encode texts and pictures in two runs.",
        ),
        (
            {"label": "a", "target": ("b", "c")},
            "--label a and --target b, c were both given; expected classes or numbers, not both. "
            "Leave one of them out.",
        ),
        ({"limit": 0}, "--limit 0 leaves nothing to read; expected 1 or more rows per split."),
        ({"delimiter": ", "}, "--delimiter ', ' is not one character that can stand between cells."),
        (
            {"label_separator": ""},
            "--label-separator is empty; expected what stands between labels, for example ';'.",
        ),
        (
            {"encoding": "klingon"},
            "--encoding klingon is not a text encoding; expected for example utf-8, latin-1 or utf-16.",
        ),
        (
            {"encoding": "base64"},
            "--encoding base64 is not a text encoding; expected for example utf-8, latin-1 or utf-16.",
        ),
        ({"on_empty": "drop"}, "--on-empty drop is not known; expected one of: error, skip, embed."),
        ({"on_bad": "drop"}, "--on-bad drop is not known; expected one of: error, skip."),
        (
            {"format": "xls"},
            "--format xls is not known; expected one of: csv, tsv, jsonl, json, parquet, text, npy, npz, folder.",
        ),
    ],
)
def test_options_that_cannot_be_meant(options: dict[str, object], message: str) -> None:
    with pytest.raises(UsageError) as refused:
        ReadOptions(**options)  # type: ignore[arg-type]
    assert str(refused.value) == message


def test_texts_and_pictures_do_not_mix() -> None:
    write("a.csv", "text\na\nb\n")
    write("pictures/cat/a.png", picture())
    assert refusal("train=a.csv", "test=pictures") == (
        "train=a.csv test=pictures: 2 rows are texts and 1 is a picture; expected items of one kind. "
        "Read them in two runs."
    )


READ: dict[str, object] = dict.fromkeys(("text", "image", "label", "target", "id", "split", "count"))


@pytest.mark.parametrize(
    ("header", "options", "words", "columns"),
    [
        (
            "review,mood,part", {},
            "text from review, no label, no split, ids by row; columns not used: mood, part (name them with --text, "
            "--label, --split, …)",
            {"text": "review"},
        ),
        (
            "title,body,label", {},
            "text from body, label from label, no split, ids by row; column not used: title (name it with --text, "
            "--label, --split, …)",
            {"text": "body", "label": "label"},
        ),
        (
            "review,mood,part", {"text": "review", "label": "mood", "split": "part"},
            "text from review, label from mood, split from part, ids by row",
            {"text": "review", "label": "mood", "split": "part"},
        ),
        (
            "id,text,x,y,n", {"text": "text", "target": ("x", "y"), "count": "n", "split": ""},
            "text from text, targets from x, y, no split, ids from id, count from n",
            {"text": "text", "target": ("x", "y"), "id": "id", "count": "n"},
        ),
        (
            "text,x,y,", {"text": "text", "target": ("x",), "split": ""},
            "text from text, target from x, no split, ids by row; column not used: y",
            {"text": "text", "target": ("x",)},
        ),
    ],
)  # fmt: skip
def test_what_was_read_from_which_column_is_said(
    header: str, options: dict[str, object], words: str, columns: dict[str, object]
) -> None:
    cells = ",".join("7" for _ in header.split(","))
    dataset = read(write("reviews.csv", f"{header}\n{cells}\n"), **options)
    assert dataset.notes == (f"reviews.csv: {words}.",)
    assert dataset.columns == {**READ, **columns}


def test_a_split_column_beside_a_split_that_was_named() -> None:
    write("a.csv", "text,label,split\na,x,test\n")
    dataset = read("train=a.csv")
    assert splits(dataset) == ["train"]
    assert dataset.notes == (
        "a.csv: text from text, label from label, split as named (the column split is not read), ids by row.",
    )
    assert dataset.columns == {**READ, "text": "text", "label": "label"}


def test_shards_that_are_read_alike_are_told_once() -> None:
    for name in "abc":
        write(f"{name}.csv", f"text,label\n{name},x\n")
    write("d.csv", "body\nd\n")
    dataset = read("a.csv", "b.csv", "c.csv", "d.csv")
    assert dataset.notes == (
        "a.csv and 2 others: text from text, label from label, no split, ids by row.",
        "d.csv: text from body, no label, no split, ids by row.",
    )
    assert dataset.columns == {**READ, "text": ("text", "body"), "label": "label"}


def test_the_ids_of_pictures_in_a_table() -> None:
    write("a.png", picture())
    dataset = read(write("a.csv", "image,label\na.png,x\n"))
    assert dataset.notes == ("a.csv: image from image, label from label, no split, ids by path.",)
    assert dataset.columns == {**READ, "image": "image", "label": "label"}
    assert read("a.csv", id="").notes == ("a.csv: image from image, label from label, no split, ids by row.",)
    assert read(write("a.jsonl", '{"image": {"path": "a.png"}}\n')).notes == (
        "a.jsonl: image from image, no label, no split, ids by path or row.",
    )


def test_what_has_no_columns_has_none_to_tell() -> None:
    write("d/cat/a.png", picture())
    for source in (write("a.txt", "one\n"), "d"):
        assert (read(source).notes, read(source).columns) == ((), {})
