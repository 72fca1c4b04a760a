"""Every decoder on every encoder, where a pair meets in a way of its own."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np

from relstitch.artifacts import AnchorVectors, Embeddings
from relstitch.artifacts.spaces import Matrix
from relstitch.choosing import Source, Target, WayChoice, choose_ways, meeting_of
from relstitch.decoders import DecoderSettings, fit_decoder, predict
from relstitch.errors import UsageError
from relstitch.meeting import rows_where
from relstitch.scoring import Scored, score
from relstitch.stitching.draws import Draw
from relstitch.stitching.options import StitchOptions
from relstitch.stitching.parties import Party, targets_of_anchors
from relstitch.ways import Way

Found = dict[tuple[str, str, str], list[Scored]]
Chosen = dict[tuple[str, str], list[WayChoice]]


def measure_crossings(
    parties: Sequence[Party], draws: Sequence[Draw], ways: Sequence[Way], settings: Sequence[DecoderSettings],
    options: StitchOptions,
) -> tuple[Found, Chosen]:  # fmt: skip
    """Choose a way for every decoder and encoder, train the decoder there, let it answer.

    The diagonal is the decoder of the absolute embeddings on its own encoder, with its own default strength where
    none is given: what the target can do without anybody's help. A decoder that only saw smoothed rows can pass it.

    Args:
        parties: Those with training rows get decoders, those with test rows are scored.
        draws: The anchors' vectors.
        ways: What to choose from; one for a method that was named.
        settings: The decoder, once a seed.
        options: The name of the form and the training split.

    Returns:
        The scores by form, decoder and encoder, and the choices by decoder and encoder, one per draw.

    Raises:
        UsageError: Relative files, which hold no absolute embeddings to carry over.
    """
    found: Found = {}
    chosen: Chosen = {}
    tested = {party.name: party for party in parties if len(party.test)}
    unlabelled = {name: _unlabelled(party, options) for name, party in tested.items()}
    for learner in (party for party in parties if len(party.train)):
        own = _ceiling(learner, settings) if len(learner.test) else []
        for draw in draws:
            found.setdefault((options.way, learner.name, learner.name), []).extend(own)
            target = _target(learner, draw[learner.name])
            sources = {
                name: Source(draw[name].vectors, rows) for name, rows in unlabelled.items() if name != learner.name
            }
            for name, choice in choose_ways(target, sources, settings[0], ways).items():
                chosen.setdefault((learner.name, name), []).append(choice)
                scores = _scores(target, sources[name], choice, settings, tested[name])
                found.setdefault((options.way, learner.name, name), []).extend(scores)
    return {key: scores for key, scores in found.items() if scores}, chosen


def _absolute(party: Party) -> Embeddings:
    if isinstance(party.space, Embeddings):
        return party.space
    raise UsageError(
        f"{party.name} is a relative file, which holds no absolute embeddings to carry over. Give embeddings files "
        "with --anchors, or leave --method out."
    )


def _target(party: Party, anchors: AnchorVectors) -> Target:
    space = _absolute(party)
    known, among = targets_of_anchors(party, anchors.anchors)
    rows = party.train
    return Target(space.vectors[rows], party.targets.take(rows), among[rows], anchors.vectors, known)


def _unlabelled(party: Party, options: StitchOptions) -> Matrix:
    """The vectors of a party's training split, whether its rows have labels or not."""
    space = _absolute(party)
    return space.vectors[rows_where(space.rows, space.rows.in_splits(options.train_split))]


def _ceiling(party: Party, settings: Sequence[DecoderSettings]) -> list[Scored]:
    vectors, targets = _absolute(party).vectors, party.targets
    decoders = (fit_decoder(vectors[party.train], targets.take(party.train), one) for one in settings)
    return [score(predict(decoder, vectors[party.test]), targets.take(party.test)) for decoder in decoders]


def _scores(
    target: Target, source: Source, choice: WayChoice, settings: Sequence[DecoderSettings], party: Party
) -> list[Scored]:
    crossing = meeting_of(choice.way, source, target)
    learned = crossing.target(target.train)
    asked = crossing.source(_absolute(party).vectors[party.test])
    truth = party.targets.take(party.test)
    return [
        score(
            predict(fit_decoder(learned, target.targets, replace(one, strength=choice.strength.strength)), asked),
            truth,
        )
        for one in settings
    ]


def choices_json(
    chosen: Mapping[tuple[str, str], Sequence[WayChoice]],
    scored: Mapping[tuple[str, str, str], Sequence[Scored]],
    form: str,
) -> list[dict[str, object]]:
    """The choices of every pair and draw as plain JSON values.

    Each lists every candidate's held-out score, and what the chosen one then reached on the test rows: the mean of
    the leading metric over the decoder seeds, None where it has no value.

    Example:
        >>> choices_json({}, {}, "auto")
        []
    """
    entries: list[dict[str, object]] = []
    for (decoder, encoder), choices in chosen.items():
        found = scored.get((form, decoder, encoder), ())
        seeds = max(len(found) // len(choices), 1)
        for draw, choice in enumerate(choices):
            values = [next(iter(one.metrics.values()), None) for one in found[draw * seeds : (draw + 1) * seeds]]
            mine = [value for value in values if value is not None]
            entries.append(
                {
                    "decoder": decoder, "encoder": encoder, "draw": draw, "way": choice.way.name,
                    "strength": choice.strength.strength, "chosen_on": choice.how, "held_out": dict(choice.scores),
                    "test": float(np.mean(mine)) if mine else None,
                }
            )  # fmt: skip
    return entries
