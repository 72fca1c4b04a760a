"""Picking anchors: one or more draws, each a list of distinct training samples."""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from relstitch.anchors.candidates import (
    Candidates,
    Index,
    Source,
    all_candidates,
    check_numbers,
    content_keys,
    first_of_each,
    first_source,
    listed,
    nonzero,
    rows_of,
    training_splits,
    vector_keys,
)
from relstitch.anchors.strategies import STRATEGIES, Strategy
from relstitch.artifacts import AnchorList, Anchors, AnchorSide, Embeddings, Rows
from relstitch.errors import MismatchError, UsageError, counted, some
from relstitch.meeting import locate
from relstitch.names import StrategyName

DEFAULT_K = 300


@dataclass(frozen=True)
class PickOptions:
    """What else decides a choice of anchors.

    Attributes:
        splits: The splits to pick from; None: ``train`` where there is one, else the only split.
        ids: The anchors themselves, in order, for the strategy ``explicit``.
    """

    splits: tuple[str, ...] | None = None
    ids: tuple[str, ...] = ()


_PLAIN = PickOptions()


def pick_anchors(
    source: Source,
    k: int | None = None,
    *,
    strategy: StrategyName = "uniform",
    seed: int = 0,
    draws: int = 1,
    options: PickOptions = _PLAIN,
) -> Anchors:
    """Choose anchors: training samples by which spaces will be compared.

    A candidate is a row of the training splits whose content stands in no other split; content and vectors that
    repeat count once, zero vectors not at all. What was left out is counted in the result's ``options``.

    Args:
        source: A dataset's rows; embeddings (``farthest``, ``kmeans`` and ``d-optimal`` choose by vectors); or the
            embeddings of several encoders by name. Then the anchors are rows that may be anchors in each of them,
            and strategies see all their spaces, side by side.
        k: How many; None: 300, or for ``explicit`` all the ids given.
        strategy: ``uniform``, ``stratified``, ``farthest``, ``kmeans``, ``d-optimal``, ``frequent`` or
            ``explicit``; for ``parallel`` see `pair_anchors`, for ``bootstrap`` `bootstrap_anchors`, for
            ``unsupervised`` `unsupervised_anchors`.
        seed: Of the first draw; draw i is made with seed + i.
        draws: How many lists to make. Each beginning of a list is what a smaller k would have given (with
            ``kmeans``: the samples of the largest clusters).
        options: Splits to pick from; ids for ``explicit``.

    Returns:
        Anchors with one side, ``main``.

    Raises:
        UsageError: Options that contradict each other, or fewer candidates than k.
        MismatchError: Several encoders that share no rows.

    Source: Moschella et al. 2023 (arXiv 2209.15430), section 3 and appendix A.2.

    Example:
        >>> anchors = pick_anchors(Rows.build("abcd", splits=["train", "train", "test", "test"]), 2)
        >>> sorted(anchors.side().draws[0].ids)
        ['a', 'b']
    """
    check_numbers(k, seed, draws)
    if strategy == "explicit":
        _check_repeatable(strategy, draws)
        return _given(source, k, options)
    chosen = STRATEGIES.get(strategy)
    if chosen is None:
        raise UsageError(_unknown_strategy(strategy))
    if not chosen.random:
        _check_repeatable(strategy, draws)
    if options.ids:
        raise UsageError(f"Ids of anchors go with the strategy 'explicit'; the strategy asked for is {strategy!r}.")
    candidates = all_candidates(source, splits=options.splits, labelled=chosen.by_class)
    lists = _draw(chosen, candidates, DEFAULT_K if k is None else k, range(seed, seed + draws))
    noted = _noted(candidates, source, chosen.by_vector)
    return Anchors(strategy, seed, (AnchorSide("main", rows_of(first_source(source)).fingerprint, lists),), noted)


