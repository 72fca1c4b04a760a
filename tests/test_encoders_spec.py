"""What a user may write after -m, and what is refused before anything is loaded."""

import importlib
import json
import subprocess
import sys
from importlib import metadata
from pathlib import Path
from types import ModuleType

import pytest

from relstitch.encoders import EncoderOptions, is_out_of_memory, load_encoder, modality_of
from relstitch.encoders.devices import available_devices, resolve_device
from relstitch.encoders.libraries import import_library, offline, user_is_offline
from relstitch.encoders.own_code import own_code, reader, refuse_own_code
from relstitch.encoders.spec import parse_spec
from relstitch.errors import EncoderError, UsageError, summary

ALLOWED = (
    "timm:NAME, timm:hf-hub:USER/REPO, timm:local-dir:FOLDER, st:NAME_OR_FOLDER, python:MODULE:FACTORY, "
    "or a folder that holds a model"
)


def folder_with(place: Path, **files: object) -> Path:
    """A folder of JSON files; ``modules`` becomes modules.json."""
    place.mkdir(parents=True, exist_ok=True)
    for name, values in files.items():
        (place / f"{name}.json").write_text(json.dumps(values), encoding="utf-8")
    return place


@pytest.mark.parametrize(
    ("text", "kind", "name", "revision"),
    [
        ("timm:resnet18.a1_in1k", "timm", "resnet18.a1_in1k", None),
        ("timm:hf-hub:timm/resnet18@v1", "timm", "hf-hub:timm/resnet18", "v1"),
        ("timm:hf_hub:timm/resnet18", "timm", "hf-hub:timm/resnet18", None),
        ("timm:timm/resnet18", "timm", "hf-hub:timm/resnet18", None),
        ("st:all-MiniLM-L6-v2", "st", "all-MiniLM-L6-v2", None),
        ("st:user/model@abc", "st", "user/model", "abc"),
        ("python:my.module:make", "python", "my.module:make", None),
        ("python:module:Class.create", "python", "module:Class.create", None),
    ],
)
def test_specifications_are_read(text: str, kind: str, name: str, revision: str | None) -> None:
    spec = parse_spec(text)
    assert (spec.text, spec.kind, spec.name, spec.folder, spec.revision) == (text, kind, name, None, revision)


def test_a_folder_says_itself_what_it_is(tmp_path: Path) -> None:
    sentences = folder_with(tmp_path / "a", modules=[])
    transformer = folder_with(tmp_path / "b", config={"model_type": "bert"})
    pictures = folder_with(tmp_path / "c", config={"architecture": "resnet18"})
    assert parse_spec(str(sentences)).kind == "st"
    assert parse_spec(str(transformer)).kind == "st"
    assert parse_spec(str(pictures)).name == f"local-dir:{pictures}"
    assert parse_spec(f"timm:{pictures}") == parse_spec(f"timm:{pictures}")
    assert parse_spec(f"timm:local-dir:{pictures}").folder == pictures


@pytest.mark.parametrize("text", ["timms:resnet18", "", "-x", "C:\\model"])
def test_what_is_no_model_names_all_that_is(text: str) -> None:
    with pytest.raises(EncoderError) as e:
        parse_spec(text)
    assert str(e.value) == f"There is no model {text!r}. A model is {ALLOWED}."


