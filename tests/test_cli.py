"""The command line: files and arguments → exit code, standard output, standard error."""

import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from relstitch.cli import app

TOY = '''
"""Encoders made of letter counts: the second one sees the first one's space in a mirror and rescaled."""
import time

import numpy as np

LETTERS = "abcdefghijklmnopqrstuvwxyz"


class Letters:
    def __init__(self, matrix, pause=0.0):
        self.matrix, self.pause = matrix, pause

    def encode(self, items):
        time.sleep(self.pause)
        counts = np.array([[item.count(letter) for letter in LETTERS] for item in items], dtype=np.float32)
        return counts @ self.matrix


def plain():
    return Letters(np.eye(26, dtype=np.float32))


def mirrored():
    return Letters(3.0 * np.eye(26, dtype=np.float32)[::-1])


def narrow():
    return Letters(np.eye(26, dtype=np.float32)[:, :13])


def slow():
    return Letters(np.eye(26, dtype=np.float32), pause=0.2)


def broken():
    raise RuntimeError("the weights are not here")
'''
ANIMALS = ["cat", "dog", "lion", "tiger", "horse", "cow", "goat", "sheep", "pig", "bear"]
READ = "train.csv: text from text, label from label, no split, ids from id.\n"
THINGS = ["quiz", "jukebox", "velvet", "fjord", "wyvern", "xylem", "vizier", "waxwing", "junk", "zephyr"]


def table(split: str, repeats: int) -> str:
    rows = ["id,text,label"]
    for turn in range(repeats):
        for words, label in ((ANIMALS, "animal"), (THINGS, "thing")):
            rows += [
                f"{split}-{label}-{turn}-{at},{word} {words[(at + turn + 1) % 10]},{label}"
                for at, word in enumerate(words)
            ]
    return "\n".join(rows) + "\n"


