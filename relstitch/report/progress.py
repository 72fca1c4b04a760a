"""Progress of long work on standard error: rate and time left, and silence where nobody watches."""

import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from relstitch.report.streams import err

Advance = Callable[[int, int], None]
"""Called with the rows done so far and the rows in all."""


def watched() -> bool:
    """Whether somebody watches: standard error is a terminal and this is not a CI job."""
    return sys.stderr.isatty() and not os.environ.get("CI")


@contextmanager
def progress(label: str, unit: str = "rows") -> Iterator[Advance]:
    """Show a bar while the body runs; it vanishes when the body ends.

    Args:
        label: What is being done.
        unit: What is counted.

    Yields:
        A function to call with (done, total).
    """
    if not watched():
        yield lambda _done, _total: None
        return
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[rate]}", markup=False),
        TimeRemainingColumn(compact=True),
    )
    with Progress(*columns, console=err(), transient=True) as bar:
        task = bar.add_task(label, total=None, rate="")

        def advance(done: int, total: int) -> None:
            bar.update(task, completed=done, total=total)
            speed = bar.tasks[0].speed
            bar.update(task, rate="" if speed is None else f"{speed:.0f} {unit}/s")

        yield advance
