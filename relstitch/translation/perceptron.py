"""A small network that learns what ridge leaves over."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from relstitch.translation.ridge import fit_ridge, leave_one_out, spectrum
from relstitch.translation.vectors import Arrays, Numbers, directions

_STEPS = 200


def fit_mlp(A: Numbers, B: Numbers, params: Mapping[str, Any]) -> Arrays:
    """Ridge, plus one hidden layer trained on the residuals that ridge has on anchors it was not fitted on.

    A fifth of the anchors is held out to choose the number of steps; none at all is one of the choices, so that the
    network is left out where it does not help. Initial weights come from the seed alone.

    Args:
        A: float64 [k, d_A].
        B: float64 [k, d_B].
        params: hidden (units), seed, and those of ridge.

    Returns:
        The arrays of ridge, and hidden.weights, hidden.bias, out.weights, out.bias.
    """
    ridge = fit_ridge(A, B, {"penalty": None, "normalise": True})
    U = directions(A, ridge["center"])
    found = spectrum(U - U.mean(axis=0))
    left = leave_one_out(found, B - B.mean(axis=0), float(ridge["penalty"]))
    scale = float(np.sqrt(np.square(left).mean())) or 1.0
    layers = _train(U * np.sqrt(U.shape[1]), left / scale, int(params["hidden"]), int(params["seed"]))
    layers["hidden.weights"] = layers["hidden.weights"] * np.sqrt(U.shape[1])
    layers |= {name: layers[name] * scale for name in ("out.weights", "out.bias")}
    return {**ridge, **layers}


def _train(X: Numbers, Y: Numbers, hidden: int, seed: int) -> Arrays:
    import torch

    rng = np.random.default_rng(seed)
    names = ("hidden.weights", "hidden.bias", "out.weights", "out.bias")
    first = rng.normal(size=(X.shape[1], hidden)) / np.sqrt(X.shape[1])
    start = (first, np.zeros(hidden), np.zeros((hidden, Y.shape[1])), np.zeros(Y.shape[1]))
    layers = [torch.tensor(values, dtype=torch.float32, requires_grad=True) for values in start]
    order = rng.permutation(len(X))
    held, kept = order[: len(X) // 5], order[len(X) // 5 :]
    inputs, outputs = torch.tensor(X, dtype=torch.float32), torch.tensor(Y, dtype=torch.float32)
    optimiser = torch.optim.AdamW(layers, lr=1e-3, weight_decay=1e-1)

    def error(rows: Any) -> Any:
        out = torch.tanh(inputs[rows] @ layers[0] + layers[1]) @ layers[2] + layers[3]
        return torch.nn.functional.mse_loss(out, outputs[rows])

    best, least = [values.detach().clone() for values in layers], float("inf")
    for _ in range(_STEPS if len(held) else 0):
        with torch.no_grad():
            now = float(error(held))
        if now < least:
            best, least = [values.detach().clone() for values in layers], now
        optimiser.zero_grad()
        error(kept).backward()
        optimiser.step()
    return {name: values.numpy().astype(np.float64) for name, values in zip(names, best, strict=True)}
