"""From two files and their anchors to a forecast, and whether to go on."""

from collections.abc import Mapping
from typing import Any

from relstitch.artifacts import Targets
from relstitch.artifacts.forecasts import Forecast
from relstitch.artifacts.spaces import Matrix
from relstitch.choosing import TranslatorChoice, choose_translator, choose_ways
from relstitch.decoders import DecoderSettings, method_of
from relstitch.errors import UsageError
from relstitch.forecasting.calibration import LEVEL, share_of
from relstitch.forecasting.evidence import ceiling_of, gather_evidence
from relstitch.forecasting.health import anchor_notes, class_notes, shift_notes
from relstitch.forecasting.search import Places, search_evidence
from relstitch.forecasting.sides import (
    AdviseOptions,
    Side,
    asked_rows,
    check_anchors,
    check_splits,
    labelled_sides,
)
from relstitch.forecasting.signals import search_signals, signals_of
from relstitch.forecasting.table import ACCURACY, RECALL
from relstitch.forecasting.verdict import Case, judge
from relstitch.meeting import rows_where
from relstitch.names import TRANSLATORS
from relstitch.stitching.matrix import ways_of
from relstitch.stitching.options import StitchOptions
from relstitch.translation import TranslatorSettings


def advise(source: Side, target: Side, options: AdviseOptions | None = None) -> Forecast:
    """Forecast what a stitch will be worth, before a label of the source's rows is known.

    With class labels on the target's side: the accuracy that the target's decoder will have on the source's rows.
    Without: recall@1 of the source's rows among the target's. Labels of the source are never looked at; those of the
    anchors come from the target.

    Args:
        source: The encoder whose rows are to be understood.
        target: The encoder whose decoder or index answers.
        options: Decoder, way, splits, gates.

    Returns:
        The figure with its 90 % interval, the ceiling and the floor, and go, no-go or undecided with reasons.

    Raises:
        UsageError: An unknown way, decoder or split, options that do not fit what is forecast, or labels that are no
            classes.
        MismatchError: Different anchors on the two sides, fewer than 10 of them (with labels), all of one class, or
            no row that is no anchor.

    Source: ours; what held-out anchors lose by crossing, done to the target's rows, and confidence (Guillory et al.
        2021), joined with agreement (Jiang et al. 2022).

    Example:
        >>> import numpy as np
        >>> from relstitch.artifacts import AnchorList, AnchorVectors, Embeddings, EncoderStamp, Rows
        >>> X = np.random.default_rng(0).normal(size=(200, 4)).astype(np.float32)
        >>> ids = tuple(map(str, range(200)))
        >>> def side(name, Y):
        ...     picked = AnchorVectors(AnchorList(ids[:60], ("",) * 60), Y[:60])
        ...     return Side(name, Embeddings(Rows.build(ids), Y, EncoderStamp(name, "text", 4)), picked)
        >>> forecast = advise(side("one", X), side("mirrored", -X))
        >>> forecast.quantity, forecast.verdict, forecast.low > 0.5
        ('recall@1', 'go', True)
    """
    options = options or AdviseOptions()
    check_anchors(source, target)
    check_splits(source, target, options)
    options.gates.check()
    labels = target.rows.targets
    wanted = options.recall or options.gates.recall is not None
    if wanted or labels is None or not labels.present.any():
        _check_recall(target, options)
        return _recall(source, target, options)
    if labels.kind != "class":
        raise UsageError(
            f"The targets of {target.name} are of kind {labels.kind!r}; accuracy is forecast for classes. Ask for "
            "recall instead (--recall)."
        )
    return _accuracy(source, target, labels, options)


def _check_recall(target: Side, options: AdviseOptions) -> None:
    """Refuse what belongs to a forecast of accuracy where recall is forecast."""
    asked = options.recall or options.gates.recall is not None
    why = "recall was asked for" if asked else f"{target.name} has no labels"
    if options.gates.accuracy is not None or options.gates.retention is not None:
        raise UsageError(
            f"--min-accuracy and --min-retention are for a forecast of accuracy, and {why}. Give --min-recall, or "
            "labels."
        )
    if options.strength is not None or options.decoder != AdviseOptions.decoder:
        raise UsageError(
            f"--decoder and --strength are for a forecast of accuracy, and {why}: no decoder takes part in a search. "
            "Leave them out."
        )


