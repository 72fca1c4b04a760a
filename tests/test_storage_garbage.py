"""Whatever stands in a file: an error that names the file and says what was found, never a traceback."""

import json
import os
import pickle
import struct
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import storage_samples as samples
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from relstitch import storage
from relstitch.errors import ArtifactError
from relstitch.storage import metadata, tensors
from relstitch.storage.files import read_artifact

KINDS = list(samples.SAMPLES)
AGAIN = "Make it again, or copy it again whole."
WAY = "a file of relstitch was expected. Datasets and ready-made vectors go through `relstitch encode` first."


def refused(path: Path, load: Callable[[Path], object] = storage.load) -> str:
    with pytest.raises(ArtifactError) as caught:
        load(path)
    return str(caught.value)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "bad.safetensors"


@pytest.fixture
def whole(tmp_path: Path) -> dict[str, Path]:
    (tmp_path / "whole").mkdir()
    files = {kind: tmp_path / "whole" / samples.file_name(kind) for kind in KINDS}
    for kind, file in files.items():
        storage.save(samples.SAMPLES[kind](), file)
    return files


FOREIGN: dict[str, tuple[bytes, str]] = {
    "empty": (b"", "empty (0 bytes)"),
    "lfs": (
        b"version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\nsize 12345\n",
        "a Git LFS pointer and not the file itself (fetch it with `git lfs pull`)",
    ),
    "html": (b"\n<!DOCTYPE html><html><body>404</body></html>", "an HTML page (a download that went wrong?)"),
    "bare html": (b"\xef\xbb\xbf<HTML lang=en>", "an HTML page (a download that went wrong?)"),
    "xml": (b"<?xml version='1.0'?><Error/>", "an XML text"),
    "json": (b'{"a": 1}', "a JSON text"),
    "json list": (b" [1, 2]", "a JSON text"),
    "csv": (b"text,label\nwho,1\n", "a text table (CSV or TSV)"),
    "text": (b"hello there\n", "a plain text"),
    "blank": (b" \n", "a plain text"),
    "npy": (b"\x93NUMPY\x01\x00v\x00{'descr': '<f4'}", "a NumPy array file (.npy)"),
    "parquet": (b"PAR1\x15\x04", "a Parquet table"),
    "hdf5": (b"\x89HDF\r\n\x1a\n", "an HDF5 file"),
    "gzip": (b"\x1f\x8b\x08\x00", "a gzip archive"),
    "png": (b"\x89PNG\r\n\x1a\n", "a PNG picture"),
    "jpeg": (b"\xff\xd8\xff\xe0", "a JPEG picture"),
    "pdf": (b"%PDF-1.7", "a PDF document"),
    "gguf": (b"GGUF\x03\x00", "a GGUF model"),
    "pickle": (pickle.dumps({"a": 1}), "a pickle (pickles can run code and are never loaded)"),
    "broken zip": (b"PK\x03\x04abc", "a damaged zip archive"),
    "noise": (b"\x00\x01\x02\x03", "a binary file of an unknown kind"),
    "short": (b"\x10\x00\x00\x00\x00\x00\x00", "a binary file of an unknown kind"),
}


@pytest.mark.parametrize("name", FOREIGN)
def test_a_foreign_file_is_named_for_what_it_is(name: str, path: Path) -> None:
    """MFTCoder #20: empty, Git LFS pointer, HTML named .safetensors."""
    content, words = FOREIGN[name]
    path.write_bytes(content)
    assert refused(path) == f"{path} is {words}; {WAY}"
    assert refused(path, storage.inspect) == f"{path} is {words}; {WAY}"
    assert storage.peek(path) is None
    assert refused(path, storage.load_embeddings) == (
        f"{path} is {words}; an embeddings file was expected. `relstitch encode SOURCE -m MODEL -o FILE` makes one."
    )
    assert refused(path, storage.load_vectors) == (
        f"{path} is {words}; a safetensors file of bare vectors was expected."
    )


@pytest.mark.parametrize(
    ("members", "words"),
    [
        (["train.npy", "test.npy"], "a NumPy archive (.npz)"),
        (
            ["archive/data.pkl", "archive/data/0"],
            "a PyTorch checkpoint with a pickle inside (pickles can run code and are never loaded)",
        ),
        (["a.txt"], "a zip archive"),
        ([], "a zip archive"),
    ],
)
def test_zip_archives_are_told_apart(members: list[str], words: str, path: Path) -> None:
    with zipfile.ZipFile(path, "w") as archive:
        for member in members:
            archive.writestr(member, b"x")
    assert refused(path) == f"{path} is {words}; {WAY}"


