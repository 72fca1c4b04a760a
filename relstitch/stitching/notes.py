"""What a reader of a stitch report should know, in words."""

from collections.abc import Iterator, Mapping, Sequence

from relstitch.artifacts import Cell, StitchReport
from relstitch.errors import counted, some
from relstitch.stitching.draws import Draw
from relstitch.stitching.matrix import Key, Results
from relstitch.stitching.options import Space, StitchOptions

CENTRED, PAPER, ABSOLUTE = "relative", "relative, paper", "absolute"
_MUCH = 0.05
_NOT_ONE = (
    " No test row holds a label that they learned: if the files only name their classes differently, say how with "
    "--label-map."
)
_LOW = 0.5


def notes_on_files(files: Mapping[str, Space]) -> Iterator[str]:
    """Files that hold the vectors of one and the same encoder.

    Example:
        >>> list(notes_on_files({}))
        []
    """
    by_encoder: dict[str, list[str]] = {}
    for name, space in files.items():
        by_encoder.setdefault(space.encoder.identity, []).append(name)
    for names in by_encoder.values():
        if len(names) > 1:
            yield f"{some(names)} are of the same encoder: a stitch between them says nothing about two encoders."


def notes_on_choices(results: Results, options: StitchOptions, seeds: Sequence[int]) -> Iterator[str]:
    """Strengths that could not be chosen, seeds that make no difference."""
    reasons: dict[str, dict[str, None]] = {}
    for (form, decoder), choices in results.choices.items():
        for choice in choices:
            if form != ABSOLUTE and choice.how.startswith("default: "):
                reasons.setdefault(choice.how.removeprefix("default: "), {})[decoder] = None
    for reason, decoders in reasons.items():
        yield (
            f"The regularisation of {some(decoders)} was not chosen but is the {options.method} decoder's default: "
            f"{reason}."
        )
    if len(options.seeds) > len(seeds):
        yield f"The {options.method} decoder has no randomness: {len(options.seeds)} seeds give one result."


def notes_on_fit(draws: Sequence[Draw], options: StitchOptions) -> Iterator[str]:
    """Least squares where the anchors are about as many as the source is wide.

    Example:
        >>> list(notes_on_fit([], StitchOptions()))
        []
    """
    if options.way != "affine" or not draws:
        return
    near = [
        f"{name} ({counted(len(known.anchors), 'anchor')}, {known.vectors.shape[1]} wide)"
        for name, known in draws[0].items()
        if 0.5 < len(known.anchors) / known.vectors.shape[1] < 2
    ]
    if near:
        yield (
            f"The affine map is fitted without a penalty, and with about as many anchors as columns it follows their "
            f"noise: {some(near)}. Take ridge, or many more or many fewer anchors."
        )


def notes_on_unseen(unseen: Mapping[str, int], without: Mapping[Key, float], metric: str) -> Iterator[str]:
    """Labels that the decoders never learned."""
    if not unseen:
        return
    listed = some(f"{name} ({count})" for name, count in unseen.items())
    lead = next((form for form, _, _ in without if form != ABSOLUTE), None)
    better = some(
        f"{decoder} on {encoder} {value:.3f}" for (form, decoder, encoder), value in without.items() if form == lead
    )
    tail = f" Without those rows the {metric.replace('_', ' ')} is: {better}." if better else _NOT_ONE
    yield f"Test rows hold labels that the training rows lack, and count as wrong: {listed}.{tail}"


def notes_on_scores(report: StitchReport) -> Iterator[str]:
    """What the figures themselves say: centring, the floor, retention."""
    if any(cell.scores and cell.scores[report.metric].mean is None for cell in report.cells):
        yield "R² does not exist where a column of the targets has one value in all test rows; RMSE is given alone."
    yield from _centring(report)
    yield from _compared(report)
    yield from _past_their_ceiling(report)
    for form, called in ((PAPER, "Not centred (the paper's form)"), (CENTRED, "Centred")):
        below = [cell for cell, mean in _stitched(report, form) if not _better(report, mean, report.floor)]
        if below:
            floor = _told(report, report.floor)
            yield f"{called}, these pairs do no better than the floor of {floor}: {_named(below)}."
    low = [cell for cell, _ in _stitched(report, CENTRED) if _retains_little(cell)]
    if low:
        yield f"Centred, these pairs keep less than half of their ceiling: {_named(low)}."
    absolute = {(cell.decoder, cell.encoder): mean for cell, mean in _stitched(report, ABSOLUTE)}
    worse = [
        cell
        for cell, mean in _stitched(report, CENTRED)
        if (other := absolute.get((cell.decoder, cell.encoder))) is not None and _better(report, other, mean)
    ]
    if worse:
        yield f"Centred, these pairs do worse than with absolute embeddings: {_named(worse)}."


