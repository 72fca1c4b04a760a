"""Graphs: .npz files and factories of the user's, their nodes as rows, and encoders that are given the whole graph."""

import json
import sys
import textwrap
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any, cast

import numpy as np
import pytest
from dataset_samples import ids, labels, read, refusal, splits
from typer.testing import CliRunner

from relstitch.artifacts.graphs import Graph, GraphNodes
from relstitch.artifacts.rows import content_hash
from relstitch.cli import app
from relstitch.dataset import Dataset, describe
from relstitch.encoding import EmbedOptions, EncodeOptions, encode, plan_encoding
from relstitch.errors import DatasetError, EncoderError, UsageError

EDGES = np.array([[0, 1, 2, 2], [1, 0, 3, 2]])
X = np.array([[1, 0, 2], [0, 1, 0], [0, 0, 3], [1, 0, 2]], dtype=np.float32)
PARTS = {
    "x_data": np.array([1, 2, 1, 3, 1, 2], dtype=np.float32),
    "x_indices": np.array([0, 2, 1, 2, 0, 2]),
    "x_indptr": np.array([0, 2, 3, 4, 6]),
    "x_shape": np.array([4, 3]),
}
Write = Callable[[str, str], str]


@pytest.fixture(autouse=True)
def _in_a_folder_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def module(tmp_path: Path) -> Write:
    """Write a module of the user's and give ``python:MODULE:NAME``; its name is its own in each test."""

    def write(source: str, name: str) -> str:
        stem = f"own_{abs(hash((source, str(tmp_path)))):x}"
        (tmp_path / f"{stem}.py").write_text(textwrap.dedent(source), encoding="utf-8")
        return f"python:{stem}:{name}"

    return write


def write(**arrays: Any) -> str:
    np.savez("g.npz", allow_pickle=True, **({"edges": EDGES, "x": X} | arrays))
    return "g.npz"


def graph_of(dataset: Dataset) -> Graph:
    return cast("GraphNodes", dataset.items).graph


def test_nodes_are_rows() -> None:
    write(y=np.array([1, 0, -1, 1]), train=np.array([2, 0]), test=np.array([False, True, False, False]))
    dataset = read("g.npz")
    assert (dataset.modality, ids(dataset)) == ("graph", ["0", "1", "2", "3"])
    assert splits(dataset) == ["train", "test", "train", "rest"]
    assert labels(dataset) == ["1", "0", None, "1"]
    assert describe(dataset) == "4 nodes (train 2, test 1, rest 1), 2 classes, 1 row without a label"
    assert dict(dataset.counts) == {"edges": 4, "duplicate_content": 0, "test_content_in_train": 0}
    np.testing.assert_array_equal(graph_of(dataset).edges, EDGES)
    np.testing.assert_array_equal(graph_of(dataset).features, X)


def test_sparse_features_are_the_same_graph() -> None:
    write()
    dense = read("g.npz")
    np.savez("g.npz", allow_pickle=False, edges=EDGES, **PARTS)
    sparse = read("g.npz")
    np.testing.assert_array_equal(graph_of(sparse).features, X)
    assert sparse.rows.fingerprint == dense.rows.fingerprint


def test_numbers_in_one_place_are_added() -> None:
    parts = PARTS | {"x_indices": np.array([0, 0, 1, 2, 0, 2])}
    np.savez("g.npz", allow_pickle=False, edges=EDGES, **parts)
    assert graph_of(read("g.npz")).features[0].tolist() == [3, 0, 0]


def test_a_node_is_known_by_its_features_alone() -> None:
    """Edges are context: the same nodes with other edges meet, other features do not."""
    write()
    first = read("g.npz").rows
    assert first.hashes[0] == content_hash(X[0].tobytes()) == first.hashes[3]
    write(edges=EDGES[:, :2], x=X.astype(np.float64) * np.where(X == 0, -1, 1))
    assert read("g.npz").rows.fingerprint == first.fingerprint
    write(x=X + 1)
    assert read("g.npz").rows.fingerprint != first.fingerprint


