"""CSV, TSV, JSON and text lines: what is read, and what is refused with which words."""

import csv
import json
from pathlib import Path

import pytest
from dataset_samples import ids, labels, read, refusal, skipped, write


@pytest.fixture(autouse=True)
def _in_a_folder_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


@pytest.mark.parametrize("header", ["text,label", '"text","label"'])
def test_a_byte_order_mark_is_no_part_of_the_first_column(header: str) -> None:
    """inspect_ai #5353, duckdb #2908: the first column is `text`; a mark inside a value stays."""
    dataset = read(write("a.csv", f"\ufeff{header}\n\ufeffa,x\nb\ufeff,\ufeffy\n"))
    assert dataset.items == ["\ufeffa", "b\ufeff"]
    assert labels(dataset) == ["x", "\ufeffy"]


def test_a_byte_order_mark_before_jsonl_and_arrays_and_lines() -> None:
    assert read(write("a.jsonl", '\ufeff{"text": "\ufeffa"}\n')).items == ["\ufeffa"]
    assert read(write("a.json", '\ufeff[{"text": "a"}]')).items == ["a"]
    assert read(write("a.txt", "\ufeffa\n\ufeffb\n")).items == ["a", "\ufeffb"]


def test_labels_that_look_like_nothing_are_labels() -> None:
    """pandas #10647: NA, null, None, nan are text; only an empty cell is missing."""
    dataset = read(write("a.csv", "text,label\na,NA\nb,null\nc,None\nd,nan\ne,\nf,-\n"))
    assert labels(dataset) == ["NA", "null", "None", "nan", None, "-"]


def test_01_and_1_are_two_classes_even_beside_a_blank() -> None:
    dataset = read(write("a.csv", "text,label\na,01\nb,1\nc,\n"))
    assert labels(dataset) == ["01", "1", None]


def test_a_cell_of_140_000_characters_is_read_and_the_global_limit_is_put_back() -> None:
    before = csv.field_size_limit()
    text = "x" * 140_000
    assert read(write("a.csv", f"text,label\n{text},b\n")).items == [text]
    assert csv.field_size_limit() == before


@pytest.mark.parametrize(
    ("row", "found"), [("c,d,e", "3 cells"), ("c", "1 cell"), ('"c\nc",d,', "3 cells")], ids=["many", "few", "lines"]
)
def test_a_row_with_a_wrong_number_of_cells(row: str, found: str) -> None:
    assert refusal(write("a.csv", f'text,label\n"a\na",b\n\n{row}\n')) == (
        f"a.csv, line 5: {found} found; expected 2 (text, label). Put quotes around a cell that holds a comma, "
        "or mend the line."
    )


def test_a_wrong_number_of_cells_under_another_delimiter_names_it() -> None:
    assert refusal(write("a.csv", "text|label\na\n"), delimiter="|") == (
        "a.csv, line 2: 1 cell found; expected 2 (text, label). Put quotes around a cell that holds '|', or mend the line."
    )


def test_latin_1_is_refused_with_the_line_and_read_when_it_is_named() -> None:
    name = write("a.csv", "text,label\na,b\ncafé,d\n".encode("latin-1"))
    assert refusal(name) == (
        "a.csv, line 3: the byte 0xe9 was found; expected utf-8. Say what the file is with --encoding NAME "
        "(older Western files: --encoding latin-1)."
    )
    assert read(name, encoding="latin-1").items == ["a", "café"]


def test_the_line_of_a_bad_byte_is_right_behind_many_blocks() -> None:
    lines = ["text", *(f"line {number} é" for number in range(20_000))]
    content = "\n".join(lines).encode() + b"\n\xff\n"
    assert refusal(write("a.csv", content)).startswith("a.csv, line 20002: the byte 0xff was found; expected utf-8.")


def test_a_character_cut_in_half_at_the_end() -> None:
    assert refusal(write("a.txt", "a\né".encode()[:-1])).startswith("a.txt, line 2: the byte 0xc3 was found;")


