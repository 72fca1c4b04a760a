"""Recall@1 of translated texts at every number of anchors, beside the peers: mean ± spread over draws of the anchors.

Run it with: RELSTITCH_TEST_DATA=… python tests/benchmarks/recall.py [--pair minilm:mpnet] [-k 50 … 2000] [--draws 3]

A's test texts of TREC look for themselves among B's rows that are no anchors. What `auto` takes is decided on held-out
anchors alone; peers are given the better of plain and centred cosine.
"""

import argparse
import os
import statistics
import warnings
from pathlib import Path

import numpy as np
from contestants import Case, Entry, entries, paired_rows, ranks_of, table

WITHOUT = ("relstitch auto, decoder kept", "relstitch auto, decoder anew", "relstitch mlp")
"""Choices that need labels, and the network."""

AUTO = "relstitch auto, index anew"


def recall(entry: Entry, case: Case) -> float:
    """The share of test texts that find themselves first."""
    carry = entry.fit(case)
    queries, rows = carry(case.A[case.trained :], "source"), carry(case.B, "target")
    return float((ranks_of(entry, case, queries, rows) == 1).mean())


def main() -> None:
    """Print one line a method and whether ours leads at every k."""
    parser = argparse.ArgumentParser(description="recall by number of anchors")
    parser.add_argument("--pair", default="minilm:mpnet")
    parser.add_argument("-k", nargs="+", type=int, default=[50, 100, 300, 768, 2000])
    parser.add_argument("--draws", type=int, default=3)
    parser.add_argument("--seed", type=int, default=100, help="of the first draw; draws 0 to 5 saw development")
    parser.add_argument("--only", nargs="+", default=[""], help="methods whose names hold one of these; auto is kept")
    parser.add_argument("--markdown", action="store_true")
    asked = parser.parse_args()
    data = os.environ.get("RELSTITCH_TEST_DATA")
    if not data:
        parser.error("set RELSTITCH_TEST_DATA to the folder that holds embeddings/trec-*.npz")
    warnings.filterwarnings("ignore")
    A, B, labels, trained = paired_rows(Path(data), asked.pair)
    draws = [np.random.default_rng(draw).permutation(trained) for draw in range(asked.seed, asked.seed + asked.draws)]
    methods, notes = entries()
    methods = [
        entry
        for entry in methods
        if entry.name == AUTO or (entry.name not in WITHOUT and any(part in entry.name for part in asked.only))
    ]
    found = {
        entry.name: [
            [recall(entry, Case(A, B, labels, trained, order[:k], None)) for order in draws] for k in asked.k
        ]
        for entry in methods
    }
    lines = [[name, *(_cell(values) for values in by_k)] for name, by_k in found.items()]
    print("\n".join(notes))
    print(table([asked.pair.replace(":", " → "), *map(str, asked.k)], lines, markdown=asked.markdown))
    peers = [entry.name for entry in methods if not entry.ours]
    for at, k in enumerate(asked.k if peers else []):
        best = max(peers, key=lambda name: statistics.fmean(found[name][at]))
        lead = statistics.fmean(found[AUTO][at]) - statistics.fmean(found[best][at])
        print(f"k = {k}: auto is {lead:+.3f} from the best peer, {best}")


def _cell(values: list[float]) -> str:
    spread = f" ± {statistics.stdev(values):.3f}" if len(values) > 1 else ""
    return f"{statistics.fmean(values):.3f}{spread}"


if __name__ == "__main__":
    main()
