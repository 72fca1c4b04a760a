"""What a user writes after ``-m``: which model, and where it is."""

import difflib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from relstitch.encoders.protocol import DTYPES, EncoderOptions
from relstitch.errors import EncoderError, UsageError, some
from relstitch.names import Modality

ModelKind = Literal["timm", "st", "python"]
ALLOWED = (
    "timm:NAME, timm:hf-hub:USER/REPO, timm:local-dir:FOLDER, st:NAME_OR_FOLDER, python:MODULE:FACTORY, "
    "or a folder that holds a model"
)
_TIMM = re.compile(r"(?=.*[\d_.])[a-z][a-z0-9_]*(\.\w+)?")
"""How names look in timm: resnet18.a1_in1k."""
_OPTIONS: Mapping[ModelKind, tuple[str, ...]] = {
    "timm": ("device", "dtype", "checkpoint", "by_order"),
    "st": ("device", "dtype", "prompt", "max_length", "trust_remote_code"),
    "python": (),
}


@dataclass(frozen=True)
class ModelSpec:
    """A model as the user named it.

    Attributes:
        text: What was written.
        kind: Which library loads it.
        name: The name without the prefix: timm's or the hub's, or ``module:factory``.
        folder: The local folder it is in, or None.
        revision: The hub revision asked for with ``@``, or None.
    """

    text: str
    kind: ModelKind
    name: str
    folder: Path | None = None
    revision: str | None = None


def parse_spec(text: str) -> ModelSpec:
    """Read a model specification.

    Args:
        text: ``timm:NAME``, ``st:NAME_OR_FOLDER``, ``python:module:factory``, or a folder that says what it is.

    Returns:
        Which library loads what.

    Raises:
        EncoderError: It is none of these, or names a folder that is not there.

    Example:
        >>> parse_spec("timm:resnet18.a1_in1k")
        ModelSpec(text='timm:resnet18.a1_in1k', kind='timm', name='resnet18.a1_in1k', folder=None, revision=None)
    """
    prefix, colon, name = text.partition(":")
    if not colon or prefix not in _OPTIONS:
        return _from_folder(text)
    if not name:
        raise EncoderError(f"The model {text!r} has no name after {prefix}:. A model is {ALLOWED}.")
    if prefix == "timm":
        return _timm_spec(text, name)
    return _sentence_spec(text, name) if prefix == "st" else _python_spec(text, name)


def _from_folder(text: str) -> ModelSpec:
    folder = Path(text).expanduser()
    if not text or not folder.is_dir():
        raise EncoderError(_no_folder(text, folder))
    config = read_json(folder / "config.json")
    config = config if isinstance(config, dict) else {}
    if (folder / "modules.json").is_file() or "model_type" in config or "architectures" in config:
        return ModelSpec(text, "st", str(folder), folder)
    if "architecture" in config:
        return ModelSpec(text, "timm", f"local-dir:{folder}", folder)
    raise EncoderError(
        f"The folder {text} does not say what model it is: expected modules.json (sentence-transformers), or a "
        "config.json with 'model_type' (transformers) or 'architecture' (timm)."
    )


def _no_folder(text: str, folder: Path) -> str:
    """What to say of text without a prefix: a path, or a hub's name whose prefix was forgotten."""
    near = nearest_folder(folder) if text else None
    if not text or ":" in text or text.startswith("-") or folder.exists():
        return f"There is no model {text!r}. A model is {ALLOWED}."
    if _is_path(text) or text.count("/") > 1 or text.endswith("/") or ("/" in text and folder.parent.is_dir()):
        hint = f"Did you mean {near}?" if near else f"A model is {ALLOWED}."
        return f"There is no folder {text!r}. {hint}"
    hub = f"{'timm' if _TIMM.fullmatch(text) else 'st'}:{text}"
    return (
        f"There is no folder {text!r}, and a model of a hub is written st:NAME or timm:NAME: did you mean {hub}"
        f"{f', or the folder {near}' if near else ''}?"
    )


