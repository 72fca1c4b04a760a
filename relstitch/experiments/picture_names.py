"""How pictures and their names meet on paired anchors, and how well: retrieval both ways, a decoder of groups."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from relstitch.anchors import pair_anchors
from relstitch.artifacts import Anchors, Embeddings, ProjectionSpec
from relstitch.choosing import choose_translator
from relstitch.relative import anchor_vectors, project
from relstitch.stitching import StitchOptions, stitch_pair
from relstitch.translation import apply_arrays, fit_arrays
from relstitch.translation.vectors import search_ranks

NAMES, DRAWN = "names", "pictures"
ABSOLUTE, PLAIN, CENTRED, ASIF, AUTO = (
    "absolute",
    "not centred",
    "centred",
    "not centred, as in ASIF",
    "--method auto",
)
SPECS: Mapping[str, ProjectionSpec] = {
    PLAIN: ProjectionSpec("cosine", center=False),
    CENTRED: ProjectionSpec("cosine"),
    ASIF: ProjectionSpec("cosine", center=False, params={"top": 100, "power": 8}),
}
WAYS = ((DRAWN, NAMES), (NAMES, DRAWN))
"""Who looks for whom."""
RECALLS = (1, 10)

Scores = Mapping[str, Mapping[str, list[float]]]
"""Form → who looks for whom → recall@1, recall@10, mean reciprocal rank."""


def paired_anchors(sides: Mapping[str, Embeddings], k: int, draw: int) -> Anchors:
    """Training pictures and their names as anchors.

    Args:
        sides: Of names and pictures, whose ids are the same.
        k: How many.
        draw: Which draw.
    """
    rows = sides[NAMES].rows
    ids = rows.ids[rows.in_splits("train")].tolist()
    return pair_anchors(sides, [(name, name) for name in ids], k=k, seed=draw)


def met(
    sides: Mapping[str, Embeddings], k: int, draw: int, *, auto: tuple[bool, bool] = (False, False)
) -> dict[str, Any]:
    """Let names and pictures meet on one draw of anchors.

    Args:
        sides: Of names and pictures.
        k: How many anchors.
        draw: Which draw.
        auto: Whether the best translator is chosen for retrieval, and the best way to meet for the decoder.

    Returns:
        ``retrieval`` (`Scores`) and ``accuracy`` on pictures of a decoder trained on names, by form.
    """
    anchors = paired_anchors(sides, k, draw)
    return {"retrieval": looked_up(sides, anchors, auto=auto[0]), "accuracy": answered(sides, anchors, auto=auto[1])}


def looked_up(sides: Mapping[str, Embeddings], anchors: Anchors, *, auto: bool = False) -> dict[str, Any]:
    """Test rows of one side look for their own among the test rows of the other, by the cosine.

    Args:
        sides: Of names and pictures, whose ids are the same.
        anchors: Pairs.
        auto: Whether a translator is chosen on held-out anchors (`relstitch.choosing.choose_translator`).

    Returns:
        `Scores`; absolute ones where both sides are of one width.
    """
    fixed = {name: anchor_vectors(space, anchors, side=name).vectors for name, space in sides.items()}
    ids = sorted(sides[NAMES].rows.ids[sides[NAMES].rows.in_splits("test")].tolist())
    asked = {name: space.vectors[[space.rows.position[one] for one in ids]] for name, space in sides.items()}
    forms = {form: {name: project(asked[name], fixed[name], spec) for name in sides} for form, spec in SPECS.items()}
    if len({vectors.shape[1] for vectors in asked.values()}) == 1:
        forms = {ABSOLUTE: asked, **forms}
    found: dict[str, Any] = {}
    for form, vectors in forms.items():
        zero = np.zeros(vectors[NAMES].shape[1])
        found[form] = {f"{one} → {other}": _scores(vectors[one], vectors[other], zero) for one, other in WAYS}
    if auto:
        found[AUTO] = {f"{one} → {other}": _translated(sides, asked, fixed, (one, other)) for one, other in WAYS}
    return found


def _translated(
    sides: Mapping[str, Embeddings], asked: Mapping[str, Any], fixed: Mapping[str, Any], way: tuple[str, str]
) -> list[float]:
    """By the translator that held-out anchors favour, with the target's training rows to be confused with."""
    source, target = way
    rows = sides[target].vectors[sides[target].rows.in_splits("train")]
    settings = choose_translator(fixed[source], fixed[target], target_rows=rows).settings
    arrays = fit_arrays(fixed[source], fixed[target], settings)
    queries = apply_arrays(settings.method, arrays, asked[source])
    there, center = (apply_arrays(settings.method, arrays, X, side="target") for X in (asked[target], fixed[target]))
    return _scores(queries, there, center.mean(axis=0))


def _scores(queries: NDArray[Any], rows: NDArray[Any], center: NDArray[Any]) -> list[float]:
    ranks = search_ranks(queries, rows, np.arange(len(rows)), center=center)
    return [*(float((ranks <= n).mean()) for n in RECALLS), float((1.0 / ranks).mean())]


def answered(sides: Mapping[str, Embeddings], anchors: Anchors, *, auto: bool = False) -> dict[str, float]:
    """Accuracy on pictures of a decoder of groups that was trained on names.

    Args:
        sides: Of names and pictures.
        anchors: Pairs.
        auto: Whether ``--method auto`` is tried as well.
    """
    found: dict[str, float] = {}
    usual = StitchOptions("ridge", train_side=NAMES, test_side=DRAWN)
    for options in (usual, replace(usual, way="auto", absolute=False)) if auto else (usual,):
        report = stitch_pair((NAMES, sides[NAMES]), (DRAWN, sides[DRAWN]), anchors, options)
        for form in report.forms:
            value = report.cell(form, NAMES, DRAWN).scores
            if value:
                found[_FORM[form]] = value["accuracy"].values[0]
    return found


_FORM = {"absolute": ABSOLUTE, "relative, paper": PLAIN, "relative": CENTRED, "auto": AUTO}


def ends_of(sides: Mapping[str, Embeddings]) -> dict[str, float]:
    """Between what the accuracies lie: the floor, and decoders trained and asked on names, and on pictures.

    Args:
        sides: Of names and pictures.
    """
    found: dict[str, float] = {}
    for one, other in WAYS:
        options = StitchOptions("ridge", train_side=one, test_side=other)
        report = stitch_pair((one, sides[one]), (other, sides[other]), paired_anchors(sides, 2, 0), options)
        found |= {one: report.cell("absolute", one, one).scores["accuracy"].values[0], "floor": report.floor}
    return found


def chance(candidates: int) -> tuple[float, float, float]:
    """Recall@1, recall@10 and mean reciprocal rank in a random order.

    Example:
        >>> chance(2)
        (0.5, 1.0, 0.75)
    """
    first, tenth = (min(n / candidates, 1.0) for n in RECALLS)
    return first, tenth, float(np.mean(1.0 / np.arange(1, candidates + 1)))
