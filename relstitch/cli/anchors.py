"""``relstitch anchors``: which samples the spaces will be compared by."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import typer

from relstitch.cli import options as shared
from relstitch.cli.reading import distinct_names, open_encoders, open_sides, read_options
from relstitch.names import StrategyName

_PAIRED = ("parallel", "bootstrap", "unsupervised")


def anchors(
    sources: shared.Sources,
    output: Annotated[Path, typer.Option("--output", "-o", help="The anchors file (.json).", show_default=False)],
    k: Annotated[
        int | None,
        typer.Option("-k", min=1, help="How many anchors; default: 300; explicit, parallel: all that are listed."),
    ] = None,
    strategy: Annotated[StrategyName, typer.Option("--strategy", "-s", help="How they are chosen.")] = "uniform",
    seed: Annotated[int, typer.Option("--seed", min=0, help="Seed of the first draw; draw i uses seed + i.")] = 0,
    draws: Annotated[int, typer.Option("--draws", min=1, help="How many lists of anchors to make.")] = 1,
    splits: Annotated[
        list[str] | None, typer.Option("--splits", help="Split to pick from (repeatable); default: train.")
    ] = None,
    ids: Annotated[
        str | None, typer.Option("--ids", help="File of ids, one per line, for --strategy explicit.")
    ] = None,
    pairs: Annotated[
        str | None,
        typer.Option("--pairs", help="Table of paired ids, one column per domain, for parallel and bootstrap."),
    ] = None,
    min_confidence: Annotated[
        float | None,
        typer.Option(
            help="Refuse what bootstrap or unsupervised matched with less confidence than this; default: .5.",
            min=0,
            max=1,
        ),
    ] = None,
    text: shared.Text = None,
    image: shared.Image = None,
    label: shared.Label = None,
    label_separator: shared.LabelSeparator = None,
    id_: shared.Id = None,
    split: shared.Split = None,
    count: shared.Count = None,
    format_: shared.Format = None,
    encoding: shared.Encoding = "utf-8",
    delimiter: shared.Delimiter = None,
    header: shared.Header = True,
    quotes: shared.Quotes = True,
    limit: shared.Limit = None,
    on_empty: shared.OnEmptyChoice = "error",
    on_bad: shared.OnBadChoice = "error",
    allow_outside: shared.AllowOutside = False,
    force: shared.Force = False,
    json: shared.Json = False,
) -> None:
    """Pick anchors: the samples by which encoders are compared.

    Several embeddings files: anchors for all their encoders at once, among the rows that they share.
    With --strategy parallel, give one source per domain, in the order of the columns of --pairs.
    Two embeddings files without common ids: bootstrap grows pairs from a few known ones, unsupervised needs none.
    """
    from relstitch import storage
    from relstitch.anchors import PickOptions, pick_anchors
    from relstitch.dataset.listing import read_ids
    from relstitch.encoding.sources import source_files

    read = read_options(locals())
    inputs = [*source_files(sources), *(file for file in (ids, pairs) if file is not None)]
    storage.check_output(output, suffix=".json", force=force, inputs=inputs)
    _check_strategy(strategy, ids, pairs, min_confidence)
    if strategy in _PAIRED:
        sides, picked = _paired(locals())
    else:
        listed = () if ids is None else read_ids(ids, encoding=encoding)
        sides = open_encoders(sources, read) or {"main": open_sides(sources, None, read)["main"]}
        choice = PickOptions(splits=tuple(splits) if splits else None, ids=listed)
        picked = pick_anchors(sides.get("main", sides), k, strategy=strategy, seed=seed, draws=draws, options=choice)
    storage.save(picked, output, force=force, inputs=inputs)
    _report(picked, sides, output, json=json)


def _check_strategy(strategy: str, ids: str | None, pairs: str | None, min_confidence: float | None) -> None:
    from relstitch.errors import UsageError

    if ids is not None and strategy in _PAIRED:
        raise UsageError(f"--ids FILE goes with --strategy explicit; the strategy asked for is {strategy!r}.")
    if (pairs is not None) != (strategy in ("parallel", "bootstrap")):
        raise UsageError(
            "--pairs TABLE goes with --strategy parallel or bootstrap, which need it; only one of the two was given."
        )
    if min_confidence is not None and strategy not in ("bootstrap", "unsupervised"):
        raise UsageError("--min-confidence goes with --strategy bootstrap or unsupervised, which match rows.")


def _paired(given: Mapping[str, Any]) -> tuple[dict[str, Any], Any]:
    """The sides and the anchors of the strategies whose anchors have two sides (or more)."""
    from relstitch.anchors import (
        MIN_CONFIDENCE,
        MatchOptions,
        bootstrap_anchors,
        pair_anchors,
        unsupervised_anchors,
    )
    from relstitch.dataset.listing import read_pairs

    sources, splits = given["sources"], tuple(given["splits"]) if given["splits"] else None
    names: Sequence[str] = distinct_names([Path(source) for source in sources])
    if given["pairs"] is not None:
        names, table = read_pairs(given["pairs"], encoding=given["encoding"])
    sides = open_sides(sources, names, given["read"])
    drawn = {name: given[name] for name in ("k", "seed", "draws")}
    if given["strategy"] == "parallel":
        return sides, pair_anchors(sides, table, **drawn, splits=splits)
    least = given["min_confidence"]
    options = MatchOptions(**drawn, splits=splits, min_confidence=MIN_CONFIDENCE if least is None else least)
    if given["strategy"] == "bootstrap":
        return sides, bootstrap_anchors(sides, table, options)
    return sides, unsupervised_anchors(sides, options)


def _report(picked: Any, sides: dict[str, Any], output: Path, *, json: bool) -> None:
    from relstitch.anchors import MIN_CONFIDENCE, anchor_health
    from relstitch.report import show_facts, show_json, tell, warn

    parallel = len(picked.sides) > 1
    health = {name: anchor_health(picked, one, side=name if parallel else None) for name, one in sides.items()}
    confidence = picked.options.get("confidence")
    if confidence is not None and confidence < MIN_CONFIDENCE:
        warn(f"The rows were matched with confidence {confidence:.2f}: many of these pairs are probably wrong.")
    if json:
        values = {"output": str(output), "strategy": picked.strategy, "k": picked.k, "draws": picked.n_draws}
        show_json({**values, "options": dict(picked.options), "health": {n: asdict(h) for n, h in health.items()}})
        return
    for name, found in health.items():
        facts = asdict(found)
        del facts["warnings"]
        if name != "main":  # in a pipe only the names of the facts say which side they are of
            facts = {f"{name} {fact}": value for fact, value in facts.items()}
        show_facts("Anchors" if name == "main" else f"Anchors of {name}", facts)
        for words in found.warnings:
            warn(words if name == "main" else f"{name}: {words}")
    tell(f"Wrote {output}: {picked.n_draws} × {picked.k} anchors, {picked.strategy}, seed {picked.seed}.")
    if confidence is not None:
        tell(f"Rows matched with confidence {confidence:.2f} (0 to 1, higher is better).")
