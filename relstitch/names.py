"""Names that both the help texts and the registries need. Imports nothing, so that help stays instant."""

from typing import Literal, get_args

ProjectionName = Literal["cosine", "angular", "euclidean", "l1", "linf", "dot", "polynomial"]
"""Similarities that turn absolute embeddings into relative representations (`relstitch.relative`)."""

StrategyName = Literal["uniform", "stratified", "farthest", "kmeans", "frequent", "explicit", "parallel"]
"""Ways to choose anchors (`relstitch.anchors`)."""

DecoderName = Literal["logistic", "svm", "ridge", "knn", "mlp"]
"""What learns the task from a representation (`relstitch.decoders`)."""

Modality = Literal["text", "image", "vectors"]
"""What the items of a dataset are. Vectors are already embedded: they have ids only, no content hash."""

OnProblem = Literal["error", "skip"]
OnEmpty = Literal["error", "skip", "embed"]

MAX_PIXELS = 89_478_485
"""Pictures with more pixels are refused. Pillow's own bound: a quarter of a gigabyte of pixels of three bytes."""

PROJECTIONS: tuple[str, ...] = get_args(ProjectionName)
STRATEGIES: tuple[str, ...] = get_args(StrategyName)
DECODERS: tuple[str, ...] = get_args(DecoderName)
