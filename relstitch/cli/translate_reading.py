"""From the options of ``relstitch translate`` to what the rooms take."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from relstitch.cli.reading import open_spaces
from relstitch.errors import UsageError, some


def read_params(given: Sequence[str]) -> dict[str, Any]:
    """Parameters of a method, from ``NAME=VALUE``: numbers, true, false, or a word.

    Example:
        >>> read_params(["penalty=0.1", "normalise=false", "targets=both"])
        {'penalty': 0.1, 'normalise': False, 'targets': 'both'}
    """
    params: dict[str, Any] = {}
    for one in given:
        name, sign, value = one.partition("=")
        if not sign or not name or name in params:
            raise UsageError(
                f"--param {one!r} cannot be read; expected NAME=VALUE, each name once, such as penalty=0.1."
            )
        try:
            params[name] = json.loads(value)
        except (ValueError, RecursionError):
            params[name] = value
    return params


def open_embeddings(path: Path) -> Any:
    """The embeddings in a file of ours or of another format; relative files hold none."""
    from relstitch.artifacts import Embeddings

    space = open_spaces({str(path): path})[str(path)]
    if not isinstance(space, Embeddings):
        raise UsageError(
            f"{path} is a relative file, which holds no absolute embeddings to carry over. Give the embeddings file "
            "it was made from."
        )
    return space


def anchors_in(space: Any, path: Path, anchors: Any, *, draw: int, side: str | None) -> Any:
    """The anchors of one draw as an encoder sees them; of parallel anchors the side that the file holds."""
    from relstitch.encoding.anchoring import choose_side
    from relstitch.relative import anchor_vectors

    found = choose_side(anchors, space.rows, side, draw=draw, name=str(path))
    return anchor_vectors(space, anchors, draw=draw, side=found, name=str(path))


def open_map(path: Path, *, source: Any = None, to: str | None = None, origin: str | None = None) -> Any:
    """A translator from its file; or, out of a hub file, the one of the pair that is meant.

    Args:
        path: A translator file or a hub file.
        source: The stamp of the encoder whose rows are to be carried, where it is known.
        to: The encoder of a hub to go to: its spec, the end of it, or an embeddings file of it.
        origin: The encoder of a hub to start from, where no stamp says it.
    """
    from relstitch import storage
    from relstitch.artifacts import Hub

    found = storage.load_map(path)
    if not isinstance(found, Hub):
        if to is not None or origin is not None:
            raise UsageError(
                f"{path} is a translator, which goes from {found.source.spec} to {found.target.spec} and nowhere "
                "else: --to and --from are for hub files."
            )
        return found
    names = some((stamp.spec for stamp, _ in found.encoders), 10)
    if to is None or (source is None and origin is None):
        raise UsageError(
            f"{path} is a hub of several encoders ({names}): say with --to which of them to go to, and with --from "
            "where the rows come from, unless their file says it."
        )
    start = source if origin is None else _member(found, origin, path)
    return pair_of(found, start, _member(found, to, path), path)


def pair_of(hub: Any, source: Any, target: Any, path: Path) -> Any:
    """The translator of two different encoders of a hub, by their stamps."""
    from relstitch.translation import hub_translator

    if source.identity == target.identity:
        raise UsageError(
            f"{path} was asked to go from {source.spec} to itself, where its rows are already. Name two of its "
            f"encoders: {some((stamp.spec for stamp, _ in hub.encoders), 10)}."
        )
    return hub_translator(hub, source, target)


def _member(hub: Any, asked: str, path: Path) -> Any:
    stamps = [stamp for stamp, _ in hub.encoders]
    if Path(asked).is_file():
        return open_embeddings(Path(asked)).encoder
    named = [stamp for stamp in stamps if stamp.spec == asked] or [
        stamp for stamp in stamps if stamp.spec.replace(":", "/").split("/")[-1] == asked
    ]
    if len(named) != 1:
        raise UsageError(
            f"{asked!r} names {len(named)} of the encoders in {path}, which joins: "
            f"{some((stamp.spec for stamp in stamps), 10)}. Give one of these names, or an embeddings file."
        )
    return named[0]
