"""Maps between absolute spaces: A's vectors, carried to where B's decoder or B's index can use them."""

from relstitch.translation.registry import (
    TRANSLATORS,
    TranslatorMethod,
    TranslatorSettings,
    apply_arrays,
    fit_arrays,
)

__all__ = [
    "TRANSLATORS",
    "TranslatorMethod",
    "TranslatorSettings",
    "apply_arrays",
    "fit_arrays",
]