def _accuracy(source: Side, target: Side, labels: Targets, options: AdviseOptions) -> Forecast:
    settings = DecoderSettings(options.decoder, options.strength, options.seed)
    method_of(settings)
    ways = ways_of(StitchOptions(way=options.way))
    here, there = labelled_sides(source, target, labels, options)
    asked = asked_rows(source, options.test_split)
    choice = choose_ways(there, {"": here}, settings, ways)[""]
    evidence, ceiling = gather_evidence(there, here, asked, choice, settings), ceiling_of(there, settings)
    signals = signals_of(evidence, ceiling)
    shares = evidence.shares
    told = (*class_notes(there.known, shares), *shift_notes(evidence.shift, source.name))
    case = Case(
        "accuracy", signals, ACCURACY, floor=float(shares[1].max()), ceiling=ceiling.share, labelled=signals.anchors,
        notes=(*_health(source, target), *told),
    )  # fmt: skip
    figures = {
        "held_out": evidence.parts.share, "held_out_halves": evidence.halves.share,
        "crossed": evidence.crossed.answers.share, "crossed_halves": evidence.crossed_halves.answers.share,
        "expected": share_of(signals.held_out), "agreement": evidence.agreement, "ceiling": ceiling.share,
        "shift": evidence.shift,
    }  # fmt: skip
    chosen = {
        "decoder": options.decoder, "strength": choice.strength.strength, "chosen_on": choice.how,
        "held_out_ways": dict(choice.scores),
    }  # fmt: skip
    counts = {"asked": len(asked), "train": int(there.targets.present.sum())}
    return _forecast((source, target), case, options, choice.way.name, (figures, chosen, counts))


def _recall(source: Side, target: Side, options: AdviseOptions) -> Forecast:
    asked = asked_rows(source, options.test_split)
    rows = target.space.vectors[rows_where(target.rows, target.free())]
    choice = _translator(source, target, rows, options)
    places = Places(source.anchors.vectors, target.anchors.vectors, asked, rows)
    evidence = search_evidence(places, choice.settings, seed=options.seed)
    signals = search_signals(evidence)
    case = Case(
        "recall@1", signals, RECALL, floor=1 / evidence.candidates, ceiling=None, labelled=signals.anchors,
        notes=_health(source, target),
    )  # fmt: skip
    figures = {
        "held_out": float(evidence.parts.mean()), "held_out_halves": float(evidence.halves.mean()),
        "agreement": evidence.agreement,
    }  # fmt: skip
    params = dict(choice.settings.params)
    told = {"params": params, "chosen_on": choice.how, "held_out_ways": dict(choice.scores)}
    counts = {"asked": len(asked), "candidates": evidence.candidates}
    return _forecast((source, target), case, options, choice.settings.method, (figures, told, counts))


def _translator(source: Side, target: Side, rows: Matrix, options: AdviseOptions) -> TranslatorChoice:
    if options.way != "auto":
        if options.way not in TRANSLATORS:
            raise UsageError(
                f"There is no method {options.way!r} for recall. Choose one of: auto, {', '.join(TRANSLATORS)}."
            )
        return TranslatorChoice(TranslatorSettings(options.way), "given")
    return choose_translator(source.anchors.vectors, target.anchors.vectors, target_rows=rows, seed=options.seed)


def _health(source: Side, target: Side) -> tuple[str, ...]:
    return tuple(note for side in (source, target) for note in anchor_notes(side.anchors.vectors, side.name))


Told = tuple[Mapping[str, float], Mapping[str, Any], Mapping[str, int]]


def _forecast(sides: tuple[Side, Side], case: Case, options: AdviseOptions, way: str, told: Told) -> Forecast:
    """Judge the case and write down what it rests on."""
    figures, settings, counts = told
    judged = judge(case, options.gates)
    value, low, high = judged.figure
    source, target = sides
    anchors = source.anchors
    return Forecast(
        quantity=case.quantity, source=source.name, target=target.name, value=value, low=low, high=high, level=LEVEL,
        way=way, floor=case.floor, ceiling=case.ceiling, verdict=judged.verdict, reasons=judged.reasons,
        more_anchors=judged.more_anchors, rows={"anchors": len(anchors.anchors), **counts}, evidence=figures,
        settings={
            "gate": options.gates.least(case.ceiling), "draw": anchors.draw, "strategy": anchors.strategy, **settings,
        },
    )  # fmt: skip
