"""The two sides of a forecast: which rows are learned from, and which will be answered."""

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from relstitch.artifacts import AnchorVectors, Embeddings, Rows, Targets
from relstitch.artifacts.spaces import Matrix
from relstitch.choosing import Source, Target
from relstitch.errors import MismatchError, UsageError, counted, some
from relstitch.forecasting.verdict import Gates
from relstitch.meeting import anchor_of, anchors_of_rows, rows_where, same_anchors

FEWEST = 10


@dataclass(frozen=True, eq=False)
class Side:
    """One of two encoders.

    Attributes:
        name: What to call it.
        space: Its embeddings.
        anchors: The anchors in it.
    """

    name: str
    space: Embeddings
    anchors: AnchorVectors

    @property
    def rows(self) -> Rows:
        """Who its rows are."""
        return self.space.rows

    def free(self) -> NDArray[np.bool_]:
        """Which rows are no anchors."""
        return anchor_of(self.rows, self.anchors.anchors) < 0


@dataclass(frozen=True)
class AdviseOptions:
    """What is to be forecast.

    Attributes:
        recall: Forecast recall@1, though there may be labels.
        decoder: The decoder to be trained, one of `relstitch.names.DECODERS`.
        strength: Its regularisation; None: chosen on held-out anchors.
        way: ``auto`` or the name of a translator.
        train_split: The target's rows that the decoder will learn from; all but `test_split` where it has none such.
        test_split: The source's rows that will be answered; all that are no anchors where it has none such.
        seed: Deals the folds.
        gates: What is asked of the figure.
    """

    recall: bool = False
    decoder: str = "logistic"
    strength: float | None = None
    way: str = "auto"
    train_split: str = "train"
    test_split: str = "test"
    seed: int = 0
    gates: Gates = field(default_factory=Gates)


def check_anchors(source: Side, target: Side) -> None:
    """Refuse anchors that do not correspond, or are too few to hold any out.

    Raises:
        MismatchError: Different anchors on the two sides, or fewer than 10.
    """
    if not same_anchors(source.anchors, target.anchors):
        raise MismatchError(
            f"{source.name} and {target.name} were given different anchors ({some(source.anchors.anchors.ids, 2)}; "
            f"{some(target.anchors.anchors.ids, 2)}). Take both sides from one draw of one anchors file."
        )
    if len(source.anchors.anchors) < FEWEST:
        raise MismatchError(
            f"A forecast was asked for with {counted(len(source.anchors.anchors), 'anchor')}; at least {FEWEST} are "
            "needed, and some hundred make it sharp. Pick more anchors."
        )


def check_splits(source: Side, target: Side, options: AdviseOptions) -> None:
    """Refuse splits that were named and are not there; the usual ones need not be.

    Raises:
        UsageError: No such split.
    """
    for side, split, usual, option in (
        (target, options.train_split, AdviseOptions.train_split, "--train-split"),
        (source, options.test_split, AdviseOptions.test_split, "--test-split"),
    ):
        if split != usual and split not in side.rows.split_names:
            raise UsageError(
                f"There is no split called {split} in {side.name}; its splits are: {some(side.rows.split_names)}. "
                f"Name one of them with {option}, or leave it out."
            )


def asked_rows(side: Side, split: str) -> Matrix:
    """The rows that will be answered: those of a split, or all where there is no such split, without the anchors.

    Raises:
        MismatchError: None is left.
    """
    free = side.free()
    chosen = free & side.rows.in_splits(split) if split in side.rows.split_names else free
    if not chosen.any():
        raise MismatchError(
            f"{side.name} holds {counted(len(side.rows), 'row')}, and all of those to be answered are anchors. A "
            "forecast asks rows that are none; they need no labels. Encode some."
        )
    return side.space.vectors[rows_where(side.rows, chosen)]


def _learned(side: Side, options: AdviseOptions) -> NDArray[np.bool_]:
    rows = side.rows
    if options.train_split in rows.split_names:
        return rows.in_splits(options.train_split)
    inside = ~rows.in_splits(options.test_split)
    return inside if inside.any() else np.ones(len(rows), dtype=np.bool_)


def labelled_sides(source: Side, target: Side, labels: Targets, options: AdviseOptions) -> tuple[Source, Target]:
    """The two sides as the choice of a way takes them.

    Args:
        source: Its labels are not looked at.
        target: Whose decoder answers.
        labels: Classes of the target's rows.
        options: Splits.

    Raises:
        MismatchError: Fewer than 10 anchors with a label, or of fewer than 2 classes; or such training rows.
    """
    at = rows_where(target.rows, _learned(target, options))
    known, among = anchors_of_rows(target.rows, labels, target.anchors.anchors)
    classes = len(np.unique(known.values[known.present]))
    if int(known.present.sum()) < FEWEST or classes < 2:
        raise MismatchError(
            f"{int(known.present.sum())} of {len(known)} anchors {'has' if known.present.sum() == 1 else 'have'} a "
            f"label in {target.name}, of {counted(classes, 'class', 'classes')}. A forecast of accuracy needs "
            f"{FEWEST} or more, of 2 classes. Pick more anchors among labelled rows, or ask for recall instead "
            "(--recall)."
        )
    taught = labels.take(at)
    if len(np.unique(taught.values[taught.present & (among[at] < 0)])) < 2:
        raise MismatchError(
            f"The training rows of {target.name} that are no anchors are of fewer than 2 classes "
            f"({int(taught.present.sum())} labels in all): there is nothing to forecast. Name the split that is "
            "learned from with --train-split."
        )
    rows = source.space.vectors[rows_where(source.rows, _learned(source, options))]
    there = Target(target.space.vectors[at], taught, among[at], target.anchors.vectors, known)
    return Source(source.anchors.vectors, rows), there
