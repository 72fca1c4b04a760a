"""Pictures and names through paired anchors: what must hold whatever the figures, and where emoji come from."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from parallel_samples import write_packages

from relstitch.anchors import pair_anchors
from relstitch.artifacts import Embeddings, EncoderStamp, Rows, Targets
from relstitch.artifacts.experiments import ExperimentReport
from relstitch.errors import DatasetError
from relstitch.experiments import Run, Steps, encodings, multimodal, picture_names
from relstitch.experiments.materials.emoji import emoji, names_in, pictures, pictures_in, some_of
from relstitch.experiments.multimodal import EXPERIMENT, SIZES
from relstitch.experiments.multimodal_tables import Pair, patterns_of
from relstitch.experiments.picture_names import (
    ABSOLUTE,
    AUTO,
    CENTRED,
    DRAWN,
    NAMES,
    PLAIN,
    SPECS,
    answered,
    chance,
    ends_of,
    looked_up,
    met,
    paired_anchors,
)
from relstitch.scoring import floor

N, TEST, WIDTH = 200, 60, 16
BOTH = ("pictures → names", "names → pictures")


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A folder with small packages, in place of the real ones."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("RELSTITCH_CACHE", str(tmp_path_factory.mktemp("cache")))
        small = replace(SIZES["toy"], emoji=140, test=50, numbers=(30, 60))
        patch.setattr(multimodal, "SIZES", {**SIZES, "toy": small})
        yield write_packages(tmp_path_factory.mktemp("data"), patch)


@pytest.fixture(scope="module")
def given(data: Path, tmp_path_factory: pytest.TempPathFactory) -> Run:
    return Run("toy", Steps(tmp_path_factory.mktemp("multimodal") / "steps"), data=data)


@pytest.fixture(scope="module")
def report(given: Run) -> ExperimentReport:
    return EXPERIMENT.run(given)


@pytest.fixture(scope="module")
def sides() -> dict[str, Embeddings]:
    """Names, and pictures whose encoder sees the same turned."""
    random = np.random.default_rng(0)
    vectors = random.normal(size=(N, WIDTH))
    vectors[::2, :3] += 1.5
    labels = ["face" if at % 2 else "tree" for at in range(N)]
    splits = ["test" if at < TEST else "train" for at in range(N)]
    rows = Rows.build(map(str, range(N)), splits=splits, targets=Targets.from_labels(labels))
    rotation = np.linalg.qr(random.normal(size=(WIDTH, WIDTH)))[0]
    return {
        name: Embeddings(rows, seen.astype(np.float32), EncoderStamp(f"st:{name}", "text", WIDTH))
        for name, seen in ((NAMES, vectors), (DRAWN, vectors @ rotation))
    }


def test_pictures_that_are_turned_names_find_them_all(sides: dict[str, Embeddings]) -> None:
    found = met(sides, 60, 0, auto=(True, True))
    for form in (*SPECS, AUTO):
        for way in BOTH:
            assert found["retrieval"][form][way][0] > 0.95, form
    for way in BOTH:
        assert found["retrieval"][ABSOLUTE][way][0] < 0.2
    own = ends_of(sides)[NAMES]
    assert own > 0.8
    for form in (CENTRED, AUTO):
        assert found["accuracy"][form] > own - 0.1, form
    assert found["accuracy"][ABSOLUTE] < own - 0.1


def test_pairs_that_do_not_belong_together_find_by_chance(sides: dict[str, Embeddings]) -> None:
    right = paired_anchors(sides, 60, 0)
    ids = list(right.side(NAMES).draws[0].ids)
    wrong = pair_anchors(sides, list(zip(ids, [*ids[1:], ids[0]], strict=True)))
    first, tenth, rank = chance(TEST)
    found = looked_up(sides, wrong, auto=True)
    for form in (CENTRED, AUTO):
        for way in BOTH:
            assert found[form][way][0] < first + 0.1
            assert found[form][way][1] < tenth + 0.17
            assert found[form][way][2] < rank + 0.1


def test_ceilings_and_floor_are_those_of_each_side(sides: dict[str, Embeddings]) -> None:
    ends = ends_of(sides)
    # A ridge decoder does not care how a space is turned, but for rounding.
    assert ends[NAMES] == pytest.approx(ends[DRAWN], abs=1.5 / TEST)
    rows = sides[NAMES].rows
    assert rows.targets is not None
    train, test = (rows.targets.take(rows.in_splits(split)) for split in ("train", "test"))
    assert ends["floor"] == floor(train, test)
    assert set(answered(sides, paired_anchors(sides, 40, 0))) == {ABSOLUTE, PLAIN, CENTRED}


@pytest.mark.parametrize("candidates", [1, 7, 25])
def test_chance_is_what_a_random_order_gives(candidates: int) -> None:
    random = np.random.default_rng(0)
    ranks = random.integers(1, candidates + 1, 40_000)
    found = ((ranks <= 1).mean(), (ranks <= 10).mean(), (1 / ranks).mean())
    assert chance(candidates) == pytest.approx(found, abs=0.02)


def test_the_report_has_chance_floor_and_ceilings(report: ExperimentReport) -> None:
    retrieval, curve, classifier = report.tables
    lines = {row.setting[3]: row.ours for row in retrieval.rows}
    assert tuple(one.mean for one in lines["chance"] if one is not None) == pytest.approx(2 * chance(50))
    assert {CENTRED, PLAIN, AUTO} < set(lines)
    assert [row.setting for row in curve.rows if row.setting[0] == CENTRED] == [(CENTRED, "30"), (CENTRED, "60")]
    assert all(row.paper == (None,) * len(row.paper) for table in report.tables for row in table.rows)
    (row,) = classifier.rows
    assert row.setting == ("google", "pixels", "trigrams")
    known, names, drawn, *_ = (one.mean for one in row.ours if one is not None)
    # Names begin with their group, and one group is drawn brighter.
    assert min(names, drawn) > known + 0.2
    assert [plot.name for plot in report.plots] == ["multimodal-retrieval", "multimodal-classifier"]
    assert report.settings["rows"] == "90 pairs to learn from, 50 to be looked for and scored"


def test_a_second_run_computes_nothing_and_says_the_same(
    given: Run, report: ExperimentReport, monkeypatch: pytest.MonkeyPatch
) -> None:
    def never(*arguments: Any, **options: Any) -> Any:
        raise AssertionError("computed again")

    for name in ("stitch_pair", "choose_translator", "project"):
        monkeypatch.setattr(picture_names, name, never)
    monkeypatch.setattr(encodings, "encode", never)
    again = EXPERIMENT.run(replace(given, steps=Steps(given.steps.folder)))
    assert again.to_json() == report.to_json()


def test_patterns_are_held_by_what_is_found_and_not_by_chance() -> None:
    sizes = replace(SIZES["toy"], numbers=(30, 90), auto_numbers=(90,), test=100)
    pair = Pair("google", "pixels", "trigrams")
    ends = {pair: {"floor": 0.3, NAMES: 0.9, DRAWN: 0.8}}

    def held(recall: float, accuracy: float) -> list[bool]:
        forms = (PLAIN, CENTRED, AUTO)
        found = {
            (pair, k): [
                {
                    "retrieval": {form: {way: [recall, recall * k / 90, recall] for way in BOTH} for form in forms},
                    "accuracy": dict.fromkeys(forms, accuracy + 0.001 * draw),
                }
                for draw in range(3)
            ]
            for k in (30, 90)
        }
        return [pattern.held for pattern in patterns_of(found, ends, sizes)]

    assert held(0.5, 0.6) == [True] * 7
    assert held(0.02, 0.31) == [*[False] * 6, True]


def test_without_encoders_it_is_said_what_would_bring_them(given: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(multimodal, "installed", lambda _: ((), ("It needs a package.",)))
    with pytest.raises(DatasetError) as caught:
        EXPERIMENT.run(given)
    assert str(caught.value) == (
        "An encoder of texts and one of pictures are needed. It needs a package. It needs a package."
    )


def test_a_style_that_is_missing_is_left_out(given: Run, data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def drawn(folder: Path | None, style: str) -> dict[str, bytes]:
        if style in missing:
            raise DatasetError(f"Fetch {style}.")
        return pictures(folder, style)

    monkeypatch.setattr(multimodal, "pictures", drawn)
    sizes = replace(SIZES["usual"], styles={"google": ("pixels",), "twitter": ("pixels",)})
    monkeypatch.setattr(multimodal, "SIZES", {"toy": replace(sizes, emoji=90, test=30, numbers=(20,), draws=1,
                                                             auto_draws=1, auto_numbers=(20,))})  # fmt: skip
    missing = {"google"}
    found = EXPERIMENT.run(given)
    assert found.notes[-1] == "The drawings of google are left out. Fetch google."
    assert [row.setting[0] for row in found.tables[2].rows] == ["twitter"]
    missing = {"google", "twitter"}
    with pytest.raises(DatasetError) as caught:
        EXPERIMENT.run(given)
    assert str(caught.value) == (
        "There are no pictures of emoji. The drawings of google are left out. Fetch google. The drawings of twitter are "
        "left out. Fetch twitter."
    )


# Emoji


def test_one_form_of_each_emoji_with_its_name_group_and_picture(data: Path) -> None:
    found = emoji(data, ("en", "es"))
    assert len(found.codes) == 150
    assert (found.codes[3], found.groups[3]) == ("1F303", "faces")
    assert found.names["es"][3] == f"es {found.names['en'][3]}"
    assert not any("200D" in code for code in found.codes)
    drawn = pictures(data, "twitter")
    assert set(found.codes) < set(drawn)
    named, seen = names_in(found, "en", 40), pictures_in(found, drawn, 40)
    assert named.split_sizes == {"train": 110, "test": 40}
    assert named.rows.split_fingerprint == seen.rows.split_fingerprint
    assert seen.items[3].read() == drawn["1F303"]
    some = some_of(found, [at < 5 for at in range(150)])
    assert (some.codes, some.names["es"]) == (found.codes[:5], found.names["es"][:5])


def test_a_language_without_names_is_said(data: Path) -> None:
    with pytest.raises(DatasetError) as caught:
        emoji(data, ("en", "tlh"))
    assert str(caught.value) == "There are no names of emoji in 'tlh'. Choose of: en, es, fr."
