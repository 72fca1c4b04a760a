"""Graph networks: absolute against relative, and one network's encoder with another's classifier."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from relstitch.anchors import PickOptions, pick_anchors
from relstitch.artifacts import Targets
from relstitch.artifacts.experiments import (
    ExperimentReport,
    Measured,
    Pattern,
    ResultRow,
    ResultTable,
    Size,
    measured,
)
from relstitch.decoders.prediction import Prediction
from relstitch.experiments.experiment import Experiment, Run
from relstitch.experiments.gnn.recipes import ARCHITECTURES, ENCODINGS, TITLES, Architecture, Encoding, Recipe
from relstitch.experiments.materials.citations import Citations, citations
from relstitch.meeting import locate
from relstitch.scoring import score

Arrays = Mapping[str, NDArray[Any]]
Training = tuple[str, ...]
STANDARD: Training = ("train",)

_HEADINGS: Mapping[Encoding, str] = {
    "absolute": "absolute",
    "relative": "relative",
    "centred": "relative, centred",
}
_PAPER: Mapping[str, tuple[str, str, None]] = {
    "cora": (".90", ".89", None),
    "citeseer": (".78", ".77", None),
    "pubmed": (".91", ".91", None),
}
_COST, _USUAL, _FAR = 0.01, 0.80, 0.30


@dataclass(frozen=True)
class GraphSizes:
    """How much of everything.

    Attributes:
        seeds: Networks of each architecture.
        k: How many anchors.
        recipe: How they are trained.
        names: Which graphs.
    """

    seeds: int
    k: int
    recipe: Recipe
    names: tuple[str, ...]


SIZES: Mapping[Size, GraphSizes] = {
    "toy": GraphSizes(2, 40, Recipe("gcn", width=8, rate=0.05, epochs=20), ()),
    "usual": GraphSizes(3, 300, Recipe("gcn", width=32, epochs=200), ("cora", "citeseer")),
    "full": GraphSizes(10, 300, Recipe("gcn", width=64, epochs=200), ("cora", "citeseer", "pubmed")),
}


@dataclass(frozen=True, eq=False)
class Crossing:
    """Every encoder with every classifier: of one graph, one training split, one encoding.

    Attributes:
        networks: Architecture and seed of each of the m networks.
        accuracy: float64 [m, m]: encoder of the row, classifier of the column.
        f1: float64 [m, m], weighted by the classes' rows.
    """

    networks: tuple[tuple[Architecture, int], ...]
    accuracy: NDArray[np.float64]
    f1: NDArray[np.float64]

    def own(self, architecture: Architecture | None = None, *, f1: bool = False) -> list[float]:
        """What networks reach with their own classifiers; of one architecture, or of all."""
        values = np.diagonal(self.f1 if f1 else self.accuracy)
        return [float(v) for v, (name, _) in zip(values, self.networks, strict=True) if architecture in (None, name)]

    def stitched(self, encoder: Architecture, classifier: Architecture) -> list[float]:
        """What encoders of one architecture reach with classifiers of one, never their own."""
        return [
            float(self.accuracy[row, column])
            for row, (left, _) in enumerate(self.networks)
            for column, (right, _) in enumerate(self.networks)
            if row != column and (left, right) == (encoder, classifier)
        ]

    def pairs(self, *, alike: bool) -> list[float]:
        """What all ordered pairs of two networks reach, of one architecture (`alike`) or of two."""
        both = [(left, right) for left in ARCHITECTURES for right in ARCHITECTURES if (left == right) is alike]
        return [value for left, right in both for value in self.stitched(left, right)]


Found = Mapping[tuple[str, Training], Mapping[Encoding, Crossing]]


def run(given: Run) -> ExperimentReport:
    """Train every architecture and stitch every pair; see `relstitch.experiments.Experiment`."""
    sizes = SIZES[given.size]
    seeds = given.seeds or sizes.seeds
    graphs, notes = citations(given, sizes.names)
    plan = [(graph, training) for graph in graphs for training in (STANDARD, graph.free)]
    found: dict[tuple[str, Training], dict[Encoding, Crossing]] = {}
    with given.progress("Training graph networks") as advance:
        total, done = len(plan) * len(ENCODINGS) * len(ARCHITECTURES) * seeds, 0
        for graph, training in plan:
            trained = _Population(given, graph, training, sizes)
            for encoding in ENCODINGS:
                networks: dict[tuple[Architecture, int], Arrays] = {}
                for architecture, seed in ((a, s) for a in ARCHITECTURES for s in range(seeds)):
                    recipe = replace(sizes.recipe, architecture=architecture, encoding=encoding, seed=seed)
                    networks[architecture, seed] = trained.network(recipe)
                    done += 1
                    advance(done, total)
                found.setdefault((graph.name, training), {})[encoding] = crossing(graph, encoding, networks)
    settings = {
        "seeds": seeds, "anchors": sizes.k, "networks": sizes.recipe.to_json(),
        "graphs": {graph.title: {"origin": graph.origin, "nodes": len(graph.rows), "test": len(graph.nodes("test")),
                                 "training": {_split(t): len(graph.nodes(*t)) for g, t in plan if g is graph}}
                   for graph in graphs},
    }  # fmt: skip
    return ExperimentReport(
        "graphs", EXPERIMENT.title, EXPERIMENT.section, given.size, tuple(_tables(graphs, found)),
        tuple(patterns_of(graphs, found)), settings, (*notes, *_NOTES),
    )  # fmt: skip


_NOTES = (
    "Standard split: 20 nodes a class are trained on (Yang et al. 2016). All but test: all nodes that are neither "
    "tested on nor among the 500 of validation; the paper's figures, which lie above what the standard split gives, "
    "are set beside that one. Its relative form is the one that is not centred.",
    "Anchors are 300 random nodes as in the paper, none of the test or of validation; their labels are not looked "
    "at, so the standard split, with fewer than 300 training nodes, has as many.",
    "The epoch that does best on the validation nodes is kept; nothing is chosen by the test nodes.",
    "Test nodes are in the graph while it is trained on, as usual with these data sets; their labels are not used.",
)


def _split(training: Training) -> str:
    return "standard split" if training == STANDARD else "all but test"


class _Population:
    """Networks that are trained on one graph with one split; the graph is put on the device once, if at all."""

    def __init__(self, given: Run, graph: Citations, training: Training, sizes: GraphSizes) -> None:
        self._given, self._graph, self._training = given, graph, training
        self._anchors = anchor_nodes(graph, sizes.k)
        self._lesson: Any = None

    def network(self, recipe: Recipe) -> Arrays:
        """A trained network: from the folder of steps, or trained now."""
        told = {"graph": self._graph.fingerprint, "training": list(self._training), "recipe": recipe.to_json(),
                "anchors": self._anchors.tolist()}  # fmt: skip
        name = f"{self._graph.name}-{_split(self._training)}-{recipe.encoding}-{recipe.architecture}-{recipe.seed}"
        return self._given.steps.arrays(name.replace(" ", "-"), told, partial(self._trained, recipe))

    def _trained(self, recipe: Recipe) -> Arrays:
        from relstitch.experiments.gnn.training import lesson_of, train

        if self._lesson is None:
            self._lesson = lesson_of(self._graph, self._training, self._anchors, self._given.device)
        return train(self._lesson, recipe, keep=self._graph.nodes("test"))


def anchor_nodes(graph: Citations, k: int) -> NDArray[np.intp]:
    """So many random nodes that are not tested on; the same for all networks."""
    options = PickOptions(splits=graph.free)
    anchors = pick_anchors(graph.rows, k, options=options).side().draws[0]
    return locate(anchors, graph.rows, name=graph.origin)


def crossing(graph: Citations, encoding: Encoding, networks: Mapping[tuple[Architecture, int], Arrays]) -> Crossing:
    """Give the test nodes' vectors of every encoder to every classifier.

    Args:
        graph: The graph.
        encoding: Of the networks.
        networks: By architecture and seed, as `relstitch.experiments.gnn.training.train` gives them.
    """
    from relstitch.experiments.gnn.training import seen

    tested = graph.targets.take(graph.nodes("test"))
    figures = []
    for encoder in networks.values():
        given = seen(encoding, encoder["rows"], encoder["anchors"])
        figures.append([answered(given, classifier, tested) for classifier in networks.values()])
    table = np.array(figures)
    return Crossing(tuple(networks), table[:, :, 0], table[:, :, 1])


def answered(given: NDArray[Any], classifier: Arrays, tested: Targets) -> tuple[float, float]:
    """Accuracy and weighted F1 of a network's classifier.

    Args:
        given: [n, w], what it sees.
        classifier: ``weights`` [c, w] and ``bias`` [c].
        tested: The n classes.
    """
    codes = np.argmax(given @ classifier["weights"].T + classifier["bias"], axis=1).astype(np.int32)
    metrics = score(Prediction("class", codes, tested.names), tested).metrics
    return metrics["accuracy"], metrics["weighted_f1"]


def _tables(graphs: Sequence[Citations], found: Found) -> Iterator[ResultTable]:
    headings = tuple(_HEADINGS[encoding] for encoding in ENCODINGS)
    of = {graph.name: graph for graph in graphs}
    yield ResultTable(
        "Node classification, trained end to end: weighted F1 on the test nodes, all architectures",
        ("graph", "trained on"), headings,
        tuple(
            ResultRow((of[name].title, _split(training)), _measured(c.own(f1=True) for c in crossings.values()),
                      _PAPER.get(name, _NONE) if training != STANDARD else _NONE)
            for (name, training), crossings in found.items()
        ),
        "networks",
    )  # fmt: skip
    yield ResultTable(
        "Node classification, trained end to end: accuracy on the test nodes",
        ("graph", "trained on", "network"), headings,
        tuple(
            ResultRow((of[name].title, _split(training), TITLES[network]),
                      _measured(c.own(network) for c in crossings.values()), _NONE)
            for (name, training), crossings in found.items() for network in ARCHITECTURES
        ),
    )  # fmt: skip
    yield ResultTable(
        "One network's encoder with another's classifier: accuracy on the test nodes",
        ("graph", "trained on", "classifier sees"), ("not stitched", "same architecture", "other architecture"),
        tuple(
            ResultRow((of[name].title, _split(training), _HEADINGS[encoding]),
                      _measured((c.own(), c.pairs(alike=True), c.pairs(alike=False))), _NONE)
            for (name, training), crossings in found.items() for encoding, c in crossings.items()
        ),
        "ordered pairs of networks",
    )  # fmt: skip
    yield from (_matrix(of[name].title, training, crossings) for (name, training), crossings in found.items())


_NONE = (None, None, None)


def _matrix(title: str, training: Training, crossings: Mapping[Encoding, Crossing]) -> ResultTable:
    rows = tuple(
        ResultRow(
            (TITLES[encoder],),
            _measured(crossings["relative"].stitched(encoder, classifier) for classifier in ARCHITECTURES),
            (None,) * len(ARCHITECTURES),
        )
        for encoder in ARCHITECTURES
    )
    return ResultTable(
        f"{title}, trained on {_split(training)}, relative: accuracy by encoder (rows) and classifier (columns) of "
        "two networks",
        ("encoder",),
        tuple(TITLES[name] for name in ARCHITECTURES),
        rows,
        "ordered pairs of networks",
    )


def _measured(runs: Any) -> tuple[Measured | None, ...]:
    return tuple(measured(values) if values else None for values in runs)


def patterns_of(graphs: Sequence[Citations], found: Found) -> Iterator[Pattern]:
    """What should hold of graph networks, each with the figure that says whether it does.

    Args:
        graphs: The graphs.
        found: What was found on each, by its name and the splits trained on.
    """
    of = {graph.name: graph for graph in graphs}
    for (name, training), crossings in found.items():
        where = f"{of[name].title}, trained on {_split(training)}"
        own = {encoding: float(np.mean(c.own(f1=True))) for encoding, c in crossings.items()}
        cost = own["absolute"] - own["relative"]
        yield Pattern(
            f"{where}: relative training costs at most {_COST:.2f} of weighted F1 against absolute, all networks",
            cost <= _COST,
            f"{own['absolute']:.3f} absolute, {own['relative']:.3f} relative: {-cost:+.3f}",
        )
        stitched = {encoding: c.stitched("gcn", "gcn") for encoding, c in crossings.items()}
        if stitched["absolute"]:
            low, high = (float(np.mean(stitched[encoding])) for encoding in ("absolute", "relative"))
            yield Pattern(
                f"{where}: GCN stitching with relative representations at least {_FAR:.2f} above absolute stitching",
                high - low >= _FAR,
                f"accuracy {high:.3f} against {low:.3f}, centred {np.mean(stitched['centred']):.3f}",
            )
    usual = found.get(("cora", STANDARD))
    if usual is not None:
        reached = float(np.mean(usual["absolute"].own("gcn")))
        claim = f"Cora, standard split: a GCN that is not stitched reaches an accuracy of at least {_USUAL:.2f}"
        yield Pattern(claim, reached >= _USUAL, f"{reached:.3f}")


EXPERIMENT = Experiment("graphs", "Graph networks, absolute, relative and stitched", "4.2 and 5, appendix", run)
