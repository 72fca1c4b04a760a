"""What is named as a source, before it is read."""

import os
from collections.abc import Sequence

import pytest

from relstitch.dataset import Dataset, ReadOptions
from relstitch.encoding import sources


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
