"""The command line: one short function a verb, one boundary where errors become exit codes."""

from typing import Annotated

import typer

from relstitch.cli.advise import advise
from relstitch.cli.anchors import anchors
from relstitch.cli.boundary import Boundary
from relstitch.cli.compare import compare
from relstitch.cli.demo import demo
from relstitch.cli.encode import encode
from relstitch.cli.inspect import inspect
from relstitch.cli.merge import merge
from relstitch.cli.predict import predict
from relstitch.cli.reproduce import reproduce
from relstitch.cli.stitch import stitch
from relstitch.cli.translate import translate

app = typer.Typer(
    name="relstitch",
    cls=Boundary,
    help="Make frozen encoders interchangeable: encode data, pick anchors, stitch one model's relative space to "
    "another's decoder, read the zero-shot accuracy.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    pretty_exceptions_show_locals=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _version(asked: bool) -> None:
    if asked:
        from relstitch import __version__

        typer.echo(f"relstitch {__version__}")
        raise typer.Exit


@app.callback()
def relstitch(
    debug: Annotated[bool, typer.Option("--debug", help="Show the traceback of an error.")] = False,
    version: Annotated[
        bool, typer.Option("--version", help="Show the version and leave.", callback=_version, is_eager=True)
    ] = False,
) -> None:
    """Make frozen encoders interchangeable."""


app.command()(encode)
app.command()(merge)
app.command()(anchors)
app.command()(stitch)
app.add_typer(translate, name="translate")
app.command()(advise)
app.command()(compare)
app.command()(predict)
app.command()(inspect)
app.command()(demo)
app.command()(reproduce)


def main() -> None:
    """Run the command line; the console script and ``python -m relstitch`` call this."""
    app()
