"""One space in which several encoders meet, each by one map: generalised Procrustes."""

from collections.abc import Mapping, Sequence

import numpy as np

from relstitch.artifacts import AnchorVectors, EncoderStamp, Hub, Translator
from relstitch.artifacts.translator import part_of
from relstitch.errors import MismatchError, UsageError, counted, some
from relstitch.meeting import same_anchors
from relstitch.translation.linear import orthogonal
from relstitch.translation.registry import check_anchors
from relstitch.translation.vectors import Arrays, Numbers

_TURNS = 50
_STILL = 1e-4
"""The share of the misfit by which a turn must lessen it for another to be worth its time."""


def consensus(configurations: Sequence[Numbers]) -> tuple[list[Numbers], int]:
    """Rotations that bring several views of the same points as near to their mean as rotations can.

    Args:
        configurations: M ≥ 2 arrays float64 [k, d_i], centred. Different widths meet as if zeros filled up the
            narrower ones.

    Returns:
        M rotations R_i, float64 [d_i, w], w = max d_i (partial isometries, as those of `orthogonal`), that lessen
        Σ ‖X_i R_i − mean‖² until it stands still; and the number of turns that took.

    Source: Gower 1975, "Generalized Procrustes analysis"; ours begins from the principal components of all
    configurations side by side, so that their order does not matter, and gives all of them the same size instead of
    fitting scales.

    Example:
        >>> X = np.array([[1.0, 0.0], [-1.0, 1.0], [0.0, -1.0]])
        >>> (one, other), _ = consensus([X, X[:, ::-1]])
        >>> bool(np.allclose(X @ one, X[:, ::-1] @ other))
        True
    """
    width = max(X.shape[1] for X in configurations)
    left, values, _ = np.linalg.svd(np.hstack(configurations), full_matrices=False)
    mean = np.zeros((len(left), width))
    r = min(width, len(values))
    mean[:, :r] = left[:, :r] * values[:r] / np.sqrt(len(configurations))
    last = np.inf
    for turn in range(1, _TURNS + 1):
        rotations = [orthogonal(X, mean)[0] for X in configurations]
        turned = [X @ R for X, R in zip(configurations, rotations, strict=True)]
        mean = np.mean(turned, axis=0)
        misfit = float(sum(np.square(X - mean).sum() for X in turned))
        if last - misfit <= _STILL * misfit or turn == _TURNS:
            break
        last = misfit
    return rotations, turn


def fit_hub(anchors: Sequence[AnchorVectors], encoders: Sequence[EncoderStamp]) -> Hub:
    """Fit one map for each of M encoders, into a space in which all of them meet.

    Args:
        anchors: The same k anchors in each encoder, M ≥ 2 of them.
        encoders: Their stamps, all different.

    Returns:
        The hub: x ↦ (x − μ_i) R_i / s_i, where μ_i is the mean of encoder i's anchors, s_i their size (Frobenius)
        after centring, and R_i a rotation; and the way back.

    Raises:
        UsageError: Fewer than two encoders, or one of them twice.
        MismatchError: Different anchors, too few, not finite, or all alike.

    Source: Gower 1975 (`consensus`); as a hub of encoders, ours.

    Example:
        >>> from relstitch.artifacts import AnchorList
        >>> A = AnchorVectors(AnchorList(("a", "b", "c"), ("",) * 3), np.array([[1, 0], [0, 2], [3, 1]], np.float32))
        >>> B = AnchorVectors(A.anchors, 5 - A.vectors[:, ::-1])
        >>> hub = fit_hub([A, B], [EncoderStamp("st:x", "text", 2), EncoderStamp("st:y", "text", 2)])
        >>> hub.settings["width"]
        2
    """
    _check(anchors, encoders)
    means = [one.vectors.astype(np.float64).mean(axis=0) for one in anchors]
    centred = [one.vectors.astype(np.float64) - mean for one, mean in zip(anchors, means, strict=True)]
    sizes = [float(np.linalg.norm(X)) for X in centred]
    rotations, turns = consensus([X / size for X, size in zip(centred, sizes, strict=True)])
    arrays: Arrays = {}
    for at, (mean, size, R) in enumerate(zip(means, sizes, rotations, strict=True)):
        arrays |= {f"{at}.center": mean, f"{at}.weights": R / size, f"{at}.back": R.T * size}
    settings = {"width": rotations[0].shape[1], "k": len(anchors[0].anchors), "turns": turns}
    return Hub(tuple(zip(encoders, anchors, strict=True)), arrays, settings)


def _check(anchors: Sequence[AnchorVectors], encoders: Sequence[EncoderStamp]) -> None:
    if len(anchors) < 2 or len(anchors) != len(encoders):
        raise UsageError(
            f"A hub was asked for with {counted(len(anchors), 'set')} of anchors and "
            f"{counted(len(encoders), 'encoder')}; expected one set an encoder, and at least 2."
        )
    twice = [one.spec for at, one in enumerate(encoders) if one.identity in {e.identity for e in encoders[:at]}]
    if twice:
        raise UsageError(f"A hub needs different encoders; given more than once: {some(twice)}.")
    for stamp, one in zip(encoders[1:], anchors[1:], strict=True):
        if not same_anchors(anchors[0], one):
            raise MismatchError(
                f"The anchors of {encoders[0].spec} and of {stamp.spec} are not the same ones in the same order. A "
                "hub is fitted on anchors that all encoders have: take them from one anchors file and one draw."
            )
        check_anchors(anchors[0].vectors, one.vectors)


def hub_translator(hub: Hub, source: EncoderStamp, target: EncoderStamp) -> Translator:
    """The translator of an ordered pair: from the source into the hub, and out of it to the target.

    Args:
        hub: From `fit_hub` or a file.
        source: One of its encoders.
        target: Another one.

    Returns:
        A one-sided translator: y = (x − μ_A) R_A R_Bᵀ s_B / s_A + μ_B.

    Raises:
        MismatchError: An encoder that is not in the hub.

    Example:
        >>> from relstitch.artifacts import AnchorList
        >>> from relstitch.translation import translate
        >>> A = AnchorVectors(AnchorList(("a", "b", "c"), ("",) * 3), np.array([[1, 0], [0, 2], [3, 1]], np.float32))
        >>> B = AnchorVectors(A.anchors, 5 - A.vectors[:, ::-1])
        >>> one, other = EncoderStamp("st:x", "text", 2), EncoderStamp("st:y", "text", 2)
        >>> translate(hub_translator(fit_hub([A, B], [one, other]), one, other), A.vectors).round(3).tolist()
        [[5.0, 4.0], [3.0, 5.0], [4.0, 2.0]]
    """
    at, to = (_position(hub, stamp) for stamp in (source, target))
    into, out = part_of(hub.arrays, at), part_of(hub.arrays, to)
    arrays = {
        "center": into["center"], "weights": into["weights"] @ out["back"], "bias": out["center"],
        "normalise": np.array(0),
    }  # fmt: skip
    met: Mapping[str, object] = {"hub": [stamp.spec for stamp, _ in hub.encoders], **hub.settings}
    ends = (hub.encoders[at], hub.encoders[to])
    return Translator("procrustes", ends[0][0], ends[1][0], arrays, met, (ends[0][1], ends[1][1]))


def _position(hub: Hub, stamp: EncoderStamp) -> int:
    for at, (member, _) in enumerate(hub.encoders):
        if member.identity == stamp.identity:
            return at
    raise MismatchError(
        f"{stamp.spec} ({stamp.dimension} wide) is not in this hub, which joins: "
        f"{some(member.spec for member, _ in hub.encoders)}. Fit a hub with it."
    )
