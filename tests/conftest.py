"""What all tests share: a plain terminal, no network, and the way to real data."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

# Before any library reads them.
os.environ.setdefault("HF_HUB_OFFLINE", "1")
os.environ.update(COLUMNS="80", NO_COLOR="1", TERM="dumb", CI="true")
os.environ.pop("FORCE_COLOR", None)


@pytest.fixture(scope="session")
def test_data() -> Path:
    """The folder of real vectors and pictures; tests that need it are skipped without it."""
    folder = os.environ.get("RELSTITCH_TEST_DATA")
    if not folder:
        pytest.skip("RELSTITCH_TEST_DATA is not set: it names a folder with trec/, cifar10/, embeddings/")
    return Path(folder)


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A cache of its own, for what the experiment unpacks."""
    folder = tmp_path_factory.mktemp("cache")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("RELSTITCH_CACHE", str(folder))
        yield folder


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The README first: it is one long test, and two workers end together only if it does not come last. Slow ones only
    when asked."""
    items.sort(key=lambda item: item.path.name != "test_readme.py")
    if os.environ.get("RELSTITCH_SLOW") != "1":
        for item in items:
            if item.get_closest_marker("slow"):
                item.add_marker(pytest.mark.skip(reason="takes minutes: set RELSTITCH_SLOW=1"))
