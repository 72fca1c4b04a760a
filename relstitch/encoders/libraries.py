"""The libraries that models come from: imported when they are needed, quietly, their versions known."""

import importlib
import logging
import os
import sys
import traceback
import warnings
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, redirect_stdout
from importlib import metadata
from types import ModuleType

from relstitch.errors import EncoderError

_TALKATIVE = ("transformers", "sentence_transformers", "timm", "huggingface_hub", "httpx", "torch")


def import_library(name: str) -> ModuleType:
    """Import a library a model needs.

    Args:
        name: Of the module.

    Raises:
        EncoderError: It does not import: which versions are there, and the command that mends it.
    """
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        raise EncoderError(
            f"{name} cannot be imported: there is no module {error.name!r}. Install it: pip install {_project(name)}"
        ) from error
    except (ImportError, OSError, RuntimeError, AttributeError) as error:
        torch, torchvision = version_of("torch"), version_of("torchvision")
        if torchvision and "torchvision" in "".join(traceback.format_exception(error)):
            raise EncoderError(
                f"torch {torch} and torchvision {torchvision} do not fit together, so {name} cannot be imported. "
                f'Install the torchvision that fits: pip install --upgrade "torch=={torch}" torchvision'
            ) from error
        raise EncoderError(
            f"{name} {version_of(_project(name))} cannot be imported beside torch {torch}: {error}. "
            f"Install versions that fit: pip install --upgrade {_project(name)}"
        ) from error


def _project(module: str) -> str:
    return module.partition(".")[0].replace("_", "-")


def version_of(project: str) -> str:
    """The installed version of a project, empty where it is not installed."""
    try:
        return metadata.version(project)
    except metadata.PackageNotFoundError:
        return ""


def versions(*projects: str) -> dict[str, str]:
    """The installed versions of several projects, for an encoder's stamp."""
    return {project: version_of(project) for project in projects}


@contextmanager
def quiet() -> Iterator[None]:
    """Keep the libraries' own progress bars, warnings and chatter off stdout and stderr.

    To be entered when they are imported already: transformers sets up its log and its bars while it is imported.
    """
    levels = {name: logging.getLogger(name).level for name in _TALKATIVE}
    with ExitStack() as stack:
        stack.enter_context(redirect_stdout(sys.stderr))
        stack.enter_context(warnings.catch_warnings())
        warnings.simplefilter("ignore")
        for name in _TALKATIVE:
            logging.getLogger(name).setLevel(logging.ERROR)
            stack.callback(logging.getLogger(name).setLevel, levels[name])
        _stop_bars(stack)
        yield


def _stop_bars(stack: ExitStack) -> None:
    hub = sys.modules.get("huggingface_hub.utils")
    transformers = sys.modules.get("transformers.utils.logging")
    if hub is not None and not hub.are_progress_bars_disabled():
        hub.disable_progress_bars()
        stack.callback(hub.enable_progress_bars)
    if transformers is not None and transformers.is_progress_bar_enabled():
        transformers.disable_progress_bar()
        stack.callback(transformers.enable_progress_bar)


@contextmanager
def offline() -> Iterator[None]:
    """Keep the Hugging Face libraries from connecting, whether they are imported already or not.

    They read ``HF_HUB_OFFLINE`` once, when they are imported, so both the variable and what was read are set, and
    put back afterwards: a later model may come from the hub.
    """
    constants = sys.modules.get("huggingface_hub.constants")
    before = constants.HF_HUB_OFFLINE if constants is not None else user_is_offline()
    if constants is not None:
        constants.HF_HUB_OFFLINE = True  # type: ignore[attr-defined]
    try:
        with _environment("HF_HUB_OFFLINE", "1"):
            yield
    finally:
        constants = sys.modules.get("huggingface_hub.constants")
        if constants is not None:
            constants.HF_HUB_OFFLINE = before  # type: ignore[attr-defined]


def user_is_offline() -> bool:
    """Whether the user asked for no connections, as the Hugging Face libraries understand it."""
    wish = os.environ.get("HF_HUB_OFFLINE") or os.environ.get("TRANSFORMERS_OFFLINE") or ""
    return wish.upper() in {"1", "ON", "YES", "TRUE"}


@contextmanager
def _environment(name: str, value: str) -> Iterator[None]:
    before = os.environ.get(name)
    os.environ[name] = value
    try:
        yield
    finally:
        if before is None:
            del os.environ[name]
        else:
            os.environ[name] = before
