"""The anchors file: JSON that a person can read and compare line by line."""

import json
import re
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from relstitch.artifacts import AnchorList, Anchors, AnchorSide
from relstitch.artifacts.rows import HASH_HEX
from relstitch.errors import ArtifactError, MismatchError, counted
from relstitch.names import STRATEGIES
from relstitch.storage.metadata import FORMAT, check_format, damaged, entry, one_of, to_json
from relstitch.storage.texts import pack_hashes

MAX_BYTES = 2**29
"""Bytes of the longest anchors file we read: a million anchors take about 70 MB."""

_HEAD = 2**16
_KIND = re.compile(r'"kind"\s*:\s*"anchors"')
_FORMAT = re.compile(r'"format"\s*:')
_HASH = re.compile(f"(?:[0-9a-f]{{{HASH_HEX}}})?")
_REBUILD = (
    "Edit no anchors by hand: put the ids into a list and make the file with `relstitch anchors --strategy explicit`."
)


def anchors_text(anchors: Anchors) -> str:
    """The text of an anchors file: one anchor a line, as ``["id", "content hash"]``.

    Example:
        >>> one = AnchorSide("main", "", (AnchorList(("a",), ("",)),))
        >>> print(anchors_text(Anchors("uniform", 0, (one,))).splitlines()[3])
          "strategy": "uniform",
    """
    sides = [_side_facts(side) for side in anchors.sides]
    head = {
        "kind": "anchors",
        "format": FORMAT,
        "strategy": anchors.strategy,
        "seed": anchors.seed,
        "k": anchors.k,
        "options": anchors.options,
        "correspondence": [anchors.correspondence(draw) for draw in range(anchors.n_draws)],
    }
    # What a reader will find, numpy numbers made plain: that is what the checksum must be taken of.
    plain = json.loads(to_json({**head, "sides": sides}))
    lines = to_json({**head, "checksum": _checksum(plain)}, indent=2).removesuffix("\n}")
    listed = ",\n".join(_side_text(side) for side in sides)
    return f'{lines},\n  "sides": [\n{listed}\n  ]\n}}\n'


def _side_facts(side: AnchorSide) -> dict[str, Any]:
    for draw in side.draws:
        pack_hashes(draw.hashes)  # what could not be read again is refused before it is written
    draws = [
        {"digest": draw.digest, "anchors": [list(pair) for pair in zip(draw.ids, draw.hashes, strict=True)]}
        for draw in side.draws
    ]
    return {"name": side.name, "dataset": side.dataset, "draws": draws}


def _side_text(side: Mapping[str, Any]) -> str:
    draws = ",\n".join(_draw_text(draw) for draw in side["draws"])
    head = f'      "name": {to_json(side["name"])},\n      "dataset": {to_json(side["dataset"])},\n'
    return f'    {{\n{head}      "draws": [\n{draws}\n      ]\n    }}'


def _draw_text(draw: Mapping[str, Any]) -> str:
    lines = ",\n".join(f"            {to_json(pair)}" for pair in draw["anchors"])
    head = f'          "digest": {to_json(draw["digest"])},\n'
    return f'        {{\n{head}          "anchors": [\n{lines}\n          ]\n        }}'


def _checksum(facts: Mapping[str, Any]) -> str:
    """CRC-32 over everything but itself, whatever the white space and the order of keys."""
    kept = {key: value for key, value in facts.items() if key != "checksum"}
    return f"{zlib.crc32(json.dumps(kept, sort_keys=True, separators=(',', ':')).encode()):08x}"


def looks_like_anchors(path: Path) -> bool:
    """Whether the first lines of a JSON file say that it is an anchors file: a look that never fails."""
    try:
        with path.open("rb") as file:
            head = file.read(_HEAD).decode("utf-8-sig", errors="replace").lstrip()
    except OSError:
        return False
    return head.startswith("{") and bool(_KIND.search(head)) and bool(_FORMAT.search(head))


def read_anchors(path: Path) -> Anchors:
    """The anchors in an anchors file, with every digest verified; white space and order of keys do not matter.

    Raises:
        ArtifactError: It is damaged, edited by hand, or of a newer format.
    """
    facts = _parsed(path)
    check_format(path, facts)
    strategy, seed = one_of(path, facts, "strategy", STRATEGIES), entry(path, facts, "seed", int)
    sides = tuple(_read_side(path, side) for side in entry(path, facts, "sides", list))
    try:
        anchors = Anchors(strategy, seed, sides, entry(path, facts, "options", dict))
    except MismatchError as error:
        raise damaged(path, str(error)) from error
    if entry(path, facts, "k", int) != anchors.k:
        raise ArtifactError(
            f"{path} says k = {facts['k']}, and its shortest list holds {counted(anchors.k, 'anchor')}. {_REBUILD}"
        )
    if entry(path, facts, "correspondence", list) != [anchors.correspondence(at) for at in range(anchors.n_draws)]:
        raise ArtifactError(f"{path}: the correspondence of the sides is not the one they were made with. {_REBUILD}")
    if entry(path, facts, "checksum", str) != _checksum(facts):
        raise ArtifactError(
            f"{path}: the strategy, seed, options or names are not those it was made with. {_REBUILD}"
        )
    return anchors


def _parsed(path: Path) -> Mapping[str, Any]:
    size = path.stat().st_size
    if size > MAX_BYTES:
        raise damaged(path, f"it is {size} bytes long, and anchors files of at most {MAX_BYTES} are read")
    try:
        facts = json.loads(path.read_text(encoding="utf-8-sig"))
    except (ValueError, RecursionError) as error:
        raise damaged(path, f"it is not valid JSON ({error})") from error
    if not isinstance(facts, dict):
        raise damaged(path, "it is not one JSON object")
    return facts


def _read_side(path: Path, facts: Any) -> AnchorSide:
    if not isinstance(facts, dict):
        raise damaged(path, "one of its sides is not an object")
    name = entry(path, facts, "name", str)
    draws = [
        _read_draw(path, draw, f"draw {position} of side {name!r}")
        for position, draw in enumerate(entry(path, facts, "draws", list))
    ]
    return AnchorSide(name, entry(path, facts, "dataset", str), tuple(draws))


def _read_draw(path: Path, facts: Any, where: str) -> AnchorList:
    if not isinstance(facts, dict):
        raise damaged(path, f"{where} is not an object")
    pairs = entry(path, facts, "anchors", list)
    for position, pair in enumerate(pairs):
        if not _is_anchor(pair):
            raise damaged(path, f"anchor {position} of {where} is not an id and a content hash")
    try:
        draw = AnchorList(tuple(name for name, _ in pairs), tuple(digest for _, digest in pairs))
    except MismatchError as error:
        raise ArtifactError(f"{path}, {where}: {error} {_REBUILD}") from error
    if entry(path, facts, "digest", str) != draw.digest:
        raise ArtifactError(f"{path}: {where} does not hold the anchors it was made with. {_REBUILD}")
    return draw


def _is_anchor(pair: Any) -> bool:
    if not isinstance(pair, list) or len(pair) != 2:
        return False
    return all(isinstance(value, str) for value in pair) and _HASH.fullmatch(pair[1]) is not None
