"""Every measure for every pair of files."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import combinations

import numpy as np
from threadpoolctl import threadpool_limits

from relstitch.artifacts import Anchors, Relative
from relstitch.artifacts.comparisons import CompareReport, Likeness
from relstitch.comparison.measures import MEASURES, Measure, check_pair, measure_of
from relstitch.comparison.pairing import Pairing, Shuffled
from relstitch.comparison.pairs import Index, Matrix, Pair
from relstitch.comparison.relatives import Space, relatives_of
from relstitch.comparison.resampling import LEVEL, permutation_baseline, row_interval
from relstitch.errors import UsageError, counted, left_out_words, some
from relstitch.meeting import anchor_of, in_id_order, meet_all


@dataclass(frozen=True)
class CompareOptions:
    """How spaces are compared.

    Attributes:
        measures: Which; empty for all that the files allow (three of them need relative representations).
        neighbours: How many neighbours ``mutual-knn`` and ``jaccard`` look at.
        permutations: Shuffles behind each baseline; 0 for no baseline.
        bootstrap: Draws of rows behind each interval; 0 for no interval.
        limit: Rows of the sample for what takes an n × n matrix, and for intervals.
        reference: Hold every file against this one, instead of every pair.
        seed: For the sample, the shuffles and the draws.
        strict: Refuse files that do not hold exactly the same rows.
        progress: Called with the figures done and the figures in all.
    """

    measures: tuple[str, ...] = ()
    neighbours: int = 10
    permutations: int = 50
    bootstrap: int = 100
    limit: int = 1000
    reference: str | None = None
    seed: int = 0
    strict: bool = False
    progress: Callable[[int, int], None] = field(default=lambda _done, _total: None, compare=False)


@dataclass(frozen=True, eq=False)
class _Kind:
    """Vectors of one kind, absolute or relative, by file, with the rows they are of and a sample of them."""

    vectors: Mapping[str, Matrix]
    n: int
    sample: Index

    def meeting(self, left: str, right: str, neighbours: int) -> "_Meeting":
        whole = Pair(self.vectors[left], self.vectors[right], neighbours)
        return _Meeting(whole, whole if len(self.sample) == self.n else whole.take(self.sample))


@dataclass(frozen=True, eq=False)
class _Meeting:
    """Two spaces of one kind: all their rows, and the sample of them."""

    whole: Pair
    part: Pair


_DEFAULTS = CompareOptions()


def compare(
    files: Mapping[str, Space], anchors: Anchors | None = None, options: CompareOptions = _DEFAULTS
) -> CompareReport:
    """Measure how alike the spaces of several files are, on the rows that all of them share by id.

    Rows that are anchors are left out of the measures on relative representations: those see them by construction.
    Measures that need an n × n matrix, and all intervals, are of a sample of at most ``limit`` rows; the rest is
    exact over all rows, in blocks, and so is its baseline. An interval is then as wide as the sample's size makes it.
    SVCCA has none where half the sample has fewer rows than both spaces have components, and one that is too narrow
    where it has not many times as many: raise the limit for it.

    Args:
        files: At least two, by name: embeddings, or relative representations with the same anchors.
        anchors: With embeddings, for the measures on relative representations.
        options: Which measures, and how.

    Returns:
        A figure for every measure and pair, or for every measure and file with a reference.

    Raises:
        UsageError: Fewer than two files, an unknown measure or reference, options out of range, no anchors for a
            measure that needs them.
        MismatchError: Files that do not meet, too few rows, a space that is constant.

    Example:
        >>> from relstitch.artifacts import Embeddings, EncoderStamp, Rows
        >>> X = np.random.default_rng(0).normal(size=(20, 3)).astype(np.float32)
        >>> file = Embeddings(Rows.build([f"r{i}" for i in range(20)]), X, EncoderStamp("st:x", "text", 3))
        >>> report = compare({"x": file, "y": file}, options=CompareOptions(measures=("cka",)))
        >>> round(report.figure("cka", "x", "y").value, 6)
        1.0
    """
    _check(files, options)
    relatives = relatives_of(files, anchors)
    measures = _chosen(options, has_relative=bool(relatives))
    shared = _shared(files, options)
    absolute = _absolute(files, shared, options)
    relative = _relative(relatives, shared, options)
    with threadpool_limits(1):
        figures = _figures((absolute, relative), measures, _pairs(files, options), options)
    counts = {"shared": absolute.n, "sampled": len(absolute.sample)}
    counts |= {f"only_in_{name}": len(file.rows) - absolute.n for name, file in files.items()}
    if relatives:
        counts["anchors"] = absolute.n - relative.n
    names = tuple(measure.name for measure in measures)
    return CompareReport(
        tuple(files), names, tuple(figures), options.reference, counts, _settings(options, relatives),
        (*_notes(counts, measures, relatives), *_without_interval(figures, counts, options)),
    )  # fmt: skip


def _check(files: Mapping[str, Space], options: CompareOptions) -> None:
    if len(files) < 2:
        raise UsageError(f"A comparison needs at least two files; {len(files)} given.")
    if options.reference is not None and options.reference not in files:
        raise UsageError(
            f"The reference {options.reference!r} is none of the files: {some(files)}. Name one of them."
        )
    lowest = {"neighbours": 1, "permutations": 0, "bootstrap": 0, "limit": 8}
    for name, least in lowest.items():
        value = getattr(options, name)
        if value < least:
            raise UsageError(f"{name} is {value}; it must be at least {least}.")


def _chosen(options: CompareOptions, *, has_relative: bool) -> list[Measure]:
    named = [measure_of(name) for name in dict.fromkeys(options.measures)]
    lacking = [measure.name for measure in named if measure.relative and not has_relative]
    if lacking:
        few = "The measure {} compares" if len(lacking) == 1 else "The measures {} compare"
        raise UsageError(f"{few.format(some(lacking))} relative representations: give --anchors, or relative files.")
    return named or [measure for measure in MEASURES.values() if has_relative or not measure.relative]


def _shared(files: Mapping[str, Space], options: CompareOptions) -> dict[str, Index]:
    """Where the shared rows stand in each file, in the order of their ids: a file's own order decides nothing."""
    rows = {name: file.rows for name, file in files.items()}
    return dict(zip(rows, in_id_order(rows, meet_all(rows, strict=options.strict)), strict=True))


