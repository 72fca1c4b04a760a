"""Autoencoders trained apart and stitched: every encoder with every decoder, absolute and relative."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from itertools import product
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray

from relstitch.artifacts.experiments import (
    ExperimentReport,
    Measured,
    Pattern,
    PictureGrid,
    ResultRow,
    ResultTable,
    Size,
    measured,
)
from relstitch.experiments.experiment import Experiment, Run
from relstitch.experiments.materials.gallery import READERS, gallery, picture_anchors
from relstitch.experiments.materials.pictures import LabelledPictures
from relstitch.experiments.networks import ARCHITECTURES, Architecture, Autoencoder, Plan
from relstitch.experiments.training import Course, learned, seeded, taught, train

Square = NDArray[np.float64]
Errors = Mapping[tuple[str, str, str], Square]
"""By dataset, kind and form: every encoder (rows) with every decoder (columns)."""


@dataclass(frozen=True)
class Setting:
    """What the networks are and how long they learn.

    Attributes:
        train: Training pictures of each dataset, at most.
        test: Test pictures, at most.
        anchors: How many, stratified by class; the same for all networks.
        width: Of the absolute embedding.
        hidden: Of the dense networks.
        course: How long they learn.
        seeds: Networks of each architecture.
        divergence: Weight of the divergence of the variational ones.
    """

    train: int
    test: int
    anchors: int
    width: int
    hidden: int
    course: Course
    seeds: int = 2
    divergence: float = 0.05


SETTINGS: Mapping[Size, Setting] = {
    "toy": Setting(300, 100, 40, 16, 16, Course(3, 32, 4e-3)),
    "usual": Setting(4000, 1000, 200, 200, 256, Course(12, 64, 3e-3)),
    "full": Setting(60_000, 10_000, 500, 500, 1024, Course(40, 128, 1e-3), seeds=5),
}
KINDS = ("AE", "VAE")
FORMS = ("absolute", "relative")
ENDS = ("own", "another seed", "another architecture")
"""Whose decoder: the network's own, one of another seed, one of another architecture."""

PAPER: Mapping[tuple[str, str, str], tuple[str, str, str]] = {
    ("AE", "absolute", "own"): ("0.66", "1.57", "1.94"),
    ("AE", "absolute", "another seed"): ("97.79", "120.54", "86.74"),
    ("AE", "relative", "own"): ("1.18", "3.59", "2.83"),
    ("AE", "relative", "another seed"): ("2.83±.20", "6.37±.29", "5.39±1.18"),
    ("VAE", "absolute", "own"): ("1.31", "4.38", "2.68"),
    ("VAE", "absolute", "another seed"): ("98.51", "118.96", "69.02"),
    ("VAE", "relative", "own"): ("2.97", "6.81", "5.18"),
    ("VAE", "relative", "another seed"): ("13.43±6.79", "24.03±13.15", "11.20±3.15"),
}
"""By kind, form and decoder: MNIST, Fashion-MNIST, CIFAR-10."""

_MOST_OWN = 3.0
_LEAST_ABSOLUTE = 20.0
_COLUMNS = 10


class Net(NamedTuple):
    """Which network of a dataset."""

    kind: str
    form: str
    architecture: Architecture
    seed: int

    @property
    def name(self) -> str:
        """In words with hyphens."""
        return "-".join((self.kind.lower(), self.form, self.architecture, str(self.seed)))


@dataclass(frozen=True, eq=False)
class Scene:
    """A dataset with its anchors, and what is trained on it.

    Attributes:
        pictures: The dataset.
        anchors: Positions of the anchors among its rows.
        setting: What the networks are.
        seeds: How many networks of each architecture.
    """

    pictures: LabelledPictures
    anchors: NDArray[np.intp]
    setting: Setting
    seeds: int

    def nets(self, kind: str, form: str) -> list[Net]:
        """The networks that are stitched with each other."""
        return [Net(kind, form, *rest) for rest in product(ARCHITECTURES, range(self.seeds))]

    def depends_on(self, nets: Sequence[Net]) -> dict[str, Any]:
        """Everything that decides what these networks learn."""
        told = {key: value for key, value in asdict(self.setting).items() if key not in {"test", "seeds"}}
        return told | {"data": self.pictures.fingerprint, "nets": [list(net) for net in nets]}

    def build(self, net: Net, device: str) -> Autoencoder:
        """A network of this plan, with the initial weights that torch draws now."""
        made = self.setting
        anchors = made.anchors if net.form == "relative" else 0
        plan = Plan(net.architecture, self.pictures.shape, made.width, made.hidden, anchors, net.kind == "VAE")
        own = self.pictures.pictures[: self.pictures.train]
        mean = torch.from_numpy(own.mean(axis=0))
        return Autoencoder(plan, mean, float((own - own.mean(axis=0)).std()), made.divergence).to(device)