def test_names_of_torch_geometric_and_what_is_not_read() -> None:
    masks = {f"{name}_mask": np.arange(4) == at for at, name in enumerate(("train", "val", "test"))}
    np.savez(
        "g.npz", allow_pickle=False, edge_index=EDGES, x=X, y=np.zeros((4, 1), int), edge_attr=np.ones(4), **masks
    )
    dataset = read("g.npz")
    assert splits(dataset) == ["train", "val", "test", "rest"]
    assert dataset.notes[0] == "g.npz: edge_attr in it was not read."


def test_given_ids_classes_and_labels() -> None:
    write(ids=np.array(["a", "b", "c", "d"]), y=np.array([0, 1, 0, -3]), classes=np.array(["law", "art"]))
    dataset = read("train=g.npz")
    assert (ids(dataset), labels(dataset)) == (["a", "b", "c", "d"], ["law", "art", "law", None])
    assert splits(dataset) == ["train"] * 4
    write(y=np.array(["law", "", "art", "law"]), ids=np.array([7, 5, 3, 1]))
    assert (ids(read("g.npz")), labels(read("g.npz"))) == (["7", "5", "3", "1"], ["law", None, "art", "law"])


def test_a_limit_is_of_nodes_and_the_graph_stays_whole() -> None:
    write(train=np.array([1, 2, 3]))
    dataset = read("g.npz", limit=1)
    assert (ids(dataset), splits(dataset)) == (["0", "1"], ["rest", "train"])
    assert (len(graph_of(dataset)), graph_of(dataset).edges.shape) == (4, (2, 4))


def test_both_ways_has_every_edge_once_each_way() -> None:
    write()
    assert graph_of(read("g.npz")).both_ways.tolist() == [[0, 1, 2, 3], [1, 0, 3, 2]]


def test_a_graph_without_edges() -> None:
    write(edges=np.zeros((2, 0), int))
    assert graph_of(read("g.npz")).both_ways.shape == (2, 0)


