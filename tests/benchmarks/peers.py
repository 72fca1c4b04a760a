"""relstitch beside latentis, rat-embed and isotrieve: the same anchors, the same rows, one run, one table.

Run it with: RELSTITCH_TEST_DATA=… python tests/benchmarks/peers.py [--pairs minilm:mpnet …] [-k 50 300 768]
[--markdown]. What a case (a pair and k) gave is printed as soon as it is done.

Texts of TREC in two encoders A and B. Anchors are random training rows. B's decoder is a logistic regression on
standardised columns (C = .01) on B's training rows. It is B's own, old decoder for maps that leave B's rows alone; for
methods that move B's rows too (relative representations, smoothing) it is trained on the moved rows, marked *. Where
`auto` rescales columns it also sees A's training rows, without labels; the peers have no use for them. Retrieval: A's
test texts look for themselves among B's texts (each once) that are no anchors, by cosine; peers get the better of plain
and centred cosine, ours the centred one. The peer in a row is the one that is best on the test texts; ours was chosen
without them. Fits and applications that take less than half a second are timed up to three times; the least counts.
"""

import argparse
import os
import time
import warnings
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TypeVar

import numpy as np
from contestants import Array, Case, Entry, entries, linear_decoder, paired_rows, ranks_of, table

T = TypeVar("T")
PAIRS = ("minilm:mpnet", "mpnet:e5", "e5:minilm")
MEASURES = ("accuracy", "recall@1", "recall@10", "MRR")


@dataclass(frozen=True, eq=False)
class Found:
    """What a method reached: by measure a value for every test text, and seconds."""

    name: str
    old: bool
    values: Mapping[str, Array]
    fit_s: float
    apply_s: float


def timed(step: Callable[[], T]) -> tuple[T, float]:
    """What a step gives and the seconds it takes; a short one is repeated, lest the first call's loading counts."""
    seconds: list[float] = []
    while not seconds or (len(seconds) < 3 and sum(seconds) < 0.5):
        start = time.perf_counter()
        found = step()
        seconds.append(time.perf_counter() - start)
    return found, min(seconds)


def measure(entry: Entry, case: Case) -> Found:
    """Fit on the anchors, carry, decode and search."""
    test = np.arange(case.trained, len(case.A))
    carry, fit_s = timed(lambda: entry.fit(case))
    (queries, rows), apply_s = timed(lambda: (carry(case.A[test], "source"), carry(case.B, "target")))
    queries, rows = (one.astype(np.float32, copy=False) for one in (queries, rows))
    values: dict[str, Array] = {}
    if entry.purpose != "decoding":
        best = ranks_of(entry, case, queries, rows)
        values |= {"recall@1": best == 1, "recall@10": best <= 10, "MRR": 1.0 / best}
    if entry.purpose != "search":
        if entry.to_decode is not None:
            carry = entry.to_decode(case)
            queries, rows = carry(case.A[test], "source"), carry(case.B, "target")
        own = case.decoder if entry.old else linear_decoder(rows[: case.trained], case.labels[: case.trained])
        values["accuracy"] = own.predict(queries) == case.labels[test]
    return Found(entry.name, entry.old, values, fit_s, apply_s)


def cases(data: Path, pair: str, ks: Sequence[int], seed: int) -> Iterator[tuple[int, Case]]:
    """One case for every k; smaller sets of anchors are the beginning of larger ones."""
    bare = paired_rows(data, pair)
    order = np.random.default_rng(seed).permutation(bare.trained)
    decoder = linear_decoder(bare.B[: bare.trained], bare.labels[: bare.trained])
    for k in ks:
        yield k, replace(bare, anchors=order[:k], decoder=decoder)


CONTESTS = (
    ("accuracy", "accuracy, decoder kept", "relstitch auto, decoder kept", True),
    ("accuracy", "accuracy", "relstitch auto, decoder anew", False),
    ("recall@1", "recall@1, index kept", "relstitch auto, index kept", True),
    ("recall@10", "recall@10, index kept", "relstitch auto, index kept", True),
    ("MRR", "MRR, index kept", "relstitch auto, index kept", True),
    ("recall@1", "recall@1", "relstitch auto, index anew", False),
    ("recall@10", "recall@10", "relstitch auto, index anew", False),
    ("MRR", "MRR", "relstitch auto, index anew", False),
)
"""Measure, what to call it, ours, and whether it meets only peers that leave B's rows alone."""

