"""Anchors of two spaces whose rows nobody paired: grown from seeds, or found without any."""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from typer.testing import CliRunner

from relstitch import storage
from relstitch.anchors import MatchOptions, bootstrap_anchors, more_draws, unsupervised_anchors
from relstitch.artifacts import Anchors, Embeddings, EncoderStamp, Rows
from relstitch.artifacts.rows import content_hash
from relstitch.artifacts.spaces import Matrix
from relstitch.cli import app
from relstitch.errors import MismatchError, UsageError

N = 150
Make = Callable[[dict[str, Embeddings | Rows], MatchOptions], Anchors]


def embeddings(X: Matrix, names: list[str], *, test: int = 0) -> Embeddings:
    splits = ["train"] * (len(X) - test) + ["test"] * test
    hashes = [content_hash(name.encode()) for name in names]
    return Embeddings(Rows.build(names, hashes=hashes, splits=splits), X, EncoderStamp("st:x", "text", X.shape[1]))


def views(*, same: bool = True, test: int = 10) -> dict[str, Any]:
    """Two encoders of the same items, the second shuffled under ids of its own; or of other items altogether."""
    generator = np.random.default_rng(0)
    middles = generator.normal(size=(6, 8)) * 1.5
    X = middles[generator.choice(6, size=N, p=np.arange(1, 7) / 21)] + generator.normal(size=(N, 8))
    turn = np.linalg.qr(generator.normal(size=(11, 11)))[0][:8]
    order = np.r_[generator.permutation(N - test), np.arange(N - test, N)]
    Y = X @ turn + 0.05 * generator.normal(size=(N, 11)) if same else generator.normal(size=(N, 11))
    return {
        "one": embeddings(X.astype(np.float32), [f"a{i}" for i in range(N)], test=test),
        "two": embeddings(Y[order].astype(np.float32), [f"b{i}" for i in order], test=test),
    }


def seeds(count: int) -> list[tuple[str, str]]:
    return [(f"a{i}", f"b{i}") for i in range(count)]


def by_seeds(sides: dict[str, Embeddings | Rows], options: MatchOptions) -> Anchors:
    return bootstrap_anchors(sides, seeds(20), options)


BOTH = pytest.mark.parametrize(
    ("make", "strategy"), [(by_seeds, "bootstrap"), (unsupervised_anchors, "unsupervised")]
)


def numbers(anchors: Anchors, draw: int = 0) -> list[list[str]]:
    return [[name[1:] for name in side.draws[draw].ids] for side in anchors.sides]


def truth(anchors: Anchors, draw: int = 0) -> float:
    one, two = numbers(anchors, draw)
    return float(np.mean([left == right for left, right in zip(one, two, strict=True)]))


def refused(error: type[Exception], call: Any) -> str:
    with pytest.raises(error) as caught:
        call()
    return str(caught.value)


@BOTH
def test_the_pairs_are_true_and_said_to_be(make: Make, strategy: str) -> None:
    sides = views()
    anchors = make(sides, MatchOptions(k=60, draws=2))
    assert (anchors.strategy, anchors.k, anchors.n_draws) == (strategy, 60, 2)
    assert [side.name for side in anchors.sides] == ["one", "two"]
    for side, given in zip(anchors.sides, sides.values(), strict=True):
        assert isinstance(given, Embeddings)
        assert side.dataset == given.rows.fingerprint
        assert side.draws[0].hashes[0] == given.rows.hashes[given.rows.position[side.draws[0].ids[0]]]
    assert truth(anchors, 0) > 0.95 < truth(anchors, 1) + 1e-9
    assert anchors.options["confidence"] > 0.7
    assert anchors.options["splits"] == {"one": ["train"], "two": ["train"]}
    assert not {str(i) for i in range(N - 10, N)} & set(numbers(anchors)[0]), "no test row is an anchor"
    assert sorted(numbers(anchors, 0)[0]) != sorted(numbers(anchors, 1)[0])
    assert json.loads(json.dumps(dict(anchors.options))) == anchors.options


@BOTH
def test_other_items_are_refused_unless_taken_as_they_are(make: Make, strategy: str) -> None:
    """The negative control: nothing to match."""
    sides = views(same=False)
    message = refused(MismatchError, lambda: make(sides, MatchOptions(k=20)))
    confidence = make(sides, MatchOptions(k=20, min_confidence=0.0)).options["confidence"]
    assert confidence < 0.4
    way_out = {
        "bootstrap": "Give more than these 20 pairs you are sure of",
        "unsupervised": "Give some pairs you are sure of, with --strategy bootstrap --pairs TABLE",
    }[strategy]
    assert message == (
        f"The rows of one and two were matched with confidence {confidence:.2f}; at least 0.5 is needed. The pairs "
        f"of the strategy '{strategy}' are probably wrong here: the spaces are too unlike, or hold different items. "
        f"{way_out}, or take the pairs as they are with --min-confidence 0."
    )


