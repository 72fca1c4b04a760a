"""Decoders of other programs in files: what their arrays are called, what they say, and what is refused."""

import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from onnx_samples import head, network
from safetensors.numpy import save_file
from stitching_samples import CLASSES

from relstitch import storage
from relstitch.artifacts import Targets
from relstitch.decoders import DecoderSettings, fit_decoder
from relstitch.errors import ArtifactError, UsageError
from relstitch.storage.networks import load_network
from relstitch.storage.ready_decoders import DecoderArrays, load_ready

W = np.arange(12.0).reshape(4, 3)


def read(path: Path) -> DecoderArrays:
    found = load_ready(path)
    assert isinstance(found, DecoderArrays)
    return found


def refused(path: Path) -> str:
    with pytest.raises(ArtifactError) as error:
        load_ready(path)
    return str(error.value).replace(str(path), "FILE")


def npz(folder: Path, **arrays: Any) -> Path:
    np.savez(folder / "head.npz", **arrays)
    return folder / "head.npz"


def tensors(folder: Path, arrays: Mapping[str, NDArray[Any]], **metadata: str) -> Path:
    save_file(dict(arrays), folder / "head.safetensors", metadata=metadata or None)
    return folder / "head.safetensors"


def test_arrays_as_scikit_learn_calls_them(tmp_path: Path) -> None:
    given = {"coef_": W, "intercept_": W[:, 0], "mean_": W[0], "scale_": W[1], "var_": W[0], "n_iter_": np.array([7])}
    found = read(npz(tmp_path, **given, classes_=np.array(CLASSES)))
    assert sorted(found.arrays) == ["bias", "mean", "scale", "weights"]
    assert found.names == CLASSES
    assert found.input is None
    np.testing.assert_array_equal(found.arrays["weights"], W)


@pytest.mark.parametrize("prefix", ["", "fc.", "classifier.out."])
def test_tensors_as_torch_calls_them(tmp_path: Path, prefix: str) -> None:
    arrays = {f"{prefix}weight": W.astype(np.float32), f"{prefix}bias": np.ones(4, dtype=np.float32)}
    found = read(tensors(tmp_path, arrays, classes=json.dumps(CLASSES), input="normalized"))
    assert sorted(found.arrays) == ["bias", "weights"]
    assert found.names == CLASSES
    assert found.input == "unit"


def test_half_precision_of_torch_is_read(tmp_path: Path) -> None:
    import torch
    from safetensors.torch import save_file as save_torch

    save_torch({"weight": torch.tensor(W, dtype=torch.bfloat16)}, tmp_path / "head.safetensors")
    np.testing.assert_array_equal(read(tmp_path / "head.safetensors").arrays["weights"], W)


def test_the_form_of_the_input_in_an_array_and_whole_numbers_as_names(tmp_path: Path) -> None:
    found = read(npz(tmp_path, weights=W, classes=np.array([0, 1, 5, 9]), input="standardized"))
    assert found.names == ("0", "1", "5", "9")
    assert found.input == "standardised"


def test_our_own_decoder_files_are_decoders(tmp_path: Path) -> None:
    made = fit_decoder(np.eye(2, dtype=np.float32), Targets.from_labels(["a", "b"]), DecoderSettings("ridge"))
    storage.save(made, tmp_path / "d.safetensors")
    found = load_ready(tmp_path / "d.safetensors")
    assert not isinstance(found, DecoderArrays)
    assert found.names == ("a", "b")


def test_what_is_no_linear_layer_is_refused(tmp_path: Path) -> None:
    ending = (
        "; expected those of one linear layer: weights (weight, coef_), bias (intercept_), classes (classes_), mean and "
        "scale. Keep only these, or export the network as .onnx."
    )
    assert refused(npz(tmp_path, **{"a.weight": W, "b.weight": W, "a.bias": W[0]})) == (
        "FILE holds several arrays for one thing (weights: a.weight and b.weight)" + ending
    )
    assert refused(npz(tmp_path, weight=W, running_var=W[0])) == (
        "FILE holds arrays of no known meaning (running_var)" + ending
    )
    assert refused(npz(tmp_path, bias=W[0])) == "FILE holds no weights (bias)" + ending
    assert (
        "head.npz holds no weights (none); expected those of one linear layer: weights (weight, coef_), bias "
        "(intercept_), classes (classes_), mean and scale. Keep only these, or export the network as .onnx."
    ) in str(refused(npz(tmp_path)).replace("FILE", "head.npz"))


def test_what_a_file_says_must_make_sense(tmp_path: Path) -> None:
    assert refused(tensors(tmp_path, {"weight": W}, classes="cat, dog")) == (
        "FILE: its metadata name the classes as 'cat, dog'; expected a JSON list of texts in the order of the outputs, "
        'such as ["cat", "dog"].'
    )
    assert refused(tensors(tmp_path, {"weight": W}, classes="[1, 2]")).startswith(
        "FILE: its metadata name the classes"
    )
    assert refused(tensors(tmp_path, {"weight": W}, input="whitened")) == (
        "FILE says that its input is 'whitened'; expected raw, unit (normalised) or standardised."
    )
    assert refused(npz(tmp_path, weight=W, classes=np.ones((2, 2)))) == (
        "FILE: its class names are float64 [2, 2]; expected one text or whole number a class."
    )
    assert refused(npz(tmp_path, weight=W > 3)) == (
        "FILE: the array of its weights holds bool values; expected real numbers."
    )


