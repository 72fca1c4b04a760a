"""Checkpoints: read without running code, matched by name or, if wished, by order; weights hashed."""

import pickle
from pathlib import Path
from typing import Any

import pytest

from relstitch.encoders.weights import match_weights, read_checkpoint, state_sha256, unwrap_names
from relstitch.errors import EncoderError

torch = pytest.importorskip("torch")


def state(*names: str, seed: int = 0) -> dict[str, Any]:
    """Weights of different shapes under the given names."""
    generator = torch.Generator().manual_seed(seed)
    return {name: torch.rand(2, at + 1, generator=generator) for at, name in enumerate(names)}


def test_the_hash_depends_on_names_dtypes_shapes_and_values_and_on_nothing_else() -> None:
    plain = state("a", "b")
    whole = state_sha256(plain)
    assert state_sha256(dict(reversed(plain.items()))) == whole
    assert state_sha256({"a": plain["a"], "b": plain["b"].T.contiguous().T}) == whole
    different = [
        {"a": plain["a"], "c": plain["b"]},
        {"a": plain["a"].double(), "b": plain["b"]},
        {"a": plain["a"].reshape(1, 2), "b": plain["b"]},
        {"a": plain["a"] + 1, "b": plain["b"]},
        {"a": plain["a"]},
    ]
    assert len({whole, *(state_sha256(other) for other in different)}) == 6
    assert state_sha256({"a": torch.ones(2, dtype=torch.bfloat16), "n": torch.tensor(3), "e": torch.zeros(0)})


def test_the_hash_does_not_depend_on_the_file_format(tmp_path: Path) -> None:
    from safetensors.torch import save_file

    weights = state("a.weight", "a.bias")
    torch.save({"state_dict": weights, "epoch": 3}, tmp_path / "x.pth")
    save_file(weights, tmp_path / "x.safetensors")
    hashes = {state_sha256(read_checkpoint(str(tmp_path / name))) for name in ("x.pth", "x.safetensors")}
    assert hashes == {state_sha256(weights)}


@pytest.mark.parametrize("wrapper", ["state_dict", "model", "model_state_dict", "net", None])
def test_weights_are_taken_out_of_what_wraps_them(tmp_path: Path, wrapper: str | None) -> None:
    weights = state("a.weight", "a.bias")
    torch.save({wrapper: weights, "epoch": 3} if wrapper else weights, tmp_path / "x.pth")
    assert list(read_checkpoint(str(tmp_path / "x.pth"))) == ["a.weight", "a.bias"]


@pytest.mark.parametrize("prefix", ["module.", "model.", "module.backbone."])
def test_a_prefix_that_all_names_share_is_taken_off(prefix: str) -> None:
    wanted = state("conv.weight", "fc.bias")
    found = {prefix + name: tensor for name, tensor in wanted.items()}
    assert list(unwrap_names(wanted, found)) == ["conv.weight", "fc.bias"]
    assert list(unwrap_names(state("module.conv.weight", "fc.bias"), found)) in (
        list(found),
        ["conv.weight", "fc.bias"],
    )


def test_prefixes_that_not_all_share_or_that_the_model_has_stay() -> None:
    wanted = state("conv.weight", "fc.bias")
    mixed = state("conv.weight", "other.bias")
    assert unwrap_names(wanted, mixed) == mixed
    own = state("head.weight", "head.bias")
    assert unwrap_names(own, own) == own
    bare = state("weight", "bias")
    assert unwrap_names(wanted, bare) == bare


def test_matching_by_name_and_by_order() -> None:
    wanted, found = state("a", "b"), state("a", "b", seed=1)
    shuffled = dict(reversed(found.items()))
    assert match_weights(wanted, shuffled, path="x.pth", by_order=False) == found
    other = dict(zip(("_a", "_b"), found.values(), strict=True))
    assert match_weights(wanted, other, path="x.pth", by_order=True) == found
    with pytest.raises(EncoderError) as e:
        match_weights(wanted, other, path="x.pth", by_order=False)
    assert str(e.value) == (
        "The checkpoint x.pth names its weights otherwise (_a for a), but all "
        "2 shapes agree in order. If it is the same model, give --by-order."
    )


