"""A graph with features on its nodes, and some of its nodes: what an encoder of graphs is given."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, eq=False)
class Graph:
    """A whole graph. Labels are no part of it: a frozen encoder has no business with them.

    Attributes:
        edges: int64 [2, m], from and to, each in 0 … n - 1, as they stand in the source: where edges have no
            direction, a source may hold each once or both ways (see `both_ways`).
        features: float32 [n, f], finite.
        ids: object [n] of str, unique.
    """

    edges: NDArray[np.int64]
    features: NDArray[np.float32]
    ids: NDArray[np.object_]

    def __len__(self) -> int:
        return len(self.features)

    @property
    def both_ways(self) -> NDArray[np.int64]:
        """int64 [2, m']: every edge in both directions, each once, sorted, without edges from a node to itself.

        Example:
            >>> import numpy as np
            >>> from relstitch.artifacts.graphs import Graph
            >>> ids = np.array(["a", "b"], dtype=object)
            >>> Graph(np.array([[0, 1, 1], [1, 1, 0]]), np.zeros((2, 1), np.float32), ids).both_ways.tolist()
            [[0, 1], [1, 0]]
        """
        among = self.edges[:, self.edges[0] != self.edges[1]]
        return np.unique(np.concatenate([among, among[::-1]], axis=1), axis=1)


@dataclass(frozen=True, eq=False)
class GraphNodes:
    """Some nodes of a graph, as the items of a dataset: they are encoded with the whole graph around them.

    Attributes:
        graph: The graph.
        nodes: intp [b], which nodes, in order.
    """

    graph: Graph
    nodes: NDArray[np.intp]

    def __len__(self) -> int:
        return len(self.nodes)

    def __getitem__(self, index: Any) -> "GraphNodes":
        """The nodes at `index` (a slice, numbers or bool), of the same graph."""
        return GraphNodes(self.graph, np.atleast_1d(self.nodes[index]))
