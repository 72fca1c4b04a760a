"""An output is whole or absent, and never an input."""

import errno
import os
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import safetensors.numpy
import storage_samples as samples
from safetensors import SafetensorError

from relstitch import storage
from relstitch.errors import ArtifactError, UsageError

KINDS = list(samples.SAMPLES)


def refused(path: Path | str, artifact: storage.Artifact | None = None, **options: Any) -> str:
    with pytest.raises(UsageError) as caught:
        storage.save(artifact or samples.embeddings(), path, **options)
    return str(caught.value)


@pytest.mark.parametrize("kind", KINDS)
def test_an_output_that_exists_is_refused_without_force(kind: str, tmp_path: Path) -> None:
    """kohya_ss #2466: the output exists."""
    path = tmp_path / samples.file_name(kind)
    path.write_bytes(b"precious")
    made = samples.SAMPLES[kind]()
    assert refused(path, made) == f"{path} exists already. Name another output, or replace it with --force."
    assert path.read_bytes() == b"precious"
    storage.save(made, path, force=True)
    samples.assert_same(storage.load(path), made)


@pytest.mark.parametrize("force", [False, True])
def test_an_input_is_never_overwritten(force: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """unsloth-zoo #190: the output path equals an input, however it is written."""
    source = tmp_path / "in.safetensors"
    storage.save(samples.embeddings(), source)
    before = source.read_bytes()
    (tmp_path / "sub").mkdir()
    link, hard = tmp_path / "link.safetensors", tmp_path / "hard.safetensors"
    link.symlink_to(source)
    hard.hardlink_to(source)
    monkeypatch.chdir(tmp_path)
    for path in (source, Path("in.safetensors"), tmp_path / "sub" / ".." / "in.safetensors", link, hard):
        assert refused(path, force=force, inputs=["-", "hf:imdb", source]) == (
            f"{path} is also an input ({source}). An input is never overwritten: name another output."
        )
    assert source.read_bytes() == before


def test_an_input_that_is_not_there_yet_is_compared_by_its_place(tmp_path: Path) -> None:
    path = tmp_path / "new.safetensors"
    same = tmp_path / "." / "new.safetensors"
    assert refused(path, inputs=[same]) == (
        f"{path} is also an input ({same}). An input is never overwritten: name another output."
    )


def test_a_folder_is_no_output(tmp_path: Path) -> None:
    folder = tmp_path / "out.safetensors"
    folder.mkdir()
    assert refused(folder, force=True) == (
        f"{folder} is a folder; the output must be a file. Give a file name inside it."
    )


def test_a_missing_parent_folder_is_named(tmp_path: Path) -> None:
    path = tmp_path / "no" / "out.safetensors"
    assert refused(path) == f"{path}: there is no folder {tmp_path / 'no'}. Create it first."
    (tmp_path / "file").write_text("x")
    path = tmp_path / "file" / "out.safetensors"
    assert refused(path) == f"{path}: there is no folder {tmp_path / 'file'}. Create it first."


@pytest.mark.parametrize("name", ["out", "out.npz", "out.json", ".safetensors"])
def test_the_suffix_says_what_a_file_is(name: str, tmp_path: Path) -> None:
    assert refused(tmp_path / name) == f"{tmp_path / name}: the name of this output must end in .safetensors."
    assert list(tmp_path.iterdir()) == []


def test_anchors_end_in_json(tmp_path: Path) -> None:
    path = tmp_path / "out.safetensors"
    assert refused(path, samples.anchors()) == f"{path}: the name of this output must end in .json."


def test_an_output_can_be_checked_before_the_work(tmp_path: Path) -> None:
    path = tmp_path / "out.safetensors"
    assert storage.check_output(path) == path
    path.touch()
    with pytest.raises(UsageError):
        storage.check_output(path)
    assert storage.check_output(path, force=True) == path


def test_a_symbolic_link_stays_one(tmp_path: Path) -> None:
    (tmp_path / "disk").mkdir()
    link = tmp_path / "out.safetensors"
    link.symlink_to(tmp_path / "disk" / "real.safetensors")
    storage.save(samples.embeddings(), link)
    assert link.is_symlink()
    samples.assert_same(storage.load(tmp_path / "disk" / "real.safetensors"), samples.embeddings())


def test_an_output_has_the_permissions_of_any_new_file(tmp_path: Path) -> None:
    (tmp_path / "plain").touch()
    for kind in KINDS:
        path = tmp_path / samples.file_name(kind)
        storage.save(samples.SAMPLES[kind](), path)
        assert path.stat().st_mode == (tmp_path / "plain").stat().st_mode


def test_a_long_name_is_no_trouble(tmp_path: Path) -> None:
    path = tmp_path / ("ü" * 120 + ".safetensors")
    storage.save(samples.embeddings(), path)
    assert [entry.name for entry in tmp_path.iterdir()] == [path.name]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("error", [KeyboardInterrupt, SystemExit])
def test_an_interruption_leaves_nothing(
    kind: str, error: type[BaseException], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(_handle: int) -> None:
        raise error

    monkeypatch.setattr(os, "fsync", interrupted)
    path = tmp_path / samples.file_name(kind)
    with pytest.raises(error):
        storage.save(samples.SAMPLES[kind](), path)
    assert list(tmp_path.iterdir()) == []
    path.write_bytes(b"old")
    with pytest.raises(error):
        storage.save(samples.SAMPLES[kind](), path, force=True)
    assert path.read_bytes() == b"old"


@pytest.mark.parametrize("kind", KINDS)
def test_a_full_disk_leaves_nothing(kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(_handle: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", full)
    path = tmp_path / samples.file_name(kind)
    with pytest.raises(ArtifactError) as caught:
        storage.save(samples.SAMPLES[kind](), path)
    assert str(caught.value) == (
        f"{path} could not be written: No space left on device. Nothing was left behind. Check the permissions of "
        "the folder and the free space on the disk."
    )
    assert list(tmp_path.iterdir()) == []


def test_what_the_library_says_of_a_full_disk_is_passed_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_args: object, **_options: object) -> None:
        raise SafetensorError("I/O error: no space")

    monkeypatch.setattr(safetensors.numpy, "save_file", full)
    path = tmp_path / "a.safetensors"
    with pytest.raises(ArtifactError) as caught:
        storage.save(samples.embeddings(), path)
    assert str(caught.value) == (
        f"{path} could not be written: I/O error: no space. Nothing was left behind. Check the permissions of "
        "the folder and the free space on the disk."
    )
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_cannot_be_written_to_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def denied(**_options: object) -> str:
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), "inner name")

    monkeypatch.setattr(tempfile, "mkdtemp", denied)
    path = tmp_path / "a.json"
    with pytest.raises(ArtifactError) as caught:
        storage.save(samples.anchors(), path)
    assert str(caught.value) == (
        f"{path} could not be written: Permission denied. Nothing was left behind. Check the permissions of "
        "the folder and the free space on the disk."
    )


def test_what_comes_back_changed_is_removed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A negative control of the reading back: a writer that stores other numbers than it was given."""
    honest = safetensors.numpy.save_file

    def careless(tensors: dict[str, Any], path: Path, metadata: dict[str, str]) -> None:
        honest({**tensors, "vectors": tensors["vectors"] + np.float32(1)}, path, metadata)

    monkeypatch.setattr(safetensors.numpy, "save_file", careless)
    path = tmp_path / "a.safetensors"
    with pytest.raises(ArtifactError) as caught:
        storage.save(samples.embeddings(), path)
    assert str(caught.value) == (
        f"{path} was written, but vectors came back changed from the disk, so the file was removed. Check the disk "
        "and the memory of this machine."
    )
    assert list(tmp_path.iterdir()) == []


def test_metadata_and_text_that_come_back_changed_are_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    honest = safetensors.numpy.save_file
    monkeypatch.setattr(
        safetensors.numpy, "save_file", lambda tensors, path, metadata: honest(tensors, path, {"a": "b"})
    )
    path = tmp_path / "a.safetensors"
    with pytest.raises(ArtifactError) as caught:
        storage.save(samples.embeddings(), path)
    assert "but metadata came back changed" in str(caught.value)
    monkeypatch.setattr(Path, "read_bytes", lambda _path: b"")
    path = tmp_path / "a.json"
    with pytest.raises(ArtifactError) as caught:
        storage.save(samples.anchors(), path)
    assert "but its text came back changed" in str(caught.value)
    assert list(tmp_path.iterdir()) == []


_SAVE_AGAIN_AND_AGAIN = """
import sys
import numpy as np
from relstitch.artifacts import Embeddings, EncoderStamp, Rows
from relstitch.storage import save
rows = Rows.build(map(str, range(20_000)))
made = Embeddings(rows, np.ones((20_000, 200), np.float32), EncoderStamp("vectors:x", "vectors", 200))
print("ready", flush=True)
while True:
    save(made, sys.argv[1], force=True)
"""


@pytest.mark.parametrize("delay", [0.0, 0.03, 0.08, 0.15])
def test_a_killed_process_leaves_nothing_that_looks_whole(delay: float, tmp_path: Path) -> None:
    path = tmp_path / "out.safetensors"
    with subprocess.Popen(
        [sys.executable, "-c", _SAVE_AGAIN_AND_AGAIN, str(path)],
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": str(Path(storage.__file__).parents[2])},
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        time.sleep(delay)
        process.send_signal(signal.SIGKILL)
    if path.exists():
        assert storage.load_embeddings(path).vectors.shape == (20_000, 200)
    for entry in tmp_path.iterdir():
        assert entry == path or (entry.name.startswith(".out.safetensors.") and entry.name.endswith(".partial"))
    # A leftover is in nobody's way.
    storage.save(samples.embeddings(), path, force=True)


_SAVE_WITH_LITTLE_SPACE = """
import resource, signal, sys
import numpy as np
from relstitch.artifacts import Embeddings, EncoderStamp, Rows
from relstitch.errors import ArtifactError
from relstitch.storage import save
rows = Rows.build(map(str, range(1000)))
made = Embeddings(rows, np.ones((1000, 100), np.float32), EncoderStamp("vectors:x", "vectors", 100))
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))
try:
    save(made, sys.argv[1])
except ArtifactError as error:
    print(error)
"""


@pytest.mark.skipif(os.name == "nt", reason="file size limits are a matter of POSIX systems")
def test_a_disk_that_takes_no_more_leaves_nothing(tmp_path: Path) -> None:
    path = tmp_path / "out.safetensors"
    run = subprocess.run(
        [sys.executable, "-c", _SAVE_WITH_LITTLE_SPACE, str(path)],
        capture_output=True,
        text=True,
        check=True,
        env={**os.environ, "PYTHONPATH": str(Path(storage.__file__).parents[2])},
    )
    assert run.stdout.startswith(f"{path} could not be written: "), run
    assert "Nothing was left behind." in run.stdout
    assert list(tmp_path.iterdir()) == []
