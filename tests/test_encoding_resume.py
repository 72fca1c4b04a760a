"""Encoding that resumes: what was finished is taken over, whatever stopped the run and whatever became of its files."""

import contextlib
import errno
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import replace
from io import BytesIO
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from relstitch.artifacts import AnchorList, Anchors, AnchorSide, Embeddings, EncoderStamp, Rows
from relstitch.artifacts.rows import content_hash
from relstitch.dataset import Dataset, ImageRef, open_image
from relstitch.encoders import EncodedBatch
from relstitch.encoding import EmbedOptions, EncodeOptions, encode, kept_work, plan_encoding
from relstitch.encoding.disk import in_units
from relstitch.encoding.journal import Record, framed
from relstitch.encoding.work_folder import read_job, work_folder, write_job
from relstitch.errors import DatasetError, EncoderError, UsageError
from relstitch.names import Modality
from relstitch.storage import load_embeddings, load_relative

OUTPUT = "out.safetensors"
FOLDER = Path(".out.safetensors.work")
WORDS = ["".join("abc"[(row * step) % 3] for step in range(1, 2 + row % 7)) for row in range(60)]


class Stopped(Exception):
    """What stops a run in these tests."""


class Toy:
    """An encoder that counts letters, remembers what it was given, and stops after so many batches."""

    def __init__(self, *, modality: Modality = "text", stop: int = -1, width: int = 3, reads: int = 1000) -> None:
        self.stamp = EncoderStamp("python:toy:Toy", modality, 0, max_length=reads)
        self.left, self.width, self.reads = stop, width, reads
        self.given: list[Any] = []

    def vector(self, item: Any) -> list[float]:
        if isinstance(item, str):
            return [item.count(letter) + 0.1 * len(item) for letter in "abcdef"[: self.width]]
        return [float(np.asarray(item, dtype=np.float64).mean()) + column for column in range(self.width)]

    def encode(self, items: Sequence[Any]) -> EncodedBatch:
        if self.left == 0:
            raise Stopped
        self.left -= 1
        self.given += list(items)
        cut = [isinstance(item, str) and len(item) > self.reads for item in items]
        vectors = np.array([self.vector(item) for item in items], dtype=np.float32)
        return EncodedBatch(vectors, np.array(cut, dtype=np.bool_))


@pytest.fixture(autouse=True)
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working directory, and a commit after every batch; what is still on its way to the disk is no matter here."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(os, "fsync", lambda _handle: None)
    monkeypatch.setattr(kept_work, "_EVERY", 0.0)
    monkeypatch.setattr(kept_work, "_LONGEST", 0.0)
    return tmp_path


