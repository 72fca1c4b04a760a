"""The paper's head on frozen encoders: one hidden layer, trained with Adam."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from relstitch.decoders.prediction import Task

HIDDEN = 256
EPOCHS = 10
STEPS = 300  # at least: ten epochs of a few hundred rows would leave the head where it began
BATCH = 64
RATE = 1e-3
_EPSILON = 1e-5


def fit_mlp(X: NDArray[Any], task: Task, seed: int, transductive: bool) -> dict[str, NDArray[Any]]:
    """Train LayerNorm → Linear → SiLU → Linear: Adam, ten epochs, more on few rows.

    Source: Moschella et al. 2023, appendix, the head for text. As published, every hidden unit is also normalised
    over the rows that are scored together; that is `transductive`. Ours leaves it out by default, so that a row's
    answer depends on nothing but the row.

    Args:
        X: [n, k].
        task: ``class`` (cross entropy), ``multilabel`` (binary cross entropy), ``real`` (squared error on
            standardised targets) or ``image`` (squared error of pixels).
        seed: Decides initial weights and the order of rows. Torch's global generator is left alone.
        transductive: Whether hidden units are normalised over the batch, in training and in use.

    Returns:
        ``norm_weight``, ``norm_bias`` [k], ``hidden_weight`` [h, k], ``hidden_bias`` [h], ``output_weight`` [c, h],
        ``output_bias`` [c], ``target_mean`` and ``target_scale`` [c] (0 and 1 but for numbers and pixels), float32.
    """
    import torch

    generator = torch.Generator().manual_seed(seed)
    inputs = torch.tensor(np.ascontiguousarray(X, dtype=np.float32))
    goal, mean, scale = _goal(task)
    answers = torch.tensor(goal)
    weights = _initial(X.shape[1], mean.shape[0], generator)
    optimiser = torch.optim.Adam(list(weights.values()), lr=RATE)
    losses: dict[str, Any] = {
        "class": torch.nn.functional.cross_entropy,
        "multilabel": torch.nn.functional.binary_cross_entropy_with_logits,
        "real": torch.nn.functional.mse_loss,
        "image": torch.nn.functional.mse_loss,
    }
    batches = max(1, len(X) // BATCH)
    # One thread, entered only now that torch's own threads can be seen: the batches are small.
    with threadpool_limits(1):
        for _ in range(max(EPOCHS, -(-STEPS // batches))):
            # Batches of nearly equal size: a last batch of one row could not be normalised over its rows.
            for batch in torch.tensor_split(torch.randperm(len(X), generator=generator), batches):
                optimiser.zero_grad()
                loss = losses[task.kind](_forward(weights, inputs[batch], transductive), answers[batch])
                loss.backward()
                optimiser.step()
    learned = {name: value.detach().numpy() for name, value in weights.items()}
    return learned | {"target_mean": mean, "target_scale": scale}


def _goal(task: Task) -> tuple[NDArray[Any], NDArray[np.float32], NDArray[np.float32]]:
    outputs = task.values.shape[1] if task.kind == "image" else len(task.names)
    mean, scale = np.zeros(outputs, dtype=np.float32), np.ones(outputs, dtype=np.float32)
    if task.kind == "class":
        return task.values.astype(np.int64), mean, scale
    values = task.values.astype(np.float32)
    if task.kind == "image":
        # One unit for all pixels: a corner that hardly varies is not to count as much as the middle.
        mean = values.mean(axis=0)
        scale *= float(np.sqrt(np.square(values - mean).mean())) or 1.0
        values = (values - mean) / scale
    if task.kind == "real":
        mean, spread = values.mean(axis=0), values.std(axis=0)
        scale = np.where(spread > 0, spread, 1.0).astype(np.float32)
        values = (values - mean) / scale
    return values, mean, scale


def _initial(k: int, outputs: int, generator: Any) -> dict[str, Any]:
    import torch

    def uniform(rows: int, columns: int) -> Any:
        bound = columns**-0.5
        return (torch.rand(rows, columns, generator=generator) * 2 - 1) * bound

    values = {
        "norm_weight": torch.ones(k),
        "norm_bias": torch.zeros(k),
        "hidden_weight": uniform(HIDDEN, k),
        "hidden_bias": torch.zeros(HIDDEN),
        "output_weight": uniform(outputs, HIDDEN),
        "output_bias": torch.zeros(outputs),
    }
    return {name: value.requires_grad_() for name, value in values.items()}


def _forward(weights: Mapping[str, Any], inputs: Any, transductive: bool) -> Any:
    from torch.nn import functional

    normed = functional.layer_norm(
        inputs, inputs.shape[1:], weights["norm_weight"], weights["norm_bias"], eps=_EPSILON
    )
    hidden = functional.linear(normed, weights["hidden_weight"], weights["hidden_bias"])
    if transductive:
        variance = hidden.var(dim=0, correction=0, keepdim=True)
        hidden = (hidden - hidden.mean(dim=0, keepdim=True)) / (variance + _EPSILON).sqrt()
    return functional.linear(functional.silu(hidden), weights["output_weight"], weights["output_bias"])


def mlp_values(arrays: Mapping[str, NDArray[Any]], X: NDArray[Any], transductive: bool) -> NDArray[np.float64]:
    """The outputs of the trained head, computed by numpy: float64 [n, c].

    Args:
        arrays: What `fit_mlp` returned.
        X: [n, k]; if transductive, the rows whose statistics count.
        transductive: As it was trained.
    """
    rows = X.astype(np.float64)
    normed = rows - rows.mean(axis=1, keepdims=True)
    normed /= np.sqrt(normed.var(axis=1, keepdims=True) + _EPSILON)
    normed = normed * arrays["norm_weight"] + arrays["norm_bias"]
    hidden = normed @ arrays["hidden_weight"].T.astype(np.float64) + arrays["hidden_bias"]
    if transductive:
        hidden = (hidden - hidden.mean(axis=0)) / np.sqrt(hidden.var(axis=0) + _EPSILON)
    # x · sigmoid(x), through tanh: exp(-x) would overflow for large negative x.
    active = hidden * 0.5 * (1.0 + np.tanh(0.5 * hidden))
    outputs = active @ arrays["output_weight"].T.astype(np.float64) + arrays["output_bias"]
    values: NDArray[np.float64] = outputs * arrays["target_scale"] + arrays["target_mean"]
    return values