@pytest.mark.parametrize(
    ("text", "meant"),
    [
        ("all-MiniLM-L6-v2", "st:all-MiniLM-L6-v2"),
        ("resnet18", "timm:resnet18"),
        ("vit_base_patch16_224.dino", "timm:vit_base_patch16_224.dino"),
        ("intfloat/e5-small", "st:intfloat/e5-small"),
    ],
)
def test_a_hub_s_name_without_its_prefix(
    text: str, meant: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(EncoderError) as e:
        parse_spec(text)
    said = f"There is no folder {text!r}, and a model of a hub is written st:NAME or timm:NAME: did you mean {meant}"
    assert str(e.value) == f"{said}?"
    near = folder_with(tmp_path / f"{text}s")
    with pytest.raises(EncoderError) as e:
        parse_spec(text)
    # Where its folder is there, what was written is a path.
    near_by = near.relative_to(tmp_path)
    assert str(e.value) == (
        f"There is no folder {text!r}. Did you mean {near_by}?"
        if "/" in text
        else f"{said}, or the folder {near_by}?"
    )


def test_a_path_that_is_not_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    folder_with(tmp_path / "ex/demo/models/all-MiniLM-L6-v2")
    (tmp_path / "ex/demo/models/all-MinLM-L6-v2.txt").write_text("no folder")
    meant = "ex/demo/models/all-MiniLM-L6-v2"
    for name in ("ex/demo/models/all-MinLM-L6-v2", "ex/dmo/models/all-MiniLM-L6-v2"):
        with pytest.raises(EncoderError) as e:
            parse_spec(f"st:{name}")
        assert str(e.value) == (
            f"The model 'st:{name}' names a folder that is not there: {name}. Did you mean st:{meant}?"
        )
        with pytest.raises(EncoderError) as e:
            parse_spec(name)
        assert str(e.value) == f"There is no folder {name!r}. Did you mean {meant}?"
    for name in ("./nowhere", "a/b/c", "nowhere/"):
        with pytest.raises(EncoderError) as e:
            parse_spec(name)
        assert str(e.value) == f"There is no folder {name!r}. A model is {ALLOWED}."
    with pytest.raises(EncoderError) as e:
        parse_spec("ex/demo/models/all-MinLM-L6-v2.txt")
    assert str(e.value) == f"There is no model 'ex/demo/models/all-MinLM-L6-v2.txt'. A model is {ALLOWED}."


def test_incomplete_specifications() -> None:
    with pytest.raises(EncoderError) as e:
        parse_spec("st:")
    assert str(e.value) == f"The model 'st:' has no name after st:. A model is {ALLOWED}."
    with pytest.raises(EncoderError) as e:
        parse_spec("timm:web:resnet18")
    assert str(e.value) == f"There is no model source 'web' in 'timm:web:resnet18'. A model is {ALLOWED}."
    for text in ("python:module", "python:module:", "python:a b:c", "python::f", "python:m:f:g"):
        with pytest.raises(EncoderError) as e:
            parse_spec(text)
        assert str(e.value) == (
            f"The model {text!r} is not python:MODULE:FACTORY, such as python:mymodule:make_encoder."
        )


@pytest.mark.parametrize("text", ["st:./nowhere", "st:/no/where", "timm:local-dir:nowhere", "st:a/b/c", "timm:./x"])
def test_folders_that_are_not_there(text: str) -> None:
    name = text.removeprefix("timm:").removeprefix("st:").removeprefix("local-dir:")
    with pytest.raises(EncoderError) as e:
        parse_spec(text)
    assert str(e.value) == f"The model {text!r} names a folder that is not there: {Path(name)}."


def test_a_folder_that_does_not_say_what_it_is(tmp_path: Path) -> None:
    for config in ({}, {"hello": 1}, [1]):
        folder = folder_with(tmp_path / "x", config=config)
        with pytest.raises(EncoderError) as e:
            parse_spec(str(folder))
        assert str(e.value) == (
            f"The folder {folder} does not say what model it is: expected modules.json (sentence-transformers), or a "
            "config.json with 'model_type' (transformers) or 'architecture' (timm)."
        )


@pytest.mark.parametrize(
    ("spec", "options", "message"),
    [
        ("timm:resnet18", EncoderOptions(prompt="x", max_length=3), "Leave out what has no effect on 'timm:resnet18': --prompt, --max-length."),
        ("st:x", EncoderOptions(checkpoint="x.pth"), "Leave out what has no effect on 'st:x': --checkpoint."),
        ("python:m:f", EncoderOptions(device="cpu"), "Leave out what has no effect on 'python:m:f': --device."),
        ("timm:resnet18", EncoderOptions(dtype="int8"), "There is no dtype 'int8'. Choose one of: fp32, fp16, bf16."),
        ("timm:resnet18", EncoderOptions(by_order=True), "--by-order matches the weights of a checkpoint: give one with --checkpoint."),
        ("st:clip", EncoderOptions(prompt="x"), "--prompt and --max-length are about texts, and these items are pictures: leave them out."),
    ],
)  # fmt: skip
def test_options_without_effect_are_refused(spec: str, options: EncoderOptions, message: str) -> None:
    with pytest.raises(UsageError) as e:
        load_encoder(spec, "image", options)
    assert str(e.value) == message


def test_a_length_below_one_is_refused() -> None:
    with pytest.raises(UsageError) as e:
        load_encoder("st:x", "text", EncoderOptions(max_length=0))
    assert str(e.value) == "--max-length is 0; at least 1 token must be read."


def test_a_text_model_on_pictures_or_the_reverse_is_refused_before_anything_is_loaded(tmp_path: Path) -> None:
    """The models here could not be loaded at all; and no library is imported."""
    folder_with(tmp_path / "m", config={"model_type": "bert", "vocab_size": 3})
    script = (
        "import sys\n"
        "from relstitch.encoders import load_encoder\n"
        "from relstitch.errors import EncoderError\n"
        f"for spec, modality in (('st:{tmp_path / 'm'}', 'image'), ('timm:no_such_model', 'text')):\n"
        "    try:\n        load_encoder(spec, modality)\n"
        "    except EncoderError as error:\n        print(error)\n"
        "print(sorted({'torch', 'timm', 'transformers', 'sentence_transformers'} & set(sys.modules)))\n"
    )
    run = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert run.stdout.splitlines() == [
        f"The model 'st:{tmp_path / 'm'}' takes texts, and these items are pictures. Choose a model for pictures.",
        "The model 'timm:no_such_model' takes pictures, and these items are texts. Choose a model for texts.",
        "[]",
    ]


def test_the_modality_of_a_model(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path))
    clip = folder_with(tmp_path / "clip", config={"model_type": "clip", "text_config": {}, "vision_config": {}})
    vit = folder_with(tmp_path / "vit", config={"model_type": "vit", "image_size": 224})
    old = folder_with(
        tmp_path / "old", modules=[{"path": "0_CLIPModel", "type": "sentence_transformers.models.CLIPModel"}]
    )
    static = folder_with(
        tmp_path / "static", modules=[{"path": "", "type": "sentence_transformers.models.StaticEmbedding"}]
    )
    assert modality_of(f"st:{clip}") == {"text", "image"}
    assert modality_of(f"st:{vit}") == {"image"}
    assert modality_of(str(old)) == {"text", "image"}
    assert modality_of(str(static)) == {"text"}
    assert modality_of("st:not/cached") == {"text", "image"}
    assert modality_of("python:m:f") == {"text", "image", "vectors", "graph"}


