"""Where words go: results to standard output, notes, warnings and errors to standard error."""

import json
import sys
from typing import Any

from rich.console import Console
from rich.text import Text


def on_terminal() -> bool:
    """Whether standard output is a terminal, so that a table is for eyes and not for a pipe."""
    return sys.stdout.isatty()


def out() -> Console:
    """A console on standard output. Made anew each time, since tests and pipes replace the stream."""
    return Console(file=sys.stdout, highlight=False, markup=False)


def err() -> Console:
    """A console on standard error that never wraps: logs keep one message a line."""
    return Console(file=sys.stderr, highlight=False, markup=False, soft_wrap=True)


def tell(text: str) -> None:
    """Say something that is neither a result nor a warning."""
    err().print(Text(text))


def warn(text: str) -> None:
    """Warn: the work went on, but the user should know."""
    err().print(Text.assemble(("Warning: ", "yellow"), text))


def complain(text: str) -> None:
    """Say what went wrong."""
    err().print(Text.assemble(("Error: ", "bold red"), text))


def show_json(value: Any) -> None:
    """Print one JSON object and nothing else; NaN has no place in it."""
    sys.stdout.write(json.dumps(value, ensure_ascii=False, allow_nan=False, indent=2) + "\n")