@contextlib.contextmanager
def loading(toy: Toy) -> Iterator[None]:
    """Whatever model is named, this one is loaded."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("relstitch.encoding.verb.load_for", lambda _job: toy)
        patch.setattr("relstitch.encoding.planning.load_for", lambda _job: toy)
        yield


def texts(items: Sequence[str] = WORDS) -> Dataset:
    hashes = [content_hash(item.encode()) for item in items]
    return Dataset(
        Rows.build([f"t:{row}" for row in range(len(items))], hashes=hashes), list(items), "text", source="toy"
    )


def run(dataset: Dataset, toy: Toy, *, anchors: Anchors | None = None, resume: bool = True, **embed: Any) -> Any:
    """Encode it to the output."""
    how = EncodeOptions(embed=EmbedOptions(**{"batch_size": 4, **embed}), output=OUTPUT, resume=resume)
    with loading(toy):
        return encode(dataset, "python:toy:Toy", anchors=anchors, options=how)


def stop(dataset: Dataset, batches: int, *, modality: Modality = "text", **embed: Any) -> Toy:
    """A run that stops after so many batches."""
    toy = Toy(modality=modality, stop=batches)
    with pytest.raises(Stopped):
        run(dataset, toy, **embed)
    return toy


def same(made: Embeddings, expected: Embeddings) -> None:
    assert made.rows.ids.tolist() == expected.rows.ids.tolist()
    assert made.rows.splits.tolist() == expected.rows.splits.tolist()
    assert made.skipped == expected.skipped
    assert made.counts == expected.counts
    assert np.abs(made.vectors - expected.vectors).max() < 1e-5


def undisturbed(dataset: Dataset, modality: Modality = "text", **embed: Any) -> Embeddings:
    with loading(Toy(modality=modality)):
        how = EncodeOptions(embed=EmbedOptions(**{"batch_size": 4, **embed}))
        return encode(dataset, "python:toy:Toy", options=how)


def left() -> list[str]:
    return sorted(path.name for path in Path().iterdir())


@pytest.mark.parametrize("batches", [1, 2, 7, 14])
def test_the_same_command_goes_on_where_the_first_run_stopped(batches: int) -> None:
    said: list[str] = []
    first = stop(texts(), batches, note=said.append)
    assert left() == [FOLDER.name]
    kept = 4 * batches
    assert said == [f"{kept} of 60 rows are kept in {FOLDER}: the same command goes on from there."]
    seen: list[int] = []
    second = Toy()
    made = run(texts(), second, note=said.append, progress=lambda done, _total: seen.append(done))
    assert said[1:] == [
        f"{kept} of 60 rows are taken over from {FOLDER}, where work that was stopped is kept (--no-resume starts over)."
    ]
    assert sorted(first.given + second.given) == sorted(WORDS)  # nothing twice
    assert seen == [*range(kept, 61, 4)]
    same(made, undisturbed(texts()))
    same(load_embeddings(OUTPUT), undisturbed(texts()))
    assert left() == [OUTPUT]


def test_a_run_that_nothing_stops_leaves_only_its_output() -> None:
    same(run(texts(), Toy()), undisturbed(texts()))
    assert left() == [OUTPUT]


def test_a_run_that_stops_before_anything_is_finished_leaves_nothing() -> None:
    said: list[str] = []
    stop(texts(), 0, note=said.append)
    assert (left(), said) == ([], [])


def test_one_row_is_one_row() -> None:
    said: list[str] = []
    stop(texts(["ab", "a"]), 1, batch_size=1, note=said.append)
    run(texts(["ab", "a"]), Toy(), note=said.append)
    assert said == [
        f"1 of 2 rows is kept in {FOLDER}: the same command goes on from there.",
        f"1 of 2 rows is taken over from {FOLDER}, where work that was stopped is kept (--no-resume starts over).",
    ]


def test_remaining_texts_still_share_batches_by_length() -> None:
    stop(texts(), 5)
    toy = Toy()
    run(texts(), toy)
    lengths = [len(item) for item in toy.given]
    assert lengths == sorted(lengths, reverse=True)


def test_work_can_be_stopped_again_and_again() -> None:
    given: list[str] = []
    for _ in range(14):
        given += stop(texts(), 1).given
    toy = Toy()
    same(run(texts(), toy), undisturbed(texts()))
    assert sorted(given + toy.given) == sorted(WORDS)


def damage(path: Path, kind: str, where: float, bit: int) -> None:
    """Cut a file, flip a bit of it, fill its end with zeros, or append something."""
    content = bytearray(path.read_bytes())
    at = min(int(where * len(content)), len(content) - 1)
    if kind == "flip":
        content[at] ^= 1 << bit
    elif kind == "zeros":
        content[at:] = bytes(len(content) - at)
    elif kind == "more":
        content += bytes([bit] * (at + 1))
    else:
        del content[at:]
    path.write_bytes(bytes(content))


@given(
    st.integers(1, 14), st.sampled_from(["journal", "vectors"]), st.sampled_from(["cut", "flip", "zeros", "more"]),
    st.floats(0, 1), st.integers(0, 7), st.booleans(),
)  # fmt: skip
@settings(max_examples=150, deadline=None)
def test_whatever_is_damaged_the_result_is_that_of_an_undisturbed_run(
    batches: int, name: str, kind: str, where: float, bit: int, pictured: bool
) -> None:
    """A power cut leaves files of any length; a bad disk flips bits."""
    dataset, modality = (pictures(bad={3, 4, 17}), MODALITIES[1]) if pictured else (texts(), MODALITIES[0])
    options: dict[str, Any] = {"on_bad": "skip"} if pictured else {}
    with tempfile.TemporaryDirectory() as folder, contextlib.chdir(folder):
        stop(dataset, batches if not pictured else min(batches, 4), modality=modality, **options)
        damage(FOLDER / name, kind, where, bit)
        same(run(dataset, Toy(modality=modality), **options), undisturbed(dataset, modality, **options))
        assert left() == [OUTPUT]


def test_a_record_whose_vectors_are_damaged_costs_no_other() -> None:
    said: list[str] = []
    stop(texts(), 13)
    vectors = np.memmap(FOLDER / "vectors", dtype=np.float32, mode="r+", shape=(60, 3))
    longest = WORDS.index(max(WORDS, key=len))
    vectors[longest] = 99
    vectors.flush()
    stop(texts(), 1, note=said.append)
    toy = Toy()
    same(run(texts(), toy, note=said.append), undisturbed(texts()))
    assert len(toy.given) == 8
    taken = "{} of 60 rows are taken over from {}, where work that was stopped is kept (--no-resume starts over)."
    assert said == [
        taken.format(48, FOLDER),
        f"Some of what is kept in {FOLDER} is damaged, and is encoded again.",
        f"52 of 60 rows are kept in {FOLDER}: the same command goes on from there.",
        taken.format(52, FOLDER),
    ]


MODALITIES: tuple[Modality, Modality] = ("text", "image")


def picture(value: int) -> bytes:
    from PIL import Image

    stream = BytesIO()
    Image.new("RGB", (4, 3), (value, value, value)).save(stream, "PNG")
    return stream.getvalue()


def pictures(n: int = 20, bad: Sequence[int] | set[int] = ()) -> Dataset:
    contents = [picture(9 * row)[: 45 if row in bad else None] for row in range(n)]
    refs = [ImageRef(f"{row}.png", data=content) for row, content in enumerate(contents)]
    hashes = [content_hash(content) for content in contents]
    splits = ["train" if row < n // 2 else "test" for row in range(n)]
    return Dataset(
        Rows.build([f"p:{row}" for row in range(n)], hashes=hashes, splits=splits), refs, "image", source="pets"
    )


@pytest.mark.parametrize("bad", [set(), {0}, {3, 4, 5, 6, 7}, {19}, {0, 2, 9, 11, 18}])
@pytest.mark.parametrize("batches", [1, 2, 3])
def test_pictures_that_are_skipped_stay_so(bad: set[int], batches: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither they nor the rows before them are decoded again; the places of those that are skipped close up."""
    dataset = pictures(bad=bad)
    expected = undisturbed(dataset, "image", on_bad="skip")
    stop(dataset, batches, modality="image", on_bad="skip")
    opened: list[str] = []

    def decode(ref: ImageRef, *, max_pixels: int) -> Any:
        opened.append(ref.name)
        return open_image(ref, max_pixels=max_pixels)

    monkeypatch.setattr("relstitch.encoding.batches.open_image", decode)
    same(run(dataset, Toy(modality="image"), on_bad="skip"), expected)
    first = min(int(name.removesuffix(".png")) for name in opened)
    assert sorted(opened) == sorted(f"{row}.png" for row in range(first, 20))
    assert first - len([row for row in bad if row < first]) == 4 * batches


