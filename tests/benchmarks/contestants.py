"""What the benchmarks hold against each other: methods of relstitch and of its peers behind one interface."""

import importlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from relstitch.artifacts import Targets
from relstitch.choosing import TRANSLATOR_CANDIDATES, Source, Target, choose_translator, choose_ways, meeting_of
from relstitch.choosing.ready import ReadyTarget, carry_to_ready, choose_ready_way, ready_ways
from relstitch.decoders import DecoderSettings
from relstitch.decoders.ready import ReadyDecoder
from relstitch.translation import TRANSLATORS, TranslatorSettings, apply_arrays, fit_arrays
from relstitch.translation.vectors import search_ranks

Array = NDArray[Any]
Carry = Callable[[Array, str], Array]
PEERS = {"latentis": "0.0.8", "rat-embed": "0.3.0", "isotrieve": "0.4.0"}


@dataclass(frozen=True, eq=False)
class Case:
    """One pair of encoders and one set of anchors; rows of A and B correspond, training rows first.

    Attributes:
        A: float32 [n, d_A].
        B: float32 [n, d_B].
        labels: str [n].
        trained: How many training rows.
        same: intp [n], the first row that holds the same text.
        anchors: intp [k].
        decoder: B's own, old one.
    """

    A: Array
    B: Array
    labels: Array
    trained: int
    same: Array
    anchors: Array
    decoder: Any = None


@dataclass(frozen=True)
class Entry:
    """One method: what fits it, and whether B's rows stay as they are.

    Attributes:
        name: Package and method.
        fit: From a case to what carries rows of a side.
        old: Whether B's own decoder and index answer.
        to_decode: What fits it where a decoder reads the rows, if that differs from search.
        purpose: What it was chosen for, ``decoding`` or ``search``; empty: both.
    """

    name: str
    fit: Callable[[Case], Carry]
    old: bool = True
    to_decode: Callable[[Case], Carry] | None = None
    purpose: str = ""

    @property
    def ours(self) -> bool:
        """Whether it is of this project."""
        return self.name.startswith("relstitch")


def unit(X: Array) -> Array:
    """Rows of length 1."""
    found: Array = X / np.maximum(np.linalg.norm(X, axis=1, keepdims=True), 1e-12)
    return found


def linear_decoder(X: Array, labels: Array) -> Any:
    """What B's users have: logistic regression on standardised columns, those that hardly vary left out.

    Columns that are constant but for their last bits would be multiplied by millions, and whatever a map leaves in
    them would drown the rest: MPNet has four of them.
    """
    from sklearn.feature_selection import VarianceThreshold
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    least = float(np.square(0.01 * np.median(X.std(axis=0))))
    steps = (VarianceThreshold(least), StandardScaler(), LogisticRegression(C=0.01, max_iter=300))
    return make_pipeline(*steps).fit(X, labels)


def latentis_entries() -> Iterator[Entry]:
    """Cosine, Procrustes, l-ortho, affine, with the scaling and padding that its own Procrustes has."""
    torch = importlib.import_module("torch")
    aligner = importlib.import_module("latentis.transform.translate.aligner")
    scaling = importlib.import_module("latentis.transform.base").StandardScaling
    padding = importlib.import_module("latentis.transform.dim_matcher").ZeroPadding
    ortho = importlib.import_module("latentis.transform.translate.functional").lstsq_ortho_align_state
    cosine = importlib.import_module("latentis.transform.projection").cosine_proj

    def tensor(X: Array) -> Any:
        return torch.tensor(np.ascontiguousarray(X))

    def translator(make: Callable[[], Any]) -> Callable[[Case], Carry]:
        def fit(case: Case) -> Carry:
            fitted = make().fit(tensor(case.A[case.anchors]), tensor(case.B[case.anchors]))

            def carry(X: Array, side: str) -> Array:
                if side == "target":
                    return X
                with torch.no_grad():
                    return np.asarray(fitted.transform(tensor(X))[0].numpy())

            return carry

        return fit

    def scaled(inner: Callable[[], Any]) -> Callable[[], Any]:
        return lambda: aligner.Translator(inner(), None, scaling(), scaling(), padding())

    def relative(case: Case) -> Carry:
        anchors = {"source": tensor(case.A[case.anchors]), "target": tensor(case.B[case.anchors])}
        return lambda X, side: np.asarray(cosine(tensor(X), anchors=anchors[side]).numpy())

    yield Entry("latentis cosine", relative, old=False)
    yield Entry("latentis Procrustes", translator(aligner.Procrustes))
    yield Entry("latentis l-ortho", translator(scaled(lambda: aligner.MatrixAligner("l-ortho", ortho))))
    yield Entry("latentis affine", translator(scaled(lambda: aligner.SGDAffineAligner(300, 1e-3, 0))))