def test_ids_contents_and_order_pair_nothing() -> None:
    """Two files that would pair one way by id, by content or by place, and another way by what they mean."""
    sides = views(test=0)
    two = sides["two"]
    assert isinstance(two, Embeddings)
    told = embeddings(two.vectors, [f"a{i}" for i in range(N)])
    partner = dict(zip(told.rows.ids.tolist(), two.rows.ids.tolist(), strict=True))
    anchors = unsupervised_anchors({"one": sides["one"], "two": told}, MatchOptions(k=50))
    pairs = list(zip(*(side.draws[0].ids for side in anchors.sides), strict=True))
    assert np.mean([left[1:] == partner[right][1:] for left, right in pairs]) > 0.95
    assert np.mean([left == right for left, right in pairs]) < 0.1


@BOTH
def test_the_same_seed_gives_the_same_anchors_and_a_smaller_k_their_beginning(make: Make, strategy: str) -> None:
    anchors = make(views(), MatchOptions(k=40, seed=3))
    assert anchors == make(views(), MatchOptions(k=40, seed=3)), strategy
    assert numbers(anchors.prefix(25)) == numbers(make(views(), MatchOptions(k=25, seed=3)))


def test_seeds_come_first_and_are_never_paired_again() -> None:
    sides = views()
    one = sides["one"]
    assert isinstance(one, Embeddings)
    # The last training row repeats a seed's vector and another seed's content stands once more: neither is an anchor.
    vectors = one.vectors.copy()
    vectors[139] = vectors[0]
    hashes = one.rows.hashes.copy()
    hashes[138] = hashes[1]
    rows = Rows.build(one.rows.ids.tolist(), hashes=hashes.tolist(), splits=["train"] * 140 + ["test"] * 10)
    sides["one"] = Embeddings(rows, vectors, one.encoder)
    anchors = bootstrap_anchors(sides, seeds(20), MatchOptions(k=90))
    assert numbers(anchors)[0][:20] == numbers(anchors)[1][:20] == [str(i) for i in range(20)]
    assert not {"138", "139"} & set(numbers(anchors)[0])
    assert anchors.options["seeds"] == 20


def test_wrong_seeds_are_noticed() -> None:
    wrong = [(left, right) for (left, _), (_, right) in zip(seeds(20), np.roll(seeds(20), 1, axis=0), strict=True)]
    with pytest.raises(
        MismatchError, match=r"^The rows of one and two were matched with confidence 0\.\d\d; at least"
    ):
        bootstrap_anchors(views(), wrong, MatchOptions(k=40))


def test_numbers_and_sides_that_do_not_fit() -> None:
    sides = views()
    for least in (-0.1, float("nan")):
        assert refused(UsageError, lambda least=least: by_seeds(sides, MatchOptions(min_confidence=least))) == (
            f"The minimum confidence is {least:g}; expected a number from 0 to 1."
        )
    rows: dict[str, Any] = {"one": sides["one"], "words": Rows.build("abc")}
    assert refused(UsageError, lambda: unsupervised_anchors(rows)) == (
        "The strategy 'unsupervised' matches vectors, and these sides have none: words. Encode them first, with "
        "relstitch encode."
    )
    for given, found in (
        ({"one": sides["one"]}, "1: one"),
        ({}, "0: none"),
        ({**sides, "c": sides["two"]}, "3: one"),
    ):
        message = refused(UsageError, lambda given=given: unsupervised_anchors(given))
        assert message.startswith(
            f"The strategy 'unsupervised' matches the rows of two embeddings files; found {found}"
        )
    assert refused(UsageError, lambda: unsupervised_anchors({"one": sides["one"]})) == (
        "The strategy 'unsupervised' matches the rows of two embeddings files; found 1: one."
    )
    with pytest.raises(UsageError, match=r"^0 anchors were asked for; at least 1 is needed\.$"):
        by_seeds(sides, MatchOptions(k=0))
    with pytest.raises(
        UsageError, match=r"^There is no split called val in the source; its splits are: train, test\."
    ):
        by_seeds(sides, MatchOptions(splits=("val",)))


def test_too_few_of_anything() -> None:
    sides = views()
    assert refused(UsageError, lambda: bootstrap_anchors(sides, [*seeds(4), ("a149", "b149")])) == (
        "4 of 5 seed pairs may be anchors; growing pairs needs at least 5. Give more pairs you are sure of."
    )
    small = {name: one.take(np.arange(40)) for name, one in sides.items() if isinstance(one, Embeddings)}
    assert refused(UsageError, lambda: unsupervised_anchors(small)) == (
        "one has 40 rows that may be anchors (left out: none); matching without pairs takes 50 to 6000. Give both "
        "files of such a number of the same items, or a few pairs with --strategy bootstrap."
    )
    alike = {name: replace(one, vectors=np.ones_like(one.vectors)) for name, one in small.items()}
    assert refused(UsageError, lambda: unsupervised_anchors(alike)).startswith(
        "one has 1 row that may be anchors (left out: 39 repeated vectors); matching without pairs takes 50 to 6000."
    )
    message = refused(UsageError, lambda: unsupervised_anchors(sides, MatchOptions(k=141)))
    available = message.split()[6]
    assert message == (
        f"141 anchors were asked for, and {available} pairs of rows are each other's nearest. Choose a k of at most "
        f"{available}."
    )
    message = refused(UsageError, lambda: by_seeds(sides, MatchOptions(k=20, draws=2)))
    known = message.split(" are given and ")[1].split()[0]
    assert message == (
        f"2 draws of 20 anchors were asked for, and all would hold the same pairs: 20 are given and {known} known in "
        "all. Take one draw, or a k between the two."
    )
    anchors = by_seeds(sides, MatchOptions(k=30))
    assert refused(UsageError, lambda: more_draws(anchors, sides["one"], 3)) == (
        "Anchors of the strategy 'bootstrap' are drawn when rows are matched: this file has 1 draw and 3 were asked "
        "for. Match them again with --draws 3."
    )
    with pytest.raises(MismatchError, match=r"^1 of the 6 ids paired for two is not among its rows: nobody\."):
        bootstrap_anchors(sides, [*seeds(5), ("a9", "nobody")])


