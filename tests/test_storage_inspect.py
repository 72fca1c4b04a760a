"""What a file of ours is, in plain values, and what is wrong with one that can be read."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import storage_samples as samples

from relstitch import storage
from relstitch.artifacts import AnchorList, AnchorVectors, Targets


def inspected(artifact: storage.Artifact, tmp_path: Path) -> storage.Inspection:
    name = "a.json" if isinstance(artifact, type(samples.anchors())) else "a.safetensors"
    storage.save(artifact, tmp_path / name, force=True)
    return storage.inspect(tmp_path / name)


@pytest.mark.parametrize("kind", list(samples.SAMPLES))
def test_facts_are_plain_json(kind: str, tmp_path: Path) -> None:
    found = inspected(samples.SAMPLES[kind](), tmp_path)
    assert found.kind == kind
    assert found.format == 1
    assert found.problems == ()
    assert json.loads(json.dumps(found.facts, allow_nan=False)) == found.facts
    assert found.facts["bytes"] == Path(found.path).stat().st_size


def test_an_embeddings_file(tmp_path: Path) -> None:
    facts = dict(inspected(samples.embeddings(), tmp_path).facts)
    assert facts.pop("encoder")["spec"] == "st:minilm"
    assert str(facts.pop("written_by")).startswith("relstitch")
    del facts["bytes"]
    assert facts == {
        "rows": 5,
        "splits": {"train": 3, "test": 2},
        "dataset": samples.rows().fingerprint,
        "content_hashes": 4,
        "repeated_content": 1,
        "targets": "class",
        "labelled": 4,
        "classes": ["01", "1", "NA"],
        "skipped": {"rows": 2, "examples": ["train:7: empty text", "x/ü.jpg: truncated JPEG: 12 bytes"]},
        "counts": {"truncated": 2},
        "dimension": 3,
        "zero_vectors": 0,
    }


def test_zero_vectors_are_counted(tmp_path: Path) -> None:
    vectors = samples.matrix(5, 3)
    vectors[[1, 3]] = 0
    assert inspected(replace(samples.embeddings(), vectors=vectors), tmp_path).facts["zero_vectors"] == 2


def test_a_relative_file(tmp_path: Path) -> None:
    facts = inspected(samples.relative(), tmp_path).facts
    assert facts["k"] == 2
    assert facts["projection"] == "polynomial, not centred, degree=2"
    assert facts["anchors"] == {
        "k": 2,
        "dimension": 3,
        "side": "main",
        "draw": 1,
        "strategy": "uniform",
        "digest": samples.anchor_list().digest,
    }


def test_a_decoder_file(tmp_path: Path) -> None:
    facts = inspected(samples.decoder(), tmp_path).facts
    assert facts["method"] == "logistic"
    assert facts["names"] == ["01", "1", "NA"]
    assert facts["arrays"] == {"weights": "float32 [3, 2]", "bias": "float64 [3]", "iterations": "int64 []"}
    assert [space["dimension"] for space in facts["spaces"]] == [3, 4]


def test_an_anchors_file(tmp_path: Path) -> None:
    facts = inspected(samples.anchors(), tmp_path).facts
    assert (facts["k"], facts["draws"], facts["strategy"], facts["seed"]) == (2, 2, "uniform", 3)
    assert facts["sides"] == [{"name": "main", "dataset": "d5" * 32, "content_hashes": 1}]


@pytest.mark.parametrize(("kind", "names"), [("multilabel", ["a", "b"]), ("real", ["a", "b"]), ("image", [])])
def test_targets_of_other_kinds(kind: Any, names: list[str], tmp_path: Path) -> None:
    values = np.zeros((5, 2)) if kind != "image" else np.zeros((5, 2, 2, 3))
    rows = samples.rows(Targets(kind, values, np.ones(5, dtype=bool), tuple(names)))
    facts = inspected(replace(samples.embeddings(), rows=rows), tmp_path).facts
    assert facts["targets"] == kind
    assert facts["classes" if kind == "multilabel" else "target_names"] == names


def forged(artifact: storage.Artifact, tmp_path: Path, change: Any) -> tuple[str, ...]:
    storage.save(artifact, tmp_path / "whole.safetensors")
    samples.forge(tmp_path / "whole.safetensors", tmp_path / "forged.safetensors", change)
    return storage.inspect(tmp_path / "forged.safetensors").problems


def test_fingerprints_that_are_of_other_rows(tmp_path: Path) -> None:
    def change(_arrays: dict[str, Any], facts: dict[str, Any]) -> None:
        facts["rows"] |= {"dataset": "0" * 64, "split_fingerprint": "0" * 64}

    assert forged(samples.embeddings(), tmp_path, change) == (
        "The ids and content hashes are not those of the dataset fingerprint that the file carries.",
        "The splits are not those of the split fingerprint that the file carries.",
    )


def test_a_mean_that_is_not_that_of_the_anchors(tmp_path: Path) -> None:
    def change(arrays: dict[str, Any], _facts: dict[str, Any]) -> None:
        arrays["anchors.mean"] = np.ones(3, np.float32)

    assert forged(samples.relative(), tmp_path, change) == (
        "The mean of the anchors that the file carries is not the mean of their vectors.",
    )


def test_targets_that_are_not_finite(tmp_path: Path) -> None:
    values = np.array([[1, np.nan], [np.nan, 2], [3, 4], [5, 6], [7, 8]], np.float32)
    present = np.array([False, True, True, True, True])
    rows = samples.rows(Targets("real", values, present, ("x", "y")))
    made = replace(samples.embeddings(), rows=rows)
    assert inspected(made, tmp_path).problems == ("Some targets are not finite numbers.",)
    present[1] = False
    assert inspected(made, tmp_path).problems == ()


def test_a_decoder_that_does_not_hold_together(tmp_path: Path) -> None:
    whole = samples.decoder()
    longer = AnchorVectors(AnchorList(("a", "b", "c"), ("", "", "")), samples.matrix(3, 4))
    made = replace(
        whole,
        arrays={"w": np.array([np.inf]), "b": np.zeros(2)},
        spaces=((samples.stamp(4), longer), whole.spaces[0]),
    )
    assert inspected(made, tmp_path).problems == (
        "Its arrays w hold values that are not finite.",
        "The spaces it serves have different numbers of anchors.",
        "The first space it serves is not that of the encoder it was trained on.",
    )


def test_anchors_that_repeat_content(tmp_path: Path) -> None:
    whole = samples.anchors()
    twice = AnchorList(("a", "b", "c", "d"), ("ab" * 16, "", "ab" * 16, ""))
    made = replace(whole, sides=(replace(whole.sides[0], draws=(twice,)),))
    assert inspected(made, tmp_path).problems == ("Draw 0 holds the same content under several ids: a, c.",)
