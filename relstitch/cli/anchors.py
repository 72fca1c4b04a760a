"""``relstitch anchors``: which samples the spaces will be compared by."""

from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import typer

from relstitch.cli import options as shared
from relstitch.cli.reading import open_encoders, open_sides, read_options
from relstitch.names import StrategyName


def anchors(
    sources: shared.Sources,
    output: Annotated[Path, typer.Option("--output", "-o", help="The anchors file (.json).", show_default=False)],
    k: Annotated[
        int | None, typer.Option("-k", min=1, help="How many anchors; default: 300, or all that are listed.")
    ] = None,
    strategy: Annotated[StrategyName, typer.Option("--strategy", "-s", help="How they are chosen.")] = "uniform",
    seed: Annotated[int, typer.Option("--seed", min=0, help="Seed of the first draw; draw i uses seed + i.")] = 0,
    draws: Annotated[int, typer.Option("--draws", min=1, help="How many lists to make.")] = 1,
    splits: Annotated[
        list[str] | None, typer.Option("--splits", help="Split to pick from (repeatable); default: train.")
    ] = None,
    ids: Annotated[
        str | None, typer.Option("--ids", help="File of ids, one a line, for --strategy explicit.")
    ] = None,
    pairs: Annotated[
        str | None,
        typer.Option("--pairs", help="Table of paired ids, one column a domain, for --strategy parallel."),
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
    """Pick anchors: the samples that every encoder will be compared by.

    Several embeddings files: anchors for all their encoders at once, among the rows that they share.
    With --strategy parallel, give one source a domain, in the order of the columns of --pairs.
    """
    from relstitch import storage
    from relstitch.anchors import PickOptions, pair_anchors, pick_anchors
    from relstitch.dataset.listing import read_ids, read_pairs
    from relstitch.encoding.sources import source_files
    from relstitch.errors import UsageError

    read = read_options(locals())
    inputs = [*source_files(sources), *(file for file in (ids, pairs) if file is not None)]
    storage.check_output(output, suffix=".json", force=force, inputs=inputs)
    if (pairs is not None) != (strategy == "parallel"):
        raise UsageError("--pairs TABLE and --strategy parallel go together; only one of them was given.")
    if pairs is not None:
        names, table = read_pairs(pairs, encoding=encoding)
        sides = open_sides(sources, names, read)
        picked = pair_anchors(sides, table, k=k, seed=seed, draws=draws, splits=tuple(splits) if splits else None)
    else:
        listed = () if ids is None else read_ids(ids, encoding=encoding)
        sides = open_encoders(sources, read) or {"main": open_sides(sources, None, read)["main"]}
        choice = PickOptions(splits=tuple(splits) if splits else None, ids=listed)
        picked = pick_anchors(sides.get("main", sides), k, strategy=strategy, seed=seed, draws=draws, options=choice)
    storage.save(picked, output, force=force, inputs=inputs)
    _report(picked, sides, output, json=json)


def _report(picked: Any, sides: dict[str, Any], output: Path, *, json: bool) -> None:
    from relstitch.anchors import anchor_health
    from relstitch.report import show_facts, show_json, tell, warn

    parallel = len(picked.sides) > 1
    health = {name: anchor_health(picked, one, side=name if parallel else None) for name, one in sides.items()}
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
