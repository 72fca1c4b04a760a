"""What stops a command from outside: signals, crashes, a full disk, a second run. Nothing finished is lost."""

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import pytest

from relstitch.storage import load_embeddings

WORDS = ["e" * (row % 7) + "p" * (row % 5) + str(row) for row in range(60)]
BATCH = 4
READ = "fruit.csv: text from text, no label, no split, ids from id.\n"
KEPT = ".out.safetensors.work"
ENCODER = """
import os, time
import numpy as np
class make:
    def encode(self, items):
        with open("given.txt", "a") as file:
            file.writelines(f"{item}\\n" for item in items)
        with open("given.txt") as file:
            given = len(file.readlines())
        if str(given) in os.environ.get("EXIT_AT", "").split():
            os._exit(7)
        if str(given) in os.environ.get("FAIL_AT", "").split():
            raise ValueError("no such layer")
        while "HOLD" in os.environ and os.path.exists("hold"):
            time.sleep(0.05)
        time.sleep(float(os.environ.get("PAUSE", "0")))
        return np.array([[len(x), x.count("e"), x.count("p")] for x in items], dtype=np.float32)
"""
COMMAND = """
import os, resource, sys
from relstitch.encoding import kept_work
kept_work._EVERY = kept_work._LONGEST = float(os.environ.get("EVERY", "0"))
if "MOST" in os.environ:
    resource.setrlimit(resource.RLIMIT_FSIZE, (int(os.environ["MOST"]), -1))
from relstitch.cli import main
main()
"""


@pytest.fixture(autouse=True)
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working directory with an encoder and a table in it."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "fruit_encoder.py").write_text(ENCODER, encoding="utf-8")
    lines = ["id,text", *(f"f{row},{word}" for row, word in enumerate(WORDS))]
    (tmp_path / "fruit.csv").write_text("\n".join(lines) + "\n", encoding="utf-8")
    return tmp_path


def start(*arguments: str, **variables: str) -> subprocess.Popen[str]:
    """Begin to encode, in a process of its own."""
    line = [sys.executable, "-c", COMMAND, "encode", *(arguments or ("fruit.csv",)), "-m", "python:fruit_encoder:make",
            "-o", "out.safetensors", "--batch-size", str(BATCH)]  # fmt: skip
    root = str(Path(__file__).parent.parent)
    # A suite that a shell runs in the background inherits an ignored Ctrl-C, and so would the command.
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        return subprocess.Popen(
            line,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env=os.environ | {"PYTHONPATH": root} | variables,
        )
    finally:
        signal.signal(signal.SIGINT, before)


def ended(process: subprocess.Popen[str], text: str | None = None) -> tuple[int, str]:
    """The exit code, and what was said on standard error."""
    _, said = process.communicate(text, timeout=120)
    return process.returncode, said


def given() -> list[str]:
    path = Path("given.txt")
    return path.read_text(encoding="utf-8").splitlines() if path.exists() else []


def until_given(rows: int) -> None:
    for _ in range(6000):
        if len(given()) >= rows:
            return
        time.sleep(0.01)


def check(words: Sequence[str] = WORDS) -> None:
    """The output is that of an undisturbed run, and nothing else is left."""
    made = load_embeddings("out.safetensors")
    assert made.vectors.tolist() == [[len(x), x.count("e"), x.count("p")] for x in words]
    assert made.rows.ids.tolist() == [f"f{row}" for row in range(len(words))]
    assert not [path.name for path in Path().iterdir() if path.name.startswith(".")]


def taken_over(rows: int) -> str:
    return f"{rows} of 60 rows are taken over from {KEPT}, where work that was stopped is kept (--no-resume starts over).\n"


@pytest.mark.parametrize(
    ("number", "code", "word"), [(signal.SIGTERM, 143, "terminated"), (signal.SIGINT, 130, "interrupted")]
)
def test_a_signal_keeps_what_is_finished(number: signal.Signals, code: int, word: str) -> None:
    """Also what was not committed yet: the interval is an hour here."""
    process = start(PAUSE="0.05", EVERY="3600")
    until_given(20)
    process.send_signal(number)
    found, said = ended(process)
    match = re.fullmatch(
        rf"{re.escape(READ)}(\d+) of 60 rows are kept in {re.escape(KEPT)}: the same command goes on from there\.\n"
        rf"Error: {word}\. No unfinished output was left behind\.\n",
        said,
    )
    assert match is not None, said
    assert found == code
    kept, so_far = int(match[1]), len(given())
    assert kept >= so_far - BATCH >= 16
    assert not Path("out.safetensors").exists()
    assert ended(start()) == (0, READ + taken_over(kept))
    assert len(given()) - 60 == so_far - kept
    check()


def test_a_process_that_is_killed_loses_what_was_not_committed() -> None:
    process = start(PAUSE="0.05")
    until_given(20)
    process.kill()
    ended(process)
    so_far = len(given())
    assert not Path("out.safetensors").exists()
    code, said = ended(start())
    twice = len(given()) - 60
    assert twice <= BATCH
    assert (code, said) == (0, READ + taken_over(so_far - twice))
    check()


def test_a_model_that_crashes_is_gone_on_with_after_every_crash() -> None:
    """From standard input, too: its rows are known by what they hold."""
    text = "".join(f'{{"id": "f{row}", "text": "{word}"}}\n' for row, word in enumerate(WORDS))
    arguments = ("-", "--format", "jsonl")
    codes = [ended(start(*arguments, EXIT_AT="20 44"), text)[0] for _ in range(3)]
    assert codes == [7, 7, 0]
    assert len(given()) == 60 + 2 * BATCH
    check()


def test_a_model_that_fails_is_told_with_what_is_kept() -> None:
    code, said = ended(start(FAIL_AT="20", EVERY="3600"))
    assert (code, said) == (
        2,
        f"{READ}16 of 60 rows are kept in {KEPT}: the same command goes on from there.\n"
        "Error: python:fruit_encoder:make: encode failed with ValueError: no such layer\n",
    )
    assert ended(start()) == (0, READ + taken_over(16))
    check()


def test_two_commands_for_one_output() -> None:
    Path("hold").touch()
    first = start(HOLD="1")
    until_given(1)
    assert ended(start()) == (
        2,
        f"{READ}Error: Another run is writing out.safetensors at this moment (its finished work is in {KEPT}). Wait "
        "until it ends, or name another output.\n",
    )
    Path("hold").unlink()
    assert ended(first) == (0, READ)
    assert len(given()) == 60
    check()
    # A negative control: where one vector is another, that fails.
    with pytest.raises(AssertionError):
        check([*WORDS[:-1], "wrong"])


def test_a_disk_that_takes_no_more_costs_no_finished_row() -> None:
    """3000 bytes are enough for the vectors and their journal, and too few for the output."""
    code, said = ended(start(MOST="3000"))
    assert code == 2
    assert said.startswith(f"{READ}60 of 60 rows are kept in {KEPT}: the same command goes on from there.\nError: ")
    assert "out.safetensors could not be written: " in said
    assert ended(start()) == (0, READ + taken_over(60))
    assert len(given()) == 60
    check()


def test_a_disk_that_takes_not_even_the_vectors() -> None:
    assert ended(start(MOST="600")) == (
        2,
        f"{READ}Error: Finished work can't be kept in {KEPT}: File too large. Make room on this disk or mend it; the "
        "same command then goes on from what is kept there.\n",
    )
    assert len(given()) == BATCH
    assert not [path.name for path in Path().iterdir() if path.name.startswith(".")]
