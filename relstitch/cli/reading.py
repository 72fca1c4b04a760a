"""From a verb's options to what the rooms take."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from relstitch.errors import UsageError, counted, some

_SPELLED: Mapping[str | None, str] = {"\\t": "\t", "tab": "\t"}
"""How a sign is written that a shell does not let through easily."""


def read_options(given: Mapping[str, Any]) -> Any:
    """The `ReadOptions` among a verb's own parameters (its ``locals()``)."""
    from relstitch.dataset import ReadOptions

    plain = ("text", "image", "label", "split", "count", "encoding", "header", "quotes", "label_separator",
             "limit", "on_empty", "on_bad", "allow_outside")  # fmt: skip
    values = {name: given[name] for name in plain}
    target = tuple(given.get("target") or ())
    delimiter = _SPELLED.get(given["delimiter"], given["delimiter"])
    return ReadOptions(**values, delimiter=delimiter, id=given["id_"], format=given["format_"], target=target)


def encoder_options(given: Mapping[str, Any]) -> Any:
    """The `EncoderOptions` among a verb's own parameters."""
    from relstitch.encoders import EncoderOptions

    names = ("device", "dtype", "prompt", "max_length", "by_order", "trust_remote_code")
    checkpoint = given["checkpoint"]
    return EncoderOptions(
        **{name: given[name] for name in names}, checkpoint=None if checkpoint is None else str(checkpoint)
    )


def open_sides(sources: Sequence[str], names: Sequence[str] | None, read: Any) -> dict[str, Any]:
    """What anchors are picked from: one source under the name ``main``, or one per domain in the order of `names`."""
    from relstitch.dataset import Dataset
    from relstitch.encoding.sources import open_source, ready_vectors
    from relstitch.report import tell

    if names is not None and len(sources) != len(names):
        raise UsageError(
            f"{counted(len(sources), 'source was', 'sources were')} given for the {counted(len(names), 'column')} of "
            f"the pairs ({some(names)}); expected one source a column, in that order."
        )
    groups = {"main": list(sources)} if names is None else {n: [s] for n, s in zip(names, sources, strict=True)}
    sides: dict[str, Any] = {}
    for name, group in groups.items():
        opened = open_source(group, read)
        for note in opened.notes if isinstance(opened, Dataset) else ():
            tell(note)
        if not isinstance(opened, Dataset):
            sides[name] = opened
        else:
            sides[name] = ready_vectors(opened) if opened.modality == "vectors" else opened.rows
    return sides


def open_encoders(sources: Sequence[str], read: Any) -> dict[str, Any]:
    """Several embeddings files by their short names; nothing where the sources are anything else."""
    from relstitch import storage
    from relstitch.encoding.sources import open_source

    files = [Path(source) for source in sources]
    if len(files) < 2 or not all(file.is_file() and storage.peek(file) is not None for file in files):
        return {}
    names = distinct_names(files)
    if "main" in names:
        names = list(sources)
    return {name: open_source([source], read) for name, source in zip(names, sources, strict=True)}


def display_names(files: Sequence[Path]) -> list[str]:
    """Short names for files: the stem, with as much of the folder as it takes to tell them apart.

    Example:
        >>> display_names([Path("a/minilm.safetensors"), Path("b/minilm.safetensors")])
        ['a/minilm', 'b/minilm']
    """
    parts = [[*file.parts[:-1], file.stem] for file in files]
    depth = 1
    while depth < max(map(len, parts)) and len({tuple(p[-depth:]) for p in parts}) < len({tuple(p) for p in parts}):
        depth += 1
    return ["/".join(part[-depth:]) for part in parts]


def distinct_names(files: Sequence[Path]) -> list[str]:
    """Short names, or whole paths where one folder holds one stem under two suffixes (x.npz, x.safetensors).

    Example:
        >>> distinct_names([Path("a/x.npz"), Path("a/x.safetensors")])
        ['a/x.npz', 'a/x.safetensors']
    """
    names = display_names(files)
    return names if len(set(names)) == len(names) else [path.as_posix() for path in files]


def check_one_form(*, json: bool, markdown: bool) -> None:
    """Refuse two forms of one output."""
    if json and markdown:
        raise UsageError("--json and --markdown are two forms of one output; give one of them.")


def open_spaces(files: Mapping[str, Path]) -> dict[str, Any]:
    """Embeddings and relative files by name; vectors of other formats become embeddings of an unknown encoder."""
    from relstitch import storage
    from relstitch.dataset import Dataset, ReadOptions
    from relstitch.encoding.sources import open_source, ready_vectors

    spaces: dict[str, Any] = {}
    for name, path in files.items():
        if not path.is_file() or storage.peek(path) is not None:
            spaces[name] = storage.load_spaces(path)
            continue
        opened = open_source([str(path)], ReadOptions())
        if isinstance(opened, Dataset):
            if opened.modality != "vectors":
                raise UsageError(
                    f"{path} holds items that are not encoded yet; encode it first with relstitch encode."
                )
            opened = ready_vectors(opened)
        spaces[name] = opened
    return spaces


def read_label_map(path: Path | None) -> dict[str, str]:
    """Class name → the name it is to be read as, from a JSON object."""
    import json

    if path is None:
        return {}
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
    except (ValueError, RecursionError) as error:
        raise UsageError(f'{path} is no JSON ({error}); expected an object such as {{"dog": "canine"}}.') from None
    if not isinstance(values, dict) or not all(isinstance(value, str) for value in values.values()):
        raise UsageError(f'{path} holds other JSON than expected; expected an object such as {{"dog": "canine"}}.')
    return values
