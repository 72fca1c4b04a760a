"""Pictures by the few directions in which they vary most: enough to choose by, at a hundredth of the cost."""

from dataclasses import replace

import numpy as np

from relstitch.artifacts import Targets
from relstitch.choosing.sides import Target
from relstitch.choosing.strength import evenly

_DIRECTIONS, _ROWS = 32, 512


def in_few_directions(target: Target) -> Target:
    """Replace a target's pictures by their coordinates along the leading principal directions of its training rows.

    Ridge regression and neighbours answer linearly in what they learned, so that their answers for coordinates are
    the coordinates of their answers: what is lost is the error in the directions that are left out.

    Args:
        target: The side whose decoder answers; other targets than pictures stay as they are.

    Returns:
        The same with targets of kind ``real``, at most 32 numbers each.

    Source: Pearson 1901; that it serves a choice is ours.

    Example:
        >>> ink = np.array([0, 255, 0, 255], dtype=np.uint8).reshape(4, 1, 1, 1)
        >>> pictures = Targets("image", ink, np.ones(4, dtype=bool))
        >>> X = np.zeros((4, 2), dtype=np.float32)
        >>> few = in_few_directions(Target(X, pictures, np.full(4, -1), X, pictures))
        >>> [round(abs(float(value)), 6) for value in few.known.values[:, 0]]
        [0.5, 0.5, 0.5, 0.5]
    """
    if target.targets.kind != "image":
        return target
    known = np.flatnonzero(target.targets.present)
    # Spread over all rows, which may stand class by class.
    asked = known[evenly(len(known), _ROWS)]
    pixels = target.targets.take(asked).numbers()
    mean = pixels.mean(axis=0)
    directions = np.linalg.svd(pixels - mean, full_matrices=False)[2][:_DIRECTIONS]

    def coordinates(targets: Targets) -> Targets:
        values = (targets.numbers() - mean) @ directions.T
        names = tuple(f"{at:02d}" for at in range(len(directions)))
        return Targets("real", values, targets.present, names)

    return replace(target, targets=coordinates(target.targets), known=coordinates(target.known))
