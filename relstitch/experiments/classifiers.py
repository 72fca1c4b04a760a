"""Classifiers trained end to end, with the relative layer and without: what the layer costs."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from functools import partial
from itertools import product
from typing import Any

import torch
from torch.nn import functional

from relstitch.artifacts import Targets
from relstitch.artifacts.experiments import ExperimentReport, Pattern, ResultRow, ResultTable, Size, measured
from relstitch.decoders import Prediction
from relstitch.experiments.experiment import Experiment, Run
from relstitch.experiments.materials.gallery import READERS, gallery, picture_anchors
from relstitch.experiments.materials.pictures import LabelledPictures
from relstitch.experiments.networks import Classifier, Plan
from relstitch.experiments.training import Course, seeded, train
from relstitch.scoring import score


@dataclass(frozen=True)
class Setting:
    """What the networks are and how long they learn.

    Attributes:
        train: Training pictures of each dataset, at most.
        test: Test pictures, at most.
        anchors: How many, stratified by class.
        width: Of the absolute embedding, and of the head's hidden layer.
        course: How long they learn.
        seeds: Networks of each form.
    """

    train: int
    test: int
    anchors: int
    width: int
    course: Course
    seeds: int = 3


SETTINGS: Mapping[Size, Setting] = {
    "toy": Setting(400, 200, 40, 32, Course(4, 32, 4e-3), seeds=2),
    "usual": Setting(12_000, 2000, 200, 128, Course(10, 64, 3e-3)),
    "full": Setting(60_000, 10_000, 500, 500, Course(30, 128, 2e-3), seeds=5),
}
FORMS = ("absolute", "relative")
PAPER: Mapping[str, tuple[str, str]] = {
    "MNIST": ("97.95", "97.91"),
    "Fashion-MNIST": ("90.32", "90.19"),
    "CIFAR-10": ("87.85", "87.70"),
}
"""Absolute and relative."""
_MOST_LOST = 1.0


def run(given: Run) -> ExperimentReport:
    """Train both forms and score them; see `relstitch.experiments.experiment.Run`."""
    setting = SETTINGS[given.size]
    setting = replace(setting, seeds=given.seeds or setting.seeds)
    found, notes = gallery(given.data)
    kept = [whole.fewer(setting.train, setting.test) for whole in (found[:1] if given.size == "toy" else found)]
    scores = {
        (pictures.name, form): _scores(given, setting, pictures, form) for pictures, form in product(kept, FORMS)
    }
    told = {
        "data": {p.name: {"from": p.origin, "train": p.train, "test": len(p.labels) - p.train} for p in kept},
        "architecture": "convolutional",
        **asdict(setting),
    }
    names = [pictures.name for pictures in kept]
    return ExperimentReport(
        EXPERIMENT.name,
        EXPERIMENT.title,
        EXPERIMENT.section,
        given.size,
        (_table(scores),),
        (_pattern(scores, names),),
        told,
        tuple(notes),
    )


def _scores(given: Run, setting: Setting, pictures: LabelledPictures, form: str) -> list[float]:
    """Weighted F1 in percent, one a seed."""
    depends_on = asdict(setting) | {"data": pictures.fingerprint}
    del depends_on["seeds"]
    scores: list[float] = []
    for seed in range(setting.seeds):
        made = partial(_score, given, setting, pictures, form, seed)
        name = f"{pictures.name.lower()}-{form}-{seed}"
        scores.append(given.steps.values(name, depends_on, made))
    return scores


def _score(given: Run, setting: Setting, pictures: LabelledPictures, form: str, seed: int) -> float:
    values = torch.from_numpy(pictures.pictures).to(given.device)
    labels = torch.from_numpy(pictures.labels).to(given.device)
    own, rest = values[: pictures.train], values[pictures.train :]
    mean = own.mean(dim=0)
    anchors = values[torch.from_numpy(picture_anchors(pictures, setting.anchors))]
    plan = Plan(
        "convolutional", pictures.shape, setting.width, setting.width, setting.anchors if form == "relative" else 0
    )
    with seeded(seed), given.progress(f"{pictures.name}, {form}, seed {seed}") as advance:
        model = Classifier(plan, mean, float((own - mean).std()), len(pictures.classes)).to(given.device)

        def loss_of(batch: torch.Tensor) -> Any:
            return functional.cross_entropy(model(values[batch], anchors), labels[batch])

        train(model, loss_of, pictures.train, setting.course, advance)
        with torch.inference_mode():
            answers = torch.cat([model(part, anchors).argmax(dim=1) for part in torch.split(rest, 1000)])
    truth = Targets.from_labels([pictures.classes[label] for label in pictures.labels[pictures.train :]])
    return 100.0 * score(Prediction("class", answers.cpu().numpy(), pictures.classes), truth).metrics["weighted_f1"]


def _table(scores: Mapping[tuple[str, str], Sequence[float]]) -> ResultTable:
    rows = [
        ResultRow(
            (name,),
            tuple(measured(list(scores[name, form])) if (name, form) in scores else None for form in FORMS),
            PAPER[name],
        )
        for name in READERS
    ]
    return ResultTable("Weighted F1 of classifiers trained end to end, in percent", ("dataset",), FORMS, tuple(rows),
                       digits=2)  # fmt: skip


def _pattern(scores: Mapping[tuple[str, str], Sequence[float]], names: Sequence[str]) -> Pattern:
    lost = {n: measured(list(scores[n, "absolute"])).mean - measured(list(scores[n, "relative"])).mean for n in names}
    said = ", ".join(f"{name} {points:+.2f}" for name, points in lost.items())
    return Pattern(
        "the relative layer costs at most 1 point of F1", max(lost.values()) <= _MOST_LOST, f"points lost: {said}"
    )


EXPERIMENT = Experiment("classifiers", "classifiers trained end to end, absolute and relative", "section 4.3", run)
