"""The rules of the house, held by machine: who imports whom, who owns which library, how long things may be."""

import ast
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

PACKAGE = Path(__file__).parent.parent / "relstitch"
FILES = sorted(PACKAGE.rglob("*.py"))
FOUNDATION = {"errors", "names", "artifacts", "user_code"}
CORE = {
    "meeting", "relative", "anchors", "decoders", "scoring", "statistics", "translation", "ways", "choosing",
    "comparison", "stitching", "transformer", "forecasting",
}  # fmt: skip
EDGES = {"dataset", "encoders", "storage", "report"}
OWNERS = {
    "safetensors": {"storage"},
    "rich": {"report"},
    "typer": {"cli"},
    "pyarrow": {"dataset", "storage"},
    "scipy": {"comparison", "anchors"},
    "PIL": {"dataset"},
    "onnxruntime": {"storage", "experiments"},
    "datasets": {"dataset"},
    "timm": {"encoders"},
    "sentence_transformers": {"encoders"},
    "transformers": {"encoders"},
    "huggingface_hub": {"encoders"},
    "torch": {"encoders", "encoding", "decoders", "translation", "layers", "experiments"},
    "torch_geometric": {"experiments", "encoders", "dataset"},
    "matplotlib": {"report"},
    "sklearn": {"anchors", "decoders", "scoring", "choosing", "transformer", "comparison"},
    "threadpoolctl": CORE,
    "numpy": FOUNDATION
    | CORE
    | {
        "dataset",
        "encoders",
        "storage",
        "encoding",
        "merging",
        "cli",
        "demo",
        "experiments",
        "layers",
        "report",
    },
}
BANNED_NAMES = {"utils", "util", "helpers", "helper", "common", "base", "manager", "misc"}


def room(path: Path) -> str:
    """The room a file belongs to: the first name below the package."""
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


