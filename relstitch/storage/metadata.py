"""The one JSON text in the header of our safetensors files, and the checks on what it says."""

import json
import re
import zlib
from collections.abc import Mapping, Sequence
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any, get_args

import numpy as np

from relstitch.artifacts import EncoderStamp, ProjectionSpec
from relstitch.errors import ArtifactError, some
from relstitch.names import PROJECTIONS, Modality

FORMAT = 1
"""The newest file format this version reads, and the one it writes."""

KINDS: Mapping[str, str] = {
    "embeddings": "an embeddings file",
    "relative": "a relative file",
    "decoder": "a decoder file",
    "anchors": "an anchors file",
    "translator": "a translator file",
    "hub": "a hub file",
}
"""Every kind of file, with its name in messages."""

_NO_CHECKSUM = "0" * 8
_CHECKSUM = re.compile(r'^\{"checksum": "([0-9a-f]{8})"')
_STAMP_TYPES: Mapping[str, Any] = {
    "spec": str,
    "modality": str,
    "dimension": int,
    "revision": str | None,
    "weights_sha256": str | None,
    "pooling": str | None,
    "prompt": str | None,
    "preprocessing": dict,
    "max_length": int | None,
    "dtype": str,
    "normalized": bool,
    "extra": dict,
    "libraries": dict,
}


def damaged(path: Path, what: str) -> ArtifactError:
    """The error for one of our files that contradicts itself."""
    return ArtifactError(f"{path} is damaged: {what.rstrip('.')}. Make it again, or copy it again whole.")


def writer_name() -> str:
    """The version of relstitch that writes: it stands in every file."""
    try:
        return f"relstitch {version('relstitch')}"
    except PackageNotFoundError:
        return "relstitch"


def to_json(values: Any, *, indent: int | None = None) -> str:
    """Plain JSON without NaN, readable in any language; numpy numbers and arrays become plain ones.

    Raises:
        ArtifactError: Something in it has no form in JSON.
    """
    try:
        text = json.dumps(values, ensure_ascii=False, allow_nan=False, default=_plain, indent=indent)
        text.encode()
    except UnicodeEncodeError as error:
        bad = error.object[error.start : error.end]
        raise ArtifactError(f"{bad!r} is no character: text must be valid Unicode to be stored.") from error
    except (TypeError, ValueError, RecursionError) as error:
        raise ArtifactError(f"This cannot be stored as JSON: {error}. Only plain, finite values can.") from error
    return text


def _plain(value: Any) -> Any:
    if isinstance(value, np.generic | np.ndarray):
        return value.tolist()
    if isinstance(value, Mapping):
        return dict(value)
    if isinstance(value, Path):
        return str(value)
    raise TypeError(f"a value of type {type(value).__name__}")


def sealed(facts: Mapping[str, Any]) -> str:
    """The metadata as JSON that begins with the CRC-32 of itself, computed with eight zeros in its place."""
    text = to_json({"checksum": _NO_CHECKSUM, **facts})
    return text.replace(_NO_CHECKSUM, f"{zlib.crc32(text.encode()):08x}", 1)


def unsealed(path: Path, text: str) -> dict[str, Any]:
    """The metadata that `sealed` wrote, checked.

    Raises:
        ArtifactError: It is damaged, of a newer format, or of a kind this version does not know.
    """
    try:
        facts = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise damaged(path, "its metadata is not JSON") from error
    if not isinstance(facts, dict):
        raise damaged(path, "its metadata is not a JSON object")
    check_format(path, facts)
    found = _CHECKSUM.match(text)
    blank = text.replace(found.group(1), _NO_CHECKSUM, 1) if found else ""
    if not found or f"{zlib.crc32(blank.encode()):08x}" != found.group(1):
        raise damaged(path, "the checksum of its metadata does not fit")
    return facts


def check_format(path: Path, facts: Mapping[str, Any]) -> None:
    """Refuse files of a newer relstitch before their content is judged.

    Raises:
        ArtifactError: The format is newer or no whole number, or the kind is unknown.
    """
    number = entry(path, facts, "format", int)
    if number > FORMAT:
        raise ArtifactError(
            f"{path} was written by a newer relstitch: its file format is {number}, and this version reads up to "
            f"{FORMAT}. Upgrade relstitch to read it."
        )
    kind = entry(path, facts, "kind", str)
    if number < 1:
        raise damaged(path, f"there is no file format {number}")
    if kind not in KINDS:
        raise ArtifactError(
            f"{path} is of the kind {kind!r}, which this version of relstitch does not know; it knows: "
            f"{some(KINDS, 10)}. Upgrade relstitch to read it."
        )


def entry(path: Path, facts: Mapping[str, Any], key: str, kind: Any) -> Any:
    """One entry of the metadata, of the type it must have.

    Raises:
        ArtifactError: It is missing or of another type.
    """
    value = facts.get(key)
    fits = isinstance(value, kind) and not (isinstance(value, bool) and kind is not bool)
    if key not in facts or not fits:
        name = getattr(kind, "__name__", str(kind))
        raise damaged(path, f"its entry {key!r} is missing or not of type {name}")
    return value


def texts(path: Path, facts: Mapping[str, Any], key: str) -> tuple[str, ...]:
    """A list of different texts (class names, split names) in the metadata."""
    values = entry(path, facts, key, list)
    if not all(isinstance(value, str) for value in values) or len(set(values)) != len(values):
        raise damaged(path, f"its entry {key!r} is not a list of different texts")
    return tuple(values)


def one_of(path: Path, facts: Mapping[str, Any], key: str, known: Sequence[str]) -> str:
    """A name that this version must know.

    Raises:
        ArtifactError: It does not.
    """
    value: str = entry(path, facts, key, str)
    if value not in known:
        raise ArtifactError(
            f"{path} says {key} {value!r}, which this version of relstitch does not know; it knows: "
            f"{some(known, 10)}. Upgrade relstitch to read it."
        )
    return value


def read_stamp(path: Path, facts: Mapping[str, Any]) -> EncoderStamp:
    """The encoder's stamp in the metadata."""
    values = entry(path, facts, "encoder", dict)
    one_of(path, values, "modality", get_args(Modality))
    for key, kind in _STAMP_TYPES.items():
        entry(path, values, key, kind)
    return EncoderStamp.from_json(values)


def projection_facts(spec: ProjectionSpec) -> dict[str, Any]:
    """The projection as plain values."""
    return {"name": spec.name, "center": spec.center, "params": spec.params}


def read_projection(path: Path, facts: Mapping[str, Any]) -> ProjectionSpec:
    """The projection in the metadata."""
    values = entry(path, facts, "projection", dict)
    name: str = entry(path, values, "name", str)
    for factor in name.split("+"):
        one_of(path, {"name": factor}, "name", PROJECTIONS)
    return ProjectionSpec(name, entry(path, values, "center", bool), entry(path, values, "params", dict))


def read_counts(path: Path, facts: Mapping[str, Any]) -> dict[str, int]:
    """What happened to rows, as counted when the file was made."""
    counts = entry(path, facts, "counts", dict)
    return {key: entry(path, counts, key, int) for key in counts}
