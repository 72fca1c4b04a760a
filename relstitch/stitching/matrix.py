"""Every decoder on every encoder, in every form, for every draw of anchors and every decoder seed."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property, partial
from typing import Any

import numpy as np
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from relstitch.artifacts import AnchorList, AnchorVectors, Embeddings, ProjectionSpec, Relative
from relstitch.artifacts.spaces import Matrix
from relstitch.choosing import Choice, HeldOut, WayChoice, choose_strength
from relstitch.decoders import DecoderSettings, fit_decoder, method_of, predict
from relstitch.errors import UsageError
from relstitch.relative import parse_projection, project, relative_representation, whitens, with_columns
from relstitch.scoring import Scored, score
from relstitch.stitching.crossings import measure_crossings
from relstitch.stitching.draws import Draw
from relstitch.stitching.options import StitchOptions
from relstitch.stitching.parties import Party, targets_of_anchors
from relstitch.translation import TRANSLATORS
from relstitch.ways import CANDIDATES, Way, way_of

Key = tuple[str, str, str]
"""Form, decoder, encoder."""


@dataclass(frozen=True)
class Form:
    """A way to represent rows, and a protocol.

    Attributes:
        name: As in `relstitch.artifacts.Cell.form`.
        spec: The projection; None for absolute embeddings.
        transductive: Whether the decoder uses the statistics of the rows scored together.
        ways: How source and target may meet, pair by pair, where that is not by one projection for all.
    """

    name: str
    spec: ProjectionSpec | None
    transductive: bool = False
    ways: tuple[Way, ...] = ()


def forms_of(spaces: Sequence[Embeddings | Relative], options: StitchOptions) -> tuple[Form, ...]:
    """The forms to show: absolute, centred, as in the paper; each with its transductive twin if asked for.

    Example:
        >>> from relstitch.artifacts import EncoderStamp, Rows
        >>> space = Embeddings(Rows.build("a"), np.eye(1, dtype=np.float32), EncoderStamp("st:x", "text", 1))
        >>> [form.name for form in forms_of([space], StitchOptions())]
        ['absolute', 'relative', 'relative, paper']
    """
    first = spaces[0]
    if options.way != "relative":
        forms = [Form("absolute", None)] if options.absolute else []
        return (*forms, Form(options.way, None, ways=ways_of(options)))
    if isinstance(first, Relative):
        forms = [Form(_name(first.projection), first.projection)]
    else:
        centring = (True, False) if options.center is None else (options.center,)
        specs = [parse_projection(options.projection, center) for center in centring]
        forms = [Form("absolute", None)] if options.absolute else []
        forms += [Form(_name(spec), spec) for spec in specs]
    if not options.transductive:
        return tuple(forms)
    return tuple(
        replace(form, name=form.name + (", transductive" if twin else ""), transductive=twin)
        for form in forms
        for twin in (False, True)
    )


def ways_of(options: StitchOptions) -> tuple[Way, ...]:
    """What there is to choose from: everything for ``auto``, else the one translator that was named.

    Raises:
        UsageError: A way that does not exist.

    Example:
        >>> [way.name for way in ways_of(StitchOptions(way="ridge"))]
        ['ridge']
    """
    if options.way == "auto":
        return CANDIDATES
    if options.way not in TRANSLATORS:
        raise UsageError(
            f"There is no method {options.way!r}. Choose one of: relative, auto, {', '.join(TRANSLATORS)}."
        )
    return (way_of(options.way),)


def _name(spec: ProjectionSpec) -> str:
    return "relative" if spec.center else "relative, paper"


@dataclass(frozen=True, eq=False)
class View:
    """What one party's rows and the anchors look like in one form.

    Attributes:
        train: [n, w].
        test: [m, w].
        anchors: [k, w].
        without: From anchors that are left out to training rows and anchors as the others alone would have them; None
            where that is not known.
    """

    train: Matrix
    test: Matrix
    anchors: Matrix
    without: Callable[[NDArray[np.intp]], tuple[Matrix, Matrix]] | None = None


@dataclass(frozen=True, eq=False)
class Seat:
    """A party with only the rows that it needs, cut out once."""

    party: Party

    @cached_property
    def used(self) -> Embeddings | Relative:
        """The training rows, then the test rows."""
        # A row may be both where a split is scored on itself; ids must stay unique, so it is taken once.
        return self.party.space.take(self._rows)

    @cached_property
    def _rows(self) -> NDArray[np.intp]:
        return np.union1d(self.party.train, self.party.test)

    def known(self, form: Form, anchors: AnchorVectors) -> AnchorVectors:
        """The anchors with what the form has to know of the encoder's rows, for a projection that scales columns."""
        space = self.party.space
        if form.spec is None or isinstance(space, Relative):
            return anchors
        return with_columns(anchors, space, form.spec)

    def view(self, form: Form, anchors: AnchorVectors) -> View:
        """The rows in one form."""
        used = self.used
        if isinstance(used, Relative):
            values = used.values
            among = project(anchors.vectors, anchors.vectors, used.projection, columns=anchors.columns)
        elif form.spec is None:
            values, among = used.vectors, anchors.vectors
        else:
            known = self.known(form, anchors)
            values = relative_representation(used, known, form.spec).values
            among = project(anchors.vectors, anchors.vectors, form.spec, columns=known.columns)
        train, test = (np.searchsorted(self._rows, rows) for rows in (self.party.train, self.party.test))
        without = None
        if isinstance(self.party.space, Embeddings) and form.spec is not None:
            without = partial(_projected_without, self.party.space, self.party.train, form.spec, anchors)
        return View(values[train], values[test], among, without)


