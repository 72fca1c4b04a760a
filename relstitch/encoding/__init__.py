"""Data set × encoder → embeddings, and, with anchors, relative representations."""

from relstitch.encoding.batches import EmbedOptions
from relstitch.encoding.embedding import embed
from relstitch.encoding.jobs import EncodeOptions
from relstitch.encoding.planning import EncodingPlan, plan_encoding
from relstitch.encoding.verb import encode

__all__ = ["EmbedOptions", "EncodeOptions", "EncodingPlan", "embed", "encode", "plan_encoding"]
