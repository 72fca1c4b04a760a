"""Decoders: what turns a representation into the answer (a class, several labels, numbers)."""

from relstitch.decoders.prediction import Prediction
from relstitch.decoders.registry import (
    METHODS,
    DecoderSettings,
    Method,
    decision_values,
    fit_decoder,
    fit_path,
    method_of,
    predict,
)

__all__ = [
    "METHODS",
    "DecoderSettings",
    "Method",
    "Prediction",
    "decision_values",
    "fit_decoder",
    "fit_path",
    "method_of",
    "predict",
]