@pytest.fixture
def desk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working directory with data and toy encoders."""
    (tmp_path / "toy.py").write_text(TOY, encoding="utf-8")
    (tmp_path / "train.csv").write_text(table("train", 4), encoding="utf-8")
    (tmp_path / "test.csv").write_text(table("test", 2).replace(" ", " the "), encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.delitem(sys.modules, "toy", raising=False)
    return tmp_path


def run(*arguments: str, **options: Any) -> Any:
    return CliRunner().invoke(app, list(arguments), **options)


def done(*arguments: str, **options: Any) -> str:
    """Run a command that must succeed; its standard output."""
    result = run(*arguments, **options)
    assert result.exit_code == 0, result.stderr or result.output
    return str(result.stdout)


def spaces(*names: str) -> None:
    for name in names:
        done("encode", "train=train.csv", "test=test.csv", "-m", f"python:toy:{name}", "-o", f"{name}.safetensors")


@pytest.fixture
def stitched(desk: Path) -> Path:
    """Two spaces and their anchors."""
    spaces("plain", "mirrored")
    done("anchors", "plain.safetensors", "-k", "20", "--draws", "3", "-o", "anchors.json")
    return desk


def test_the_main_job(stitched: Path) -> None:
    report = json.loads(done("stitch", "plain.safetensors", "mirrored.safetensors", "-a", "anchors.json", "--json"))
    assert report["encoders"] == ["plain", "mirrored"]
    cells = {(cell["form"], cell["decoder"], cell["encoder"]): cell for cell in report["cells"]}
    for form in ("relative", "relative, paper"):
        crossed, ceiling = cells[form, "plain", "mirrored"], cells[form, "plain", "plain"]
        # A mirrored and rescaled space has the same relative representations: nothing is lost, draw by draw.
        assert crossed["scores"]["accuracy"]["values"] == pytest.approx(ceiling["scores"]["accuracy"]["values"])
        assert crossed["retention"]["mean"] == pytest.approx(1.0)
        assert crossed["scores"]["accuracy"]["n"] == 3
    assert report["stitched_mean"]["absolute"] < report["stitched_mean"]["relative"]
    assert report["rows"]["train"] == 80
    assert report["rows"]["test"] == 40
    assert report["floor"] == 0.5


def test_json_is_one_object_and_nothing_else(stitched: Path) -> None:
    """rich: ``--json`` in a pipe."""
    for arguments in (
        ("stitch", "plain.safetensors", "mirrored.safetensors", "-a", "anchors.json", "--json"),
        ("inspect", "plain.safetensors", "--json"),
        ("anchors", "train.csv", "-k", "5", "-o", "more.json", "--json"),
        ("encode", "train.csv", "-m", "python:toy:plain", "-o", "more.safetensors", "--json"),
        ("encode", "train.csv", "-m", "python:toy:plain", "-o", "other.safetensors", "--dry-run", "--json"),
    ):
        out = done(*arguments)
        assert isinstance(json.loads(out), dict), arguments
        assert "NaN" not in out
    assert not Path("other.safetensors").exists()


COLUMNS = dict.fromkeys(("text", "image", "label", "target", "id", "split", "count"))


def test_what_was_read_is_said_to_people_and_programs(desk: Path) -> None:
    (desk / "r.csv").write_text("review,mood,part\nit purrs,cat,train\nit barks,dog,test\n")
    line = ("encode", "r.csv", "-m", "python:toy:plain", "-o", "r.safetensors")
    for more in (("--dry-run",), ()):
        result = run(*line, "--json", "--force", *more)
        assert json.loads(result.stdout)["columns"] == {**COLUMNS, "text": "review"}
        assert result.stderr == (
            "r.csv: text from review, no label, no split, ids by row; columns not used: mood, part (name them with "
            "--text, --label, --split, …).\n"
        )
    for more in (("--dry-run",), ()):
        out = done(*line, "--force", "--label", "mood", *more)
        assert "columns\ttext: review, label: mood\n" in out
    assert "columns" not in done("encode", "r.safetensors", "-o", "s.safetensors")


@pytest.mark.parametrize("sign", ["tab", "\\t", "\t"])
def test_a_table_without_a_header_and_a_tab_in_words(desk: Path, sign: str) -> None:
    (desk / "r.csv").write_text("it purrs, it does\tcat\nit barks\tdog\n")
    how = ("--no-header", "--delimiter", sign, "--text", "1", "--label", "2")
    facts = json.loads(done("encode", "r.csv", "-m", "python:toy:plain", "-o", "r.safetensors", *how, "--json"))
    assert (facts["rows"], facts["classes"]) == ({"all": 2}, 2)
    assert facts["columns"] == {**COLUMNS, "text": "1", "label": "2"}
    assert json.loads(done("anchors", "r.csv", *how, "-k", "2", "-o", "a.json", "--json"))["k"] == 2


def test_new_items_without_a_header(stitched: Path) -> None:
    done(
        "stitch",
        "plain.safetensors",
        "mirrored.safetensors",
        "-a",
        "anchors.json",
        "--save-decoder",
        "d.safetensors",
    )
    (stitched / "n.csv").write_text("a cat\nthe quiz\n")
    out = done("predict", "d.safetensors", "n.csv", "-m", "python:toy:plain", "--no-header", "--json")
    assert len(json.loads(out)["predictions"]) == 2


def test_a_model_that_prints_does_not_spoil_the_json(desk: Path) -> None:
    (desk / "toy.py").write_text(
        "print('imported')\n" + TOY.replace("return Letters(np", "print('made'); return Letters(np")
    )
    result = run("encode", "train.csv", "-m", "python:toy:plain", "-o", "more.safetensors", "--json")
    assert json.loads(result.stdout)["kind"] == "embeddings"
    assert result.stderr == f"{READ}imported\nmade\n"


def test_a_score_that_does_not_exist_is_null(desk: Path) -> None:
    """fabric-dw #831."""
    spaces("plain", "narrow")
    done("anchors", "plain.safetensors", "-k", "20", "-o", "anchors.json")
    report = json.loads(done("stitch", "plain.safetensors", "narrow.safetensors", "-a", "anchors.json", "--json"))
    assert report["stitched_mean"]["absolute"] is None
    missing = [cell for cell in report["cells"] if cell["form"] == "absolute" and cell["stitched"]]
    assert [cell["scores"] for cell in missing] == [{}, {}]
    assert all(cell["retention"]["mean"] is None for cell in missing)
    assert "–" in done("stitch", "plain.safetensors", "narrow.safetensors", "-a", "anchors.json", "--markdown")