def run(given: Run) -> ExperimentReport:
    """Train, stitch and compare; see `relstitch.experiments.experiment.Run`."""
    setting = SETTINGS[given.size]
    seeds = max(2, given.seeds or setting.seeds)
    found, notes = gallery(given.data)
    scenes = [
        Scene(pictures, picture_anchors(pictures, setting.anchors), setting, seeds)
        for pictures in (whole.fewer(setting.train, setting.test) for whole in _wanted(found, given.size))
    ]
    errors = {
        (scene.pictures.name, kind, form): _errors(given, scene, kind, form)
        for kind, scene, form in product(KINDS, scenes, FORMS)
    }
    told = {
        "data": {scene.pictures.name: _told(scene.pictures) for scene in scenes},
        "architectures": list(ARCHITECTURES),
        **asdict(replace(setting, seeds=seeds)),
    }
    return ExperimentReport(
        EXPERIMENT.name,
        EXPERIMENT.title,
        EXPERIMENT.section,
        given.size,
        (_table(errors, seeds),),
        _patterns(errors, seeds),
        told,
        tuple(notes),
        grids=tuple(_grid(given, scene, kind) for scene, kind in product(scenes, KINDS)),
    )


def _wanted(found: Sequence[LabelledPictures], size: Size) -> Sequence[LabelledPictures]:
    return found[:1] if size == "toy" else found


def _told(pictures: LabelledPictures) -> dict[str, Any]:
    return {"from": pictures.origin, "train": pictures.train, "test": len(pictures.labels) - pictures.train}


def _taught(given: Run, scene: Scene, net: Net) -> Autoencoder:
    """A trained network, from the finished steps or trained now."""

    def made() -> dict[str, NDArray[Any]]:
        pictures = torch.from_numpy(scene.pictures.pictures).to(given.device)
        anchors = pictures[torch.from_numpy(scene.anchors)]
        label = f"{scene.pictures.name}, {net.kind} {net.form}, {net.architecture}, seed {net.seed}"
        with seeded(net.seed), given.progress(label) as advance:
            model = scene.build(net, given.device)
            rows, course = scene.pictures.train, scene.setting.course
            train(model, lambda batch: model.loss(pictures[batch], anchors), rows, course, advance)
        return learned(model)

    arrays = given.steps.arrays(f"{_slug(scene)}-{net.name}", scene.depends_on([net]), made)
    model = scene.build(net, given.device)
    taught(model, arrays)
    return model


def _slug(scene: Scene) -> str:
    return scene.pictures.name.lower()


def _stitched(given: Run, scene: Scene, at: NDArray[np.intp]) -> Callable[[Autoencoder, Autoencoder], Any]:
    """What one network's decoder makes of some pictures in another's encoding: [n, channels, h, w] in [0, 1]."""
    pictures = torch.from_numpy(scene.pictures.pictures[at]).to(given.device)
    anchors = torch.from_numpy(scene.pictures.pictures[scene.anchors]).to(given.device)

    def made(encoder: Autoencoder, decoder: Autoencoder) -> Any:
        with torch.inference_mode():
            parts = [decoder.decode(encoder.represent(part, anchors)) for part in torch.split(pictures, 1000)]
            return torch.cat(parts).cpu().numpy()

    return made


def _errors(given: Run, scene: Scene, kind: str, form: str) -> Square:
    """Mean squared error of every encoder (rows) with every decoder (columns) over the test pictures."""
    nets = scene.nets(kind, form)
    models = [_taught(given, scene, net) for net in nets]
    at = np.arange(scene.pictures.train, len(scene.pictures.labels))
    wanted = scene.pictures.pictures[at]

    def made() -> list[list[float]]:
        stitched = _stitched(given, scene, at)
        with seeded(0):
            return [
                [float(np.square(stitched(e, d) - wanted).mean(dtype=np.float64)) for d in models] for e in models
            ]

    return np.array(given.steps.values(f"{_slug(scene)}-{kind.lower()}-{form}-errors", scene.depends_on(nets), made))


