"""Cross-architecture stitching of frozen encoders: every decoder on every encoder, as in the paper and beyond it."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from itertools import permutations
from statistics import fmean
from typing import Any

from relstitch.anchors import pick_anchors
from relstitch.artifacts import Anchors, Embeddings, StitchReport
from relstitch.artifacts.experiments import Size
from relstitch.errors import DatasetError, RelstitchError
from relstitch.experiments.encodings import Part, digest_of, encodings
from relstitch.experiments.experiment import Run
from relstitch.experiments.materials.encoders import FrozenEncoder, installed
from relstitch.experiments.materials.sources import Found, Source
from relstitch.stitching import StitchOptions, stitch, stitch_pair

AUTO = "auto"
METRICS = ("weighted_f1", "accuracy")
_SHARE = 2 / 3


@dataclass(frozen=True)
class Plan:
    """How much is done.

    Attributes:
        part: How much of each data set.
        k: Anchors; at most two thirds of the rows that could be anchors, so that draws differ.
        draws: Anchor draws.
        seeds: Decoder seeds.
        auto_draws: Anchor draws of `relstitch stitch --method auto`.
    """

    part: Part
    k: int
    draws: int
    seeds: int
    auto_draws: int


@dataclass(frozen=True)
class Matrix:
    """What was found on one data set.

    Attributes:
        source: The data set.
        encoders: Their names.
        k: How many anchors.
        floor: Accuracy of the training split's commonest class.
        rows: How many were learned from and scored.
        cells: (form, decoder, encoder) → metric → one value a repetition (draws × seeds); forms as in
            `relstitch.artifacts.reports.Cell`, or ``auto``. None where there is none.
    """

    source: Source
    encoders: tuple[str, ...]
    k: int
    floor: float
    rows: Mapping[str, int]
    cells: Mapping[tuple[str, str, str], Mapping[str, tuple[float, ...]]]

    def value(self, form: str, decoder: str, encoder: str, metric: str) -> float | None:
        """Mean over the repetitions of a cell, None where it does not exist."""
        values = self.cells.get((form, decoder, encoder), {}).get(metric, ())
        return fmean(values) if values else None

    def stitched(self, form: str, metric: str, pairs: Sequence[tuple[str, str]] | None = None) -> list[float]:
        """The mean of each ordered pair of encoders that has one; of some pairs only, where they are named."""
        pairs = self.pairs if pairs is None else pairs
        found = (self.value(form, decoder, encoder, metric) for decoder, encoder in pairs)
        return [value for value in found if value is not None]

    def own(self, form: str, metric: str) -> list[float]:
        """The mean of each decoder on its own encoder."""
        found = (self.value(form, name, name, metric) for name in self.encoders)
        return [value for value in found if value is not None]

    @property
    def pairs(self) -> list[tuple[str, str]]:
        """All ordered pairs of different encoders: decoder, encoder."""
        return list(permutations(self.encoders, 2))

    @property
    def like_pairs(self) -> list[tuple[str, str]]:
        """The pairs whose absolute embeddings can be stitched, being of one width."""
        return [pair for pair in self.pairs if ("absolute", *pair) in self.cells]


def matrices(
    given: Run, there: Found, encoders: Sequence[FrozenEncoder], plan: Plan
) -> tuple[list[Matrix], tuple[str, ...]]:
    """Measure every data set that can be had.

    Args:
        given: What the experiment was given.
        there: The data sets.
        encoders: The encoders; those whose packages are missing are left out where vectors are not ready.
        plan: How much is done.

    Returns:
        One matrix a data set, and notes on what was left out.

    Raises:
        DatasetError: Nothing can be measured.
    """
    known, lacking = installed(encoders)
    made, notes, needed = [], list(there.missing), False
    for source in there.sources:
        used = encoders if source.ready else known
        needed = needed or not source.ready
        if len(used) < 2:
            continue
        try:
            made.append(measured_matrix(given, source, encodings(given, source, used, plan.part), plan))
        except RelstitchError as error:
            notes.append(f"{source.name} ({source.origin}) was left out: {error}")
    notes += lacking if needed else ()
    if not made:
        raise DatasetError(f"Nothing to stitch is there. {' '.join(notes)}")
    return made, tuple(notes)


def measured_matrix(given: Run, source: Source, files: Mapping[str, Embeddings], plan: Plan) -> Matrix:
    """Measure one data set: a step for each draw, and for each pair of encoders with ``auto``.

    Args:
        given: What the experiment was given.
        source: The data set.
        files: Its embeddings by the encoders' names, two or more.
        plan: How much is done.
    """
    k = anchors_at_most(files, plan.k)
    told = {"data": digest_of(list(files.values())), "names": list(files), "k": k}
    cells: dict[tuple[str, str, str], dict[str, tuple[float, ...]]] = {}
    first: Mapping[str, Any] = {}
    for draw in range(plan.draws):
        found = given.steps.values(
            f"stitch-{source.key}-draw{draw}",
            {**told, "draw": draw, "seeds": plan.seeds},
            partial(_stitched, given, source, files, replace(plan, k=k), draw),
        )
        first = first or found
        _add(cells, found["cells"])
    for draw in range(plan.auto_draws):
        for pair in permutations(files, 2):
            found = given.steps.values(
                f"auto-{source.key}-{'-'.join(pair).replace('/', '').lower()}-draw{draw}",
                {**told, "draw": draw, "pair": list(pair)},
                partial(_auto, given, source, files, pair, pick_anchors(files, k, seed=draw)),
            )
            _add(cells, found["cells"])
    return Matrix(source, tuple(files), k, first["floor"], first["rows"], cells)


def anchors_at_most(files: Mapping[str, Embeddings], k: int) -> int:
    """So many anchors as asked for, but at most two thirds of the rows that may be anchors in every file."""
    candidates = int(pick_anchors(files, 1).options["candidates"])
    return max(1, min(k, int(candidates * _SHARE)))


def _stitched(given: Run, source: Source, files: Mapping[str, Embeddings], plan: Plan, draw: int) -> dict[str, Any]:
    given.say(f"Stitching {source.name}, anchor draw {draw + 1} of {plan.draws}.")
    # Absolute embeddings know nothing of anchors: one draw says all of them.
    seeds = tuple(range(plan.seeds))
    options = StitchOptions(method="mlp", transductive=True, seeds=seeds, absolute=draw == 0)
    return _values(stitch(files, pick_anchors(files, plan.k, seed=draw), options))


def _auto(
    given: Run, source: Source, files: Mapping[str, Embeddings], pair: tuple[str, str], anchors: Anchors
) -> dict[str, Any]:
    decoder, encoder = pair
    given.say(f"Stitching {source.name}, --method auto: decoder of {decoder}, rows of {encoder}.")
    options = StitchOptions(way="auto", absolute=False)
    return _values(stitch_pair((decoder, files[decoder]), (encoder, files[encoder]), anchors, options))


def _values(report: StitchReport) -> dict[str, Any]:
    cells = [
        [cell.form, cell.decoder, cell.encoder, {name: list(cell.scores[name].values) for name in METRICS}]
        for cell in report.cells
        if cell.scores
    ]
    return {"floor": report.floor, "rows": dict(report.rows), "cells": cells}


def _add(cells: dict[tuple[str, str, str], dict[str, tuple[float, ...]]], found: Sequence[Any]) -> None:
    for form, decoder, encoder, metrics in found:
        if form == AUTO and decoder == encoder and (form, decoder, encoder) in cells:
            continue  # each pair of a decoder gives its own ceiling again
        held = cells.setdefault((form, decoder, encoder), {})
        for name, values in metrics.items():
            held[name] = (*held.get(name, ()), *values)


def planned(plans: Mapping[Size, Plan], given: Run) -> Plan:
    """The plan of a size, with as many draws as the user asked for."""
    plan = plans[given.size]
    return plan if given.seeds is None else replace(plan, draws=given.seeds)


def settings_of(made: Sequence[Matrix], plan: Plan, decoder: str) -> dict[str, Any]:
    """What the figures rest on."""
    settings: dict[str, Any] = {
        "decoder": decoder, "anchors": "uniform", "draws": plan.draws, "decoder seeds": plan.seeds,
        "draws of auto": plan.auto_draws, "decoder of auto": "logistic",
    }  # fmt: skip
    for matrix in made:
        settings[matrix.source.name] = ", ".join(_facts(matrix))
    if plan.part.words is not None:
        settings["texts"] = f"their first {plan.part.words} words, where they are encoded here"
    return settings


def _facts(matrix: Matrix) -> Iterator[str]:
    yield f"{matrix.rows['train']} training rows, {matrix.rows['test']} test rows"
    yield f"{matrix.k} anchors"
    yield f"floor {100 * matrix.floor:.1f}"
    yield f"from {matrix.source.origin}"
    yield "ready vectors" if matrix.source.ready else "encoded here"
