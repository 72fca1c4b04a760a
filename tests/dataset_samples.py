"""Small sources for the tests of the dataset room, written into the working folder."""

from collections.abc import Sequence
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from relstitch.dataset import Dataset, ReadOptions, read_dataset
from relstitch.errors import RelstitchError


def write(name: str, content: str | bytes) -> str:
    """Write a file (text as UTF-8, line ends as they are) and give its name back."""
    path = Path(name)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return name


def read(*sources: str, **options: Any) -> Dataset:
    """Read sources with the options given by name."""
    return read_dataset(sources, ReadOptions(**options))


def refusal(*sources: str, **options: Any) -> str:
    """The message with which sources are refused: one of our errors, with exit code 2."""
    with pytest.raises(RelstitchError) as refused:
        read(*sources, **options)
    assert refused.value.exit_code == 2
    return str(refused.value)


def picture(
    color: Any = (200, 30, 30), *, size: tuple[int, int] = (8, 6), kind: str = "PNG", mode: str = "RGB"
) -> bytes:
    """The bytes of a small picture of one colour."""
    stream = BytesIO()
    Image.new(mode, size, color).save(stream, kind)
    return stream.getvalue()


def labels(dataset: Dataset) -> list[str | None]:
    """The class labels of all rows."""
    assert dataset.rows.targets is not None
    return list(dataset.rows.targets.labels())


def ids(dataset: Dataset) -> list[str]:
    """The ids of all rows."""
    return list(dataset.rows.ids)


def splits(dataset: Dataset) -> list[str]:
    """The splits of all rows."""
    return list(dataset.rows.splits)


def skipped(dataset: Dataset) -> Sequence[tuple[str, str, str]]:
    """The rows left out: id, split and reason."""
    return [(row.id, row.split, row.reason) for row in dataset.skipped]
