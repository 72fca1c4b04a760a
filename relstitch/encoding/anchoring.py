"""Which anchors, and where their vectors come from."""

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from relstitch.artifacts import AnchorList, Anchors, EncoderStamp, Rows
from relstitch.dataset import Dataset
from relstitch.encoding.sources import some_rows
from relstitch.errors import MismatchError, UsageError, counted, some
from relstitch.meeting import locate


def choose_side(anchors: Anchors, rows: Rows, side: str | None, *, draw: int, name: str) -> str:
    """The side of an anchors file that a source holds.

    Args:
        anchors: The anchors file.
        rows: The rows of the source the anchors are to be found in.
        side: The side that was asked for, or None to find it out.
        draw: Which draw is looked for.
        name: What to call the source in a message.

    Returns:
        The only side; else the one side that is found there whole.

    Raises:
        UsageError: No such side or draw, or it can't be told which one is meant.
    """
    if not 0 <= draw < anchors.n_draws:
        raise UsageError(
            f"Draw {draw} was asked for; these anchors have {counted(anchors.n_draws, 'draw')}, numbered from 0."
        )
    if side is not None or len(anchors.sides) == 1:
        return anchors.side(side).name
    whole = []
    for candidate in anchors.sides:
        try:
            locate(candidate.draws[draw], rows, name=name)
        except MismatchError:
            continue
        whole.append(candidate.name)
    if len(whole) == 1:
        return whole[0]
    names = some(side.name for side in anchors.sides)
    raise UsageError(
        f"These anchors have {len(anchors.sides)} sides ({names}), and {len(whole)} of them are found whole in "
        f"{name}: say which one with --side; of two files with --source-side and --target-side."
    )


def anchor_rows(picked: AnchorList, dataset: Dataset, *, name: str) -> Dataset:
    """The anchors' rows of a dataset, and nothing else of it: each row once, in the order of the dataset.

    Raises:
        MismatchError: Some of the anchors are not there.
    """
    index: NDArray[np.intp] = np.unique(locate(picked, dataset.rows, name=name))
    return some_rows(dataset, index)


def check_same_encoder(source: EncoderStamp, anchors: EncoderStamp, *, names: tuple[str, str]) -> None:
    """Refuse anchors whose vectors are from another encoder than the rows'.

    Args:
        source: The stamp of the encoder of the rows.
        anchors: The stamp of the anchors' vectors. A dimension of 0 is one that is not known yet.
        names: What to call the two in a message.

    Raises:
        MismatchError: They are different encoders, or the same one loaded otherwise.
    """
    source = replace(source, dimension=source.dimension or anchors.dimension)
    anchors = replace(anchors, dimension=anchors.dimension or source.dimension)
    if source.modality == anchors.modality == "vectors" and source.spec.startswith("vectors:"):
        # Of ready-made vectors nobody knows the encoder: who names two such files says that it is the same.
        same = source.dimension == anchors.dimension
    else:
        same = source.identity == anchors.identity
    if not same:
        raise MismatchError(
            f"The rows ({names[0]}) and the anchors ({names[1]}) are not from the same encoder. Rows: "
            f"{stamp_in_words(source)}. Anchors: {stamp_in_words(anchors)}.{stamp_difference(source, anchors)} "
            "Encode both alike."
        )


def stamp_in_words(stamp: EncoderStamp) -> str:
    """An encoder in a message: what it is called, its width, and its weights."""
    weights = f", weights {stamp.weights_sha256[:12]}" if stamp.weights_sha256 else ""
    return f"{stamp.spec}, width {stamp.dimension}{weights}"


def stamp_difference(one: EncoderStamp, other: EncoderStamp) -> str:
    """In what two encoders differ: a sentence with a space before it, or nothing."""
    left, right = one.to_json(), other.to_json()
    place = {"spec", "revision"} if one.weights_sha256 is not None else set()
    differing = [key for key in left if left[key] != right[key] and key not in {"libraries", *place}]
    return f" They differ in: {some(differing)}." if differing else ""
