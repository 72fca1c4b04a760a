"""Toy spaces for stitching: the same blobs as different encoders would see them."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from relstitch.artifacts import AnchorList, Anchors, AnchorSide, Embeddings, EncoderStamp, Rows, Targets

CLASSES = ("ant", "bee", "cat", "dog")
Floats = NDArray[np.float64]


def stamp(name: str, dimension: int, modality: str = "text") -> EncoderStamp:
    return EncoderStamp(f"st:{name}", modality, dimension)


def blobs(n: int = 240, d: int = 10, spread: float = 0.7, seed: int = 0) -> tuple[Floats, list[str]]:
    """Four blobs and their labels."""
    rng = np.random.default_rng(seed)
    codes = rng.integers(4, size=n)
    centres = 2 * rng.normal(size=(4, d)) / np.sqrt(d) * 2
    return centres[codes] + spread * rng.normal(size=(n, d)), [CLASSES[code] for code in codes]


def rotation(d: int, seed: int = 1) -> Floats:
    turn: Floats = np.linalg.qr(np.random.default_rng(seed).normal(size=(d, d)))[0]
    return turn


def space(
    vectors: NDArray[np.floating],
    labels: Sequence[str | None] | Targets | None,
    name: str = "one",
    *,
    train: int = 160,
    hashes: Sequence[str] | None = None,
) -> Embeddings:
    """Embeddings whose first rows are for training and whose other rows are for testing."""
    n = len(vectors)
    ids = [f"train:{row}" for row in range(train)] + [f"test:{row}" for row in range(n - train)]
    targets = labels if labels is None or isinstance(labels, Targets) else Targets.from_labels(labels)
    rows = Rows.build(ids, hashes=hashes, splits=["train"] * train + ["test"] * (n - train), targets=targets)
    return Embeddings(rows, vectors.astype(np.float32), stamp(name, vectors.shape[1]))


def anchors_in(*spaces: Embeddings, k: int = 40, draws: int = 1, strategy: str = "uniform", seed: int = 0) -> Anchors:
    """Uniform training rows; with several spaces, one side each, corresponding by position."""
    names = ["main"] if len(spaces) == 1 else ["left", "right"]
    orders = [np.random.default_rng(seed + draw).permutation(100)[:k] for draw in range(draws)]
    sides = tuple(
        AnchorSide(
            name,
            one.rows.fingerprint,
            tuple(AnchorList(tuple(one.rows.ids[at]), tuple(one.rows.hashes[at].tolist())) for at in orders),
        )
        for name, one in zip(names, spaces, strict=True)
    )
    return Anchors(strategy, seed, sides)


def turned_pair(spread: float = 0.7) -> tuple[dict[str, Embeddings], Anchors]:
    """One space, and the same turned a little, mirrored at the origin and rescaled: absolute vectors then mislead."""
    X, labels = blobs(spread=spread)
    turn = np.linalg.qr(np.eye(10) + 0.1 * np.random.default_rng(1).normal(size=(10, 10)))[0]
    turn *= np.sign(np.diag(turn))
    one, two = space(X, labels, "one"), space(-3 * X @ turn, labels, "two")
    return {"one": one, "two": two}, anchors_in(one)
