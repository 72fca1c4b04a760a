"""The README's results section, from what ``relstitch reproduce all`` left: generated, not typed.

Run it with: python tests/benchmarks/results.py FOLDER, FOLDER being what ``reproduce all`` wrote into. It keeps what the
section says in tests/data/reproduced.json, from which a test makes the section again.
"""

import argparse
import json
import platform
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from relstitch import __version__
from relstitch.artifacts.experiments import Measured
from relstitch.names import EXPERIMENTS
from relstitch.report.experiment_table import measured_words
from relstitch.report.facts import markdown_table

TESTS = Path(__file__).parent.parent
README = TESTS.parent / "README.md"
KEPT = TESTS / "data" / "reproduced.json"
START, END = "<!-- results of reproduce -->\n", "<!-- end of results -->"


def gathered(folder: Path) -> dict[str, Any]:
    """What the section says, out of the reports of a folder."""
    reports = []
    for name in EXPERIMENTS:
        file = folder / name / "report.json"
        if file.is_file():
            whole = json.loads(file.read_text(encoding="utf-8"))
            reports.append({key: whole[key] for key in ("name", "title", "section", "size", "seconds", "patterns")})
            reports[-1]["table"] = whole["tables"][0]
    return {"version": __version__, "python": platform.python_version(), "reports": reports}


def section(kept: Mapping[str, Any]) -> str:
    """The section: what held of each experiment and what did not; folded, every pattern and each first table."""
    reports = kept["reports"]
    minutes = sum(report["seconds"] for report in reports) / 60
    patterns = [(report["name"], pattern) for report in reports for pattern in report["patterns"]]
    missed = [(name, pattern) for name, pattern in patterns if not pattern["held"]]
    sizes = " and ".join(sorted({report["size"] for report in reports}))
    said = (
        f"Measured with relstitch {kept['version']} (`relstitch reproduce all`, {sizes} size), {minutes:.0f} minutes in "
        f"all: {len(patterns) - len(missed)} of {len(patterns)} patterns held."
    )
    parts = [said, "", markdown_table([_HEADER, *map(_held, reports)], text_columns=2)]
    if missed:
        parts += ["Not held:", ""]
        parts += [f"- `{name}`: {pattern['claim']} (found: {pattern['found']})" for name, pattern in missed]
        parts += [""]
    lines = [[f"`{name}`", one["claim"], one["found"], "yes" if one["held"] else "**no**"] for name, one in patterns]
    parts += _folded(
        "Every pattern", markdown_table([["experiment", "pattern", "found", "held"], *lines], text_columns=4)
    )
    for report in reports:
        parts += _folded(
            f"{report['name']} ({report['section']}): {report['table']['title']}", _table(report["table"])
        )
    return "\n".join(parts)


_HEADER = ["experiment", "of the paper", "patterns held", "minutes"]


def _held(report: Mapping[str, Any]) -> list[str]:
    held = sum(pattern["held"] for pattern in report["patterns"])
    share = f"{held} of {len(report['patterns'])}"
    return [f"`{report['name']}`", report["section"], share, f"{report['seconds'] / 60:.1f}"]


def _folded(title: str, table: str) -> list[str]:
    return ["<details>", f"<summary>{title}</summary>", "", table, "</details>", ""]


def _table(table: Mapping[str, Any]) -> str:
    """Our numbers, and the paper's where it has any."""
    beside = [any(row["paper"][at] is not None for row in table["rows"]) for at in range(len(table["measures"]))]
    header = list(table["settings"])
    for measure, has in zip(table["measures"], beside, strict=True):
        header += [measure, "paper"] if has else [measure]
    lines = [header, *(_line(row, beside, table["digits"]) for row in table["rows"])]
    return markdown_table(lines, text_columns=len(table["settings"]))


def _line(row: Mapping[str, Any], beside: Sequence[bool], digits: int) -> list[str]:
    cells = list(row["setting"])
    for ours, paper, has in zip(row["ours"], row["paper"], beside, strict=True):
        value = None if ours is None else Measured(ours["mean"], ours["spread"], ours["runs"])
        cells += [measured_words(value, digits), paper or "–"] if has else [measured_words(value, digits)]
    return cells


def put(text: str, made: str) -> str:
    """A README with another results section.

    Args:
        text: The README as it is.
        made: The section.

    Raises:
        ValueError: It has no place for the section.
    """
    before, start, rest = text.partition(START)
    _, end, after = rest.partition(END)
    if not start or not end:
        raise ValueError(f"README.md lacks the lines {START.strip()} and {END}, between which the results stand.")
    return f"{before}{start}{made}{end}{after}"


def _told(kept: Mapping[str, Any]) -> str:
    """JSON with a line for each report, so that what changes can be seen."""
    reports = ",\n".join(json.dumps(report, ensure_ascii=False) for report in kept["reports"])
    rest = json.dumps({key: value for key, value in kept.items() if key != "reports"})
    return f'{rest[:-1]}, "reports": [\n{reports}\n]}}\n'


def main() -> None:
    """Write the section."""
    reading = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    reading.add_argument("folder", type=Path)
    kept = gathered(reading.parse_args().folder)
    KEPT.write_text(_told(kept), encoding="utf-8")
    README.write_text(put(README.read_text(encoding="utf-8"), section(kept)), encoding="utf-8")


if __name__ == "__main__":
    main()
