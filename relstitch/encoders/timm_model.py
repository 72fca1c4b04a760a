"""Image encoders from timm: the model's own preprocessing, its pooled features before the classifier."""

import difflib
from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import numpy as np

from relstitch.artifacts import EncoderStamp
from relstitch.encoders.devices import resolve_device
from relstitch.encoders.hub import find_model, hub_cache, unreachable
from relstitch.encoders.libraries import import_library, offline, quiet, versions
from relstitch.encoders.protocol import DTYPES, EncodedBatch, EncoderOptions
from relstitch.encoders.spec import ModelSpec
from relstitch.encoders.weights import match_weights, read_checkpoint, state_sha256, unwrap_names
from relstitch.errors import EncoderError, some, summary

if TYPE_CHECKING:
    from torch import Tensor

_COLOURS = {1: "L", 3: "RGB"}


class TimmEncoder:
    """A timm model, frozen, with the preprocessing it was trained with."""

    notes: tuple[str, ...] = ()

    def __init__(self, model: Any, stamp: EncoderStamp, transform: Any, device: str) -> None:
        self._model, self._stamp, self._transform, self._device = model, stamp, transform, device
        self._colours = _COLOURS[stamp.preprocessing["input_size"][0]]

    @property
    def stamp(self) -> EncoderStamp:
        """What decides the vectors."""
        return self._stamp

    def prepare(self, item: Any) -> "Tensor":
        """Make the tensor [channels, height, width] of one RGB picture."""
        tensor: Tensor = self._transform(item.convert(self._colours))
        return tensor

    def encode(self, items: Sequence[Any]) -> EncodedBatch:
        """Embed pictures, as they are or prepared: pooled features, float32 [b, d]."""
        import torch

        ready = [item if isinstance(item, torch.Tensor) else self.prepare(item) for item in items]
        pooled = _features(self._model, torch.stack(ready), self._device)
        return EncodedBatch(pooled.float().cpu().numpy(), np.zeros(len(items), dtype=np.bool_))


def _features(model: Any, pictures: "Tensor", device: str) -> "Tensor":
    """Pooled features before the classifier, [b, d]."""
    import torch

    dtype = next(model.parameters()).dtype
    with torch.inference_mode():
        maps = model.forward_features(pictures.to(device=device, dtype=dtype))
        pooled: Tensor = model.forward_head(maps, pre_logits=True)
    return pooled


@dataclass(frozen=True)
class _Origin:
    model: Any
    revision: str | None = None


def load_timm(spec: ModelSpec, options: EncoderOptions) -> TimmEncoder:
    """Load an image encoder from the hub, a local folder or a checkpoint.

    Args:
        spec: Which model.
        options: Device, dtype, checkpoint.

    Raises:
        EncoderError: Unknown name, no weights, weights that do not fit, no connection, or features that are not one
            vector a picture.
    """
    import_library("timm")
    device = resolve_device(options.device)
    with quiet():
        origin = _origin(spec, options)
        model = origin.model.eval().requires_grad_(requires_grad=False)
        digest = state_sha256(_body(model))
        if options.dtype is not None:
            model = model.to(getattr(import_library("torch"), DTYPES[options.dtype]))
        model = model.to(device)
        preprocessing = _preprocessing(spec, model)
        width = _width(spec, model, preprocessing["input_size"], device)
    stamp = EncoderStamp(
        spec.text,
        "image",
        width,
        revision=origin.revision,
        weights_sha256=digest,
        pooling=_pooling(model),
        preprocessing=preprocessing,
        dtype=str(next(model.parameters()).dtype).removeprefix("torch."),
        libraries=versions("timm", "torch", "torchvision", "pillow"),
    )
    transform = import_library("timm.data").create_transform(**preprocessing, is_training=False)
    return TimmEncoder(model, stamp, transform, device)


def _origin(spec: ModelSpec, options: EncoderOptions) -> _Origin:
    if options.checkpoint is not None:
        return _from_checkpoint(spec, options.checkpoint, by_order=options.by_order)
    # A folder's weights are read by us: before 1.0.26 timm unpickles what it finds there.
    return _build(spec, pretrained=True) if spec.folder is None else _from_checkpoint(spec, _weights_in(spec.folder))


def _weights_in(folder: Path) -> str:
    """The file of a folder's weights: safetensors before anything else, the usual name before others."""
    found = sorted(
        (file for file in folder.iterdir() if file.suffix in {".safetensors", ".bin", ".pth", ".pt"}),
        key=lambda file: (file.suffix != ".safetensors", file.stem not in {"model", "pytorch_model"}, file.name),
    )
    if not found:
        raise EncoderError(f"The folder {folder} holds no weights; expected model.safetensors or pytorch_model.bin.")
    return str(found[0])


def _build(spec: ModelSpec, *, pretrained: bool) -> _Origin:
    """Build the model, with its published weights if they are wanted, connecting to a hub only where it must."""
    if spec.folder is not None:
        return _Origin(_create(spec, connect=False, pretrained=False))
    prefix, colon, repo = spec.name.partition(":")
    url = ""
    if not colon:
        config = _registered(spec, pretrained=pretrained)
        repo, url = config.get("hf_hub_id") or "", config.get("url") or ""
    if not pretrained and prefix != "hf-hub":
        return _Origin(_create(spec, connect=False, pretrained=False))
    if not repo:
        return _Origin(_create(spec, connect=_must_fetch(spec, url), pretrained=True))
    cache = hub_cache()
    found = find_model(spec.text, [repo], spec.revision, cache)
    model = _create(spec, connect=found.snapshot is None, pretrained=pretrained, cache_dir=str(cache))
    return _Origin(model, found.commit)


