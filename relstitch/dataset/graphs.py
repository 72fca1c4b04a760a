r"""Graphs: a ``.npz`` file of edges and node features, or what a ``python:`` factory of the user's gives.

Keys, as torch-geometric calls them or shorter:

| keys | what |
|---|---|
| ``edges`` or ``edge_index`` | whole numbers [2, m]: from and to |
| ``x`` | node features, numbers [n, f] |
| ``x_data``, ``x_indices``, ``x_indptr``, ``x_shape`` | the same as the parts of a SciPy CSR matrix |
| ``y`` | labels [n], or [n, 1]: text, or whole numbers, below 0 where there is none |
| ``classes`` | names of the classes that the numbers in ``y`` stand for |
| ``train``, ``val``, ``test`` (also ``_mask``) | which nodes: numbers, or True and False |
| ``ids`` | an id a node |

A torch-geometric ``Data`` of one graph is written with

    numpy.savez("graph.npz", **{key: value.numpy() for key, value in data.to_dict().items()})

Its own format is a pickle, which is never loaded; ``python:MODULE:FACTORY`` takes the ``Data`` itself. Encoders of
graphs are the user's own (`relstitch.encoders.protocol.GraphEncoder`):

    relstitch encode graph.npz -m python:mygnn:make -o one.safetensors

Example:
    >>> import pathlib, tempfile
    >>> from relstitch.dataset import read_dataset
    >>> folder = tempfile.TemporaryDirectory()
    >>> path = pathlib.Path(folder.name) / "graph.npz"
    >>> np.savez(path, edges=[[0, 1], [1, 2]], x=np.eye(3), y=[0, 1, 0], train=[0, 1], test=[2])
    >>> dataset = read_dataset([str(path)])
    >>> dataset.modality, dataset.rows.ids.tolist(), dataset.rows.splits.tolist()
    ('graph', ['0', '1', '2'], ['train', 'train', 'test'])
    >>> dataset.items.graph.both_ways.tolist()
    [[0, 1, 1, 2], [1, 0, 2, 1]]
    >>> folder.cleanup()
"""

import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from relstitch.artifacts.graphs import Graph, GraphNodes
from relstitch.artifacts.rows import content_hash, texts_array
from relstitch.dataset.arrays import archive_arrays, texts
from relstitch.dataset.items import DEFAULT_SPLIT, Journal, Label, check_ids
from relstitch.dataset.options import ReadOptions
from relstitch.dataset.sources import Source
from relstitch.errors import DatasetError, UsageError, counted, some
from relstitch.user_code import made_by, plain_array, running

Arrays = Mapping[str, NDArray[Any]]
REST = "rest"
"""The split of nodes that are in none, where others are."""

_EDGES = ("edges", "edge_index")
_SPARSE = ("x_data", "x_indices", "x_indptr", "x_shape")
_LABELS = ("y",)
_SPLITS = ("train", "val", "valid", "validation", "dev", "test")
_KNOWN = {*_EDGES, "x", *_SPARSE, *_LABELS, "classes", "ids", *_SPLITS, *(f"{name}_mask" for name in _SPLITS)}
_LARGEST = 8 * 2**30
"""Bytes that features may take as float32: a shape in a file costs nothing to write."""


@dataclass(frozen=True, eq=False)
class GraphPart:
    """The nodes of a graph that are wanted, in their order.

    Attributes:
        nodes: Those nodes, with the whole graph.
        splits: The split of each.
        hashes: The hash of each one's features as float32; edges are context, and no part of it.
        labels: One label each, or None where the source has none.
    """

    nodes: GraphNodes
    splits: list[str]
    hashes: list[str]
    labels: list[Label] | None

    @property
    def ids(self) -> list[str]:
        """The ids of the nodes."""
        return [str(name) for name in self.nodes.graph.ids[self.nodes.nodes]]


def is_graph(source: Source) -> bool:
    """Whether a source holds a graph: a factory that is to give one, or a .npz file with edges and features."""
    if source.format != "npz":
        return source.format == "graph"
    try:
        with source.open() as stream, zipfile.ZipFile(stream) as archive:
            names = {name.removesuffix(".npy") for name in archive.namelist()}
    except (OSError, ValueError, zipfile.BadZipFile, NotImplementedError):
        return False
    return bool(names & set(_EDGES)) and bool(names & {"x", "x_data"})