def _better(report: StitchReport, one: float, other: float) -> bool:
    """Whether one leading figure is better than another: an error is better where it is smaller."""
    return one < other if report.lower_is_better else one > other


def _told(report: StitchReport, figure: float) -> str:
    """A leading figure in words: errors of pixels are small numbers."""
    return f"{figure:.4f}" if report.lower_is_better else f"{figure:.3f}"


def _centring(report: StitchReport) -> Iterator[str]:
    """What centring on the anchors' mean does to the stitched mean, where that is much."""
    centred, paper = (report.stitched_mean(form) for form in (CENTRED, PAPER))
    # Of errors, much is a share of the floor's.
    much = _MUCH * (report.floor if report.lower_is_better else 1.0)
    if centred is None or paper is None or abs(centred - paper) <= much:
        return
    lifts, falls = ("lowers", "rises") if report.lower_is_better else ("lifts", "falls")
    span = f"from {_told(report, paper)} to {_told(report, centred)}"
    if _better(report, centred, paper):
        yield f"Centring on the anchors' mean {lifts} the stitched mean {span}."
    else:
        yield f"Here centring does harm: the stitched mean {falls} {span}."


def _past_their_ceiling(report: StitchReport) -> Iterator[str]:
    """Decoders that answer for a stranger better than the absolute ones answer for their own encoder."""
    for form in (form for form in report.forms if form not in (CENTRED, PAPER, ABSOLUTE)):
        own = {c.decoder: c.scores[report.metric].mean for c in report.cells if c.form == form and not c.stitched}
        past = [
            f"{cell.decoder} on {cell.encoder} ({_told(report, mean)} against {_told(report, best)})"
            for cell, mean in _stitched(report, form)
            if (best := own.get(cell.decoder)) is not None and _better(report, mean, best)
        ]
        if past:
            yield (
                f"With {form}, these decoders pass their ceiling, that of the absolute embeddings of their own "
                f"encoder: {some(past, limit=12)}."
            )


def _compared(report: StitchReport) -> Iterator[str]:
    """Whether centring makes a difference that other rows and draws would show too."""
    for one in report.comparisons:
        if {one.form, one.other} != {CENTRED, PAPER}:
            continue
        # Said as what centring gives, whichever form is shown first.
        sign = 1 if one.form == CENTRED else -1
        low, high = sorted((sign * one.result.low, sign * one.result.high))
        repeated = counted(one.draws, "draw") if one.draws > 1 or one.seeds == 1 else counted(one.seeds, "seed")
        basis = f"{counted(one.rows, 'test row')} and {repeated}"
        interval = f"{one.result.level:.0%} interval {low:+.3f} to {high:+.3f}, paired bootstrap over {basis}"
        gain = sign * one.result.difference
        if one.result.clear:
            yield f"Centred is {'better' if gain > 0 else 'worse'} than not centred: {gain:+.3f} ({interval})."
        else:
            yield f"Centred and not centred differ no more than by chance: {gain:+.3f} ({interval})."


def _stitched(report: StitchReport, form: str) -> list[tuple[Cell, float]]:
    """The cells of different encoders in one form that have a leading figure, with its mean."""
    cells = [cell for cell in report.cells if cell.form == form and cell.stitched and cell.scores]
    means = [cell.scores[report.metric].mean for cell in cells]
    return [(cell, mean) for cell, mean in zip(cells, means, strict=True) if mean is not None]


def _retains_little(cell: Cell) -> bool:
    kept = cell.retention.mean
    return kept is not None and kept < _LOW


def _named(cells: Sequence[Cell]) -> str:
    return some((f"decoder of {cell.decoder} on {cell.encoder}" for cell in cells), limit=12)
