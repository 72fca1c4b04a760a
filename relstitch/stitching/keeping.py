"""A decoder that is kept: made once, used on relative files or on the embeddings of any encoder it serves."""

from collections.abc import Mapping
from dataclasses import replace

from threadpoolctl import threadpool_limits

from relstitch.artifacts import Anchors, Decoder, Embeddings, EncoderStamp, Relative
from relstitch.artifacts.spaces import Matrix
from relstitch.decoders import DecoderSettings, Prediction, fit_decoder, predict
from relstitch.errors import MismatchError, UsageError, some
from relstitch.meeting import same_anchors
from relstitch.relative import relative_representation
from relstitch.stitching.draws import anchor_draws, told
from relstitch.stitching.matrix import Seat, choose, forms_of
from relstitch.stitching.options import Space, StitchOptions
from relstitch.stitching.parties import gather, gather_pair


def decoder_of(
    name: str,
    files: Mapping[str, Space],
    anchors: Anchors | None = None,
    options: StitchOptions | None = None,
    *,
    pair: bool = False,
) -> Decoder:
    """Make the decoder of one file as a stitch makes it, to be kept: first draw, first seed, first relative form.

    Args:
        name: The file whose training rows it learns from.
        files: All files of the stitch. The decoder serves each of their encoders.
        anchors: For embeddings.
        options: As for the stitch.
        pair: Whether the files are a pair for `stitch_pair` (of different data) instead of one dataset.

    Returns:
        The decoder with its encoder, its projection, and the anchors' vectors in every encoder, its own first.

    Raises:
        UsageError: As `stitch`; or no such file.
        MismatchError: As `stitch`.
    """
    options = options or StitchOptions()
    if name not in files:
        raise UsageError(f"There is no file called {name!r} in this stitch; there are: {some(files)}.")
    ordered = {name: files[name]} | {other: space for other, space in files.items() if other != name}
    sides = sides_of(ordered, options, pair=pair)
    one_draw = replace(options, draws=1, transductive=False, absolute=False)
    draws = anchor_draws(files, anchors, one_draw, sides)
    lists = {file: [draws[0][file].anchors] for file in files}
    if pair:
        first, second = ordered.items()
        parties = gather_pair(first, second, lists, options).parties
    else:
        parties = gather(files, lists, options).parties
    party = next(party for party in parties if party.name == name)
    form = forms_of([files[name]], one_draw)[0]
    with threadpool_limits(1):
        seats = {one.name: Seat(one) for one in parties}
        views = {file: seat.view(form, draws[0][file]) for file, seat in seats.items()}
        choice = choose(party, draws[0][name].anchors, views, form, options)
        settings = DecoderSettings(options.method, choice.strength, options.seeds[0])
        made = fit_decoder(views[name].train, party.targets.take(party.train), settings)
    spaces = tuple((ordered[file].encoder, seats[file].known(form, draws[0][file])) for file in ordered)
    return replace(
        made,
        settings={**made.settings, "chosen_on": choice.how, "train_split": options.train_split},
        encoder=ordered[name].encoder,
        projection=form.spec,
        spaces=spaces,
    )


def sides_of(files: Mapping[str, Space], options: StitchOptions, *, pair: bool) -> dict[str, str | None]:
    """The side of parallel anchors that each file is on: the first is the decoder's."""
    first, *others = files
    other_side = options.test_side if pair else options.train_side
    return {first: options.train_side} | dict.fromkeys(others, other_side)


def representations_for(decoder: Decoder, relative: Relative) -> Matrix:
    """Check that a relative file is what a decoder reads.

    Args:
        decoder: A kept decoder.
        relative: A relative file of any encoder.

    Returns:
        Its values, float32 [n, k].

    Raises:
        MismatchError: Another projection, other anchors, or a decoder that reads no relative representations.
    """
    if decoder.projection is None:
        raise MismatchError(
            f"This decoder reads the absolute embeddings of {_encoder(decoder)}, and a relative file was given. "
            "Give embeddings of that encoder."
        )
    if decoder.projection != relative.projection:
        raise MismatchError(
            f"This decoder reads representations projected with {decoder.projection}; the file's were projected with "
            f"{relative.projection}. Encode it anew with the decoder's projection."
        )
    known = [anchors for _, anchors in decoder.spaces]
    if known and not any(same_anchors(anchors, relative.anchors) for anchors in known):
        raise MismatchError(
            f"This decoder reads similarities to {told(known[0])}; the file's are to {told(relative.anchors)}. "
            "Encode it anew with the anchors the decoder was trained with."
        )
    return relative.values


def predict_with(decoder: Decoder, space: Space) -> Prediction:
    """Let a kept decoder answer for a relative file, or for embeddings of an encoder that it serves.

    Args:
        decoder: A kept decoder.
        space: n rows.

    Returns:
        One answer per row.

    Raises:
        MismatchError: A relative file of another projection or other anchors, or an encoder that it does not serve.
    """
    if isinstance(space, Relative):
        return predict(decoder, representations_for(decoder, space))
    return predict(decoder, _projected(decoder, space))


def _projected(decoder: Decoder, space: Embeddings) -> Matrix:
    identity = space.encoder.identity
    if decoder.projection is None:
        if decoder.encoder is not None and decoder.encoder.identity != identity:
            raise MismatchError(
                f"This decoder reads the absolute embeddings of {_encoder(decoder)}; these are of "
                f"{space.encoder.spec}. Absolute embeddings of two encoders do not fit: stitch relative ones."
            )
        return space.vectors
    for stamp, anchors in decoder.spaces:
        if stamp.identity == identity:
            return relative_representation(space, anchors, decoder.projection).values
    served = some(dict.fromkeys(stamp.spec for stamp, _ in decoder.spaces))
    for stamp, _ in decoder.spaces:
        differing = _settings_that_differ(stamp, space.encoder)
        if differing:
            raise MismatchError(
                f"This decoder serves {space.encoder.spec} with other settings: {differing}. "
                "Encode with the same ones."
            )
    if space.encoder.modality == "vectors":
        raise MismatchError(
            f"These vectors ({space.encoder.spec}) do not say which encoder made them, and this decoder serves: "
            f"{served}. Make a relative file of them with the same anchors (encode --anchors) and give that."
        )
    raise MismatchError(
        f"This decoder does not know {space.encoder.spec} (with its revision, prompt and settings); it serves: "
        f"{served}. Make a relative file with the same anchors (encode --anchors), or save the decoder from a stitch "
        "that includes this encoder."
    )


def _settings_that_differ(served: EncoderStamp, given: EncoderStamp) -> str:
    """In words, what keeps one model apart from itself; empty for two models."""
    if served.weights_sha256 is None or served.weights_sha256 != given.weights_sha256:
        return ""
    names = ("max_length", "prompt", "pooling", "dtype", "preprocessing", "normalized")
    pairs = {name: (getattr(given, name), getattr(served, name)) for name in names}
    return some(f"{name} {here!r} instead of {there!r}" for name, (here, there) in pairs.items() if here != there)


def _encoder(decoder: Decoder) -> str:
    return "an unnamed encoder" if decoder.encoder is None else decoder.encoder.spec
