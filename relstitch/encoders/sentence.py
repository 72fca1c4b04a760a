"""Encoders from sentence-transformers: texts, and pictures for the CLIP family."""

import os
import re
from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from relstitch.artifacts import EncoderStamp
from relstitch.encoders.devices import resolve_device
from relstitch.encoders.hub import find_model, hub_cache
from relstitch.encoders.libraries import import_library, offline, quiet, versions
from relstitch.encoders.modalities import configured_modalities, refuse_modality
from relstitch.encoders.own_code import ReadJson, reader, refuse_own_code
from relstitch.encoders.protocol import DTYPES, EncodedBatch, EncoderOptions
from relstitch.encoders.spec import ModelSpec
from relstitch.encoders.weights import state_sha256
from relstitch.errors import EncoderError, summary
from relstitch.names import Modality

_PROMPTS = {
    "e5": "'query: ' or 'passage: '",
    "bge": "for queries, 'Represent this sentence for searching relevant passages: '",
    "nomic": "'classification: ', 'clustering: ', 'search_document: ' or 'search_query: '",
}
_ENDLESS = 10**9
"""Tokenizers without a limit state one with thirty digits."""


@dataclass(frozen=True)
class _Place:
    """Where a model is loaded from: a local folder, or the hub."""

    path: str
    read: ReadJson
    connect: bool
    revision: str | None = None


class SentenceEncoder:
    """A sentence-transformers model, frozen."""

    def __init__(self, model: Any, stamp: EncoderStamp, notes: tuple[str, ...]) -> None:
        self._model, self._stamp, self.notes = model, stamp, notes

    @property
    def stamp(self) -> EncoderStamp:
        """What decides the vectors."""
        return self._stamp

    def encode(self, items: Sequence[Any]) -> EncodedBatch:
        """Embed texts or pictures: float32 [b, d]."""
        listed = list(items)
        if self._stamp.modality == "image":
            return EncodedBatch(_embed(self._model, listed, None), np.zeros(len(listed), dtype=np.bool_))
        prompt = self._stamp.prompt or ""
        return EncodedBatch(_embed(self._model, listed, prompt), self._too_long([prompt + text for text in listed]))

    def _too_long(self, texts: list[str]) -> NDArray[np.bool_]:
        limit, tokenizer = self._stamp.max_length, getattr(self._model, "tokenizer", None)
        if limit is None or not callable(tokenizer):
            return np.zeros(len(texts), dtype=np.bool_)
        tokens = tokenizer(texts, truncation=False, padding=False, verbose=False)["input_ids"]
        return np.array([len(ids) > limit for ids in tokens], dtype=np.bool_)


def _embed(model: Any, items: list[Any], prompt: str | None) -> NDArray[np.float32]:
    vectors = model.encode(
        items, prompt=prompt, batch_size=len(items), show_progress_bar=False, convert_to_numpy=True
    )
    return np.ascontiguousarray(vectors, dtype=np.float32)


def load_sentence(spec: ModelSpec, modality: Modality, options: EncoderOptions) -> SentenceEncoder:
    """Load a text (or CLIP) encoder from a local folder, the cache or the hub.

    Args:
        spec: Which model.
        modality: ``text`` or ``image``.
        options: Device, dtype, prompt, max length, trust.

    Raises:
        EncoderError: No such model, no connection, items of the wrong kind, code of its own, or a model that does not
            give one vector per text.
    """
    place = _place(spec)
    refuse_own_code(spec.text, place.read, trusted=options.trust_remote_code)
    refuse_modality(spec.text, configured_modalities(place.read), modality)
    with nullcontext() if place.connect else offline():
        import_library("sentence_transformers")
        device = resolve_device(options.device)
        with quiet():
            model = _load(spec, place, device, options).eval().requires_grad_(requires_grad=False)
            digest = state_sha256(model.state_dict())
            if options.dtype is not None:
                model = model.to(getattr(import_library("torch"), DTYPES[options.dtype]))
            prompt = _prompt(model, options) if modality == "text" else None
            if modality == "text":
                _try_text(spec, model, options.max_length)
    stamp = EncoderStamp(
        spec.text,
        modality,
        int(model.get_embedding_dimension() or 0),
        revision=place.revision,
        weights_sha256=digest,
        pooling=_pooling(model),
        prompt=prompt,
        preprocessing=_preprocessing(model, modality),
        max_length=_max_length(model) if modality == "text" else None,
        dtype=_dtype(model),
        normalized=type(model[-1]).__name__ == "Normalize",
        libraries=versions("sentence-transformers", "transformers", "tokenizers", "torch"),
    )
    notes = _notes(spec, place, stamp, model) if modality == "text" else ()
    return SentenceEncoder(model, stamp, notes)


