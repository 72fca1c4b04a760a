"""Two sets of word vectors over one vocabulary: who finds a word in the other set, absolutely and relatively."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np

from relstitch.anchors import pick_anchors
from relstitch.artifacts import Anchors, Embeddings, ProjectionSpec, Rows
from relstitch.artifacts.experiments import (
    ExperimentReport,
    Line,
    Measured,
    Pattern,
    Plot,
    ResultRow,
    ResultTable,
    Size,
    measured,
)
from relstitch.comparison import CompareOptions, compare, similarity
from relstitch.experiments.experiment import Experiment, Run
from relstitch.experiments.materials.words import WordTable, packaged_words, shared_words, words_in
from relstitch.names import StrategyName
from relstitch.relative import anchor_vectors, relative_representation
from relstitch.storage import embeddings_from_vectors

NEIGHBOURS = 10
MEASURES = ("jaccard", "mrr", "cosine")
STRATEGIES: tuple[StrategyName, ...] = ("uniform", "farthest", "kmeans", "frequent")
FORMS: Mapping[str, bool] = {"not centred": False, "centred": True}

_ABSOLUTE = "absolute"
_PAPER = {
    (_ABSOLUTE, "–"): ("0.00", "0.00", "0.01"),
    ("not centred", "uniform"): ("0.34 ±.01", "0.94", "0.86"),
}  # fmt: skip
_UNPAPERED = (None, None, None)
_CHANCES, _TIMES = 2.0, 10.0
_PAPER_WORDS = 20_000

Scores = Mapping[str, Mapping[str, float]]
"""By the name of the other space, by measure."""


@dataclass(frozen=True)
class WordSizes:
    """How much of everything.

    Attributes:
        words: The most frequent shared words; None: all.
        k: How many anchors.
        draws: How often they are picked.
        candidates: Among how many words a word is looked for.
        curve: Further numbers of anchors, for the curve.
        curve_draws: How often those are picked.
    """

    words: int | None
    k: int
    draws: int
    candidates: int
    curve: tuple[int, ...]
    curve_draws: int


SIZES: Mapping[Size, WordSizes] = {
    "toy": WordSizes(1500, 50, 2, 500, (10,), 2),
    "usual": WordSizes(None, 300, 10, 1000, (10, 30, 100), 3),
    "full": WordSizes(_PAPER_WORDS, 300, 10, _PAPER_WORDS, (10, 30, 100, 1000), 3),
}


def run(given: Run) -> ExperimentReport:
    """Compare the first set of word vectors with every other; see `relstitch.experiments.Experiment`."""
    sizes = SIZES[given.size]
    draws = given.seeds or sizes.draws
    tables, notes = _tables(given)
    words, vectors = shared_words(tables, sizes.words)
    spaces = spaces_of(words, vectors)
    told = {"vectors": {name: str(space.encoder.identity) for name, space in spaces.items()},
            "candidates": sizes.candidates, "neighbours": NEIGHBOURS}  # fmt: skip
    absolute: Scores = given.steps.values("absolute", told, lambda: absolute_likeness(spaces, sizes.candidates))
    wanted = list(_wanted(sizes, draws))
    found: dict[tuple[str, int], list[dict[str, Scores]]] = {}
    with given.progress("Comparing words") as advance:
        for at, (strategy, k, seed) in enumerate(wanted, start=1):
            depends_on = {**told, "strategy": strategy, "k": k, "seed": seed}
            make = partial(relative_likeness, spaces, strategy, k, seed, sizes)
            scores = given.steps.values(f"{strategy}-{k}-{seed}", depends_on, make)
            found.setdefault((strategy, k), []).append(scores)
            advance(at, len(wanted))
    settings = {"words": len(words), "anchor draws": draws,
                "widths": {name: space.vectors.shape[1] for name, space in spaces.items()}}  # fmt: skip
    notes += _protocol_notes(spaces, len(words), sizes)
    reference, *others = spaces
    by_strategy = {str(strategy): found[strategy, sizes.k] for strategy in STRATEGIES}
    compared = tuple(_table((reference, other), absolute, by_strategy, sizes) for other in others)
    by_k = {k: runs for (strategy, k), runs in sorted(found.items()) if strategy == "uniform"}
    return ExperimentReport(
        "words", EXPERIMENT.title, EXPERIMENT.section, given.size, compared,
        patterns_of(absolute, by_k[sizes.k], min(sizes.candidates, len(words))),
        settings, tuple(notes), plots=(_plot(spaces, by_k),),
    )  # fmt: skip


def _tables(given: Run) -> tuple[list[WordTable], list[str]]:
    folder = None if given.data is None else given.data / "words"
    if folder is not None and folder.is_dir():
        return words_in(folder), []
    tables, notes = packaged_words()
    if given.size == "full":
        notes.append(
            "The paper compares fastText with word2vec, which no package brings: put their files (.vec, .txt or "
            ".bin) into a folder called words and name the folder above it with --data."
        )
    return tables, notes


def spaces_of(words: list[str], vectors: Mapping[str, Any]) -> dict[str, Embeddings]:
    """The sets of vectors as relstitch sees them; the words are the ids.

    Args:
        words: n words by falling frequency. How often each occurs is not known: its count is 1 / rank (Zipf's law).
        vectors: By name, [n, d].

    Example:
        >>> spaces_of(["the", "of"], {"x": np.eye(2)})["x"].rows.counts.tolist()
        [1.0, 0.5]
    """
    rows = Rows.build(words, splits="train", counts=1.0 / np.arange(1, len(words) + 1))
    return {name: embeddings_from_vectors(values, rows, name) for name, values in vectors.items()}


def absolute_likeness(spaces: Mapping[str, Embeddings], candidates: int) -> Scores:
    """Compare the vectors themselves; the narrower of two spaces has zeros put behind its columns.

    Args:
        spaces: The first is compared with each of the others; the same words in the same order.
        candidates: How many words, drawn at random.

    Returns:
        Every measure of every other space.
    """
    (_, first), *others = spaces.items()
    n = len(first.rows)
    taken = np.sort(np.random.default_rng(0).permutation(n)[:candidates])
    scores = {}
    for name, other in others:
        width = max(first.vectors.shape[1], other.vectors.shape[1])
        X, Y = (np.pad(one.vectors[taken], ((0, 0), (0, width - one.vectors.shape[1]))) for one in (first, other))
        scores[name] = {measure: similarity(X, Y, measure, neighbours=NEIGHBOURS) for measure in MEASURES}
    return scores


def relative_likeness(
    spaces: Mapping[str, Embeddings], strategy: StrategyName, k: int, seed: int, sizes: WordSizes
) -> dict[str, Scores]:
    """Pick anchors in the first space and compare relative representations with the other spaces'.

    Args:
        spaces: The first is compared with each of the others.
        strategy: How anchors are picked.
        k: How many.
        seed: Of the draw.
        sizes: How many candidates there are.

    Returns:
        By form (not centred, centred), every measure of every other space.
    """
    anchors = pick_anchors(next(iter(spaces.values())), k, strategy=strategy, seed=seed)
    return {form: likeness(spaces, anchors, center=center, sizes=sizes) for form, center in FORMS.items()}


def likeness(spaces: Mapping[str, Embeddings], anchors: Anchors, *, center: bool, sizes: WordSizes) -> Scores:
    """What ``relstitch compare`` says of relative representations: each space held against the first."""
    spec = ProjectionSpec("cosine", center=center)
    relative = {
        name: relative_representation(space, anchor_vectors(space, anchors, name=name), spec)
        for name, space in spaces.items()
    }
    reference = next(iter(spaces))
    options = CompareOptions(
        MEASURES, NEIGHBOURS, permutations=0, bootstrap=0, limit=sizes.candidates, reference=reference
    )
    report = compare(relative, options=options)
    others = [name for name in spaces if name != reference]
    return {name: {one: report.figure(one, reference, name).value for one in MEASURES} for name in others}


def _wanted(sizes: WordSizes, draws: int) -> Iterator[tuple[StrategyName, int, int]]:
    """Strategy, number of anchors and seed of every step; the most frequent words are the same in every draw."""
    for strategy in STRATEGIES:
        for seed in range(1 if strategy == "frequent" else draws):
            yield strategy, sizes.k, seed
    for k in sizes.curve:
        for seed in range(min(draws, sizes.curve_draws)):
            yield "uniform", k, seed


def _table(
    names: tuple[str, str], absolute: Scores, found: Mapping[str, list[dict[str, Scores]]], sizes: WordSizes
) -> ResultTable:
    """One pair of spaces: the vectors themselves, then their relative representations by form and strategy."""
    other = names[1]
    figures = tuple(Measured(absolute[other][one], None, 1) for one in MEASURES)
    rows = [ResultRow((_ABSOLUTE, "–"), figures, _PAPER[_ABSOLUTE, "–"])]
    for form in FORMS:
        for strategy, runs in found.items():
            figures = tuple(measured([run[form][other][one] for run in runs]) for one in MEASURES)
            paper = _PAPER.get((form, strategy), _UNPAPERED)
            rows.append(ResultRow((f"relative, {form}", strategy), figures, paper))
    return ResultTable(
        f"{' and '.join(names)}: {sizes.k} anchors, {sizes.candidates} candidates",
        ("vectors", "anchors"), (f"Jaccard@{NEIGHBOURS}", "MRR", "cosine"), tuple(rows), "anchor draws",
    )  # fmt: skip


def chance_mrr(candidates: int) -> float:
    """Mean reciprocal rank of a word in a random order of the candidates: their harmonic number over their number.

    Example:
        >>> chance_mrr(2)
        0.75
    """
    return float(np.mean(1.0 / np.arange(1, candidates + 1)))


def patterns_of(absolute: Scores, runs: list[dict[str, Scores]], candidates: int) -> tuple[Pattern, ...]:
    """What should hold of MRR, in every pair: the worst pair decides.

    Args:
        absolute: Scores of the vectors themselves.
        runs: Of relative representations with uniform anchors, one a draw.
        candidates: Among how many words a word was looked for.
    """
    chance = chance_mrr(candidates)
    plain = {other: _mean_mrr(runs, "not centred", other) for other in absolute}
    centred = {other: _mean_mrr(runs, "centred", other) for other in absolute}
    highest = max(scores["mrr"] for scores in absolute.values())
    worst = min(plain, key=lambda other: plain[other] / absolute[other]["mrr"])
    times = plain[worst] / absolute[worst]["mrr"]
    least = min(absolute, key=lambda other: centred[other] - plain[other])
    return (
        Pattern(
            f"absolute MRR is about 0: at most {_CHANCES:.0f} times that of a random order",
            highest <= _CHANCES * chance, f"at most {highest:.4f}, random {chance:.4f}",
        ),
        Pattern(
            f"relative MRR is far above it without centring: at least {_TIMES:.0f} times as high",
            times >= _TIMES, f"{plain[worst]:.3f} against {absolute[worst]['mrr']:.4f} ({worst})",
        ),
        Pattern(
            "relative MRR is higher with centring", centred[least] > plain[least],
            f"{centred[least]:.3f} against {plain[least]:.3f} ({least})",
        ),
    )  # fmt: skip


def _mean_mrr(runs: list[dict[str, Scores]], form: str, other: str) -> float:
    return float(np.mean([run[form][other]["mrr"] for run in runs]))


def _plot(spaces: Mapping[str, Embeddings], by_k: Mapping[int, list[dict[str, Scores]]]) -> Plot:
    reference, *others = spaces
    lines = {}
    for other in others:
        for form in FORMS:
            figures = [measured([run[form][other]["mrr"] for run in runs]) for runs in by_k.values()]
            spread = tuple(one.spread or 0.0 for one in figures)
            lines[f"{other}, {form}"] = Line(tuple(map(float, by_k)), tuple(one.mean for one in figures), spread)
    return Plot(
        "words-anchors", f"Words: found in another set of vectors than {reference}, by number of anchors",
        ("anchors (uniform)", "MRR, mean ± spread over draws"), lines, log_x=True,
    )  # fmt: skip


def _protocol_notes(spaces: Mapping[str, Embeddings], n: int, sizes: WordSizes) -> list[str]:
    notes = ["The paper's figures are from FastText to word2vec; ours are the mean of both directions."]
    candidates = min(n, sizes.candidates)
    if candidates < _PAPER_WORDS:
        notes.append(
            f"A word is looked for among {candidates} words here, among {_PAPER_WORDS} in the paper: fewer make "
            "Jaccard and MRR higher."
        )
    widths = {space.vectors.shape[1] for space in spaces.values()}
    if len(widths) > 1:
        notes.append("Absolute vectors of different width are compared with zeros behind the narrower ones.")
    return notes


EXPERIMENT = Experiment("words", "two sets of word vectors over one vocabulary", "section 4.1, table 1", run)
