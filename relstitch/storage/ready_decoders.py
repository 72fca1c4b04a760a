"""Decoders that were trained elsewhere: their arrays in .safetensors or .npz, and our own decoder files."""

import json
import zipfile
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from relstitch.artifacts import Decoder
from relstitch.errors import ArtifactError, some
from relstitch.storage.files import load_decoder, peek, wrong_kind
from relstitch.storage.foreign import read_head, what_it_is
from relstitch.storage.metadata import KINDS
from relstitch.storage.output import os_reason
from relstitch.storage.tensors import is_safetensors, map_tensors, read_header

_ROLES: Mapping[str, str] = {
    **dict.fromkeys(("weights", "weight", "coef_", "coef", "kernel"), "weights"),
    **dict.fromkeys(("bias", "intercept_", "intercept"), "bias"),
    **dict.fromkeys(("classes", "classes_", "class_names", "names"), "classes"),
    **dict.fromkeys(("mean", "mean_"), "mean"),
    **dict.fromkeys(("scale", "scale_"), "scale"),
    "input": "input",
}
"""What an array is, by the last part of its name: as torch, scikit-learn, Keras and we call it."""

_SILENT = frozenset(["n_features_in_", "n_iter_", "n_samples_seen_", "var_"])
"""What scikit-learn keeps beside them that no answer depends on."""

_INPUTS: Mapping[str, str] = {
    "raw": "raw", "unit": "unit", "normalised": "unit", "normalized": "unit",
    "standardised": "standardised", "standardized": "standardised",
}  # fmt: skip
_DAMAGE = (OSError, ValueError, EOFError, KeyError, zipfile.BadZipFile, zlib.error, NotImplementedError, SyntaxError)
_MOST_BYTES = 2**32
"""A decoder whose arrays claim more than this is none."""


@dataclass(frozen=True, eq=False)
class DecoderArrays:
    """A linear decoder that some other program trained, as its file holds it.

    Attributes:
        arrays: ``weights``, and ``bias``, ``mean`` and ``scale`` where they are there; real numbers of any shape.
        names: The class names, where the file says them.
        input: ``raw``, ``unit`` or ``standardised``, where the file says it.
    """

    arrays: Mapping[str, NDArray[Any]]
    names: tuple[str, ...] | None
    input: str | None


def load_ready(path: str | Path) -> Decoder | DecoderArrays:
    """Read a decoder that is to be used as it is.

    It is a decoder file of ours, or safetensors or .npz with the arrays of one linear layer, under the names that
    torch (``weight``, ``bias``, with or without a prefix such as ``fc.``), scikit-learn (``coef_``, ``intercept_``,
    ``classes_``, ``mean_``, ``scale_``) or we give them. Class names stand in an array of texts or whole numbers
    (.npz), or as a JSON list under ``classes`` in the metadata (safetensors); ``input`` says there in which form rows
    are read. Pickles are never loaded.

    Raises:
        ArtifactError: No such file, something else, damaged, or arrays that are not those of one linear layer.
    """
    place = Path(path)
    head = read_head(place)
    kind = peek(place)
    if kind == "decoder":
        return load_decoder(place)
    if kind is not None:
        raise wrong_kind(place, KINDS.get(kind, f"a {kind} file of relstitch"), ("decoder",))
    if is_safetensors(head):
        return _sorted(place, *_tensors(place))
    if head.startswith(b"PK") and place.suffix.lower() == ".npz":
        return _sorted(place, _archive(place), {})
    raise ArtifactError(
        f"{path} is {what_it_is(place, head)}; a decoder was expected: a decoder file of relstitch, the arrays of a "
        "linear layer in .safetensors or .npz, or a network in .onnx."
    )


def _tensors(path: Path) -> tuple[dict[str, NDArray[Any]], Mapping[str, str]]:
    try:
        header = read_header(path)
        arrays = map_tensors(path, header)
    except OSError as error:
        raise ArtifactError(f"{path} could not be read: {os_reason(error)}.") from error
    for name, info in header.tensors.items():
        if info.dtype == "BF16":
            # bfloat16 is the upper half of float32.
            arrays[name] = (arrays[name].astype(np.uint32) << 16).view(np.float32)
    # Small and used over and over: in memory.
    return {name: np.array(array) for name, array in arrays.items()}, header.metadata