def _place(spec: ModelSpec) -> _Place:
    if spec.folder is not None:
        return _Place(str(spec.folder), reader(spec.folder), connect=False)
    # sentence-transformers completes a bare name with its own organisation.
    repos = [spec.name] if "/" in spec.name else [f"sentence-transformers/{spec.name}", spec.name]
    own_cache = os.environ.get("SENTENCE_TRANSFORMERS_HOME")
    cache = Path(own_cache) if own_cache else hub_cache()
    found = find_model(spec.text, repos, spec.revision, cache)
    path = found.repo if found.snapshot is None else str(found.snapshot)
    return _Place(path, found.read, connect=found.snapshot is None, revision=found.commit)


def _load(spec: ModelSpec, place: _Place, device: str, options: EncoderOptions) -> Any:
    build = import_library("sentence_transformers").SentenceTransformer
    try:
        model = build(
            place.path,
            device=device,
            trust_remote_code=options.trust_remote_code,
            revision=place.revision if place.connect else None,
            local_files_only=not place.connect,
        )
    except Exception as error:
        raise EncoderError(f"The model {spec.text!r} can't be loaded: {summary(error)}") from error
    if options.max_length is not None:
        model.max_seq_length = options.max_length
    return model


def _prompt(model: Any, options: EncoderOptions) -> str | None:
    """The exact string put before every text; None for none."""
    if options.prompt is not None:
        return options.prompt or None
    return model.prompts.get(model.default_prompt_name) or None


def _try_text(spec: ModelSpec, model: Any, max_length: int | None) -> None:
    """See whether the model gives one vector per text, knows words, and reads as many tokens as it was told to."""
    tokenizer = getattr(model, "tokenizer", None)
    special = set(getattr(tokenizer, "all_special_ids", ()))
    # Where its files are missing, transformers makes a tokenizer without words, and says nothing.
    if special and tokenizer is not None and len(tokenizer) <= len(special):
        raise EncoderError(
            f"The model {spec.text!r} has a tokenizer without a vocabulary: all texts would be alike. Fetch the "
            "files of its tokenizer too (tokenizer.json, vocab.txt …)."
        )
    try:
        shape = list(_embed(model, ["a " * (max_length or 1)], "").shape)
    except Exception as error:
        wish = f" of {max_length} tokens" if max_length else ""
        raise EncoderError(f"The model {spec.text!r} does not embed a text{wish}: {summary(error)}") from error
    width = model.get_embedding_dimension()
    if shape != [1, width]:
        raise EncoderError(
            f"The model {spec.text!r} gives an array of shape {shape} for one text; expected [1, {width}]."
        )


def _pooling(model: Any) -> str:
    pooled = [module.pooling_mode for module in model if type(module).__name__ == "Pooling"]
    modes = [mode if isinstance(mode, str) else "+".join(mode) for mode in pooled]
    return " ".join(modes) or "the model's own"


def _dtype(model: Any) -> str:
    """What the model computes in; float32 where it has no weights (counts of words)."""
    found = next((p.dtype for p in model.parameters() if p.is_floating_point()), "float32")
    return str(found).removeprefix("torch.")


def _max_length(model: Any) -> int | None:
    limit = getattr(model, "max_seq_length", None)
    return int(limit) if limit is not None and limit < _ENDLESS else None


def _preprocessing(model: Any, modality: Modality) -> Mapping[str, Any]:
    if modality == "text":
        # Pooling that leaves the prompt's tokens out gives other vectors.
        return {"pool_prompt": False} if any(getattr(m, "include_prompt", True) is False for m in model) else {}
    processor: Any = getattr(model[0], "processor", None)
    settings: Any = getattr(processor, "image_processor", processor)
    values = settings.to_dict() if settings is not None and hasattr(settings, "to_dict") else {}
    plain = (str, int, float, bool, list, tuple, dict)
    kept = {key: value for key, value in values.items() if isinstance(value, plain) and not key.startswith("_")}
    return {key: list(value) if isinstance(value, tuple) else value for key, value in kept.items()}


def _notes(spec: ModelSpec, place: _Place, stamp: EncoderStamp, model: Any) -> tuple[str, ...]:
    notes = []
    if not place.read("modules.json") and any(type(module).__name__ == "Pooling" for module in model):
        notes.append(
            f"{spec.text} has no pooling configuration (modules.json): the {stamp.pooling} over its tokens is taken. "
            "If the model was trained with another pooling, its vectors are worse than they need be."
        )
    family = _family(spec, place)
    if family is not None and stamp.prompt is None:
        notes.append(
            f"{spec.text} looks like a model of the {family} family, which was trained with a prompt before every "
            f"text ({_PROMPTS[family]}), and none is given. Give the exact string with --prompt."
        )
    return tuple(notes)


def _family(spec: ModelSpec, place: _Place) -> str | None:
    config = place.read("config.json")
    named = str(config.get("_name_or_path", "")) if isinstance(config, Mapping) else ""
    for name in (Path(spec.name).name.lower(), Path(named).name.lower()):
        found = re.search(r"(?:^|[-_.])(e5|bge|nomic)(?:[-_.]|$)", name)
        # bge-m3 was trained without prompts.
        if found and "bge-m3" not in name:
            return found.group(1)
    return None
