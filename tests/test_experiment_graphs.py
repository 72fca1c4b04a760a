"""The experiment `graphs`: what must hold of it at any size."""

import json
import pickle
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from relstitch.artifacts import ProjectionSpec
from relstitch.artifacts.experiments import ExperimentReport
from relstitch.dataset import read_dataset
from relstitch.errors import DatasetError
from relstitch.experiments.experiment import Run
from relstitch.experiments.gnn.recipes import ARCHITECTURES, ENCODINGS, Architecture, Encoding, Recipe
from relstitch.experiments.graphs import EXPERIMENT, STANDARD, Crossing, anchor_nodes, crossing, patterns_of
from relstitch.experiments.materials import citations as materials
from relstitch.experiments.materials.citations import Citations, citations, made_up
from relstitch.experiments.steps import Steps
from relstitch.relative import project

pytest.importorskip("torch_geometric")

Arrays = Mapping[str, np.ndarray]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("steps")


@pytest.fixture(scope="module")
def report(folder: Path) -> ExperimentReport:
    return EXPERIMENT.run(Run("toy", Steps(folder), seeds=1))


@pytest.fixture(scope="module")
def networks() -> dict[Encoding, dict[tuple[Architecture, int], Arrays]]:
    """One small network of each architecture and encoding, on the graph that is made up."""
    return {
        encoding: {
            (name, 0): trained(Recipe(name, encoding, width=8, rate=0.05, epochs=25)) for name in ARCHITECTURES
        }
        for encoding in ENCODINGS
    }


def trained(recipe: Recipe, graph: Citations | None = None) -> Arrays:
    from relstitch.experiments.gnn.training import lesson_of, train

    graph = graph or made_up()
    lesson = lesson_of(graph, graph.free, anchor_nodes(graph, 40), "cpu")
    return train(lesson, recipe, keep=graph.nodes("test"))


def test_the_report_has_every_network_and_pair(report: ExperimentReport) -> None:
    f1, accuracy, stitched, *matrices = report.tables
    assert [row.setting for row in f1.rows] == [("made up", "standard split"), ("made up", "all but test")]
    assert (len(accuracy.rows), len(stitched.rows), len(matrices)) == (8, 6, 2)
    for row in stitched.rows:
        assert [None if figure is None else figure.runs for figure in row.ours] == [4, None, 12]
    assert report.settings["graphs"]["made up"]["training"] == {"standard split": 30, "all but test": 60}
    json.dumps(report.to_json(), allow_nan=False)