def _archive(path: Path) -> dict[str, NDArray[Any]]:
    try:
        with zipfile.ZipFile(path) as members:
            claimed = sum(member.file_size for member in members.infolist())
        if claimed <= _MOST_BYTES:
            with np.load(path, allow_pickle=False) as archive:
                return {name: archive[name] for name in archive.files}
    except _DAMAGE as error:
        if "allow_pickle" in str(error):
            raise ArtifactError(
                f"{path} holds Python objects (a pickle), which are never loaded. Write class names as texts: "
                "np.array(names, dtype=str)."
            ) from error
        raise ArtifactError(f"{path} is damaged or cut short; expected a whole .npz file. Write it again.") from error
    raise ArtifactError(
        f"{path} claims to hold {claimed} bytes of arrays, and at most {_MOST_BYTES} are read. Keep only the "
        "decoder's arrays in it."
    )


def _sorted(path: Path, arrays: Mapping[str, Any], metadata: Mapping[str, str]) -> DecoderArrays:
    """The arrays by what they are; anything whose meaning is not known could change the answers, and is refused."""
    held: dict[str, list[str]] = {}
    for name in arrays:
        held.setdefault(_ROLES.get(name.rpartition(".")[2], ""), []).append(name)
    unknown = [name for name in held.pop("", []) if name.rpartition(".")[2] not in _SILENT]
    several = [f"{role}: {' and '.join(names)}" for role, names in held.items() if len(names) > 1]
    if unknown or several or "weights" not in held:
        found = some(several) or some(unknown) or some(sorted(arrays)) or "none"
        what = (
            "several arrays for one thing" if several else "arrays of no known meaning" if unknown else "no weights"
        )
        raise ArtifactError(
            f"{path} holds {what} ({found}); expected those of one linear layer: weights (weight, coef_), bias "
            "(intercept_), classes (classes_), mean and scale. Keep only these, or export the network as .onnx."
        )
    by_role = {role: np.asarray(arrays[names[0]]) for role, names in held.items()}
    names = _listed(path, by_role.pop("classes", None))
    said = by_role.pop("input", None)
    told = None if said is None else str(said.item()) if said.size == 1 else str(said.tolist())
    for role, array in by_role.items():
        if array.dtype.kind not in "fiu":
            raise ArtifactError(f"{path}: the array of its {role} holds {array.dtype} values; expected real numbers.")
    stated = statements(path, metadata)
    return DecoderArrays(by_role, names or stated[0], stated[1] if told is None else _input(path, told))


def statements(path: Path, metadata: Mapping[str, str]) -> tuple[tuple[str, ...] | None, str | None]:
    """What the metadata of a file says: the class names, and the form of the input.

    Raises:
        ArtifactError: It says something else there.
    """
    names: tuple[str, ...] | None = None
    text = next((metadata[key] for key, role in _ROLES.items() if role == "classes" and key in metadata), None)
    if text is not None:
        try:
            values = json.loads(text)
        except (ValueError, RecursionError):
            values = None
        if not isinstance(values, list) or not all(isinstance(value, str) for value in values):
            raise ArtifactError(
                f"{path}: its metadata name the classes as {text[:60]!r}; expected a JSON list of texts in the order "
                'of the outputs, such as ["cat", "dog"].'
            )
        names = tuple(values)
    return names, None if "input" not in metadata else _input(path, metadata["input"])


def _input(path: Path, told: str) -> str:
    if told not in _INPUTS:
        raise ArtifactError(
            f"{path} says that its input is {told[:60]!r}; expected raw, unit (normalised) or standardised."
        )
    return _INPUTS[told]


def _listed(path: Path, array: NDArray[Any] | None) -> tuple[str, ...] | None:
    if array is None:
        return None
    if array.ndim != 1 or array.dtype.kind not in "Uiu":
        raise ArtifactError(
            f"{path}: its class names are {array.dtype} {list(array.shape)}; expected one text or whole number a "
            "class."
        )
    return tuple(str(value) for value in array.tolist())