def test_nothing_but_bad_pictures_leaves_nothing() -> None:
    with pytest.raises(DatasetError, match="All 3 pictures are bad"):
        run(pictures(3, bad={0, 1, 2}), Toy(modality="image"), on_bad="skip")
    assert left() == []


def test_a_bad_picture_that_ended_a_run_may_be_skipped_by_the_next() -> None:
    dataset = pictures(bad={10})
    with pytest.raises(DatasetError, match=r"10\.png"):
        run(dataset, Toy(modality="image"))
    toy = Toy(modality="image")
    same(run(dataset, toy, on_bad="skip", max_pixels=10**9), undisturbed(dataset, "image", on_bad="skip"))
    assert len(toy.given) == 11


def refusal(rows: int, differing: str) -> str:
    return (
        f".out.safetensors.work keeps {rows} finished rows of another job with this output; they differ in: "
        f"{differing}. Finish that job with the command that began it, or start over with --no-resume, which throws "
        "its work away."
    )


@pytest.mark.parametrize(
    ("stamp", "differing"),
    [
        ({"prompt": "query: "}, "prompt"),
        ({"spec": "python:toy:Other", "extra": {"version": 2}}, "spec, extra"),
        ({"dtype": "bfloat16"}, "dtype"),
        ({"weights_sha256": "b" * 64}, "spec, weights_sha256"),
        ({"dimension": 4}, "dimension"),
    ],
)
def test_another_encoder_never_goes_on_with_this_ones_work(stamp: dict[str, Any], differing: str) -> None:
    stop(texts(), 3)
    toy = Toy()
    toy.stamp = replace(toy.stamp, **stamp)
    with pytest.raises(UsageError) as e:
        run(texts(), toy)
    assert str(e.value) == refusal(12, differing)
    assert toy.given == []
    # Nothing is lost by the refusal.
    again = Toy()
    same(run(texts(), again), undisturbed(texts()))
    assert len(again.given) == 48


