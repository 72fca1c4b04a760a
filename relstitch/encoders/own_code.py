"""Models that bring code of their own: named and refused unless the user trusts it."""

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from relstitch.encoders.spec import read_json
from relstitch.errors import EncoderError, some

_CONFIGS = ("config.json", "tokenizer_config.json", "processor_config.json", "preprocessor_config.json")
_OURS = "sentence_transformers."
ReadJson = Callable[[str], Any]


def refuse_own_code(text: str, read: ReadJson, *, trusted: bool) -> None:
    """Refuse a model, local or not, that runs code which comes with it. Nothing is asked and nothing is run.

    Args:
        text: What the user wrote, for the message.
        read: Reads a JSON file of the model by its path in it; something empty where there is none.
        trusted: Whether ``--trust-remote-code`` was given.

    Raises:
        EncoderError: It does, and it is not trusted.
    """
    found = [] if trusted else list(own_code(read))
    if found:
        raise EncoderError(
            f"The model {text!r} wants to run code of its own: {some(found)}. Read that code first; "
            "--trust-remote-code lets it run."
        )


def own_code(read: ReadJson) -> Iterator[str]:
    """Name the places where a model asks for code that is no part of sentence-transformers or transformers."""
    listed = read("modules.json")
    modules = [module for module in listed if isinstance(module, Mapping)] if isinstance(listed, list) else []
    for module in modules:
        if not str(module.get("type", "")).startswith(_OURS):
            yield f"{module.get('type')} (modules.json)"
    folders = dict.fromkeys(["", *(str(module.get("path", "")) for module in modules)])
    for folder in folders:
        prefix = f"{folder}/" if folder else ""
        for name in _CONFIGS:
            config = read(prefix + name)
            if isinstance(config, Mapping) and config.get("auto_map"):
                yield f"auto_map ({prefix}{name})"
        router = read(prefix + "router_config.json")
        types = router.get("types", {}) if isinstance(router, Mapping) else {}
        for type_name in types.values() if isinstance(types, Mapping) else ():
            if not str(type_name).startswith(_OURS):
                yield f"{type_name} ({prefix}router_config.json)"


def reader(folder: Path) -> ReadJson:
    """Reads the JSON files of a local model."""
    return lambda name: read_json(folder / name)
