"""Translator and hub files: what they hold, what carries on as before, and files that contradict themselves."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import storage_samples as samples
from translation_samples import anchors_in, fitted, world

from relstitch import storage
from relstitch.artifacts import Hub
from relstitch.errors import ArtifactError
from relstitch.translation import TRANSLATORS, compose, fit_hub, translate

AGAIN = "Make it again, or copy it again whole."
WORLD = world(noise=0.2)
A, B, C = WORLD["a"], WORLD["b"], WORLD["c"]


@pytest.mark.parametrize("method", list(TRANSLATORS))
def test_a_loaded_translator_carries_exactly_as_before(method: str, tmp_path: Path) -> None:
    made = fitted(A, C, method)
    storage.save(made, tmp_path / "t.safetensors")
    found = storage.load_translator(tmp_path / "t.safetensors")
    samples.assert_same(found, made)
    assert found.digest == made.digest
    np.testing.assert_array_equal(translate(found, A.vectors), translate(made, A.vectors))
    assert storage.inspect(tmp_path / "t.safetensors").problems == ()


def test_a_composed_one_keeps_its_steps(tmp_path: Path) -> None:
    made = compose(fitted(A, B, "ridge"), fitted(B, C, "smoothing"))
    storage.save(made, tmp_path / "t.safetensors")
    found = storage.load_translator(tmp_path / "t.safetensors")
    assert [stamp.spec for stamp in found.through] == ["st:b"]
    for X, side in ((A.vectors, "source"), (C.vectors, "target")):
        np.testing.assert_array_equal(translate(found, X, side=side), translate(made, X, side=side))  # type: ignore[arg-type]
    facts = storage.inspect(tmp_path / "t.safetensors").facts
    assert (facts["method"], facts["source"]["spec"], facts["target"]["spec"]) == ("ridge+smoothing", "st:a", "st:c")
    assert [space["encoder"] for space in facts["spaces"]] == ["st:a", "st:b", "st:b", "st:c"]
    assert facts["arrays"]["1.target.center"] == "float64 [8]"
    assert facts["digest"] == made.digest


def test_a_hub_file(tmp_path: Path) -> None:
    made = fit_hub([anchors_in(one) for one in WORLD.values()], [one.encoder for one in WORLD.values()])
    storage.save(made, tmp_path / "h.safetensors")
    found = storage.load_map(tmp_path / "h.safetensors")
    assert isinstance(found, Hub)
    samples.assert_same(found, made)
    facts = storage.inspect(tmp_path / "h.safetensors").facts
    assert facts["encoders"] == ["st:a", "st:b", "st:c"]
    assert facts["settings"] == dict(made.settings)


def test_what_is_no_map_is_named(tmp_path: Path) -> None:
    storage.save(A, tmp_path / "a.safetensors")
    with pytest.raises(ArtifactError) as caught:
        storage.load_map(tmp_path / "a.safetensors")
    assert str(caught.value) == (
        f"{tmp_path / 'a.safetensors'} is an embeddings file; a translator file or a hub file was expected. "
        "`relstitch translate fit A B --anchors ANCHORS -o FILE` makes one."
    )


def swap(arrays: dict[str, Any], facts: dict[str, Any]) -> None:
    facts["spaces"][1], facts["spaces"][0] = facts["spaces"][0], facts["spaces"][1]
    arrays["space.0.vectors"], arrays["space.1.vectors"] = arrays["space.1.vectors"], arrays["space.0.vectors"]


FORGED: dict[str, tuple[str, Callable[[dict[str, Any], dict[str, Any]], object], str]] = {
    "steps that do not follow": (
        "translator", swap, "its 4 spaces are not the source and the target of one step after another",
    ),
    "one space": (
        "translator", lambda arrays, facts: (facts.update(spaces=facts["spaces"][:1]), arrays),
        "its 1 spaces are not the source and the target of one step after another",
    ),
    "fewer steps than methods": (
        "translator", lambda arrays, facts: (facts.update(spaces=[facts["spaces"][0], facts["spaces"][3]]),
                                             arrays.update({"space.1.vectors": arrays["space.3.vectors"]})),
        "A translator of 2 steps (ridge+smoothing) came with 0 encoders between them and 2 sets of anchors; expected "
        "1 and 4",
    ),
    "an array that is gone": (
        "translator", lambda arrays, _facts: arrays.pop("array.1.gamma"),
        "The arrays of a smoothing translator lack gamma. Fit it again",
    ),
    "an array of another shape": (
        "translator", lambda arrays, _facts: arrays.update({"array.1.target.weights": np.zeros((2, 5))}),
        "The array 'target.weights' of a smoothing translator has the shape [2, 5]; expected [2, 6]. Fit it again",
    ),
    "an array that is not finite": (
        "hub", lambda arrays, _facts: arrays.update({"array.0.back": np.full((4, 3), np.inf)}),
        "The arrays back of a hub translator hold values that are not finite",
    ),
    "settings that are none": (
        "hub", lambda _arrays, facts: facts.update(settings=3), "its entry 'settings' is missing or not of type dict",
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", FORGED)
def test_files_that_contradict_themselves(case: str, tmp_path: Path) -> None:
    kind, change, message = FORGED[case]
    storage.save(samples.SAMPLES[kind](), tmp_path / "whole.safetensors")
    path = tmp_path / "forged.safetensors"
    samples.forge(tmp_path / "whole.safetensors", path, lambda arrays, facts: (change(arrays, facts), None)[1])
    with pytest.raises(ArtifactError) as caught:
        storage.load(path)
    assert str(caught.value) == f"{path} is damaged: {message}. {AGAIN}"


def test_a_method_of_a_newer_relstitch(tmp_path: Path) -> None:
    storage.save(samples.translator(), tmp_path / "whole.safetensors")
    path = tmp_path / "newer.safetensors"
    samples.forge(tmp_path / "whole.safetensors", path, lambda _arrays, facts: facts.update(method="ridge+warp"))
    with pytest.raises(ArtifactError) as caught:
        storage.load(path)
    assert str(caught.value) == (
        f"{path} says method 'warp', which this version of relstitch does not know; it knows: procrustes, ridge, "
        "affine, low-rank, inverse, kernel, smoothing, mlp. Upgrade relstitch to read it."
    )