ALIKE = {
    "procrustes": "latentis Procrustes", "affine": "latentis affine", "ridge": "isotrieve ridge",
    "low-rank": "isotrieve low-rank", "mlp": "isotrieve MLP",
}  # fmt: skip
"""Whose fit and apply times stand against each other."""


def verdict(ours: Array, theirs: Array) -> str:
    """Who leads, text by text; a tie is a difference within one standard error of itself."""
    lead = ours.astype(float) - theirs.astype(float)
    if lead.mean() > 0:
        return "lead"
    return "tie" if -lead.mean() <= lead.std(ddof=1) / np.sqrt(len(lead)) else "behind"


def contests(found: Sequence[Found]) -> Iterator[list[str]]:
    """Ours as it is chosen without a look at the test texts, against the peer that is best on them."""
    by_name = {one.name: one for one in found}
    peers = [one for one in found if not one.name.startswith("relstitch")]
    for measure_name, called, ours, kept in CONTESTS:
        rivals = [one for one in peers if one.old or not kept]
        if not rivals:
            continue
        best = max(rivals, key=lambda one: float(one.values[measure_name].mean()))
        mine, theirs = by_name[ours].values[measure_name], best.values[measure_name]
        yield [called, f"{mine.mean():.3f}", f"{theirs.mean():.3f}", best.name, verdict(mine, theirs)]
    for ours, theirs_name in ALIKE.items():
        if theirs_name in by_name:
            mine_s, theirs_s = (
                one.fit_s + one.apply_s for one in (by_name[f"relstitch {ours}"], by_name[theirs_name])
            )
            said = "lead" if mine_s < theirs_s else "tie" if mine_s < 1.1 * theirs_s else "behind"
            yield [f"fit + apply, {ours} (s)", f"{mine_s:.2f}", f"{theirs_s:.2f}", theirs_name, said]


def figures(one: Found) -> list[str]:
    """A line of the long table."""
    means = [f"{one.values[name].mean():.3f}" if name in one.values else "" for name in MEASURES]
    return [one.name + ("" if one.old else " *"), *means, f"{one.fit_s:.2f}", f"{one.apply_s:.2f}"]


def main() -> None:
    """Print a table for every pair and k and who leads its rows, then the counts."""
    parser = argparse.ArgumentParser(description="relstitch beside its peers")
    parser.add_argument("--pairs", nargs="+", default=PAIRS)
    parser.add_argument("-k", nargs="+", type=int, default=[50, 300, 768])
    parser.add_argument("--seed", type=int, default=100, help="of the anchors; draws 0 to 5 saw development")
    parser.add_argument("--markdown", action="store_true")
    asked = parser.parse_args()
    data = os.environ.get("RELSTITCH_TEST_DATA")
    if not data:
        parser.error("set RELSTITCH_TEST_DATA to the folder that holds embeddings/trec-*.npz")
    warnings.filterwarnings("ignore")
    methods, notes = entries()
    print("\n".join(notes), flush=True)
    counts: Counter[str] = Counter()
    for pair in asked.pairs:
        for k, case in cases(Path(data), pair, asked.k, asked.seed):
            found = [measure(entry, case) for entry in methods]
            ceiling = (case.decoder.predict(case.B[case.trained :]) == case.labels[case.trained :]).mean()
            called = pair.replace(":", " → ")
            print(f"\n{called}, k = {k}; B's decoder on B {ceiling:.3f}\n")
            header = ["method (* B's rows move too)", *MEASURES, "fit s", "apply s"]
            print(table(header, [figures(one) for one in found], markdown=asked.markdown), "\n")
            rows = [[called, str(k), *line] for line in contests(found)]
            header = ["pair", "k", "row", "ours", "best peer", "which", ""]
            print(table(header, rows, markdown=asked.markdown), flush=True)
            counts.update(row[-1] for row in rows)
    said = ", ".join(f"{counts[one]} {one}" for one in ("lead", "tie", "behind"))
    print(f"\n{counts.total()} rows: {said}")


if __name__ == "__main__":
    main()
