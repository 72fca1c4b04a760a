"""Finished vectors on the disk beside an output: what an encoding that was stopped goes on from."""

import os
import time
import zlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import Any, BinaryIO, cast

import numpy as np
from numpy.typing import NDArray

from relstitch.artifacts import EncoderStamp
from relstitch.dataset import Dataset
from relstitch.encoders import EncodedBatch
from relstitch.encoding.batches import Batch, EmbedOptions
from relstitch.encoding.disk import check_room, output_bytes
from relstitch.encoding.job_facts import differences, job_facts
from relstitch.encoding.jobs import Job
from relstitch.encoding.journal import Finished, Record, framed, merged, places_of, read_records
from relstitch.encoding.work_folder import (
    JOURNAL,
    VECTORS,
    clear,
    in_words,
    locked,
    read_job,
    reserved,
    work_folder,
    write_job,
)
from relstitch.errors import EncoderError, RelstitchError, UsageError, counted, some
from relstitch.storage import check_output

_EVERY = 2.0
"""Seconds between two commits, which is what a crash may cost; more where a commit takes over a hundredth of that."""
_LONGEST = 30.0
_BLOCK = 2**24


@dataclass(frozen=True)
class _State:
    """How far the journal goes, and what is to be committed next.

    It is replaced as one, so that a signal between two lines can't leave half of a change behind.
    """

    end: int = 0
    kept: int = 0
    pending: list[Record] = field(default_factory=list)


