"""Names that both the help texts and the registries need. Imports nothing, so that help stays instant."""

from typing import Literal, get_args

ProjectionName = Literal[
    "cosine", "angular", "euclidean", "l1", "linf", "dot", "polynomial", "rbf", "whitened", "mahalanobis"
]
"""Similarities that turn absolute embeddings into relative representations (`relstitch.relative`)."""

StrategyName = Literal[
    "uniform", "stratified", "farthest", "kmeans", "d-optimal", "frequent", "explicit", "parallel", "bootstrap",
    "unsupervised",
]  # fmt: skip
"""Ways to choose anchors (`relstitch.anchors`)."""

TranslatorName = Literal["procrustes", "ridge", "affine", "low-rank", "inverse", "kernel", "smoothing", "mlp"]
"""Maps from one encoder's space to another's (`relstitch.translation`)."""

MethodName = Literal["relative", "auto", TranslatorName]
"""How spaces meet: by a projection, by what held-out anchors favour, or by a translator (`relstitch.ways`)."""

DecoderName = Literal["logistic", "svm", "ridge", "knn", "mlp"]
"""What learns the task from a representation (`relstitch.decoders`)."""

TaskName = Literal["labels", "reconstruct"]
"""What a decoder learns: the labels or numbers that files hold, or to give back pictures or real values."""

InputForm = Literal["raw", "unit", "standardised"]
"""What a ready decoder does to a row first: nothing, scale it to length 1, standardise its columns."""

WeightsLayout = Literal["outputs-first", "inputs-first"]
"""How the weights of a ready decoder lie: [c, d] or [d, c]."""

MeasureName = Literal["cka", "svcca", "rsa", "procrustes", "mutual-knn", "jaccard", "mrr", "cosine"]
"""How alike two spaces are (`relstitch.comparison`)."""

ExperimentName = Literal[
    "autoencoders", "classifiers", "graphs", "proxy", "words", "text", "images", "crosslingual", "multimodal",
    "ablation",
]  # fmt: skip
"""Experiments of the paper (`relstitch.experiments`)."""

Modality = Literal["text", "image", "vectors", "graph"]
"""What the items of a dataset are. Vectors are already embedded: they have ids only, no content hash. The items of a
graph are its nodes."""

OnProblem = Literal["error", "skip"]
OnEmpty = Literal["error", "skip", "embed"]

MAX_PIXELS = 89_478_485
"""Pictures with more pixels are refused. Pillow's own bound: a quarter of a gigabyte of pixels of three bytes."""

PROJECTIONS: tuple[str, ...] = get_args(ProjectionName)
STRATEGIES: tuple[str, ...] = get_args(StrategyName)
DECODERS: tuple[str, ...] = get_args(DecoderName)
TRANSLATORS: tuple[str, ...] = get_args(TranslatorName)
INPUT_FORMS: tuple[str, ...] = get_args(InputForm)
TASKS: tuple[str, ...] = get_args(TaskName)
MEASURES: tuple[str, ...] = get_args(MeasureName)
EXPERIMENTS: tuple[str, ...] = get_args(ExperimentName)
