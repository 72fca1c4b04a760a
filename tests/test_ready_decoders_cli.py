"""``stitch --decoder FILE``: a decoder that somebody trained long ago keeps working."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from onnx_samples import network
from safetensors.numpy import save_file
from sklearn.linear_model import LogisticRegression
from stitching_samples import CLASSES, anchors_in, blobs, rotation, space
from typer.testing import CliRunner

from relstitch import storage
from relstitch.cli import app
from relstitch.cli.stitch_ready import read_classes
from relstitch.errors import UsageError

FILES = ("wide.safetensors", "narrow.safetensors", "-a", "anchors.json")


def run(*arguments: str) -> Any:
    return CliRunner().invoke(app, ["stitch", *arguments])


def done(*arguments: str) -> str:
    result = run(*arguments)
    assert result.exit_code == 0, result.output
    return str(result.stdout)


def refused(*arguments: str) -> str:
    result = run(*arguments)
    assert result.exit_code == 2, result.output
    return str(result.stderr).removeprefix("Error: ").strip()


@pytest.fixture
def desk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> LogisticRegression:
    """Two encoders of different widths, anchors, and what was trained on the wide one."""
    monkeypatch.chdir(tmp_path)
    X, labels = blobs(d=8)
    wide = 2 * np.hstack([X, X[:, :3]]) @ rotation(11) + 1
    one, two = space(wide, labels, "one"), space(-3 * X, labels, "two")
    storage.save(one, "wide.safetensors")
    storage.save(two, "narrow.safetensors")
    storage.save(anchors_in(one), "anchors.json")
    return LogisticRegression().fit(wide[:160], labels[:160])


def test_a_decoder_of_scikit_learn(desk: LogisticRegression) -> None:
    np.savez("old.npz", coef_=desk.coef_, intercept_=desk.intercept_, classes_=np.array(CLASSES), input="raw")
    report = json.loads(done(*FILES, "--decoder", "old.npz", "--json", "--min-retention", "0.9"))
    assert report["settings"]["decoder"]["of"] == "wide"
    cells = {(cell["form"], cell["encoder"]): cell for cell in report["cells"]}
    assert cells["auto", "narrow"]["retention"]["mean"] > 0.9
    assert cells["auto", "wide"]["scores"] == cells["absolute", "wide"]["scores"]
    # No absolute stitch of different widths, and its own test rows give the ceiling.
    assert cells["absolute", "narrow"]["scores"] == {}
    shown = done(*FILES, "--decoder", "old.npz", "--method", "procrustes", "--markdown")
    assert "accuracy of old.npz, trained on wide, 40 anchors (uniform), 1 draw, 80 test rows. Floor" in shown
    assert "| wide | narrow | – |" in shown


def test_whose_decoder_it_was_taken_for_is_said(desk: LogisticRegression) -> None:
    np.savez("old.npz", coef_=desk.coef_, intercept_=desk.intercept_, classes_=np.array(CLASSES), input="raw")
    options = (*FILES, "--decoder", "old.npz", "-m", "ridge")
    taken = "old.npz does not say whose embeddings it reads: it was taken for a decoder of wide, the only file of 11 "
    assert run(*options).stderr.startswith(f"{taken}values per row.\n")
    for of in ("wide", "wide.safetensors", "./wide.safetensors", str(Path("wide.safetensors").resolve())):
        result = run(*options, "--decoder-of", of)
        assert result.exit_code == 0
        assert "taken for" not in result.stderr


def test_a_gate_fails(desk: LogisticRegression) -> None:
    np.savez("old.npz", coef_=desk.coef_, intercept_=desk.intercept_, classes_=np.array(CLASSES), input="raw")
    result = run(*FILES, "--decoder", "old.npz", "-m", "ridge", "--min-retention", "1.5")
    assert result.exit_code == 1
    assert "Gate failed: the retention of the decoder of wide on narrow (ridge) is" in result.stderr


def test_a_decoder_of_torch_with_its_names_beside_it(desk: LogisticRegression) -> None:
    arrays = {"fc.weight": desk.coef_.astype(np.float32), "fc.bias": desk.intercept_.astype(np.float32)}
    save_file(arrays, "old.safetensors")
    Path("classes.txt").write_text("\n".join(CLASSES) + "\n")
    said = ("--decoder", "old.safetensors", "--classes", "classes.txt", "--input", "raw")
    assert "auto\twide\tnarrow\tyes" in done(*FILES, *said)
    Path("classes.json").write_text(json.dumps(CLASSES))
    assert read_classes(Path("classes.json")) == read_classes(Path("classes.txt")) == CLASSES


def test_a_network_in_onnx(desk: LogisticRegression) -> None:
    pytest.importorskip("onnxruntime")
    said = {"classes": json.dumps(CLASSES), "input": "raw"}
    Path("old.onnx").write_bytes(network(desk.coef_.T, desk.intercept_, metadata=said))
    assert "auto\twide\tnarrow\tyes" in done(*FILES, "--decoder", "old.onnx", "--no-absolute")
    Path("old.onnx").write_bytes(network(desk.coef_.T, desk.intercept_, width="d", metadata=said))
    assert refused(*FILES, "--decoder", "old.onnx") == (
        "old.onnx does not say how many values it reads, and the files have 11 and 8. Say whose decoder it is, with "
        "--decoder-of."
    )
    assert "auto\twide\tnarrow\tyes" in done(*FILES, "--decoder", "old.onnx", "--decoder-of", "wide.safetensors")
    assert refused(*FILES, "--decoder", "old.onnx", "--decoder-of", "wode") == (
        "There is no file 'wode' in this stitch for the decoder to be of; there are: wide, narrow."
    )
    assert refused(*FILES, "--decoder", "old.onnx", "--weights-layout", "inputs-first") == (
        "--weights-layout: old.onnx is a network, which says itself how its weights are laid out. Leave the option out."
    )


@pytest.mark.parametrize("method", ["relative", "ridge"])
def test_a_decoder_that_a_stitch_kept(desk: LogisticRegression, method: str) -> None:
    done(*FILES, "--decoder", "ridge", "-m", method, "--save-decoder", "kept.safetensors")
    assert "auto\twide\tnarrow\tyes" in done(*FILES, "--decoder", "kept.safetensors")
    assert refused(*FILES, "--decoder", "kept.safetensors", "--input", "raw") == (
        "kept.safetensors is a decoder file of relstitch, which already says what it reads and answers. Leave --input, "
        "--classes and --weights-layout out."
    )


def test_a_pair_of_files(desk: LogisticRegression) -> None:
    np.savez("old.npz", coef_=desk.coef_, intercept_=desk.intercept_, classes_=np.array(CLASSES), input="raw")
    pair = ("--train", "wide.safetensors", "--test", "narrow.safetensors", "-a", "anchors.json")
    assert "ridge\twide\tnarrow\tyes" in done(*pair, "--decoder", "old.npz", "-m", "ridge")


def test_what_is_said_twice_must_agree(desk: LogisticRegression) -> None:
    np.savez("old.npz", coef_=desk.coef_, classes_=np.array(CLASSES), input="raw")
    Path("classes.txt").write_text("dog\ncat\nbee\nant")
    assert refused(*FILES, "--decoder", "old.npz", "--classes", "classes.txt") == (
        "old.npz says ant, bee, cat, dog, and --classes says dog, cat, bee, ant. Leave --classes out, or export the "
        "decoder again."
    )
    assert refused(*FILES, "--decoder", "old.npz", "--input", "unit") == (
        "old.npz says raw, and --input says unit. Leave --input out, or export the decoder again."
    )


def test_options_that_mean_nothing_are_refused(desk: LogisticRegression) -> None:
    np.savez("old.npz", coef_=desk.coef_, classes_=np.array(CLASSES), input="raw")
    assert refused(*FILES, "--decoder", "old.npz", "--strength", "1", "--seeds", "2") == (
        "--strength, --seeds: for decoders that a stitch trains, and old.npz is trained already. Leave it out."
    )
    assert refused(*FILES, "--decoder-of", "wide", "--input", "raw") == (
        "--decoder-of, --input: only for a decoder in a file, and logistic is trained by the stitch. Leave it out, or "
        "give the file with --decoder FILE."
    )
    assert refused(*FILES, "--decoder", "logistics") == (
        "There is no decoder 'logistics', neither by that name nor as a file. Choose one of: logistic, svm, ridge, knn, "
        "mlp; or give a file (.safetensors, .npz, .onnx)."
    )


def test_class_files_that_are_none(tmp_path: Path) -> None:
    path = tmp_path / "classes.txt"
    path.write_bytes(b"caf\xe9")
    with pytest.raises(UsageError) as error:
        read_classes(path)
    reason = str(error.value).partition(" (")[2].partition("); expected")[0]  # Python's own words
    assert str(error.value) == (
        f"{path} holds no class names ({reason}); expected a JSON list of texts, or one name per line, in UTF-8."
    )
    for text in ('["cat", 3]', '{"cat": 0, "dog": 1}'):
        path.write_text(text)
        with pytest.raises(UsageError) as other:
            read_classes(path)
        assert str(other.value) == (
            f'{path} holds other JSON than expected; expected a list of texts such as ["cat", "dog"].'
        )
    path.write_text("[" * 100_000)
    with pytest.raises(UsageError) as deep:
        read_classes(path)
    assert str(deep.value).startswith(f"{path} holds no class names (")


def test_only_the_end_of_a_line_ends_a_class_name(tmp_path: Path) -> None:
    path = tmp_path / "classes.txt"
    path.write_bytes("\ufeffnew\u2028line\r\n犬\r\n\r\n".encode())
    assert read_classes(path) == ("new\u2028line", "犬")