def test_utf_16_is_recognised() -> None:
    name = write("a.csv", "text,label\nä,b\n".encode("utf-16"))
    assert refusal(name) == (
        "a.csv, line 1: the byte-order mark of UTF-16 was found; expected utf-8. Say what the file is with "
        "--encoding utf-16."
    )
    assert read(name, encoding="utf-16").items == ["ä"]
    assert read(write("b.csv", "\ufefftext,label\nä,b\n".encode("utf-16-le")), encoding="utf-16-le").items == ["ä"]


def test_utf_16_that_ends_in_the_middle_of_a_character() -> None:
    assert refusal(write("a.txt", b"\xff\xfea\x00b"), encoding="utf-16").startswith("a.txt, line 1: ")


def test_quotes_that_are_not_closed_are_found_where_they_open() -> None:
    name = write("a.csv", 'text,label\na,b\n"c,d\ne,f\n')
    assert refusal(name) == (
        'a.csv, line 3: a quote opens a cell and is never closed; expected "…" around a whole cell, and "" for a quote '
        "inside it. Mend the line, or read quotes as ordinary characters with --no-quotes."
    )
    assert read(name, quotes=False).items == ["a", '"c', "e"]


def test_text_behind_a_closing_quote() -> None:
    assert refusal(write("a.csv", 'text,label\n"a"b,c\n')) == (
        'a.csv, line 2: text stands behind the closing quote of a cell; expected "…" around a whole cell, and "" for '
        "a quote inside it. Mend the line, or read quotes as ordinary characters with --no-quotes."
    )


def test_quoted_commas_quotes_and_line_ends_are_kept() -> None:
    dataset = read(write("a.csv", 'text,label\r\n"a, ""b""\r\nc",x\r\n'))
    assert dataset.items == ['a, "b"\r\nc']


def test_blank_lines_are_no_rows() -> None:
    dataset = read(write("a.csv", "\ntext\n\na\n\n\nb\n\n"))
    assert dataset.items == ["a", "b"]
    assert ids(dataset) == ["all:0", "all:1"]


def test_semicolons_and_tabs_are_seen_in_the_header_and_said() -> None:
    dataset = read(write("a.csv", "text;label\na, b;c\n"))
    assert dataset.items == ["a, b"]
    assert dataset.notes == (
        "a.csv was read with a semicolon between the cells.",
        "a.csv: text from text, label from label, no split, ids by row.",
    )
    assert read(write("b.csv", "text\tlabel\na\tb\n")).notes == (
        "b.csv was read with a tab between the cells.",
        "b.csv: text from text, label from label, no split, ids by row.",
    )
    assert labels(read(write("c.tsv", "text\tlabel\na, b\tc\n"))) == ["c"]
    assert labels(read(write("d.csv", "text|label\na|b\n"), delimiter="|")) == ["b"]


def test_a_file_that_ends_without_a_line_end() -> None:
    """arrow #45394: the last row counts."""
    assert read(write("a.csv", "text\na\nb")).items == ["a", "b"]
    assert read(write("a.jsonl", '{"text": "a"}\n{"text": "b"}')).items == ["a", "b"]
    assert read(write("a.txt", "a\nb")).items == ["a", "b"]


def test_empty_files_and_files_without_rows() -> None:
    assert refusal(write("a.csv", "")) == (
        "a.csv is empty (0 bytes); expected a CSV or TSV table of text. Check how it was written."
    )
    assert refusal(write("b.csv", "\n\n")) == (
        "b.csv holds blank lines only; expected a header line and rows under it."
    )
    assert refusal(write("c.csv", "text,label\n")) == (
        "c.csv: there are columns and no rows; expected at least one row."
    )
    assert (
        refusal(write("d.jsonl", "\n \n")) == "d.jsonl holds blank lines only; expected JSON objects, one per line."
    )
    assert refusal(write("e.json", "[]")) == ("e.json holds no values; expected rows with a text or a picture each.")


def test_an_empty_part_among_others_is_told() -> None:
    dataset = read(write("a.csv", "text\na\n"), write("b.csv", "text\n"))
    assert dataset.items == ["a"]
    assert dataset.notes == (
        "b.csv has columns and no rows.",
        "a.csv and b.csv: text from text, no label, no split, ids by row.",
    )


