"""The user's own encoders: ``python:module:factory``, anything with an ``encode`` or ``encode_graph`` method."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from relstitch.artifacts import EncoderStamp
from relstitch.artifacts.graphs import GraphNodes
from relstitch.encoders.devices import is_out_of_memory
from relstitch.encoders.libraries import versions
from relstitch.encoders.modalities import WORDS, refuse_modality
from relstitch.encoders.protocol import EncodedBatch
from relstitch.encoders.spec import ModelSpec
from relstitch.errors import EncoderError
from relstitch.names import Modality
from relstitch.user_code import made_by, plain_array, running


class CustomEncoder:
    """What a user's factory made, with its output checked."""

    notes: tuple[str, ...] = ()

    def __init__(self, spec: ModelSpec, model: Any, stamp: EncoderStamp) -> None:
        self._spec, self._model, self._stamp = spec, model, stamp

    @property
    def stamp(self) -> EncoderStamp:
        """What decides the vectors; its dimension is 0 before the first batch."""
        return self._stamp

    def encode(self, items: Sequence[Any] | GraphNodes) -> EncodedBatch:
        """Embed one batch: float32 [b, d], with the user's ``encode``, or ``encode_graph`` for nodes of a graph.

        That is given the whole graph and gives a vector for each of its nodes, of which those of the batch are taken.
        """
        if isinstance(items, GraphNodes):
            vectors = self._embed("encode_graph", items.graph, ("node", len(items.graph)))[items.nodes]
        else:
            vectors = self._embed("encode", _as_given(items), ("item", len(items)))
        return EncodedBatch(vectors, np.zeros(len(vectors), dtype=np.bool_))

    def _embed(self, method: str, items: Any, expected: tuple[str, int]) -> NDArray[np.float32]:
        with _user_code(self._spec, method):
            vectors = plain_array(getattr(self._model, method)(items))
        self._check(method, vectors, expected)
        self._stamp = replace(self._stamp, dimension=vectors.shape[1])
        # What does not fit into float32 becomes infinite, and such rows are refused by id.
        with np.errstate(over="ignore"):
            return np.ascontiguousarray(vectors, dtype=np.float32)

    def _check(self, method: str, vectors: NDArray[Any], expected: tuple[str, int]) -> None:
        what, n = expected
        width = self._stamp.dimension or None
        found = f"{vectors.dtype} of shape {list(vectors.shape)}"
        if vectors.ndim != 2 or len(vectors) != n or not vectors.shape[1] or vectors.dtype.kind != "f":
            raise EncoderError(
                f"{self._spec.text}: {method} gave {found} for {n} {what}s; expected floats, one row per {what}, "
                f"[{n}, d]."
            )
        if width is not None and vectors.shape[1] != width:
            raise EncoderError(
                f"{self._spec.text}: {method} gave {found}; the batches before were {width} wide. Every batch must "
                "have the same width."
            )


def _as_given(items: Any) -> Any:
    return items if isinstance(items, np.ndarray) else list(items)


def load_custom(spec: ModelSpec, modality: Modality) -> CustomEncoder:
    """Import a module of the user's, found in the working directory too, and call its factory.

    Args:
        spec: ``python:module:factory``.
        modality: What its ``encode`` will be given: a list of texts, a list of RGB pictures, or a matrix. ``graph``:
            its ``encode_graph`` will be given a `relstitch.artifacts.graphs.Graph`.

    Raises:
        EncoderError: It fails, gives nothing with such a method, or takes other items.
    """
    module, factory_name, model = made_by(spec.text, EncoderError, spare=is_out_of_memory)
    method = "encode_graph" if modality == "graph" else "encode"
    if not callable(getattr(model, method, None)):
        raise EncoderError(
            f"{spec.text}: {factory_name}() gave a thing of type {type(model).__name__}, which has no {method} "
            "method."
        )
    declared = getattr(model, "modality", None)
    if declared is not None:
        refuse_modality(spec.text, _modalities(spec, declared), modality)
    stamp = EncoderStamp(spec.text, modality, 0, extra=_extra(spec, module, model), libraries=versions("numpy"))
    return CustomEncoder(spec, model, stamp)


def _modalities(spec: ModelSpec, declared: Any) -> frozenset[Modality]:
    kinds: set[Any] = {declared} if isinstance(declared, str) else set(declared)
    unknown = [kind for kind in kinds if kind not in WORDS]
    if unknown:
        raise EncoderError(f"{spec.text}: its modality is {unknown[0]!r}; expected one of {', '.join(WORDS)}.")
    return frozenset(kinds)


def _extra(spec: ModelSpec, module: Any, model: Any) -> Mapping[str, Any]:
    """What the encoder says of itself; where it says nothing, the hash of its source tells versions apart."""
    if not hasattr(model, "stamp"):
        source = getattr(module, "__file__", None)
        digest = hashlib.sha256(Path(source).read_bytes()).hexdigest() if source and Path(source).is_file() else None
        return {"source_sha256": digest}
    with _user_code(spec, "stamp()"):
        said = model.stamp() if callable(model.stamp) else model.stamp
    try:
        if isinstance(said, Mapping):
            values: Mapping[str, Any] = json.loads(json.dumps(dict(said), allow_nan=False))
            return values
    except (TypeError, ValueError) as error:
        raise EncoderError(f"{spec.text}: stamp() holds something JSON has no word for: {error}.") from error
    raise EncoderError(f"{spec.text}: stamp() gave a thing of type {type(said).__name__}; expected a dict.")


def _user_code(spec: ModelSpec, what: str) -> AbstractContextManager[None]:
    return running(spec.text, what, EncoderError, spare=is_out_of_memory)
