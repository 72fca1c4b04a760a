"""``relstitch merge``: shards, or files of one encoder, to one file."""

from pathlib import Path
from typing import Annotated

import typer

from relstitch.cli import options as shared
from relstitch.cli.encode import written_facts


def merge(
    files: Annotated[
        list[Path],
        typer.Argument(
            help="Embeddings files, or relative files, of one encoder: shards of a whole in any order, or different "
            "rows.",
            show_default=False,
        ),
    ],
    output: Annotated[
        Path, typer.Option("--output", "-o", help="The file to write (.safetensors).", show_default=False)
    ],
    partial: Annotated[
        bool, typer.Option("--partial", help="Write what is there although shards are missing.")
    ] = False,
    force: shared.Force = False,
    json: shared.Json = False,
) -> None:
    """Join shards (encode --shard i/n) to the whole, or files of different rows to one.

    Every row must be there once; what is missing or stands twice is named.
    """
    from relstitch.merging import MergeOptions
    from relstitch.merging import merge as run
    from relstitch.report import progress, show_facts, show_json, tell

    with progress("Joining") as advance:
        options = MergeOptions(partial=partial, output=output, force=force, progress=advance, note=tell)
        made = run(files, options)
    facts = written_facts(made, output)
    if json:
        show_json(facts)
    else:
        show_facts(
            f"Wrote {output}", {name: value for name, value in facts.items() if value or name not in made.counts}
        )
