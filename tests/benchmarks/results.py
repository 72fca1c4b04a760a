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
    """The section: every pattern, then the first table of each experiment."""
    reports = kept["reports"]
    minutes = sum(report["seconds"] for report in reports) / 60
    patterns = [pattern for report in reports for pattern in report["patterns"]]
    held = sum(pattern["held"] for pattern in patterns)
    sizes = " and ".join(sorted({report["size"] for report in reports}))
    said = (
        f"Measured with relstitch {kept['version']} (`relstitch reproduce all`, {sizes} size) on two cores, "
        f"{minutes:.0f} minutes in all: {held} of {len(patterns)} patterns held."
    )
    lines = [["experiment", "pattern", "found", "held"]]
    for report in reports:
        for pattern in report["patterns"]:
            held_words = "yes" if pattern["held"] else "**no**"
            lines.append([f"`{report['name']}`", pattern["claim"], pattern["found"], held_words])
    parts = [said, "", markdown_table(lines, text_columns=4)]
    for report in reports:
        name = f"{report['name']}, {report['section']}, {report['seconds'] / 60:.1f} minutes"
        parts += ["<details>", f"<summary>{name}: {report['table']['title']}</summary>", "", _table(report["table"])]
        parts += ["</details>", ""]
    return "\n".join(parts)


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


def main() -> None:
    """Write the section."""
    reading = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    reading.add_argument("folder", type=Path)
    kept = gathered(reading.parse_args().folder)
    KEPT.write_text(json.dumps(kept, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")
    README.write_text(put(README.read_text(encoding="utf-8"), section(kept)), encoding="utf-8")


if __name__ == "__main__":
    main()