@pytest.mark.parametrize(
    ("content", "what"),
    [
        (
            b"version https://git-lfs.github.com/spec/v1\noid sha256:1\nsize 3\n",
            "a Git LFS pointer, not the file itself (fetch it with: git lfs pull)",
        ),
        (b"<!DOCTYPE html>\n<title>404</title>", "an HTML page"),
        (b"\xef\xbb\xbf <HTML>", "an HTML page"),
        (b"PAR1....", "a Parquet file"),
        (b"\x1f\x8b\x08", "a gzip archive (unpack it first)"),
        (b"PK\x03\x04", "a zip archive (unpack it first; a workbook: save it as CSV)"),
        (b"\x89PNG\r\n\x1a\n", "a PNG picture"),
        (b"RIFF....WEBPVP8 ", "a WebP picture"),
        (b"BM\x9a\x00\x00\x00\x00\x00\x00\x00", "a BMP picture"),
    ],
)
def test_something_else_under_the_name_of_a_table(content: bytes, what: str) -> None:
    assert refusal(write("a.csv", content)) == f"a.csv is {what}; expected a CSV or TSV table of text."
    assert refusal(write("a.jsonl", content)) == (
        f"a.jsonl is {what}; expected JSON: an object a line, or an array of objects."
    )
    assert refusal(write("a.txt", content)) == f"a.txt is {what}; expected lines of text."


def test_labels_of_several_types_are_text_as_the_file_shows_them() -> None:
    """datasets #7222, #7092: null for a thousand rows, then text; 1 and then "one"."""
    rows: list[object] = [None] * 1500 + [1, "one", 1.50, True, 10**20]
    content = "".join(json.dumps({"text": f"t{at}", "label": label}) + "\n" for at, label in enumerate(rows))
    dataset = read(write("a.jsonl", content.replace("1.5", "1.50")))
    assert labels(dataset) == [None] * 1500 + ["1", "one", "1.50", "true", "100000000000000000000"]


def test_a_key_that_first_appears_late_is_a_column() -> None:
    content = '{"text": "a"}\n' * 1200 + '{"text": "b", "label": "x"}\n'
    assert labels(read(write("a.jsonl", content)))[-2:] == [None, "x"]


def test_json_arrays_are_read_whatever_they_are_called() -> None:
    """arrow #40912."""
    array = '[\n  {"text": "a, ]", "label": 1},\n  {"text": "b"}\n]\n'
    for name in ("a.jsonl", "a.json", "a.ndjson"):
        assert read(write(name, array)).items == ["a, ]", "b"]
    assert read(write("b.json", '{"text": "a"}\n{"text": "b"}\n')).items == ["a", "b"]


def test_indented_json_is_explained() -> None:
    message = (
        "a.jsonl, line 1: the object does not end on its line; expected one whole object a line (JSONL). Indented JSON: "
        "write each object on one line, or all of them as one array […]. A file cut short: fetch it again."
    )
    assert refusal(write("a.jsonl", '{\n  "text": "a"\n}\n')) == message
    assert refusal(write("a.jsonl", '{"text": "a')) == message


def test_lines_that_are_not_json() -> None:
    assert refusal(write("a.jsonl", '{"text": "a"}\n{"text" "b"}\n')) == (
        'a.jsonl, line 2, column 9: this is not JSON; expected one object a line, such as {"text": "…", "label": "…"}. '
        "Mend the line, or say what the file is with --format."
    )
    assert refusal(write("a.jsonl", "hello\n")).startswith("a.jsonl, line 1, column 1: this is not JSON;")


@pytest.mark.parametrize(
    ("value", "word"),
    [('"a"', "text"), ("1", "a number"), ("1.5", "a number"), ("null", "null"), ("true", "true or false")],
)
def test_values_that_are_no_objects(value: str, word: str) -> None:
    assert refusal(write("a.jsonl", f'{{"text": "a"}}\n{value}\n')) == (
        f'a.jsonl, line 2: {word} was found; expected an object such as {{"text": "…", "label": "…"}}. '
        "Plain lines of text: say --format text."
    )
    assert refusal(write("a.json", f'[{{"text": "a"}},\n\n{value}]')).startswith(f"a.json, line 3: {word} was found;")


