"""Zero-shot stitching: every decoder on every encoder (Moschella et al. 2023, section 4)."""

from collections.abc import Mapping

from relstitch.artifacts import Anchors, Embeddings, StitchReport
from relstitch.decoders import DecoderSettings, method_of
from relstitch.errors import UsageError, some
from relstitch.meeting import meet_all
from relstitch.stitching.draws import anchor_draws
from relstitch.stitching.keeping import decoder_of, predict_with, representations_for, sides_of
from relstitch.stitching.matrix import forms_of, measure
from relstitch.stitching.options import Space, StitchOptions
from relstitch.stitching.parties import gather, gather_pair
from relstitch.stitching.ready import absolute_decoder_of, ready_of, stitch_ready
from relstitch.stitching.reporting import check_gate_values, check_gates, report_on

__all__ = [
    "Space",
    "StitchOptions",
    "absolute_decoder_of",
    "check_gate_values",
    "check_gates",
    "decoder_of",
    "predict_with",
    "ready_of",
    "representations_for",
    "stitch",
    "stitch_pair",
    "stitch_ready",
]


def stitch(
    files: Mapping[str, Space], anchors: Anchors | None = None, options: StitchOptions | None = None
) -> StitchReport:
    """Train a decoder on every file's representations and let each answer for every other file's encoder.

    The general form takes embeddings and anchors: absolute baseline, both forms, every draw. The plain form takes
    relative files, which carry their projection and anchors. Files meet on the rows they share, classes by name.

    Args:
        files: Two or more, by the name to call them in the report; all embeddings or all relative.
        anchors: For embeddings; content and ids say where each file holds them.
        options: Decoder, forms, draws, seeds, splits.

    Returns:
        The matrix of every decoder × every encoder with floor, ceiling (its diagonal) and retention. The same inputs
        and seeds give the same figures.

    Raises:
        UsageError: Too few files, files of both kinds, anchors missing, nothing to train on or to score.
        MismatchError: Files that do not belong together: rows, labels, splits, anchors or projections.

    Source: Moschella et al. 2023, section 4; the choice of regularisation is ours (`relstitch.choosing`).

    Example:
        >>> import numpy as np
        >>> from relstitch.artifacts import (AnchorList, AnchorSide, Embeddings, EncoderStamp, Rows, Targets)
        >>> X = np.random.default_rng(0).normal(size=(8, 2)).astype(np.float32) + [[9, 0], [0, 9]] * 4
        >>> rows = Rows.build("abcdefgh", splits=["train"] * 4 + ["test"] * 4,
        ...                   targets=Targets.from_labels(["x", "y"] * 4))
        >>> one = Embeddings(rows, X.astype(np.float32), EncoderStamp("st:one", "text", 2))
        >>> two = Embeddings(rows, -one.vectors, EncoderStamp("st:two", "text", 2))
        >>> picked = AnchorList(("a", "b", "c"), ("", "", ""))
        >>> anchors = Anchors("explicit", 0, (AnchorSide("main", "", (picked,)),))
        >>> stitch({"one": one, "two": two}, anchors).stitched_mean("relative")
        1.0
    """
    options = options or StitchOptions()
    if len(files) < 2:
        raise UsageError(
            f"A stitch needs at least two files, one per encoder; {len(files)} given ({some(files) or 'none'})."
        )
    _check_method(options)
    _check_general(anchors, options)
    if all(isinstance(space, Embeddings) for space in files.values()):
        # Files of different data lack each other's anchors too, but that is not what is wrong with them.
        meet_all({name: space.rows for name, space in files.items()}, strict=options.strict)
    draws = anchor_draws(files, anchors, options, sides_of(files, options, pair=False))
    gathering = gather(files, {name: [draw[name].anchors for draw in draws] for name in files}, options)
    forms = forms_of(list(files.values()), options)
    return report_on(gathering, draws, forms, measure(gathering.parties, draws, forms, options), options)


def stitch_pair(
    train: tuple[str, Space],
    test: tuple[str, Space],
    anchors: Anchors | None = None,
    options: StitchOptions | None = None,
) -> StitchReport:
    """Train a decoder on one file and let it answer for the encoder of another, of the same data or not.

    Different data (two languages, two modalities) meet on parallel anchors: the sides correspond position by
    position, and classes meet by name.

    Args:
        train: Name and file of the decoder. If it has labelled test rows, they give the ceiling.
        test: Name and file of the encoder.
        anchors: For embeddings; options name the side of each file where there are several.
        options: As `stitch`.

    Returns:
        The report; its cells are the decoder on its own encoder, if it has test rows, and on the other.

    Raises:
        UsageError: As `stitch`; or both files under one name.
        MismatchError: As `stitch`.
    """
    options = options or StitchOptions()
    if train[0] == test[0]:
        raise UsageError(f"Both files are called {train[0]!r}; give the decoder's and the encoder's file two names.")
    _check_method(options)
    if options.strict:
        raise UsageError(
            "--strict demands the same rows of all files; --train and --test take other rows from each. "
            "Leave --strict out."
        )
    files = dict((train, test))
    draws = anchor_draws(files, anchors, options, sides_of(files, options, pair=True))
    gathering = gather_pair(train, test, {name: [draw[name].anchors for draw in draws] for name in files}, options)
    forms = forms_of(list(files.values()), options)
    return report_on(gathering, draws, forms, measure(gathering.parties, draws, forms, options), options)


def _check_general(anchors: Anchors | None, options: StitchOptions) -> None:
    """Refuse sides that files of one dataset cannot be on."""
    if options.test_side is not None:
        raise UsageError(
            f"A side of its own for the tested file ({options.test_side!r}) goes with --train and --test; all files "
            "of this form hold the same data, and are on the side that --train-side names."
        )
    if anchors is not None and len(anchors.sides) > 1 and options.train_side is None:
        raise UsageError(
            f"These anchors have {len(anchors.sides)} sides ({some(side.name for side in anchors.sides)}). Stitch "
            "files of different sides with --train and --test; where all are on one side, name it with --train-side."
        )


def _check_method(options: StitchOptions) -> None:
    """Say early, before hours of work, what the decoder cannot do."""
    method_of(DecoderSettings(options.method, options.strength, transductive=options.transductive))