def graph_part(source: Source, options: ReadOptions, journal: Journal) -> GraphPart:
    """Read a graph.

    Args:
        source: A .npz file, or ``python:MODULE:FACTORY``, which gives a mapping of such arrays or a torch-geometric
            ``Data``.
        options: How to read it: columns cannot be named; the limit is of nodes, the graph around them stays whole.
        journal: What is not read is noted there.

    Returns:
        Its nodes. A node's id is its number, where the source gives no ids.

    Raises:
        DatasetError: Something in it does not fit; the message says what was found and expected.
        UsageError: A column was named, or a split was given to a graph that has splits.
    """
    if options.named_columns:
        raise UsageError(f"{source.name} holds a graph and has no columns; found {some(options.named_columns)}.")
    arrays = _made(source) if source.format == "graph" else archive_arrays(source)
    graph = _graph(source, arrays)
    splits = _splits(source, arrays, len(graph))
    unread = [key for key in arrays if key not in _KNOWN]
    if unread:
        journal.notes.append(f"{source.name}: {some(unread)} in it {'was' if len(unread) == 1 else 'were'} not read.")
    labels = _labels(source, arrays, len(graph))
    nodes = GraphNodes(graph, _first(splits, options.limit))
    return GraphPart(
        nodes,
        [splits[node] for node in nodes.nodes],
        [content_hash(row.tobytes()) for row in graph.features[nodes.nodes]],
        None if labels is None else [labels[node] for node in nodes.nodes],
    )


def _made(source: Source) -> Arrays:
    """What the user's factory gives, as arrays."""
    _, factory, made = made_by(source.name, DatasetError)
    with running(source.name, f"reading what {factory}() gave", DatasetError):
        given = made.to_dict() if hasattr(made, "to_dict") else made
        if isinstance(given, Mapping):
            arrays = {str(key): plain_array(value) for key, value in given.items() if value is not None}
            return {key: array for key, array in arrays.items() if array.ndim}
    raise DatasetError(
        f"{source.name}: {factory}() gave a thing of type {type(made).__name__}; expected a torch-geometric Data, or "
        "a dict of arrays (edge_index, x, y, train_mask …)."
    )


def _graph(source: Source, arrays: Arrays) -> Graph:
    key = next((key for key in _EDGES if key in arrays), None)
    features = None if key is None else _features(source, arrays)
    if key is None or features is None:
        found = some((f"{name} {list(array.shape)} {array.dtype}" for name, array in arrays.items()), 8) or "nothing"
        raise DatasetError(
            f"{source.name} holds {found}; expected a graph: edges (or edge_index) [2, m] and node features x [n, "
            "f], or their CSR parts x_data, x_indices, x_indptr, x_shape."
        )
    n = len(features)
    ids = _ids(source, arrays, n)
    bad = np.flatnonzero(~np.isfinite(features).all(axis=1))
    if len(bad):
        raise DatasetError(
            f"{source.name}: the features of {counted(len(bad), 'node')} hold NaN or infinite values: "
            f"{some(ids[row] for row in bad)}; expected finite numbers of float32. Mend them."
        )
    return Graph(_checked_edges(source, key, arrays[key], n), features, texts_array(ids))


def _checked_edges(source: Source, key: str, edges: NDArray[Any], n: int) -> NDArray[np.int64]:
    if edges.ndim != 2 or len(edges) != 2 or edges.dtype.kind not in "iu":
        hint = " It looks transposed." if edges.ndim == 2 and edges.shape[1] == 2 else ""
        raise DatasetError(
            f"{source.name}: {key} is {edges.dtype} of shape {list(edges.shape)}; expected whole numbers of shape "
            f"[2, m], from and to.{hint}"
        )
    outside = np.flatnonzero(((edges < 0) | (edges >= n)).any(axis=0))
    if len(outside):
        shown = some(f"{edges[0, edge]} to {edges[1, edge]}" for edge in outside)
        raise DatasetError(
            f"{source.name}: {counted(len(outside), 'edge names a node', 'edges name nodes')} that the graph has not:"
            f" {shown}. It has {counted(n, 'node')}, numbered from 0."
        )
    return edges.astype(np.int64)