def more_draws(anchors: Anchors, source: Source, draws: int) -> Anchors:
    """Repeat the strategy of an anchors file until it has as many draws as asked for.

    Args:
        anchors: From `pick_anchors`; its draws are kept, further ones continue its seed.
        source: What they were picked from (for ``farthest`` and ``kmeans`` with the vectors of the same encoder).
        draws: How many draws there should be in all.

    Returns:
        The anchors with `draws` draws; as they are if they have that many.

    Raises:
        UsageError: The strategy has nothing to draw, or the source has too few candidates.
        MismatchError: The anchors are not in the source, or were chosen by another encoder's vectors.

    Example:
        >>> rows = Rows.build("abcdef", splits="train")
        >>> more_draws(pick_anchors(rows, 2), rows, 3).n_draws
        3
    """
    if draws <= anchors.n_draws:
        return anchors
    if anchors.strategy == "parallel":
        raise UsageError(
            "Parallel anchors are drawn from a table of pairs, which is not in the anchors file: it has "
            f"{counted(anchors.n_draws, 'draw')} and {draws} were asked for. Pick them again with --draws {draws}."
        )
    if anchors.strategy in ("bootstrap", "unsupervised"):
        raise UsageError(
            f"Anchors of the strategy {anchors.strategy!r} are drawn when rows are matched: this file has "
            f"{counted(anchors.n_draws, 'draw')} and {draws} were asked for. Match them again with --draws {draws}."
        )
    strategy = STRATEGIES.get(anchors.strategy)
    if strategy is None or not strategy.random:
        _check_repeatable(anchors.strategy, draws)
        raise UsageError(_unknown_strategy(anchors.strategy))
    side = anchors.side()
    locate(side.draws[0], rows_of(first_source(source)), name="the source of further draws")
    _check_encoder(anchors, source)
    splits = anchors.options.get("splits")
    candidates = all_candidates(source, splits=tuple(splits) if splits else None, labelled=strategy.by_class)
    seeds = range(anchors.seed + anchors.n_draws, anchors.seed + draws)
    lists = side.draws + _draw(strategy, candidates, len(side.draws[0]), seeds)
    return replace(anchors, sides=(replace(side, draws=lists),))


def _unknown_strategy(strategy: str) -> str:
    listed = ", ".join([*STRATEGIES, "explicit"])
    return f"Anchors cannot be picked by the strategy {strategy!r}. Choose one of: {listed}; pairs are 'parallel'."


def _check_repeatable(strategy: str, draws: int) -> None:
    if draws > 1 and (strategy == "explicit" or strategy in STRATEGIES):
        raise UsageError(
            f"The strategy {strategy!r} gives the same anchors every time, and {draws} draws were asked for. "
            "Take one draw, or choose a strategy with chance in it (uniform, stratified, farthest, kmeans)."
        )


def _check_encoder(anchors: Anchors, source: Source) -> None:
    one = anchors.options.get("encoder")
    used, given = anchors.options.get("encoders", [one] if one else []), _encoders(source)
    if used and given and [encoder["identity"] for encoder in used] != [encoder["identity"] for encoder in given]:
        raise MismatchError(
            f"These anchors were chosen by the vectors of {some(encoder['spec'] for encoder in used)}, and further "
            f"draws were asked of those of {some(encoder['spec'] for encoder in given)}. "
            "Draw from the embeddings they were picked from, or pick anew with more --draws."
        )


def _draw(strategy: Strategy, candidates: Candidates, k: int, seeds: Iterable[int]) -> tuple[AnchorList, ...]:
    available = len(candidates.at)
    if k > available:
        left_out = ", ".join(f"{count} {reason.replace('_', ' ')}" for reason, count in candidates.excluded.items())
        way_out = f"Choose a k of at most {available}." if available else "Pick from other splits with --splits."
        raise UsageError(
            f"{counted(k, 'anchor was', 'anchors were')} asked for, of {counted(available, 'distinct candidate')} in "
            f"the splits {some(candidates.splits)} (left out: {left_out or 'none'}). {way_out}"
        )
    return tuple(listed(candidates.rows, strategy.choose(candidates, k, seed)) for seed in seeds)