def rat_entries() -> Iterator[Entry]:
    """Its polynomial kernel with its own choice of z-scores.

    By default rows of the index are z-scored and queries are not, which the cosine forgives and a decoder does not:
    for the decoder both sides have the role of the index.
    """
    rat = importlib.import_module("rat")

    def fitted(role: str | None) -> Callable[[Case], Carry]:
        def fit(case: Case) -> Carry:
            made = rat.RATranslator().fit_embeddings(unit(case.A[case.anchors]), unit(case.B[case.anchors]))
            return lambda X, side: np.asarray(made.transform(unit(X), "a" if side == "source" else "b", role=role))

        return fit

    yield Entry("rat-embed", fitted(None), old=False, to_decode=fitted("db"))


def isotrieve_entries() -> Iterator[Entry]:
    """Ridge, its low-rank form (64) and the residual network, with their own settings."""
    linear = importlib.import_module("isotrieve.mapping.linear")
    network = importlib.import_module("isotrieve.mapping.mlp")

    def mapping(make: Callable[[], Any]) -> Callable[[Case], Carry]:
        def fit(case: Case) -> Carry:
            importlib.import_module("torch").manual_seed(0)
            fitted = make().fit(case.A[case.anchors], case.B[case.anchors])
            return lambda X, side: X if side == "target" else np.asarray(fitted.transform(X), dtype=np.float32)

        return fit

    yield Entry("isotrieve ridge", mapping(linear.RidgeMapping))
    yield Entry("isotrieve low-rank", mapping(lambda: linear.LowRankAffineMapping(rank=64)))
    yield Entry("isotrieve MLP", mapping(lambda: network.ResidualMLPMapping(device="cpu")))


def sources(case: Case) -> tuple[Source, Targets, Array]:
    """A's anchors and training rows, B's labels of training rows, and which anchor each of these is."""
    at = np.full(case.trained, -1, dtype=np.intp)
    at[case.anchors] = np.arange(len(case.anchors))
    labels = Targets.from_labels(case.labels[: case.trained].tolist())
    return Source(case.A[case.anchors], case.A[: case.trained]), labels, at


def decoder_kept(case: Case) -> Carry:
    """What `stitch --decoder FILE --method auto` takes: maps to B's space, asked with B's own decoder."""
    source, labels, _ = sources(case)
    names = tuple(str(name) for name in case.decoder.classes_)
    ready = ReadyDecoder("B", names, case.B.shape[1], case.decoder.decision_function, "logistic regression")
    target = ReadyTarget(ready, case.B[: case.trained], case.B[case.anchors], labels.take(case.anchors))
    way = choose_ready_way(target, source, ready_ways()).way
    carry = carry_to_ready(way, source, target)
    return lambda X, side: X if side == "target" else carry(X)


def decoder_anew(case: Case) -> Carry:
    """What `stitch --method auto` takes."""
    source, labels, at = sources(case)
    target = Target(case.B[: case.trained], labels, at, case.B[case.anchors], labels.take(case.anchors))
    way = choose_ways(target, {"A": source}, DecoderSettings("logistic", strength=0.01))["A"].way
    met = meeting_of(way, source, target)
    return lambda X, side: met.source(X) if side == "source" else met.target(X)