def _features(source: Source, arrays: Arrays) -> NDArray[np.float32] | None:
    if "x" in arrays:
        found = arrays["x"]
    elif all(key in arrays for key in _SPARSE):
        found = _dense(source, *(arrays[key] for key in _SPARSE))
    else:
        return None
    if found.ndim != 2 or not found.size or found.dtype.kind not in "fiub":
        raise DatasetError(
            f"{source.name}: x is {found.dtype} of shape {list(found.shape)}; expected numbers of shape [n, f], the "
            "features of each node, one or more."
        )
    # What does not fit into float32 becomes infinite, and is refused by id. Adding 0 makes one zero of -0 and 0.
    with np.errstate(over="ignore"):
        return np.ascontiguousarray(found, dtype=np.float32) + np.float32(0)


def _dense(
    source: Source, data: NDArray[Any], indices: NDArray[Any], indptr: NDArray[Any], shape: NDArray[Any]
) -> NDArray[np.float32]:
    """A CSR matrix in full; numbers that stand in one place are added, as SciPy does."""
    size = [int(value) for value in shape.ravel()] if shape.dtype.kind in "iu" else []
    wrong = _csr_fault(data, indices, indptr, size)
    if wrong:
        raise DatasetError(f"{source.name}: the features are no CSR matrix: {wrong}. Write them again.")
    n, f = size
    if n * f * 4 > _LARGEST:
        raise DatasetError(
            f"{source.name}: features of shape [{n}, {f}] take {n * f * 4 / 2**30:.0f} GB in full; at most "
            f"{_LARGEST // 2**30} GB are read. Leave out columns."
        )
    dense = np.zeros((n, f), dtype=np.float32)
    rows = np.repeat(np.arange(n), np.diff(indptr))
    with np.errstate(over="ignore"):
        np.add.at(dense, (rows, indices), data.astype(np.float32))
    return dense


def _csr_fault(data: NDArray[Any], indices: NDArray[Any], indptr: NDArray[Any], size: list[int]) -> str:
    """What is wrong with the parts of a CSR matrix, in words; nothing where they fit."""
    if len(size) != 2 or min(size) < 1:
        return "x_shape is not two whole numbers, n and f, both 1 or more"
    if any(part.ndim != 1 for part in (data, indices, indptr)) or {indices.dtype.kind, indptr.dtype.kind} - set("iu"):
        return "x_data, x_indices and x_indptr must be lists, the last two of whole numbers"
    if data.dtype.kind not in "fiub":
        return f"x_data is {data.dtype}, and no numbers"
    return _csr_misfit(data, indices, indptr.astype(np.int64), size)


def _csr_misfit(data: NDArray[Any], indices: NDArray[Any], indptr: NDArray[np.int64], size: list[int]) -> str:
    if len(indptr) != size[0] + 1:
        return f"x_indptr has {len(indptr)} entries for {size[0]} nodes, expected {size[0] + 1}"
    if len(data) != len(indices):
        return f"x_data has {len(data)} entries and x_indices {len(indices)}"
    if indptr[0] != 0 or indptr[-1] != len(data) or (np.diff(indptr) < 0).any():
        return f"x_indptr does not rise from 0 to {len(data)}"
    if len(indices) and (indices.min() < 0 or indices.max() >= size[1]):
        return f"x_indices lie in {indices.min()} … {indices.max()}, expected 0 … {size[1] - 1}"
    return ""


def _one_each(source: Source, key: str, values: NDArray[Any], n: int) -> NDArray[Any]:
    flat = values[:, 0] if values.ndim == 2 and values.shape[1] == 1 else values
    if flat.shape != (n,):
        raise DatasetError(
            f"{source.name}: {key} has shape {list(values.shape)}; expected [{n}], one for each of the "
            f"{counted(n, 'node')}."
        )
    return flat


