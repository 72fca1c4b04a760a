"""Code of the user's own: found in the working directory too, its prints on stderr, its failures in one line."""

import importlib
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, redirect_stdout
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from relstitch.errors import RelstitchError, summary

PREFIX = "python:"


def _nothing(_error: BaseException) -> bool:
    return False


@contextmanager
def running(
    text: str, what: str, error: type[RelstitchError], *, spare: Callable[[BaseException], bool] = _nothing
) -> Iterator[None]:
    """Run the user's code: the working directory importable, its prints on stderr, its failures told in one line.

    Args:
        text: What the user wrote to name it, for the message.
        what: What is being run of it.
        error: What a failure is an error of.
        spare: Which failures go on as they are.

    Raises:
        RelstitchError: Of the kind `error`: it failed.
    """
    here = str(Path.cwd())
    sys.path.insert(0, here)
    try:
        # Standard output is for results only, which may be read by another program.
        with redirect_stdout(sys.stderr):
            yield
    except (Exception, SystemExit) as failure:
        if spare(failure):
            raise
        raise error(f"{text}: {what} failed with {type(failure).__name__}: {summary(failure)}") from failure
    finally:
        sys.path.remove(here)


def made_by(
    text: str, error: type[RelstitchError], *, spare: Callable[[BaseException], bool] = _nothing
) -> tuple[ModuleType, str, Any]:
    """Import a module of the user's and call its factory.

    Args:
        text: ``python:MODULE:FACTORY``.
        error: What a failure is an error of.
        spare: Which failures go on as they are.

    Returns:
        The module, the name of the factory, and what it made.

    Raises:
        RelstitchError: Of the kind `error`: it does not import, has no such factory, or fails.
    """
    module_name, _, factory_name = text.removeprefix(PREFIX).partition(":")
    with running(text, "importing it", error, spare=spare):
        module = importlib.import_module(module_name)
    factory: Any = module
    for part in factory_name.split("."):
        if not hasattr(factory, part):
            raise error(f"{text}: the module {module_name} has no {factory_name}.")
        factory = getattr(factory, part)
    if not callable(factory):
        raise error(f"{text}: {factory_name} is of type {type(factory).__name__} and can't be called.")
    with running(text, f"{factory_name}()", error, spare=spare):
        made = factory()
    return module, factory_name, made


def plain_array(given: Any) -> NDArray[Any]:
    """What the user's code gave as a NumPy array of the same kind of numbers.

    Args:
        given: A torch tensor, which may be sparse, on a device, need gradients, or be a bfloat16, which NumPy does
            not know; a SciPy sparse matrix; or whatever NumPy reads.

    Example:
        >>> plain_array([[1, 2]]).shape
        (1, 2)
    """
    if not hasattr(given, "detach"):
        return np.asarray(given.toarray() if hasattr(given, "toarray") else given)
    tensor = given.detach().cpu().to_dense()
    known = "bfloat16" not in str(getattr(tensor, "dtype", ""))
    return np.asarray((tensor if known else tensor.float()).numpy())
