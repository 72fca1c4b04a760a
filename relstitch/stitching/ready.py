"""A decoder that is trained already answers for other encoders, whose rows are carried to its own encoder's space."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from relstitch.artifacts import Anchors, Decoder, Embeddings, StitchReport
from relstitch.artifacts.spaces import Matrix
from relstitch.choosing import Source, WayChoice
from relstitch.choosing.ready import ReadyTarget, carry_to_ready, choose_ready_way, ready_ways
from relstitch.decoders import DecoderSettings, decision_values, fit_decoder
from relstitch.decoders.ready import ReadyDecoder, ready_predict
from relstitch.errors import MismatchError, UsageError, counted, some
from relstitch.meeting import meet_all, rows_where
from relstitch.relative import project
from relstitch.scoring import Scored, score
from relstitch.stitching.draws import Draw, anchor_draws
from relstitch.stitching.keeping import sides_of
from relstitch.stitching.matrix import Form, Key, Results
from relstitch.stitching.options import Space, StitchOptions
from relstitch.stitching.parties import Gathering, Party, gather, gather_pair, targets_of_anchors
from relstitch.stitching.ready_report import ABSOLUTE, report_on_ready
from relstitch.translation import TRANSLATORS
from relstitch.ways import Way, way_of

Values = NDArray[np.float64]
_NO_ROWS = np.empty(0, dtype=np.intp)


def ready_of(decoder: Decoder, source: str) -> ReadyDecoder:
    """A kept decoder of ours as one that reads its encoder's absolute embeddings.

    A decoder of relative representations gets its rows projected on its own anchors first.

    Args:
        decoder: From `decoder_of`, `absolute_decoder_of` or a file.
        source: What to call it: the name of its file.

    Returns:
        The decoder as a function of absolute embeddings.

    Raises:
        UsageError: A decoder that does not say whose embeddings it reads, or one that draws pictures.

    Example:
        >>> from relstitch.artifacts import EncoderStamp, Targets
        >>> X = np.eye(2, dtype=np.float32)
        >>> kept = fit_decoder(X, Targets.from_labels(["a", "b"]), DecoderSettings("ridge"))
        >>> ready = ready_of(replace(kept, encoder=EncoderStamp("st:x", "text", 2)), "kept.safetensors")
        >>> ready_predict(ready, X).labels().tolist()
        ['a', 'b']
    """
    spec = decoder.projection
    if decoder.task == "image":
        raise UsageError(
            f"{source} draws pictures; a decoder in a file answers with classes or numbers here. Let the stitch "
            "train one, with --task reconstruct."
        )
    if decoder.encoder is None or (spec is not None and not decoder.spaces):
        raise UsageError(
            f"{source} is a decoder of bare arrays, which does not say whose embeddings it reads. Save one from a "
            "stitch, with --save-decoder."
        )

    def values(X: NDArray[Any]) -> Values:
        if spec is None:
            return decision_values(decoder, X)
        anchors = decoder.spaces[0][1]
        return decision_values(decoder, project(X, anchors.vectors, spec, columns=anchors.columns))

    reads = "absolute embeddings" if spec is None else f"relative representations ({spec})"
    told = f"a {decoder.method} decoder of {counted(len(decoder.names), 'output')} that reads {reads}"
    return ReadyDecoder(source, decoder.names, decoder.encoder.dimension, values, told, decoder.task, decoder.encoder)


def owner_of(decoder: ReadyDecoder, files: Mapping[str, Space], named: str | None = None) -> str:
    """Which of the files is of the encoder that a ready decoder reads.

    Args:
        decoder: A ready decoder.
        files: By name.
        named: The file that was named for it; None: the one of the encoder that the decoder names, else the only one
            of its width.

    Raises:
        UsageError: Several files are of its width, or the named one is not there.
        MismatchError: No file is of its encoder or of its width, or the named one is not.

    Example:
        >>> from relstitch.artifacts import EncoderStamp, Rows
        >>> spaces = {str(d): Embeddings(Rows.build("a"), np.ones((1, d), dtype=np.float32),
        ...                              EncoderStamp("st:x", "text", d)) for d in (2, 3)}
        >>> owner_of(ReadyDecoder("x", ("a", "b"), 3, lambda X: X, ""), spaces)
        '3'
    """
    if named is not None and named not in files:
        raise UsageError(
            f"There is no file {named!r} in this stitch for the decoder to be of; there are: {some(files)}."
        )
    # A relative file holds no rows that the decoder could read, whatever its width.
    able = {name: space for name, space in files.items() if isinstance(space, Embeddings)} or files
    stamps = {name: space.encoder for name, space in (files if named else able).items() if named in (None, name)}
    if decoder.encoder is not None:
        fitting = [name for name, stamp in stamps.items() if stamp.identity == decoder.encoder.identity]
        if not fitting:
            raise MismatchError(
                f"{decoder.source} reads embeddings of {decoder.encoder.spec} ({decoder.width} values per row); "
                f"{some(f'{name} is of {stamp.spec}' for name, stamp in stamps.items())}. Give embeddings of that "
                "very encoder, with its revision, prompt and settings, among the files."
            )
        return fitting[0]
    fitting = [name for name, stamp in stamps.items() if stamp.dimension == decoder.width]
    if not fitting:
        raise MismatchError(
            f"{decoder.source} reads {decoder.width} values per row; "
            f"{some(f'{name} has {stamp.dimension}' for name, stamp in stamps.items())}. Give embeddings of the "
            "encoder it was trained on among the files."
        )
    if len(fitting) > 1:
        raise UsageError(
            f"{decoder.source} reads {decoder.width} values per row, as {some(fitting)} have. Say whose decoder it "
            "is, with --decoder-of."
        )
    return fitting[0]


def stitch_ready(
    decoder: ReadyDecoder,
    own: str,
    files: Mapping[str, Space],
    anchors: Anchors | None = None,
    options: StitchOptions | None = None,
    *,
    pair: bool = False,
) -> StitchReport:
    """Let a decoder that is trained already answer for other encoders, with no retraining.

    Args:
        decoder: Of one encoder's absolute embeddings.
        own: The file of that encoder (`owner_of`): it gives the ceiling, the anchors and their labels.
        files: Two or more embeddings files, by name.
        anchors: What the translators are fitted on.
        options: `way` is a translator that leaves the target's rows as they are, or ``auto``; draws, k and splits are
            as for `stitch`. What decoders are trained by is not looked at.
        pair: Whether the files are a pair of other data (`stitch_pair`), the decoder's file first.

    Returns:
        The report: the decoder on its own encoder's test rows, and on the carried test rows of every other.

    Raises:
        UsageError: A way that moves the decoder's own space; relative files; as `stitch`.
        MismatchError: The decoder knows none of the labels; as `stitch`.

    Source: ours; what carries the rows is cited in `relstitch.translation.TRANSLATORS`.

    Example:
        >>> from relstitch.artifacts import AnchorList, AnchorSide, EncoderStamp, Rows, Targets
        >>> X = np.random.default_rng(0).normal(size=(12, 2)).astype(np.float32) + [[9, 0], [0, 9]] * 6
        >>> rows = Rows.build("abcdefghijkl", splits=["train"] * 8 + ["test"] * 4,
        ...                   targets=Targets.from_labels(["x", "y"] * 6))
        >>> one = Embeddings(rows, X.astype(np.float32), EncoderStamp("st:one", "text", 2))
        >>> two = Embeddings(rows, -3 * one.vectors, EncoderStamp("st:two", "text", 2))
        >>> picked = AnchorList(tuple("abcd"), ("",) * 4)
        >>> larger = ReadyDecoder("larger.npz", ("x", "y"), 2, lambda X: X.astype(np.float64), "the larger value")
        >>> report = stitch_ready(larger, "one", {"one": one, "two": two},
        ...                       Anchors("explicit", 0, (AnchorSide("main", "", (picked,)),)),
        ...                       StitchOptions(way="procrustes"))
        >>> report.cell("procrustes", "one", "two").scores["accuracy"].mean
        1.0
    """
    options = options or StitchOptions(way="auto")
    ways = _ways(options)
    _check_files(own, files, options, pair=pair)
    if not pair:
        meet_all({name: space.rows for name, space in files.items()}, strict=options.strict)
    draws = anchor_draws(files, anchors, options, sides_of(files, options, pair=pair))
    gathering = _gathered(own, files, draws, options, pair=pair)
    _check_names(decoder, gathering)
    forms = (*([Form(ABSOLUTE, None)] if options.absolute else []), Form(options.way, None, ways=ways))
    # One BLAS thread throughout: the products are small, and two threads that wait for each other are slower.
    with threadpool_limits(1):
        results = _measure(decoder, gathering.parties, draws, forms, options)
    return report_on_ready(decoder, gathering, draws, forms, results, options)


def _ways(options: StitchOptions) -> tuple[Way, ...]:
    one_sided = [name for name, method in TRANSLATORS.items() if not method.two_sided]
    if options.way == "auto":
        return ready_ways()
    if options.way in one_sided:
        return (way_of(options.way),)
    why = (
        "moves the rows of the decoder's own encoder too"
        if options.way in TRANSLATORS
        else "does not carry rows to the space of the decoder's encoder"
    )
    raise UsageError(
        f"A decoder that is trained already reads its own encoder's embeddings as they are, and --method "
        f"{options.way} {why}. Choose one of: auto, {', '.join(one_sided)}."
    )


def _check_files(own: str, files: Mapping[str, Space], options: StitchOptions, *, pair: bool) -> None:
    if len(files) < 2:
        raise UsageError(
            f"A decoder that is trained already needs two or more files, its own encoder's among them; {len(files)} "
            f"given ({some(files) or 'none'})."
        )
    relative = [name for name, space in files.items() if not isinstance(space, Embeddings)]
    if relative:
        raise UsageError(
            f"{some(relative)}: relative files hold no embeddings that could be carried to the decoder's space. Give "
            "embeddings files with --anchors."
        )
    if pair and own != next(iter(files)):
        raise UsageError(
            f"The decoder is of {own}, which was given to --test. Give its encoder's file to --train and the other "
            "to --test."
        )
    if options.test_side is not None and not pair:
        raise UsageError(
            f"A side of its own for the tested file ({options.test_side!r}) goes with --train and --test: name the "
            "side that all files are on with --train-side."
        )


def _gathered(
    own: str, files: Mapping[str, Space], draws: Sequence[Draw], options: StitchOptions, *, pair: bool
) -> Gathering:
    """The parties; only the decoder's own has training rows, for the floor."""
    lists = {name: [draw[name].anchors for draw in draws] for name in files}
    if pair:
        first, second = files.items()
        return gather_pair(first, second, lists, options)
    gathering = gather(files, lists, options)
    parties = (party if party.name == own else replace(party, train=_NO_ROWS) for party in gathering.parties)
    return replace(gathering, parties=tuple(parties))