def test_a_safetensors_file_of_another_program_is_named_by_its_tensors(path: Path) -> None:
    samples.foreign(path, {f"layer.{n}": np.zeros(2) for n in range(7)}, {"format": "pt"})
    assert refused(path) == (
        f"{path} is a safetensors file that relstitch did not write (its tensors: layer.0, layer.1, layer.2, "
        f"layer.3, layer.4 … and 2 more); {WAY}"
    )
    assert storage.peek(path) is None
    samples.foreign(path, {})
    assert refused(path) == f"{path} is a safetensors file that relstitch did not write (its tensors: none); {WAY}"


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    assert refused(tmp_path / "no.safetensors") == f"{tmp_path / 'no.safetensors'}: there is no such file."
    assert refused(tmp_path / "no.json", storage.load_anchors) == f"{tmp_path / 'no.json'}: there is no such file."
    assert storage.peek(tmp_path / "no.safetensors") is None
    assert storage.peek("hf:imdb") is None


def test_a_folder_and_a_pipe_are_no_files(tmp_path: Path) -> None:
    assert refused(tmp_path) == f"{tmp_path} is a folder; a file was expected."
    assert storage.peek(tmp_path) is None
    os.mkfifo(tmp_path / "pipe")
    assert refused(tmp_path / "pipe") == f"{tmp_path / 'pipe'} is a pipe or a device; a file was expected."
    assert storage.peek(tmp_path / "pipe") is None


@pytest.mark.parametrize("kind", KINDS)
def test_a_file_that_may_not_be_read(kind: str, whole: dict[str, Path], monkeypatch: pytest.MonkeyPatch) -> None:
    honest, opened = Path.open, []

    def denied_from(times: int) -> Callable[..., Any]:
        def denied(path: Path, *args: Any, **options: Any) -> Any:
            opened.append(path)
            if len(opened) > times:
                raise PermissionError(13, "Permission denied")
            return honest(path, *args, **options)

        return denied

    for times in (0, 2):
        opened.clear()
        monkeypatch.setattr(Path, "open", denied_from(times))
        assert refused(whole[kind]) in (
            f"{whole[kind]} could not be read: Permission denied.",
            # A look that never fails found nothing.
            f"{whole[kind]} is a JSON text; {WAY}",
        )


@pytest.mark.parametrize("kind", KINDS)
def test_a_file_cut_short_anywhere_is_refused(kind: str, whole: dict[str, Path]) -> None:
    """MFTCoder #20: truncated, at any byte."""
    content = whole[kind].read_bytes()
    short = whole[kind].with_name(f"short{whole[kind].suffix}")
    last = len(content) - (1 if kind == "anchors" else 0)  # the line break at the end is no loss
    for length in {*range(0, last, 9), *range(12), last - 1}:
        short.write_bytes(content[:length])
        assert refused(short).startswith(f"{short} ")
        storage.peek(short)


@pytest.mark.parametrize("kind", KINDS)
def test_a_flipped_bit_is_found_anywhere(kind: str, whole: dict[str, Path]) -> None:
    content = whole[kind].read_bytes()
    flipped = whole[kind].with_name(f"flipped{whole[kind].suffix}")
    for position in range(0, len(content), 9):
        if content[position : position + 1].isspace() and kind == "anchors":
            continue  # white space in JSON may be any
        changed = bytearray(content)
        changed[position] ^= 1 << (position // 9 % 8)
        flipped.write_bytes(changed)
        assert refused(flipped).startswith(str(flipped))
        storage.peek(flipped)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    content=st.binary(max_size=60), start=st.sampled_from([b"", b"{", b"[", b"\x08" + bytes(7) + b"{", b"PK\x03\x04"])
)
def test_noise_is_refused(content: bytes, start: bytes, path: Path) -> None:
    path.write_bytes(start + content)
    for load in (storage.load, storage.load_vectors, storage.inspect):
        assert refused(path, load).startswith(str(path))
    assert storage.peek(path) is None


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(kind=st.sampled_from(KINDS), at=st.floats(0, 1), content=st.binary(max_size=9))
def test_bytes_put_in_anywhere_are_found(kind: str, at: float, content: bytes, tmp_path: Path) -> None:
    file = tmp_path / samples.file_name(kind)
    storage.save(samples.SAMPLES[kind](), file, force=True)
    good = file.read_bytes()
    place = int(at * len(good))
    file.write_bytes(good[:place] + content + good[place:])
    said = _said(file)
    if said is None:
        samples.assert_same(storage.load(file), samples.SAMPLES[kind]())
    else:
        assert said.startswith(str(file))


