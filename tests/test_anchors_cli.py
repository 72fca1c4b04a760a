"""Anchors for several encoders at once, on the command line."""

import json
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from relstitch.cli import app


def done(*arguments: str) -> str:
    result = CliRunner().invoke(app, list(arguments))
    assert result.exit_code == 0, result.stderr
    return str(result.stdout)


@pytest.mark.parametrize("strategy", ["parallel", "bootstrap", "unsupervised"])
def test_ids_go_with_explicit_anchors_only(strategy: str, tmp_path: Path) -> None:
    given = ("one.npz", "two.npz", "-s", strategy, "--ids", "ids.txt", "-o", str(tmp_path / "all.json"))
    result = CliRunner().invoke(app, ["anchors", *given])
    assert (result.exit_code, result.stderr) == (
        2, f"Error: --ids FILE goes with --strategy explicit; the strategy asked for is {strategy!r}.\n"
    )  # fmt: skip


def test_anchors_for_several_encoders_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    generator = np.random.default_rng(0)
    for name in ("one", "two"):
        np.savez(f"{name}.npz", train=generator.normal(size=(40, 4)), test=generator.normal(size=(9, 4)))
        done("encode", f"{name}.npz", "-o", f"{name}.safetensors")
    given = ("one.safetensors", "two.safetensors", "-s", "d-optimal", "-k", "5")
    report = json.loads(done("anchors", *given, "-o", "all.json", "--json"))
    assert (report["strategy"], report["k"], list(report["health"])) == ("d-optimal", 5, ["one", "two"])
    assert len(report["options"]["encoders"]) == 2
    assert len(json.loads(Path("all.json").read_text(encoding="utf-8"))["sides"]) == 1
