"""Maps between absolute spaces: A's vectors, carried to where B's decoder or B's index can use them."""

from relstitch.translation.carrying import (
    fit_translator,
    is_two_sided,
    is_unknown,
    place_of,
    side_of,
    translate,
    translate_embeddings,
)
from relstitch.translation.composing import compose, round_trip
from relstitch.translation.evaluating import EvaluateOptions, RoundTrip, evaluate_translator
from relstitch.translation.hub import fit_hub, hub_translator
from relstitch.translation.likeness import Likeness, likeness, note_on_likeness
from relstitch.translation.registry import (
    TRANSLATORS,
    TranslatorMethod,
    TranslatorSettings,
    apply_arrays,
    fit_arrays,
)

__all__ = [
    "TRANSLATORS",
    "EvaluateOptions",
    "Likeness",
    "RoundTrip",
    "TranslatorMethod",
    "TranslatorSettings",
    "apply_arrays",
    "compose",
    "evaluate_translator",
    "fit_arrays",
    "fit_hub",
    "fit_translator",
    "hub_translator",
    "is_two_sided",
    "is_unknown",
    "likeness",
    "note_on_likeness",
    "place_of",
    "round_trip",
    "side_of",
    "translate",
    "translate_embeddings",
]