def test_other_rows_never_go_on_with_these_rows_work() -> None:
    stop(texts(), 3)
    swapped = [WORDS[1], WORDS[0], *WORDS[2:]]
    plain = Dataset(Rows.build([f"t:{row}" for row in range(60)]), WORDS, "text")
    for other in (texts(WORDS[:-1]), texts(["x", *WORDS[1:]]), texts(swapped), texts([*WORDS, "a"]), plain):
        with pytest.raises(UsageError) as e:
            run(other, Toy())
        assert str(e.value) == refusal(12, "rows")
    with pytest.raises(UsageError) as e:
        run(pictures(), Toy(modality="image"))
    assert str(e.value) == refusal(12, "rows, modality")


def test_what_decides_no_vector_may_change() -> None:
    """Labels, splits, the size of batches, and the libraries' versions."""
    stop(texts(), 3)
    toy = Toy()
    toy.stamp = replace(toy.stamp, libraries={"numpy": "9"})
    rows = Rows.build(texts().rows.ids.tolist(), hashes=texts().rows.hashes.tolist(), splits="train")
    made = run(replace(texts(), rows=rows), toy, batch_size=7, max_pixels=10**9)
    assert made.rows.split_names == ("train",)
    assert len(toy.given) == 48
    assert np.abs(made.vectors - undisturbed(texts()).vectors).max() < 1e-5


def test_pictures_are_not_taken_over_where_other_ones_would_be_left_out() -> None:
    dataset = pictures(bad={1})
    stop(dataset, 2, modality="image", on_bad="skip")
    for options, differing in (
        ({}, "on_bad"), ({"on_bad": "skip", "max_pixels": 10**9}, "max_pixels"), ({"max_pixels": 5}, "on_bad, max_pixels"),
    ):  # fmt: skip
        with pytest.raises(UsageError) as e:
            run(dataset, Toy(modality="image"), **options)
        assert str(e.value) == refusal(9, differing)


def test_no_resume_starts_over() -> None:
    said: list[str] = []
    stop(texts(), 3)
    toy = Toy()
    toy.stamp = replace(toy.stamp, prompt="query: ")
    run(texts(), toy, resume=False, note=said.append)
    assert (len(toy.given), said, left()) == (60, [], [OUTPUT])


def test_work_of_another_job_without_a_finished_row_is_in_nobodys_way() -> None:
    stop(texts(), 3)
    (FOLDER / "journal").write_bytes(b"")
    same(run(texts(WORDS[:9]), Toy()), undisturbed(texts(WORDS[:9])))


