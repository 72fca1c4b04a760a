"""The journal of an encoding: whatever bit of it is another, what is read is the beginning of what was written."""

from pathlib import Path

import numpy as np
import pytest

from relstitch.encoding.journal import Finished, Record, framed, merged, places_of, read_records


def record(
    rows: list[int], truncated: list[int] | None = None, skipped: dict[int, str] | None = None, crc: int = 0
) -> Record:
    flags = np.array([row in (truncated or []) for row in rows], dtype=np.bool_)
    return Record(np.array(rows, dtype=np.intp), flags, skipped or {}, crc)


RECORDS = [
    record([2, 0, 5], [0], {1: "1.png is “empty”\n"}, 7),
    record([], skipped={4: "x"}),
    record([3], crc=2**32 - 1),
]


def plain(found: Record) -> tuple[object, ...]:
    return found.rows.tolist(), found.truncated.tolist(), dict(found.skipped), found.crc


def read(path: Path, content: bytes, n: int | None = 6) -> list[tuple[object, ...]]:
    path.write_bytes(content)
    return [plain(found) for found, _ in read_records(path, n)]


def test_what_is_written_is_read(tmp_path: Path) -> None:
    path = tmp_path / "journal"
    assert list(read_records(path, 6)) == []
    frames = [framed(item) for item in RECORDS]
    assert read(path, b"".join(frames)) == [plain(item) for item in RECORDS]
    ends = [end for _, end in read_records(path, 6)]
    assert ends == np.cumsum([len(frame) for frame in frames]).tolist()


def test_every_flipped_bit_and_every_cut_is_noticed(tmp_path: Path) -> None:
    path, frames = tmp_path / "journal", [framed(item) for item in RECORDS]
    content, ends = b"".join(frames), np.cumsum([len(frame) for frame in frames])
    written = [plain(item) for item in RECORDS]
    for at in range(len(content)):
        whole = written[: int(np.searchsorted(ends, at, side="right"))]
        assert read(path, content[:at]) == whole
        assert read(path, content[:at] + bytes(len(content) - at)) == whole or not any(content[at:])
        for bit in range(8):
            flipped = content[:at] + bytes([content[at] ^ 1 << bit]) + content[at + 1 :]
            assert read(path, flipped) == whole


@pytest.mark.parametrize("rows", [[6], [-1, 2], [0, 1, 2, 3, 4, 5, 6]])
def test_rows_that_do_not_exist_are_damage(tmp_path: Path, rows: list[int]) -> None:
    path = tmp_path / "journal"
    good = framed(RECORDS[0])
    assert read(path, good + framed(record(rows))) == [plain(RECORDS[0])]
    assert read(path, framed(record([0], skipped={rows[-1] + 7: "x"}))) == []
    if min(rows) >= 0:
        assert len(read(path, good + framed(record(rows)), None)) == 2


def test_records_that_follow_each_other_are_one(tmp_path: Path) -> None:
    assert plain(merged([])) == ([], [], {}, 0)
    assert plain(merged(RECORDS)) == (
        [2, 0, 5, 3], [False, True, False, False], {1: "1.png is “empty”\n", 4: "x"}, 2**32 - 1
    )  # fmt: skip
    assert len(merged(RECORDS)) == 6
    assert plain(RECORDS[0].untruncated()) == ([2, 5], [False, False], {1: "1.png is “empty”\n"}, 7)


def test_what_is_finished_and_what_is_left() -> None:
    finished = Finished.nothing(8)
    assert finished.left.tolist() == [*range(8)]
    for item in (RECORDS[0], RECORDS[0], RECORDS[1]):  # also where a row is encoded again
        finished.add(item)
    assert (finished.filled, finished.seen, finished.left.tolist()) == (3, 5, [3, 6, 7])
    assert np.flatnonzero(finished.truncated).tolist() == [0]


def test_places_close_up_only_where_rows_come_in_order() -> None:
    rows = np.array([7, 9])
    assert places_of(rows, 5, in_order=True).tolist() == [5, 6]
    assert places_of(rows, 5, in_order=False).tolist() == [7, 9]
