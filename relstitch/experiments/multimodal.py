"""Pictures and names meet through paired anchors: each finds the other; a decoder of names answers for pictures."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np

from relstitch.artifacts import Embeddings
from relstitch.artifacts.experiments import ExperimentReport, Size
from relstitch.errors import DatasetError
from relstitch.experiments.encodings import digest_of
from relstitch.experiments.experiment import Experiment, Run
from relstitch.experiments.materials.emoji import (
    STYLES,
    Emoji,
    emoji,
    names_in,
    pictures,
    pictures_in,
    some_of,
)
from relstitch.experiments.materials.encoders import (
    PICTURES,
    SMALL_PICTURES,
    SMALL_TEXT,
    TEXT,
    FrozenEncoder,
    installed,
)
from relstitch.experiments.multimodal_tables import (
    Found,
    Pair,
    Sizes,
    classifier_table,
    curve_table,
    patterns_of,
    plots_of,
    retrieval_table,
)
from relstitch.experiments.parallel import encoded
from relstitch.experiments.picture_names import DRAWN, NAMES, ends_of, met

_EVERY = tuple(encoder.key for encoder in PICTURES)
_NUMBERS = (50, 100, 300, 768)
SIZES: Mapping[Size, Sizes] = {
    "toy": Sizes(240, 80, {STYLES[0]: ("pixels",)}, (30, 90), 2, 1, (30,)),
    "usual": Sizes(1100, 300, {STYLES[0]: ("lite0", "lite2"), STYLES[1]: ("lite0",)}, _NUMBERS, 3, 1, (300,)),
    "full": Sizes(None, 500, dict.fromkeys(STYLES, _EVERY), _NUMBERS, 10, 3, _NUMBERS),
}


def run(given: Run) -> ExperimentReport:
    """Let pictures and names of emoji meet; see `relstitch.experiments.Experiment`.

    Args:
        given: Size, steps, data.

    Returns:
        Retrieval both ways, a classifier of names on pictures, curves by number of anchors, and the patterns.

    Raises:
        DatasetError: A package is missing or damaged, or an encoder of either kind.

    Source: the idea is ASIF's (Norelli et al. 2023, arXiv 2210.01738); parallel anchors as Moschella et al. 2023,
    section 3, where there is no number for pictures and texts.
    """
    sizes = SIZES[given.size]
    sizes = sizes if given.seeds is None else replace(sizes, draws=given.seeds)
    spaces, notes = _spaces(given, sizes)
    ends = {
        pair: given.steps.values(
            f"ends-{'-'.join(pair.setting).replace('/', '').lower()}",
            {"data": digest_of(list(sides.values()))},
            partial(ends_of, sides),
        )
        for pair, sides in spaces.items()
    }
    found = _measured(given, sizes, spaces)
    return ExperimentReport(
        EXPERIMENT.name, EXPERIMENT.title, EXPERIMENT.section, given.size,
        (retrieval_table(found, sizes), curve_table(found, sizes), classifier_table(found, ends, sizes)),
        patterns_of(found, ends, sizes), _told(sizes, spaces), (*NOTES, *notes),
        plots=tuple(plots_of(found, ends, sizes)),
    )  # fmt: skip


def _encoders(given: Run, sizes: Sizes) -> tuple[list[FrozenEncoder], list[FrozenEncoder], tuple[str, ...]]:
    """Encoders of names and of pictures that are there, and what would bring the others."""
    toy = given.size == "toy"
    texts: Sequence[FrozenEncoder] = SMALL_TEXT[1:] if toy else TEXT[:2]
    wanted = {key for keys in sizes.styles.values() for key in keys}
    drawn = [encoder for encoder in (SMALL_PICTURES if toy else PICTURES) if encoder.key in wanted]
    (names, lacking), (images, more) = installed(texts), installed(drawn)
    if not names or not images:
        raise DatasetError(
            f"An encoder of texts and one of pictures are needed. {' '.join((*lacking, *more))}"
        )  # fmt: skip
    return list(names), list(images), (*lacking, *more)


def _spaces(given: Run, sizes: Sizes) -> tuple[dict[Pair, dict[str, Embeddings]], tuple[str, ...]]:
    texts, images, lacking = _encoders(given, sizes)
    drawn, missing = _drawn(given, sizes)
    some = _some(emoji(given.data, ("en",)), drawn, sizes.emoji)
    named = {one.name: encoded(given, "Emoji names", names_in(some, "en", sizes.test), one) for one in texts}
    spaces = {}
    for style, own in drawn.items():
        dataset = pictures_in(some, own, sizes.test)
        for encoder in (one for one in images if one.key in sizes.styles[style]):
            seen = encoded(given, f"Emoji {style}", dataset, encoder)
            for text, space in named.items():
                spaces[Pair(style, encoder.name, text)] = {NAMES: space, DRAWN: seen}
    return spaces, (*lacking, *missing)


def _drawn(given: Run, sizes: Sizes) -> tuple[dict[str, dict[str, bytes]], list[str]]:
    """Pictures by style, and of each style that is not there what would bring it."""
    drawn, missing = {}, []
    for style in sizes.styles:
        try:
            drawn[style] = pictures(given.data, style)
        except DatasetError as error:
            missing.append(f"The drawings of {style} are left out. {error}")
    if not drawn:
        raise DatasetError(f"There are no pictures of emoji. {' '.join(missing)}")
    return drawn, missing


def _some(everything: Emoji, drawn: Mapping[str, Mapping[str, bytes]], most: int | None) -> Emoji:
    """So many emoji at random, of those that are drawn in every style."""
    there = np.array([all(code in style for style in drawn.values()) for code in everything.codes])
    order = np.random.default_rng(0).permutation(np.flatnonzero(there))
    return some_of(everything, np.isin(np.arange(len(there)), order[:most]).tolist())


def _measured(given: Run, sizes: Sizes, spaces: Mapping[Pair, Mapping[str, Embeddings]]) -> Found:
    found: Found = {}
    for pair, sides in spaces.items():
        given.say(f"{pair.picture} on pictures of {pair.style}, {pair.text} on names.")
        told = {"data": digest_of(list(sides.values()))}
        for k in sizes.numbers:
            for draw in range(sizes.draws):
                auto = (draw < sizes.auto_draws, draw < sizes.auto_draws and k in sizes.auto_numbers)
                depends_on = {**told, "k": k, "draw": draw, "auto": auto}
                name = f"{'-'.join(pair.setting).replace('/', '').lower()}-k{k}-draw{draw}"
                make = partial(met, sides, k, draw, auto=auto)
                found.setdefault((pair, k), []).append(given.steps.values(name, depends_on, make))
    return found


def _told(sizes: Sizes, spaces: Mapping[Pair, Mapping[str, Embeddings]]) -> dict[str, Any]:
    rows = next(iter(spaces.values()))[NAMES].rows
    groups = 0 if rows.targets is None else len(rows.targets.names)
    return {
        "data": f"{len(rows.ids)} emoji in {groups} groups: names in English (npm package emojibase-data 17.0.0), "
                "pictures (npm packages emoji-datasource-google and -twitter 16.0.0), no skin tones, none joined of "
                "several",
        "rows": f"{len(rows.ids) - sizes.test} pairs to learn from, {sizes.test} to be looked for and scored",
        "anchors": ", ".join(map(str, sizes.numbers)), "draws": sizes.draws, "draws of auto": sizes.auto_draws,
        "decoder": "ridge",
    }  # fmt: skip


NOTES = (
    "The paper has no number for this (paper: –). The idea is ASIF's (Norelli et al. 2023), which keeps the largest "
    "similarities, here 100, and raises them to a power, here 8.",
    "Each looks among all pairs that are no anchors and that no decoder learned from; what comes first by chance is "
    "the first line of the table.",
    "The names of flags begin with the word flag, and most of their pictures are alike: groups are easier to know "
    "than single emoji.",
)
EXPERIMENT = Experiment("multimodal", "pictures and names through paired anchors", "section 3, no number", run)