@pytest.mark.parametrize(
    ("files", "found"),
    [
        ({"config": {"auto_map": {"AutoModel": "modeling.X"}}}, "auto_map (config.json)"),
        ({"modules": [{"path": "", "type": "my_module.Pooling"}]}, "my_module.Pooling (modules.json)"),
        ({"tokenizer_config": {"auto_map": {"AutoTokenizer": ["t.T", None]}}}, "auto_map (tokenizer_config.json)"),
        ({"router_config": {"types": {"q": "evil.Router"}}}, "evil.Router (router_config.json)"),
    ],
)  # fmt: skip
def test_a_local_folder_that_wants_its_own_code_is_refused_without_a_prompt(
    tmp_path: Path, files: dict[str, object], found: str
) -> None:
    folder = folder_with(tmp_path / "m", **({"config": {"model_type": "bert"}} | files))
    with pytest.raises(EncoderError) as e:
        load_encoder(f"st:{folder}", "text")
    assert str(e.value) == (
        f"The model 'st:{folder}' wants to run code of its own: {found}. Read that code first; "
        "--trust-remote-code lets it run."
    )
    refuse_own_code(f"st:{folder}", reader(folder), trusted=True)


def test_code_asked_for_in_a_module_folder_is_found_and_the_librarys_own_is_not(tmp_path: Path) -> None:
    modules = [
        {"path": "", "type": "sentence_transformers.models.Transformer"},
        {"path": "1_X", "type": "sentence_transformers.sentence_transformer.modules.Pooling"},
    ]
    folder = folder_with(tmp_path, modules=modules, config={"model_type": "bert"})
    assert list(own_code(reader(folder))) == []
    folder_with(tmp_path / "1_X", config={"auto_map": {"AutoModel": "x.X"}})
    assert list(own_code(reader(folder))) == ["auto_map (1_X/config.json)"]