NAN = np.where(np.arange(12).reshape(4, 3) == 4, np.nan, X)


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        ({"edges": EDGES.T[:3]}, "g.npz: edges is int64 of shape [3, 2]; expected whole numbers of shape [2, m], from and to. It looks transposed."),
        ({"edges": EDGES.astype(float)}, "g.npz: edges is float64 of shape [2, 4]; expected whole numbers of shape [2, m], from and to."),
        ({"edges": np.array([[0, 9], [1, 0]])}, "g.npz: 1 edge names a node that the graph has not: 9 to 0. It has 4 nodes, numbered from 0."),
        ({"edges": np.array([[0, 9, 1], [-1, 0, 1]])}, "g.npz: 2 edges name nodes that the graph has not: 0 to -1, 9 to 0. It has 4 nodes, numbered from 0."),
        ({"x": X[0]}, "g.npz: x is float32 of shape [3]; expected numbers of shape [n, f], the features of each node, one or more."),
        ({"x": X.astype(str)}, "g.npz: x is <U32 of shape [4, 3]; expected numbers of shape [n, f], the features of each node, one or more."),
        ({"x": X[:, :0]}, "g.npz: x is float32 of shape [4, 0]; expected numbers of shape [n, f], the features of each node, one or more."),
        ({"x": NAN}, "g.npz: the features of 1 node hold NaN or infinite values: 1; expected finite numbers of float32. Mend them."),
        ({"x": X.astype(np.float64) * 1e300}, "g.npz: the features of 4 nodes hold NaN or infinite values: 0, 1, 2, 3; expected finite numbers of float32. Mend them."),
        ({"y": np.arange(5)}, "g.npz: y has shape [5]; expected [4], one for each of the 4 nodes."),
        ({"y": np.eye(4)}, "g.npz: y has shape [4, 4]; expected [4], one for each of the 4 nodes."),
        ({"y": np.ones(4)}, "g.npz: y is float64; expected classes: whole numbers (below 0 for no label) or text."),
        ({"y": np.arange(4), "classes": np.array(["a", "b"])}, "g.npz: y holds 3, and 2 classes are named; expected a name for each, numbered from 0."),
        ({"y": np.array(list("abab")), "classes": np.array(["a", "b"])}, "g.npz: classes name the numbers in y, and y is <U1. Leave one out."),
        ({"ids": np.arange(3)}, "g.npz: ids has shape [3]; expected [4], one for each of the 4 nodes."),
        ({"ids": np.array(["a", "", "b", ""])}, "g.npz: 2 nodes have an empty id: 1, 3; expected one each. Leave ids out to number the nodes."),
        ({"ids": np.array(["a", "b", "a", "c"])}, "g.npz: 1 id found more than once: a. Ids must be unique: mend the ids in it, or leave them out to number the nodes."),
        ({"train": np.array([0, 4])}, "g.npz: train names nodes that the graph has not: 4. It has 4 nodes, numbered from 0."),
        ({"train": np.array([0, 2, 2])}, "g.npz: train names nodes twice: 2; expected each once."),
        ({"train": np.array([0.0])}, "g.npz: train is float64 of shape [1]; expected numbers of nodes, or True or False for each of the 4 nodes."),
        ({"train_mask": np.array([True])}, "g.npz: train_mask is bool of shape [1]; expected True or False for each of the 4 nodes."),
        ({"train_mask": np.arange(4)}, "g.npz: train_mask is int64 of shape [4]; expected True or False for each of the 4 nodes."),
        ({"train": np.array([0, 1]), "test_mask": np.arange(4) < 2}, "g.npz: 2 nodes are in train and in test_mask: 0, 1; expected a node in one split at most."),
        ({"y": np.array([None, 1, 2, 3])}, "g.npz holds Python objects (a pickle), which are never loaded; expected plain arrays of numbers and text. Write it again with numpy."),
    ],
)  # fmt: skip
def test_what_does_not_fit_is_said(arrays: dict[str, Any], message: str) -> None:
    write(**arrays)
    assert refusal("g.npz") == message


@pytest.mark.parametrize(
    ("parts", "fault"),
    [
        ({"x_shape": np.array([4])}, "x_shape is not two whole numbers, n and f, both 1 or more"),
        ({"x_shape": np.array([4.0, 3.0])}, "x_shape is not two whole numbers, n and f, both 1 or more"),
        ({"x_shape": np.array([4, 0])}, "x_shape is not two whole numbers, n and f, both 1 or more"),
        ({"x_indices": np.ones(6)}, "x_data, x_indices and x_indptr must be lists, the last two of whole numbers"),
        ({"x_data": np.array(list("abcdef"))}, "x_data is <U1, and no numbers"),
        ({"x_indptr": np.array([0, 2, 6])}, "x_indptr has 3 entries for 4 nodes, expected 5"),
        ({"x_data": np.ones(5)}, "x_data has 5 entries and x_indices 6"),
        ({"x_indptr": np.array([0, 4, 3, 4, 6])}, "x_indptr does not rise from 0 to 6"),
        ({"x_indptr": np.array([0, 2, 3, 4, 5], dtype=np.uint8)}, "x_indptr does not rise from 0 to 6"),
        ({"x_indices": np.array([0, 3, 1, 2, 0, 2])}, "x_indices lie in 0 … 3, expected 0 … 2"),
        ({"x_indices": np.array([0, -1, 1, 2, 0, 2])}, "x_indices lie in -1 … 2, expected 0 … 2"),
    ],
)
def test_sparse_parts_that_do_not_fit(parts: dict[str, Any], fault: str) -> None:
    np.savez("g.npz", allow_pickle=False, edges=EDGES, **(PARTS | parts))
    assert refusal("g.npz") == f"g.npz: the features are no CSR matrix: {fault}. Write them again."