def _said(file: Path) -> str | None:
    try:
        storage.load(file)
    except ArtifactError as error:
        return str(error)
    return None


def with_header(path: Path, header: bytes, data: bytes = b"", *, length: int | None = None) -> Path:
    path.write_bytes(struct.pack("<Q", len(header) if length is None else length) + header + data)
    return path


def test_a_header_length_that_is_absurd(path: Path) -> None:
    with_header(path, b'{"a"', length=2**50)
    assert refused(path) == (
        f"{path} is damaged: its header claims {2**50} bytes, and at most {2**25} are read. {AGAIN}"
    )
    with_header(path, b'{"a"', length=100)
    assert (
        refused(path)
        == f"{path} is damaged: its header should end at byte 108, and the file ends at byte 12. {AGAIN}"
    )


@pytest.mark.parametrize(
    "header",
    [
        b"{not JSON}",
        b'{"__metadata__": {"relstitch": 3}}',
        b'{"a": {"dtype": "F32", "shape": [1099511627776, 1099511627776], "data_offsets": [0, 4]}}',
        b'{"a": {"dtype": "F32", "shape": [2], "data_offsets": [0, 4]}}',
        b'{"a": {"dtype": "F32", "shape": [1], "data_offsets": [4, 8]}}',
        b'{"a": {"dtype": "F32", "shape": [1], "data_offsets": [-4, 0]}}',
        b'{"a": ' + b"[" * 5000,
    ],
)
def test_a_header_that_lies_is_refused_by_the_library(header: bytes, path: Path) -> None:
    with_header(path, header, bytes(4))
    for load in (storage.load, storage.load_vectors):
        with pytest.raises(ArtifactError) as caught:
            load(path)
        assert str(caught.value) == (
            f"{path} is damaged: its safetensors header does not fit the file ({caught.value.__cause__}). {AGAIN}"
        )


def test_a_zeroed_file_of_the_right_size_is_refused(whole: dict[str, Path]) -> None:
    file = whole["embeddings"]
    file.write_bytes(bytes(file.stat().st_size))
    assert refused(file) == f"{file} is a binary file of an unknown kind; {WAY}"


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("", "its metadata is not JSON"),
        ("{", "its metadata is not JSON"),
        ("[" * 100_000, "its metadata is not JSON"),
        ("[1]", "its metadata is not a JSON object"),
        ("{}", "its entry 'format' is missing or not of type int"),
        ('{"format": true}', "its entry 'format' is missing or not of type int"),
        ('{"format": "1", "kind": "embeddings"}', "its entry 'format' is missing or not of type int"),
        ('{"format": 1}', "its entry 'kind' is missing or not of type str"),
        ('{"format": 0, "kind": "embeddings"}', "there is no file format 0"),
        ('{"format": 1, "kind": "embeddings"}', "the checksum of its metadata does not fit"),
        ('{"checksum": "00000000", "format": 1, "kind": "embeddings"}', "the checksum of its metadata does not fit"),
    ],
)
def test_metadata_that_is_not_ours(text: str, what: str, path: Path) -> None:
    samples.foreign(path, {"vectors": samples.matrix(2, 2)}, {"relstitch": text})
    assert refused(path) == f"{path} is damaged: {what}. {AGAIN}"


def test_a_file_of_a_newer_relstitch(path: Path) -> None:
    text = '{"checksum": "whatever", "kind": "hologram", "format": 2}'
    samples.foreign(path, {"a": np.zeros(1)}, {"relstitch": text})
    assert refused(path) == (
        f"{path} was written by a newer relstitch: its file format is 2, and this version reads up to 1. Upgrade "
        "relstitch to read it."
    )
    assert storage.peek(path) == "hologram"
    text = metadata.sealed({"kind": "hologram", "format": 1})
    samples.foreign(path, {"a": np.zeros(1)}, {"relstitch": text})
    assert refused(path) == (
        f"{path} is of the kind 'hologram', which this version of relstitch does not know; it knows: embeddings, "
        "relative, decoder, anchors, translator, hub. Upgrade relstitch to read it."
    )