def decoders_of(errors: Square, seeds: int) -> dict[str, list[float]]:
    """The errors by whose decoder it was (`ENDS`).

    Args:
        errors: [m, m], encoders by decoders; the seeds of an architecture stand together.
        seeds: How many of each architecture.

    Example:
        >>> decoders_of(np.arange(16.0).reshape(4, 4), 2)["another seed"]
        [1.0, 4.0, 11.0, 14.0]
    """
    architecture = np.arange(len(errors)) // seeds
    same, own = architecture[:, None] == architecture, np.eye(len(errors), dtype=bool)
    return {
        "own": errors[own].tolist(),
        "another seed": errors[same & ~own].tolist(),
        "another architecture": errors[~same].tolist(),
    }


def _table(errors: Errors, seeds: int) -> ResultTable:
    rows = []
    for kind, form, end in product(KINDS, FORMS, ENDS):
        ours: list[Measured | None] = []
        for name in READERS:
            square = errors.get((name, kind, form))
            ours.append(None if square is None else measured(decoders_of(square * 1000.0, seeds)[end]))
        rows.append(ResultRow((kind, form, end), tuple(ours), PAPER.get((kind, form, end), (None, None, None))))
    title = "Reconstruction error: mean squared error of pixels in [0, 1], × 10⁻³"
    return ResultTable(
        title, ("network", "representation", "decoder"), tuple(READERS), tuple(rows), "networks or pairs of them", 2
    )


def _mean(errors: Errors, seeds: int, kind: str, form: str) -> dict[str, dict[str, float]]:
    """By dataset, the mean error by whose decoder it was."""
    return {
        name: {end: float(np.mean(found)) for end, found in decoders_of(square, seeds).items()}
        for (name, k, f), square in errors.items()
        if (k, f) == (kind, form)
    }


def _patterns(errors: Errors, seeds: int) -> tuple[Pattern, ...]:
    means = {(kind, form): _mean(errors, seeds, kind, form) for kind, form in product(KINDS, FORMS)}
    seed = ENDS[1]

    def times(kind: str, form: str) -> tuple[list[float], str]:
        """How many times its own error another seed's decoder makes; the same in words, and of architectures."""
        found = means[kind, form]
        said = (
            f"{name} {mean[seed] / mean['own']:.1f} × ({ENDS[2]} {mean[ENDS[2]] / mean['own']:.1f} ×)"
            for name, mean in found.items()
        )
        return [mean[seed] / mean["own"] for mean in found.values()], ", ".join(said)

    related, related_said = times("AE", "relative")
    alone, alone_said = times("AE", "absolute")
    ordered = all(
        relative["own"] < relative[seed] < absolute[seed]
        for relative, absolute in zip(
            means["VAE", "relative"].values(), means["VAE", "absolute"].values(), strict=True
        )
    )
    both = f"relative: {times('VAE', 'relative')[1]}; absolute: {times('VAE', 'absolute')[1]}"
    return (
        Pattern("AE, relative: another seed's decoder errs at most 3 × as much as the own", max(related) <= _MOST_OWN,
                related_said),
        Pattern("AE, absolute: another seed's decoder errs at least 20 × as much as the own",
                min(alone) >= _LEAST_ABSOLUTE, alone_said),
        Pattern("VAE, relative: stitched above the own, and below absolute and stitched", ordered, both),
    )  # fmt: skip


def _grid(given: Run, scene: Scene, kind: str) -> PictureGrid:
    """One test picture a class; the first network's encoder, its own decoder and the one of the next seed."""
    test = np.arange(scene.pictures.train, len(scene.pictures.labels))
    firsts = np.unique(scene.pictures.labels[test], return_index=True)[1]
    at = test[firsts][:_COLUMNS]
    rows, pictures = ["original"], [scene.pictures.pictures[at]]
    stitched = _stitched(given, scene, at)
    for form in reversed(FORMS):
        first, second = (_taught(given, scene, net) for net in scene.nets(kind, form)[:2])
        rows += [f"{form}, own decoder", f"{form}, stitched"]
        pictures += [stitched(first, first), stitched(first, second)]
    name = f"{_slug(scene)}-{kind.lower()}"
    values = np.stack(pictures).transpose(0, 1, 3, 4, 2).astype(np.float32)
    return PictureGrid(name, f"{scene.pictures.name}, {kind}: decoders of another seed", tuple(rows), values)


EXPERIMENT = Experiment("autoencoders", "autoencoders stitched across seeds and architectures", "section 5.1", run)
