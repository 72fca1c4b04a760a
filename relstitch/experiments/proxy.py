"""Many graph networks of different quality: how alike they are to a good one, and how well they do."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from relstitch.artifacts import ProjectionSpec
from relstitch.artifacts.experiments import (
    ExperimentReport,
    Line,
    Measured,
    Pattern,
    Plot,
    ResultRow,
    ResultTable,
    Size,
)
from relstitch.comparison import similarity
from relstitch.experiments.experiment import Experiment, Run
from relstitch.experiments.gnn.recipes import ARCHITECTURES, TITLES, Recipe
from relstitch.experiments.graphs import STANDARD, Arrays, anchor_nodes, answered
from relstitch.experiments.materials.citations import Citations, citations
from relstitch.relative import project

FORMS: Mapping[str, bool] = {"not centred": False, "centred": True}
_BOUND, _ENOUGH = 0.8, 100
_RESAMPLES = 2000


@dataclass(frozen=True)
class ProxySizes:
    """How much of everything.

    Attributes:
        networks: How many are compared with the reference.
        k: How many anchors.
        reference: The good network; it is none of them.
        epochs: Steps that they are trained for at most.
        widths: Of their layers.
    """

    networks: int
    k: int
    reference: Recipe
    epochs: int
    widths: tuple[int, ...]


SIZES: Mapping[Size, ProxySizes] = {
    "toy": ProxySizes(12, 40, Recipe("gcn", width=16, rate=0.05, epochs=30, seed=1000), 20, (8, 16)),
    "usual": ProxySizes(150, 300, Recipe("gcn", width=64, epochs=200, seed=1000), 150, (8, 16, 32, 64)),
    "full": ProxySizes(2000, 300, Recipe("gcn", width=64, epochs=200, seed=1000), 500, (8, 16, 32, 64, 128)),
}


@dataclass(frozen=True)
class Measurement:
    """One network beside the reference.

    Attributes:
        recipe: How it was made.
        accuracy: On the test nodes.
        likeness: Mean cosine of its relative representations to the reference's, by form.
    """

    recipe: Recipe
    accuracy: float
    likeness: Mapping[str, float]


def run(given: Run) -> ExperimentReport:
    """Train many networks, compare each with the reference; see `relstitch.experiments.Experiment`."""
    sizes = SIZES[given.size]
    (graph,), notes = citations(given, ("cora",))
    anchors = anchor_nodes(graph, sizes.k)
    told = {"graph": graph.fingerprint, "anchors": anchors.tolist(), "reference": sizes.reference.to_json()}
    student = _Student(graph, anchors, given.device)
    reference = given.steps.arrays("reference", told, lambda: student.trained(sizes.reference))
    made: list[Measurement] = []
    with given.progress("Training graph networks") as advance:
        for number in range(sizes.networks):
            recipe = recipe_of(number, sizes)
            make = partial(_measurement, student, recipe, reference)
            values = given.steps.values(f"network-{number}", {**told, "recipe": recipe.to_json()}, make)
            made.append(Measurement(recipe, values["accuracy"], values["likeness"]))
            advance(number + 1, sizes.networks)
    best = answered(reference["rows"], reference, graph.targets.take(graph.nodes("test")))[0]
    settings = {
        "graph": graph.title, "origin": graph.origin, "networks": len(made), "anchors": sizes.k,
        "reference": {**sizes.reference.to_json(), "accuracy": round(best, 3)},
    }  # fmt: skip
    correlations = {form: correlated(made, form) for form in FORMS}
    return ExperimentReport(
        "proxy", EXPERIMENT.title, EXPERIMENT.section, given.size, (_table(graph, correlations, len(made)),),
        tuple(_patterns(graph, correlations, len(made))), settings, (*notes, *_NOTES),
        plots=tuple(_plots(graph, made)),
    )  # fmt: skip


_NOTES = (
    "The networks' architecture, width, depth, dropout, learning rate and epochs are drawn at random; all are "
    "trained on the standard split, the reference too, which is not among them. --seeds has no effect here.",
    "Likeness is the measure cosine of relstitch compare on relative representations, over the test nodes, of which "
    "none is an anchor; it sees no label.",
    "Intervals are 95 % percentile intervals over networks drawn with replacement.",
)


def recipe_of(number: int, sizes: ProxySizes) -> Recipe:
    """How one of the networks is made: drawn by its number alone.

    Args:
        number: From 0.
        sizes: Widths and epochs to draw from.

    Example:
        >>> recipe_of(3, SIZES["usual"]) == recipe_of(3, SIZES["usual"])
        True
    """
    generator = np.random.default_rng([20230, number])
    return Recipe(
        ARCHITECTURES[generator.integers(len(ARCHITECTURES))],
        seed=number,
        width=int(generator.choice(sizes.widths)),
        depth=int(generator.integers(1, 4)),
        dropout=round(float(generator.uniform(0.0, 0.8)), 3),
        rate=float(f"{10 ** generator.uniform(-3.0, -1.5):.3g}"),
        epochs=round(5 * (sizes.epochs / 5) ** generator.uniform(0.0, 1.0)),
        choose=False,
    )


@dataclass(frozen=True, eq=False)
class _Student:
    """Trains networks on one graph."""

    graph: Citations
    anchors: NDArray[np.intp]
    device: str

    def trained(self, recipe: Recipe) -> Arrays:
        from relstitch.experiments.gnn.training import train

        return train(self._lesson, recipe, keep=self.graph.nodes("test"))

    @cached_property
    def _lesson(self) -> Any:
        from relstitch.experiments.gnn.training import lesson_of

        return lesson_of(self.graph, STANDARD, self.anchors, self.device)


def _measurement(student: _Student, recipe: Recipe, reference: Arrays) -> dict[str, Any]:
    network = student.trained(recipe)
    tested = student.graph.targets.take(student.graph.nodes("test"))
    return {
        "accuracy": answered(network["rows"], network, tested)[0],
        "likeness": {form: likeness(reference, network, center=center) for form, center in FORMS.items()},
    }


def likeness(reference: Arrays, network: Arrays, *, center: bool) -> float:
    """Mean cosine of two networks' relative representations, row by row.

    Args:
        reference: ``rows`` [n, d] and ``anchors`` [k, d] of the one.
        network: The same nodes of the other, of any width.
        center: Whether each network's mean of the anchors is taken off first.

    Example:
        >>> one = {"rows": np.eye(4), "anchors": np.eye(4)[:2] + 1}
        >>> round(likeness(one, {name: -2 * array for name, array in one.items()}, center=False), 6)
        1.0
    """
    spec = ProjectionSpec("cosine", center=center)
    spaces = [project(one["rows"], one["anchors"], spec) for one in (reference, network)]
    return similarity(spaces[0], spaces[1], "cosine")


def correlated(made: Sequence[Measurement], form: str) -> dict[str, tuple[float, float, float]]:
    """Pearson's and Spearman's correlation of likeness and accuracy, with the ends of their 95 % intervals.

    Where one side does not vary there is none: NaN.

    Args:
        made: Two networks or more.
        form: One of `FORMS`.
    """
    x, y = np.array([(one.likeness[form], one.accuracy) for one in made]).T
    generator = np.random.default_rng(0)
    drawn = [generator.integers(len(x), size=len(x)) for _ in range(_RESAMPLES)]
    found = {}
    for name, of in (("pearson", _pearson), ("spearman", _spearman)):
        values = [value for value in (of(x[rows], y[rows]) for rows in drawn) if np.isfinite(value)]
        low, high = np.percentile(values, [2.5, 97.5]) if values else (np.nan, np.nan)
        found[name] = (of(x, y), float(low), float(high))
    return found


def _pearson(x: NDArray[Any], y: NDArray[Any]) -> float:
    """Without a value (NaN) where one side does not vary."""
    x, y = x - x.mean(), y - y.mean()
    size = float(np.sqrt((x @ x) * (y @ y)))
    return float(x @ y) / size if size > 0 else float("nan")


def _spearman(x: NDArray[Any], y: NDArray[Any]) -> float:
    return _pearson(_ranks(x), _ranks(y))


def _ranks(values: NDArray[Any]) -> NDArray[Any]:
    """From 0; equal values share the mean of theirs."""
    _, place, times = np.unique(values, return_inverse=True, return_counts=True)
    ranks: NDArray[Any] = (np.cumsum(times) - (times + 1) / 2)[place]
    return ranks


def _table(graph: Citations, correlations: Mapping[str, Mapping[str, Any]], n: int) -> ResultTable:
    measures = ("Pearson", "from", "to", "Spearman", "from", "to")
    rows = tuple(
        ResultRow(
            (graph.title, form),
            tuple(
                Measured(value, None, n) if np.isfinite(value) else None
                for name in ("pearson", "spearman")
                for value in found[name]
            ),
            (None,) * len(measures),
        )
        for form, found in correlations.items()
    )
    title = f"Likeness to a good network and accuracy: correlation over {n} networks, 95 % intervals"
    return ResultTable(title, ("graph", "relative representations"), measures, rows, "networks")


def _patterns(graph: Citations, correlations: Mapping[str, Mapping[str, Any]], n: int) -> Iterator[Pattern]:
    value, low, high = correlations["not centred"]["spearman"]
    centred = correlations["centred"]["spearman"][0]
    yield Pattern(
        f"{graph.title}: Spearman correlation of likeness to the reference and accuracy at least {_BOUND} over at "
        f"least {_ENOUGH} networks",
        value >= _BOUND and n >= _ENOUGH,
        f"{value:.3f} ({low:.3f} … {high:.3f}) over {n} networks; centred {centred:.3f}",
    )


def _plots(graph: Citations, made: Sequence[Measurement]) -> Iterator[Plot]:
    for form in FORMS:
        points = {
            TITLES[name]: [one for one in made if one.recipe.architecture == name]
            for name in ARCHITECTURES
        }  # fmt: skip
        lines = {
            name: Line(tuple(one.likeness[form] for one in ones), tuple(one.accuracy for one in ones))
            for name, ones in points.items()
            if ones
        }
        yield Plot(
            f"proxy-{form.replace(' ', '-')}",
            f"{graph.title}: likeness to a good network and accuracy ({form})",
            ("mean cosine of relative representations to the reference's", "accuracy on the test nodes"),
            lines,
            points=True,
        )


EXPERIMENT = Experiment("proxy", "Likeness to a good graph network as a proxy for accuracy", "4.2", run)