def _check_names(decoder: ReadyDecoder, gathering: Gathering) -> None:
    labels = gathering.parties[0].targets.names
    if not set(labels) & set(decoder.names):
        raise MismatchError(
            f"{decoder.source} answers with the classes {some(decoder.names)}; the files hold the labels "
            f"{some(labels)}, and none of them is one of those. Where they only differ in name, say how with "
            "--label-map (the files' name → the decoder's)."
        )


def _embeddings(party: Party) -> Matrix:
    """Absolute vectors; that the files hold such has been checked."""
    return party.space.vectors if isinstance(party.space, Embeddings) else party.space.values


def _measure(
    decoder: ReadyDecoder, parties: Sequence[Party], draws: Sequence[Draw], forms: Sequence[Form],
    options: StitchOptions,
) -> Results:  # fmt: skip
    own = next(party for party in parties if len(party.train))
    form = forms[-1]
    vectors = {party.name: _embeddings(party) for party in parties}
    unlabelled = {
        party.name: vectors[party.name][rows_where(party.space.rows, party.space.rows.in_splits(options.train_split))]
        for party in parties
    }
    scored: dict[Key, list[Scored]] = {}
    chosen: dict[tuple[str, str], list[WayChoice]] = {}
    for party in (party for party in parties if len(party.test)):
        truth, asked = party.targets.take(party.test), vectors[party.name][party.test]
        as_it_is = asked.shape[1] == decoder.width
        plain = [score(ready_predict(decoder, asked), truth)] * len(draws) if as_it_is else []
        if plain and len(forms) > 1:
            scored[ABSOLUTE, own.name, party.name] = plain
        if party.name == own.name:
            scored[form.name, own.name, own.name] = plain
            continue
        for draw in draws:
            known, _ = targets_of_anchors(own, draw[own.name].anchors)
            target = ReadyTarget(decoder, unlabelled[own.name], draw[own.name].vectors, known)
            source = Source(draw[party.name].vectors, unlabelled[party.name])
            choice = choose_ready_way(target, source, form.ways, seed=options.seeds[0])
            answers = ready_predict(decoder, carry_to_ready(choice.way, source, target)(asked))
            scored.setdefault((form.name, own.name, party.name), []).append(score(answers, truth))
            chosen.setdefault((own.name, party.name), []).append(choice)
    return Results(scored, {}, chosen)