def test_going_on_gives_the_same_report(
    report: ExperimentReport, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Everything is kept: a second run trains nothing, but for the one step that was lost."""
    from relstitch.experiments.gnn import training

    trainings: list[Recipe] = []
    train = training.train

    def counted(lesson: Any, recipe: Recipe, *, keep: Any) -> Any:
        trainings.append(recipe)
        return train(lesson, recipe, keep=keep)

    monkeypatch.setattr(training, "train", counted)
    next(iter(sorted(folder.glob("*gat*")))).unlink()
    again = EXPERIMENT.run(Run("toy", Steps(folder), seeds=1))
    assert [recipe.architecture for recipe in trainings] == ["gat"]
    assert again.to_json() == report.to_json()


def test_a_rotated_encoder_stitches_as_if_it_were_its_own(
    networks: dict[Encoding, dict[tuple[Architecture, int], Arrays]],
) -> None:
    """Cosines see no rotation and no scale; the vectors themselves do: the control that must fail."""
    graph = made_up()
    turn = 3 * np.linalg.qr(np.random.default_rng(0).normal(size=(8, 8)))[0].astype(np.float32)
    for encoding in ENCODINGS:
        network = networks[encoding]["gcn", 0]
        turned = {**network, "rows": network["rows"] @ turn, "anchors": network["anchors"] @ turn}
        found = crossing(graph, encoding, {("gcn", 0): network, ("gcn", 1): turned})
        same = found.accuracy[0, 0] == found.accuracy[1, 0]
        assert same == (encoding != "absolute")
        assert found.stitched("gcn", "gcn") == [found.accuracy[0, 1], found.accuracy[1, 0]]


def test_a_classifier_sees_what_project_gives(
    networks: dict[Encoding, dict[tuple[Architecture, int], Arrays]],
) -> None:
    from relstitch.experiments.gnn.training import seen

    for encoding in ENCODINGS:
        for network in networks[encoding].values():
            rows, anchors = network["rows"], network["anchors"]
            spec = ProjectionSpec("cosine", center=encoding == "centred")
            wanted = rows if encoding == "absolute" else project(rows, anchors, spec)
            np.testing.assert_allclose(seen(encoding, rows, anchors), wanted, atol=1e-5)


def test_labels_of_test_nodes_and_anchors_are_never_looked_at() -> None:
    """Other labels of test nodes change no weight; other labels of training nodes do."""
    graph, recipe = made_up(), Recipe("gcn", "relative", width=8, epochs=3)
    first = trained(recipe, graph)
    for split, same in (("test", True), ("train", False)):
        values = graph.targets.values.copy()
        nodes = graph.nodes(split)
        values[nodes] = (values[nodes] + 1) % 3
        other = replace(graph, rows=replace(graph.rows, targets=replace(graph.targets, values=values)))
        again = trained(recipe, other)
        assert all(np.array_equal(first[name], again[name]) for name in first) == same


def test_anchors_are_not_tested_on_and_the_same_for_all() -> None:
    graph = made_up()
    anchors = anchor_nodes(graph, 40)
    assert len(set(anchors.tolist())) == 40
    assert not np.isin(anchors, graph.nodes("test")).any()
    assert np.array_equal(anchors, anchor_nodes(graph, 40))


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_a_node_is_encoded_by_its_neighbourhood_only(architecture: Architecture) -> None:
    """Two layers see two steps far: features further away change nothing, a neighbour's do."""
    from relstitch.experiments.gnn.networks import GraphTensors, NodeEncoder

    graph = made_up().graph
    near = {0}
    for _ in range(2):
        near |= {int(target) for source, target in graph.both_ways.T if int(source) in near}
    far = np.setdiff1d(np.arange(len(graph)), list(near))
    torch.manual_seed(0)
    encoder = NodeEncoder(60, Recipe(architecture, width=8)).eval()
    found = []
    for nodes in (far[:0], far, np.array(sorted(near - {0}))):
        features = graph.features.copy()
        features[nodes] = 1 - features[nodes]
        fresh = NodeEncoder(60, Recipe(architecture, width=8)).eval()
        fresh.load_state_dict(encoder.state_dict())
        with torch.no_grad():
            found.append(fresh(GraphTensors.of(replace(graph, features=features), "cpu"))[0].numpy())
    np.testing.assert_allclose(found[1], found[0], atol=1e-6)
    assert not np.allclose(found[2], found[0], atol=1e-3)


def test_gcn_is_the_formula_of_its_paper() -> None:
    """Kipf and Welling 2017, equation 2, in full matrices."""
    from relstitch.experiments.gnn.networks import GraphTensors, NodeEncoder

    graph = made_up().graph
    torch.manual_seed(0)
    encoder = NodeEncoder(60, Recipe("gcn", width=8)).eval()
    with torch.no_grad():
        found = encoder(GraphTensors.of(graph, "cpu")).numpy()
    near = np.eye(len(graph))
    near[tuple(graph.both_ways)] = 1
    scale = 1 / np.sqrt(near.sum(axis=1))
    smoothed = scale[:, None] * near * scale
    weights = {name: value.detach().numpy().astype(np.float64) for name, value in encoder.state_dict().items()}
    sums = graph.features.sum(axis=1, keepdims=True)
    first = smoothed @ (graph.features / np.where(sums > 0, sums, 1)) @ weights["weights"] + weights["bias"]
    expected = smoothed @ np.maximum(first, 0) @ weights["layers.0.lin.weight"].T + weights["layers.0.bias"]
    np.testing.assert_allclose(found, expected, atol=1e-5)


def test_the_gradient_of_the_sparse_product_is_the_full_one() -> None:
    from relstitch.experiments.gnn.networks import GraphTensors, NodeEncoder

    graph = made_up().graph
    tensors = GraphTensors.of(graph, "cpu")
    encoder = NodeEncoder(60, Recipe("gcn", width=8, depth=0, dropout=0.0))
    upstream = torch.randn(150, 8, generator=torch.Generator().manual_seed(0))
    encoder(tensors).backward(upstream)
    gradient = encoder.weights.grad
    assert gradient is not None
    torch.testing.assert_close(gradient, tensors.features.to_dense().T @ upstream)


# --- patterns --------------------------------------------------------------------------------------------------------


def crossings(own: float, stitched: float) -> Crossing:
    table = np.full((2, 2), stitched)
    np.fill_diagonal(table, own)
    return Crossing((("gcn", 0), ("gcn", 1)), table, table)


@pytest.mark.parametrize(
    ("absolute", "relative", "held"),
    [
        ((0.81, 0.1), (0.805, 0.75), [True, True, True]),
        ((0.81, 0.1), (0.79, 0.39), [False, False, True]),
        ((0.79, 0.5), (0.80, 0.80), [True, True, False]),
    ],
)
def test_patterns_follow_the_figures(
    absolute: tuple[float, float], relative: tuple[float, float], held: list[bool]
) -> None:
    graph = replace(made_up(), name="cora")
    found: dict[Encoding, Crossing] = {
        "absolute": crossings(*absolute), "relative": crossings(*relative), "centred": crossings(*relative)
    }  # fmt: skip
    patterns = list(patterns_of([graph], {("cora", STANDARD): found}))
    assert [pattern.held for pattern in patterns] == held
    assert (
        patterns[0].found
        == f"{absolute[0]:.3f} absolute, {relative[0]:.3f} relative: {relative[0] - absolute[0]:+.3f}"
    )


# --- data ------------------------------------------------------------------------------------------------------------


def run_of(size: Any, folder: Path, data: Path | None = None) -> Run:
    return Run(size, Steps(folder / "steps"), data=data)


MISSING = (
    "{title} is in no package. Give a folder with graphs/{name}.npz (edges, x, y, train, test): --data FOLDER. --full "
    "downloads Cora, CiteSeer and PubMed through torch-geometric."
)


def write_graph(path: Path, graph: Citations, **other: Any) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    arrays: dict[str, Any] = {
        "edges": graph.graph.edges, "x": graph.graph.features, "y": graph.targets.values,
        "train": graph.nodes("train"), "test": graph.nodes("test"),
    }  # fmt: skip
    np.savez(
        path, allow_pickle=False, **{name: value for name, value in (arrays | other).items() if value is not None}
    )


def test_what_is_not_there_is_said(tmp_path: Path) -> None:
    with pytest.raises(DatasetError) as e:
        EXPERIMENT.run(run_of("usual", tmp_path))
    assert str(e.value) == " ".join(
        MISSING.format(title=title, name=name) for title, name in (("Cora", "cora"), ("CiteSeer", "citeseer"))
    )
    write_graph(tmp_path / "graphs/cora.npz", made_up())
    found, notes = citations(run_of("usual", tmp_path, tmp_path), ("cora", "citeseer"))
    assert [graph.title for graph in found] == ["Cora"]
    assert notes == [MISSING.format(title="CiteSeer", name="citeseer")]
    assert (
        found[0].fingerprint == replace(found[0], name="x", origin="elsewhere").fingerprint != made_up(1).fingerprint
    )


def test_without_torch_geometric(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(materials, "find_spec", lambda name: None)
    with pytest.raises(DatasetError) as e:
        EXPERIMENT.run(run_of("toy", tmp_path))
    assert str(e.value) == (
        "Graph networks need torch-geometric, which is not installed. Install it: pip install 'relstitch[graphs]'"
    )


def test_graphs_that_lack_what_is_needed(tmp_path: Path) -> None:
    path = tmp_path / "graphs/cora.npz"
    write_graph(path, made_up(), train=None)
    with pytest.raises(DatasetError) as e:
        citations(run_of("usual", tmp_path, tmp_path), ("cora",))
    assert str(e.value) == (
        f"{path} holds graph in the splits rest, test; expected a graph that says its train and test nodes (edges, x, "
        "y, train, test)."
    )
    write_graph(path, made_up(), y=None)
    (graph,), _ = citations(run_of("usual", tmp_path, tmp_path), ("cora",))
    with pytest.raises(DatasetError) as e:
        _ = graph.targets
    assert str(e.value) == f"{path} lacks the labels of 150 of 150 nodes; expected a class for each (y)."


def write_planetoid(folder: Path) -> None:
    """The raw files of a tiny Cora, as Planetoid publishes them (torch-geometric reads these pickles)."""
    sparse = pytest.importorskip("scipy.sparse")
    raw = folder / "Cora" / "raw"
    raw.mkdir(parents=True)
    generator = np.random.default_rng(0)
    n, known, train = 1600, 600, 100
    x = sparse.csr_matrix((generator.random((n, 12)) < 0.4).astype(np.float32))
    y = np.eye(7, dtype=np.int32)[np.arange(n) % 7]
    parts = {"x": x[:train], "y": y[:train], "allx": x[:known], "ally": y[:known], "tx": x[known:], "ty": y[known:],
             "graph": {node: [(node + 1) % n, (node + 7) % n] for node in range(n)}}  # fmt: skip
    for name, part in parts.items():
        (raw / f"ind.cora.{name}").write_bytes(pickle.dumps(part))
    (raw / "ind.cora.test.index").write_text("\n".join(map(str, range(known, n))) + "\n")


def test_planetoid_from_a_folder_and_kept_as_npz(tmp_path: Path) -> None:
    write_planetoid(tmp_path / "planetoid")
    (graph,), notes = citations(run_of("full", tmp_path, tmp_path), ("cora",))
    assert (len(graph.rows), len(graph.targets.names), notes) == (1600, 7, [])
    assert graph.origin == str(tmp_path / "planetoid" / "cora.npz")
    assert set(graph.rows.split_names) == {"train", "val", "test"}
    assert graph.graph.both_ways.shape[1] == 4 * 1600
    assert read_dataset([graph.origin]).rows.fingerprint == graph.rows.fingerprint


def test_planetoid_that_cannot_be_downloaded(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    from torch_geometric import datasets

    def no_network(*_: Any) -> None:
        raise OSError("no\nnetwork")

    monkeypatch.setattr(datasets, "Planetoid", no_network)
    with pytest.raises(DatasetError) as e:
        citations(run_of("full", tmp_path, tmp_path), ("pubmed",))
    assert str(e.value) == (
        f"PubMed is not in {tmp_path / 'planetoid'} and cannot be downloaded by torch-geometric: no network. Give a "
        "folder with graphs/pubmed.npz: --data FOLDER"
    )
