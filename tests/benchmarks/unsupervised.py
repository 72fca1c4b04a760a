"""Anchors without pairs, and from a few: which pairs of encoders can be matched, and whether the confidence knows.

Each dataset's encoders saw the same training rows, so the true partner of each row is known, and is used for nothing
but the table. The two sides are shuffled apart from each other.

Run it with: python tests/benchmarks/unsupervised.py FOLDER [DATASET …], FOLDER holding trec-minilm.npz and so on;
--seeds N grows from N random true pairs instead; --rows N takes the first N rows of both.
"""

import argparse
import time
from itertools import combinations
from pathlib import Path

import numpy as np

from relstitch.anchors.bootstrap import held_out_seeds
from relstitch.anchors.candidates import Index
from relstitch.anchors.growing import grow_pairs, growth
from relstitch.anchors.matching import MIN_CONFIDENCE
from relstitch.anchors.unsupervised import match_rows
from relstitch.artifacts.spaces import Matrix

ENCODERS = {
    "bbc": ("minilm", "mpnet", "e5"),
    "cifar10": ("lite0", "lite2", "squeezenet", "vit"),
    "trec": ("minilm", "mpnet", "e5"),
}


def sides_of(files: tuple[Path, Path], rows: int | None, seed: int) -> tuple[Matrix, Matrix, Index]:
    """The training rows of two encoders, shuffled apart, and where each row's partner went."""
    A, B = (np.load(file)["train"][:rows].astype(np.float32) for file in files)
    known = np.sort(np.unique(np.hstack([A, B]), axis=0, return_index=True)[1])
    draw = np.random.default_rng(seed)
    here, there = draw.permutation(known), draw.permutation(known)
    partner = np.argsort(there)[np.argsort(np.argsort(here))]
    return A[here], B[there], partner


def one_line(A: Matrix, B: Matrix, partner: Index, seeds: int, seed: int) -> str:
    """Match two sides and say how it went."""
    start = time.perf_counter()
    extra = ""
    if seeds:
        left = np.random.default_rng(seed).permutation(len(A))[:seeds]
        pairs = grow_pairs(A, B, left, partner[left], sure=seeds, sizes=growth(seeds))
        confidence = held_out_seeds(A, B, left, partner[left], seed=seed)
    else:
        found = match_rows(A, B, seed=seed)
        pairs, confidence = found.pairs, found.confidence
        extra = f" | {found.held_out:.2f} | {found.chance:.2f} | {found.attempts}"
    right = float(np.mean(partner[pairs.left] == pairs.right)) if len(pairs) else 0.0
    said = "kept" if confidence >= MIN_CONFIDENCE else "refused"
    seconds = time.perf_counter() - start
    return f"{len(A)} | {len(pairs)} | {right:.2f} | {confidence:.2f}{extra} | {said} | {seconds:.0f}"


def main() -> None:
    """Print one line a pair of encoders."""
    parser = argparse.ArgumentParser()
    parser.add_argument("folder", type=Path)
    parser.add_argument("datasets", nargs="*", default=list(ENCODERS))
    parser.add_argument("--seeds", type=int, default=0)
    parser.add_argument("--rows", type=int, help="only the first so many rows; a failure on thousands takes minutes")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--pairs", nargs="*", default=[], help="only these, as minilm,mpnet")
    given = parser.parse_args()
    more = "" if given.seeds else " | held out | chance | attempts"
    print(f"data | pair | rows | pairs found | true | confidence{more} | said | seconds", flush=True)
    for dataset in given.datasets:
        for pair in combinations(ENCODERS[dataset], 2):
            if given.pairs and ",".join(pair) not in given.pairs:
                continue
            files = given.folder / f"{dataset}-{pair[0]}.npz", given.folder / f"{dataset}-{pair[1]}.npz"
            A, B, partner = sides_of(files, given.rows, given.seed)
            print(
                f"{dataset} | {pair[0]}, {pair[1]} | {one_line(A, B, partner, given.seeds, given.seed)}", flush=True
            )


if __name__ == "__main__":
    main()