# --- the command -----------------------------------------------------------------------------------------------------


def run(*arguments: str) -> tuple[int, str, str]:
    result = CliRunner().invoke(app, ["anchors", *arguments])
    return result.exit_code, result.stdout, result.stderr


def test_the_command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for kind, same in (("same", True), ("other", False)):
        for name, one in views(same=same).items():
            storage.save(one, Path(f"{kind}-{name}.safetensors"))
    files = ("same-one.safetensors", "same-two.safetensors")
    Path("seeds.csv").write_text("one,two\n" + "".join(f"{a},{b}\n" for a, b in seeds(20)), encoding="utf-8")

    code, out, errors = run(*files, "-s", "unsupervised", "-k", "50", "-o", "found.json", "--json")
    assert code == 0, errors
    report = json.loads(out)
    assert list(report["health"]) == ["same-one", "same-two"]
    assert report["options"]["confidence"] > 0.7
    found = storage.load_anchors(Path("found.json"))
    assert (found.strategy, truth(found) > 0.95) == ("unsupervised", True)

    code, _, errors = run(*files, "-s", "bootstrap", "--pairs", "seeds.csv", "-k", "50", "-o", "grown.json")
    assert code == 0, errors
    grown = storage.load_anchors(Path("grown.json"))
    assert [side.name for side in grown.sides] == ["one", "two"]
    assert errors.endswith(
        f"Rows matched with confidence {grown.options['confidence']:.2f} (0 to 1, higher is better).\n"
    )

    apart = ("other-one.safetensors", "other-two.safetensors", "-s", "unsupervised", "-k", "20", "-o", "no.json")
    code, out, errors = run(*apart)
    assert (code, out, Path("no.json").exists()) == (2, "", False)
    assert "The rows of other-one and other-two were matched with confidence 0." in errors
    code, _, errors = run(*apart, "--min-confidence", "0")
    assert code == 0
    confidence = storage.load_anchors(Path("no.json")).options["confidence"]
    assert (
        f"The rows were matched with confidence {confidence:.2f}: many of these pairs are probably wrong." in errors
    )


def test_options_that_do_not_go_together(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for name, one in views().items():
        storage.save(one, Path(f"{name}.safetensors"))
    files = ("one.safetensors", "two.safetensors", "-o", "a.json")
    for strategy, more, message in (
        ("bootstrap", (), "--pairs TABLE goes with --strategy parallel or bootstrap, which need it; only one of the"),
        ("uniform", ("--min-confidence", "0.2"),
         "--min-confidence goes with --strategy bootstrap or unsupervised, which match rows."),
    ):  # fmt: skip
        code, out, errors = run(*files, "-s", strategy, *more)
        assert (code, out) == (2, "")
        assert message in " ".join(errors.split())


# --- real encoders ---------------------------------------------------------------------------------------------------


def test_real_encoders_are_matched_without_pairs(test_data: Path) -> None:
    """300 BBC articles: MiniLM and MPNet find each other; what is left of MPNet without its shape is refused."""
    minilm, mpnet = (
        np.load(test_data / "embeddings" / f"bbc-{name}.npz")["train"][:300].astype(np.float32)
        for name in ("minilm", "mpnet")
    )
    order = np.random.default_rng(1).permutation(300)
    sides: dict[str, Embeddings | Rows] = {
        "minilm": embeddings(minilm, [f"a{i}" for i in range(300)]),
        "mpnet": embeddings(mpnet[order], [f"b{i}" for i in order]),
    }
    anchors = unsupervised_anchors(sides, MatchOptions(k=100))
    assert truth(anchors) > 0.9
    generator = np.random.default_rng(2)
    shapeless = np.stack([generator.permutation(column) for column in mpnet.T], axis=1)
    sides["mpnet"] = embeddings(shapeless, [f"b{i}" for i in range(300)])
    with pytest.raises(MismatchError, match=r"^The rows of minilm and mpnet were matched with confidence 0\.\d\d;"):
        unsupervised_anchors(sides, MatchOptions(k=100))