@pytest.mark.parametrize("name", ["job.json", "journal", "vectors"])
def test_a_work_folder_that_is_half_made_is_in_nobodys_way(name: str) -> None:
    stop(texts(), 3)
    (FOLDER / name).unlink()
    said: list[str] = []
    toy = Toy()
    same(run(texts(), toy, note=said.append), undisturbed(texts()))
    assert len(toy.given) == 60
    assert said == [f"Some of what is kept in {FOLDER} is damaged, and is encoded again."] * (name == "vectors")


@pytest.mark.parametrize("content", ["", "{", "[]", '{"facts": {}}', '{"facts": {}, "crc": 0}', "[" * 100_000])
def test_a_damaged_account_of_the_job_is_told(content: str) -> None:
    stop(texts(), 3)
    (FOLDER / "job.json").write_text(content, encoding="utf-8")
    with pytest.raises(EncoderError) as e:
        run(texts(), Toy())
    assert str(e.value) == (
        ".out.safetensors.work/job.json is damaged: it should say whose finished work is kept beside it. Start over "
        "with --no-resume."
    )
    assert (FOLDER / "vectors").exists()
    same(run(texts(), Toy(), resume=False), undisturbed(texts()))


def test_a_job_of_a_newer_layout_is_another_job() -> None:
    stop(texts(), 3)
    write_job(FOLDER, {**(read_job(FOLDER) or {}), "layout": 2, "encoder": "x"})
    with pytest.raises(UsageError) as e:
        run(texts(), Toy())
    assert str(e.value) == refusal(
        12, "layout, spec, modality, preprocessing, max_length … and 3 more"
    )  # fmt: skip


def test_an_encoder_whose_width_changed() -> None:
    stop(texts(), 3)
    with pytest.raises(EncoderError) as e:
        run(texts(), Toy(width=5))
    assert str(e.value) == (
        "The encoder gave vectors of width 5, and those kept in .out.safetensors.work are 3 wide. Start over with "
        "--no-resume."
    )
    assert (FOLDER / "job.json").exists()


def test_what_is_not_ours_stays(place: Path) -> None:
    for make in (lambda: FOLDER.write_text("mine", encoding="utf-8"), lambda: FOLDER.symlink_to(place)):
        make()
        with pytest.raises(UsageError) as e:
            run(texts(), Toy())
        assert str(e.value) == (
            ".out.safetensors.work stands where the finished work for out.safetensors would be kept, and it is no "
            "folder. Move it away, or name another output."
        )
        FOLDER.unlink()
    FOLDER.mkdir()
    (FOLDER / "mine.txt").write_text("mine", encoding="utf-8")
    run(texts(), Toy())
    assert [path.name for path in FOLDER.iterdir() if path.name != "lock"] == ["mine.txt"]


_HOLDER = """
import sys, time
from pathlib import Path
from relstitch.encoding.journal import Record, framed
from relstitch.encoding.work_folder import locked
with locked(Path(".out.safetensors.work"), "out.safetensors"):
    print("ready", flush=True)
    time.sleep(60)
"""


def test_two_runs_on_one_output() -> None:
    """The second one is refused while the first lives, and not after it was killed."""
    stop(texts(), 3)
    holder = subprocess.Popen(
        [sys.executable, "-c", _HOLDER],
        stdout=subprocess.PIPE,
        env=os.environ | {"PYTHONPATH": str(Path(__file__).parent.parent)},
    )
    assert holder.stdout is not None
    assert holder.stdout.readline() == b"ready\n"
    toy = Toy()
    with pytest.raises(UsageError) as e:
        run(texts(), toy)
    assert str(e.value) == (
        "Another run is writing out.safetensors at this moment (its finished work is in .out.safetensors.work). Wait "
        "until it ends, or name another output."
    )
    holder.kill()
    holder.communicate()
    run(texts(), toy)
    assert len(toy.given) == 48
    assert left() == [OUTPUT]


