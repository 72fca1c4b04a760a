"""The README's results section is what the script makes of what was measured; nothing in it is typed."""

import importlib.util
import json
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

BENCHMARKS = Path(__file__).parent / "benchmarks"


@pytest.fixture(scope="module")
def results() -> ModuleType:
    spec = importlib.util.spec_from_file_location("results", BENCHMARKS / "results.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_section_of_the_readme_is_what_was_measured(results: ModuleType) -> None:
    kept = json.loads(results.KEPT.read_text(encoding="utf-8"))
    text = results.README.read_text(encoding="utf-8")
    assert results.put(text, results.section(kept)) == text


def test_every_experiment_and_every_pattern_is_in_it(results: ModuleType) -> None:
    from relstitch.names import EXPERIMENTS

    reports = json.loads(results.KEPT.read_text(encoding="utf-8"))["reports"]
    assert tuple(report["name"] for report in reports) == EXPERIMENTS
    assert all(report["size"] == "usual" and report["patterns"] for report in reports)


def report(name: str, *, held: bool) -> dict[str, Any]:
    table = {
        "title": "F1", "settings": ["data"], "measures": ["absolute", "relative"], "digits": 1,
        "rows": [{"setting": ["MNIST"], "ours": [{"mean": 94.56, "spread": 0.21, "runs": 3}, None],
                  "paper": ["97.95", None]}],
    }  # fmt: skip
    pattern = {"claim": "it costs at most 1 point", "held": held, "found": "0.4"}
    return {
        "name": name, "title": "t", "section": "section 1", "size": "usual", "seconds": 90.0, "tables": [table, table],
        "patterns": [pattern], "notes": ["left out"],
    }  # fmt: skip


def test_a_section_from_a_folder(results: ModuleType, tmp_path: Path) -> None:
    for name, held in (("classifiers", True), ("words", False)):
        (tmp_path / name).mkdir()
        (tmp_path / name / "report.json").write_text(json.dumps(report(name, held=held)))
    made = results.section(results.gathered(tmp_path))
    assert "usual size), 3 minutes in all: 1 of 2 patterns held." in made
    assert "| `classifiers` | section 1 | 1 of 1 | 1.5 |\n" in made
    assert "Not held:\n\n- `words`: it costs at most 1 point (found: 0.4)\n\n" in made
    assert "| `classifiers` | it costs at most 1 point | 0.4 | yes |\n" in made
    assert "| `words` | it costs at most 1 point | 0.4 | **no** |\n" in made
    assert "| data | absolute | paper | relative |\n" in made
    assert "| MNIST | 94.6 ±.2 | 97.95 | – |\n" in made
    assert made.count("<details>") == made.count("</details>") == 3
    assert results.put(f"a\n{results.START}old\n{results.END}\nb", made) == (
        f"a\n{results.START}{made}{results.END}\nb"
    )


def test_a_readme_without_its_place(results: ModuleType) -> None:
    said = (
        "README.md lacks the lines <!-- results of reproduce --> and <!-- end of results -->, between which the "
        "results stand."
    )
    with pytest.raises(ValueError, match=said):
        results.put("# relstitch\n", "made")
