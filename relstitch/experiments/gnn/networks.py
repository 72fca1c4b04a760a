"""Encoders of nodes, and what they are fed: sparse features and edges."""

import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from relstitch.artifacts.graphs import Graph
from relstitch.experiments.gnn.recipes import Architecture, Recipe


@dataclass(frozen=True, eq=False)
class GraphTensors:
    """A graph as networks take it.

    Attributes:
        features: Sparse [n, f] (CSR), each row summing to 1.
        mirrored: The same turned over, [f, n].
        order: Where the numbers of `mirrored` stand in `features`.
        edges: int64 [2, m], both ways.
        neighbours: The same as a sparse matrix [n, n].
        smoothing: Sparse, symmetric [n, n]: with each node its own neighbour, 1 ÷ √(both nodes' numbers of them).
    """

    features: Tensor
    mirrored: Tensor
    order: Tensor
    edges: Tensor
    neighbours: Tensor
    smoothing: Tensor

    def smoothed(self, values: Tensor) -> Tensor:
        """Values [n, d] averaged over each node and its neighbours (Kipf and Welling 2017, equation 2)."""
        averaged: Tensor = _SparseProduct.apply(self.smoothing, self.smoothing, values)
        return averaged

    @staticmethod
    def of(graph: Graph, device: str) -> "GraphTensors":
        """Put a graph on a device, its features scaled so that each row sums to 1 (Kipf and Welling 2017)."""
        sums = np.abs(graph.features).sum(axis=1, keepdims=True)
        scaled = graph.features / np.where(sums > 0, sums, 1)
        rows, columns = np.nonzero(scaled)
        order = np.lexsort((rows, columns))
        n, f = scaled.shape
        values = torch.from_numpy(scaled[rows, columns])
        edges = graph.both_ways
        loops = np.concatenate([edges, np.tile(np.arange(n), (2, 1))], axis=1)
        loops = loops[:, np.lexsort(loops[::-1])]
        scale = 1 / np.sqrt(np.bincount(loops[0], minlength=n))
        weights = torch.from_numpy((scale[loops[0]] * scale[loops[1]]).astype(np.float32))
        return GraphTensors(
            _csr(rows, columns, values, (n, f)).to(device),
            _csr(columns[order], rows[order], values[torch.from_numpy(order)], (f, n)).to(device),
            torch.from_numpy(order).to(device),
            torch.from_numpy(edges).to(device),
            _csr(edges[0], edges[1], torch.ones(edges.shape[1]), (n, n)).to(device),
            _csr(loops[0], loops[1], weights, (n, n)).to(device),
        )


@contextmanager
def quiet() -> Iterator[None]:
    """Keep the libraries' remarks on sparse matrices and on old functions of their own off the screen."""
    with warnings.catch_warnings():
        for message in (".*[Ss]parse.*", ".*torch.jit.*"):
            warnings.filterwarnings("ignore", message=message)
        yield


def _csr(rows: Any, columns: Any, values: Tensor, size: tuple[int, int]) -> Tensor:
    starts = torch.from_numpy(np.concatenate([[0], np.cumsum(np.bincount(rows, minlength=size[0]))]))
    with quiet():
        return torch.sparse_csr_tensor(starts, torch.from_numpy(columns), values, size)


def _with_values(matrix: Tensor, values: Tensor) -> Tensor:
    return torch.sparse_csr_tensor(matrix.crow_indices(), matrix.col_indices(), values, matrix.shape)


class _SparseProduct(torch.autograd.Function):
    """A fixed sparse matrix times weights; torch's own gradient turns the matrix over anew at every step."""

    @staticmethod
    def forward(ctx: Any, matrix: Tensor, mirrored: Tensor, weights: Tensor) -> Tensor:
        ctx.mirrored = mirrored
        product: Tensor = torch.sparse.mm(matrix, weights)
        return product

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[None, None, Tensor]:
        return None, None, torch.sparse.mm(ctx.mirrored, gradient.contiguous())


