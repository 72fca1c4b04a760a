"""How the experiments' networks are trained on pictures, and how what they learned is kept."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from relstitch.experiments.experiment import Advance

_LONGEST = 1.0  # a longer gradient is shortened: at high rates one such step can undo all before


@dataclass(frozen=True)
class Course:
    """How long and how fast a network learns.

    Attributes:
        epochs: Passes over the training rows.
        batch: Rows a step, about.
        rate: Highest learning rate; it rises to it over the first third and falls to almost nothing after.
    """

    epochs: int
    batch: int
    rate: float


@contextmanager
def seeded(seed: int) -> Iterator[None]:
    """Torch's random numbers from a seed, on one thread; both are as before afterwards.

    Small networks lose more to threads that wait for each other than they win.
    """
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        with torch.random.fork_rng():
            torch.manual_seed(seed)
            yield
    finally:
        torch.set_num_threads(threads)


def train(model: nn.Module, loss_of: Callable[[Tensor], Any], rows: int, course: Course, advance: Advance) -> None:
    """Train a network with Adam, one cycle of learning rates; to be called within `seeded`.

    Args:
        model: The network. It is left in evaluation.
        loss_of: From the positions of a batch's rows to the loss.
        rows: How many rows there are.
        course: How long and how fast.
        advance: Told epochs done and all epochs.

    Source: Adam, Kingma and Ba 2015 (arXiv 1412.6980); the cycle, Smith and Topin 2018 (arXiv 1708.07120).
    """
    optimiser = torch.optim.Adam(model.parameters(), lr=course.rate)
    batches = max(1, rows // course.batch)
    cycle = torch.optim.lr_scheduler.OneCycleLR(optimiser, course.rate, total_steps=course.epochs * batches)
    model.train()
    for epoch in range(course.epochs):
        for batch in torch.tensor_split(torch.randperm(rows), batches):
            optimiser.zero_grad()
            loss_of(batch).backward()
            length = nn.utils.clip_grad_norm_(model.parameters(), _LONGEST)
            # One step along a gradient that is not finite would leave nothing but NaN.
            if torch.isfinite(length):
                optimiser.step()
            cycle.step()
        advance(epoch + 1, course.epochs)
    model.eval()


def learned(model: nn.Module) -> dict[str, NDArray[Any]]:
    """What a network learned, as arrays by name."""
    return {name: value.detach().cpu().numpy() for name, value in model.state_dict().items()}


def taught(model: nn.Module, arrays: Mapping[str, NDArray[Any]]) -> None:
    """Give a network what `learned` kept of one of the same plan, and leave it in evaluation."""
    model.load_state_dict({name: torch.from_numpy(np.array(value)) for name, value in arrays.items()})
    model.eval()