def test_a_table_in_a_pipe_is_tsv_of_full_width(stitched: Path) -> None:
    """Never cut at 80 columns, one line per cell, numbers in full."""
    long = "a-rather-long-name-for-a-file-of-embeddings-that-somebody-chose-with-care-and-without-haste"
    Path("plain.safetensors").rename(f"{long}.safetensors")
    out = done("stitch", f"{long}.safetensors", "mirrored.safetensors", "-a", "anchors.json")
    lines = [line.split("\t") for line in out.splitlines()]
    assert lines[0][:6] == ["form", "decoder", "encoder", "stitched", "accuracy", "accuracy_spread"]
    assert len(lines) == 1 + 3 * 4
    assert {len(line) for line in lines} == {len(lines[0])}
    assert lines[1][:4] == ["absolute", long, long, "no"]
    assert re.fullmatch(r"\d\.\d{6}", lines[1][4])


def test_plain_form_agrees_with_the_general_form(stitched: Path) -> None:
    for name in ("plain", "mirrored"):
        done("encode", f"{name}.safetensors", "-a", "anchors.json", "-o", f"{name}.rel.safetensors")
    general = json.loads(
        done("stitch", "plain.safetensors", "mirrored.safetensors", "-a", "anchors.json", "--draws", "1", "--json")
    )
    relative = json.loads(done("stitch", "plain.rel.safetensors", "mirrored.rel.safetensors", "--json"))
    assert relative["forms"] == ["relative"]
    assert relative["stitched_mean"]["relative"] == pytest.approx(general["stitched_mean"]["relative"])


def test_a_decoder_is_kept_and_used_with_the_other_encoder(stitched: Path) -> None:
    done(
        "stitch", "plain.safetensors", "mirrored.safetensors", "-a", "anchors.json", "--save-decoder", "decoder.safetensors"
    )  # fmt: skip
    Path("new.txt").write_text("cat the dog\nquiz the fjord\n", encoding="utf-8")
    expected = "id\tanswer\nall:0\tanimal\nall:1\tthing\n"
    assert done("predict", "decoder.safetensors", "new.txt", "-m", "python:toy:mirrored") == expected
    assert done("predict", "decoder.safetensors", "new.txt") == expected
    done("encode", "new.txt", "-m", "python:toy:mirrored", "-a", "anchors.json", "--anchors-from", "train=train.csv",
         "-o", "new.rel.safetensors")  # fmt: skip
    assert done("predict", "decoder.safetensors", "new.rel.safetensors") == expected
    answers = json.loads(done("predict", "decoder.safetensors", "new.rel.safetensors", "--json"))
    assert answers["predictions"] == [{"id": "all:0", "answer": "animal"}, {"id": "all:1", "answer": "thing"}]


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (
            ["stitch", "plain.safetensors", "mirrored.safetensors", "-a", "anchors.json", "--min-accuracy", "0.01"],
            0,
            "",
        ),
        (
            ["stitch", "plain.safetensors", "mirrored.safetensors", "-a", "anchors.json", "--min-retention", "0.5"],
            0,
            "",
        ),
        (
            [
                "stitch",
                "plain.safetensors",
                "mirrored.safetensors",
                "-a",
                "anchors.json",
                "-k",
                "1",
                "--no-center",
                "--min-accuracy",
                "1",
            ],
            1,
            "Gate failed: the accuracy",
        ),
        (
            ["stitch", "plain.safetensors", "mirrored.safetensors", "-a", "anchors.json", "--min-retention", "1.01"],
            1,
            "Gate failed: the retention",
        ),
    ],
)
def test_gates(stitched: Path, arguments: list[str], code: int, message: str) -> None:
    result = run(*arguments)
    assert result.exit_code == code
    assert message in result.stderr
    assert result.stdout.startswith("form\t")


