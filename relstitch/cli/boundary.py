"""The one place where errors become exit codes and words on standard error."""

import os
import signal
import sys
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any

import typer
from typer.core import TyperGroup

from relstitch.errors import EXIT_INTERNAL, EXIT_INTERRUPTED, EXIT_TERMINATED, EXIT_USAGE, RelstitchError


class _TerminatedError(BaseException):
    """SIGTERM arrived: unwinds like Ctrl-C, so that temporary files are removed."""


def _raise_terminated(_signal: int, _frame: FrameType | None) -> None:
    raise _TerminatedError


@contextmanager
def _sigterm_unwinds() -> Iterator[None]:
    try:
        previous = signal.signal(signal.SIGTERM, _raise_terminated)
    except ValueError:
        # Not the main thread (an embedding application or a test runner): signals are that program's own.
        yield
        return
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, previous)


def _complain(text: str) -> None:
    from relstitch.report.streams import complain

    complain(text)


def _os_error_text(error: OSError) -> str:
    reason = error.strerror or str(error)
    where = f"{error.filename}: " if error.filename else ""
    return f"{where}{reason[:1].lower()}{reason[1:]}. Check the path, its permissions and the free disk space."


def _silence_output() -> None:
    # Whoever read our output has gone. Without this, the interpreter complains when it flushes at exit.
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


class Boundary(TyperGroup):
    """The group of all verbs. Works the same from a shell and from a test runner."""

    def invoke(self, ctx: Any) -> Any:
        """Run a verb; turn what goes wrong into a message and an exit code."""
        debug = bool(ctx.params.get("debug"))
        try:
            with _sigterm_unwinds():
                result = super().invoke(ctx)
                sys.stdout.flush()
                return result
        except BrokenPipeError:
            _silence_output()
            raise typer.Exit(0) from None
        except (RelstitchError, OSError) as error:
            self._trace(debug)
            _complain(_os_error_text(error) if isinstance(error, OSError) else str(error))
            raise typer.Exit(getattr(error, "exit_code", EXIT_USAGE)) from None
        except KeyboardInterrupt:
            _complain("interrupted. No unfinished output was left behind.")
            raise typer.Exit(EXIT_INTERRUPTED) from None
        except _TerminatedError:
            _complain("terminated. No unfinished output was left behind.")
            raise typer.Exit(EXIT_TERMINATED) from None
        except (typer.Exit, typer.Abort):
            raise
        except Exception as error:
            if _is_usage(error):
                raise
            self._trace(debug)
            _complain(
                f"relstitch failed in a way it should not: {type(error).__name__}: {error}. "
                "Run it again as `relstitch --debug …` to see where, and report it."
            )
            raise typer.Exit(EXIT_INTERNAL) from None

    @staticmethod
    def _trace(debug: bool) -> None:
        if debug:
            sys.stderr.write(traceback.format_exc())


def _is_usage(error: Exception) -> bool:
    # Typer's own usage errors carry their exit code and print themselves. Its click is private since typer 0.26,
    # so they are known by what they can do and not by their class.
    return hasattr(error, "show") and hasattr(error, "exit_code")
