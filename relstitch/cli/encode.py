"""``relstitch encode``: data and a model to an embeddings file, or with anchors to a relative file."""

from collections.abc import Mapping
from dataclasses import asdict
from datetime import timedelta
from pathlib import Path
from typing import Annotated, Any

import typer

from relstitch.cli import options as shared
from relstitch.cli.reading import encoder_options, read_options
from relstitch.names import MAX_PIXELS


def encode(
    sources: shared.Sources,
    output: Annotated[
        Path, typer.Option("--output", "-o", help="The file to write (.safetensors).", show_default=False)
    ],
    model: shared.Model = None,
    anchors: Annotated[
        Path | None,
        typer.Option("--anchors", "-a", help="Anchors file: write a relative file.", rich_help_panel="Anchors"),
    ] = None,
    anchors_from: Annotated[
        list[str] | None,
        typer.Option(
            "--anchors-from",
            help="Where the anchors' items are, if not in SOURCE: a source or an embeddings file (repeatable).",
            rich_help_panel="Anchors",
        ),
    ] = None,
    side: Annotated[
        str | None, typer.Option("--side", help="Which side of parallel anchors.", rich_help_panel="Anchors")
    ] = None,
    draw: Annotated[
        int, typer.Option("--draw", min=0, help="Which draw of the anchors.", rich_help_panel="Anchors")
    ] = 0,
    projection: Annotated[
        str,
        typer.Option("--projection", "-p", help=shared.PROJECTION_HELP, rich_help_panel="Anchors"),
    ] = "cosine",
    center: Annotated[
        bool,
        typer.Option(
            "--center/--no-center",
            help="Take the anchors' mean off first (the paper does not).",
            rich_help_panel="Anchors",
        ),
    ] = True,
    text: shared.Text = None,
    image: shared.Image = None,
    label: shared.Label = None,
    label_separator: shared.LabelSeparator = None,
    target: shared.Target = None,
    id_: shared.Id = None,
    split: shared.Split = None,
    count: shared.Count = None,
    format_: shared.Format = None,
    encoding: shared.Encoding = "utf-8",
    delimiter: shared.Delimiter = None,
    header: shared.Header = True,
    quotes: shared.Quotes = True,
    limit: shared.Limit = None,
    shard: Annotated[
        str | None,
        typer.Option(
            "--shard",
            help="Only part i of n of the rows, as i/n; relstitch merge joins the files.",
            rich_help_panel="How the source is read",
        ),
    ] = None,
    on_empty: shared.OnEmptyChoice = "error",
    on_bad: shared.OnBadChoice = "error",
    allow_outside: shared.AllowOutside = False,
    max_pixels: shared.MaxPixels = MAX_PIXELS,
    batch_size: shared.Batch = 32,
    device: shared.Device = None,
    dtype: shared.Dtype = None,
    prompt: shared.Prompt = None,
    max_length: shared.MaxLength = None,
    checkpoint: shared.Checkpoint = None,
    by_order: shared.ByOrder = False,
    trust_remote_code: shared.TrustRemoteCode = False,
    fail_on_truncation: shared.FailOnTruncation = False,
    dry_run: Annotated[
        bool,
        typer.Option("--dry-run", help="Say what would be read, encoded and written, and the time and disk needed."),
    ] = False,
    resume: Annotated[
        bool,
        typer.Option(
            "--resume/--no-resume", help="Take over what a stopped run has finished for this output, or start over."
        ),
    ] = True,
    force: shared.Force = False,
    json: shared.Json = False,
) -> None:
    """Encode data with a frozen model: an embeddings file, or with --anchors a relative file."""
    from relstitch.artifacts import Shard
    from relstitch.encoding import EmbedOptions, EncodeOptions, plan_encoding
    from relstitch.encoding import encode as run
    from relstitch.relative import parse_projection
    from relstitch.report import progress, show_facts, show_json, tell

    given, made = locals(), None
    columns: dict[str, Any] = {}
    with progress("Encoding") as advance:
        options = EncodeOptions(
            shard=None if shard is None else Shard.parse(shard),
            read=read_options(given),
            encoder=encoder_options(given),
            embed=EmbedOptions(batch_size=batch_size, on_bad=on_bad, max_pixels=max_pixels,
                               fail_on_truncation=fail_on_truncation, progress=advance, note=tell),
            projection=parse_projection(projection, center),
            side=side, draw=draw, output=output, force=force, resume=resume,
            opened=lambda source: columns.update(getattr(source, "columns", {})),
        )  # fmt: skip
        if dry_run:
            plan = plan_encoding(sources, model, anchors=anchors, anchors_from=anchors_from, options=options)
            facts = {**asdict(plan), "fits": plan.fits} if json else _planned(plan)
        else:
            made = run(sources, model, anchors=anchors, anchors_from=anchors_from, options=options)
            facts = {**written_facts(made, output), "columns": columns if json else _read(columns)}
    if json:
        show_json(facts)
    else:
        # In words, what did not happen is not worth a line; in JSON every count is there.
        happened = (
            {name: value for name, value in facts.items() if value or name not in (*made.counts, "columns")}
            if made
            else facts
        )
        show_facts("Would do" if dry_run else f"Wrote {output}", happened)


def _read(columns: Mapping[str, Any]) -> dict[str, Any]:
    """The roles that a column was read for."""
    return {role: column for role, column in columns.items() if column is not None}


def _planned(plan: Any) -> dict[str, Any]:
    """A plan in words: sizes and times as people say them."""
    facts = {name: value for name, value in asdict(plan).items() if not name.startswith(("bytes_", "seconds"))}
    facts["columns"] = _read(plan.columns)
    facts = {name: value for name, value in facts.items() if value or name not in ("columns", "shard")}
    for name in ("bytes_written", "bytes_scratch", "bytes_free"):
        facts[f"disk_{name.removeprefix('bytes_')}"] = f"{getattr(plan, name) / 1e6:,.1f} MB"
    facts["time"] = "none" if plan.seconds is None else f"about {timedelta(seconds=max(1, round(plan.seconds)))}"
    facts["enough_room"] = plan.fits
    return facts


def written_facts(made: Any, output: Path) -> dict[str, Any]:
    """What a user wants to see of a file that was just written."""
    from relstitch.artifacts import Relative

    rows = made.rows
    facts: dict[str, Any] = {
        "output": str(output),
        "kind": "relative" if isinstance(made, Relative) else "embeddings",
    }
    facts["rows"] = {name: int(rows.in_splits(name).sum()) for name in rows.split_names}
    if rows.targets is not None and rows.targets.kind == "class":
        facts["classes"] = len(rows.targets.names)
    if isinstance(made, Relative):
        facts |= {"anchors": len(made.anchors.anchors), "projection": str(made.projection)}
    facts |= {"dimension": made.encoder.dimension, "encoder": made.encoder.spec, **made.counts}
    if rows.portion is not None:
        facts["shard"] = str(rows.portion)
    facts["skipped"] = len(made.skipped)
    if made.skipped:
        facts["skipped_rows"] = [f"{row.id}: {row.reason}" for row in made.skipped[:10]]
    return facts
