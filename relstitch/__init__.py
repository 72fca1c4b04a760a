"""Make frozen encoders interchangeable with relative representations.

After "Relative representations enable zero-shot latent space communication", Moschella et al., ICLR 2023
(arXiv 2209.15430). The verbs of the command line are functions here; names are imported when they are first used.

Example:
    >>> import numpy as np
    >>> from relstitch import RelativeProjection
    >>> RelativeProjection().fit_transform(np.eye(3)).shape
    (3, 3)
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from relstitch.anchors import MatchOptions as MatchOptions
    from relstitch.anchors import PickOptions as PickOptions
    from relstitch.anchors import anchor_health as anchor_health
    from relstitch.anchors import bootstrap_anchors as bootstrap_anchors
    from relstitch.anchors import more_draws as more_draws
    from relstitch.anchors import pair_anchors as pair_anchors
    from relstitch.anchors import pick_anchors as pick_anchors
    from relstitch.anchors import unsupervised_anchors as unsupervised_anchors
    from relstitch.artifacts import Anchors as Anchors
    from relstitch.artifacts import Decoder as Decoder
    from relstitch.artifacts import Embeddings as Embeddings
    from relstitch.artifacts import EncoderStamp as EncoderStamp
    from relstitch.artifacts import Hub as Hub
    from relstitch.artifacts import ProjectionSpec as ProjectionSpec
    from relstitch.artifacts import Relative as Relative
    from relstitch.artifacts import Rows as Rows
    from relstitch.artifacts import Shard as Shard
    from relstitch.artifacts import StitchReport as StitchReport
    from relstitch.artifacts import Targets as Targets
    from relstitch.artifacts import Translator as Translator
    from relstitch.choosing import choose_translator as choose_translator
    from relstitch.comparison import CompareOptions as CompareOptions
    from relstitch.comparison import compare as compare
    from relstitch.dataset import ReadOptions as ReadOptions
    from relstitch.dataset import pixel_targets as pixel_targets
    from relstitch.dataset import read_dataset as read_dataset
    from relstitch.decoders import DecoderSettings as DecoderSettings
    from relstitch.decoders import fit_decoder as fit_decoder
    from relstitch.encoders import EncoderOptions as EncoderOptions
    from relstitch.encoders import load_encoder as load_encoder
    from relstitch.encoding import EmbedOptions as EmbedOptions
    from relstitch.encoding import EncodeOptions as EncodeOptions
    from relstitch.encoding import encode as encode
    from relstitch.errors import RelstitchError as RelstitchError
    from relstitch.forecasting import AdviseOptions as AdviseOptions
    from relstitch.forecasting import Side as Side
    from relstitch.forecasting import advise as advise
    from relstitch.layers import RelativeLayer as RelativeLayer
    from relstitch.merging import MergeOptions as MergeOptions
    from relstitch.merging import merge as merge
    from relstitch.relative import anchor_vectors as anchor_vectors
    from relstitch.relative import project as project
    from relstitch.relative import relative_representation as relative_representation
    from relstitch.stitching import StitchOptions as StitchOptions
    from relstitch.stitching import absolute_decoder_of as absolute_decoder_of
    from relstitch.stitching import decoder_of as decoder_of
    from relstitch.stitching import predict_with as predict_with
    from relstitch.stitching import ready_of as ready_of
    from relstitch.stitching import stitch as stitch
    from relstitch.stitching import stitch_pair as stitch_pair
    from relstitch.stitching import stitch_ready as stitch_ready
    from relstitch.storage import inspect as inspect
    from relstitch.storage import load as load
    from relstitch.storage import save as save
    from relstitch.transformer import RelativeProjection as RelativeProjection
    from relstitch.translation import TranslatorSettings as TranslatorSettings
    from relstitch.translation import compose as compose
    from relstitch.translation import evaluate_translator as evaluate_translator
    from relstitch.translation import fit_hub as fit_hub
    from relstitch.translation import fit_translator as fit_translator
    from relstitch.translation import translate as translate
    from relstitch.translation import translate_embeddings as translate_embeddings

__version__ = "0.1.0"

_HOMES = {
    "anchors": ("MatchOptions", "PickOptions", "anchor_health", "bootstrap_anchors", "more_draws", "pair_anchors",
                "pick_anchors", "unsupervised_anchors"),
    "artifacts": ("Anchors", "Decoder", "Embeddings", "EncoderStamp", "Hub", "ProjectionSpec", "Relative", "Rows",
                  "Shard", "StitchReport", "Targets", "Translator"),
    "choosing": ("choose_translator",),
    "comparison": ("CompareOptions", "compare"),
    "dataset": ("ReadOptions", "pixel_targets", "read_dataset"),
    "decoders": ("DecoderSettings", "fit_decoder"),
    "encoders": ("EncoderOptions", "load_encoder"),
    "encoding": ("EmbedOptions", "EncodeOptions", "encode"),
    "errors": ("RelstitchError",),
    "forecasting": ("AdviseOptions", "Side", "advise"),
    "layers": ("RelativeLayer",),
    "merging": ("MergeOptions", "merge"),
    "relative": ("anchor_vectors", "project", "relative_representation"),
    "stitching": ("StitchOptions", "absolute_decoder_of", "decoder_of", "predict_with", "ready_of", "stitch",
                  "stitch_pair", "stitch_ready"),
    "storage": ("inspect", "load", "save"),
    "transformer": ("RelativeProjection",),
    "translation": ("TranslatorSettings", "compose", "evaluate_translator", "fit_hub", "fit_translator", "translate",
                    "translate_embeddings"),
}  # fmt: skip
_HOME_OF = {name: home for home, names in _HOMES.items() for name in names}
__all__ = sorted([*_HOME_OF, "__version__"])  # noqa: PLE0605 - built, so that no name stands in two lists


def __getattr__(name: str) -> Any:
    """Import a public name from its room when it is first used."""
    if name not in _HOME_OF:
        raise AttributeError(f"module 'relstitch' has no attribute {name!r}")
    value = getattr(import_module(f"relstitch.{_HOME_OF[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return list(__all__)
