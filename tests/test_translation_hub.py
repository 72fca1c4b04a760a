"""A hub: several encoders in one space, each by one map."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from translation_samples import anchors_in, fitted, turn, world

from relstitch.artifacts import AnchorList, AnchorVectors, Embeddings, EncoderStamp, Hub, Rows
from relstitch.errors import MismatchError, RelstitchError, UsageError
from relstitch.translation import evaluate_translator, fit_hub, hub_translator, translate
from relstitch.translation.hub import consensus

Array = NDArray[Any]


def hub_of(spaces: dict[str, Embeddings]) -> Hub:
    return fit_hub([anchors_in(one) for one in spaces.values()], [one.encoder for one in spaces.values()])


def misfit(configurations: list[Array], rotations: list[Array]) -> float:
    turned = [X @ R for X, R in zip(configurations, rotations, strict=True)]
    return float(sum(np.square(X - np.mean(turned, axis=0)).sum() for X in turned))


def plain(configurations: list[Array]) -> float:
    """Gower's own iteration from the first configuration, by scipy's rotations, many turns."""
    from scipy.linalg import orthogonal_procrustes

    mean = configurations[0]
    for _ in range(500):
        rotations = [orthogonal_procrustes(X, mean)[0] for X in configurations]
        mean = np.mean([X @ R for X, R in zip(configurations, rotations, strict=True)], axis=0)
    return misfit(configurations, rotations)


@settings(max_examples=10, deadline=None)
@given(seed=st.integers(0, 1000), noise=st.floats(0.05, 0.5))
def test_consensus_is_as_near_as_a_slow_iteration_gets(seed: int, noise: float) -> None:
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(30, 4))
    views = [X @ turn(4, seed + at) + noise * rng.normal(size=X.shape) for at in range(3)]
    views = [one - one.mean(axis=0) for one in views]
    rotations, turns = consensus(views)
    assert misfit(views, rotations) <= plain(views) * 1.01
    assert turns < 50
    for R in rotations:
        np.testing.assert_allclose(R.T @ R, np.eye(4), atol=1e-9)


@settings(max_examples=10, deadline=None)
@given(seed=st.integers(0, 1000), scale=st.floats(0.1, 10))
def test_every_pair_is_undone_whatever_turns_moves_and_scales(seed: int, scale: float) -> None:
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(40, 5))
    seen = {"p": X, "q": scale * X @ turn(5, seed) + 7, "r": np.hstack([X @ turn(5, seed + 1), np.zeros((40, 3))])}
    listed = AnchorList(tuple(map(str, range(40))), ("",) * 40)
    stamps = {name: EncoderStamp(f"st:{name}", "text", Y.shape[1]) for name, Y in seen.items()}
    hub = fit_hub([AnchorVectors(listed, Y.astype(np.float32)) for Y in seen.values()], list(stamps.values()))
    for one, A in seen.items():
        for other, B in seen.items():
            found = translate(hub_translator(hub, stamps[one], stamps[other]), A)
            np.testing.assert_allclose(found, B, atol=1e-3 * max(1, scale))


def test_the_order_of_the_encoders_does_not_matter() -> None:
    spaces = world(noise=0.2)
    a, c = spaces["a"], spaces["c"]
    found = [
        translate(hub_translator(hub_of({name: spaces[name] for name in order}), a.encoder, c.encoder), a.vectors)
        for order in ("abc", "cab")
    ]
    np.testing.assert_allclose(found[0], found[1], atol=1e-3)


def test_a_hub_of_two_is_procrustes() -> None:
    spaces = world(noise=0.2)
    a, b = spaces["a"], spaces["b"]
    made = hub_translator(hub_of({"a": a, "b": b}), a.encoder, b.encoder)
    center = anchors_in(b).mean
    through, direct = (translate(one, a.vectors) - center for one in (made, fitted(a, b)))
    cosine = (through * direct).sum(axis=1) / np.linalg.norm(through, axis=1) / np.linalg.norm(direct, axis=1)
    assert cosine.min() > 0.999
    assert made.settings["hub"] == ["st:a", "st:b"]


def test_wrong_pairs_do_not_meet() -> None:
    """The negative control: anchors of one encoder in another order."""
    spaces = world()
    a, c = spaces["a"], spaces["c"]
    right = evaluate_translator(hub_translator(hub_of(spaces), a.encoder, c.encoder), a, c)
    wrong = replace(anchors_in(c), vectors=np.roll(anchors_in(c).vectors, 1, axis=0))
    hub = fit_hub([anchors_in(a), wrong], [a.encoder, c.encoder])
    assert evaluate_translator(hub_translator(hub, a.encoder, c.encoder), a, c).recall[1] < 0.4
    assert right.recall[1] == 1


def said(kind: type[RelstitchError], call: Any, *arguments: Any, **options: Any) -> str:
    with pytest.raises(kind) as caught:
        call(*arguments, **options)
    return str(caught.value)


def test_hubs_that_cannot_be() -> None:
    spaces = world()
    a, b, c = (spaces[name] for name in "abc")
    hub = hub_of({"a": a, "b": b})
    assert said(UsageError, fit_hub, [anchors_in(a)], [a.encoder]) == (
        "A hub was asked for with 1 set of anchors and 1 encoder; expected one set an encoder, and at least 2."
    )
    assert said(UsageError, fit_hub, [anchors_in(a)] * 2, [a.encoder] * 2) == (
        "A hub needs different encoders; given more than once: st:a."
    )
    assert said(MismatchError, fit_hub, [anchors_in(a), anchors_in(b, start=1)], [a.encoder, b.encoder]) == (
        "The anchors of st:a and of st:b are not the same ones in the same order. A hub is fitted on anchors that all "
        "encoders have: take them from one anchors file and one draw."
    )
    assert said(MismatchError, hub_translator, hub, a.encoder, c.encoder) == (
        "st:c (8 wide) is not in this hub, which joins: st:a, st:b. Fit a hub with it."
    )
    assert said(MismatchError, replace, hub, encoders=hub.encoders[:1]) == (
        "A hub joins at least 2 encoders; 1 given."
    )
    assert said(MismatchError, replace, hub, encoders=((a.encoder, anchors_in(c)), hub.encoders[1])) == (
        "A hub's anchors in st:a are 8 wide; the encoder's stamp says 6."
    )
    assert said(MismatchError, replace, hub, arrays={**hub.arrays, "1.back": np.zeros((3, 3))}) == (
        "The array 'back' of a hub translator has the shape [3, 3]; expected [6, 6]. Fit it again."
    )


def test_real_encoders_meet_in_a_hub(test_data: Path) -> None:
    """MiniLM, MPNet and e5 on TREC: through the hub nearly as much is found as by a map of the pair's own."""
    spaces = {}
    for name in ("minilm", "mpnet", "e5"):
        with np.load(test_data / "embeddings" / f"trec-{name}.npz") as file:
            vectors = np.concatenate([file["train"][:1500], file["test"]]).astype(np.float32)
        rows = Rows.build([f"r{at}" for at in range(2000)], splits=["train"] * 1500 + ["test"] * 500)
        spaces[name] = Embeddings(rows, vectors, EncoderStamp(f"st:{name}", "text", vectors.shape[1]))
    hub = fit_hub([anchors_in(one, 300) for one in spaces.values()], [one.encoder for one in spaces.values()])
    a, b = spaces["minilm"], spaces["mpnet"]
    found = evaluate_translator(hub_translator(hub, a.encoder, b.encoder), a, b).recall[1]
    assert found > 0.9
