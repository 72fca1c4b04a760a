"""What anchors and projections are worth: how many, how chosen, which similarity, centred or not."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from statistics import fmean
from typing import Any

from relstitch.anchors import pick_anchors
from relstitch.artifacts import Embeddings
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
from relstitch.errors import DatasetError
from relstitch.experiments.encodings import digest_of, encodings
from relstitch.experiments.experiment import Experiment, Run
from relstitch.experiments.materials.encoders import SMALL_TEXT, TEXT, FrozenEncoder, installed
from relstitch.experiments.materials.sources import Source
from relstitch.experiments.materials.texts import texts
from relstitch.experiments.matrices import anchors_at_most
from relstitch.experiments.text import PLANS
from relstitch.names import StrategyName
from relstitch.stitching import StitchOptions, stitch

_DECODER = "ridge"
_FIXED: tuple[StrategyName, ...] = ("d-optimal",)
_FLAT, _TELLING, _APART = 0.02, 50, 1.25


@dataclass(frozen=True)
class AblationSizes:
    """How much is done.

    Attributes:
        numbers: Numbers of anchors.
        few: Numbers of anchors at which strategies and projections are compared.
        strategies: Ways to choose them.
        projections: Similarities.
        draws: Anchor draws.
    """

    numbers: tuple[int, ...]
    few: tuple[int, ...]
    strategies: tuple[StrategyName, ...]
    projections: tuple[str, ...]
    draws: int


_STRATEGIES: tuple[StrategyName, ...] = ("uniform", "stratified", "farthest", "kmeans", "d-optimal")
_PROJECTIONS = (
    "cosine", "angular", "dot", "polynomial", "rbf", "euclidean", "l1", "linf", "whitened",
    "cosine+euclidean+l1+linf",
)  # fmt: skip
SIZES: Mapping[Size, AblationSizes] = {
    "toy": AblationSizes((5, 15, 50), (5, 15), ("uniform", "farthest", "d-optimal"), ("cosine", "euclidean"), 2),
    "usual": AblationSizes(
        (10, 20, 50, 100, 200, 300, 500, 768), (20, 50, 100, 300), _STRATEGIES, _PROJECTIONS, 3
    ),
    "full": AblationSizes(
        (10, 20, 50, 100, 200, 300, 500, 768, 1500, 3000), (20, 50, 100, 300, 768), _STRATEGIES, _PROJECTIONS, 10
    ),
}  # fmt: skip


@dataclass(frozen=True)
class Setting:
    """One way to stitch.

    Attributes:
        k: Anchors.
        strategy: How they are chosen.
        projection: Which similarity.
        center: Whether the anchors' mean is taken off.
    """

    k: int
    strategy: StrategyName = "uniform"
    projection: str = "cosine"
    center: bool = True

    @property
    def form(self) -> str:
        """Similarity and centring in words."""
        return f"{self.projection}{', centred' if self.center else ', not centred'}"


Values = Mapping[Setting, Sequence[Mapping[str, float]]]
"""Of each setting, ``own`` and ``stitched`` accuracy of every draw: means over encoders and over ordered pairs."""


def run(given: Run) -> ExperimentReport:
    """Vary one thing at a time, on one data set and all text encoders that are there.

    Args:
        given: Size, steps, data.

    Returns:
        A table, curves and the patterns.

    Raises:
        DatasetError: No data set, or fewer than two encoders.

    Source: Moschella et al. 2023, appendix (anchors); similarities but cosine are ours.
    """
    source, files, notes = _files(given)
    sizes = _at_most(SIZES[given.size], anchors_at_most(files, max(SIZES[given.size].numbers)), given.seeds)
    absolute = given.steps.values(
        f"absolute-{source.key}", {"data": digest_of(list(files.values()))}, lambda: _absolute(files)
    )
    digest = digest_of(list(files.values()))
    values = {setting: _draws(given, files, digest, setting, sizes) for setting in _settings(sizes)}
    return ExperimentReport(
        EXPERIMENT.name, EXPERIMENT.title, EXPERIMENT.section, given.size, (_table(values, absolute),),
        patterns_of(values, sizes, absolute["floor"]), _told(source, files, sizes, absolute), notes,
        plots=tuple(_plots(values, sizes, absolute, source.name)),
    )  # fmt: skip


def _files(given: Run) -> tuple[Source, dict[str, Embeddings], tuple[str, ...]]:
    """TREC where it is there, else BBC News, with the encodings of the experiment on texts where that ran before."""
    encoders: Sequence[FrozenEncoder] = SMALL_TEXT if given.size == "toy" else TEXT
    there = texts(given.size, given.data, [encoder.key for encoder in encoders])
    known, lacking = installed(encoders)
    if not there.sources:
        raise DatasetError(f"Nothing to stitch is there. {' '.join(there.missing)}")
    source = there.sources[0]
    used = encoders if source.ready else known
    if len(used) < 2:
        raise DatasetError(f"Two encoders are needed; there are {len(used)}. {' '.join(lacking)}")
    part = PLANS[given.size].part
    return source, encodings(_sharing(given), source, used, part), () if source.ready else lacking


def _sharing(given: Run) -> Run:
    """The steps of the experiment on texts, where both go into one folder: its encodings need not be made again."""
    beside = given.steps.folder.parent.parent / "text" / given.steps.folder.name
    if given.steps.folder.parent.name != "ablation" or not beside.is_dir():
        return given
    return replace(given, steps=replace(given.steps, folder=beside, fresh=False))


def _at_most(sizes: AblationSizes, most: int, draws: int | None) -> AblationSizes:
    """The sizes with no more anchors than there can be, and as many draws as the user asked for."""
    numbers, few = (_fitting(several, most) for several in (sizes.numbers, sizes.few))
    return replace(sizes, numbers=numbers, few=few, draws=draws or sizes.draws)


def _fitting(several: tuple[int, ...], most: int) -> tuple[int, ...]:
    """Numbers up to the most there can be; that one last, without those that a curve could not tell from it."""
    if several[-1] <= most:
        return several
    return (*(k for k in several if k * _APART <= most), most)


def _settings(sizes: AblationSizes) -> Iterator[Setting]:
    for k in sizes.numbers:
        for center in (True, False):
            yield Setting(k, center=center)
    for strategy in sizes.strategies:
        yield from (Setting(k, strategy) for k in sizes.few)
    for projection in sizes.projections:
        yield from (Setting(k, projection=projection) for k in sizes.few)
    yield from (Setting(sizes.few[-1], projection=projection, center=False) for projection in sizes.projections)


def _draws(
    given: Run, files: Mapping[str, Embeddings], digest: str, setting: Setting, sizes: AblationSizes
) -> list[Mapping[str, float]]:
    told = {
        "data": digest, "k": setting.k, "strategy": setting.strategy, "projection": setting.projection,
        "center": setting.center,
    }  # fmt: skip
    name = f"k{setting.k}-{setting.strategy}-{setting.form.replace(', ', '-').replace(' ', '-')}"
    draws = 1 if setting.strategy in _FIXED else sizes.draws
    return [
        given.steps.values(f"{name}-draw{draw}", {**told, "draw": draw}, partial(stitched, files, setting, draw))
        for draw in range(draws)
    ]


def stitched(files: Mapping[str, Embeddings], setting: Setting, draw: int) -> dict[str, float]:
    """Stitch once.

    Args:
        files: Embeddings of the same rows by their encoders' names.
        setting: How.
        draw: Which draw of anchors.

    Returns:
        Mean accuracy of decoders on their own encoder (``own``), and over ordered pairs (``stitched``).
    """
    anchors = pick_anchors(files, setting.k, strategy=setting.strategy, seed=draw)
    options = StitchOptions(_DECODER, projection=setting.projection, center=setting.center, absolute=False)
    return _means(files, anchors, options)


def _absolute(files: Mapping[str, Embeddings]) -> dict[str, float]:
    anchors = pick_anchors(files, 2)
    report = stitch(files, anchors, StitchOptions(_DECODER))
    own = [report.cell("absolute", name, name).scores["accuracy"].mean for name in files]
    return {"own": fmean(value for value in own if value is not None), "floor": report.floor} | {
        f"rows of {split}": float(report.rows[split]) for split in ("train", "test")
    }


def _means(files: Mapping[str, Embeddings], anchors: Any, options: StitchOptions) -> dict[str, float]:
    report = stitch(files, anchors, options)
    (form,) = report.forms
    own = [report.cell(form, name, name).scores["accuracy"].mean or 0.0 for name in files]
    return {"own": fmean(own), "stitched": report.stitched_mean(form) or 0.0}


def _figure(values: Values, setting: Setting, which: str = "stitched") -> Measured:
    return measured([draw[which] for draw in values[setting]])


def _table(values: Values, absolute: Mapping[str, float]) -> ResultTable:
    rows = [
        ResultRow(("–", "–", "absolute"), (Measured(absolute["own"], None, 1), None), (None, None)),
        ResultRow(("–", "–", "floor"), (None, Measured(absolute["floor"], None, 1)), (None, None)),
    ]
    for setting in values:
        figures = tuple(_figure(values, setting, which) for which in ("own", "stitched"))
        rows.append(ResultRow((str(setting.k), setting.strategy, setting.form), figures, (None, None)))
    return ResultTable(
        "Anchors and similarities: accuracy, mean over encoders or ordered pairs",
        ("anchors", "strategy", "similarity"),
        ("accuracy, not stitched", "accuracy, stitched"), tuple(rows), "anchor draws",
    )  # fmt: skip


def _plots(values: Values, sizes: AblationSizes, absolute: Mapping[str, float], name: str) -> Iterator[Plot]:
    axes = ("anchors", "stitched accuracy (± spread over draws)")
    ends = (float(sizes.numbers[0]), float(sizes.numbers[-1]))
    level = {
        "absolute, not stitched": Line(ends, (absolute["own"],) * 2),
        "floor": Line(ends, (absolute["floor"],) * 2),
    }
    centring = {
        ("centred" if center else "not centred"): _line(values, [Setting(k, center=center) for k in sizes.numbers])
        for center in (True, False)
    }
    yield Plot("ablation-numbers", f"{name}: number of anchors, cosine", axes, centring | level, log_x=True)
    strategies: dict[str, Line] = {
        one: _line(values, [Setting(k, one) for k in sizes.few]) for one in sizes.strategies
    }
    yield Plot(
        "ablation-strategies", f"{name}: how anchors are chosen, cosine, centred", axes, strategies, log_x=True
    )
    projections = {
        one: _line(values, [Setting(k, projection=one) for k in sizes.few]) for one in sizes.projections
    }  # fmt: skip
    yield Plot(
        "ablation-similarities", f"{name}: similarities, uniform anchors, centred", axes, projections, log_x=True
    )


def _line(values: Values, settings: Sequence[Setting]) -> Line:
    figures = [_figure(values, setting) for setting in settings]
    return Line(
        tuple(float(setting.k) for setting in settings), tuple(one.mean for one in figures),
        tuple(one.spread or 0.0 for one in figures),
    )  # fmt: skip


def patterns_of(values: Values, sizes: AblationSizes, floor: float) -> tuple[Pattern, ...]:
    """What should hold.

    Args:
        values: What was measured.
        sizes: Numbers of anchors and strategies.
        floor: Accuracy of the training split's commonest class.
    """
    curve = {k: _figure(values, Setting(k)).mean for k in sizes.numbers}
    plain = {k: _figure(values, Setting(k, center=False)).mean for k in sizes.numbers}
    best, most = max(curve, key=lambda k: curve[k]), sizes.numbers[-1]
    least = min(curve, key=lambda k: curve[k] - plain[k])
    telling = {k: value for k, value in curve.items() if k >= _TELLING} or {most: curve[most]}
    lowest = min(telling, key=lambda k: telling[k])
    return (
        Pattern(
            f"centred, the largest number of anchors is within {_FLAT:g} of the best",
            curve[best] - curve[most] <= _FLAT,
            f"{curve[most]:.3f} at {most}, best {curve[best]:.3f} at {best}",
        ),
        Pattern(
            "centred is above not centred at every number of anchors", curve[least] > plain[least],
            f"least at {least}: {curve[least]:.3f} against {plain[least]:.3f}",
        ),
        Pattern(
            f"from {min(telling)} anchors on, stitched accuracy is at least twice the floor",
            telling[lowest] >= 2 * floor,
            f"least at {lowest}: {telling[lowest]:.3f}, floor {floor:.3f}",
        ),
        _strategies_matter_less(values, sizes),
    )  # fmt: skip


def _strategies_matter_less(values: Values, sizes: AblationSizes) -> Pattern:
    def gap(k: int) -> float:
        means = [_figure(values, Setting(k, strategy)).mean for strategy in sizes.strategies]
        return max(means) - min(means)

    first, last = gap(sizes.few[0]), gap(sizes.few[-1])
    return Pattern(
        "the more anchors, the less it matters how they are chosen: strategies lie closer together",
        last < first, f"{last:.3f} apart at {sizes.few[-1]} anchors, {first:.3f} at {sizes.few[0]}",
    )  # fmt: skip


def _told(
    source: Source, files: Mapping[str, Embeddings], sizes: AblationSizes, absolute: Mapping[str, float]
) -> dict[str, Any]:
    rows = ", ".join(f"{absolute[f'rows of {split}']:.0f} {split}" for split in ("train", "test"))
    return {
        "data": f"{source.name} from {source.origin}{', ready vectors' if source.ready else ''}", "rows": rows,
        "encoders": ", ".join(files), "decoder": f"{_DECODER}, its strength chosen on held-out anchors",
        "draws": sizes.draws,
    }  # fmt: skip


EXPERIMENT = Experiment("ablation", "anchors and similarities varied", "appendix", run)