ERRORS: list[tuple[list[str], str]] = [
    (["stitch", "plain.safetensors"], "A stitch needs at least two files, one per encoder; 1 given."),
    (
        ["stitch", "plain.safetensors", "plain.safetensors"],
        "The same file was given twice; a stitch needs a file for each encoder.",
    ),
    (["stitch", "--train", "plain.safetensors"], "Give either two or more FILEs, or --train FILE with --test FILE."),
    (
        ["stitch", "train.csv", "plain.safetensors"],
        "train.csv holds items that are not encoded yet; encode it first with relstitch encode.",
    ),
    (
        ["stitch", "plain.safetensors", "mirrored.safetensors", "-a", "anchors.json", "--label-map", "train.csv"],
        "train.csv is no JSON (Expecting value: line 1 column 1 (char 0)); expected an object such as "
        '{"dog": "canine"}.',
    ),
    (
        ["stitch", "plain.safetensors", "mirrored.safetensors", "-a", "anchors.json", "--label-map", "list.json"],
        'list.json holds other JSON than expected; expected an object such as {"dog": "canine"}.',
    ),
    (
        ["anchors", "train.csv", "-k", "3", "--pairs", "pairs.csv", "-o", "a.json"],
        "--pairs TABLE goes with --strategy parallel or bootstrap, which need it; only one of the two was given.",
    ),
    (
        ["anchors", "train.csv", "--strategy", "parallel", "--pairs", "pairs.csv", "-o", "a.json"],
        "1 source was given for the 2 columns of the pairs (en, es); expected one source a column, in that order.",
    ),
    (["anchors", "train.csv", "-s", "explicit", "--ids", "empty.txt", "-o", "a.json"],
     "empty.txt is empty (0 bytes); expected lines of text. Check how it was written."),
    (["anchors", "train.csv", "-s", "explicit", "--ids", "blank.txt", "-o", "a.json"],
     "blank.txt holds no ids; expected one id per line."),
    (
        ["anchors", "train.csv", "-s", "parallel", "--pairs", "one.csv", "-o", "a.json"],
        "one.csv has one column (en); pairs need a column of ids for each domain, with the domains' names in the "
        "first line.",
    ),
    (
        ["anchors", "train.csv", "-s", "parallel", "--pairs", "none.csv", "-o", "a.json"],
        "none.csv holds a header and no pairs; expected a row of ids for each pair.",
    ),
    (
        ["anchors", "train.csv", "-s", "parallel", "--pairs", "gap.csv", "-o", "a.json"],
        "gap.csv, line 2: no id for es; a pair needs an id in every column.",
    ),
    (
        ["anchors", "train.csv", "-s", "parallel", "--pairs", "*.csv", "-o", "a.json"],
        "*.csv means 6 files; expected one.",
    ),
    (
        ["encode", "train.csv", "-m", "python:toy:plain", "-o", "plain.safetensors"],
        "plain.safetensors exists already. Name another output, or replace it with --force.",
    ),
    (
        ["encode", "plain.safetensors", "-a", "anchors.json", "-o", "plain.safetensors", "--force"],
        "plain.safetensors is also an input (plain.safetensors). An input is never overwritten: name another output.",
    ),
    (["inspect", "nothing.safetensors"], "nothing.safetensors: there is no such file."),
]  # fmt: skip