def _encoders(source: Source) -> list[dict[str, str]]:
    several = source.values() if isinstance(source, Mapping) else (source,)
    stamps = [one.encoder for one in several if isinstance(one, Embeddings)]
    return [{"spec": stamp.spec, "identity": stamp.identity} for stamp in stamps]


def _noted(candidates: Candidates, source: Source, by_vector: bool) -> dict[str, Any]:
    noted: dict[str, Any] = {
        "splits": list(candidates.splits),
        "candidates": len(candidates.at),
        "excluded": dict(candidates.excluded),
    }
    encoders = _encoders(source) if by_vector else []
    if isinstance(source, Mapping) and encoders:
        noted["encoders"] = encoders
    elif encoders:
        noted["encoder"] = encoders[0]
    return noted


def _given(source: Source, k: int | None, options: PickOptions) -> Anchors:
    if isinstance(source, Mapping):
        first_source(source)  # refuses none at all
        found = [_given(one, k, options) for one in source.values()]  # every encoder must allow them
        return found[0]
    rows, ids = rows_of(source), options.ids
    if not ids:
        raise UsageError("The strategy 'explicit' needs the ids of the anchors; none were given.")
    repeated = [name for name, times in Counter(ids).items() if times > 1]
    if repeated:
        raise UsageError(
            f"{counted(len(repeated), 'anchor is', 'anchors are')} named more than once: {some(repeated)}. Name each "
            "once."
        )
    unknown = [name for name in ids if name not in rows.position]
    if unknown:
        raise UsageError(
            f"{len(unknown)} of the {len(ids)} ids named as anchors {'is' if len(unknown) == 1 else 'are'} not in "
            f"the source: {some(unknown)}. Its ids look like: {some(rows.ids, 3)}."
        )
    if k is not None and k > len(ids):
        raise UsageError(
            f"{counted(k, 'anchor was', 'anchors were')} asked for, and {counted(len(ids), 'id was', 'ids were')} "
            f"given. Give {k}, or a smaller k."
        )
    at = np.array([rows.position[name] for name in ids[:k]], dtype=np.intp)
    splits = training_splits(rows, options.splits)
    _check_given(source, at, splits)
    side = AnchorSide("main", rows.fingerprint, (listed(rows, at),))
    return Anchors("explicit", 0, (side,), {"splits": list(splits)})


def _check_given(source: Embeddings | Rows, at: Index, splits: tuple[str, ...]) -> None:
    """Refuse named anchors that no strategy would have picked."""
    rows = rows_of(source)
    inside = rows.in_splits(*splits)
    if not inside[at].all():
        outside = rows.ids[at[~inside[at]]]
        raise UsageError(
            f"{len(outside)} of the ids named as anchors {'is' if len(outside) == 1 else 'are'} not in the splits "
            f"{some(splits)}: {some(outside)}. Anchors come from training rows: name others, or allow their split "
            "with --splits."
        )
    keys = content_keys(source)
    elsewhere = set(keys[~inside].tolist())
    tested = [rows.ids[row] for row in at if keys[row] in elsewhere]
    if tested:
        raise UsageError(
            f"The content of {counted(len(tested), 'id')} named as anchors also stands in another split than "
            f"{some(splits)}: {some(tested)}. No row may be an anchor and a test row at once: name others."
        )
    distinct = first_of_each(keys[at])
    if isinstance(source, Embeddings):
        zero = rows.ids[at[~nonzero(source.vectors[at])]]
        if len(zero):
            raise UsageError(
                f"{len(zero)} of the ids named as anchors {'has' if len(zero) == 1 else 'have'} the zero vector: "
                f"{some(zero)}. Leave them out."
            )
        distinct &= first_of_each(vector_keys(source.vectors[at]))
    if not distinct.all():
        raise UsageError(
            f"{len(at)} ids were named as anchors, and {int(distinct.sum())} of them are distinct: the content or "
            f"vector of {some(rows.ids[at[~distinct]])} repeats an earlier one. Name each content once."
        )