class KeptWork:
    """The finished rows of one job of encoding.

    A commit brings vectors to the disk first and then a record of them, so what the journal tells of is there.
    """

    def __init__(self, folder: Path, job: Job) -> None:
        self._folder, self._job = folder, job
        self._facts: Mapping[str, Any] = {}
        self._n = self._width = 0
        self._vectors: BinaryIO | None = None
        self._journal: BinaryIO | None = None
        self._state, self._due, self._begun = _State(), 0.0, False

    def begin(self, dataset: Dataset, stamp: EncoderStamp, options: EmbedOptions) -> Finished:
        """Take over what is finished of this job, and see whether there is room for the rest.

        Raises:
            UsageError: What is kept is another job's.
            EncoderError: There is not enough room, or the disk refuses.
        """
        self._n, self._facts = len(dataset), job_facts(dataset, stamp, options)
        with in_words(self._folder):
            kept = kept_job(self._folder, self._facts) if self._job.options.resume else None
            if kept is None:
                clear(self._folder)
        self._width = stamp.dimension if kept is None else kept["dimension"]
        if self._width:
            self._check_room()
        finished = Finished.nothing(self._n)
        if kept is not None:
            with in_words(self._folder):
                self._open()
                self._take_over(kept, finished, options)
        self._due, self._begun = time.monotonic() + _EVERY, True
        return finished

    def _take_over(self, kept: Mapping[str, Any], finished: Finished, options: EmbedOptions) -> None:
        now = {**self._facts, "dimension": self._width}
        if now != kept:
            write_job(self._folder, now)
        vectors, end, damaged = self.array(), 0, False
        for record, place in read_records(self._folder / JOURNAL, self._n):
            whole = _checksum(vectors, places_of(record.rows, finished.filled, in_order=self._in_order)) == record.crc
            damaged |= not whole
            if whole:
                finished.add(record.untruncated() if options.fail_on_truncation else record)
            elif self._in_order:
                break
            end = place
        self._state = _State(end, finished.seen)
        self._say_what_is_taken_over(finished.seen, damaged, options)

    def _say_what_is_taken_over(self, rows: int, damaged: bool, options: EmbedOptions) -> None:
        if rows:
            are = "is" if rows == 1 else "are"
            options.say(
                f"{rows} of {counted(self._n, 'row')} {are} taken over from {self._folder}, where work that was "
                "stopped is kept (--no-resume starts over)."
            )
        if damaged:
            options.say(f"Some of what is kept in {self._folder} is damaged, and is encoded again.")

    @property
    def _in_order(self) -> bool:
        # Pictures come in their order, and the places of those that are skipped are closed up.
        return bool(self._facts["encoder"]["modality"] == "image")

    def _check_room(self) -> None:
        size = 4 * self._n * self._width
        needed = max(0, size - reserved(self._folder)) + output_bytes(self._job, self._width)
        check_room(self._folder, needed, (self._n, self._width), self._output)

    @property
    def _output(self) -> str:
        return str(self._job.options.output)

    def _open(self) -> None:
        for name in (VECTORS, JOURNAL):
            (self._folder / name).touch()
        self._vectors = (self._folder / VECTORS).open("r+b", buffering=0)
        self._journal = (self._folder / JOURNAL).open("r+b", buffering=0)
        size = 4 * self._n * self._width
        if hasattr(os, "posix_fallocate"):
            # A disk that is full is better met now than in three days.
            os.posix_fallocate(self._vectors.fileno(), 0, size)
        self._vectors.truncate(size)

    def array(self) -> NDArray[np.float32]:
        """All vectors, float32 [n, d]: those of finished rows at their places."""
        with in_words(self._folder):
            return np.memmap(self._folder / VECTORS, dtype=np.float32, mode="r+", shape=(self._n, self._width))

    def add(self, batch: Batch, places: NDArray[np.intp], encoded: EncodedBatch | None) -> None:
        """Write a batch, and from time to time commit.

        Args:
            batch: Which rows.
            places: intp [b], where their vectors belong.
            encoded: Their vectors; None for a batch of nothing but bad items.

        Raises:
            EncoderError: The width is not that of the vectors before, or the disk refuses.
        """
        crc = self._crc
        record = Record(skipped=batch.skipped, crc=crc)
        if encoded is not None:
            self._check_width(encoded.vectors.shape[1])
            vectors = np.ascontiguousarray(encoded.vectors, dtype=np.float32)
            with in_words(self._folder):
                if self._vectors is None:
                    self._start()
                self._write(vectors, places)
            record = Record(batch.rows, encoded.truncated, batch.skipped, zlib.crc32(vectors.data, crc))
        self._state.pending.append(record)
        if time.monotonic() >= self._due:
            self.commit()

    @property
    def _crc(self) -> int:
        """Of all vectors since the last commit."""
        return self._state.pending[-1].crc if self._state.pending else 0

    def _check_width(self, found: int) -> None:
        if not self._width:
            self._width = found
            self._check_room()
        if found != self._width:
            raise EncoderError(
                f"The encoder gave vectors of width {found}, and those kept in {self._folder} are {self._width} "
                "wide. Start over with --no-resume."
            )

    def _start(self) -> None:
        # First whose work it is: without that no row that is kept would be taken over.
        write_job(self._folder, {**self._facts, "dimension": self._width})
        self._open()

    def _write(self, vectors: NDArray[np.float32], places: NDArray[np.intp]) -> None:
        starts = [0, *(np.flatnonzero(np.diff(places) != 1) + 1).tolist(), len(places)]
        for start, stop in pairwise(starts):
            _put(self._vectors, vectors[start:stop].tobytes(), 4 * self._width * int(places[start]))

    def commit(self) -> None:
        """Bring what was added to the disk, and then a record of it.

        Raises:
            EncoderError: The disk refuses.
        """
        end, kept, record = self._state.end, self._state.kept, merged(self._state.pending)
        if not len(record) or self._vectors is None or self._journal is None:
            return
        begin, data = time.monotonic(), framed(record)
        with in_words(self._folder):
            os.fsync(self._vectors.fileno())
            _put(self._journal, data, end)
            self._journal.truncate(end + len(data))
            os.fsync(self._journal.fileno())
        self._state = _State(end + len(data), kept + len(record))
        now = time.monotonic()
        self._due = now + min(max(_EVERY, 100 * (now - begin)), _LONGEST)

    def close(self, *, whole: bool) -> None:
        """Commit and say what is kept, or take everything away.

        Args:
            whole: Whether the output is there, so that nothing else is needed.
        """
        if not whole:
            # What stopped the work is told already; that this too went wrong is no news.
            with suppress(RelstitchError):
                self.commit()
        for file in (self._vectors, self._journal):
            if file is not None:
                file.close()
        kept = self._state.kept
        if whole or (self._begun and not kept):
            with suppress(OSError):
                clear(self._folder)
        elif kept:
            are = "is" if kept == 1 else "are"
            self._job.options.embed.say(
                f"{kept} of {counted(self._n, 'row')} {are} kept in {self._folder}: the same command goes on from "
                "there."
            )