def imports(path: Path) -> Iterator[str]:
    """Every module a file imports anywhere, as written in full."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and node.level == 0:
            yield node.module


def name_of(path: Path) -> str:
    return str(path.relative_to(PACKAGE))


def internal(path: Path) -> set[str]:
    """The rooms of the package that a file imports."""
    return {module.split(".")[1] for module in imports(path) if module.startswith("relstitch.")} - {room(path)}


@pytest.mark.parametrize("path", FILES, ids=name_of)
def test_rooms_import_only_what_they_may(path: Path) -> None:
    here, used = room(path), internal(path)
    if here in FOUNDATION:
        assert used <= FOUNDATION
    elif here in CORE:
        assert used <= FOUNDATION | CORE
    elif here in EDGES:
        assert used <= FOUNDATION
    assert "cli" not in used or here == "__main__"


@pytest.mark.parametrize("path", FILES, ids=name_of)
def test_each_library_has_its_owners(path: Path) -> None:
    for module in imports(path):
        owners = OWNERS.get(module.split(".")[0])
        assert owners is None or room(path) in owners, f"{path.name} imports {module}; owners: {sorted(owners)}"


@pytest.mark.parametrize("path", FILES, ids=name_of)
def test_files_and_functions_stay_short(path: Path) -> None:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    lines = path.read_text(encoding="utf-8").splitlines()
    code = [line for line in lines if line.strip() and not line.strip().startswith("#")]
    docstrings = 0
    for node in ast.walk(tree):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef) and ast.get_docstring(node) is not None:
            first = node.body[0]
            docstring = lines[first.lineno - 1 : first.end_lineno]
            docstrings += sum(1 for line in docstring if line.strip())
            if isinstance(node, ast.FunctionDef) and room(path) != "cli":
                length = (node.end_lineno or 0) - (first.end_lineno or 0)
                assert length <= 40, f"{node.name} has {length} lines"
        elif isinstance(node, ast.FunctionDef) and room(path) != "cli":
            length = (node.end_lineno or 0) - node.lineno
            assert length <= 40, f"{node.name} has {length} lines"
    assert len(code) - docstrings <= 300, f"{path.name} has {len(code) - docstrings} lines of code"


def test_no_room_has_a_name_that_says_nothing() -> None:
    assert not {path.stem for path in FILES} & BANNED_NAMES
    assert not {parent.name for path in FILES for parent in path.parents} & BANNED_NAMES


@pytest.mark.parametrize("path", FILES, ids=name_of)
def test_nothing_runs_at_import(path: Path) -> None:
    allowed = (
        ast.Import,
        ast.ImportFrom,
        ast.Assign,
        ast.AnnAssign,
        ast.FunctionDef,
        ast.AsyncFunctionDef,
        ast.ClassDef,
    )
    for node in ast.parse(path.read_text(encoding="utf-8")).body:
        guarded = isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test)
        main = isinstance(node, ast.If) and "__main__" in ast.unparse(node.test)
        text = isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
        registers = room(path) == "cli" and isinstance(node, ast.Expr)
        assert isinstance(node, allowed) or guarded or main or text or registers, ast.unparse(node)


HEAVY = {
    "torch", "torch_geometric", "timm", "transformers", "sentence_transformers", "sklearn", "numpy", "scipy", "pyarrow",
    "PIL", "matplotlib",
}  # fmt: skip


def loaded_by(arguments: list[str], cwd: Path) -> set[str]:
    """The top-level modules in memory after a command of ours ran in a process of its own."""
    script = (
        "import sys\n"
        "from relstitch.cli import main\n"
        f"sys.argv = ['relstitch', *{arguments!r}]\n"
        "try:\n    main()\nexcept SystemExit as stop:\n    code = stop.code\n"
        "sys.stderr.write('\\nMODULES ' + ' '.join(sorted({m.split('.')[0] for m in sys.modules})) + f'\\nCODE {code}\\n')\n"
    )
    run = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, cwd=cwd, check=False)
    assert "CODE 0" in run.stderr or "CODE None" in run.stderr, run.stderr
    found = re.search(r"^MODULES (.*)$", run.stderr, re.MULTILINE)
    assert found is not None
    return set(found.group(1).split())


@pytest.mark.parametrize(
    "verb",
    [
        [],
        ["encode"],
        ["merge"],
        ["anchors"],
        ["stitch"],
        ["translate"],
        ["translate", "fit"],
        ["translate", "apply"],
        ["compare"],
        ["predict"],
        ["inspect"],
        ["demo"],
        ["reproduce"],
    ],
    ids=" ".join,
)
def test_help_loads_nothing_heavy(verb: list[str], tmp_path: Path) -> None:
    assert not loaded_by([*verb, "--help"], tmp_path) & HEAVY


def test_verbs_on_vectors_load_no_deep_learning(tmp_path: Path) -> None:
    """`anchors`, `inspect`, `stitch` with the default decoder, and relative files from vectors: no torch anywhere."""
    random = np.random.default_rng(0)
    for name in ("one", "two"):
        labels = np.arange(40) % 2
        vectors = (random.normal(size=(40, 5)) + labels[:, None] * 3).astype(np.float32)
        np.savez(tmp_path / f"{name}.npz", train=vectors[:30], test=vectors[30:], train_labels=labels[:30],
                 test_labels=labels[30:])  # fmt: skip
    for arguments in (
        ["encode", "one.npz", "-o", "one.safetensors"],
        ["encode", "two.npz", "-o", "two.safetensors"],
        ["anchors", "one.safetensors", "-k", "10", "-s", "kmeans", "-o", "anchors.json"],
        ["inspect", "one.safetensors"],
        ["stitch", "one.safetensors", "two.safetensors", "-a", "anchors.json", "--save-decoder", "d.safetensors"],
        ["encode", "one.safetensors", "-a", "anchors.json", "-o", "one.rel.safetensors"],
        ["predict", "d.safetensors", "one.rel.safetensors"],
    ):
        assert not loaded_by(arguments, tmp_path) & {"torch", "timm", "transformers", "sentence_transformers"}, (
            arguments
        )


def test_messages_are_all_tested() -> None:
    """Every error text we raise stands, whole, in a test."""
    said = _strings_of_tests()
    unsaid = []
    for path in FILES:
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Raise) and isinstance(node.exc, ast.Call):
                pattern = _pattern(node.exc)
                if pattern is not None and not any(pattern.search(text) for text in said):
                    unsaid.append(f"{name_of(path)}:{node.lineno}")
    assert not unsaid, f"{len(unsaid)} error texts stand in no test: {unsaid}"


def _strings_of_tests() -> list[str]:
    texts = []
    for path in Path(__file__).parent.glob("test_*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.JoinedStr):
                parts = (part.value if isinstance(part, ast.Constant) else "…" for part in node.values)
                texts.append("".join(str(part) for part in parts))
            elif isinstance(node, ast.Constant) and isinstance(node.value, str):
                texts.append(node.value)
    return texts


def _pattern(call: ast.Call) -> re.Pattern[str] | None:
    """The raised text as a pattern, or None where it is put together elsewhere or is not one of our errors."""
    name = call.func.id if isinstance(call.func, ast.Name) else ""
    if not name.endswith("Error") or not call.args:
        return None
    text = call.args[0]
    if isinstance(text, ast.Constant) and isinstance(text.value, str):
        return re.compile(re.escape(text.value))
    if isinstance(text, ast.JoinedStr):
        parts = (re.escape(str(p.value)) if isinstance(p, ast.Constant) else "(?s:.*?)" for p in text.values)
        return re.compile("".join(parts))
    return None
