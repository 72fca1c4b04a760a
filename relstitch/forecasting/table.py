"""The learned figures: made by ``tests/benchmarks/forecast.py --calibrate``, which says on what."""

from relstitch.forecasting.calibration import Calibration

ACCURACY = Calibration(
    gain=0.4, spread=0.14, weights={"agreement": 0.5, "ceiling": 0.5}, free_spread=0.24, width=1.07
)
"""Of accuracy: BBC, TREC and CIFAR-10, six ordered pairs of encoders each, 50 to 768 anchors."""

RECALL = Calibration(gain=0.4, spread=0.21, weights={}, free_spread=0.0, width=1.19)
"""Of recall@1, on the same."""
