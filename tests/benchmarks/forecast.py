"""How often the forecast's interval holds the true figure, calibrated on other data than it is judged on.

Run it with: python tests/benchmarks/forecast.py --data FOLDER [--cache FOLDER] [--seconds 600] [--calibrate]

A case is a dataset, an ordered pair of encoders and a number of anchors. What is slow (the choice of a way, the
evidence, and the true figure, for which alone the labels of the source's test rows are read) is kept in the cache, so
that a run that was cut short by --seconds goes on where it stopped. With --calibrate, what was learned on all cases is
printed as it stands in relstitch/forecasting/table.py.
"""

import argparse
import csv
import json
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from relstitch.artifacts import Targets
from relstitch.choosing import Source, Target, choose_translator, choose_ways, meeting_of
from relstitch.decoders import DecoderSettings, fit_decoder, predict
from relstitch.forecasting import (
    Answers,
    Calibration,
    Places,
    Signals,
    ceiling_of,
    gather_evidence,
    search_evidence,
    search_signals,
    signals_of,
)
from relstitch.forecasting.calibration import GAIN, LEVEL, logit, sampling
from relstitch.relative import unit_rows
from relstitch.translation import apply_arrays, fit_arrays
from relstitch.translation.vectors import search_ranks
from relstitch.ways import CANDIDATES, Way

TEXT, PICTURES = ("minilm", "mpnet", "e5"), ("lite0", "squeezenet", "vit")
ENCODERS = {"bbc": TEXT, "cifar10": PICTURES, "trec": TEXT, "fine": TEXT}
GROUPS = {"fine": "trec"}
"""The 50 fine classes are of the same questions as the 6 coarse ones: they are left out together."""
AXES = 30
"""Along so many directions the test rows are halved, to see what a shift does."""
LEAST = 0.03
"""The least spread that is believed, in log odds."""


@dataclass(frozen=True)
class Made:
    """A case: where it is from, the evidence, and the figure it should have foretold.

    `moves` holds, of halves of the test rows, the mean square of how far their log odds lie from those of all beside
    sampling, and the mean square of how far the halves themselves lie away.
    """

    dataset: str
    target: str
    source: str
    anchors: int
    truth: float
    signals: Signals
    moves: tuple[float, float] = (0.0, 0.0)

    @property
    def group(self) -> str:
        """What is left out together."""
        return GROUPS.get(self.dataset, self.dataset)


@lru_cache(maxsize=4)
def load(data: Path, dataset: str, encoder: str) -> dict[str, NDArray[Any]]:
    """Vectors and labels; the fine classes come from the CSV files, whose rows are in the same order."""
    held = np.load(data / "embeddings" / f"{GROUPS.get(dataset, dataset)}-{encoder}.npz")
    found = {name: held[name].astype(np.float32) for name in ("train", "test")}
    labels = {f"{name}_labels": held[f"{name}_labels"] for name in ("train", "test")}
    if dataset == "fine":
        for name in ("train", "test"):
            with (data / "trec" / f"{name}.csv").open(encoding="utf-8") as lines:
                labels[f"{name}_labels"] = np.array([row["fine"] for row in csv.DictReader(lines)])
    return {**found, **labels}


def anchors_of(n: int, k: int) -> NDArray[np.intp]:
    """One draw."""
    return np.random.default_rng(k).permutation(n)[:k]


@lru_cache(maxsize=32)
def ceiling(data: Path, dataset: str, encoder: str) -> Answers:
    """The target's own; it has nothing to do with the anchors."""
    B = load(data, dataset, encoder)
    labels = Targets.from_labels(B["train_labels"].tolist())
    none = np.full(len(labels), -1, dtype=np.intp)
    return ceiling_of(Target(B["train"], labels, none, B["train"][:0], labels.take(none[:0])), DecoderSettings())


def moves_of(rows: NDArray[Any], right: NDArray[np.bool_]) -> tuple[float, float]:
    """Halve the rows along their leading directions: how far the halves' log odds and the halves themselves lie."""
    unit = unit_rows(rows - rows.mean(axis=0))
    variances, axes = np.linalg.eigh(np.cov(unit.T))
    placed = (unit - unit.mean(axis=0)) @ axes[:, -AXES:] / np.sqrt(variances[-AXES:])
    at, n = logit(float(right.mean()), len(right)), len(right)
    odds, away = [], []
    for along in placed.T:
        for half in (along > np.median(along), along < np.median(along)):
            odds.append((logit(float(right[half].mean()), int(half.sum())) - at) ** 2 - sampling(at, n))
            away.append(float(np.square(placed[half].mean(axis=0)).sum()))
    return float(np.mean(odds)), float(np.mean(away))


