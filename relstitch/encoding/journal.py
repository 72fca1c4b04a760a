"""The journal of an encoding: which rows are finished, a record a commit, each framed by its length and CRC-32."""

import json
import struct
import zlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

_FRAME = struct.Struct("<II")


@dataclass(frozen=True, eq=False)
class Record:
    """Rows that were finished together.

    Attributes:
        rows: intp [b], where they stand in the dataset, in the order in which they were encoded.
        truncated: bool [b]: items that are longer than the model reads.
        skipped: Where rows stand whose item is bad → why.
        crc: CRC-32 over the b vectors, in the order of `rows`.
    """

    rows: NDArray[np.intp] = field(default_factory=lambda: np.empty(0, dtype=np.intp))
    truncated: NDArray[np.bool_] = field(default_factory=lambda: np.empty(0, dtype=np.bool_))
    skipped: Mapping[int, str] = field(default_factory=dict)
    crc: int = 0

    def __len__(self) -> int:
        return len(self.rows) + len(self.skipped)

    def untruncated(self) -> "Record":
        """The record without the rows whose item was cut."""
        return replace(self, rows=self.rows[~self.truncated], truncated=self.truncated[~self.truncated])


def merged(records: Sequence[Record]) -> Record:
    """Records that follow each other as one; each has the CRC-32 over the vectors up to its end."""
    if not records:
        return Record()
    rows, truncated = (
        np.concatenate([getattr(record, name) for record in records]) for name in ("rows", "truncated")
    )
    skipped = {row: why for record in records for row, why in record.skipped.items()}
    return Record(rows, truncated, skipped, records[-1].crc)


def places_of(rows: NDArray[np.intp], filled: int, *, in_order: bool) -> NDArray[np.intp]:
    """Where the vectors of rows belong: where the rows stand, unless some of the rows may be skipped.

    Args:
        rows: intp [b], where they stand in the dataset.
        filled: How many rows before them have a vector.
        in_order: Whether all rows come in their order, so that those that are skipped leave no gaps.
    """
    return np.arange(filled, filled + len(rows)) if in_order else rows


@dataclass(eq=False)
class Finished:
    """What has become of the n rows of a dataset so far.

    Attributes:
        done: bool [n]: rows that have a vector.
        truncated: bool [n]: rows whose item was cut.
        skipped: Where rows stand whose item is bad → why, in their order.
        filled: How many rows have a vector.
    """

    done: NDArray[np.bool_]
    truncated: NDArray[np.bool_]
    skipped: dict[int, str] = field(default_factory=dict)
    filled: int = 0

    @staticmethod
    def nothing(n: int) -> "Finished":
        """Of n rows none."""
        return Finished(np.zeros(n, dtype=np.bool_), np.zeros(n, dtype=np.bool_))

    @property
    def seen(self) -> int:
        """Rows that are encoded or skipped."""
        return self.filled + len(self.skipped)

    @property
    def left(self) -> NDArray[np.intp]:
        """Where the other rows stand."""
        others = ~self.done
        others[list(self.skipped)] = False
        return np.flatnonzero(others)

    def add(self, record: Record) -> None:
        """Note that some more rows are finished."""
        self.filled += len(record.rows) - int(self.done[record.rows].sum())
        self.done[record.rows] = True
        self.truncated[record.rows] = record.truncated
        self.skipped.update(record.skipped)


def framed(record: Record) -> bytes:
    """A record as it stands in the file."""
    facts = {"rows": len(record.rows), "crc": record.crc, "skipped": list(record.skipped.items())}
    flags = np.packbits(record.truncated).tobytes()
    payload = b"\n".join([json.dumps(facts).encode(), record.rows.astype("<i8").tobytes() + flags])
    return _FRAME.pack(len(payload), zlib.crc32(payload)) + payload


def read_records(path: Path, n: int | None = None) -> Iterator[tuple[Record, int]]:
    """The records of a journal up to the first that is damaged, each with the place where it ends.

    Args:
        path: The journal; one that is not there has no records.
        n: How many rows the dataset has, so that a record of others is damaged; None where that is not known.

    Example:
        >>> import tempfile
        >>> folder = tempfile.TemporaryDirectory()
        >>> journal = Path(folder.name) / "journal"
        >>> whole = framed(Record(np.array([2, 0]), np.array([False, True]), {1: "empty"}, crc=7))
        >>> _ = journal.write_bytes(whole + whole[:-1])
        >>> [(record.rows.tolist(), record.skipped, end == len(whole)) for record, end in read_records(journal, 3)]
        [([2, 0], {1: 'empty'}, True)]
        >>> folder.cleanup()
    """
    if not path.exists():
        return
    size = path.stat().st_size
    with path.open("rb") as file:
        while len(head := file.read(_FRAME.size)) == _FRAME.size:
            length, crc = _FRAME.unpack(head)
            # A length that is damaged may be anything: no more is read than there is.
            payload = file.read(length) if file.tell() + length <= size else b""
            record = _parsed(payload, n) if len(payload) == length and zlib.crc32(payload) == crc else None
            if record is None:
                return
            yield record, file.tell()


def _parsed(payload: bytes, n: int | None) -> Record | None:
    head, _, body = payload.partition(b"\n")
    try:
        facts = json.loads(head)
        size = 8 * facts["rows"]
        rows = np.frombuffer(body[:size], dtype="<i8").astype(np.intp)
        bits = np.frombuffer(body[size:], dtype=np.uint8)
        truncated = np.unpackbits(bits, count=len(rows)).astype(np.bool_)
        record = Record(rows, truncated, {int(row): str(why) for row, why in facts["skipped"]}, int(facts["crc"]))
    except (ValueError, TypeError, KeyError):
        # A disk that lost power may hold zeros where a record should be, and of zeros the CRC-32 is right.
        return None
    places = np.concatenate([rows, np.array(list(record.skipped), dtype=np.intp)])
    fits = (places >= 0).all() and (n is None or (places < n).all())
    return record if fits and len(rows) == facts["rows"] else None