def _projected_without(
    space: Embeddings, train: NDArray[np.intp], spec: ProjectionSpec, anchors: AnchorVectors, out: NDArray[np.intp]
) -> tuple[Matrix, Matrix]:
    """The training rows and all anchors, projected on the anchors that are not left out."""
    kept = np.delete(np.arange(len(anchors.anchors)), out)
    ids, hashes = anchors.anchors.ids, anchors.anchors.hashes
    fewer = AnchorList(tuple(ids[at] for at in kept), tuple(hashes[at] for at in kept))
    known = with_columns(AnchorVectors(fewer, anchors.vectors[kept]), space, spec)
    rows, among = (
        project(X, known.vectors, spec, columns=known.columns) for X in (space.vectors[train], anchors.vectors)
    )
    return rows, among


@dataclass(frozen=True, eq=False)
class Results:
    """What was measured.

    Attributes:
        scored: By form, decoder and encoder: one value per repetition (draws × seeds). Absent where there is none.
        choices: By form and decoder: the strength of each draw.
        ways: By decoder and encoder: how they met in each draw, where that was chosen pair by pair.
    """

    scored: Mapping[Key, Sequence[Scored]]
    choices: Mapping[tuple[str, str], Sequence[Choice]]
    ways: Mapping[tuple[str, str], Sequence[WayChoice]] = field(default_factory=dict)


def measure(
    parties: Sequence[Party], draws: Sequence[Draw], forms: Sequence[Form], options: StitchOptions
) -> Results:
    """Train every decoder once a form, draw and seed, and let it answer for every encoder's test rows.

    Args:
        parties: Those with training rows get decoders, those with test rows are scored.
        draws: The anchors' vectors.
        forms: What to show.
        options: Decoder and seeds.

    Returns:
        The scores and the chosen strengths.

    Raises:
        UsageError: A decoder that cannot learn these targets.
    """
    seats = {party.name: Seat(party) for party in parties}
    scored: dict[Key, list[Scored]] = {}
    choices: dict[tuple[str, str], list[Choice]] = {}
    # One BLAS thread throughout: the products are small, and two threads that wait for each other are slower.
    with threadpool_limits(1):
        for form in (form for form in forms if not form.ways):
            kept: dict[tuple[str, float | None], list[tuple[str, Scored]]] = {}
            for draw in draws:
                views = {name: seat.view(form, draw[name]) for name, seat in seats.items()}
                for name in (party.name for party in parties if len(party.train)):
                    choice = choose(seats[name].party, draw[name].anchors, views, form, options)
                    choices.setdefault((form.name, name), []).append(choice)
                    key = (name, choice.strength)
                    # Absolute rows do not depend on the draw; only the choice does.
                    if form.spec is not None or key not in kept:
                        kept[key] = list(_row(parties, name, views, _settings(options, form, choice)))
                    for encoder, one in kept[key]:
                        scored.setdefault((form.name, name, encoder), []).append(one)
        ways: Mapping[tuple[str, str], Sequence[WayChoice]] = {}
        for form in (form for form in forms if form.ways):
            settings = _settings(options, form, Choice(options.strength, "given"))
            found, ways = measure_crossings(parties, draws, form.ways, settings, options)
            scored |= found
    return Results(scored, choices, ways)


def _settings(options: StitchOptions, form: Form, choice: Choice) -> list[DecoderSettings]:
    settings = DecoderSettings(options.method, choice.strength, transductive=form.transductive)
    return [replace(settings, seed=seed) for seed in used_seeds(options)]


def used_seeds(options: StitchOptions) -> tuple[int, ...]:
    """The seeds that make a difference: all for a decoder with randomness, else the first.

    Example:
        >>> used_seeds(StitchOptions("ridge", seeds=(0, 1, 2)))
        (0,)
    """
    seeded = method_of(DecoderSettings(options.method)).seeded
    return options.seeds if seeded else options.seeds[:1]


def choose(
    party: Party, anchors: AnchorList, views: Mapping[str, View], form: Form, options: StitchOptions
) -> Choice:
    """Choose the strength of one party's decoder on the anchors as the other parties give them."""
    own = views[party.name]
    width = own.anchors.shape[1]
    others = {
        name: view.anchors for name, view in views.items() if name != party.name and view.anchors.shape[1] == width
    }
    targets, among = targets_of_anchors(party, anchors)
    held_out = HeldOut(targets, among[party.train], others, relative=form.spec is not None)
    if form.spec is not None and whitens(form.spec):
        held_out = replace(held_out, **_held_out_of_whitening(own, {name: views[name] for name in others}))
    settings = DecoderSettings(options.method, options.strength, options.seeds[0], form.transductive)
    return choose_strength(own.train, party.targets.take(party.train), held_out, settings)


def _held_out_of_whitening(own: View, others: Mapping[str, View]) -> dict[str, Any]:
    """Anchors that whiten must leave the whitening too when they are held out, which takes the rows themselves."""
    learn, asked = own.without, {name: view.without for name, view in others.items()}
    if learn is None or None in asked.values():
        return {"obstacle": "default: relative files are whitened by all anchors, so that none can be held out"}
    return {"anew": lambda out: (learn(out)[0], {name: ask(out)[1] for name, ask in asked.items() if ask})}


def _row(
    parties: Sequence[Party], name: str, views: Mapping[str, View], settings: Sequence[DecoderSettings]
) -> Iterator[tuple[str, Scored]]:
    """One decoder's row of the matrix: every encoder of the same width, for every seed."""
    own = views[name]
    targets = next(party.targets.take(party.train) for party in parties if party.name == name)
    for one in settings:
        decoder = fit_decoder(own.train, targets, one)
        for party in parties:
            view = views[party.name]
            if len(party.test) and view.test.shape[1] == own.train.shape[1]:
                yield party.name, score(predict(decoder, view.test), party.targets.take(party.test))
