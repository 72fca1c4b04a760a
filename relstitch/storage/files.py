"""Artifacts to files and back, whatever their kind."""

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Literal, cast

from relstitch.artifacts import Anchors, Decoder, Embeddings, Hub, Relative, Translator
from relstitch.errors import ArtifactError, DatasetError, MismatchError, some
from relstitch.storage.anchors_json import anchors_text, looks_like_anchors, read_anchors
from relstitch.storage.foreign import read_head, what_it_is
from relstitch.storage.metadata import FORMAT, KINDS, damaged, writer_name
from relstitch.storage.output import changed_on_disk, check_output, os_reason, whole_or_absent
from relstitch.storage.row_layout import Layout
from relstitch.storage.space_layout import (
    lay_decoder,
    lay_embeddings,
    lay_relative,
    read_decoder,
    read_embeddings,
    read_relative,
)
from relstitch.storage.tensors import (
    TensorFile,
    is_safetensors,
    peek_metadata,
    read_header,
    read_tensors,
    write_tensors,
)
from relstitch.storage.translator_layout import lay_hub, lay_translator, read_hub, read_translator

Artifact = Embeddings | Relative | Decoder | Anchors | Translator | Hub

_READERS: Mapping[str, Callable[[TensorFile], Artifact]] = {
    "embeddings": read_embeddings,
    "relative": read_relative,
    "decoder": read_decoder,
    "translator": read_translator,
    "hub": read_hub,
}
_WAYS: Mapping[tuple[str, ...], str] = {
    ("embeddings",): "`relstitch encode SOURCE -m MODEL -o FILE` makes one.",
    ("relative",): "`relstitch encode SOURCE -m MODEL --anchors ANCHORS -o FILE` makes one.",
    ("embeddings", "relative"): "`relstitch encode SOURCE -m MODEL -o FILE` makes one.",
    ("decoder",): "`relstitch stitch … --save-decoder FILE` makes one.",
    ("anchors",): "`relstitch anchors SOURCE -o FILE` makes one.",
    ("translator",): "`relstitch translate fit A B --anchors ANCHORS -o FILE` makes one.",
    ("hub",): "`relstitch translate hub A B C --anchors ANCHORS -o FILE` makes one.",
    ("translator", "hub"): "`relstitch translate fit A B --anchors ANCHORS -o FILE` makes one.",
}


def save(
    artifact: Artifact,
    path: str | Path,
    *,
    force: bool = False,
    inputs: Sequence[str | Path] = (),
    dtype: Literal["float32", "float16"] = "float32",
) -> None:
    """Write an artifact to a file that is whole or absent: anchors as JSON, everything else as safetensors.

    The file is written under a temporary name in the same folder, brought to the disk, read back, compared
    (CRC-32 of every tensor), and only then takes its name.

    Args:
        artifact: What to keep.
        path: Where: a name in ``.json`` for anchors, in ``.safetensors`` for everything else.
        force: Whether a file that stands there may be replaced.
        inputs: The files the artifact was made from: never overwritten, `force` or not.
        dtype: How the vectors of embeddings and relative files are stored; float16 takes half the space and keeps
            about three digits. They are float32 again when loaded.

    Raises:
        UsageError: The output has a wrong suffix, stands there already, or is an input.
        ArtifactError: The disk or the operating system refuses, or something in it cannot be stored.
    """
    suffix = ".json" if isinstance(artifact, Anchors) else ".safetensors"
    target = check_output(path, suffix=suffix, force=force, inputs=inputs)
    if isinstance(artifact, Anchors):
        _save_text(anchors_text(artifact), target)
        return
    layout = _lay(artifact, dtype)
    facts = {"kind": layout.facts["kind"], "format": FORMAT, "written_by": writer_name(), **layout.facts}
    with whole_or_absent(target) as temporary:
        write_tensors(temporary, target, layout.tensors, facts)


def _save_text(text: str, target: Path) -> None:
    with whole_or_absent(target) as temporary:
        temporary.write_text(text, encoding="utf-8", newline="\n")
        if temporary.read_bytes() != text.encode():
            raise changed_on_disk(target, "its text")


def _lay(artifact: Embeddings | Relative | Decoder | Translator | Hub, dtype: str) -> Layout:
    if isinstance(artifact, Embeddings):
        return lay_embeddings(artifact, dtype)
    if isinstance(artifact, Relative):
        return lay_relative(artifact, dtype)
    if isinstance(artifact, Translator):
        return lay_translator(artifact)
    return lay_hub(artifact) if isinstance(artifact, Hub) else lay_decoder(artifact)


