"""Encoders: frozen models from timm, sentence-transformers or the user's own Python, behind one protocol."""

from relstitch.encoders.devices import free_memory, is_out_of_memory
from relstitch.encoders.loading import load_encoder, modality_of
from relstitch.encoders.protocol import EncodedBatch, Encoder, EncoderOptions, Preparing

__all__ = [
    "EncodedBatch",
    "Encoder",
    "EncoderOptions",
    "Preparing",
    "free_memory",
    "is_out_of_memory",
    "load_encoder",
    "modality_of",
]