def _ids(source: Source, arrays: Arrays, n: int) -> list[str]:
    if "ids" not in arrays:
        return [str(node) for node in range(n)]
    found = texts(source.name, _one_each(source, "ids", arrays["ids"], n), "ids")
    missing = [node for node, name in enumerate(found) if name is None]
    if missing:
        raise DatasetError(
            f"{source.name}: {counted(len(missing), 'node has', 'nodes have')} an empty id: {some(missing)}; "
            "expected one each. Leave ids out to number the nodes."
        )
    names = [str(name) for name in found]
    check_ids(names, source.name, way_out="mend the ids in it, or leave them out to number the nodes.")
    return names


def _labels(source: Source, arrays: Arrays, n: int) -> list[Label] | None:
    if "y" not in arrays:
        return None
    y = _one_each(source, "y", arrays["y"], n)
    if y.dtype.kind not in "iuUSOb":
        raise DatasetError(
            f"{source.name}: y is {y.dtype}; expected classes: whole numbers (below 0 for no label) or text."
        )
    if y.dtype.kind not in "iu":
        if "classes" in arrays:
            raise DatasetError(f"{source.name}: classes name the numbers in y, and y is {y.dtype}. Leave one out.")
        return texts(source.name, y, "labels")
    names = None if "classes" not in arrays else texts(source.name, arrays["classes"].ravel(), "classes")
    highest = int(y.max())
    if names is not None and highest >= len(names):
        raise DatasetError(
            f"{source.name}: y holds {highest}, and {counted(len(names), 'class is', 'classes are')} named; expected "
            "a name for each, numbered from 0."
        )
    return [None if code < 0 else str(code) if names is None else names[code] for code in y.tolist()]


def _splits(source: Source, arrays: Arrays, n: int) -> list[str]:
    """The split of each node: what the masks say, or what the user said."""
    keys = [key for key in arrays if key.removesuffix("_mask") in _SPLITS]
    if not keys:
        return [source.split or DEFAULT_SPLIT] * n
    if source.split is not None:
        named = some(key.removesuffix("_mask") for key in keys)
        raise UsageError(
            f"{source.name} was given as the split {source.split!r} and says itself which nodes are in {named}. Name "
            "it alone."
        )
    split = np.full(n, REST, dtype=object)
    taken = np.full(n, "", dtype=object)
    for key in keys:
        nodes = _chosen(source, key, arrays[key], n)
        twice = nodes[taken[nodes] != ""]
        if len(twice):
            raise DatasetError(
                f"{source.name}: {counted(len(twice), 'node is', 'nodes are')} in {taken[twice[0]]} and in {key}: "
                f"{some(twice)}; expected a node in one split at most."
            )
        taken[nodes], split[nodes] = key, key.removesuffix("_mask")
    return [str(name) for name in split]


def _chosen(source: Source, key: str, values: NDArray[Any], n: int) -> NDArray[np.intp]:
    """The nodes of a split, from their numbers or from True and False for each."""
    if values.dtype.kind == "b" and values.shape == (n,):
        return np.flatnonzero(values)
    if values.dtype.kind not in "iu" or values.ndim != 1 or key.endswith("_mask"):
        expected = f"True or False for each of the {counted(n, 'node')}"
        numbers = "" if key.endswith("_mask") else "numbers of nodes, or "
        raise DatasetError(
            f"{source.name}: {key} is {values.dtype} of shape {list(values.shape)}; expected {numbers}{expected}."
        )
    wrong = values[(values < 0) | (values >= n)]
    if len(wrong):
        raise DatasetError(
            f"{source.name}: {key} names nodes that the graph has not: {some(wrong)}. It has {counted(n, 'node')}, "
            "numbered from 0."
        )
    nodes, times = np.unique(values, return_counts=True)
    if (times > 1).any():
        raise DatasetError(f"{source.name}: {key} names nodes twice: {some(nodes[times > 1])}; expected each once.")
    return nodes.astype(np.intp)


def _first(splits: list[str], limit: int | None) -> NDArray[np.intp]:
    """The first nodes of every split, in the order of the nodes."""
    if limit is None:
        return np.arange(len(splits))
    named = np.array(splits, dtype=object)
    return np.sort(np.concatenate([np.flatnonzero(named == name)[:limit] for name in dict.fromkeys(splits)]))