def our_entries() -> Iterator[Entry]:
    """Every translator of the registry with its usual parameters, and what is chosen on held-out anchors."""

    def fixed(settings: TranslatorSettings) -> Callable[[Case], Carry]:
        def fit(case: Case) -> Carry:
            arrays = fit_arrays(case.A[case.anchors], case.B[case.anchors], settings)
            return lambda X, side: apply_arrays(settings.method, arrays, X, side=side)  # type: ignore[arg-type]

        return fit

    def search(offered: Mapping[str, TranslatorSettings]) -> Callable[[Case], Carry]:
        def fit(case: Case) -> Carry:
            sides, rows = (case.A[case.anchors], case.B[case.anchors]), case.B[: case.trained]
            return fixed(choose_translator(*sides, candidates=offered, target_rows=rows).settings)(case)

        return fit

    for name, method in TRANSLATORS.items():
        yield Entry(f"relstitch {name}", fixed(TranslatorSettings(name)), old=not method.two_sided)
    yield Entry("relstitch auto, decoder kept", decoder_kept, purpose="decoding")
    yield Entry("relstitch auto, decoder anew", decoder_anew, old=False, purpose="decoding")
    one_sided = {
        name: one for name, one in TRANSLATOR_CANDIDATES.items() if not TRANSLATORS[one.method].two_sided
    }  # fmt: skip
    yield Entry("relstitch auto, index kept", search(one_sided), purpose="search")
    yield Entry("relstitch auto, index anew", search(TRANSLATOR_CANDIDATES), old=False, purpose="search")


def entries() -> tuple[list[Entry], list[str]]:
    """All methods at hand, and a line for every peer that is not installed or is another version."""
    found, notes = list(our_entries()), []
    for package, make in (
        ("latentis", latentis_entries), ("rat-embed", rat_entries), ("isotrieve", isotrieve_entries),
    ):  # fmt: skip
        try:
            version = metadata.version(package)
            found += make()
        except (ImportError, metadata.PackageNotFoundError):
            notes.append(f"{package} is not installed and is left out: pip install {package}=={PEERS[package]}")
            continue
        if version != PEERS[package]:
            notes.append(f"{package} is {version}; the figures in the notes are of {PEERS[package]}")
    return found, notes


def paired_rows(data: Path, pair: str) -> Case:
    """TREC in two encoders, training rows first; no anchors yet."""
    files = [np.load(data / "embeddings" / f"trec-{name}.npz") for name in pair.split(":")]
    A, B = (np.concatenate([one["train"], one["test"]]).astype(np.float32) for one in files)
    labels = np.concatenate([files[1]["train_labels"], files[1]["test_labels"]]).astype(str)
    return Case(A, B, labels, len(files[1]["train"]), _same(B), np.arange(0))


def _same(B: Array) -> Array:
    """For every row the first one of the same text, which is all but equal: the batch shows in the last bits."""
    around = unit(B - B.mean(axis=0))
    blocks = (around[start : start + 1000] for start in range(0, len(B), 1000))
    return np.concatenate([(block @ around.T > 0.999).argmax(axis=1) for block in blocks])


def ranks_of(entry: Entry, case: Case, queries: Array, rows: Array) -> Array:
    """At which place A's test texts find themselves among B's texts, each once, that are no anchors: intp [n]."""
    others = np.setdiff1d(np.arange(len(case.B)), case.anchors)
    texts, first = np.unique(case.same[others], return_index=True)
    truth, others = np.searchsorted(texts, case.same[case.trained :]), others[first]
    center = rows[case.anchors].mean(axis=0)
    # A method that is not ours gets whichever centre suits it better; ours always have the anchors' mean.
    centres = [center] if entry.ours else [center, np.zeros_like(center)]
    ranks = [search_ranks(queries, rows[others], truth, center=one) for one in centres]
    return max(ranks, key=lambda one: float((1.0 / one).mean()))


def table(header: Sequence[str], lines: Sequence[Sequence[str]], *, markdown: bool) -> str:
    """Columns under a header."""
    if markdown:
        return "\n".join("| " + " | ".join(line) + " |" for line in (header, ["---"] * len(header), *lines))
    widths = [max(map(len, column)) for column in zip(header, *lines, strict=True)]
    whole = (header, *lines)
    return "\n".join(
        "  ".join(cell.ljust(w) for cell, w in zip(line, widths, strict=True)).rstrip() for line in whole
    )
