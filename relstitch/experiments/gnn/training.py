"""Training a graph network, with and without the relative layer between encoder and classifier."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from relstitch.experiments.gnn.networks import GraphTensors, NodeEncoder, quiet
from relstitch.experiments.gnn.recipes import Encoding, Recipe
from relstitch.experiments.materials.citations import Citations
from relstitch.layers import RelativeLayer

Index = NDArray[np.intp]
_EVERY = 5
"""Epochs between two looks at the validation nodes."""


@dataclass(frozen=True, eq=False)
class Lesson:
    """What a network learns from.

    Attributes:
        graph: The whole graph: test nodes are in it, their labels are not looked at.
        labels: int64 [n].
        classes: How many.
        train: The nodes whose labels are learned.
        valid: The nodes by which the best epoch is told.
        anchors: The nodes that are anchors; their labels are not looked at.
    """

    graph: GraphTensors
    labels: Tensor
    classes: int
    train: Index
    valid: Index
    anchors: Index


def train(lesson: Lesson, recipe: Recipe, *, keep: Index) -> dict[str, NDArray[np.float32]]:
    """Train one network.

    Args:
        lesson: What it learns from.
        recipe: How it is built and trained.
        keep: The nodes whose vectors are wanted.

    Returns:
        ``rows`` [len(keep), d] and ``anchors`` [k, d], what the encoder gives; ``weights`` [c, w] and ``bias`` [c] of
        the classifier, w = d, or k where it sees cosines to the anchors.
    """
    with _one_thread(), quiet(), torch.random.fork_rng():
        torch.manual_seed(recipe.seed)
        network = _Network(lesson, recipe)
        # The head is not decayed: on rows of one length it can be sure of an answer only by large weights.
        groups: list[dict[str, Any]] = [
            {"params": network.encoder.parameters(), "weight_decay": recipe.decay},
            {"params": network.head.parameters()},
        ]
        optimiser = torch.optim.Adam(groups, lr=recipe.rate)
        targets = lesson.labels[torch.from_numpy(lesson.train)]
        best, kept = (-1.0, 0.0), network.state_dict()
        for epoch in range(1, recipe.epochs + 1):
            loss = functional.cross_entropy(network(lesson.train), targets)
            optimiser.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            optimiser.step()
            if recipe.choose and (epoch % _EVERY == 0 or epoch == recipe.epochs):
                found = network.quality(lesson.valid)
                if found > best:
                    best, kept = found, {name: value.clone() for name, value in network.state_dict().items()}
        if recipe.choose:
            network.load_state_dict(kept)
        network.eval()
        with torch.no_grad():
            embedded = network.encoder(lesson.graph)
    head = network.head
    made = {"rows": embedded[keep], "anchors": embedded[lesson.anchors], "weights": head.weight, "bias": head.bias}
    return {name: tensor.detach().cpu().numpy() for name, tensor in made.items()}


def seen(encoding: Encoding, rows: NDArray[np.float32], anchors: NDArray[np.float32]) -> NDArray[np.float32]:
    """What a classifier sees of an encoder's vectors: they themselves, or what the relative layer makes of them.

    Args:
        encoding: Of the classifier.
        rows: [n, d], of any encoder.
        anchors: [k, d], of the same one.

    Returns:
        [n, d] or [n, k].

    Example:
        >>> rows = np.eye(3, dtype=np.float32)
        >>> seen("relative", rows, rows[:2]).tolist()
        [[1.0, 0.0], [0.0, 1.0], [0.0, 0.0]]
    """
    layer = _layer(encoding, len(anchors))
    if layer is None:
        return rows
    made: NDArray[np.float32] = layer(torch.from_numpy(rows), torch.from_numpy(anchors)).numpy()
    return made


def _layer(encoding: Encoding, anchors: int) -> RelativeLayer | None:
    """The paper's layer between encoder and classifier; None where there is none."""
    if encoding == "absolute":
        return None
    # Its output as it is: by its own mean and spread, what early layers leave nearly alike would be blown up, and GIN
    # and GAT then learn nothing.
    return RelativeLayer(anchors, "cosine", center=encoding == "centred")


class _Network(nn.Module):
    """Encoder, the relative layer where there is one, and a linear classifier."""

    def __init__(self, lesson: Lesson, recipe: Recipe) -> None:
        super().__init__()
        self._lesson = lesson
        self.encoder = NodeEncoder(lesson.graph.features.shape[1], recipe)
        self.relative = _layer(recipe.encoding, len(lesson.anchors))
        self.head = nn.Linear(recipe.width if self.relative is None else self.relative.width, lesson.classes)
        self.to(lesson.labels.device)

    def forward(self, nodes: Index) -> Tensor:
        """Logits of some nodes; the anchors are encoded anew with them."""
        embedded = self.encoder(self._lesson.graph)
        seen = embedded[torch.from_numpy(nodes)]
        if self.relative is not None:
            seen = self.relative(seen, embedded[torch.from_numpy(self._lesson.anchors)])
        answers: Tensor = self.head(seen)
        return answers

    def quality(self, nodes: Index) -> tuple[float, float]:
        """How well some nodes are told: accuracy, and where that is equal, the smaller loss."""
        self.eval()
        with torch.no_grad():
            logits, labels = self(nodes), self._lesson.labels[torch.from_numpy(nodes)]
            accuracy = float((logits.argmax(dim=1) == labels).float().mean())
            loss = float(functional.cross_entropy(logits, labels))
        self.train()
        return accuracy, -loss


@contextmanager
def _one_thread() -> Iterator[None]:
    """Graphs of this size are slower on several threads."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def lesson_of(graph: Citations, training: tuple[str, ...], anchors: Index, device: str) -> Lesson:
    """What a network learns from a citation graph.

    Args:
        graph: The graph and its classes.
        training: The splits that are trained on.
        anchors: The nodes that are anchors.
        device: Where.
    """
    targets = graph.targets
    labels = torch.from_numpy(targets.values.astype(np.int64)).to(device)
    tensors = GraphTensors.of(graph.graph, device)
    return Lesson(tensors, labels, len(targets.names), graph.nodes(*training), graph.nodes("val"), anchors)
