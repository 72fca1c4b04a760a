"""The report on a decoder that was trained already."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

import numpy as np

from relstitch.artifacts import Embeddings, FormComparison, StitchReport
from relstitch.artifacts.stamps import CARRIED_FROM
from relstitch.choosing import WayChoice
from relstitch.decoders.ready import ReadyDecoder
from relstitch.errors import counted, some
from relstitch.relative import unit_rows
from relstitch.scoring import Scored
from relstitch.statistics import paired_bootstrap
from relstitch.stitching.draws import Draw
from relstitch.stitching.matrix import Form, Key, Results
from relstitch.stitching.options import StitchOptions
from relstitch.stitching.parties import Gathering, Party
from relstitch.stitching.reporting import report_on

ABSOLUTE, CEILING = "absolute", "ceiling"
_FAR = 0.1
_TRAINED = ("strength", "strength_name", "chosen_on", "seeds")
"""What is only said of decoders that a stitch trains."""


def report_on_ready(
    decoder: ReadyDecoder,
    gathering: Gathering,
    draws: Sequence[Draw],
    forms: Sequence[Form],
    results: Results,
    options: StitchOptions,
) -> StitchReport:
    """The report of a stitch whose decoder was ready, with what is to be said of that decoder.

    Args:
        decoder: What answered.
        gathering: Who took part.
        draws: The anchors' vectors.
        forms: What was measured, the way of carrying last.
        results: What came out.
        options: What was asked for.
    """
    # Labels that the decoder does not know are told in its own words, not as what training rows lack.
    stripped = {
        key: [replace(one, unseen={}, without_unseen=None) for one in found] for key, found in results.scored.items()
    }
    report = report_on(gathering, draws, forms, replace(results, scored=stripped), replace(options, seeds=(0,)))
    owner = next(party for party in gathering.parties if len(party.train))
    against = tuple(_against_ceiling(results.scored, owner.name, forms[-1].name))
    settings = {name: value for name, value in report.settings.items() if name not in _TRAINED}
    settings["decoder"] = {
        "file": decoder.source, "of": owner.name, "told": decoder.told, "names": list(decoder.names),
    }  # fmt: skip
    notes = (
        *report.notes,
        *_notes_on_carried(gathering),
        *_notes_on_names(decoder, owner),
        *_notes_on_ceiling(decoder, owner, results.scored.get((forms[-1].name, owner.name, owner.name), ())),
        *_notes_on_still_columns(decoder),
        *_notes_on_unknown(results.scored, forms[-1].name, report.metric),
        *_notes_on_ways(results.ways, owner.name, report.held_out_metric),
        *_notes_on_loss(against),
        *_notes_on_floor(report, forms[-1].name),
    )
    return replace(
        report, method="ready", settings=settings, notes=notes, comparisons=(*report.comparisons, *against)
    )


def _notes_on_carried(gathering: Gathering) -> Iterator[str]:
    for party in gathering.parties:
        origin = party.space.encoder.extra.get(CARRIED_FROM)
        if origin is not None:
            yield (
                f"The rows of {party.name} are not those of {party.space.encoder.spec} itself: they were carried "
                f"there from {origin.get('encoder')}, and what is said of {party.name} is said of them."
            )


def _notes_on_names(decoder: ReadyDecoder, owner: Party) -> Iterator[str]:
    met = [name for name in decoder.names if name in owner.targets.names]
    words = f"{decoder.source} is {decoder.told}; nothing in it was changed."
    kind = "target name" if decoder.task == "real" else "class name"
    many = counted(len(decoder.names), kind)
    if len(met) == len(decoder.names):
        yield f"{words} {'Its' if len(met) == 1 else 'All of its'} {many} {_are(met)} among the labels."
    else:
        rest = [name for name in decoder.names if name not in met]
        yield f"{words} {len(met)} of its {many} {_are(met)} among the labels; these are not: {some(rest, 12)}."


def _are(names: Sequence[str]) -> str:
    return "is" if len(names) == 1 else "are"


def _notes_on_ceiling(decoder: ReadyDecoder, owner: Party, ceiling: Sequence[Scored]) -> Iterator[str]:
    """A decoder that is read wrongly answers badly where it was at home: that is told by what is easily reached."""
    hits = ceiling[0].hits if ceiling else None
    if decoder.task != "class" or owner.targets.kind != "class" or hits is None:
        return
    usual, found = _nearest_means(decoder, owner), float(hits.mean())
    if found < usual - _FAR:
        yield (
            f"On the test rows of {owner.name}, its own encoder, {decoder.source} gives {found:.3f} of the answers "
            f"rightly, where the nearest of the classes' means gives {usual:.3f}. Check that it is a decoder of "
            f"{owner.name}, the order of its class names, the form of its input, and that its arrays were written "
            "row by row (safetensors garbles numpy arrays that are not: numpy.ascontiguousarray)."
        )


def _nearest_means(decoder: ReadyDecoder, owner: Party) -> float:
    """How many test rows lie nearest to the mean of their class's training rows, of the classes that it knows."""
    space, truth = owner.space, owner.targets
    X = space.vectors if isinstance(space, Embeddings) else space.values
    train = owner.train[truth.present[owner.train]]
    test = owner.test[truth.present[owner.test]]
    mean = X[train].mean(axis=0, dtype=np.float64)
    unit = {key: unit_rows(X[rows] - mean) for key, rows in (("train", train), ("test", test))}
    codes = [
        code for code, name in enumerate(truth.names) if name in decoder.names and (truth.values[train] == code).any()
    ]
    if not codes:
        return 0.0
    means = unit_rows(np.stack([unit["train"][truth.values[train] == code].mean(axis=0) for code in codes]))
    answers = np.array(codes)[(unit["test"] @ means.T).argmax(axis=1)]
    return float((answers == truth.values[test]).mean())


