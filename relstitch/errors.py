"""The errors a user can meet, and the exit code that each one means.

Every message says what was found, what was expected, where (file, line or id), and what to do.
"""

from collections.abc import Iterable

EXIT_DONE = 0
EXIT_GATE = 1
EXIT_USAGE = 2
EXIT_INTERNAL = 3
EXIT_INTERRUPTED = 130
EXIT_TERMINATED = 143


class RelstitchError(Exception):
    """Something the user can put right. The command line prints it in one piece and leaves with code 2."""

    exit_code = EXIT_USAGE


class UsageError(RelstitchError):
    """Options or arguments that contradict each other or name something that does not exist."""


class DatasetError(RelstitchError):
    """A source that cannot be read as it was described."""


class EncoderError(RelstitchError):
    """A model that cannot be loaded, or that gave something other than finite vectors."""


class ArtifactError(RelstitchError):
    """A relstitch file that is damaged, of another kind than expected, or of a newer format."""


class MismatchError(RelstitchError):
    """Two things that should belong together and do not: datasets, anchors, projections, widths, classes."""


class GateError(RelstitchError):
    """A result that is below the gate the user set (``--min-accuracy``, ``--min-retention``)."""

    exit_code = EXIT_GATE


def some(values: Iterable[object], limit: int = 5) -> str:
    """Name the first few values of a list in a message, and how many more there are.

    Args:
        values: What to name, in the order it should be shown.
        limit: How many to show.

    Returns:
        The values joined by commas; past ``limit`` of them, ``… and N more``.

    Example:
        >>> some(["a", "b", "c"], limit=2)
        'a, b … and 1 more'
    """
    shown = [str(value) for value in values]
    text = ", ".join(shown[:limit])
    return text if len(shown) <= limit else f"{text} … and {len(shown) - limit} more"


def counted(number: int, one: str, many: str | None = None) -> str:
    """A number with its noun, for sentences that must read well of one thing and of many.

    Args:
        number: How many.
        one: The noun (and what else changes with it) for a single one.
        many: The same for any other number; None: ``one`` with an s.

    Example:
        >>> counted(1, "row"), counted(3, "row"), counted(0, "class", "classes")
        ('1 row', '3 rows', '0 classes')
    """
    return f"{number} {one if number == 1 else many or one + 's'}"


def left_out_words(name: str, number: int) -> str:
    """What is said of rows that only one file has.

    Example:
        >>> left_out_words("a.safetensors", 1)
        '1 row of a.safetensors is not in all files and was left out.'
    """
    return counted(
        number,
        f"row of {name} is not in all files and was left out.",
        f"rows of {name} are not in all files and were left out.",
    )


def summary(error: BaseException) -> str:
    """What somebody else's error says, in one line that is not too long for a message."""
    text = " ".join(str(error).split()) or type(error).__name__
    return text if len(text) <= 300 else f"{text[:300]} …"
