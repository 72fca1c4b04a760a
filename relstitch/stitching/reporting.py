"""From measurements to the report, and the gates on it."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from relstitch.artifacts import Cell, Score, StitchReport
from relstitch.decoders import DecoderSettings, method_of
from relstitch.errors import GateError, UsageError, some
from relstitch.scoring import LEADING, METRICS, Scored, floor
from relstitch.stitching.crossings import choices_json
from relstitch.stitching.drawings import picture_grid
from relstitch.stitching.draws import Draw
from relstitch.stitching.evidence import compare_forms, score_of, stitched_scores
from relstitch.stitching.matrix import Form, Key, Results, used_seeds
from relstitch.stitching.notes import notes_on_choices, notes_on_files, notes_on_fit, notes_on_scores, notes_on_unseen
from relstitch.stitching.options import StitchOptions
from relstitch.stitching.parties import Gathering, Party


def report_on(
    gathering: Gathering, draws: Sequence[Draw], forms: Sequence[Form], results: Results, options: StitchOptions
) -> StitchReport:
    """Put a stitch into a report: cells, floor, settings, notes."""
    parties = gathering.parties
    learner = next(party for party in parties if len(party.train))
    scored = next(party for party in reversed(parties) if len(party.test))
    kind = learner.targets.kind
    metric = LEADING[kind]
    unseen, without = _unseen(results)
    names, seeds = tuple(form.name for form in forms), len(used_seeds(options))
    bottom = floor(learner.targets.take(learner.train), scored.targets.take(scored.test))
    report = StitchReport(
        metric=metric,
        method=options.method,
        encoders=tuple(party.name for party in parties),
        forms=names,
        cells=_cells(parties, names, results, seeds, bottom),
        floor=bottom,
        settings=_settings(draws, forms, results, options) | ({"without_unseen": _nested(without)} if unseen else {}),
        rows=gathering.rows,
        comparisons=tuple(compare_forms(results, names, seeds)),
        stitched=stitched_scores(results, names, metric, seeds),
        pictures=picture_grid(parties, names, results.scored),
    )
    notes = (
        *gathering.notes,
        *notes_on_files({party.name: party.space for party in parties}),
        *_missing_classes(learner, scored),
        *notes_on_unseen(unseen, without, metric),
        *notes_on_choices(results, options, used_seeds(options)),
        *notes_on_fit(draws, options),
        *notes_on_scores(report),
    )
    return replace(report, notes=notes)


def _cells(
    parties: Sequence[Party], forms: Sequence[str], results: Results, seeds: int, bottom: float
) -> tuple[Cell, ...]:
    cells = []
    kind = next(party.targets.kind for party in parties if len(party.train))
    for form in forms:
        for learner in (party.name for party in parties if len(party.train)):
            ceiling = results.scored.get((form, learner, learner), ())
            for encoder in (party.name for party in parties if len(party.test)):
                found = results.scored.get((form, learner, encoder), ())
                scores = {name: _score(found, name, seeds) for name in METRICS[kind]} if found else {}
                kept = [] if learner == encoder else _retention(found, ceiling, LEADING[kind], bottom)
                rows = found[0].rows if found else 0
                cells.append(Cell(form, learner, encoder, scores, score_of(kept, seeds), rows))
    return tuple(cells)


def _score(found: Sequence[Scored], name: str, seeds: int) -> Score:
    values = [one.metrics[name] for one in found if name in one.metrics]
    # With a gap, draws and seeds no longer stand in rows and columns.
    return score_of(values, seeds) if len(values) == len(found) else Score(tuple(values))


def _retention(found: Sequence[Scored], ceiling: Sequence[Scored], metric: str, bottom: float) -> list[float]:
    """Stitched ÷ ceiling by repetition. A ceiling that is not above 0 has no share to keep.

    An error is no share of anything: of pictures, what is taken off the floor's error is divided instead.
    """
    if metric == "mse":
        gains = [bottom - one.metrics[metric] for one in ceiling]
        if not found or not gains or min(gains) <= 0:
            return []
        return [(bottom - one.metrics[metric]) / gain for one, gain in zip(found, gains, strict=True)]
    best = [one.metrics.get(metric, 0.0) for one in ceiling]
    if not found or not best or min(best) <= 0:
        return []
    return [one.metrics[metric] / top for one, top in zip(found, best, strict=True)]


def _unseen(results: Results) -> tuple[dict[str, int], dict[Key, float]]:
    unseen: dict[str, int] = {}
    without: dict[Key, float] = {}
    for key, found in results.scored.items():
        for one in found:
            unseen |= one.unseen
        known = [one.without_unseen for one in found if one.without_unseen is not None]
        if known:
            without[key] = float(np.mean(known))
    return unseen, without


def _nested(values: Mapping[Key, float]) -> dict[str, dict[str, dict[str, float]]]:
    nested: dict[str, dict[str, dict[str, float]]] = {}
    for (form, decoder, encoder), value in values.items():
        nested.setdefault(form, {}).setdefault(decoder, {})[encoder] = value
    return nested


def _missing_classes(learner: Party, scored: Party) -> list[str]:
    train, test = learner.targets.take(learner.train), scored.targets.take(scored.test)
    if train.kind != "class":
        return []
    used, scored_too = ({targets.names[code] for code in np.unique(targets.values)} for targets in (train, test))
    absent = sorted(used - scored_too)
    return [f"Classes without a test row: {some(absent, 12)}."] if absent else []


def _settings(
    draws: Sequence[Draw], forms: Sequence[Form], results: Results, options: StitchOptions
) -> dict[str, Any]:
    anchors = next(iter(draws[0].values()))
    specs = [form.spec for form in forms if form.spec is not None]
    strengths: dict[str, dict[str, list[float | None]]] = {}
    chosen: dict[str, dict[str, list[str]]] = {}
    for (form, decoder), choices in results.choices.items():
        strengths.setdefault(form, {})[decoder] = [choice.strength for choice in choices]
        chosen.setdefault(form, {})[decoder] = list(dict.fromkeys(choice.how for choice in choices))
    ways = choices_json(results.ways, results.scored, options.way)
    return {
        **_task_settings(results, options),
        **({"projection": specs[0].name, "params": dict(specs[0].params)} if specs else {}),
        **({"way": options.way, "ways": ways} if ways else {}),
        "k": len(anchors.anchors), "strategy": anchors.strategy, "draws": len(draws),
        "seeds": list(used_seeds(options)),
        "train_split": options.train_split, "test_split": options.test_split,
        "strength_name": method_of(DecoderSettings(options.method)).strength_name,
        "strength": strengths, "chosen_on": chosen,
    }  # fmt: skip


def _task_settings(results: Results, options: StitchOptions) -> dict[str, Any]:
    if options.task == "labels":
        return {}
    drawn = next((one.pictures for found in results.scored.values() for one in found), None)
    shape = {} if drawn is None else dict(zip(("height", "width", "channels"), drawn.shape[1:], strict=True))
    return {"task": options.task, **({"picture": shape} if shape else {})}


def check_gate_values(
    *, min_accuracy: float | None = None, min_retention: float | None = None, max_mse: float | None = None
) -> None:
    """Refuse gates that mean nothing, before hours of work are measured by them.

    Args:
        min_accuracy: As `check_gates`.
        min_retention: As `check_gates`.
        max_mse: As `check_gates`.

    Raises:
        UsageError: A gate that is no finite number, an accuracy above 1, which nothing can reach, or an error
            below 0.

    Example:
        >>> check_gate_values(min_accuracy=0.8, min_retention=0.9)
    """
    for called, gate in (("accuracy", min_accuracy), ("retention", min_retention), ("MSE", max_mse)):
        if gate is not None and not np.isfinite(gate):
            raise UsageError(f"A gate must be a finite number; {gate} was given for the {called}.")
    if max_mse is not None and max_mse < 0:
        raise UsageError(f"No mean squared error is below 0, and at most {max_mse:g} was asked for.")
    if min_accuracy is not None and min_accuracy > 1:
        raise UsageError(
            f"No accuracy is above 1, and at least {min_accuracy:g} was asked for. Give a share, for example 0.8."
        )


def check_gates(
    report: StitchReport,
    *,
    min_accuracy: float | None = None,
    min_retention: float | None = None,
    max_mse: float | None = None,
) -> None:
    """Refuse a report in which a stitched pair does not pass a gate, in the first relative form.

    Args:
        report: From `relstitch.stitching.stitch`.
        min_accuracy: The least leading metric of every pair of different encoders.
        min_retention: The least share of its ceiling that every such pair must keep.
        max_mse: The largest mean squared error of every such pair, of pictures (pixels in [0, 1]) or of numbers.

    Raises:
        GateError: A pair does not pass, or has no such figure.
        UsageError: As `check_gate_values`; or a gate on a figure that answers of this kind do not have.

    Example:
        >>> check_gates(StitchReport("accuracy", "ridge", (), ("relative",), (), 0.0, {}, {}), min_accuracy=0.5)
    """
    form = next((form for form in report.forms if form != "absolute"), report.forms[0])
    cells = [cell for cell in report.cells if cell.form == form and cell.stitched]
    check_gate_values(min_accuracy=min_accuracy, min_retention=min_retention, max_mse=max_mse)
    _check_errors(report, cells, form, min_accuracy, max_mse)
    gates = ((report.metric, min_accuracy), ("retention", min_retention))
    for called, gate in gates:
        if gate is None:
            continue
        for cell in cells:
            figure = (cell.retention if called == "retention" else cell.scores.get(called, Score())).mean
            if figure is None or figure < gate:
                found = "does not exist" if figure is None else f"is {figure:.4f}"
                raise GateError(
                    f"Gate failed: the {called.replace('_', ' ')} of the decoder of {cell.decoder} on {cell.encoder} "
                    f"({form}) {found}; at least {gate:g} was asked for."
                )


def _check_errors(
    report: StitchReport, cells: Sequence[Cell], form: str, min_accuracy: float | None, max_mse: float | None
) -> None:
    """The gate on errors, which go the other way."""
    if min_accuracy is not None and report.lower_is_better:
        raise UsageError(
            "Pictures have no accuracy, and a gate on it was given. Take one on their mean squared error "
            "(--max-mse), or on retention."
        )
    if max_mse is None:
        return
    if report.metric not in ("mse", "r2"):
        raise UsageError(
            f"The answers are classes, whose figure is the {report.metric.replace('_', ' ')}, and a gate on the mean "
            "squared error was given. Take one on that figure (--min-accuracy)."
        )
    for cell in cells:
        figure = _mse_of(cell)
        if figure is None or figure > max_mse:
            found = "does not exist" if figure is None else f"is {figure:.4g}"
            raise GateError(
                f"Gate failed: the mean squared error of the decoder of {cell.decoder} on {cell.encoder} ({form}) "
                f"{found}; at most {max_mse:g} was asked for."
            )


def _mse_of(cell: Cell) -> float | None:
    if "mse" in cell.scores:
        return cell.scores["mse"].mean
    roots = cell.scores["rmse"].values if cell.scores else ()
    return float(np.mean(np.square(roots))) if roots else None