def test_files_of_other_kinds_are_named(tmp_path: Path) -> None:
    ending = (
        "; a decoder was expected: a decoder file of relstitch, the arrays of a linear layer in .safetensors or .npz, or "
        "a network in .onnx."
    )
    (tmp_path / "head.pkl").write_bytes(b"\x80\x04K\x01.")
    assert refused(tmp_path / "head.pkl") == "FILE is a pickle (pickles can run code and are never loaded)" + ending
    (tmp_path / "head.txt").write_text("hello")
    assert refused(tmp_path / "head.txt") == (
        "FILE is a plain text; a decoder was expected: a decoder file of relstitch, the arrays of a linear layer in "
        ".safetensors or .npz, or a network in .onnx."
    )
    assert refused(tmp_path / "none.npz") == "FILE: there is no such file."


def test_damaged_and_dangerous_archives_are_refused(tmp_path: Path) -> None:
    path = npz(tmp_path, weight=W, classes=np.array(CLASSES, dtype=object))
    assert refused(path) == (
        "FILE holds Python objects (a pickle), which are never loaded. Write class names as texts: np.array(names, "
        "dtype=str)."
    )
    path = npz(tmp_path, weight=W)
    path.write_bytes(path.read_bytes()[:-40])
    assert refused(path) == "FILE is damaged or cut short; expected a whole .npz file. Write it again."


def test_an_archive_that_claims_too_much_is_not_unpacked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("relstitch.storage.ready_decoders._MOST_BYTES", 100)
    found = refused(npz(tmp_path, weight=W))
    assert found == (
        "FILE claims to hold 224 bytes of arrays, and at most 100 are read. Keep only the decoder's arrays in it."
    )


def test_a_damaged_safetensors_file_is_refused(tmp_path: Path) -> None:
    path = tensors(tmp_path, {"weight": W})
    path.write_bytes(path.read_bytes()[:-8])
    assert refused(path).startswith("FILE is damaged: its safetensors header does not fit the file")


def test_a_network_answers_as_its_arrays_do(tmp_path: Path) -> None:
    pytest.importorskip("onnxruntime")
    weights, bias = head()
    X = np.random.default_rng(1).normal(size=(7, 10)).astype(np.float32)
    for rows in ("n", 3):
        said = {"classes": json.dumps(CLASSES), "input": "raw"}
        (tmp_path / "net.onnx").write_bytes(network(weights, bias, rows=rows, metadata=said))
        found = load_network(tmp_path / "net.onnx")
        np.testing.assert_allclose(found.run(X), X @ weights + bias, rtol=1e-4, atol=1e-5)
        assert (found.width, found.names, found.input) == (10, CLASSES, "raw")
        assert len(found.run(X[:0])) == 0
    (tmp_path / "net.onnx").write_bytes(network(weights, bias, width="d"))
    found = load_network(tmp_path / "net.onnx")
    assert (found.width, found.names, found.input) == (None, None, None)
    with pytest.raises(ArtifactError) as error:
        found.run(X[:, :4])
    reason = str(error.value).partition("[7, 4]: ")[2].removesuffix(".")  # the library's own words
    assert str(error.value) == f"{tmp_path / 'net.onnx'} failed on rows of shape [7, 4]: {reason}."


def test_networks_that_cannot_be_decoders_are_refused(tmp_path: Path) -> None:
    pytest.importorskip("onnxruntime")
    path = tmp_path / "net.onnx"
    path.write_bytes(b"no network at all")
    with pytest.raises(ArtifactError) as garbage:
        load_network(path)
    reason = str(garbage.value).partition(" (")[2].partition("). Export")[0]  # the library's own words
    assert str(garbage.value) == (
        f"{path} is no ONNX network that can be run ({reason}). Export it again, with standard operators."
    )
    weights, bias = head()
    path.write_bytes(network(weights, bias, outputs=("values", "products")))
    with pytest.raises(ArtifactError) as ends:
        load_network(path)
    assert str(ends.value) == (
        f"{path} has the inputs rows tensor(float) ['n', 10] and the outputs values tensor(float) ['n', 4], products "
        "tensor(float) ['n', 4]; expected one input of real numbers [n, d] and one output of real numbers [n, c], one "
        "value per class (skl2onnx: zipmap=False)."
    )


def test_without_the_extra_the_way_to_it_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "net.onnx").write_bytes(network(*head()))
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    with pytest.raises(UsageError) as error:
        load_network(tmp_path / "net.onnx")
    assert str(error.value) == (
        f"{tmp_path / 'net.onnx'} needs the package 'onnxruntime', which is not installed. Install it with: "
        "pip install 'relstitch[onnx]'"
    )