Figures = tuple[float, Signals, tuple[float, float]]


def accuracy_case(data: Path, names: tuple[str, str, str], k: int, ways: Sequence[Way]) -> Figures:
    """The true accuracy, the evidence, and what a shift would do."""
    dataset, b, a = names
    B, A = load(data, dataset, b), load(data, dataset, a)
    labels = Targets.from_labels(B["train_labels"].tolist())
    at = anchors_of(len(labels), k)
    rows = np.full(len(labels), -1, dtype=np.intp)
    rows[at] = np.arange(k)
    target = Target(B["train"], labels, rows, B["train"][at], labels.take(at))
    source, settings = Source(A["train"][at], A["train"]), DecoderSettings()
    choice = choose_ways(target, {"": source}, settings, ways)[""]
    signals = signals_of(gather_evidence(target, source, A["test"], choice, settings), ceiling(data, dataset, b))
    meeting = meeting_of(choice.way, source, target)
    decoder = fit_decoder(meeting.target(B["train"]), labels, replace(settings, strength=choice.strength.strength))
    right = predict(decoder, meeting.source(A["test"])).labels() == A["test_labels"]
    return float(right.mean()), signals, moves_of(A["test"], right)


def recall_case(data: Path, names: tuple[str, str, str], k: int, ways: Sequence[Way]) -> Figures:
    """The true recall@1 of the source's test rows among the target's rows that are no anchors, and the evidence."""
    del ways
    dataset, b, a = names
    B, A = load(data, dataset, b), load(data, dataset, a)
    at = anchors_of(len(B["train"]), k)
    rest = np.setdiff1d(np.arange(len(B["train"])), at)
    rows = np.concatenate([B["train"][rest], B["test"]])
    choice = choose_translator(A["train"][at], B["train"][at], target_rows=rows)
    places = Places(A["train"][at], B["train"][at], A["test"], rows)
    evidence = search_evidence(places, choice.settings)
    arrays, method = fit_arrays(places.source, places.target, choice.settings), choice.settings.method
    different, which = np.unique(rows, axis=0, return_inverse=True)
    center = apply_arrays(method, arrays, places.target, side="target").mean(axis=0)
    there = apply_arrays(method, arrays, different, side="target")
    ranks = search_ranks(apply_arrays(method, arrays, A["test"]), there, which.ravel()[len(rest) :], center=center)
    return float((ranks == 1).mean()), search_signals(evidence), (0.0, 0.0)


QUANTITIES: dict[str, Callable[[Path, tuple[str, str, str], int, Sequence[Way]], Figures]] = {
    "accuracy": accuracy_case, "recall": recall_case,
}  # fmt: skip


def cases(arguments: argparse.Namespace, quantity: str, until: float) -> Iterator[Made]:
    """Every case that is in the cache or that there is time for."""
    ways = [way for way in CANDIDATES if not arguments.ways or way.name in arguments.ways]
    for k in arguments.k:
        for dataset in arguments.datasets:
            if quantity == "recall" and dataset in GROUPS:
                continue
            encoders = ENCODERS[dataset]
            for names in ((dataset, b, a) for b in encoders for a in encoders if a != b):
                file = arguments.cache / f"{quantity}-{'-'.join(names)}-{k}.json"
                if not file.exists():
                    if k > 0.8 * len(load(arguments.data, dataset, names[1])["train"]) or time.monotonic() > until:
                        continue
                    truth, seen, moves = QUANTITIES[quantity](arguments.data, names, k, ways)
                    file.write_text(json.dumps({"truth": truth, "signals": asdict(seen), "moves": moves}))
                told = json.loads(file.read_text())
                yield Made(*names, k, told["truth"], Signals(**told["signals"]), tuple(told["moves"]))


