"""From what the user wrote to a loaded encoder."""

from relstitch.encoders.custom import load_custom
from relstitch.encoders.hub import cached_snapshot, hub_cache
from relstitch.encoders.modalities import configured_modalities, refuse_modality
from relstitch.encoders.own_code import reader
from relstitch.encoders.protocol import Encoder, EncoderOptions
from relstitch.encoders.sentence import load_sentence
from relstitch.encoders.spec import check_options, parse_spec
from relstitch.encoders.timm_model import load_timm
from relstitch.names import Modality

_DEFAULTS = EncoderOptions()


def modality_of(spec: str) -> frozenset[Modality]:
    """What kinds of items a model may take, as far as this can be known without loading it or connecting.

    Args:
        spec: The model, as the user writes it.

    Returns:
        Those it takes; where only loading can tell, all that it may.

    Raises:
        EncoderError: The specification names no model.

    Example:
        >>> sorted(modality_of("timm:resnet18"))
        ['image']
    """
    model = parse_spec(spec)
    if model.kind == "timm":
        return frozenset({"image"})
    if model.kind == "python":
        return frozenset({"text", "image", "vectors", "graph"})
    repo = model.name if "/" in model.name else f"sentence-transformers/{model.name}"
    folder = model.folder or cached_snapshot(repo, model.revision, hub_cache())
    return configured_modalities(reader(folder)) if folder else frozenset({"text", "image"})


def load_encoder(spec: str, modality: Modality, options: EncoderOptions = _DEFAULTS) -> Encoder:
    """Load a frozen encoder.

    Args:
        spec: ``timm:NAME``, ``st:NAME_OR_FOLDER``, ``python:module:factory``, or a folder that says what it is.
        modality: What it will be given: ``text``, ``image``, ``vectors`` or ``graph``.
        options: Device, dtype, prompt and so on.

    Returns:
        The encoder, in evaluation mode, with its stamp.

    Raises:
        EncoderError: The model is not there, does not take such items, wants to run code of its own, or fails.
        UsageError: Options that have no effect on such a model.
    """
    model = parse_spec(spec)
    check_options(model, options, modality)
    refuse_modality(spec, modality_of(spec), modality)
    if model.kind == "timm":
        return load_timm(model, options)
    return load_sentence(model, modality, options) if model.kind == "st" else load_custom(model, modality)