def _put(file: BinaryIO | None, data: bytes, place: int) -> None:
    """Write all of it: the system may take a part only."""
    handle, view = cast("BinaryIO", file).fileno(), memoryview(data)
    os.lseek(handle, place, os.SEEK_SET)
    while view:
        view = view[os.write(handle, view) :]


def _checksum(vectors: NDArray[np.float32], places: NDArray[np.intp]) -> int:
    """CRC-32 over the vectors at some places, a block at a time."""
    crc, rows = 0, max(1, _BLOCK // (4 * vectors.shape[1]))
    for start in range(0, len(places), rows):
        crc = zlib.crc32(np.ascontiguousarray(vectors[places[start : start + rows]]).data, crc)
    return crc


def kept_job(folder: Path, facts: Mapping[str, Any]) -> Mapping[str, Any] | None:
    """The job whose work is kept, where it is the one at hand.

    Raises:
        UsageError: It is another one, with finished rows.
        EncoderError: It can't be told.
    """
    kept = read_job(folder)
    if kept is None:
        return None
    differing = differences(kept, facts)
    if not differing:
        return kept
    # Of another job nothing is lost where nothing is finished.
    rows = sum(len(record) for record, _ in read_records(folder / JOURNAL))
    if not rows:
        return None
    raise UsageError(
        f"{folder} keeps {counted(rows, 'finished row')} of another job with this output; they differ in: "
        f"{some(differing)}. Finish that job with the command that began it, or start over with --no-resume, which "
        "throws its work away."
    )


@contextmanager
def kept_work(job: Job) -> Iterator[KeptWork | None]:
    """Hold the folder of finished work beside a job's output while the block runs; a block that ends well empties it.

    Yields:
        What keeps the work; None for a job without an output, without items to encode, or of a graph, which is
        encoded whole.

    Raises:
        UsageError: Another run writes this output.
        EncoderError: The disk refuses.
    """
    source, options = job.source, job.options
    if options.output is None or not isinstance(source, Dataset) or source.modality == "graph":
        yield None
        return
    target = check_output(options.output, force=options.force)
    folder = work_folder(target)
    with locked(folder, options.output):
        # A run that has just ended may have written it.
        check_output(options.output, force=options.force)
        work, whole = KeptWork(folder, job), False
        try:
            yield work
            whole = True
        finally:
            work.close(whole=whole)


def rows_kept(job: Job, stamp: EncoderStamp) -> tuple[int, int]:
    """What a run of this job would take over: how many rows, and how many bytes are reserved for all of them.

    Raises:
        UsageError: What is kept is another job's.
    """
    source, options = job.source, job.options
    if options.output is None or not isinstance(source, Dataset) or source.modality == "graph":
        return 0, 0
    folder = work_folder(check_output(options.output, force=options.force))
    facts = job_facts(source, stamp, options.embedding)
    if not options.resume or kept_job(folder, facts) is None:
        return 0, 0
    finished = Finished.nothing(len(source))
    for record, _ in read_records(folder / JOURNAL, len(source)):
        finished.add(record)
    return finished.seen, reserved(folder)
