"""What decides the vectors of an encoding, so that finished work is never taken over by another job."""

import hashlib
import json
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from relstitch.artifacts import EncoderStamp
from relstitch.artifacts.stamps import CARRIED_FROM
from relstitch.dataset import Dataset, ImageRef
from relstitch.encoding.batches import EmbedOptions
from relstitch.errors import DatasetError

LAYOUT = 1
"""Of the files in a work folder."""
_ROWS = 4096


def job_facts(dataset: Dataset, stamp: EncoderStamp, options: EmbedOptions) -> dict[str, Any]:
    """What decides the vectors, as plain JSON values: the encoder, the rows in their order, and which are left out.

    Libraries, the device and the size of batches are no part of it (to 1e-5), and neither are labels and splits.
    """
    encoder = stamp.to_json()
    encoder["extra"].pop(CARRIED_FROM, None)
    for key in ("libraries", "dimension", *(() if stamp.weights_sha256 is None else ("spec", "revision"))):
        del encoder[key]
    return {
        "layout": LAYOUT,
        "rows": _digest(dataset),
        "encoder": encoder,
        "dimension": stamp.dimension,
        "on_bad": options.on_bad,
        "max_pixels": options.max_pixels,
    }


def differences(kept: Mapping[str, Any], now: Mapping[str, Any]) -> list[str]:
    """Why finished work can't be taken over by the job at hand; empty where it can.

    A job may go on with pictures skipped that were an error before, or with larger ones allowed: that changes no
    row that is finished, as long as none was skipped.

    Example:
        >>> now = {"layout": 1, "rows": "x", "encoder": {}, "dimension": 0, "on_bad": "skip", "max_pixels": 9}
        >>> differences({**now, "dimension": 3, "on_bad": "error", "max_pixels": 5}, now)
        []
        >>> differences({**now, "rows": "y"}, {**now, "max_pixels": 10})
        ['rows', 'max_pixels']
    """
    found = [key for key in ("layout", "rows") if kept.get(key) != now[key]]
    encoder: Any = kept.get("encoder")
    known: Mapping[str, Any] = encoder if isinstance(encoder, dict) else {}
    found += [key for key in {**known, **now["encoder"]} if known.get(key) != now["encoder"].get(key)]
    if now["dimension"] and kept.get("dimension") != now["dimension"]:
        found.append("dimension")
    skipping = kept.get("on_bad") != "error"
    if skipping and now["on_bad"] == "error":
        found.append("on_bad")
    largest = kept.get("max_pixels")
    if largest != now["max_pixels"] and (skipping or not isinstance(largest, int) or largest > now["max_pixels"]):
        found.append("max_pixels")
    return found


def _digest(dataset: Dataset) -> str:
    """SHA-256 over ids and contents, in the order of the rows."""
    ids, hashes = dataset.rows.ids, dataset.rows.hashes
    digest = hashlib.sha256()
    for start in range(0, len(dataset), _ROWS):
        block = slice(start, start + _ROWS)
        digest.update(json.dumps([ids[block].tolist(), hashes[block].tolist()]).encode())
    for content in _contents(dataset):
        digest.update(len(content).to_bytes(8, "little"))
        digest.update(content)
    return digest.hexdigest()


def _contents(dataset: Dataset) -> Iterator[bytes]:
    """What the rows hold that have no content hash."""
    if isinstance(dataset.items, np.ndarray):
        for start in range(0, len(dataset), _ROWS):
            yield np.ascontiguousarray(dataset.items[start : start + _ROWS]).tobytes()
        return
    for row in np.flatnonzero(dataset.rows.hashes == "").tolist():
        item = dataset.items[row]
        if not isinstance(item, ImageRef):
            yield str(item).encode("utf-8", "surrogatepass")
            continue
        try:
            yield item.read()
        except DatasetError as error:
            # Whether that is an error is decided where the picture is decoded.
            yield str(error).encode()
