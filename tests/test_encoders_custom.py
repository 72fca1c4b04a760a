"""The user's own encoders: found in the working directory, checked, and blamed by name."""

import hashlib
import textwrap
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from relstitch.encoders import load_encoder
from relstitch.errors import EncoderError
from relstitch.names import Modality

Write = Callable[[str], str]


@pytest.fixture
def write(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Write:
    """Write a module into the working directory and give its specification, ``python:NAME:make``."""
    monkeypatch.chdir(tmp_path)

    def write(source: str) -> str:
        # A name of its own each time: Python keeps imported modules.
        name = f"toy_{hashlib.sha256((source + str(tmp_path)).encode()).hexdigest()[:12]}"
        (tmp_path / f"{name}.py").write_text(textwrap.dedent(source), encoding="utf-8")
        return f"python:{name}:make"

    return write


LENGTHS = """
import numpy as np
class make:
    def encode(self, items):
        return np.array([[len(x), 1.0] for x in items], dtype=np.float64)
"""


def test_a_module_in_the_working_directory_is_found(write: Write) -> None:
    encoder = load_encoder(write(LENGTHS), "text")
    assert encoder.stamp.dimension == 0
    batch = encoder.encode(["one", "three"])
    assert batch.vectors.dtype == np.float32
    assert batch.vectors.tolist() == [[3, 1], [5, 1]]
    assert not batch.truncated.any()
    assert encoder.stamp.dimension == 2


def test_lists_and_torch_tensors_are_vectors_too(write: Write) -> None:
    listed = load_encoder(
        write("class make:\n    def encode(self, items):\n        return [[0.5]] * len(items)"), "text"
    )
    assert listed.encode(["a", "b"]).vectors.tolist() == [[0.5], [0.5]]
    tensors = """
    import torch
    class make:
        def encode(self, items):
            return torch.ones(len(items), 2, dtype=torch.bfloat16, requires_grad=True)
    """
    assert load_encoder(write(tensors), "image").encode([None]).vectors.tolist() == [[1, 1]]


def test_a_matrix_stays_a_matrix(write: Write) -> None:
    encoder = load_encoder(
        write("class make:\n    def encode(self, items):\n        return items @ items.T"), "vectors"
    )
    rows: Any = np.eye(2, dtype=np.float32)
    assert encoder.encode(rows).vectors.tolist() == [[1, 0], [0, 1]]


def test_a_stamp_of_its_own_or_else_the_hash_of_its_source(write: Write) -> None:
    spec = write(LENGTHS)
    source = Path(f"{spec.split(':')[1]}.py").read_bytes()
    assert load_encoder(spec, "text").stamp.extra == {"source_sha256": hashlib.sha256(source).hexdigest()}
    said = load_encoder(write(LENGTHS + "    def stamp(self): return {'version': 2, 'layers': (1, 2)}\n"), "text")
    assert said.stamp.extra == {"version": 2, "layers": [1, 2]}
    other = load_encoder(write(LENGTHS + "    stamp = {'version': 3, 'layers': (1, 2)}\n"), "text")
    assert other.stamp.identity != said.stamp.identity


@pytest.mark.parametrize("declared", ["'image'", "{'image', 'vectors'}"])
def test_other_items_than_it_declares_are_refused(write: Write, declared: str) -> None:
    spec = write(LENGTHS + f"    modality = {declared}\n")
    kinds = "pictures or vectors" if "vectors" in declared else "pictures"
    with pytest.raises(EncoderError) as e:
        load_encoder(spec, "text")
    assert str(e.value) == (f"The model {spec!r} takes {kinds}, and these items are texts. Choose a model for texts.")
    load_encoder(spec, "image")


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("import no_such_library_at_all", "{spec}: importing it failed with ModuleNotFoundError: No module named 'no_such_library_at_all'"),
        ("raise SystemExit('bye')", "{spec}: importing it failed with SystemExit: bye"),
        ("def make(: pass", "{spec}: importing it failed with SyntaxError: "),
        ("def make():\n    return 1 / 0", "{spec}: make() failed with ZeroDivisionError: division by zero"),
        ("def make():\n    return 3", "{spec}: make() gave a thing of type int, which has no encode method."),
        ("make = 3", "{spec}: make is of type int and can't be called."),
        ("x = 1", "{spec}: the module {name} has no make."),
        (LENGTHS + "    modality = 'sound'\n", "{spec}: its modality is 'sound'; expected one of text, image, vectors, graph."),
        (LENGTHS + "    def stamp(self): return [1]\n", "{spec}: stamp() gave a thing of type list; expected a dict."),
        (LENGTHS + "    def stamp(self): return {'x': {1}}\n", "{spec}: stamp() holds something JSON has no word for: Object of type set is not JSON serializable."),
        (LENGTHS + "    def stamp(self): raise KeyError('x')\n", "{spec}: stamp() failed with KeyError: 'x'"),
    ],
)  # fmt: skip
def test_what_goes_wrong_in_it_is_told_in_one_line(write: Write, source: str, message: str) -> None:
    spec = write(source)
    with pytest.raises(EncoderError) as e:
        load_encoder(spec, "text")
    name = spec.split(":")[1]
    if "SyntaxError" in message:
        assert str(e.value).startswith(f"{spec}: importing it failed with SyntaxError: invalid syntax")
        assert "\n" not in str(e.value)
    else:
        assert str(e.value) == message.format(spec=spec, name=name)


