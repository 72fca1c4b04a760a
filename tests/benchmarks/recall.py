"""Recall@1 of translated texts at every number of anchors, beside the peers: mean ± spread over draws of the anchors.

Run it with: RELSTITCH_TEST_DATA=… python tests/benchmarks/recall.py [--pair minilm:mpnet] [-k 50 … 2000] [--draws 3]

A's test texts of TREC look for themselves among B's texts (each once) that are no anchors. What `auto` takes is decided
on held-out anchors alone; peers are given the better of plain and centred cosine. With `--found FILE` every figure is
kept in FILE as soon as it is there, and a later run over the same or more takes it from there; remove FILE when a
method changes.
"""

import argparse
import json
import os
import statistics
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from contestants import Case, Entry, entries, paired_rows, ranks_of, table

WITHOUT = ("relstitch auto, decoder kept", "relstitch auto, decoder anew", "relstitch mlp")
"""Choices that need labels, and the network."""

AUTO = "relstitch auto, index anew"

Recalls = Mapping[str, Sequence[Sequence[float]]]


def recall(entry: Entry, case: Case) -> float:
    """The share of test texts that find themselves first."""
    carry = entry.fit(case)
    queries, rows = carry(case.A[case.trained :], "source"), carry(case.B, "target")
    return float((ranks_of(entry, case, queries, rows) == 1).mean())


@dataclass(frozen=True)
class Ledger:
    """Figures in a file, one per line, so that a run that was cut short goes on where it was; nowhere without one."""

    path: Path | None

    def read(self) -> dict[str, float]:
        """What stands there."""
        if self.path is None or not self.path.exists():
            return {}
        return dict(json.loads(line) for line in self.path.read_text(encoding="utf-8").splitlines())

    def add(self, key: str, value: float) -> None:
        """One more."""
        if self.path is not None:
            with self.path.open("a", encoding="utf-8") as file:
                file.write(json.dumps([key, value]) + "\n")


def measure(methods: Sequence[Entry], asked: argparse.Namespace, data: Path) -> Recalls:
    """By method, for every k the recall of every draw."""
    bare, ledger = paired_rows(data, asked.pair), Ledger(asked.found)
    known = ledger.read()
    found: dict[str, list[list[float]]] = {entry.name: [[] for _ in asked.k] for entry in methods}
    for at, k in enumerate(asked.k):
        for seed in range(asked.seed, asked.seed + asked.draws):
            case = replace(bare, anchors=np.random.default_rng(seed).permutation(bare.trained)[:k])
            for entry in methods:
                key = f"{asked.pair} {k} {seed} {entry.name}"
                if key not in known:
                    known[key] = recall(entry, case)
                    ledger.add(key, known[key])
                found[entry.name][at].append(known[key])
    return found


def show(found: Recalls, methods: Sequence[Entry], asked: argparse.Namespace) -> None:
    """One line a method and whether ours leads at every k."""
    lines = [[name, *map(_cell, by_k)] for name, by_k in found.items()]
    print(table([asked.pair.replace(":", " → "), *map(str, asked.k)], lines, markdown=asked.markdown) + "\n")
    peers = [entry.name for entry in methods if not entry.ours]
    for at, k in enumerate(asked.k if peers else []):
        best = max(peers, key=lambda name: statistics.fmean(found[name][at]))
        lead = statistics.fmean(found[AUTO][at]) - statistics.fmean(found[best][at])
        print(f"k = {k}: auto is {lead:+.4f} from the best peer, {best}")


def _cell(values: Sequence[float]) -> str:
    spread = f" ± {statistics.stdev(values):.3f}" if len(values) > 1 else ""
    return f"{statistics.fmean(values):.3f}{spread}"


def main() -> None:
    """Measure what was asked and show it."""
    parser = argparse.ArgumentParser(description="recall by number of anchors")
    parser.add_argument("--pair", default="minilm:mpnet")
    parser.add_argument("-k", nargs="+", type=int, default=[50, 100, 300, 768, 2000])
    parser.add_argument("--draws", type=int, default=3)
    parser.add_argument("--seed", type=int, default=100, help="of the first draw; draws 0 to 5 saw development")
    parser.add_argument("--only", nargs="+", default=[""], help="methods whose names hold one of these; auto is kept")
    parser.add_argument("--found", type=Path, help="where figures are kept")
    parser.add_argument("--markdown", action="store_true")
    asked = parser.parse_args()
    data = os.environ.get("RELSTITCH_TEST_DATA")
    if not data:
        parser.error("set RELSTITCH_TEST_DATA to the folder that holds embeddings/trec-*.npz")
    warnings.filterwarnings("ignore")
    methods, notes = entries()
    methods = [entry for entry in methods if entry.name not in WITHOUT]
    kept = [entry for entry in methods if entry.name == AUTO or any(part in entry.name for part in asked.only)]
    left_out = [entry.name for entry in methods if entry not in kept]
    print("\n".join([*notes, *([f"Left out: {', '.join(left_out)}."] if left_out else [])]))
    show(measure(kept, asked, Path(data)), kept, asked)


if __name__ == "__main__":
    main()
