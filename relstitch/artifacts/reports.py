"""What a stitch found: every decoder on every encoder, as numbers with their spread."""

import statistics
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from relstitch.artifacts.experiments import PictureGrid


@dataclass(frozen=True)
class Score:
    """One figure over its repetitions (anchor draws × decoder seeds).

    Attributes:
        values: One value per repetition, the seeds of the first draw first; empty where the figure does not exist.
        between_draws: The part of the spread that is due to the anchor draws, as a standard deviation; None for
            fewer than two draws.
        between_seeds: The part that is due to the decoder seeds; None for fewer than two seeds.
    """

    values: tuple[float, ...] = ()
    between_draws: float | None = None
    between_seeds: float | None = None

    @property
    def mean(self) -> float | None:
        """The mean, or None where the figure does not exist."""
        return statistics.fmean(self.values) if self.values else None

    @property
    def spread(self) -> float | None:
        """The sample standard deviation, or None for fewer than two values."""
        return statistics.stdev(self.values) if len(self.values) > 1 else None

    def to_json(self) -> dict[str, Any]:
        """Mean, spread, how many values, and the values: JSON without NaN."""
        return {
            "mean": self.mean, "spread": self.spread, "n": len(self.values), "values": list(self.values),
            "between_draws": self.between_draws, "between_seeds": self.between_seeds,
        }  # fmt: skip


@dataclass(frozen=True)
class Comparison:
    """How much better one thing is than another on the same rows.

    Attributes:
        difference: The mean of the first less the second.
        low: Where its interval begins.
        high: Where its interval ends.
        p: Two-sided p of no difference, above 0 and at most 1.
        level: What the interval shall hold.
    """

    difference: float
    low: float
    high: float
    p: float
    level: float = 0.95

    @property
    def clear(self) -> bool:
        """Whether the interval leaves out 0."""
        return self.low > 0 or self.high < 0


@dataclass(frozen=True)
class FormComparison:
    """Two forms compared on the stitched pairs that both of them have.

    Attributes:
        form: The one.
        other: What it is compared with.
        pairs: How many pairs of different encoders.
        rows: Test rows behind the figure.
        draws: Anchor draws behind it.
        seeds: Decoder seeds behind it.
        result: The first form less the other.
    """

    form: str
    other: str
    pairs: int
    rows: int
    draws: int
    seeds: int
    result: Comparison

    def to_json(self) -> dict[str, Any]:
        """Both forms, what the figure rests on, and the figure."""
        values: dict[str, Any] = asdict(self)
        result: dict[str, Any] = values.pop("result")
        return values | result


@dataclass(frozen=True)
class Cell:
    """One decoder on one encoder, in one form.

    Attributes:
        form: ``absolute``, ``relative`` (centred, or whatever projection was asked for) or ``relative, paper``
            (not centred); the transductive protocol adds ``, transductive``.
        decoder: Name of the file whose encoder the decoder was trained on.
        encoder: Name of the file whose representations it was given.
        scores: Metric name → figure: ``accuracy``, ``macro_f1``, ``weighted_f1`` for classes;
            ``subset_accuracy``, ``macro_f1``, ``weighted_f1`` for several labels; ``r2``, ``rmse`` for numbers;
            ``mse``, ``psnr`` for pictures.
            Empty where the stitch does not exist (absolute embeddings of different widths).
        retention: Stitched ÷ ceiling of the same decoder, by repetition; empty on the diagonal. Of pictures: the
            share of what the ceiling takes off the floor's error that the stitched decoder takes off too,
            (floor - stitched) ÷ (floor - ceiling).
        n_test: Test rows scored.
    """

    form: str
    decoder: str
    encoder: str
    scores: Mapping[str, Score]
    retention: Score
    n_test: int

    @property
    def stitched(self) -> bool:
        """Whether the decoder met an encoder it was not trained on."""
        return self.decoder != self.encoder


@dataclass(frozen=True)
class StitchReport:
    """Everything `relstitch stitch` says.

    Attributes:
        metric: The leading metric: ``accuracy``, ``subset_accuracy``, ``r2`` or ``mse``.
        method: The decoder.
        encoders: Names of the files, in the order given.
        forms: The forms shown, in order.
        cells: One for every form × decoder × encoder.
        floor: The leading metric of the training split's commonest class on the test rows (mean for numbers; for
            pictures the MSE of the mean training picture).
        settings: Projection, anchors (k, strategy, draws), seeds, splits, chosen regularisation …
        rows: Counts: training and test rows used, missing on either side, unlabelled …
        notes: What a reader should know, in words.
        comparisons: Every pair of forms on the stitched pairs; none for numbers, which are not right or wrong.
        stitched: Form → mean of the leading metric over all pairs of different encoders, by repetition.
        pictures: Some test pictures, and what the first file's decoder draws of them: of its own encoder's rows, and
            of the others'. None where the targets are no pictures. No part of the JSON.
    """

    metric: str
    method: str
    encoders: tuple[str, ...]
    forms: tuple[str, ...]
    cells: tuple[Cell, ...]
    floor: float
    settings: Mapping[str, Any]
    rows: Mapping[str, int]
    notes: tuple[str, ...] = field(default_factory=tuple)
    comparisons: tuple[FormComparison, ...] = ()
    stitched: Mapping[str, Score] = field(default_factory=dict)
    pictures: PictureGrid | None = field(default=None, compare=False)

    @property
    def held_out_metric(self) -> str:
        """What held-out anchors measure when a way is chosen, in words: the leading metric.

        For numbers, whose R² over a handful of anchors says little, and for pictures: minus the squared error in
        units of the variance.
        """
        return "−MSE/variance" if self.metric in ("r2", "mse") else self.metric.replace("_", " ")

    @property
    def lower_is_better(self) -> bool:
        """Whether the leading metric is an error: of pictures, the mean squared error of their pixels."""
        return self.metric == "mse"

    def cell(self, form: str, decoder: str, encoder: str) -> Cell:
        """The cell of one form, decoder and encoder; KeyError where there is none."""
        for cell in self.cells:
            if (cell.form, cell.decoder, cell.encoder) == (form, decoder, encoder):
                return cell
        raise KeyError((form, decoder, encoder))

    def stitched_mean(self, form: str) -> float | None:
        """Mean of the leading metric over all pairs of different encoders in one form, or None without any."""
        means = [c.scores[self.metric].mean for c in self.cells if c.form == form and c.stitched and c.scores]
        known = [value for value in means if value is not None]
        return statistics.fmean(known) if known else None

    def to_json(self) -> dict[str, Any]:
        """The report as plain JSON values, without NaN."""
        cells = []
        for cell in self.cells:
            values = asdict(cell)
            values["scores"] = {name: score.to_json() for name, score in cell.scores.items()}
            values["retention"] = cell.retention.to_json()
            values["stitched"] = cell.stitched
            cells.append(values)
        return {
            "metric": self.metric, "method": self.method, "encoders": list(self.encoders),
            "forms": list(self.forms), "floor": self.floor, "settings": dict(self.settings),
            "rows": dict(self.rows), "notes": list(self.notes), "cells": cells,
            "stitched_mean": {form: self.stitched_mean(form) for form in self.forms},
            "stitched": {form: score.to_json() for form, score in self.stitched.items()},
            "comparisons": [comparison.to_json() for comparison in self.comparisons],
        }  # fmt: skip
