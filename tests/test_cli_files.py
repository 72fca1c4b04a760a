"""The command line with the files that people have: names that collide, limits, inputs behind options."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from typer.testing import CliRunner

from relstitch.cli import app


def run(*arguments: str) -> Any:
    return CliRunner().invoke(app, list(arguments))


def done(*arguments: str) -> str:
    result = run(*arguments)
    assert result.exit_code == 0, result.stderr
    return str(result.stdout)


@pytest.fixture(autouse=True)
def _desk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Three encoders' vectors of the same sixty rows, two of them under one name."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("CI", "1")
    generator = np.random.default_rng(0)
    labels = generator.integers(2, size=60)
    vectors = generator.normal(size=(60, 4)) + 3.0 * labels[:, None]
    for name, made in (("one", vectors), ("two", -2.0 * vectors), ("other", vectors[:, ::-1])):
        parts = {"train": made[:40], "test": made[40:], "train_labels": labels[:40], "test_labels": labels[40:]}
        np.savez(f"{name}.npz", allow_pickle=False, **{key: np.asarray(part) for key, part in parts.items()})
    for source, made_file in (("other", "one"), ("two", "two")):
        done("encode", f"{source}.npz", "-o", f"{made_file}.safetensors")
    done("anchors", "one.npz", "-k", "12", "-o", "anchors.json")


STITCH = ("-a", "anchors.json", "-d", "ridge", "--strength", "0.3", "--center", "--no-absolute", "--json")


def test_files_of_one_stem_all_take_part() -> None:
    """One name for both would leave one of them out, without a word."""
    report = json.loads(done("stitch", "one.npz", "one.safetensors", "two.npz", *STITCH))
    assert report["encoders"] == ["one.npz", "one.safetensors", "two.npz"]
    pair = json.loads(done("stitch", "--train", "one.npz", "--test", "one.safetensors", *STITCH))
    assert pair["encoders"] == ["train", "test"]


def test_one_form_of_output_at_a_time() -> None:
    result = run("stitch", "one.npz", "two.npz", *STITCH, "--markdown")
    assert result.exit_code == 2
    assert result.stderr == "Error: --json and --markdown are two forms of one output; give one of them.\n"
    assert result.stdout == ""


@pytest.mark.parametrize(
    ("gate", "message"),
    [
        (("--min-accuracy", "95"), "No accuracy is above 1, and at least 95 was asked for."),
        (("--min-accuracy", "nan"), "A gate must be a finite number; nan was given for the accuracy."),
    ],
)
def test_a_gate_that_means_nothing_is_refused_before_the_work(gate: tuple[str, str], message: str) -> None:
    result = run("stitch", "one.npz", "two.npz", *STITCH, *gate)
    assert (result.exit_code, result.stdout) == (2, "")
    assert message in result.stderr


def test_a_limit_holds_for_ready_files_too() -> None:
    done("stitch", "one.safetensors", "two.safetensors", *STITCH, "--save-decoder", "decoder.safetensors")
    done("encode", "two.safetensors", "-a", "anchors.json", "-o", "two.rel.safetensors")
    for file in ("two.safetensors", "two.rel.safetensors"):
        lines = done("predict", "decoder.safetensors", file, "--limit", "2").splitlines()
        assert [line.split("\t")[0] for line in lines] == ["id", "train:0", "train:1", "test:0", "test:1"]


def test_a_decoder_does_not_load_its_model_for_ready_vectors() -> None:
    Path("counts.py").write_text(
        "import numpy as np\n\n\nclass Counts:\n    def encode(self, items):\n"
        "        return np.array([[len(i), i.count('a'), i.count('b')] for i in items], dtype=np.float32)\n",
        encoding="utf-8",
    )
    rows = "".join(f"r{at},{'a' * at}{'b' * (at % 5)},{'xy'[at % 2]}\n" for at in range(1, 31))
    Path("train.csv").write_text(f"id,text,label\n{rows}", encoding="utf-8")
    Path("test.csv").write_text("id,text,label\nt1,abab,x\nt2,aab,y\n", encoding="utf-8")
    source = ("train=train.csv", "test=test.csv")
    done("encode", *source, "-m", "python:counts:Counts", "-o", "a.safetensors")
    done("encode", *source, "-m", "python:counts:Counts", "-o", "b.safetensors")
    done("anchors", "a.safetensors", "-k", "6", "-o", "few.json")
    done("stitch", "a.safetensors", "b.safetensors", *STITCH, "-a", "few.json", "--save-decoder", "kept.safetensors")
    result = run("predict", "kept.safetensors", "one.npz")
    assert result.exit_code == 2
    assert result.stderr.startswith("Error: These vectors (vectors:one.npz) do not say which encoder made them")


def test_anchors_never_overwrite_what_they_are_made_from() -> None:
    Path("rows.json").write_text('[{"id": "a", "text": "x"}, {"id": "b", "text": "y"}]', encoding="utf-8")
    for arguments in (("train=rows.json", "-k", "1"), ("one.npz", "-s", "explicit", "--ids", "rows.json")):
        result = run("anchors", *arguments, "-o", "rows.json", "--force")
        assert (result.exit_code, "rows.json is also an input" in result.stderr) == (2, True)


def test_the_sides_of_parallel_anchors_are_told_apart_in_a_pipe() -> None:
    Path("pairs.csv").write_text("left,right\n" + "".join(f"train:{at},train:{at}\n" for at in range(12)))
    shown = done(
        "anchors", "one.safetensors", "two.safetensors", "-s", "parallel", "--pairs", "pairs.csv", "-o", "p.json"
    )
    assert [line.split("\t")[0] for line in shown.splitlines()][:2] == ["left k", "left d"]
    assert "right k\t12" in shown.splitlines()
