"""Small worlds in which the same rows are seen by several encoders."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from relstitch.artifacts import AnchorList, AnchorVectors, Embeddings, EncoderStamp, Rows, Translator
from relstitch.artifacts.rows import content_hash
from relstitch.translation import TranslatorSettings, fit_translator

Array = NDArray[Any]
N, K = 80, 40


def stamp(name: str, width: int) -> EncoderStamp:
    return EncoderStamp(f"st:{name}", "text", width, extra={"own": name})


def turn(d: int, seed: int = 3) -> Array:
    found: Array = np.linalg.qr(np.random.default_rng(seed).normal(size=(d, d)))[0]
    return found


def world(noise: float = 0.0, n: int = N) -> dict[str, Embeddings]:
    """What lies in six dimensions, as it is, turned and moved, and turned, stretched and wider."""
    rng = np.random.default_rng(0)
    X = rng.normal(size=(n, 6))
    wide = np.hstack([3 * X @ turn(6, 5) + 1, np.zeros((n, 2))])
    ids = [f"r{at:02}" for at in range(n)]
    rows = Rows.build(
        ids,
        hashes=[content_hash(one.encode()) for one in ids],
        splits=["train" if at < 60 else "test" for at in range(n)],
    )
    seen = {"a": X, "b": X @ turn(6) - 2.0, "c": wide}
    return {
        name: Embeddings(rows, (Y + noise * rng.normal(size=Y.shape)).astype(np.float32), stamp(name, Y.shape[1]))
        for name, Y in seen.items()
    }


def anchors_in(space: Embeddings, k: int = K, start: int = 0) -> AnchorVectors:
    part = slice(start, start + k)
    listed = AnchorList(tuple(space.rows.ids[part].tolist()), tuple(space.rows.hashes[part].tolist()))
    return AnchorVectors(listed, space.vectors[part])


def fitted(source: Embeddings, target: Embeddings, method: str = "procrustes", **params: Any) -> Translator:
    sides = (anchors_in(source), anchors_in(target))
    return fit_translator(*sides, (source.encoder, target.encoder), TranslatorSettings(method, params))
