"""Anchored smoothing: both encoders pass through the same anchors to one place."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from relstitch.translation.vectors import Arrays, Numbers, directions, kernel


def fit_smoothing(A: Numbers, B: Numbers, params: Mapping[str, Any]) -> Arrays:
    """Kernel smoothers of both sides towards the same targets: g_X(x) = K_X(x)(K_X + λI)⁻¹T.

    K_X(x) = exp(γ(cos(x − μ_X, a − μ_X) − 1)) over the anchors a of encoder X, whose mean is μ_X. T are the anchors'
    directions in the target, or those of target and source side by side. What is compared or decoded afterwards must
    come through its own side: the target's raw rows do not lie in this place.

    Args:
        A: float64 [k, d_A].
        B: float64 [k, d_B].
        params: gamma > 0, penalty λ > 0, targets ``target`` or ``both``.

    Returns:
        For each side: center [d], anchors [k, d], weights [k, w]; and gamma.

    Source: ours; the two smoothers are kernel ridge regressions that share their targets.
    """
    means = (A.mean(axis=0), B.mean(axis=0))
    units = (directions(A, means[0]), directions(B, means[1]))
    T = np.hstack([units[1], units[0]]) if params["targets"] == "both" else units[1]
    arrays: Arrays = {"gamma": np.array(float(params["gamma"]))}
    for side, center, unit in zip(("source", "target"), means, units, strict=True):
        K = kernel(unit, unit, params["gamma"])
        weights = np.linalg.solve(K + params["penalty"] * np.eye(len(K)), T)
        arrays |= {f"{side}.center": center, f"{side}.anchors": unit, f"{side}.weights": weights}
    return arrays