@pytest.mark.parametrize("by_order", [False, True])
def test_weights_that_do_not_fit(by_order: bool) -> None:
    wanted = state("a", "b")
    with pytest.raises(EncoderError) as e:
        match_weights(wanted, {"a": wanted["a"], "b": wanted["a"]}, path="x.pth", by_order=by_order)
    assert str(e.value) == (
        "The checkpoint x.pth has 1 weight of another shape than the model's; b is "
        "[2, 1], expected [2, 2]. Name the model that was trained."
    )
    with pytest.raises(EncoderError) as e:
        match_weights(wanted, state("a", "c", "d"), path="x.pth", by_order=by_order)
    assert str(e.value) == (
        "The checkpoint x.pth does not fit the model: of its 3 weights 2 are unknown "
        "(c, d), and of the model's 2 1 are missing "
        "(b). Name the model that was trained."
    )


class Bomb:
    """Unpickling it would write a file."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Any, ...]:
        return (Path.touch, (self.path,))


def test_a_checkpoint_that_would_run_code_is_refused_and_runs_none(tmp_path: Path) -> None:
    torch.save({"state_dict": state("a"), "extra": Bomb(tmp_path / "ran")}, tmp_path / "x.pth")
    with pytest.raises(EncoderError) as e:
        read_checkpoint(str(tmp_path / "x.pth"))
    assert str(e.value).startswith(f"The checkpoint {tmp_path / 'x.pth'} can't be read: weights_only=True blocked")
    (tmp_path / "y.pth").write_bytes(pickle.dumps(Bomb(tmp_path / "ran")))
    with pytest.raises(EncoderError):
        read_checkpoint(str(tmp_path / "y.pth"))
    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("x.pth", b"", "The checkpoint {path} is empty."),
        ("x.onnx", b"1", "The checkpoint {path} is not one of .safetensors, .pth, .pt, .bin, .tar, .ckpt."),
        ("x.pth", b"version https://git-lfs.github.com/spec/v1\n", "The checkpoint {path} is a Git LFS pointer, not the weights: run git lfs pull for them."),
        ("x.safetensors", b"\n<!DOCTYPE html><p>", "The checkpoint {path} is a web page, not weights: download the file itself."),
        ("x.safetensors", b"\xff" * 40, None),
        ("x.pth", b"PK\x03\x04" + b"x" * 50, None),
    ],
)  # fmt: skip
def test_files_that_are_no_checkpoint(tmp_path: Path, name: str, content: bytes, message: str | None) -> None:
    path = tmp_path / name
    path.write_bytes(content)
    with pytest.raises(EncoderError) as e:
        read_checkpoint(str(path))
    if message is None:
        assert str(e.value).startswith(f"The checkpoint {path} can't be read: ")
    else:
        assert str(e.value) == message.format(path=path)


def test_a_checkpoint_that_is_not_there_or_holds_no_weights(tmp_path: Path) -> None:
    with pytest.raises(EncoderError) as e:
        read_checkpoint(str(tmp_path / "x.pth"))
    assert str(e.value) == f"There is no checkpoint {tmp_path / 'x.pth'}."
    torch.save({"epoch": 3}, tmp_path / "x.pth")
    with pytest.raises(EncoderError) as e:
        read_checkpoint(str(tmp_path / "x.pth"))
    assert str(e.value) == (
        f"The checkpoint {tmp_path / 'x.pth'} holds no named weights. Expected the state dict of a model."
    )
    torch.save(torch.zeros(3), tmp_path / "x.pth")
    with pytest.raises(EncoderError):
        read_checkpoint(str(tmp_path / "x.pth"))
