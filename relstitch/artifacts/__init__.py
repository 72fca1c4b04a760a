"""What relstitch reads and makes: frozen dataclasses that check themselves when they are built.

Nothing here touches files (see `relstitch.storage`) and nothing here computes (see the rooms of the core).
"""

from relstitch.artifacts.anchor_lists import AnchorHealth, AnchorList, Anchors, AnchorSide
from relstitch.artifacts.decoder import Decoder
from relstitch.artifacts.reports import Cell, Comparison, FormComparison, Score, StitchReport
from relstitch.artifacts.rows import Counts, Rows, Skipped, Targets
from relstitch.artifacts.shards import Portion, Shard
from relstitch.artifacts.spaces import AnchorVectors, Embeddings, ProjectionSpec, Relative
from relstitch.artifacts.stamps import EncoderStamp
from relstitch.artifacts.translator import Evaluation, Hub, Translator

__all__ = [
    "AnchorHealth",
    "AnchorList",
    "AnchorSide",
    "AnchorVectors",
    "Anchors",
    "Cell",
    "Comparison",
    "Counts",
    "Decoder",
    "Embeddings",
    "EncoderStamp",
    "Evaluation",
    "FormComparison",
    "Hub",
    "Portion",
    "ProjectionSpec",
    "Relative",
    "Rows",
    "Score",
    "Shard",
    "Skipped",
    "StitchReport",
    "Targets",
    "Translator",
]