def test_an_array_on_every_line() -> None:
    assert refusal(write("a.jsonl", '[{"text": "a"}]\n[{"text": "b"}]\n')) == (
        "a.jsonl, line 1: more text stands behind the end of the array; expected one array of objects. Lines that each "
        "hold an array cannot be read: make each an object with named values."
    )
    assert "a.jsonl, line 2: a list was found; expected an object" in refusal(
        write("a.jsonl", '{"text": "a"}\n["b"]')
    )


@pytest.mark.parametrize("constant", ["NaN", "Infinity", "-Infinity"])
def test_numbers_that_json_does_not_have(constant: str) -> None:
    message = f"{constant} was found; JSON has no such number. Write null, or leave the key out."
    assert refusal(write("a.jsonl", f'{{"text": "a"}}\n\n{{"label": {constant}}}\n')) == f"a.jsonl, line 3: {message}"
    assert refusal(write("a.json", f'[{{"text": "a"}},\n{{"label": {constant}}}]')) == f"a.json, line 2: {message}"


@pytest.mark.parametrize("content", ['[{"text": "a"}', '[{"text": "a"},', '[{"te', '[{"text": "a', "["])
def test_an_array_that_is_cut_short(content: str) -> None:
    assert refusal(write("a.json", "\n" + content)) == (
        "a.json, line 2: the array of objects is cut short; expected ] at its end. Fetch the file again."
    )


def test_arrays_that_are_not_json() -> None:
    assert refusal(write("a.json", '[{"text": "a"}\n{"text": "b"}]')) == (
        "a.json, line 2: a comma is missing between two elements of the array. Mend it."
    )
    assert refusal(write("a.json", '[{"text": "a"},\n{"text" "b"}]')) == (
        "a.json, line 2, column 9: this is not JSON; expected an array of objects. Mend the line."
    )


def test_json_made_to_break_a_reader() -> None:
    assert refusal(write("a.jsonl", '{"text": ' + "[" * 200_000)) == (
        "a.jsonl, line 1: lists or objects are nested too deeply to read; expected plain values. Mend the line."
    )
    digits = "1" * 5000
    assert refusal(write("a.json", f'[{{"text": "a", "n": {digits}}}]')) == (
        "a.json, line 1: a number of too many digits was found; expected plain values. Write it as text."
    )
    assert refusal(write("a.jsonl", '{"text": "a"}\n{"text": "b\\ud800"}\n')) == (
        "a.jsonl, line 2: column 'text' holds half of a character (\\ud800, a lone surrogate); expected valid Unicode."
    )
    assert read(write("a.jsonl", '{"text": "\\ud83d\\ude00 \\u2028"}\n')).items == ["😀 \u2028"]


def test_text_that_is_no_text() -> None:
    assert refusal(write("a.jsonl", '{"text": ["a"]}\n')) == (
        "a.jsonl, line 1: column 'text' holds a list; expected text or a number."
    )
    assert refusal(write("a.jsonl", '{"text": {"a": 1}}\n')) == (
        "a.jsonl, line 1: column 'text' holds an object; expected text or a number."
    )
    assert read(write("a.jsonl", '{"text": 5}\n')).items == ["5"]