def test_devices() -> None:
    assert resolve_device("cpu") == "cpu"
    assert resolve_device(None) == resolve_device("auto") == available_devices()[0]
    with pytest.raises(EncoderError) as e:
        resolve_device("gpu")
    assert str(e.value) == f"There is no device 'gpu' here. Available: {', '.join(reversed(available_devices()))}."


def test_running_out_of_memory_is_recognised_on_every_device() -> None:
    assert is_out_of_memory(MemoryError())
    assert is_out_of_memory(RuntimeError("CUDA out of memory. Tried to allocate 2 GiB"))
    assert is_out_of_memory(RuntimeError("DefaultCPUAllocator: not enough memory: you tried to allocate 9 bytes"))
    assert is_out_of_memory(RuntimeError("[enforce fail] DefaultCPUAllocator: can't allocate memory"))
    assert not is_out_of_memory(RuntimeError("shape mismatch"))
    assert not is_out_of_memory(ValueError("out of memory"))


def test_torch_and_torchvision_that_do_not_fit_are_both_named_with_the_command_that_mends_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def broken(name: str) -> ModuleType:
        raise RuntimeError("operator torchvision::nms does not exist")

    monkeypatch.setattr(importlib, "import_module", broken)
    monkeypatch.setattr(metadata, "version", lambda project: {"torch": "2.9.0", "torchvision": "0.14.0"}[project])
    with pytest.raises(EncoderError) as e:
        import_library("timm")
    assert str(e.value) == (
        "torch 2.9.0 and torchvision 0.14.0 do not fit together, so timm cannot be imported. "
        'Install the torchvision that fits: pip install --upgrade "torch==2.9.0" torchvision'
    )


def test_a_library_that_does_not_import(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(name: str) -> ModuleType:
        raise ImportError("cannot import name 'x' from 'torch'")

    with pytest.raises(EncoderError) as e:
        import_library("no_such_library")
    assert str(e.value) == (
        "no_such_library cannot be imported: there is no module 'no_such_library'. "
        "Install it: pip install no-such-library"
    )
    monkeypatch.setattr(importlib, "import_module", broken)
    monkeypatch.setattr(
        metadata, "version", lambda project: {"torch": "2.9.0", "torchvision": "1", "timm": "1.0"}[project]
    )
    with pytest.raises(EncoderError) as e:
        import_library("timm")
    assert str(e.value) == (
        "timm 1.0 cannot be imported beside torch 2.9.0: cannot import name 'x' from 'torch'. "
        "Install versions that fit: pip install --upgrade timm"
    )


def test_offline_is_put_back(monkeypatch: pytest.MonkeyPatch) -> None:
    from huggingface_hub import constants

    monkeypatch.delenv("HF_HUB_OFFLINE", raising=False)
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    with offline():
        assert user_is_offline()
        assert constants.HF_HUB_OFFLINE
    assert not user_is_offline()
    assert not constants.HF_HUB_OFFLINE
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    with offline():
        pass
    assert user_is_offline()


def test_long_errors_of_libraries_are_cut() -> None:
    assert summary(ValueError("two\n  lines")) == "two lines"
    assert summary(KeyError()) == "KeyError"
    assert summary(ValueError("x" * 400)) == "x" * 300 + " …"