def _notes_on_still_columns(decoder: ReadyDecoder) -> Iterator[str]:
    if decoder.still is None:
        return
    count = int((~np.isnan(decoder.still)).sum())
    still, them = ("stands still", "it") if count == 1 else ("stand still", "them")
    yield (
        f"{count} of the {decoder.width} columns that {decoder.source} reads all but {still}: it divides {them} by "
        "less than a ten-thousandth of what it divides the median column by, which would make a large value of the "
        "smallest error. So carried rows are put at its mean there; the rows of its own encoder are read as they are."
    )


def _notes_on_unknown(scored: Mapping[Key, Sequence[Scored]], form: str, metric: str) -> Iterator[str]:
    unknown: dict[str, int] = {}
    without = []
    for (name, decoder, encoder), found in scored.items():
        if name != form or decoder == encoder:
            continue
        for one in found:
            unknown |= one.unseen
        known = [one.without_unseen for one in found if one.without_unseen is not None]
        if known:
            without.append(f"{encoder} {float(np.mean(known)):.3f}")
    if unknown:
        listed = some(f"{name} ({count})" for name, count in unknown.items())
        tail = f" Without those rows the {metric.replace('_', ' ')} is: {some(without)}." if without else ""
        yield f"Test rows hold labels that the decoder does not know, and count as wrong: {listed}.{tail}"


def _notes_on_ways(ways: Mapping[tuple[str, str], Sequence[WayChoice]], owner: str, metric: str) -> Iterator[str]:
    for (_, encoder), choices in ways.items():
        taken = dict.fromkeys(choice.way.name for choice in choices)
        told = []
        for name in taken:
            mine = [choice for choice in choices if choice.way.name == name]
            scores = [choice.scores[name] for choice in mine if name in choice.scores]
            parts = [f"in {len(mine)} of {len(choices)} draws"] if len(choices) > 1 else []
            parts += [f"held-out {metric} {float(np.mean(scores)):.3f}"] if scores else []
            told.append(f"{name} ({', '.join(parts)})" if parts else name)
        reasons = {choice.how.removeprefix("default: ") for choice in choices if choice.how.startswith("default: ")}
        why = f" It was not chosen but is the default: {some(sorted(reasons))}." if reasons else ""
        # The names of ways have commas of their own.
        yield f"The rows of {encoder} were carried to the space of {owner} by {'; '.join(told)}.{why}"


def _against_ceiling(scored: Mapping[Key, Sequence[Scored]], owner: str, form: str) -> Iterator[FormComparison]:
    """Carried rows against the decoder on its own encoder's, row by row; none where other rows were scored."""
    ceiling = [one.hits for one in scored.get((form, owner, owner), ()) if one.hits is not None]
    pairs = [
        np.stack([one.hits for one in found if one.hits is not None])
        for (name, _, encoder), found in scored.items()
        if name == form and encoder != owner and found and found[0].hits is not None
    ]
    if not ceiling or not pairs or any(hits.shape != np.stack(ceiling).shape for hits in pairs):
        return
    draws, rows = pairs[0].shape
    result = paired_bootstrap(np.mean(pairs, axis=0), np.stack(ceiling))
    yield FormComparison(form, CEILING, len(pairs), rows, draws, 1, result)


def _notes_on_loss(comparisons: Sequence[FormComparison]) -> Iterator[str]:
    for one in comparisons:
        gain, basis = one.result, f"{counted(one.rows, 'test row')} and {counted(one.draws, 'draw')}"
        interval = f"{gain.level:.0%} interval {gain.low:+.3f} to {gain.high:+.3f}, paired bootstrap over {basis}"
        if gain.clear:
            verb = "lose to" if gain.difference < 0 else "gain on"
            yield f"Carried rows {verb} the ceiling: {gain.difference:+.3f} ({interval})."
        else:
            yield f"Carried rows differ from the ceiling no more than by chance: {gain.difference:+.3f} ({interval})."


def _notes_on_floor(report: StitchReport, form: str) -> Iterator[str]:
    below = []
    for cell in report.cells:
        mean = cell.scores[report.metric].mean if cell.form == form and cell.stitched and cell.scores else None
        if mean is not None and mean <= report.floor:
            below.append(cell.encoder)
    if below:
        yield f"The decoder does no better than the floor of {report.floor:.3f} on: {some(below, 12)}."
