"""Which samples are the anchors (Moschella et al. 2023, section 3 and appendix A.2)."""

from relstitch.anchors.health import anchor_health
from relstitch.anchors.pairing import pair_anchors
from relstitch.anchors.picking import DEFAULT_K, PickOptions, more_draws, pick_anchors
from relstitch.anchors.strategies import STRATEGIES, Strategy

__all__ = [
    "DEFAULT_K",
    "STRATEGIES",
    "PickOptions",
    "Strategy",
    "anchor_health",
    "more_draws",
    "pair_anchors",
    "pick_anchors",
]