def test_a_shape_that_would_fill_the_memory() -> None:
    np.savez("g.npz", allow_pickle=False, edges=EDGES, **(PARTS | {"x_shape": np.array([4, 2**40])}))
    assert refusal("g.npz") == (
        "g.npz: features of shape [4, 1099511627776] take 16384 GB in full; at most 8 GB are read. Leave out columns."
    )


def test_damaged_archives_and_other_files() -> None:
    write()
    whole = Path("g.npz").read_bytes()
    Path("g.npz").write_bytes(whole.replace(X.tobytes(), X.tobytes()[::-1]))
    assert refusal("g.npz").startswith("g.npz is damaged or cut short;")
    Path("g.npz").write_bytes(whole[: len(whole) // 2])
    assert refusal("g.npz").startswith("g.npz is damaged or cut short;")
    with zipfile.ZipFile("g.npz", "w") as archive:
        archive.writestr("edges.npy", b"no array")
        archive.writestr("x.npy", b"no array")
    assert refusal("g.npz") == (
        "g.npz holds nothing; expected a graph: edges (or edge_index) [2, m] and node features x [n, f], or their CSR "
        "parts x_data, x_indices, x_indptr, x_shape."
    )


@pytest.mark.parametrize("suffix", [".pt", ".pth", ".pkl", ".pickle"])
def test_pickles_are_never_loaded(suffix: str) -> None:
    Path(f"g{suffix}").write_bytes(b"PK\x03\x04whatever")
    assert refusal(f"g{suffix}") == (
        f"g{suffix} is a {suffix} file, which holds Python objects (a pickle); these are never loaded. Write a graph "
        "as .npz (edge_index, x, y, train_mask …), or name python:MODULE:FACTORY that gives it."
    )


def test_a_graph_stands_alone_and_says_its_splits_itself() -> None:
    write(train=np.array([0]))
    np.save("v.npy", X)
    assert refusal("g.npz", "v.npy") == (
        "g.npz holds a graph, and v.npy was given beside it; expected one graph alone. Read them in two runs."
    )
    with pytest.raises(UsageError) as e:
        read("train=g.npz")
    assert str(e.value) == (
        "g.npz was given as the split 'train' and says itself which nodes are in train. Name it alone."
    )
    with pytest.raises(UsageError) as e:
        read("g.npz", label="y")
    assert str(e.value) == "g.npz holds a graph and has no columns; found --label y."


def test_vectors_with_edges_beside_them_stay_vectors() -> None:
    np.savez("g.npz", allow_pickle=False, edges=EDGES, vectors=X)
    assert read("g.npz").modality == "vectors"


# --- factories -------------------------------------------------------------------------------------------------------


def test_a_factory_gives_a_dict_or_data(module: Write) -> None:
    source = """
    import numpy as np
    edges, x = np.array([[0], [1]]), np.eye(2)
    def plain():
        return {"edges": edges, "x": x, "y": None, "num_nodes": 2}
    class Tensor:
        def __init__(self, array): self.array = array
        def detach(self): return self
        cpu = to_dense = detach
        def numpy(self): return self.array
    class data:
        def to_dict(self): return {"edge_index": Tensor(edges), "x": Tensor(x), "train_mask": Tensor(np.array([True, False]))}
    """
    spec = module(source, "plain")
    dataset = read(f"train={spec}")
    assert (splits(dataset), dataset.source) == (["train", "train"], f"train={spec}")
    assert splits(read(spec.replace(":plain", ":data"))) == ["train", "rest"]


def test_features_of_a_factory_in_half_precision_or_sparse(module: Write) -> None:
    source = """
    import scipy.sparse, torch
    def graph(x): return {"edges": [[0, 1], [1, 0]], "x": x}
    def half(): return graph(torch.eye(2, dtype=torch.bfloat16, requires_grad=True))
    def sparse(): return graph(torch.eye(2).to_sparse())
    def csr(): return graph(scipy.sparse.eye(2, format="csr"))
    """
    spec = module(source, "half")
    for name in ("half", "sparse", "csr"):
        assert graph_of(read(spec.replace(":half", f":{name}"))).features.tolist() == [[1, 0], [0, 1]]


def test_what_a_factory_gives_that_is_no_graph(module: Write) -> None:
    source = """
    def number(): return 3
    def other(): return {"a": [1, 2]}
    def fails(): raise ValueError("no data")
    """
    spec = module(source, "number")
    assert refusal(spec) == (
        f"{spec}: number() gave a thing of type int; expected a torch-geometric Data, or a dict of arrays (edge_index, "
        "x, y, train_mask …)."
    )
    other = spec.replace(":number", ":other")
    assert refusal(other).startswith(f"{other} holds a [2] int64; expected a graph: edges (or edge_index) [2, m]")
    fails = spec.replace(":number", ":fails")
    assert refusal(fails) == f"{fails}: fails() failed with ValueError: no data"
    with pytest.raises(DatasetError) as e:
        read(spec.replace(":number", ":missing"))
    assert str(e.value).endswith("has no missing.")
    with pytest.raises(UsageError) as u:
        read(spec, format="npz")
    assert str(u.value) == f"{spec} gives a graph, and --format npz says otherwise. Leave it out."


# --- encoders --------------------------------------------------------------------------------------------------------

GNN = """
import numpy as np
calls = []
class make:
    def __init__(self, seed=0):
        self.weights = np.linalg.qr(np.random.default_rng(seed).normal(size=(60, 60)))[0]
    def encode_graph(self, graph):
        calls.append(len(graph))
        source, target = graph.both_ways
        hidden = graph.features @ self.weights
        sums = hidden.copy()
        np.add.at(sums, target, hidden[source])
        return sums
def other():
    return make(1)
"""


def write_made_up() -> None:
    from relstitch.experiments.materials.citations import made_up

    graph = made_up()
    np.savez(
        "made.npz", edges=graph.graph.edges, x=graph.graph.features, y=graph.targets.values, allow_pickle=False,
        train=np.flatnonzero(~graph.rows.in_splits("test")), test=graph.nodes("test"),
    )  # fmt: skip


def test_an_encoder_is_given_the_whole_graph_once(module: Write) -> None:
    write_made_up()
    spec = module(GNN, "make")
    whole = encode("made.npz", spec, options=EncodeOptions(embed=EmbedOptions(batch_size=7)))
    calls = sys.modules[spec.split(":")[1]].calls
    assert calls == [150]
    graph = graph_of(read("made.npz"))
    dense = np.eye(150)
    dense[tuple(graph.both_ways)] = 1
    expected = dense @ graph.features @ np.linalg.qr(np.random.default_rng(0).normal(size=(60, 60)))[0]
    np.testing.assert_allclose(whole.vectors, expected, rtol=1e-5, atol=1e-5)
    assert (whole.encoder.modality, whole.counts["edges"]) == ("graph", graph.edges.shape[1])
    few = encode(read("made.npz", limit=3), spec)
    assert few.rows.ids.tolist() == ["0", "1", "2", "90", "91", "92"]
    np.testing.assert_array_equal(few.vectors, whole.vectors[[0, 1, 2, 90, 91, 92]])
    assert plan_encoding("made.npz", spec).dimension == 60


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("class make:\n    def encode(self, items): return items", "{spec}: make() gave a thing of type make, which has no encode_graph method."),
        ("class make:\n    modality = 'text'\n    def encode_graph(self, graph): pass", "The model '{spec}' takes texts, and these items are nodes of a graph. Choose a model for nodes of a graph."),
        ("class make:\n    def encode_graph(self, graph): return graph.features[:2]", "{spec}: encode_graph gave float32 of shape [2, 3] for 4 nodes; expected floats, one row per node, [4, d]."),
        ("class make:\n    def encode_graph(self, graph): raise ValueError('no')", "{spec}: encode_graph failed with ValueError: no"),
        ("class make:\n    def encode_graph(self, graph): return graph.features / 0 * graph.features", "{spec} gave NaN or infinite values for 4 of the 4 rows of a batch: 0, 1, 2, 3. Nothing was written. Try --dtype fp32, or leave these rows out."),
        ("class make:\n    def encode_graph(self, graph): raise MemoryError", "{spec}: there is not enough memory for the graph of 4 nodes, which is encoded whole. Choose a smaller model or graph."),
    ],
)  # fmt: skip
@pytest.mark.filterwarnings("ignore:divide by zero", "ignore:invalid value")
def test_what_goes_wrong_in_an_encoder(module: Write, source: str, message: str) -> None:
    write()
    spec = module(source, "make")
    with pytest.raises(EncoderError) as e:
        encode("g.npz", spec)
    assert str(e.value) == message.format(spec=spec)