def load(path: str | Path) -> Artifact:
    """Read any of our files, checking it whole.

    The vectors of embeddings and relative files are views of the file (unless stored as float16): a file may be
    larger than memory, and the arrays cannot be written to.

    Raises:
        ArtifactError: No such file, damaged, not one of ours, or of a newer relstitch.
    """
    return read_artifact(Path(path), tuple(KINDS))[0]


def load_embeddings(path: str | Path) -> Embeddings:
    """Read an embeddings file; see `load`."""
    return cast(Embeddings, read_artifact(Path(path), ("embeddings",))[0])


def load_relative(path: str | Path) -> Relative:
    """Read a relative file; see `load`."""
    return cast(Relative, read_artifact(Path(path), ("relative",))[0])


def load_spaces(path: str | Path) -> Embeddings | Relative:
    """Read an embeddings or a relative file; see `load`."""
    return cast(Embeddings | Relative, read_artifact(Path(path), ("embeddings", "relative"))[0])


def load_decoder(path: str | Path) -> Decoder:
    """Read a decoder file; see `load`."""
    return cast(Decoder, read_artifact(Path(path), ("decoder",))[0])


def load_translator(path: str | Path) -> Translator:
    """Read a translator file; see `load`."""
    return cast(Translator, read_artifact(Path(path), ("translator",))[0])


def load_map(path: str | Path) -> Translator | Hub:
    """Read a translator or a hub file; see `load`."""
    return cast(Translator | Hub, read_artifact(Path(path), ("translator", "hub"))[0])


def load_anchors(path: str | Path) -> Anchors:
    """Read an anchors file; see `load`."""
    return cast(Anchors, read_artifact(Path(path), ("anchors",))[0])


def peek(path: str | Path) -> str | None:
    """The kind of one of our files (``embeddings``, ``relative``, ``decoder`` …) by its beginning alone.

    Returns:
        The kind the file says it is, or None where it is not one of ours, cannot be read, or does not exist.
    """
    place = Path(path)
    try:
        head = read_head(place)
    except ArtifactError:
        return None
    if is_safetensors(head):
        return _kind_in(peek_metadata(place))
    return "anchors" if looks_like_anchors(place) else None


def _kind_in(text: str | None) -> str | None:
    try:
        facts = json.loads(text or "null")
    except (ValueError, RecursionError):
        return None
    kind = facts.get("kind") if isinstance(facts, dict) else None
    return kind if isinstance(kind, str) else None


def read_artifact(path: Path, wanted: tuple[str, ...]) -> tuple[Artifact, TensorFile | None]:
    """Read one of our files if it is of a wanted kind; with its tensors and metadata, where it is safetensors.

    Raises:
        ArtifactError: See `load`.
    """
    head = read_head(path)
    with _reading(path):
        if is_safetensors(head):
            return _from_tensors(path, wanted)
        if looks_like_anchors(path):
            _check_kind(path, "anchors", wanted)
            return read_anchors(path), None
        raise wrong_kind(path, what_it_is(path, head), wanted)


@contextmanager
def _reading(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise ArtifactError(f"{path} could not be read: {os_reason(error)}.") from error
    except (DatasetError, MismatchError) as error:
        raise damaged(path, str(error)) from error


def _from_tensors(path: Path, wanted: tuple[str, ...]) -> tuple[Artifact, TensorFile]:
    text = peek_metadata(path)
    if text is None:
        names = some(sorted(read_header(path).tensors)) or "none"
        raise wrong_kind(path, f"a safetensors file that relstitch did not write (its tensors: {names})", wanted)
    kind = _kind_in(text)
    if kind in KINDS:
        _check_kind(path, str(kind), wanted)
    file = read_tensors(path)
    kind = file.facts["kind"]
    if kind not in _READERS:
        raise damaged(path, f"{KINDS[str(kind)]} is no safetensors file")
    return _READERS[str(kind)](file), file


def _check_kind(path: Path, kind: str, wanted: tuple[str, ...]) -> None:
    if kind not in wanted:
        raise wrong_kind(path, KINDS[kind], wanted)


def wrong_kind(path: Path, found: str, wanted: tuple[str, ...]) -> ArtifactError:
    """The error for a file that is something else than was asked for."""
    way = _WAYS.get(wanted, "Datasets and ready-made vectors go through `relstitch encode` first.")
    expected = "a file of relstitch" if wanted == tuple(KINDS) else " or ".join(KINDS[kind] for kind in wanted)
    return ArtifactError(f"{path} is {found}; {expected} was expected. {way}")
