"""Stitch against a plain computation, written independently: numpy and scikit-learn, nothing of ours.

The reference centres, takes cosines, standardises and fits by itself, in float64. Figures must agree to 1e-6.
"""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from relstitch.artifacts import AnchorList, Anchors, AnchorSide, Embeddings, EncoderStamp, Rows, StitchReport, Targets
from relstitch.stitching import StitchOptions, stitch

Array = NDArray[np.float64]
C = 0.01


def reference_relative(rows: Array, anchors: Array, center: bool) -> Array:
    origin = anchors.mean(axis=0) if center else np.zeros(anchors.shape[1])
    rows, anchors = rows - origin, anchors - origin
    rows = rows / np.sqrt((rows**2).sum(axis=1))[:, None]
    anchors = anchors / np.sqrt((anchors**2).sum(axis=1))[:, None]
    return np.array(rows @ anchors.T)


def reference_scores(
    decoder: tuple[Array, NDArray[np.str_]], encoders: dict[str, tuple[Array, NDArray[np.str_]]]
) -> dict[tuple[str, str], float]:
    """Accuracy, macro and weighted F1 of one decoder's training rows on every encoder's test rows."""
    from sklearn.linear_model import LogisticRegression
    from sklearn.metrics import accuracy_score, f1_score
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    model = make_pipeline(StandardScaler(), LogisticRegression(C=C, tol=1e-7, max_iter=20_000))
    with threadpool_limits(1):
        model.fit(*decoder)
    scores = {}
    for encoder, (rows, labels) in encoders.items():
        said = model.predict(rows)
        scores[encoder, "accuracy"] = accuracy_score(labels, said)
        for average in ("macro", "weighted"):
            scores[encoder, f"{average}_f1"] = f1_score(labels, said, average=average, zero_division=0)
    return scores


class World:
    """Training and test vectors of several encoders over the same rows."""

    def __init__(self, vectors: dict[str, tuple[Array, Array]], labels: tuple[Sequence[str], Sequence[str]]) -> None:
        self.vectors = vectors
        self.train_labels, self.test_labels = (np.array(side) for side in labels)

    def files(self) -> dict[str, Embeddings]:
        n, m = len(self.train_labels), len(self.test_labels)
        ids = [f"train:{row}" for row in range(n)] + [f"test:{row}" for row in range(m)]
        targets = Targets.from_labels([*self.train_labels.tolist(), *self.test_labels.tolist()])
        rows = Rows.build(ids, splits=["train"] * n + ["test"] * m, targets=targets)
        return {
            name: Embeddings(rows, np.vstack(both).astype(np.float32), EncoderStamp(name, "text", both[0].shape[1]))
            for name, both in self.vectors.items()
        }

    def check(self, report: StitchReport, picked: Sequence[NDArray[np.intp]]) -> None:
        """Every relative cell, draw by draw."""
        for form, center in (("relative", True), ("relative, paper", False)):
            for draw, at in enumerate(picked):
                seen = {
                    name: [reference_relative(side, train[at], center) for side in (train, test)]
                    for name, (train, test) in self.vectors.items()
                }
                tests = {name: (sides[1], self.test_labels) for name, sides in seen.items()}
                for decoder in self.vectors:
                    expected = reference_scores((seen[decoder][0], self.train_labels), tests)
                    for (encoder, metric), value in expected.items():
                        found = report.cell(form, decoder, encoder).scores[metric].values[draw]
                        assert found == pytest.approx(value, abs=1e-6)


def anchors_at(picked: Sequence[NDArray[np.intp]]) -> Anchors:
    draws = tuple(AnchorList(tuple(f"train:{row}" for row in at), ("",) * len(at)) for at in picked)
    return Anchors("explicit", 0, (AnchorSide("main", "", draws),))


def synthetic(n: int = 500, m: int = 200) -> World:
    """A noisy latent space seen through three different nonlinear maps of different widths."""
    rng = np.random.default_rng(0)
    codes = rng.integers(5, size=n + m)
    latent = 1.6 * rng.normal(size=(5, 8))[codes] + 1.2 * rng.normal(size=(n + m, 8))
    vectors = {}
    for name, width in (("narrow", 12), ("wide", 30), ("band", 12)):
        seen = np.tanh(latent @ rng.normal(size=(8, width)) / 4) + (3 if name == "band" else 0)
        # As float32 holds them, so that both computations begin with the same numbers.
        seen = seen.astype(np.float32).astype(np.float64)
        vectors[name] = (seen[:n], seen[n:])
    labels = [f"class {code}" for code in codes]
    return World(vectors, (labels[:n], labels[n:]))


def test_synthetic_spaces_agree_with_the_reference() -> None:
    world = synthetic()
    picked = [np.random.default_rng(seed).permutation(500)[:50] for seed in (0, 1)]
    report = stitch(world.files(), anchors_at(picked), StitchOptions(strength=C))
    world.check(report, picked)


def test_the_reference_tells_anchors_apart() -> None:
    """Negative control: with other anchors the figures differ, so agreement means something."""
    world = synthetic()
    picked = [np.random.default_rng(seed).permutation(500)[:50] for seed in (0, 1)]
    report = stitch(world.files(), anchors_at(picked[::-1]), StitchOptions(strength=C))
    with pytest.raises(AssertionError):
        world.check(report, picked)


def real(folder: Path, data: str, *encoders: str) -> World:
    vectors, labels = {}, ([""], [""])
    for encoder in encoders:
        with np.load(folder / "embeddings" / f"{data}-{encoder}.npz", allow_pickle=False) as stored:
            vectors[encoder] = (stored["train"].astype(np.float64), stored["test"].astype(np.float64))
            labels = (stored["train_labels"].astype(str).tolist(), stored["test_labels"].astype(str).tolist())
    return World(vectors, labels)


def test_real_encoders_agree_with_the_reference(test_data: Path) -> None:
    world = real(test_data, "trec", "minilm", "mpnet")
    picked = [np.random.default_rng(0).permutation(len(world.train_labels))[:300]]
    report = stitch(world.files(), anchors_at(picked), StitchOptions(strength=C, absolute=False))
    world.check(report, picked)
    assert (report.stitched_mean("relative") or 0) > 0.78


def test_the_strength_chosen_on_held_out_anchors_serves_other_encoders(test_data: Path) -> None:
    """Real encoders that know each other badly: C = 1 suits the decoder's own encoder, and costs the others dearly."""
    files = real(test_data, "trec", "minilm", "e5").files()
    anchors = anchors_at([np.random.default_rng(0).permutation(5452)[:300]])
    options = StitchOptions(center=True, absolute=False)
    chosen = stitch(files, anchors, options)
    loose = stitch(files, anchors, StitchOptions(center=True, absolute=False, strength=1.0))
    assert (chosen.stitched_mean("relative") or 0) > (loose.stitched_mean("relative") or 0) + 0.1