def _sample(n: int, options: CompareOptions) -> Index:
    if n <= options.limit:
        return np.arange(n)
    return np.sort(np.random.default_rng(options.seed).choice(n, options.limit, replace=False))


def _absolute(files: Mapping[str, Space], shared: Mapping[str, Index], options: CompareOptions) -> _Kind:
    vectors = {
        name: (file.values if isinstance(file, Relative) else file.vectors)[shared[name]]
        for name, file in files.items()
    }
    n = len(next(iter(shared.values())))
    return _Kind(vectors, n, _sample(n, options))


def _relative(files: Mapping[str, Relative], shared: Mapping[str, Index], options: CompareOptions) -> _Kind:
    empty = np.zeros((0, 0), dtype=np.float32)
    if not files:
        return _Kind(dict.fromkeys(shared, empty), 0, np.arange(0))
    n = len(next(iter(shared.values())))
    known = np.zeros(n, dtype=bool)
    for name, file in files.items():
        known |= anchor_of(file.rows.take(shared[name]), file.anchors.anchors) >= 0
    rest = np.flatnonzero(~known)
    vectors = {name: file.values[shared[name][rest]] for name, file in files.items()}
    return _Kind(vectors, len(rest), _sample(len(rest), options))


def _pairs(files: Mapping[str, Space], options: CompareOptions) -> list[tuple[str, str]]:
    if options.reference is None:
        return list(combinations(files, 2))
    return [(options.reference, name) for name in files if name != options.reference]


def _figures(
    kinds: tuple[_Kind, _Kind], measures: list[Measure], pairs: list[tuple[str, str]], options: CompareOptions
) -> list[Likeness]:
    """Every measure of every pair; what can't be measured is said before anything is."""
    for names in pairs:
        met = [kind.meeting(*names, options.neighbours) for kind in kinds]
        for measure in measures:
            for pair in (met[measure.relative].whole, met[measure.relative].part):
                check_pair(measure, pair, names)
    figures: list[Likeness] = []
    for names in pairs:
        met = [kind.meeting(*names, options.neighbours) for kind in kinds]
        for measure in measures:
            figures.append(_figure(measure, names, met[measure.relative], options))
            options.progress(len(figures), len(pairs) * len(measures))
    return figures


def _figure(measure: Measure, names: tuple[str, str], met: _Meeting, options: CompareOptions) -> Likeness:
    pairing, rows = measure.pairing(met.part), np.arange(len(met.part.X))
    if measure.value is None or measure.shuffled is None:
        seen, value = met.part, float(pairing(rows, rows).mean())
        shuffled: Shuffled = _within(pairing)
    else:
        seen, value, shuffled = met.whole, measure.value(met.whole), measure.shuffled(met.whole)
    n, seed = len(seen.X), options.seed
    baseline = permutation_baseline(shuffled, n, permutations=options.permutations, seed=seed)
    enough = measure.interval_rows is None or measure.interval_rows(met.part) <= len(rows)
    resamples = options.bootstrap if enough else 0
    interval = row_interval(pairing, len(rows), value, resamples=resamples, seed=seed)
    return Likeness(measure.name, *names, value, n, baseline, interval)


def _within(pairing: Pairing) -> Shuffled:
    return lambda order: float(pairing(np.arange(len(order)), order).mean())


def _settings(options: CompareOptions, relatives: Mapping[str, Relative]) -> dict[str, object]:
    first = next(iter(relatives.values()), None)
    return {
        "neighbours": options.neighbours, "permutations": options.permutations, "bootstrap": options.bootstrap,
        "limit": options.limit, "seed": options.seed, "level": LEVEL,
        "k": None if first is None else len(first.anchors.anchors),
        "projection": None if first is None else str(first.projection),
    }  # fmt: skip


def _notes(counts: Mapping[str, int], measures: list[Measure], relatives: Mapping[str, Relative]) -> tuple[str, ...]:
    notes = []
    if counts["sampled"] < counts["shared"]:
        sampled = [measure.name for measure in measures if measure.value is None]
        what = f"{', '.join(sampled)} and all intervals" if sampled else "Intervals"
        notes.append(f"{what} are of a sample of {counts['sampled']} of {counts['shared']} rows.")
    alone = {name: count for name, count in counts.items() if name.startswith("only_in_") and count}
    notes += [left_out_words(name.removeprefix("only_in_"), count) for name, count in alone.items()]
    if relatives and counts["anchors"] and any(measure.relative for measure in measures):
        are = counted(counts["anchors"], "row is an anchor and is", "rows are anchors and are")
        notes.append(f"{are} left out of the measures on relative spaces.")
    return tuple(notes)


def _without_interval(figures: list[Likeness], counts: Mapping[str, int], options: CompareOptions) -> Iterator[str]:
    lacking = [one.measure for one in figures if one.interval is None]
    if options.bootstrap and lacking:
        way_out = " Raise the limit." if counts["sampled"] < counts["shared"] else ""
        yield f"Half of the rows are too few for an interval of {', '.join(dict.fromkeys(lacking))}.{way_out}"
