"""What an encoder is to the rest of relstitch, and the options it is loaded with."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from relstitch.artifacts import EncoderStamp
from relstitch.artifacts.graphs import Graph

DTYPES = {"fp32": "float32", "fp16": "float16", "bf16": "bfloat16"}
"""What a model can compute in, by the name the option takes. Vectors always come out as float32."""


@dataclass(frozen=True)
class EncoderOptions:
    """How a model is loaded.

    Attributes:
        device: ``cpu``, ``cuda``, ``cuda:1``, ``mps``; None takes the first of CUDA, MPS and CPU that is there.
        dtype: ``fp32``, ``fp16`` or ``bf16``; None leaves the model as its file has it.
        prompt: The exact string put before every text; None takes the model's own default, if it has one.
        max_length: Tokens read of each text; None takes the model's own.
        checkpoint: A local .pth or .safetensors file whose weights a ``timm:`` model is given.
        by_order: Let a checkpoint's weights be matched by their order where their names differ.
        trust_remote_code: Run code that comes with the model.
    """

    device: str | None = None
    dtype: str | None = None
    prompt: str | None = None
    max_length: int | None = None
    checkpoint: str | None = None
    by_order: bool = False
    trust_remote_code: bool = False


@dataclass(frozen=True, eq=False)
class EncodedBatch:
    """What an encoder gives for one batch of b items.

    Attributes:
        vectors: float32 [b, d].
        truncated: bool [b]: items that are longer than the model reads.
    """

    vectors: NDArray[np.float32]
    truncated: NDArray[np.bool_]


class Encoder(Protocol):
    """A frozen model that turns items into absolute embeddings.

    An encoder may also have ``notes``, a tuple of sentences that whoever uses it should read.
    """

    @property
    def stamp(self) -> EncoderStamp:
        """What decides the vectors. Its dimension is 0 as long as only the first batch can tell."""
        ...

    def encode(self, items: Sequence[Any]) -> EncodedBatch:
        """Embed one batch: texts, RGB pictures (`PIL.Image.Image`), rows of a matrix, or `GraphNodes`."""
        ...


@runtime_checkable
class Preparing(Protocol):
    """An encoder whose items can be made ready one by one, in other threads, while the model computes."""

    def prepare(self, item: Any) -> Any:
        """Make one item ready for `Encoder.encode`."""
        ...


class GraphEncoder(Protocol):
    """What ``python:module:factory`` has to give for a graph: anything with this one method.

    It may have ``modality`` and ``stamp``, as every encoder of a user's own.

    Example:
        >>> class Neighbours:
        ...     def encode_graph(self, graph):
        ...         sums = graph.features.copy()
        ...         source, target = graph.both_ways
        ...         np.add.at(sums, target, graph.features[source])
        ...         return sums
        >>> from relstitch.artifacts.graphs import Graph
        >>> graph = Graph(np.array([[0], [1]]), np.eye(2, dtype=np.float32), np.array(["a", "b"], dtype=object))
        >>> Neighbours().encode_graph(graph).tolist()
        [[1.0, 1.0], [1.0, 1.0]]
    """

    def encode_graph(self, graph: Graph) -> Any:
        """Embed every node of a graph: floats [n, d], numpy or torch, in the order of the nodes."""
        ...
