"""A translator fitted on the anchors of two encoders, and rows carried over by it."""

from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from relstitch.artifacts import AnchorVectors, Embeddings, EncoderStamp, Translator
from relstitch.artifacts.spaces import Matrix
from relstitch.artifacts.stamps import CARRIED_FROM
from relstitch.errors import MismatchError, UsageError, counted, some
from relstitch.meeting import same_anchors
from relstitch.translation.registry import (
    TRANSLATORS,
    Side,
    TranslatorSettings,
    apply_arrays,
    fit_arrays,
    method_of,
)

_TRANSLATED_BY = "translated_by"
"""Key in `EncoderStamp.extra` of rows where both sides of a two-sided translator meet: which translator it was."""


def fit_translator(
    source: AnchorVectors,
    target: AnchorVectors,
    encoders: tuple[EncoderStamp, EncoderStamp],
    settings: TranslatorSettings | None = None,
) -> Translator:
    """Fit what carries rows of one encoder to the space of another, on the anchors alone.

    Args:
        source: The k anchors in the source's space.
        target: The same anchors in the target's space, or the corresponding side of parallel ones.
        encoders: The stamps of source and target.
        settings: Which translator; default: anchored smoothing.

    Returns:
        The translator, with the anchors' vectors in both spaces.

    Raises:
        UsageError: As `fit_arrays`.
        MismatchError: As `fit_arrays`, or the anchors are not the same on both sides.

    Example:
        >>> from relstitch.artifacts import AnchorList
        >>> one, other = EncoderStamp("st:x", "text", 2), EncoderStamp("st:y", "text", 2)
        >>> A = AnchorVectors(AnchorList(("a", "b", "c"), ("",) * 3), np.array([[1, 0], [0, 2], [3, 1]], np.float32))
        >>> B = replace(A, vectors=A.vectors[:, ::-1].copy())
        >>> swapped = fit_translator(A, B, (one, other), TranslatorSettings("procrustes"))
        >>> translate(swapped, np.array([[5.0, 7.0]])).round(4).tolist()
        [[7.0, 5.0]]
    """
    chosen = settings or TranslatorSettings()
    if not same_anchors(source, target):
        raise MismatchError(
            f"The anchors of {encoders[0].spec} ({some(source.anchors.ids, 3)}) and of {encoders[1].spec} "
            f"({some(target.anchors.ids, 3)}) are not the same ones in the same order. A translator is fitted on "
            "pairs: take both sides from one anchors file and one draw."
        )
    method, params = method_of(chosen)
    arrays = fit_arrays(source.vectors, target.vectors, chosen)
    # What leave-one-out chose stands among the arrays, in the units it is used in.
    chosen_for = {name: arrays[name].item() for name, value in params.items() if value is None and name in arrays}
    told = {**params, **({"fitted": chosen_for} if chosen_for else {})}
    return Translator(method.name, *encoders, arrays, told, (source, target))


def is_two_sided(translator: Translator) -> bool:
    """Whether the target's rows must be carried too, to the place where both sides meet.

    Args:
        translator: What is asked about.

    Returns:
        False where carried rows lie among the target's own rows as they are.
    """
    return TRANSLATORS[translator.steps[-1][0]].two_sided


def translate(translator: Translator, X: NDArray[Any], *, side: Side = "source") -> Matrix:
    """Carry rows over, each by itself: in parts or at once, the result is the same.

    Args:
        translator: From `fit_translator`, `compose` or a file.
        X: float [n, d], rows of the source or of the target, finite; n may be 0.
        side: Whose rows they are. The target's rows are changed by two-sided translators only.

    Returns:
        float32 [n, w]: among the target's rows, or where both sides of a two-sided translator meet.

    Raises:
        MismatchError: Rows of another width than the encoder's, or values that are not finite.

    Example:
        >>> from relstitch.artifacts import AnchorList
        >>> one = EncoderStamp("st:x", "text", 2)
        >>> A = AnchorVectors(AnchorList(("a", "b", "c"), ("",) * 3), np.array([[1, 0], [0, 2], [3, 1]], np.float32))
        >>> translate(fit_translator(A, A, (one, one), TranslatorSettings("affine")), A.vectors).round(3).tolist()
        [[1.0, 0.0], [0.0, 2.0], [3.0, 1.0]]
    """
    stamp = translator.source if side == "source" else translator.target
    if X.ndim != 2 or X.shape[1] != stamp.dimension:
        raise MismatchError(
            f"Rows of shape {list(X.shape)} met a translator whose {side} ({stamp.spec}) is {stamp.dimension} wide; "
            f"expected [n, {stamp.dimension}]. Both must come from the same encoder."
        )
    bad = np.flatnonzero(~np.isfinite(X).all(axis=1))
    if len(bad):
        raise MismatchError(
            f"{len(bad)} of {counted(len(X), 'row')} {'holds' if len(bad) == 1 else 'hold'} NaN or infinite values "
            f"(rows {some(bad)}). Only finite values can be carried: leave these rows out, or make them again."
        )
    steps = translator.steps if side == "source" else translator.steps[-1:]
    carried: NDArray[Any] = X
    for method, arrays in steps:
        carried = apply_arrays(method, arrays, carried, side=side)
    return carried


