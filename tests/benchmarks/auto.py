"""What ``stitch --method auto`` reaches beside every single method, on ready-made embeddings of real encoders.

Anchors are chosen by k-means over all encoders at once; test labels are looked at only to print the table. The
ceiling is the decoder of each target's absolute embeddings on its own test rows.

Run it with: python tests/benchmarks/auto.py FOLDER [DATASET:K …], FOLDER holding trec-minilm.npz and so on;
--draws N (anchor draws, default 5), --singles N (how many of them the single methods are tried on, default 1; the
figure of auto on the same draws stands beside theirs), --decoder NAME, --markdown.
"""

import argparse
import time
from collections.abc import Mapping
from pathlib import Path

from relstitch import StitchOptions, pick_anchors, stitch
from relstitch.artifacts import Anchors, Embeddings, StitchReport
from relstitch.encoding import encode
from relstitch.names import TRANSLATORS

ENCODERS = {
    "trec": ("minilm", "mpnet", "e5"),
    "bbc": ("minilm", "mpnet", "e5"),
    "cifar10": ("lite0", "squeezenet", "vit"),
}
CASES = ("trec:50", "trec:300", "trec:768", "bbc:50", "bbc:300", "cifar10:300", "cifar10:768")


def figure(value: float | None) -> str:
    """A share in three digits."""
    return "–" if value is None else f"{value:.3f}"


def ceiling(report: StitchReport, form: str) -> float:
    """The mean over the diagonal."""
    found = [cell.scores[report.metric].mean for cell in report.cells if cell.form == form and not cell.stitched]
    known = [value for value in found if value is not None]
    return sum(known) / len(known)


def singles(files: Mapping[str, Embeddings], anchors: Anchors, decoder: str, draws: int) -> dict[str, float]:
    """The stitched mean of every method that can be named."""
    found: dict[str, float] = {}
    report = stitch(files, anchors, StitchOptions(decoder, draws=draws, absolute=False))
    for form in report.forms:
        found["cosine, centred" if form == "relative" else "cosine, not centred"] = report.stitched_mean(form) or 0.0
    for way in (name for name in TRANSLATORS if name != "mlp"):
        report = stitch(files, anchors, StitchOptions(decoder, way, draws=draws, absolute=False))
        found[way] = report.stitched_mean(way) or 0.0
    return found


def main() -> None:
    """Print one row a dataset and number of anchors."""
    reading = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    reading.add_argument("folder", type=Path)
    reading.add_argument("cases", nargs="*", default=list(CASES))
    reading.add_argument("--draws", type=int, default=5)
    reading.add_argument("--singles", type=int, default=1)
    reading.add_argument("--decoder", default="logistic")
    reading.add_argument("--markdown", action="store_true")
    given = reading.parse_args()
    columns = ("dataset", "k", "auto", "±", "ceiling", "auto, same draws", "best single", "which", "seconds")
    bar = "| {} |" if given.markdown else "{}"
    between = " | " if given.markdown else "\t"
    print(bar.format(between.join(columns)))
    if given.markdown:
        print(bar.format(between.join("---" for _ in columns)))
    for case in given.cases:
        dataset, k = case.split(":")
        files = {name: encode(given.folder / f"{dataset}-{name}.npz") for name in ENCODERS[dataset]}
        anchors = pick_anchors(files, int(k), strategy="kmeans", draws=given.draws)
        start = time.perf_counter()
        report = stitch(files, anchors, StitchOptions(given.decoder, "auto", absolute=False))
        spent = time.perf_counter() - start
        scores = report.stitched["auto"]
        cells = [dataset, k, figure(scores.mean), figure(scores.spread), figure(ceiling(report, "auto"))]
        if given.singles:
            part = StitchOptions(given.decoder, "auto", draws=given.singles, absolute=False)
            first = report if given.singles == given.draws else stitch(files, anchors, part)
            found = singles(files, anchors, given.decoder, given.singles)
            best = max(found, key=lambda name: found[name])
            cells += [figure(first.stitched_mean("auto")), figure(found[best]), best]
        else:
            cells += ["–", "–", "–"]
        print(bar.format(between.join([*cells, f"{spent:.0f}"])), flush=True)


if __name__ == "__main__":
    main()
