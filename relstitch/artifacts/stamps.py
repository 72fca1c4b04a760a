"""The stamp of an encoder: everything that decides what vectors it gives."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from functools import cached_property
from typing import Any

CARRIED_FROM = "carried_from"
"""Key in `EncoderStamp.extra` of rows that were carried over. No part of the identity: where they are now is."""


@dataclass(frozen=True)
class EncoderStamp:
    """Which encoder made a file's vectors, so that two of them are never mistaken for each other.

    Attributes:
        spec: What the user wrote: ``timm:resnet18``, ``st:folder``, ``python:module:factory``, or ``vectors:FILE``
            for vectors that came ready-made.
        modality: ``text``, ``image``, ``vectors`` or ``graph``.
        dimension: The width d of its embeddings.
        revision: The resolved revision (a hub commit), where there is one.
        weights_sha256: SHA-256 over the names and values of the weights, where they can be seen.
        pooling: How one vector is made of many (``mean``, ``cls``, ``avg`` …).
        prompt: The exact string put before every text.
        preprocessing: Input size, crop, interpolation, mean, standard deviation … as used.
        max_length: Tokens read of each text.
        dtype: What the model computed in.
        normalized: Whether the encoder itself scales its vectors to length 1.
        extra: What a ``python:`` encoder says of itself through ``stamp()``.
        libraries: Versions of the libraries that took part. Recorded, but no part of the identity.
    """

    spec: str
    modality: str
    dimension: int
    revision: str | None = None
    weights_sha256: str | None = None
    pooling: str | None = None
    prompt: str | None = None
    preprocessing: Mapping[str, Any] = field(default_factory=dict)
    max_length: int | None = None
    dtype: str = "float32"
    normalized: bool = False
    extra: Mapping[str, Any] = field(default_factory=dict)
    libraries: Mapping[str, str] = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        """The stamp as plain JSON values."""
        return json.loads(json.dumps(asdict(self)))  # type: ignore[no-any-return]

    @staticmethod
    def from_json(values: Mapping[str, Any]) -> "EncoderStamp":
        """The stamp that `to_json` wrote; unknown keys of a newer version are left out."""
        known = EncoderStamp.__dataclass_fields__
        return EncoderStamp(**{key: value for key, value in values.items() if key in known})

    @cached_property
    def identity(self) -> str:
        """SHA-256 over what decides the vectors; where the weights are known, not the place they came from."""
        values = self.to_json()
        del values["libraries"]
        values["extra"].pop(CARRIED_FROM, None)
        if self.weights_sha256 is not None:
            del values["spec"], values["revision"]
        return hashlib.sha256(json.dumps(values, sort_keys=True).encode()).hexdigest()
