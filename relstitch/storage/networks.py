"""Decoders as ONNX networks. The only user of onnxruntime, which is an extra."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from relstitch.errors import ArtifactError, UsageError, some
from relstitch.storage.foreign import read_head
from relstitch.storage.ready_decoders import statements

_FLOATS = {"tensor(float)": np.float32, "tensor(double)": np.float64, "tensor(float16)": np.float16}


@dataclass(frozen=True, eq=False)
class DecoderNetwork:
    """A network that turns rows into one value per class.

    Attributes:
        run: From float32 [n, d] to real [n, c].
        width: d, where the network says it.
        names: The class names, where its metadata say them.
        input: ``raw`` or ``unit``, where its metadata say it.
    """

    run: Callable[[NDArray[Any]], NDArray[Any]]
    width: int | None
    names: tuple[str, ...] | None
    input: str | None


def load_network(path: str | Path) -> DecoderNetwork:
    """Open an ONNX file as a decoder: one input [n, d], one output of real numbers [n, c].

    Its metadata may say ``classes`` (a JSON list) and ``input``. It runs on the processor; custom operators are not
    loaded.

    Raises:
        UsageError: onnxruntime is not installed.
        ArtifactError: No such file, no such network, or one that fails.
    """
    place = Path(path)
    read_head(place)
    try:
        import onnxruntime
        from onnxruntime.capi import onnxruntime_pybind11_state as state
    except ImportError as error:
        raise UsageError(
            f"{path} needs the package 'onnxruntime', which is not installed. Install it with: "
            "pip install 'relstitch[onnx]'"
        ) from error
    # The library has a class of its own for every failure, and no one class for all of them.
    failures = (ValueError, *(kind for kind in vars(state).values() if _is_error(kind)))
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4
    options.intra_op_num_threads = 1
    try:
        session = onnxruntime.InferenceSession(str(place), options, providers=["CPUExecutionProvider"])
    except failures as error:
        raise ArtifactError(
            f"{path} is no ONNX network that can be run ({_first_line(error)}). Export it again, with standard "
            "operators."
        ) from error
    entry, outcome = _ends(place, session)

    def run(X: NDArray[Any]) -> NDArray[Any]:
        try:
            return _run(session, entry, outcome.name, X)
        except failures as error:
            raise ArtifactError(f"{path} failed on rows of shape {list(X.shape)}: {_first_line(error)}.") from error

    names, form = statements(place, session.get_modelmeta().custom_metadata_map)
    width = entry.shape[1]
    return DecoderNetwork(run, width if isinstance(width, int) else None, names, form)


def _is_error(kind: Any) -> bool:
    return isinstance(kind, type) and issubclass(kind, Exception)


def _first_line(error: Exception) -> str:
    return str(error).strip().splitlines()[0].rstrip(".")[:300]


def _ends(path: Path, session: Any) -> tuple[Any, Any]:
    """The one input and the one output that a decoder has; labels beside the values are no hindrance."""
    inputs = session.get_inputs()
    outputs = [one for one in session.get_outputs() if one.type in _FLOATS and len(one.shape) == 2]
    if len(inputs) != 1 or len(outputs) != 1 or inputs[0].type not in _FLOATS or len(inputs[0].shape) != 2:
        listed = (
            some(f"{one.name} {one.type} {one.shape}" for one in ends) for ends in (inputs, session.get_outputs())
        )
        raise ArtifactError(
            f"{path} has the inputs {next(listed)} and the outputs {next(listed)}; expected one input of real "
            "numbers [n, d] and one output of real numbers [n, c], one value per class (skl2onnx: zipmap=False)."
        )
    return inputs[0], outputs[0]


def _run(session: Any, entry: Any, outcome: str, X: NDArray[Any]) -> NDArray[Any]:
    rows = X.astype(_FLOATS[entry.type])
    size = entry.shape[0] if isinstance(entry.shape[0], int) else max(len(rows), 1)
    found = []
    for start in range(0, len(rows), size):
        block = rows[start : start + size]
        # A network of a fixed number of rows gets the last one repeated.
        filled = np.concatenate([block, np.repeat(block[-1:], size - len(block), axis=0)])
        found.append(session.run([outcome], {entry.name: filled})[0][: len(block)])
    return np.concatenate(found) if found else np.empty((0, 0))
