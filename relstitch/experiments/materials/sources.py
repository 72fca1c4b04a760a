"""Data sets for frozen encoders: where each is, and whether vectors of it are there already."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from relstitch.dataset import Dataset
from relstitch.errors import DatasetError


@dataclass(frozen=True)
class Source:
    """A labelled data set with the splits ``train`` and ``test``.

    Attributes:
        name: What it is called in tables.
        origin: Where it comes from, in words.
        read: Reads it, everything of it; None where its vectors are ready.
        ready: Encoder → a file of vectors that it made of this data set; empty where there are none.
    """

    name: str
    origin: str
    read: Callable[[], Dataset] | None
    ready: Mapping[str, Path] = field(default_factory=dict)

    @property
    def key(self) -> str:
        """Its name as part of a file's name.

        Example:
            >>> Source("BBC News", "", None).key
            'bbc-news'
        """
        return "-".join(self.name.lower().split())


@dataclass(frozen=True)
class Found:
    """Which data sets are there.

    Attributes:
        sources: Those that are, in order.
        missing: Of each that is not: what would bring it.
    """

    sources: tuple[Source, ...]
    missing: tuple[str, ...]


def found(places: Iterable[Callable[[], Source]]) -> Found:
    """Look for data sets; those that are not there are named with what would bring them.

    Args:
        places: Each gives a data set, or raises a `DatasetError`.

    Example:
        >>> found([lambda: Source("TREC", "", None)]).missing
        ()
    """
    sources, missing = [], []
    for place in places:
        try:
            sources.append(place())
        except DatasetError as error:
            missing.append(str(error))
    # One package may hold several.
    return Found(tuple(sources), tuple(dict.fromkeys(missing)))


def ready_files(data: Path | None, key: str, encoders: Sequence[str]) -> Mapping[str, Path]:
    """Vectors in a folder of the user's: ``embeddings/KEY-ENCODER.npz``, of all encoders or of none.

    Rows of vectors and rows that are encoded here have other ids and could not meet.

    Args:
        data: The folder, or None.
        key: What the data set is called there.
        encoders: What the encoders are called there.
    """
    files = {} if data is None else {name: data / "embeddings" / f"{key}-{name}.npz" for name in encoders}
    return files if all(file.is_file() for file in files.values()) else {}