LOADERS: dict[str, tuple[Callable[[Path], object], str, str]] = {
    "embeddings": (
        storage.load_embeddings,
        "an embeddings file",
        "`relstitch encode SOURCE -m MODEL -o FILE` makes one.",
    ),
    "relative": (
        storage.load_relative,
        "a relative file",
        "`relstitch encode SOURCE -m MODEL --anchors ANCHORS -o FILE` makes one.",
    ),
    "decoder": (storage.load_decoder, "a decoder file", "`relstitch stitch … --save-decoder FILE` makes one."),
    "anchors": (storage.load_anchors, "an anchors file", "`relstitch anchors SOURCE -o FILE` makes one."),
    "translator": (
        storage.load_translator,
        "a translator file",
        "`relstitch translate fit A B --anchors ANCHORS -o FILE` makes one.",
    ),
    "hub": (
        lambda path: read_artifact(path, ("hub",)),
        "a hub file",
        "`relstitch translate hub A B C --anchors ANCHORS -o FILE` makes one.",
    ),
    "spaces": (
        storage.load_spaces,
        "an embeddings file or a relative file",
        "`relstitch encode SOURCE -m MODEL -o FILE` makes one.",
    ),
}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("wanted", LOADERS)
def test_a_file_of_another_kind_is_named(kind: str, wanted: str, whole: dict[str, Path]) -> None:
    load, expected, way = LOADERS[wanted]
    if wanted == kind or (wanted == "spaces" and kind in ("embeddings", "relative")):
        load(whole[kind])
        return
    assert refused(whole[kind], load) == f"{whole[kind]} is {LOADERS[kind][1]}; {expected} was expected. {way}"


def test_an_embeddings_file_is_no_file_of_bare_vectors(whole: dict[str, Path]) -> None:
    assert refused(whole["embeddings"], storage.load_vectors) == (
        f"{whole['embeddings']} is an embeddings file; a safetensors file of bare vectors was expected."
    )


Change = Callable[[dict[str, Any], dict[str, Any]], None]


def put(name: str, value: Any) -> Change:
    return lambda arrays, _facts: arrays.__setitem__(name, np.asarray(value))


def drop(name: str) -> Change:
    return lambda arrays, _facts: arrays.__delitem__(name)


def say(value: Any, *keys: Any) -> Change:
    def change(_arrays: dict[str, Any], facts: dict[str, Any]) -> None:
        for key in keys[:-1]:
            facts = facts[key]
        facts[keys[-1]] = value

    return change


def forget(*keys: Any) -> Change:
    def change(_arrays: dict[str, Any], facts: dict[str, Any]) -> None:
        for key in keys[:-1]:
            facts = facts[key]
        del facts[keys[-1]]

    return change


