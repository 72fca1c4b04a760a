"""Translator and hub files: what stands where in each."""

from relstitch.artifacts import Hub, Translator
from relstitch.names import TRANSLATORS
from relstitch.storage.anchor_layout import lay_arrays, lay_spaces, read_arrays, read_spaces
from relstitch.storage.metadata import damaged, entry, one_of
from relstitch.storage.row_layout import Layout
from relstitch.storage.tensors import TensorFile


def lay_translator(artifact: Translator) -> Layout:
    """A translator file: its arrays, and source and target of every step with the anchors in each."""
    spaces = lay_spaces(artifact.spaces)
    facts = {"kind": "translator", "method": artifact.method, "settings": artifact.settings, **spaces.facts}
    return Layout({**lay_arrays(artifact.arrays), **spaces.tensors}, facts)


def read_translator(file: TensorFile) -> Translator:
    """The translator in a file of ours."""
    path, facts = file.path, file.facts
    method = entry(path, facts, "method", str)
    for name in method.split("+"):
        one_of(path, {"method": name}, "method", TRANSLATORS)
    spaces = read_spaces(file)
    stamps = [stamp for stamp, _ in spaces]
    if len(stamps) < 2 or len(stamps) % 2 or stamps[1:-1:2] != stamps[2:-1:2]:
        raise damaged(path, f"its {len(stamps)} spaces are not the source and the target of one step after another")
    return Translator(
        method=method, source=stamps[0], target=stamps[-1], arrays=read_arrays(file),
        settings=entry(path, facts, "settings", dict), anchors=tuple(anchors for _, anchors in spaces),
        through=tuple(stamps[1:-1:2]),
    )  # fmt: skip


def lay_hub(artifact: Hub) -> Layout:
    """A hub file: its arrays, and the encoders that meet in it with the anchors in each."""
    spaces = lay_spaces(artifact.encoders)
    facts = {"kind": "hub", "settings": artifact.settings, **spaces.facts}
    return Layout({**lay_arrays(artifact.arrays), **spaces.tensors}, facts)


def read_hub(file: TensorFile) -> Hub:
    """The hub in a file of ours."""
    return Hub(read_spaces(file), read_arrays(file), entry(file.path, file.facts, "settings", dict))
