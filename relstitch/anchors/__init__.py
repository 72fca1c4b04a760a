"""Which samples are the anchors (Moschella et al. 2023, section 3 and appendix A.2)."""

from relstitch.anchors.bootstrap import bootstrap_anchors
from relstitch.anchors.health import anchor_health
from relstitch.anchors.matching import MIN_CONFIDENCE, MatchOptions
from relstitch.anchors.pairing import pair_anchors
from relstitch.anchors.picking import DEFAULT_K, PickOptions, more_draws, pick_anchors
from relstitch.anchors.strategies import STRATEGIES, Strategy
from relstitch.anchors.unsupervised import unsupervised_anchors

__all__ = [
    "DEFAULT_K",
    "MIN_CONFIDENCE",
    "STRATEGIES",
    "MatchOptions",
    "PickOptions",
    "Strategy",
    "anchor_health",
    "bootstrap_anchors",
    "more_draws",
    "pair_anchors",
    "pick_anchors",
    "unsupervised_anchors",
]
