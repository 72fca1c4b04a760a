"""What kinds of items a model takes, found out without loading it."""

from collections.abc import Iterable, Mapping
from typing import Any

from relstitch.encoders.own_code import ReadJson
from relstitch.errors import EncoderError
from relstitch.names import Modality

WORDS: Mapping[Modality, str] = {
    "text": "texts",
    "image": "pictures",
    "vectors": "vectors",
    "graph": "nodes of a graph",
}


def configured_modalities(read: ReadJson) -> frozenset[Modality]:
    """What a sentence-transformers or transformers model takes, by its configuration files.

    Args:
        read: Reads a JSON file of the model by its path in it.

    Returns:
        Texts, pictures or both; texts where the files say nothing.
    """
    listed = read("modules.json")
    modules = [module for module in listed if isinstance(module, Mapping)] if isinstance(listed, list) else []
    places = dict.fromkeys(["", *(str(module.get("path", "")) for module in modules)])
    configs: list[Any] = [read(f"{place}/config.json" if place else "config.json") for place in places]
    keys = {key for config in configs if isinstance(config, Mapping) for key in config}
    clip = any(str(module.get("type", "")).endswith("CLIPModel") for module in modules)
    takes: set[Modality] = set()
    if clip or keys & {"vision_config", "image_size", "num_channels"}:
        takes.add("image")
    if clip or not takes or keys & {"text_config", "vocab_size"}:
        takes.add("text")
    return frozenset(takes)


def refuse_modality(text: str, takes: Iterable[Modality], modality: Modality) -> None:
    """Refuse items that a model does not take.

    Raises:
        EncoderError: The model and the items are of different kinds.
    """
    kinds = sorted(takes)
    if modality not in kinds:
        raise EncoderError(
            f"The model {text!r} takes {' or '.join(WORDS[kind] for kind in kinds)}, and these items are "
            f"{WORDS[modality]}. Choose a model for {WORDS[modality]}."
        )
