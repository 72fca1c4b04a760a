"""Models on a hub: whether it can be reached, what is in the cache, and what to say where neither helps."""

import os
import re
import threading
import urllib.error
import urllib.request
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from relstitch.encoders.libraries import import_library, quiet, user_is_offline
from relstitch.encoders.own_code import reader
from relstitch.encoders.spec import read_json
from relstitch.errors import EncoderError, some, summary

PROBE_SECONDS = 3.0
_WEIGHTS = (".safetensors", ".bin", ".pth", ".pt", ".npz")


@dataclass(frozen=True)
class HubModel:
    """A model that has a name on the hub, found.

    Attributes:
        repo: Its name.
        commit: The resolved revision.
        snapshot: The cached snapshot to be used without a connection; None: the hub has it, so ask there.
        read: Reads a JSON file of the model by its path in it; something empty where there is none.
    """

    repo: str
    commit: str | None
    snapshot: Path | None
    read: Callable[[str], Any]


def find_model(text: str, repos: Sequence[str], revision: str | None, cache: Path) -> HubModel:
    """Find a model on the hub or, if it can't be had there, in the cache. Nothing but its description is fetched.

    Args:
        text: What the user wrote, for a message.
        repos: The names the model may have, likeliest first.
        revision: The branch, tag or commit that was asked for, if any.
        cache: The folder of the hub's cache.

    Raises:
        EncoderError: It is neither here nor there: why not there, and how to go offline.
    """
    why = unreachable(endpoint()) if not user_is_offline() else None
    trouble = f"{endpoint()} can't be reached ({why})" if why else ""
    if user_is_offline():
        trouble = "HF_HUB_OFFLINE is set"
    elif not trouble:
        asked = _ask(repos, revision)
        if isinstance(asked, tuple):
            repo, commit = asked
            return HubModel(repo, commit, None, partial(_hub_json, repo, commit, cache))
        trouble = f"{endpoint()} {asked}"
    for repo in repos:
        snapshot = cached_snapshot(repo, revision, cache)
        if snapshot is not None:
            return HubModel(repo, snapshot.name, snapshot, reader(snapshot))
    wanted = f" at revision {revision}" if revision else ""
    raise EncoderError(
        f"The model {text!r} can't be fetched: {trouble}, and {some(repos)}{wanted} is not in the cache ({cache}). "
        "No folder has that name either. Without a network give one that exists, or fill the cache elsewhere, bring "
        "it here and set HF_HUB_OFFLINE=1."
    )


def _ask(repos: Sequence[str], revision: str | None) -> tuple[str, str | None] | str:
    """The name and commit the hub knows a model by; or what it says instead."""
    hub, errors = import_library("huggingface_hub"), import_library("huggingface_hub.errors")
    for repo in repos:
        try:
            with quiet():
                return repo, hub.HfApi().model_info(repo, revision=revision, timeout=PROBE_SECONDS).sha
        except errors.RepositoryNotFoundError:
            continue
        except _failures() as error:
            return f"says: {summary(error)}"
    return f"has no model {some(repos)} that may be read (if it is private, log in: hf auth login)"


def endpoint() -> str:
    """The hub's address, as the Hugging Face libraries read it."""
    return os.environ.get("HF_ENDPOINT", "https://huggingface.co").rstrip("/")


def hub_cache() -> Path:
    """The folder of the hub's cache, as the Hugging Face libraries read it."""
    home = os.environ.get("XDG_CACHE_HOME", str(Path("~/.cache")))
    home = os.environ.get("HF_HOME", str(Path(home) / "huggingface"))
    cache = os.environ.get("HF_HUB_CACHE") or os.environ.get("HUGGINGFACE_HUB_CACHE") or str(Path(home) / "hub")
    return Path(os.path.expandvars(cache)).expanduser()


def cached_snapshot(repo: str, revision: str | None, cache: Path) -> Path | None:
    """The folder of a model in the cache, if its weights are all there.

    Args:
        repo: Its name on the hub.
        revision: A branch, tag or commit; None for ``main``.
        cache: The folder of the cache.
    """
    folder = cache / f"models--{repo.replace('/', '--')}"
    wanted = revision or "main"
    pointer = folder / "refs" / wanted
    commit = pointer.read_text(encoding="utf-8").strip() if pointer.is_file() else wanted
    snapshot = folder / "snapshots" / commit
    if not re.fullmatch(r"[0-9a-f]{40}", commit) or not snapshot.is_dir():
        return None
    # `exists` follows links: a snapshot whose blobs are gone, or that holds a config only, is no model.
    whole = any(file.suffix in _WEIGHTS and file.exists() for file in snapshot.rglob("*"))
    return snapshot if whole else None


def unreachable(url: str) -> str | None:
    """Whether a server answers at all, within a few seconds; a proxy set in the environment is gone through.

    Returns:
        None if it answers, whatever it says; else what went wrong.
    """
    proxies = urllib.request.getproxies()
    if "all" in proxies and urlsplit(url).scheme not in proxies:
        # ALL_PROXY, which may be SOCKS, is something the libraries know and urllib does not.
        return None
    outcome: list[str | None] = []
    # Looking a name up has no timeout of its own, hence the thread, which nothing waits for.
    thread = threading.Thread(target=lambda: outcome.append(_knock(url)), daemon=True)
    thread.start()
    thread.join(PROBE_SECONDS + 0.5)
    return outcome[0] if outcome else f"no answer within {PROBE_SECONDS:g} seconds"


def _knock(url: str) -> str | None:
    request = urllib.request.Request(url, method="HEAD")  # noqa: S310
    try:
        # An opener of its own: the shared one remembers the proxies of the first time it was used.
        with urllib.request.build_opener().open(request, timeout=PROBE_SECONDS):
            return None
    except urllib.error.HTTPError as error:
        # A mirror need not know its own root; a gateway that answers for a dead server does not count.
        return f"HTTP {error.code} {error.reason}" if error.code in {407, 502, 503, 504} else None
    except TimeoutError:
        return f"no answer within {PROBE_SECONDS:g} seconds"
    except (urllib.error.URLError, OSError, ValueError) as error:
        return str(getattr(error, "reason", error))


def _hub_json(repo: str, revision: str | None, cache: Path, name: str) -> Any:
    hub, errors = import_library("huggingface_hub"), import_library("huggingface_hub.errors")
    try:
        with quiet():
            return read_json(Path(hub.hf_hub_download(repo, name, revision=revision, cache_dir=cache)))
    except (errors.EntryNotFoundError, *_failures()) as error:
        # A file that is not in the cache either is something else: then the connection was lost.
        if isinstance(error, errors.EntryNotFoundError) and not isinstance(error, errors.LocalEntryNotFoundError):
            return {}
        raise EncoderError(f"{name} of {repo} can't be fetched from {endpoint()}: {summary(error)}") from error


def _failures() -> tuple[type[Exception], ...]:
    """What asking a hub may raise: the HTTP library beneath differs from version to version."""
    return (OSError, ValueError, *import_library("huggingface_hub.errors").HfHubHTTPError.__bases__)
