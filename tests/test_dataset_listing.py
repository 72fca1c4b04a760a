"""Lists beside a dataset: ids, and pairs of ids."""

from pathlib import Path

import pytest
from dataset_samples import write

from relstitch.dataset.listing import read_ids, read_pairs
from relstitch.errors import DatasetError, UsageError


@pytest.fixture(autouse=True)
def _in_a_folder_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def test_ids_one_a_line() -> None:
    assert read_ids(write("a.txt", "\ufefftrain:3\r\n\n cat/1.png \n01")) == ("train:3", "cat/1.png", "01")


def test_no_ids() -> None:
    with pytest.raises(DatasetError) as refused:
        read_ids(write("a.txt", "\n \n"))
    assert str(refused.value) == "a.txt holds no ids; expected one id per line."


@pytest.mark.parametrize(("name", "sign"), [("a.csv", ","), ("a.tsv", "\t")])
def test_pairs(name: str, sign: str) -> None:
    write(name, f"en{sign}de\ntrain:0{sign}01\ntrain:1{sign}02\n")
    assert read_pairs(name) == (("en", "de"), (("train:0", "01"), ("train:1", "02")))


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (
            "en\na\n",
            "a.csv has one column (en); pairs need a column of ids for each domain, with the domains' names in the "
            "first line.",
        ),
        ("en,de\n", "a.csv holds a header and no pairs; expected a row of ids for each pair."),
        ("en,de\na,b\nc,\n", "a.csv, line 3: no id for de; a pair needs an id in every column."),
    ],
)
def test_pairs_that_are_none(content: str, message: str) -> None:
    with pytest.raises(DatasetError) as refused:
        read_pairs(write("a.csv", content))
    assert str(refused.value) == message


def test_several_files() -> None:
    write("a.txt", "x")
    write("b.txt", "y")
    with pytest.raises(UsageError) as refused:
        read_ids("*.txt")
    assert str(refused.value) == "*.txt means 2 files; expected one."