def test_other_encoders_are_refused() -> None:
    write()
    with pytest.raises(EncoderError) as e:
        encode("g.npz", "timm:resnet18")
    assert str(e.value) == (
        "The model 'timm:resnet18' takes pictures, and these items are nodes of a graph. Choose a model for nodes of a "
        "graph."
    )


def run(*arguments: str) -> str:
    found = CliRunner().invoke(app, list(arguments))
    assert found.exit_code == 0, found.output
    return found.stdout


def test_a_graph_network_of_ones_own_is_encoded_anchored_and_stitched(module: Write) -> None:
    """With the ordinary verbs: two networks that differ by a rotation, which relative representations do not see."""
    write_made_up()
    spec = module(GNN, "make")
    run("anchors", "made.npz", "-k", "40", "-o", "anchors.json")
    for name, model in (("one", spec), ("two", spec.replace(":make", ":other"))):
        run("encode", "made.npz", "-m", model, "-o", f"{name}.safetensors")
        run("encode", "made.npz", "-m", model, "-a", "anchors.json", "-o", f"{name}.rel.safetensors")
    stitch = ["stitch", "one.safetensors", "two.safetensors", "-a", "anchors.json", "--save-decoder", "d.safetensors"]
    report = json.loads(run(*stitch, "--json"))
    reached = {
        (cell["form"], cell["encoder"], cell["decoder"]): cell["scores"]["accuracy"]["mean"]
        for cell in report["cells"]
    }
    assert len({value for (form, _, _), value in reached.items() if form == "relative"}) == 1
    assert reached["relative", "one", "two"] > 0.6 > reached["absolute", "one", "two"]
    # Without a model, the decoder's own is used: the nodes are not taken for vectors.
    answers = json.loads(run("predict", "d.safetensors", "made.npz", "--json"))["predictions"]
    assert answers == json.loads(run("predict", "d.safetensors", "made.npz", "-m", spec, "--json"))["predictions"]
    assert len(answers) == 150