def translate_embeddings(translator: Translator, embeddings: Embeddings, *, side: Side | None = None) -> Embeddings:
    """Carry the rows of an embeddings file over.

    Args:
        translator: From `fit_translator`, `compose` or a file.
        embeddings: n rows of the source's encoder; of the target's, for a two-sided translator.
        side: Whose rows they are; None: found out by the encoder's stamp. Ready-made vectors, whose encoder nobody
            knows, need it said unless they are those that the translator was fitted on.

    Returns:
        The same rows. Those of a one-sided translator carry the target's stamp, so that its index and its decoder
        take them; those of a two-sided one a stamp of the place where both sides meet. Which encoder they came from
        stands in the stamp's `extra`, and is no part of its identity.

    Raises:
        MismatchError: An encoder that is neither, or rows of another width.
        UsageError: The target's rows, which a one-sided translator leaves as they are.

    Example:
        >>> from relstitch.artifacts import AnchorList, Rows
        >>> one, other = EncoderStamp("st:x", "text", 2), EncoderStamp("st:y", "text", 2)
        >>> A = AnchorVectors(AnchorList(("a", "b", "c"), ("",) * 3), np.array([[1, 0], [0, 2], [3, 1]], np.float32))
        >>> same = fit_translator(A, A, (one, other), TranslatorSettings("affine"))
        >>> moved = translate_embeddings(same, Embeddings(Rows.build("abc"), A.vectors, one))
        >>> moved.encoder.spec, moved.encoder.identity == other.identity
        ('st:y', True)
    """
    found = side_of(translator, embeddings.encoder, side)
    if found == "target" and not is_two_sided(translator):
        raise UsageError(
            f"These rows are of {translator.target.spec}, the target of a {translator.method} translator, which "
            "leaves the target's rows as they are: use them without translating."
        )
    vectors = translate(translator, embeddings.vectors, side=found)
    return replace(embeddings, vectors=vectors, encoder=place_of(translator, embeddings.encoder))


def place_of(translator: Translator, encoder: EncoderStamp) -> EncoderStamp:
    """The stamp of rows that were carried over: where they are, and from which encoder they came.

    Args:
        translator: What carried them.
        encoder: Whose rows they were.
    """
    extra = {**translator.target.extra, CARRIED_FROM: {"encoder": encoder.spec, "method": translator.method}}
    if not is_two_sided(translator):
        return replace(translator.target, extra=extra)
    # Both sides get one stamp, which no encoder has: this place is not the target's space.
    extra[_TRANSLATED_BY] = translator.digest
    return replace(translator.target, dimension=translator.width, normalized=False, extra=extra)


def side_of(translator: Translator, encoder: EncoderStamp, side: Side | None = None) -> Side:
    """Whose rows an encoder's are.

    Args:
        translator: What is to carry them.
        encoder: The stamp of the rows.
        side: What was said, or None.

    Raises:
        MismatchError: The encoder is neither; or it is not the one that was said. Of ready-made vectors nobody knows
            the encoder: what is said of them is taken as it is, unless they are known to be the other side's or to
            have been carried elsewhere.
    """
    ends: dict[Side, EncoderStamp] = {"source": translator.source, "target": translator.target}
    named = [name for name, stamp in ends.items() if stamp.identity == encoder.identity]
    if side is None and named:
        return named[0]
    if side is not None and (side in named or (not named and is_unknown(encoder))):
        return side
    if named:
        raise MismatchError(
            f"These rows are of {_in_words(encoder)}, the {named[0]} of this translator, and were given as its "
            f"{side}. It goes from {_in_words(translator.source)} to {_in_words(translator.target)}: give each side "
            "its own rows."
        )
    hint = " Of ready-made vectors nobody knows the encoder: say whose they are with --side." if side is None else ""
    raise MismatchError(
        f"These rows are of {_in_words(encoder)}; this translator goes from {_in_words(translator.source)} to "
        f"{_in_words(translator.target)}.{hint if is_unknown(encoder) else ''} Encode the rows as those it "
        "was fitted on, or fit a translator for this encoder."
    )


def is_unknown(encoder: EncoderStamp) -> bool:
    """Whether nobody knows the encoder: ready-made vectors, unless they were carried to a place of their own.

    Example:
        >>> is_unknown(EncoderStamp("vectors:x.npy", "vectors", 2)), is_unknown(EncoderStamp("st:x", "text", 2))
        (True, False)
    """
    return encoder.modality == "vectors" and _TRANSLATED_BY not in encoder.extra


def _in_words(stamp: EncoderStamp) -> str:
    return f"{stamp.spec} ({stamp.dimension} wide, {stamp.identity[:8]})"