def test_a_module_that_is_not_there() -> None:
    with pytest.raises(EncoderError) as e:
        load_encoder("python:no_such_module_here:make", "text")
    assert str(e.value) == (
        "python:no_such_module_here:make: importing it failed with ModuleNotFoundError: "
        "No module named 'no_such_module_here'"
    )


@pytest.mark.parametrize(
    ("returns", "found"),
    [
        ("np.zeros((1, 2))", "float64 of shape [1, 2]"),
        ("np.zeros(len(items))", "float64 of shape [2]"),
        ("np.zeros((len(items), 2, 2))", "float64 of shape [2, 2, 2]"),
        ("np.zeros((len(items), 2), dtype=int)", "int64 of shape [2, 2]"),
        ("np.zeros((len(items), 0))", "float64 of shape [2, 0]"),
        ("None", "object of shape []"),
        ("torch.ones(len(items), 2, dtype=torch.int64)", "int64 of shape [2, 2]"),
        ("torch.ones(len(items), 2) > 0", "bool of shape [2, 2]"),
        ("torch.ones(len(items), 2, dtype=torch.complex64)", "complex64 of shape [2, 2]"),
    ],
)
def test_what_it_gives_is_checked(write: Write, returns: str, found: str) -> None:
    spec = write(f"import torch, numpy as np\nclass make:\n    def encode(self, items):\n        return {returns}\n")
    encoder = load_encoder(spec, "text")
    with pytest.raises(EncoderError) as e:
        encoder.encode(["a", "b"])
    assert str(e.value) == f"{spec}: encode gave {found} for 2 items; expected floats, one row per item, [2, d]."


def test_the_width_may_not_change(write: Write) -> None:
    spec = write(
        "import numpy as np\nclass make:\n    def encode(self, items):\n        return np.ones((len(items), len(items[0])))\n"
    )
    encoder = load_encoder(spec, "text")
    encoder.encode(["ab"])
    with pytest.raises(EncoderError) as e:
        encoder.encode(["abc"])
    assert str(e.value) == (
        f"{spec}: encode gave float64 of shape [1, 3]; the batches before were 2 wide. Every batch must "
        "have the same width."
    )


@pytest.mark.parametrize("modality", ["text", "image"])
def test_what_goes_wrong_while_encoding(write: Write, modality: Modality) -> None:
    spec = write("class make:\n    def encode(self, items):\n        raise ValueError('no\\nidea')\n")
    with pytest.raises(EncoderError) as e:
        load_encoder(spec, modality).encode(["a"])
    assert str(e.value) == f"{spec}: encode failed with ValueError: no idea"


def test_running_out_of_memory_is_passed_on(write: Write) -> None:
    spec = write("class make:\n    def encode(self, items):\n        raise MemoryError\n")
    with pytest.raises(MemoryError):
        load_encoder(spec, "text").encode(["a"])


def test_the_import_path_is_put_back(write: Write) -> None:
    import sys

    before = list(sys.path)
    load_encoder(write(LENGTHS), "text").encode(["a"])
    assert sys.path == before


def test_what_it_prints_goes_to_standard_error(write: Write, capsys: pytest.CaptureFixture[str]) -> None:
    """Standard output holds results only, one JSON object with ``--json``."""
    spec = write("print('imported')\n" + LENGTHS + "    def __init__(self):\n        print('made')\n")
    load_encoder(spec, "text").encode(["a"])
    assert capsys.readouterr() == ("", "imported\nmade\n")


@pytest.mark.filterwarnings("error")
def test_what_does_not_fit_into_float32_becomes_infinite_without_a_warning(write: Write) -> None:
    spec = write(LENGTHS.replace("1.0]", "1e300]"))
    assert load_encoder(spec, "text").encode(["a"]).vectors.tolist() == [[1.0, float("inf")]]
