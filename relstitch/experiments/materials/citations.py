"""Citation graphs: papers as nodes, words as features, subjects as classes."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from importlib.util import find_spec
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from relstitch.artifacts import Rows, Targets
from relstitch.artifacts.graphs import Graph
from relstitch.artifacts.rows import content_hash, texts_array
from relstitch.dataset import read_dataset
from relstitch.errors import DatasetError, summary
from relstitch.experiments.experiment import Run

TITLES: Mapping[str, str] = {"cora": "Cora", "citeseer": "CiteSeer", "pubmed": "PubMed", "made-up": "made up"}
_VALIDATION = 500
FULL_NOTE = "--full downloads Cora, CiteSeer and PubMed through torch-geometric."


@dataclass(frozen=True, eq=False)
class Citations:
    """A graph with a class for every node.

    Attributes:
        name: ``cora``, ``citeseer``, ``pubmed`` or ``made-up``.
        origin: Where it was read, in words.
        rows: Who the n nodes are: ``train`` are the few of the standard split whose labels are given, ``test`` those
            it is tested on, ``val`` those by which the best epoch is told; the rest is none of these.
        graph: The graph.
    """

    name: str
    origin: str
    rows: Rows
    graph: Graph

    @property
    def title(self) -> str:
        """What it is called in tables."""
        return TITLES[self.name]

    @property
    def targets(self) -> Targets:
        """The class of each node, all of them known."""
        targets = self.rows.targets
        if targets is None or targets.kind != "class" or not targets.present.all():
            n = len(self.rows)
            lacking = n if targets is None else n - int(targets.present.sum())
            raise DatasetError(
                f"{self.origin} lacks the labels of {lacking} of {n} nodes; expected a class for each (y)."
            )
        return targets

    @property
    def free(self) -> tuple[str, ...]:
        """The splits that may be trained on: all but ``test`` and ``val``."""
        return tuple(name for name in self.rows.split_names if name not in {"test", "val"})

    def nodes(self, *splits: str) -> NDArray[np.intp]:
        """The numbers of the nodes of some splits, in order."""
        return np.flatnonzero(self.rows.in_splits(*splits))

    @cached_property
    def fingerprint(self) -> str:
        """Which nodes, features, splits, classes and edges these are, in 16 characters."""
        parts = [self.rows.fingerprint, self.rows.split_fingerprint, *self.targets.names]
        arrays = (self.targets.values, self.graph.both_ways)
        told = "\n".join(parts).encode() + b"".join(np.ascontiguousarray(array, "<i8").tobytes() for array in arrays)
        return content_hash(told)[:16]


def citations(given: Run, names: tuple[str, ...]) -> tuple[list[Citations], list[str]]:
    """The graphs that are there, and what is to be said of those that are not.

    Args:
        given: At toy size a small graph is made up. A graph is read from ``graphs/NAME.npz`` in the user's folder
            (`relstitch.dataset.graphs`); at full size else from torch-geometric, which downloads it once, into
            ``planetoid`` in that folder (without one, into the folder of steps).
        names: Which, in order.

    Raises:
        DatasetError: None is there, torch-geometric is not installed, or a graph that is there is damaged.
    """
    if find_spec("torch_geometric") is None:
        raise DatasetError(
            "Graph networks need torch-geometric, which is not installed. Install it: pip install 'relstitch[graphs]'"
        )
    if given.size == "toy":
        return [made_up()], ["At toy size the graph is made up: its figures say nothing of the paper's."]
    found: list[Citations] = []
    notes: list[str] = []
    for name in names:
        path = None if given.data is None else given.data / "graphs" / f"{name}.npz"
        try:
            if path is not None and path.is_file():
                found.append(_read(name, path))
            elif given.size == "full":
                found.append(planetoid(name, (given.data or given.steps.folder) / "planetoid"))
            else:
                notes.append(_absent(name))
        except DatasetError as error:
            if path is not None and path.is_file():
                raise
            notes.append(str(error))
    if not found:
        raise DatasetError(" ".join(notes))
    return found, notes


def _absent(name: str) -> str:
    return (
        f"{TITLES[name]} is in no package. Give a folder with graphs/{name}.npz (edges, x, y, train, test): --data "
        f"FOLDER. {FULL_NOTE}"
    )


def _read(name: str, path: Path) -> Citations:
    dataset = read_dataset([str(path)])
    splits = dataset.rows.split_names
    if dataset.modality != "graph" or not {"train", "test"} <= set(splits):
        raise DatasetError(
            f"{path} holds {dataset.modality} in the splits {', '.join(splits)}; expected a graph that says its "
            "train and test nodes (edges, x, y, train, test)."
        )
    nodes = dataset.items
    return Citations(name, str(path), with_validation(dataset.rows), nodes.graph)  # type: ignore[attr-defined]


def with_validation(rows: Rows) -> Rows:
    """Rows with a split ``val``: where there is none, 500 random nodes of the rest, or half of it where it is small.

    Example:
        >>> rows = Rows.build("abcdef", splits=["train", "rest", "rest", "rest", "rest", "test"])
        >>> sorted(with_validation(rows).splits)
        ['rest', 'rest', 'test', 'train', 'val', 'val']
    """
    rest = np.flatnonzero(rows.in_splits("rest"))
    if "val" in rows.split_names or not len(rest):
        return rows
    splits = rows.splits.copy()
    splits[np.random.default_rng(0).choice(rest, min(_VALIDATION, len(rest) // 2), replace=False)] = "val"
    return replace(rows, splits=splits)


def planetoid(name: str, folder: Path) -> Citations:
    """A graph of torch-geometric's Planetoid, with the standard split (Yang et al. 2016).

    Args:
        name: ``cora``, ``citeseer`` or ``pubmed``.
        folder: Where torch-geometric keeps it; downloaded if it is not there. Read once, it is kept there as .npz.

    Raises:
        DatasetError: It is not there and cannot be downloaded.
    """
    path = folder / f"{name}.npz"
    if not path.is_file():
        from torch_geometric.datasets import Planetoid

        try:
            data = Planetoid(str(folder), TITLES[name])[0]
        except (OSError, ValueError, RuntimeError) as error:
            raise DatasetError(
                f"{TITLES[name]} is not in {folder} and cannot be downloaded by torch-geometric: {summary(error)}. "
                f"Give a folder with graphs/{name}.npz: --data FOLDER"
            ) from error
        arrays = {key: value.numpy() for key, value in data.to_dict().items()}
        with (folder / f".{name}.part").open("wb") as stream:
            np.savez_compressed(stream, allow_pickle=False, **arrays)
        (folder / f".{name}.part").replace(path)
    return _read(name, path)


def made_up(seed: int = 0) -> Citations:
    """A small graph that is made up: three subjects, papers that cite their own subject more, words of their own.

    Example:
        >>> graph = made_up()
        >>> len(graph.rows), sorted(graph.rows.split_names)
        (150, ['rest', 'test', 'train', 'val'])
    """
    generator = np.random.default_rng(seed)
    n, subjects, words = 150, 3, 60
    subject = np.arange(n) % subjects
    chance = np.where(subject[:, None] == subject, 0.08, 0.01)
    edges = np.stack(np.nonzero(np.triu(generator.random((n, n)) < chance, 1)))
    common = np.where(np.arange(words) % subjects == subject[:, None], 0.2, 0.08)
    features = (generator.random((n, words)) < common).astype(np.float32)
    splits = ["train"] * 30 + ["rest"] * 60 + ["test"] * 60
    ids = texts_array(str(node) for node in range(n))
    targets = Targets.from_labels([f"subject {code}" for code in subject])
    hashes = [content_hash(row.tobytes()) for row in features]
    rows = Rows.build(ids, hashes=hashes, splits=splits, targets=targets)
    return Citations("made-up", "made up", with_validation(rows), Graph(edges.astype(np.int64), features, ids))
