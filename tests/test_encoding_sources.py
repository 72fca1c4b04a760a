"""What is named as a source, before it is read."""

import os
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from relstitch.dataset import Dataset, ReadOptions
from relstitch.encoding import encode, sources


@pytest.mark.parametrize(("answer", "seen"), [("refused", "1"), (None, None)])
def test_a_hub_that_is_away_is_not_waited_for(
    answer: str | None, seen: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An unreachable hub costs a library's retries; its cache is asked at once instead, and only then."""
    during: list[str | None] = []

    def read(_: Sequence[str], __: ReadOptions) -> Dataset:
        during.append(os.environ.get("HF_HUB_OFFLINE"))
        raise KeyError

    monkeypatch.delenv("HF_HUB_OFFLINE", raising=False)
    monkeypatch.setattr(sources, "read_dataset", read)
    monkeypatch.setattr(sources, "unreachable", lambda _: answer)
    for named in ("hf:user/data", "train=hf:user/data"):
        with pytest.raises(KeyError):
            sources.open_source(named, ReadOptions())
    assert during == [seen, seen]
    assert "HF_HUB_OFFLINE" not in os.environ


def test_paths_are_taken_as_well_as_texts(tmp_path: Path) -> None:
    table = tmp_path / "vectors.npy"
    np.save(table, np.eye(3, dtype=np.float32))
    for source in (table, [table], str(table)):
        assert encode(source).vectors.shape == (3, 3)
