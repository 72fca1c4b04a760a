"""The anchors of a stitch: which files may be stitched by them, and their vectors in every encoder."""

from collections.abc import Mapping
from dataclasses import replace
from itertools import combinations

from relstitch.artifacts import Anchors, AnchorVectors, Embeddings, Relative
from relstitch.errors import MismatchError, UsageError, counted, some
from relstitch.meeting import meet_all, same_anchors
from relstitch.relative import anchor_vectors, parse_projection
from relstitch.stitching.options import Space, StitchOptions

Draw = Mapping[str, AnchorVectors]


def anchor_draws(
    files: Mapping[str, Space], anchors: Anchors | None, options: StitchOptions, sides: Mapping[str, str | None]
) -> tuple[Draw, ...]:
    """The vectors of every draw's anchors in every file.

    Args:
        files: By name; all embeddings or all relative.
        anchors: For embeddings. Relative files carry their own.
        options: Draws and k.
        sides: The side of parallel anchors each file is on; None for ordinary anchors.

    Returns:
        One mapping a draw, from the files' names.

    Raises:
        UsageError: Files of both kinds, anchors missing or not wanted, or options that relative files cannot follow.
        MismatchError: Relative files of different anchors or projections; anchors that a file lacks.
    """
    kinds = {name: "relative" if isinstance(space, Relative) else "embeddings" for name, space in files.items()}
    if len(set(kinds.values())) > 1:
        listed = ", ".join(f"{name} is {kind}" for name, kind in kinds.items())
        raise UsageError(
            f"Embeddings files and relative files cannot be stitched to each other ({listed}). Give files of one "
            "kind: embeddings files with --anchors, or relative files made with the same anchors."
        )
    relatives = {name: space for name, space in files.items() if isinstance(space, Relative)}
    if relatives:
        _check_relative(relatives, anchors, options)
        return ({name: space.anchors for name, space in relatives.items()},)
    embeddings = {name: space for name, space in files.items() if isinstance(space, Embeddings)}
    if anchors is None:
        raise UsageError(
            f"{some(files)} are embeddings files: stitching them needs an anchors file. Pick one with "
            "`relstitch anchors`, and give it with --anchors."
        )
    unsaid = [name for name, side in sides.items() if side is None]
    if unsaid and len(anchors.sides) > 1:
        raise UsageError(
            f"These anchors have {len(anchors.sides)} sides ({some(side.name for side in anchors.sides)}), and it is "
            f"not said which one {some(unsaid)} is on. Say so with --train-side and --test-side."
        )
    chosen = _with_draws(anchors, embeddings, options)
    return tuple(
        {
            name: anchor_vectors(space, chosen, draw=draw, side=sides[name], name=name)
            for name, space in embeddings.items()
        }
        for draw in range(chosen.n_draws)
    )


def _with_draws(anchors: Anchors, files: Mapping[str, Embeddings], options: StitchOptions) -> Anchors:
    if options.draws is not None and options.draws > anchors.n_draws:
        from relstitch.anchors import more_draws

        # Parallel anchors cannot be drawn anew, which is for `more_draws` to say: their files need not meet.
        parallel = len(anchors.sides) > 1
        source = next(iter(files.values())) if parallel else _source(anchors, files)
        anchors = more_draws(anchors, source, options.draws)
    if options.draws is not None:
        anchors = replace(
            anchors, sides=tuple(replace(side, draws=side.draws[: options.draws]) for side in anchors.sides)
        )
    return anchors if options.k is None else anchors.prefix(options.k)


def _source(anchors: Anchors, files: Mapping[str, Embeddings]) -> Embeddings:
    """What further draws are made from: the file whose vectors chose the first ones, and rows that all files have."""
    by = anchors.options.get("encoder")
    name = next(
        (name for name, file in files.items() if by and file.encoder.identity == by["identity"]), next(iter(files))
    )
    others = {other: file.rows for other, file in files.items() if other != name}
    return files[name].take(meet_all({name: files[name].rows, **others})[0])


def _check_relative(files: Mapping[str, Relative], anchors: Anchors | None, options: StitchOptions) -> None:
    if anchors is not None:
        raise UsageError("Relative files carry their anchors: leave --anchors out, or give embeddings files.")
    if options.k is not None or (options.draws or 1) > 1:
        raise UsageError(
            "Relative files hold one draw of all its anchors: -k and --draws need the embeddings files and --anchors."
        )
    for (one, left), (other, right) in combinations(files.items(), 2):
        if left.projection != right.projection:
            raise MismatchError(
                f"{one} and {other} were projected differently: {one} with {left.projection}, {other} with "
                f"{right.projection}. Encode both with the same projection and the same centring."
            )
        if not same_anchors(left.anchors, right.anchors):
            raise MismatchError(
                f"{one} and {other} were made with different anchors: {one} with {told(left.anchors)}, {other} with "
                f"{told(right.anchors)}. Encode both with the same anchors file."
            )
    _check_what_they_carry(files, options)


def _check_what_they_carry(files: Mapping[str, Relative], options: StitchOptions) -> None:
    """Refuse options that ask for something else than what is in the files."""
    if options.train_side is not None or options.test_side is not None:
        raise UsageError("Relative files carry the side of their anchors: leave --train-side and --test-side out.")
    first, space = next(iter(files.items()))
    if options.center is not None and options.center != space.projection.center:
        raise UsageError(
            f"{first} and the others were projected with {space.projection}; the other form needs the embeddings "
            "files. Leave --center and --no-center out, or encode anew."
        )
    # Cosine is what is not asked for: relative files of any projection are stitched without a word about it.
    asked = parse_projection(options.projection, space.projection.center)
    if options.projection != StitchOptions.projection and asked != space.projection:
        raise UsageError(
            f"{first} was projected with {space.projection}, and {options.projection!r} was asked for; another "
            "projection needs the embeddings files. Leave --projection out, or encode anew."
        )


def told(anchors: AnchorVectors) -> str:
    """Which anchors these are, for a message."""
    first = some(anchors.anchors.ids, limit=2)
    return f"{counted(len(anchors.anchors), 'anchor')} ({first}; sha256 {anchors.anchors.digest[:12]})"
