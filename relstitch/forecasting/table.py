"""The learned figures: made by ``tests/benchmarks/forecast.py --calibrate``, which says on what."""

from relstitch.forecasting.calibration import Calibration

ACCURACY = Calibration(gain=0.0, spread=0.14, free_spread=0.25, shift=0.16, width=1.23)
"""Of accuracy: 72 cases of BBC, TREC and CIFAR-10, ordered pairs of three encoders each, 50 to 768 anchors."""

RECALL = Calibration(gain=0.4, spread=0.15, free_spread=None, shift=0.0, width=1.05)
"""Of recall@1: 72 cases of the same data, encoders and numbers of anchors."""