def _registered(spec: ModelSpec, *, pretrained: bool) -> Mapping[str, Any]:
    """What timm itself says of a model it knows by name."""
    timm = import_library("timm")
    architecture, _, tag = spec.name.partition(".")
    if not timm.is_model(architecture):
        near = timm.list_models(f"*{architecture}*") or difflib.get_close_matches(architecture, timm.list_models())
        raise EncoderError(f"timm has no model {architecture!r}. Near it: {some(near) or 'none'}.")
    # Asking timm for a tag that it does not have is an error of its own kind; its list of tags says the same.
    known = not tag or spec.name in timm.list_pretrained(f"{architecture}.*")
    config = timm.models.get_pretrained_cfg(spec.name) if known else None
    fields = {} if config is None else config.to_dict()
    if pretrained and not (fields.get("hf_hub_id") or fields.get("url")):
        raise EncoderError(
            f"timm has no weights called {spec.name!r}; of this model it has: "
            f"{some(timm.list_pretrained(f'{architecture}.*')) or 'none'}. "
            "Give a local file with --checkpoint."
        )
    return fields


def _must_fetch(spec: ModelSpec, url: str) -> bool:
    """Whether weights that are on no hub have to be fetched, which needs their server to answer."""
    cache = Path(import_library("torch.hub").get_dir()) / "checkpoints"
    if (cache / Path(urlsplit(url).path).name).is_file():
        return False
    trouble = unreachable(url)
    if trouble is not None:
        raise EncoderError(
            f"The weights of {spec.text!r} can't be fetched: {url} can't be reached ({trouble}), and they are not in "
            f"{cache}. Without a network give a local file with --checkpoint."
        )
    return True


def _create(spec: ModelSpec, *, connect: bool, pretrained: bool, cache_dir: str | None = None) -> Any:
    timm = import_library("timm")
    name = f"{spec.name}@{spec.revision}" if spec.revision else spec.name
    try:
        with nullcontext() if connect else offline():
            return timm.create_model(name, pretrained=pretrained, cache_dir=cache_dir)
    except Exception as error:
        raise EncoderError(f"The model {spec.text!r} can't be loaded: {summary(error)}") from error


def _from_checkpoint(spec: ModelSpec, path: str, *, by_order: bool = False) -> _Origin:
    origin = _build(spec, pretrained=False)
    model = origin.model
    found = unwrap_names(model.state_dict(), read_checkpoint(path))
    heads = [found[f"{name}.weight"] for name in _classifiers(model) if f"{name}.weight" in found]
    if heads and len(heads[0]) != model.num_classes:
        model.reset_classifier(len(heads[0]))
    body = _body(model)
    # A checkpoint without a classifier is whole for our purpose.
    wanted = body if not heads and len(found) == len(body) else model.state_dict()
    model.load_state_dict(match_weights(wanted, found, path=path, by_order=by_order), strict=False)
    return origin


def _classifiers(model: Any) -> tuple[str, ...]:
    named = model.pretrained_cfg.get("classifier") or ()
    return (named,) if isinstance(named, str) else tuple(named)


def _body(model: Any) -> dict[str, "Tensor"]:
    """The weights without the classifier, which takes no part in the features."""
    heads = tuple(f"{name}." for name in _classifiers(model))
    return {name: tensor for name, tensor in model.state_dict().items() if not name.startswith(heads)}


def _preprocessing(spec: ModelSpec, model: Any) -> dict[str, Any]:
    """The model's own data config, as plain values."""
    config = import_library("timm.data").resolve_model_data_config(model)
    plain: dict[str, Any] = {key: list(value) if isinstance(value, tuple) else value for key, value in config.items()}
    channels = plain["input_size"][0]
    if channels not in _COLOURS:
        raise EncoderError(f"The model {spec.text!r} reads pictures of {channels} channels; expected 1 or 3.")
    return plain


def _pooling(model: Any) -> str:
    """How the features of a picture's places become one vector, as the model names it."""
    pool = getattr(model, "global_pool", None) or getattr(getattr(model, "head", None), "global_pool", None)
    name = pool if isinstance(pool, str) else getattr(pool, "pool_type", None)
    return str(name or "the model's own")


def _width(spec: ModelSpec, model: Any, input_size: Sequence[int], device: str) -> int:
    """The width of the features, tried on one grey picture."""
    import torch

    try:
        pooled = _features(model, torch.zeros(1, *input_size), device)
    except Exception as error:
        dtype = str(next(model.parameters()).dtype).removeprefix("torch.")
        raise EncoderError(
            f"The model {spec.text!r} does not compute {dtype} on {device}: {summary(error)}"
        ) from error
    expected = getattr(model, "head_hidden_size", None) or model.num_features
    if list(pooled.shape) != [1, expected]:
        raise EncoderError(
            f"The model {spec.text!r} gives features of shape {list(pooled.shape)} for one picture; "
            f"expected [1, {expected}], pooled."
        )
    return int(expected)