def nearest_folder(folder: Path) -> Path | None:
    """The existing folder whose path is most like one that does not exist; None where nothing is like it."""
    if folder.is_dir():
        return folder
    parent = None if folder.parent == folder else nearest_folder(folder.parent)
    try:
        names = [] if parent is None else sorted(entry.name for entry in parent.iterdir() if entry.is_dir())
    except OSError:
        return None
    near = difflib.get_close_matches(folder.name, names, n=1)
    return parent / near[0] if parent is not None and near else None


def _timm_spec(text: str, name: str) -> ModelSpec:
    source, colon, rest = name.partition(":")
    if colon and source in {"hf-hub", "hf_hub"} and rest:
        repo, _, revision = rest.partition("@")
        return ModelSpec(text, "timm", f"hf-hub:{repo}", revision=revision or None)
    path = rest if colon and source == "local-dir" else name
    if _is_path(path) or (colon and source == "local-dir") or Path(path).is_dir():
        folder = _existing_folder(text, path)
        return ModelSpec(text, "timm", f"local-dir:{folder}", folder)
    if colon:
        raise EncoderError(f"There is no model source {source!r} in {text!r}. A model is {ALLOWED}.")
    if "/" in name:
        repo, _, revision = name.partition("@")
        return ModelSpec(text, "timm", f"hf-hub:{repo}", revision=revision or None)
    return ModelSpec(text, "timm", name)


def _sentence_spec(text: str, name: str) -> ModelSpec:
    if Path(name).expanduser().is_dir() or _is_path(name) or name.count("/") > 1:
        folder = _existing_folder(text, name)
        return ModelSpec(text, "st", str(folder), folder)
    repo, _, revision = name.partition("@")
    return ModelSpec(text, "st", repo, revision=revision or None)


def _python_spec(text: str, name: str) -> ModelSpec:
    module, _, factory = name.partition(":")
    if not all(part.isidentifier() for part in (*module.split("."), *factory.split("."))):
        raise EncoderError(f"The model {text!r} is not python:MODULE:FACTORY, such as python:mymodule:make_encoder.")
    return ModelSpec(text, "python", name)


def _is_path(name: str) -> bool:
    return name.startswith((".", "/", "~", "\\"))


def _existing_folder(text: str, name: str) -> Path:
    folder = Path(name).expanduser()
    if not folder.is_dir():
        near = nearest_folder(folder)
        hint = f" Did you mean {text.removesuffix(name)}{near}?" if near else ""
        raise EncoderError(f"The model {text!r} names a folder that is not there: {folder}.{hint}")
    return folder


def read_json(path: Path) -> Any:
    """What a JSON file holds; an empty object where it is missing or is not JSON."""
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return {}


def check_options(spec: ModelSpec, options: EncoderOptions, modality: Modality) -> None:
    """Refuse options that would have no effect, before anything is loaded.

    Raises:
        UsageError: An option that this kind of model does not have, or an unknown dtype.
    """
    default = EncoderOptions()
    given = [name for name in default.__dataclass_fields__ if getattr(options, name) != getattr(default, name)]
    idle = [name for name in given if name not in _OPTIONS[spec.kind]]
    if idle:
        flags = some(f"--{name.replace('_', '-')}" for name in idle)
        raise UsageError(f"Leave out what has no effect on {spec.text!r}: {flags}.")
    if options.dtype is not None and options.dtype not in DTYPES:
        raise UsageError(f"There is no dtype {options.dtype!r}. Choose one of: {', '.join(DTYPES)}.")
    if options.by_order and options.checkpoint is None:
        raise UsageError("--by-order matches the weights of a checkpoint: give one with --checkpoint.")
    if modality == "image" and (options.prompt is not None or options.max_length is not None):
        raise UsageError("--prompt and --max-length are about texts, and these items are pictures: leave them out.")
    if options.max_length is not None and options.max_length < 1:
        raise UsageError(f"--max-length is {options.max_length}; at least 1 token must be read.")