@pytest.mark.parametrize(("arguments", "message"), ERRORS, ids=[" ".join(arguments) for arguments, _ in ERRORS])
def test_errors_in_full(stitched: Path, arguments: list[str], message: str) -> None:
    """typer #1072: exit code 2, one message, no traceback, no locals, nothing on standard output."""
    files = {"list.json": "[1]", "pairs.csv": "en,es\na,b\n", "empty.txt": "", "blank.txt": "\n \n", "one.csv": "en\na\n",
             "none.csv": "en,es\n", "gap.csv": "en,es\na,\n"}  # fmt: skip
    for name, text in files.items():
        Path(name).write_text(text, encoding="utf-8")
    result = run(*arguments)
    assert result.stderr == f"Error: {message}\n"
    assert result.exit_code == 2
    assert result.stdout == ""
    assert not Path("a.json").exists()


def test_debug_shows_where(stitched: Path) -> None:
    result = run("--debug", "inspect", "nothing.safetensors")
    assert result.exit_code == 2
    assert "Traceback" in result.stderr


def test_an_internal_fault_is_one_line_and_code_3(stitched: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fault(_: object) -> None:
        raise ZeroDivisionError("secret [bold]")

    monkeypatch.setattr("relstitch.storage.inspect", fault)
    result = run("inspect", "plain.safetensors")
    assert result.exit_code == 3
    assert result.stderr == (
        "Error: relstitch failed in a way it should not: ZeroDivisionError: secret [bold]. "
        "Run it again as `relstitch --debug …` to see where, and report it.\n"
    )


def test_an_operating_system_error_is_told(stitched: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(_: object) -> None:
        raise PermissionError(13, "Permission denied", "plain.safetensors")

    monkeypatch.setattr("relstitch.storage.inspect", refuse)
    result = run("inspect", "plain.safetensors")
    assert result.exit_code == 2
    assert result.stderr == (
        "Error: plain.safetensors: permission denied. Check the path, its permissions and the free disk space.\n"
    )


def test_a_broken_model_is_an_error_that_names_it(desk: Path) -> None:
    result = run("encode", "train.csv", "-m", "python:toy:broken", "-o", "x.safetensors")
    assert result.exit_code == 2
    assert "python:toy:broken" in result.stderr
    assert "the weights are not here" in result.stderr
    assert not Path("x.safetensors").exists()


def test_an_inspection_with_problems_fails(stitched: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from relstitch.storage import Inspection

    def found(path: Path) -> Inspection:
        return Inspection(str(path), "anchors", 1, {"k": 3}, ("the digest is another",))

    monkeypatch.setattr("relstitch.storage.inspect", found)
    result = run("inspect", "anchors.json")
    assert result.exit_code == 2
    assert result.stdout == "kind\tanchors\nformat\t1\nk\t3\n"
    assert result.stderr == (
        "Error: anchors.json can be read, but something in it is wrong: the digest is another\n"
    )  # fmt: skip


def test_markup_from_a_user_is_shown_as_it_is(desk: Path) -> None:
    result = run("inspect", "data/[train]/[bold]x.safetensors")
    assert result.stderr == "Error: data/[train]/[bold]x.safetensors: there is no such file.\n"


def shell(command: str, cwd: Path, **variables: str) -> subprocess.CompletedProcess[str]:
    scripts = Path(sys.executable).parent
    environment = {**os.environ, "PATH": f"{scripts}{os.pathsep}{os.environ['PATH']}", **variables}
    line = ["bash", "-c", command]
    return subprocess.run(line, cwd=cwd, env=environment, capture_output=True, text=True, check=False)


def test_a_reader_that_leaves_is_no_error(stitched: Path) -> None:
    """rich #3233: ``relstitch … | head -1`` under pipefail."""
    command = "set -o pipefail; relstitch predict decoder.safetensors big.rel.safetensors | head -1"
    done("stitch", "plain.safetensors", "mirrored.safetensors", "-a", "anchors.json", "--save-decoder",
         "decoder.safetensors")  # fmt: skip
    text = "text\n" + "cat dog\n" * 20_000
    Path("big.csv").write_text(text, encoding="utf-8")
    done("encode", "big.csv", "-m", "python:toy:plain", "-a", "anchors.json", "--anchors-from", "train=train.csv",
         "-o", "big.rel.safetensors")  # fmt: skip
    result = shell(command, stitched)
    assert (result.returncode, result.stdout, result.stderr) == (0, "id\tanswer\n", "")


def test_no_colour_and_no_animation_in_ci_logs(stitched: Path) -> None:
    """pip #13354, edgetx #181."""
    command = (
        "relstitch encode train.csv -m python:toy:plain -o log.safetensors; relstitch inspect nothing.safetensors"
    )
    result = shell(command, stitched, CI="true")
    assert "\x1b" not in result.stdout + result.stderr
    assert "\r" not in result.stdout + result.stderr
    assert result.stderr == f"{READ}Error: nothing.safetensors: there is no such file.\n"


def stop_encoding(desk: Path, how: Callable[[subprocess.Popen[str]], None]) -> subprocess.Popen[str]:
    """Start a slow encoding, wait until it is under way, stop it."""
    (desk / "toy.py").write_text(
        TOY.replace("time.sleep", "open('under-way', 'w').close(); time.sleep"), encoding="utf-8"
    )
    line = [sys.executable, "-m", "relstitch", "encode", "train.csv", "-m", "python:toy:slow", "-o", "out.safetensors",
            "--batch-size", "1"]  # fmt: skip
    # A suite that a shell runs in the background inherits an ignored Ctrl-C, and so would the command.
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        process = subprocess.Popen(line, cwd=desk, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    finally:
        signal.signal(signal.SIGINT, before)
    for _ in range(600):
        if (desk / "under-way").exists():
            break
        time.sleep(0.1)
    how(process)
    return process


@pytest.mark.parametrize(
    ("number", "code", "message"),
    [
        (signal.SIGINT, 130, "Error: interrupted. No unfinished output was left behind.\n"),
        (signal.SIGTERM, 143, "Error: terminated. No unfinished output was left behind.\n"),
    ],
)
def test_stopping_leaves_nothing_half_written(desk: Path, number: signal.Signals, code: int, message: str) -> None:
    """streamlink #1247: Ctrl-C is 130, finished work is kept, nothing half-written stays."""
    (desk / "kept.safetensors").write_bytes(b"finished work")
    process = stop_encoding(desk, lambda running: running.send_signal(number))
    _, err = process.communicate(timeout=60)
    kept = r"(\d+ of \d+ rows? (is|are) kept in \.out\.safetensors\.work: the same command goes on from there\.\n)?"
    assert process.returncode == code
    assert re.fullmatch(re.escape(READ) + kept + re.escape(message), err) is not None, err
    assert (desk / "kept.safetensors").read_bytes() == b"finished work"
    assert {path.name for path in desk.iterdir() if path.suffix not in {".py", ".csv"}} <= {
        "kept.safetensors", "under-way", "__pycache__", ".out.safetensors.work",
    }  # fmt: skip


def test_killing_leaves_nothing_that_looks_whole(desk: Path) -> None:
    process = stop_encoding(desk, lambda running: running.kill())
    process.communicate(timeout=60)
    assert not (desk / "out.safetensors").exists()
    assert not list(desk.glob("*.safetensors"))


def test_version_and_help() -> None:
    from relstitch import __version__

    assert done("--version") == f"relstitch {__version__}\n"
    assert "encode" in done("--help")
    assert run("--no-such-option").exit_code == 2
    assert run("encode").exit_code == 2


def test_the_largest_picture_is_the_dataset_rooms() -> None:
    from inspect import signature

    from relstitch.cli.encode import encode
    from relstitch.cli.predict import predict
    from relstitch.dataset import MAX_PIXELS

    for verb in (encode, predict):
        assert signature(verb).parameters["max_pixels"].default == MAX_PIXELS == 89_478_485


def test_a_label_map_nested_too_deep_is_no_fault_of_ours(tmp_path: Path) -> None:
    deep = tmp_path / "deep.json"
    deep.write_text("[" * 100_000, encoding="utf-8")
    run = CliRunner().invoke(app, ["stitch", "a", "b", "--label-map", str(deep)])
    assert run.exit_code == 2
    assert "deep.json is no JSON (" in run.stderr