def test_a_file_system_without_locks_is_no_obstacle(monkeypatch: pytest.MonkeyPatch) -> None:
    import fcntl

    def unable(*_: object) -> None:
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr(fcntl, "lockf", unable)
    same(run(texts(), Toy()), undisturbed(texts()))


def test_a_run_that_ended_meanwhile_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its folder goes away while ours waits for it, and its output is there when we hold the lock."""
    from relstitch.encoding import work_folder as module

    held = module._held

    def late(file: Any) -> bool:
        monkeypatch.setattr(module, "_held", held)
        shutil.rmtree(FOLDER)
        Path(OUTPUT).write_bytes(b"theirs")
        return held(file)

    monkeypatch.setattr(module, "_held", late)
    toy = Toy()
    with pytest.raises(UsageError, match=r"out\.safetensors exists already"):
        run(texts(), toy)
    assert (toy.given, left()) == ([], [OUTPUT])


def test_the_folder_of_a_long_name_has_a_name_that_fits() -> None:
    one, other = (work_folder(Path(f"{'ü' * 115}{end}.safetensors")).name for end in "ab")
    assert one != other
    assert len(one.encode()) < 200
    assert work_folder(Path("a/b.safetensors")) == Path("a/.b.safetensors.work")


def usage(free: int) -> SimpleNamespace:
    return SimpleNamespace(free=free)


def test_a_disk_without_room_is_told_before_anything_is_encoded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda _place: usage(2000))
    toy = Toy()
    toy.stamp = replace(toy.stamp, dimension=3)
    with pytest.raises(EncoderError) as e:
        run(texts(), toy)
    assert str(e.value) == (
        "out.safetensors: 60 vectors of width 3 need about 3.4 kB on the disk, for the work and for the output, and "
        "2.0 kB are free. Make room, or put the output elsewhere."
    )
    assert (toy.given, left()) == ([], [])
    # An encoder that does not know its width is asked for one batch.
    with pytest.raises(EncoderError, match=r"60 vectors of width 3 need about 3\.4 kB"):
        run(texts(), Toy())
    assert left() == []


def test_room_that_is_reserved_is_not_asked_for_again(monkeypatch: pytest.MonkeyPatch) -> None:
    stop(texts(), 3)
    monkeypatch.setattr(shutil, "disk_usage", lambda _place: usage(3000))  # 2.7 kB for the output, .7 for the vectors
    same(run(texts(), Toy()), undisturbed(texts()))


def test_room_as_people_say_it() -> None:
    assert [in_units(size) for size in (0, 1, 999, 1000, 1_234_567, 15_360_000_000, 10**16)] == [
        "0 bytes", "1 byte", "999 bytes", "1.0 kB", "1.2 MB", "15.4 GB", "10,000.0 TB",
    ]  # fmt: skip


REFUSED = (
    "Finished work can't be kept in .out.safetensors.work: No space left on device. Make room on this disk or mend it; "
    "the same command then goes on from what is kept there."
)


@pytest.mark.parametrize("call", ["write", "fsync"])
def test_a_disk_that_fills_later_costs_no_finished_row(call: str, monkeypatch: pytest.MonkeyPatch) -> None:
    real, full, said = getattr(os, call), [False], list[str]()

    def filling(*arguments: Any) -> Any:
        if full[0]:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return real(*arguments)

    def fill(done: int, _total: int) -> None:
        full[0] = done >= 20

    monkeypatch.setattr(os, call, filling)
    with pytest.raises(EncoderError) as e:
        run(texts(), Toy(), progress=fill, note=said.append)
    assert str(e.value) == REFUSED
    assert said == [f"20 of 60 rows are kept in {FOLDER}: the same command goes on from there."]
    full[0] = False
    toy = Toy()
    same(run(texts(), toy), undisturbed(texts()))
    assert len(toy.given) == 40


def test_a_disk_that_takes_a_part_is_asked_again(monkeypatch: pytest.MonkeyPatch) -> None:
    write = os.write
    monkeypatch.setattr(os, "write", lambda handle, data: write(handle, data[:5]))
    stop(texts(), 3)
    same(run(texts(), Toy()), undisturbed(texts()))


def test_an_output_that_can_not_be_written_keeps_every_row(monkeypatch: pytest.MonkeyPatch) -> None:
    from relstitch.errors import ArtifactError

    said: list[str] = []

    def full(**_: object) -> str:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with monkeypatch.context() as patch:
        patch.setattr(tempfile, "mkdtemp", full)
        with pytest.raises(ArtifactError, match="could not be written: No space left on device"):
            run(texts(), Toy(), note=said.append)
    assert said == [f"60 of 60 rows are kept in {FOLDER}: the same command goes on from there."]
    toy = Toy(stop=0)
    made = run(texts(), toy)
    assert made.encoder.dimension == 3  # which only the first batch could tell
    same(made, undisturbed(texts()))


def test_memory_for_one_item_alone_is_missing_and_the_rest_is_kept() -> None:
    class Hungry(Toy):
        def encode(self, items: Sequence[Any]) -> EncodedBatch:
            if "cc" in items:
                raise MemoryError
            return super().encode(items)

    words = ["abcabc"] * 8 + ["cc", "a"]
    said: list[str] = []
    with pytest.raises(EncoderError, match="there is not enough memory for one item alone, t:8"):
        run(texts(words), Hungry(), note=said.append)
    assert said[-1] == f"8 of 10 rows are kept in {FOLDER}: the same command goes on from there."
    toy = Toy()
    same(run(texts(words), toy), undisturbed(texts(words)))
    assert toy.given == ["cc", "a"]


def record_commits(monkeypatch: pytest.MonkeyPatch, commits: list[int]) -> None:
    """Note how many rows each commit is about."""

    def noted(record: Record) -> bytes:
        commits.append(len(record))
        return framed(record)

    monkeypatch.setattr(kept_work, "framed", noted)


def test_commits_come_at_intervals_and_at_the_end(monkeypatch: pytest.MonkeyPatch) -> None:
    """Between two commits nothing is brought to the disk; what stops a run commits."""
    clock, commits = [0.0], list[int]()
    monkeypatch.setattr(kept_work, "_EVERY", 2.0)
    monkeypatch.setattr(kept_work, "_LONGEST", 30.0)
    monkeypatch.setattr("relstitch.encoding.kept_work.time.monotonic", lambda: clock[0])
    record_commits(monkeypatch, commits)

    def tick(_done: int, _total: int) -> None:
        clock[0] += 0.5

    toy = Toy(stop=11)
    with pytest.raises(Stopped):
        run(texts(), toy, progress=tick)
    assert commits == [20, 16, 8]
    run(texts(), Toy(), progress=tick)
    assert commits[3:] == [16]


def test_a_slow_disk_is_asked_less_often(monkeypatch: pytest.MonkeyPatch) -> None:
    clock, commits = [0.0], list[int]()
    monkeypatch.setattr(kept_work, "_EVERY", 2.0)
    monkeypatch.setattr(kept_work, "_LONGEST", 30.0)
    monkeypatch.setattr("relstitch.encoding.kept_work.time.monotonic", lambda: clock[0])
    real = os.fsync

    def slow(handle: int) -> None:
        clock[0] += 0.0225
        real(handle)

    monkeypatch.setattr(os, "fsync", slow)
    record_commits(monkeypatch, commits)

    def tick(_done: int, _total: int) -> None:
        clock[0] += 1.0

    run(texts(), Toy(), progress=tick)
    # The first after two seconds; a commit of .045 seconds puts the next one off by 4.5.
    assert commits == [12, 20, 20, 8]


def test_truncated_texts_are_counted_over_all_runs_or_refused() -> None:
    words = ["abcabc", "abcab", "ab", "a"]
    expected = run(texts(words), Toy(reads=4)).counts
    Path(OUTPUT).unlink()
    assert expected == {"truncated": 2}
    first = Toy(reads=4, stop=1)
    with pytest.raises(Stopped):
        run(texts(words), first, batch_size=2)
    # What was cut is met again where that is an error.
    toy = Toy(reads=4)
    with pytest.raises(EncoderError, match="2 of the 4 texts of a batch are longer: t:0, t:1"):
        run(texts(words), toy, fail_on_truncation=True)
    made = run(texts(words), toy, batch_size=2)
    assert made.counts == expected


def test_vectors_without_hashes_are_told_apart_by_their_values() -> None:
    rows = Rows.build([f"all:{row}" for row in range(20)])
    X = np.random.default_rng(0).normal(size=(20, 3)).astype(np.float32)
    dataset = Dataset(rows, X, "vectors")  # type: ignore[arg-type]
    stop(dataset, 2, modality="vectors")
    other = X.copy()
    other[19, 2] += 1
    with pytest.raises(UsageError) as e:
        run(Dataset(rows, other, "vectors"), Toy(modality="vectors"))  # type: ignore[arg-type]
    assert str(e.value) == refusal(8, "rows")
    toy = Toy(modality="vectors")
    same(run(dataset, toy), undisturbed(dataset, "vectors"))
    assert len(toy.given) == 12


def test_pictures_without_hashes_are_told_apart_by_their_bytes() -> None:
    def unhashed(dataset: Dataset) -> Dataset:
        rows = Rows.build(dataset.rows.ids.tolist(), splits=dataset.rows.splits.tolist())
        return replace(dataset, rows=rows)

    dataset = unhashed(pictures())
    dataset = replace(dataset, items=[*dataset.items[:19], ImageRef("nowhere.png")])
    stop(dataset, 2, modality="image", on_bad="skip")
    with pytest.raises(UsageError) as e:
        run(unhashed(pictures()), Toy(modality="image"), on_bad="skip")
    assert str(e.value) == refusal(8, "rows")
    same(
        run(dataset, Toy(modality="image"), on_bad="skip"), undisturbed(dataset, "image", on_bad="skip")
    )  # fmt: skip


def test_relative_files_resume_too() -> None:
    chosen = AnchorList(("t:6", "t:5", "t:4"), ("", "", ""))
    anchors = Anchors("explicit", 0, (AnchorSide("main", "x", (chosen,)),))
    expected = run(texts(), Toy(), anchors=anchors)
    Path(OUTPUT).unlink()
    with pytest.raises(Stopped):
        run(texts(), Toy(stop=3), anchors=anchors)
    toy = Toy()
    made = run(texts(), toy, anchors=anchors)
    assert len(toy.given) == 48
    assert np.abs(made.values - expected.values).max() < 1e-5
    assert np.abs(load_relative(OUTPUT).values - expected.values).max() < 1e-5
    assert left() == [OUTPUT]


def test_a_plan_says_what_would_be_taken_over() -> None:
    how = EncodeOptions(embed=EmbedOptions(batch_size=4), output=OUTPUT)

    def plan(options: EncodeOptions = how, dataset: Dataset | None = None) -> Any:
        with loading(Toy()):
            return plan_encoding(dataset or texts(), "python:toy:Toy", options=options)

    assert (plan().taken_over, plan().to_encode, plan().bytes_scratch) == (0, 60, 720)
    stop(texts(), 3)
    before = {path.name: path.read_bytes() for path in FOLDER.iterdir()}
    assert (plan().taken_over, plan().to_encode, plan().bytes_scratch) == (12, 48, 0)
    assert (plan(replace(how, resume=False)).taken_over, plan(replace(how, output=None)).taken_over) == (0, 0)
    with pytest.raises(UsageError) as e:
        plan(dataset=texts(WORDS[:5]))
    assert str(e.value) == refusal(12, "rows")
    assert {path.name: path.read_bytes() for path in FOLDER.iterdir()} == before
