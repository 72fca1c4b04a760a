"""``relstitch inspect``: what a file is."""

from pathlib import Path
from typing import Annotated

import typer

from relstitch.cli.options import Json


def inspect(
    file: Annotated[
        Path, typer.Argument(help="An embeddings, relative, decoder or anchors file.", show_default=False)
    ],
    json: Json = False,
) -> None:
    """Say what a file is, in words or as JSON; it is checked whole."""
    from relstitch import storage
    from relstitch.report import show_facts, show_json

    found = storage.inspect(file)
    if json:
        show_json(found.to_json())
    else:
        show_facts(
            f"{file}: {found.kind}, format {found.format}",
            {"kind": found.kind, "format": found.format, **found.facts},
        )
