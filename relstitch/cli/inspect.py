"""``relstitch inspect``: what a file is."""

from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from relstitch.cli.options import Json


def inspect(
    file: Annotated[
        Path,
        typer.Argument(help="An embeddings, relative, decoder, anchors, translator or hub file.", show_default=False),
    ],
    json: Json = False,
) -> None:
    """Say what a file is, in words or as JSON; it is checked whole."""
    from relstitch import storage
    from relstitch.errors import ArtifactError
    from relstitch.report import show_facts, show_json

    found = storage.inspect(file)
    if json:
        show_json(asdict(found))
    else:
        show_facts(str(file), {"kind": found.kind, "format": found.format, **found.facts})
    if found.problems:
        raise ArtifactError(f"{file} can be read, but something in it is wrong: {'; '.join(found.problems)}")
