"""A trained decoder that can be kept, sent and used without the data it was trained on."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from numpy.typing import NDArray

from relstitch.artifacts.spaces import AnchorVectors, ProjectionSpec
from relstitch.artifacts.stamps import EncoderStamp


@dataclass(frozen=True, eq=False)
class Decoder:
    """What turns a representation into the answer.

    Attributes:
        method: One of `relstitch.names.DECODERS`.
        task: ``class``, ``multilabel``, ``real`` or ``image``.
        names: The class names, or the names of the target columns, in the order of the outputs; none
            for pictures, whose pixels are the outputs, row by row.
        arrays: The learned arrays, by name (what they are is the method's own matter).
        settings: What was chosen: regularisation, how it was chosen, seed …; ``picture`` is the shape
            [h, w, c] of what it draws.
        encoder: The encoder it was trained on; None for a decoder fitted on bare arrays.
        projection: The projection of the representations it was trained on; None: absolute embeddings.
        spaces: The encoders it is known to serve, each with the anchors' vectors in it; the first is its own.
    """

    method: str
    task: str
    names: tuple[str, ...]
    arrays: Mapping[str, NDArray[Any]]
    settings: Mapping[str, Any]
    encoder: EncoderStamp | None = None
    projection: ProjectionSpec | None = None
    spaces: tuple[tuple[EncoderStamp, AnchorVectors], ...] = field(default_factory=tuple)