def absolute_decoder_of(
    name: str, files: Mapping[str, Space], anchors: Anchors | None, options: StitchOptions, *, pair: bool = False
) -> Decoder:
    """Make the decoder of one file's absolute embeddings, to be kept: the one that gives the ceiling of a stitch.

    Args:
        name: The file whose training rows it learns from.
        files: All files of the stitch: rows and labels meet as there.
        anchors: As for the stitch.
        options: As for the stitch. Without a strength the decoder's own default is taken.
        pair: Whether the files are a pair for `stitch_pair`, the decoder's first.

    Returns:
        The decoder with its encoder and the first draw's anchors in it. `stitch_ready` brings it to other encoders.

    Raises:
        UsageError: As `stitch`; or relative files.
        MismatchError: As `stitch`.
    """
    _check_files(name, files, options, pair=pair)
    draws = anchor_draws(files, anchors, replace(options, draws=1), sides_of(files, options, pair=pair))
    gathering = _gathered(name, files, draws, options, pair=pair)
    party = next(party for party in gathering.parties if party.name == name)
    settings = DecoderSettings(options.method, options.strength, options.seeds[0])
    made = fit_decoder(_embeddings(party)[party.train], party.targets.take(party.train), settings)
    how = "default" if options.strength is None else "given"
    return replace(
        made,
        settings={**made.settings, "chosen_on": how, "train_split": options.train_split},
        encoder=party.space.encoder,
        spaces=((party.space.encoder, draws[0][name]),),
    )