def thinned(values: Tensor, share: float, *, training: bool) -> Tensor:
    """Dropout that draws one byte a value, so its share is a multiple of 1/256: a third of the time of torch's own.

    Args:
        values: Of any shape.
        share: How many become 0, in 0 … 1; the others grow by as much, so that the mean stays.
        training: Else nothing is dropped.

    Example:
        >>> kept = thinned(torch.ones(10_000), 0.25, training=True)
        >>> sorted(set(kept.tolist())), bool((kept.mean() - 1).abs() < 0.05)
        ([0.0, 1.3333333730697632], True)
    """
    kept = max(round(256 * (1 - share)), 1)
    if not training or kept == 256:
        return values
    whole = torch.empty(values.numel() // 8 + 1, dtype=torch.int64, device=values.device)
    drawn = whole.random_(-(2**63), None).view(torch.uint8)[: values.numel()].view(values.shape)
    return values * ((drawn < kept) * (256 / kept))


class NodeEncoder(nn.Module):
    """Features → width, then layers that pass messages; the last one without an activation.

    GCN's first layer is the first step and the passing of its messages in one, as in its paper.

    Args:
        features: How many a node has.
        recipe: Architecture, width, depth and dropout.
    """

    def __init__(self, features: int, recipe: Recipe) -> None:
        super().__init__()
        self.recipe = recipe
        self.weights = nn.Parameter(nn.init.xavier_uniform_(torch.empty(features, recipe.width)))
        self.bias = nn.Parameter(torch.zeros(recipe.width))
        build = _LAYERS[recipe.architecture]
        # GCN's first layer is the features' own product, smoothed; the other architectures' layers come after it.
        first = 2 if recipe.architecture == "gcn" else 1
        self.layers = nn.ModuleList(build(recipe, number) for number in range(first, recipe.depth + 1))

    def forward(self, graph: GraphTensors) -> Tensor:
        """Embed every node: [n, width]."""
        product = self._product(graph)
        if self.recipe.architecture == "gcn" and self.recipe.depth:
            product = graph.smoothed(product)
        first = hidden = product + self.bias
        edges = graph.edges if self.recipe.architecture == "gat" else graph.neighbours
        for layer in self.layers:
            dropped = thinned(functional.relu(hidden), self.recipe.dropout, training=self.training)
            if self.recipe.architecture == "gcnii":
                hidden = layer(dropped, functional.relu(first), edges)
            else:
                hidden = layer(dropped, edges)
        return hidden

    def _product(self, graph: GraphTensors) -> Tensor:
        matrix, mirrored = graph.features, graph.mirrored
        if self.training and self.recipe.dropout:
            values = thinned(matrix.values(), self.recipe.dropout, training=True)
            matrix, mirrored = _with_values(matrix, values), _with_values(mirrored, values[graph.order])
        product: Tensor = _SparseProduct.apply(matrix, mirrored, self.weights)
        return product


def _gcn(recipe: Recipe, _number: int) -> nn.Module:
    from torch_geometric.nn import GCNConv

    layer: nn.Module = GCNConv(recipe.width, recipe.width, cached=True)
    return layer


def _gcnii(recipe: Recipe, number: int) -> nn.Module:
    from torch_geometric.nn import GCN2Conv

    layer: nn.Module = GCN2Conv(recipe.width, alpha=0.1, theta=0.5, layer=number, cached=True)
    return layer


def _gin(recipe: Recipe, _number: int) -> nn.Module:
    from torch_geometric.nn import GINConv

    width = recipe.width
    layer: nn.Module = GINConv(nn.Sequential(nn.Linear(width, width), nn.ReLU(), nn.Linear(width, width)))
    return layer


def _gat(recipe: Recipe, _number: int) -> nn.Module:
    from torch_geometric.nn import GATConv

    layer: nn.Module = GATConv(recipe.width, recipe.width // 8, heads=8, dropout=recipe.dropout)
    return layer


_LAYERS: dict[Architecture, Callable[[Recipe, int], nn.Module]] = {
    "gcn": _gcn,
    "gcnii": _gcnii,
    "gin": _gin,
    "gat": _gat,
}