OFFSETS = "offsets that do not rise from 0 to the length of the text"
FORGED: dict[str, tuple[str, Change, str]] = {
    "no vectors": (
        "embeddings", drop("vectors"), "it has no tensor 'vectors'; expected float32 or float16 [5, 3]",
    ),
    "vectors of another type": (
        "embeddings", put("vectors", np.zeros((5, 3))),
        "its tensor 'vectors' is float64 [5, 3]; expected float32 or float16 [5, 3]",
    ),
    "vectors of another width": (
        "embeddings", put("vectors", np.zeros((5, 2), np.float32)),
        "its tensor 'vectors' is float32 [5, 2]; expected float32 or float16 [5, 3]",
    ),
    "flat vectors": (
        "embeddings", put("vectors", np.zeros(15, np.float32)),
        "its tensor 'vectors' is float32 [15]; expected float32 or float16 [5, 3]",
    ),
    "vectors that are not finite": (
        "embeddings", put("vectors", np.full((5, 3), np.nan, np.float32)),
        "5 rows of the embeddings hold NaN or infinite values: train:0, train:1, test:0, b/Übung 3.png, 文:4. "
        "Only finite values can be compared: leave these rows out, or make them again",
    ),
    "another number of rows": (
        "embeddings", say(4, "rows", "n"), "its tensor 'ids.offsets' is int64 [6]; expected int64 [5]",
    ),
    "a negative number of rows": (
        "embeddings", say(-1, "rows", "n"), "its tensor 'ids.offsets' is int64 [6]; expected int64 [0]",
    ),
    "a number of rows that is none": (
        "embeddings", say("5", "rows", "n"), "its entry 'n' is missing or not of type int",
    ),
    "no rows": ("embeddings", forget("rows"), "its entry 'rows' is missing or not of type dict"),
    "offsets that fall": (
        "embeddings", put("ids.offsets", np.array([0, 7, 3, 20, 34, 39])), f"its texts 'ids' cannot be read ({OFFSETS})",
    ),
    "offsets past the end": (
        "embeddings", put("ids.offsets", np.array([0, 7, 14, 20, 34, 99])), f"its texts 'ids' cannot be read ({OFFSETS})",
    ),
    "offsets before the start": (
        "embeddings", put("ids.offsets", np.array([-5, 7, 14, 20, 34, 39])), f"its texts 'ids' cannot be read ({OFFSETS})",
    ),
    "ids that repeat": (
        "embeddings", put("ids.bytes", np.frombuffer(b"aaaaaaaaaaaaaa" + b"b" * 25, np.uint8)),
        "1 id stands more than once: aaaaaaa. Ids must be unique: choose another id column, or leave it out to "
        "number the rows",
    ),
    "hashes of another width": (
        "embeddings", put("hashes", np.zeros((5, 8), np.uint8)),
        "its tensor 'hashes' is uint8 [5, 8]; expected uint8 [5, 16]",
    ),
    "a split that has no name": (
        "embeddings", put("splits", np.array([0, 1, 2, 0, 0], np.int32)), "its tensor 'splits' points outside the 2 names it has",
    ),
    "split names that repeat": (
        "embeddings", say(["train", "train"], "rows", "splits"), "its entry 'splits' is not a list of different texts",
    ),
    "split names that are no texts": (
        "embeddings", say([1, 2], "rows", "splits"), "its entry 'splits' is not a list of different texts",
    ),
    "a class that has no name": (
        "embeddings", put("targets.values", np.array([0, 1, -1, 3, 0], np.int32)),
        "its tensor 'targets.values' points outside the 3 names it has",
    ),
    "a label that is there and is not": (
        "embeddings", put("targets.values", np.array([-1, 1, -1, 2, 0], np.int32)),
        "its tensor 'targets.values' points outside the 3 names it has",
    ),
    "a flag that is neither": (
        "embeddings", put("targets.present", np.array([1, 1, 0, 1, 7], np.uint8).view(bool)),
        "its tensor 'targets.present' holds more than yes and no",
    ),
    "fewer names than targets": (
        "embeddings",
        lambda arrays, facts: (
            facts["rows"].update(targets={"kind": "real", "names": ["x"]}),
            arrays.update({"targets.values": np.zeros((5, 2), np.float32)}),
        )[0],
        "it has 2 targets per row and 1 name for them",
    ),
    "a modality of no kind": (
        "embeddings", forget("encoder", "modality"), "its entry 'modality' is missing or not of type str",
    ),
    "a stamp without a revision": (
        "embeddings", say(5, "encoder", "revision"), "its entry 'revision' is missing or not of type str | None",
    ),
    "another width in the stamp": (
        "embeddings", say(4, "encoder", "dimension"),
        "its tensor 'vectors' is float32 [5, 3]; expected float32 or float16 [5, 4]",
    ),
    "counts that are no numbers": (
        "embeddings", say("2", "counts", "truncated"), "its entry 'truncated' is missing or not of type int",
    ),
    "skipped rows that are short": (
        "embeddings", say(3, "skipped", "n"), "its tensor 'skipped.splits' is int32 [2]; expected int32 [3]",
    ),
    "other anchors": (
        "relative", put("anchors.ids.bytes", np.frombuffer("train:1文:4".encode(), np.uint8)),
        "the anchors of 'anchors.vectors' are not those its digest names",
    ),
    "anchors that repeat": (
        "relative",
        lambda arrays, _: arrays.update(
            {"anchors.ids.bytes": np.frombuffer(b"aa", np.uint8), "anchors.ids.offsets": np.array([0, 1, 2])}
        ),
        "An anchors list names 1 id more than once: a",
    ),
    "anchors that are not finite": (
        "relative", put("anchors.vectors", np.full((2, 3), np.inf, np.float32)),
        "its tensor 'anchors.vectors' holds values that are not finite",
    ),
    "a mean of another width": (
        "relative", put("anchors.mean", np.zeros(2, np.float32)),
        "its tensor 'anchors.mean' is float32 [2]; expected float32 [3]",
    ),
    "sizes of lists that are none": (
        "decoder", say(["2"], "anchors"), "its entry 'anchors' is not a list of whole numbers",
    ),
    "a list that is not there": (
        "decoder", say(1, "spaces", 0, "list"), "space 0 names an anchors list that is not there",
    ),
    "a space that is none": ("decoder", say([7], "spaces"), "space 0 names an anchors list that is not there"),
    "a space without vectors": (
        "decoder", drop("space.1.vectors"), "it has no tensor 'space.1.vectors'; expected float32 [2, 4]",
    ),
    "a decoder named as anchors": (
        "decoder", say("anchors", "kind"), "an anchors file is no safetensors file",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", FORGED)
def test_content_that_contradicts_itself(name: str, whole: dict[str, Path], path: Path) -> None:
    kind, change, what = FORGED[name]
    samples.forge(whole[kind], path, change)
    assert refused(path) == f"{path} is damaged: {what.rstrip('.')}. {AGAIN}"


def test_text_that_is_not_utf8(whole: dict[str, Path], path: Path) -> None:
    samples.forge(whole["embeddings"], path, put("ids.bytes", np.full(39, 255, np.uint8)))
    with pytest.raises(ArtifactError) as caught:
        storage.load(path)
    assert (
        str(caught.value) == f"{path} is damaged: its texts 'ids' cannot be read ({caught.value.__cause__}). {AGAIN}"
    )


@pytest.mark.parametrize(
    ("kind", "keys", "word", "known"),
    [
        (
            "relative", ("projection", "name"), "name",
            "cosine, angular, euclidean, l1, linf, dot, polynomial, rbf, whitened, mahalanobis",
        ),
        ("decoder", ("method",), "method", "logistic, svm, ridge, knn, mlp"),
        ("decoder", ("task",), "task", "class, multilabel, real, image"),
        ("embeddings", ("rows", "targets", "kind"), "kind", "class, multilabel, real, image"),
        ("embeddings", ("encoder", "modality"), "modality", "text, image, vectors, graph"),
    ],
)  # fmt: skip
def test_a_name_that_a_later_version_may_know(
    kind: str, keys: tuple[str, ...], word: str, known: str, whole: dict[str, Path], path: Path
) -> None:
    samples.forge(whole[kind], path, say("wavelet", *keys))
    assert refused(path) == (
        f"{path} says {word} 'wavelet', which this version of relstitch does not know; it knows: {known}. Upgrade "
        "relstitch to read it."
    )


def test_tensors_that_are_missing_or_too_many(whole: dict[str, Path], path: Path) -> None:
    file = tensors.read_tensors(whole["embeddings"])
    text = tensors.read_header(whole["embeddings"]).metadata["relstitch"]
    arrays = {name: np.array(array) for name, array in file.tensors.items() if name != "counts"}
    samples.foreign(path, {**arrays, "extra": np.zeros(1)}, {"relstitch": text})
    assert refused(path) == (f"{path} is damaged: tensors that are missing or do not belong: counts, extra. {AGAIN}")
    samples.foreign(path, {**arrays, "counts": np.zeros(5)}, {"relstitch": text})
    assert refused(path) == f"{path} is damaged: checksums that do not fit, in the tensors counts. {AGAIN}"
    # Metadata whole, the checksum of a tensor written as something else.
    facts = {**json.loads(text), "checksums": [1]}
    del facts["checksum"]
    samples.foreign(path, arrays, {"relstitch": metadata.sealed(facts)})
    assert refused(path) == f"{path} is damaged: its entry 'checksums' is missing or not of type dict. {AGAIN}"


def test_a_huge_claim_takes_no_memory(path: Path) -> None:
    """Sizes are compared with the file before anything is made of them."""
    samples.forge(_saved(path.with_name("whole.safetensors")), path, say(10**15, "rows", "n"))
    assert refused(path) == (
        f"{path} is damaged: its tensor 'ids.offsets' is int64 [6]; expected int64 [1000000000000001]. {AGAIN}"
    )


def _saved(path: Path) -> Path:
    storage.save(samples.embeddings(), path)
    return path