def calibrate(made: Sequence[Made], quantity: str) -> Calibration:
    """Learn spreads, what a shift does, and the width, each dataset with equal weight."""
    groups = [one.group for one in made]
    weight = np.array([1 / groups.count(group) for group in groups]) / len(set(groups))
    free = made[0].signals.free is not None

    def spread(estimates: Sequence[tuple[float, float] | None]) -> float:
        """What misses beside the known variances, by moments (DerSimonian and Laird 1986)."""
        pairs = [(at, one) for at, one in zip(estimates, made, strict=True) if at is not None]
        known = np.array([variance + sampling(at, one.signals.rows) for (at, variance), one in pairs])
        misses = np.array([at - logit(one.truth, one.signals.rows) for (at, _), one in pairs])
        trust = weight / known
        return float(np.sqrt(max(float(trust @ (misses**2 - known) / trust.sum()), LEAST**2)))

    odds, away = weight @ np.array([one.moves for one in made])
    shift = float(np.sqrt(max(odds, 0.0) / away)) if away else 0.0
    start = Calibration(0.0 if quantity == "accuracy" else GAIN, 0.0, 0.0 if free else None, shift, 1.0)
    learned = replace(
        start, spread=spread([start.by_anchors(one.signals) for one in made]),
        free_spread=spread([start.by_rows(one.signals) for one in made]) if free else None,
    )  # fmt: skip
    off = np.array([_misses(learned, one) for one in made])
    order = np.argsort(off)
    enough = int(np.searchsorted(np.cumsum(weight[order]), LEVEL))
    return replace(learned, width=max(float(off[order][min(enough, len(off) - 1)]), 1.0))


def _misses(learned: Calibration, one: Made) -> float:
    """How many half-widths the true figure is away from the middle."""
    value, low, high = (logit(share, 10**9) for share in learned.estimate(one.signals))
    return abs(logit(one.truth, one.signals.rows) - value) / ((high - low) / 2)


def judge(made: Sequence[Made], quantity: str) -> None:
    """Leave every dataset out in turn, calibrate on the others, and say how the intervals did."""
    lines = []
    for group in sorted({one.group for one in made}):
        learned = calibrate([one for one in made if one.group != group], quantity)
        for one in (one for one in made if one.group == group):
            value, low, high = learned.estimate(one.signals)
            lines.append((one, value, low, high))
    print(f"{'':24}{'cases':>6}{'held':>7}{'width':>8}{'error':>8}")
    for name, chosen in _parts(lines):
        held = np.mean([low <= one.truth <= high for one, _, low, high in chosen])
        width = np.mean([high - low for *_, low, high in chosen])
        error = np.sqrt(np.mean([(value - one.truth) ** 2 for one, value, _, _ in chosen]))
        print(f"{name:24}{len(chosen):6}{held:7.2f}{width:8.3f}{error:8.3f}")


Line = tuple[Made, float, float, float]


def _parts(lines: Sequence[Line]) -> Iterator[tuple[str, list[Line]]]:
    yield "all", list(lines)
    for dataset in sorted({one.dataset for one, *_ in lines}):
        yield f"{dataset}, by the others", [line for line in lines if line[0].dataset == dataset]
    for k in sorted({one.anchors for one, *_ in lines}):
        yield f"{k} anchors", [line for line in lines if line[0].anchors == k]


def main() -> None:
    """Make the cases, judge, and with --calibrate print the weights."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="folder with embeddings/ and trec/")
    parser.add_argument("--cache", type=Path, default=Path("forecast-cache"))
    parser.add_argument("--seconds", type=float, default=600, help="no new case is begun after this")
    parser.add_argument("-k", type=int, nargs="+", default=[300, 50, 768, 100])
    parser.add_argument("--datasets", nargs="+", default=list(ENCODERS), choices=list(ENCODERS))
    parser.add_argument("--quantities", nargs="+", default=list(QUANTITIES), choices=list(QUANTITIES))
    parser.add_argument(
        "--ways", nargs="+", default=[], help="choose among these only (default: all that auto tries)"
    )
    parser.add_argument("--calibrate", action="store_true")
    arguments = parser.parse_args()
    arguments.cache.mkdir(parents=True, exist_ok=True)
    until = time.monotonic() + arguments.seconds
    for quantity in arguments.quantities:
        made = list(cases(arguments, quantity, until))
        if len({one.group for one in made}) < 2:
            print(f"{quantity}: {len(made)} cases, of too few datasets to leave one out")
            continue
        print(f"\n{quantity}, {LEVEL:.0%} intervals, each dataset judged by what the others taught")
        judge(made, quantity)
        if arguments.calibrate:
            print(f"{quantity.upper()} = {calibrate(made, quantity)}")


if __name__ == "__main__":
    main()