def test_text_lines_keep_what_is_in_them() -> None:
    dataset = read(write("a.txt", 'a, "b"\r\n  c\x0c\u2028d  \n'))
    assert dataset.items == ['a, "b"', "  c\x0c\u2028d  "]
    assert dataset.rows.targets is None


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("a.txt", "one\n\n \nfour\n"),
        ("a.csv", 'text,label\none,x\n"",x\n" ",x\nfour,x\n'),
        ("a.jsonl", '{"text": "one"}\n{"text": null}\n{"text": " "}\n{"text": "four"}\n'),
        ("b.jsonl", '{"text": "one"}\n{"t": 1}\n{"text": " "}\n{"text": "four"}\n'),
    ],
)
def test_empty_blank_and_missing_texts(name: str, content: str) -> None:
    """EasyNMT #34, whatlies #312: an error that lists the rows, or skip, or embed."""
    write(name, content)
    assert refusal(name) == (
        f"{name}: 2 rows with an empty text: all:1, all:2. Fill them in, leave them out with --on-empty skip, or "
        "encode them as they are with --on-empty embed."
    )
    left_out = read(name, on_empty="skip")
    assert (left_out.items, ids(left_out)) == (["one", "four"], ["all:0", "all:3"])
    assert skipped(left_out) == [("all:1", "all", "empty text"), ("all:2", "all", "empty text")]
    kept = read(name, on_empty="embed")
    assert ([text.strip() for text in kept.items], kept.skipped) == (["one", "", "", "four"], ())
    assert left_out.counts["empty_text"] == kept.counts["empty_text"] == 2


def test_nothing_but_empty_texts() -> None:
    assert refusal(write("a.txt", "\n\n"), on_empty="skip") == (
        "a.txt: no row is left to encode; 2 rows left out, the first one all:0: empty text. Mend the source."
    )


@pytest.mark.parametrize(
    ("name", "content", "sign", "expected"),
    [("a.csv", "text|label\na|x\n", "|", "a comma"), ("a.tsv", "text,label\na,x\n", ",", "a tab")],
)
def test_one_column_that_looks_like_several(name: str, content: str, sign: str, expected: str) -> None:
    """Else whole lines would be encoded, their labels inside."""
    write(name, content)
    header = content.partition("\n")[0]
    assert refusal(name) == (
        f"{name} has one column, {header!r}; expected {expected} between the cells. If another sign stands between "
        f"them, say so with --delimiter '{sign}'; if it is one column, name it with --text."
    )
    assert read(name, delimiter=sign).items == ["a"]
    assert read(name, text=header).items == [content.split("\n")[1]]


def test_a_limit_that_leaves_out_all_says_so() -> None:
    write("a.csv", "text\n \nb\n")
    assert refusal("a.csv", on_empty="skip", limit=1) == (
        "a.csv: no row is left to encode; 1 row left out, the first one all:0: empty text. Mend the source, or raise "
        "--limit."
    )


def test_a_table_without_a_header() -> None:
    write("a.csv", "it purrs,cat\nit barks,dog\n")
    dataset = read("a.csv", header=False, text="1", label="2")
    assert (dataset.items, ids(dataset), labels(dataset)) == (
        ["it purrs", "it barks"],
        ["all:0", "all:1"],
        ["cat", "dog"],
    )
    assert dataset.notes == ("a.csv: text from 1, label from 2, no split, ids by row.",)
    assert refusal("a.csv", header=False) == (
        "a.csv: 2 columns may hold the items (1, 2); columns found: 1, 2 (numbered, as there is no header). Name it "
        "with --text, or with --image for pictures."
    )
    assert refusal("a.csv", text="1") == (
        "a.csv has no column '1' (--text); columns found: it purrs, cat (the first line is read as the header; if it "
        "is none, say --no-header)."
    )
    assert labels(read(write("b.tsv", "a\tx\nb\ty\n"), header=False, text="1", label="2")) == ["x", "y"]
    assert read(write("c.csv", "one\ntwo\n"), header=False).items == ["one", "two"]


def test_a_table_without_a_header_that_is_broken() -> None:
    assert refusal(write("a.csv", "\n\n"), header=False) == "a.csv holds blank lines only; expected rows."
    assert refusal(write("b.csv", "a,b\nc\n"), header=False, text="1") == (
        "b.csv, line 2: 1 cell found; expected 2 (1, 2). Put quotes around a cell that holds a comma, or mend the line."
    )
    assert refusal(write("c.csv", "a|b\n"), header=False) == (
        "c.csv has one column, 'a|b'; expected a comma between the cells. If another sign stands between them, say so "
        "with --delimiter '|'; if it is one column, name it with --text."
    )
    assert read("c.csv", header=False, text="1").items == ["a|b"]
