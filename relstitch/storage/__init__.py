"""Artifacts to files and back: versioned, checked by checksums, whole or absent. The only user of safetensors."""

from relstitch.storage.files import (
    Artifact,
    load,
    load_anchors,
    load_decoder,
    load_embeddings,
    load_map,
    load_relative,
    load_spaces,
    load_translator,
    peek,
    save,
)
from relstitch.storage.inspection import Inspection, inspect
from relstitch.storage.metadata import FORMAT
from relstitch.storage.output import check_output
from relstitch.storage.raw_vectors import embeddings_from_vectors, load_vectors

__all__ = [
    "FORMAT",
    "Artifact",
    "Inspection",
    "check_output",
    "embeddings_from_vectors",
    "inspect",
    "load",
    "load_anchors",
    "load_decoder",
    "load_embeddings",
    "load_map",
    "load_relative",
    "load_spaces",
    "load_translator",
    "load_vectors",
    "peek",
    "save",
]