def test_a_network_of_torch_geometric(module: Write) -> None:
    torch = pytest.importorskip("torch")
    pytest.importorskip("torch_geometric")
    source = """
    import numpy as np, torch
    from torch_geometric.data import Data
    from torch_geometric.nn import GCNConv
    from relstitch.experiments.materials.citations import made_up
    class gcn:
        def __init__(self):
            torch.manual_seed(0)
            self.layer = GCNConv(60, 4)
        def encode_graph(self, graph):
            return self.layer(torch.from_numpy(graph.features), torch.from_numpy(graph.both_ways))
    def data():
        made = made_up()
        mask = torch.from_numpy(made.rows.in_splits("test"))
        return Data(x=torch.from_numpy(made.graph.features).to_sparse(), edge_index=torch.from_numpy(made.graph.both_ways),
                    y=torch.from_numpy(made.targets.values), train_mask=~mask, test_mask=mask)
    """
    spec = module(source, "gcn")
    made = encode(spec.replace(":gcn", ":data"), spec)
    assert made.rows.split_names == ("train", "test")
    assert made.vectors.shape == (150, 4)
    write_made_up()
    again = encode("made.npz", spec)
    np.testing.assert_allclose(again.vectors, made.vectors, rtol=1e-5, atol=1e-6)
    assert again.rows.fingerprint == made.rows.fingerprint
    assert torch.get_num_threads() >= 1
