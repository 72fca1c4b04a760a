"""``relstitch translate``: fit, evaluate, compose, hub; files and arguments → exit code, output, messages."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from translation_samples import world
from typer.testing import CliRunner

from relstitch import storage
from relstitch.artifacts import AnchorList, Anchors, AnchorSide, Embeddings, Rows, Targets
from relstitch.choosing import TRANSLATOR_CANDIDATES
from relstitch.cli import app
from relstitch.cli.translate_reading import open_map
from relstitch.errors import UsageError
from relstitch.relative import anchor_vectors, relative_representation
from relstitch.translation import TRANSLATORS, evaluate_translator, fit_hub, hub_translator, translate

WORLD = world(noise=0.3)
FITTED = "Wrote t.safetensors: ridge, from st:a to st:c.\n"


@pytest.fixture
def desk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working directory with three encoders' embeddings and anchors of two draws."""
    for name, space in WORLD.items():
        storage.save(space, tmp_path / f"{name}.safetensors")
    rows = WORLD["a"].rows
    draws = tuple(
        AnchorList(tuple(rows.ids[at : at + 40].tolist()), tuple(rows.hashes[at : at + 40].tolist()))
        for at in (0, 10)
    )
    storage.save(Anchors("explicit", 0, (AnchorSide("main", rows.fingerprint, draws),)), tmp_path / "anchors.json")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def run(*arguments: str) -> Any:
    return CliRunner().invoke(app, ["translate", *arguments])


def done(*arguments: str) -> Any:
    result = run(*arguments)
    assert result.exit_code == 0, result.stderr
    return result


def fit(source: str, target: str, output: str, *options: str) -> Any:
    files = (f"{source}.safetensors", f"{target}.safetensors")
    return done("fit", *files, "-a", "anchors.json", "-o", f"{output}.safetensors", *options)


def test_fit_says_what_it_fitted(desk: Path) -> None:
    result = fit("a", "c", "t", "-m", "ridge", "--param", "penalty=0.5", "-k", "20")
    assert result.stdout == (
        "method\tridge\nsettings\tpenalty: 0.5, normalise: yes\nchosen by\t--method\nfrom\tst:a, 6 wide\n"
        "to\tst:c, 8 wide\nanchors\t20\ntwo-sided\tno\nwidth of carried rows\t8\n"
    )
    assert result.stderr == FITTED
    made = storage.load_translator("t.safetensors")
    assert made.settings == {"penalty": 0.5, "normalise": True, "chosen_on": "given"}
    assert made.anchors[0].anchors.ids == tuple(WORLD["a"].rows.ids[:20])


def test_auto_tells_every_candidate(desk: Path) -> None:
    result = fit("a", "c", "t", "--draw", "1", "--json")
    told = json.loads(result.stdout)
    assert told["chosen_on"] == "held-out anchors"
    assert set(told["held_out"]) == set(TRANSLATOR_CANDIDATES)
    made = storage.load_translator("t.safetensors")
    assert made.settings["held_out"] == told["held_out"]
    assert made.anchors[0].draw == 1
    assert f"held-out MRR, {next(iter(TRANSLATOR_CANDIDATES))}\t" in fit("a", "c", "t", "--force").stdout


def test_one_sided_leaves_the_target_as_it_is(desk: Path) -> None:
    told = json.loads(fit("a", "c", "t", "--one-sided", "--json").stdout)
    assert not told["two-sided"]
    assert set(told["held_out"]) == {
        name for name, settings in TRANSLATOR_CANDIDATES.items() if not TRANSLATORS[settings.method].two_sided
    }
    result = fit("a", "c", "u", "-m", "smoothing")
    assert result.stderr == (
        "Wrote u.safetensors: smoothing, from st:a to st:c.\nsmoothing is two-sided: the target's rows must be "
        "carried too (apply --side target). For an index or decoder that stays as it is, fit with --one-sided.\n"
    )


def test_labels_that_disagree_are_told(desk: Path) -> None:
    """Ids as `train:0` stand in every dataset: two files of different data would be paired by them."""
    rows = WORLD["a"].rows
    for name, first in (("a", "x"), ("c", "x"), ("b", "z")):
        targets = Targets.from_labels([first, "y"] * 40)
        space = replace(WORLD[name], rows=replace(rows, targets=targets))
        storage.save(space, f"{name}.safetensors", force=True)
    assert fit("a", "c", "t", "-m", "ridge").stderr == FITTED
    assert fit("a", "b", "u", "-m", "ridge").stderr == (
        "20 of 40 anchors have other labels in a.safetensors than in b.safetensors: 'r00' is 'x' there and 'z' here. "
        "Check that both files are of the same data: ids that only look the same make pairs that are none.\n"
        "Wrote u.safetensors: ridge, from st:a to st:b.\n"
    )
    hub = done("hub", "c.safetensors", "a.safetensors", "b.safetensors", "-a", "anchors.json", "-o", "h.safetensors")
    assert hub.stderr == (
        "20 of 40 anchors have other labels in c.safetensors than in b.safetensors: 'r00' is 'x' there and 'z' here. "
        "Check that both files are of the same data: ids that only look the same make pairs that are none.\n"
        "Wrote h.safetensors: 3 encoders, 8 wide.\n"
    )


def test_rows_that_were_carried_already_are_named(desk: Path) -> None:
    fit("a", "c", "t", "-m", "ridge")
    done("apply", "t.safetensors", "a.safetensors", "-o", "ac.safetensors")
    assert fit("b", "ac", "u", "-m", "ridge").stderr == (
        "The rows of ac.safetensors are not those of st:c itself: they were carried there from st:a. The translator is "
        "fitted on them as they are.\nWrote u.safetensors: ridge, from st:b to st:c.\n"
    )


def test_evaluate_gives_what_the_function_gives(desk: Path) -> None:
    fit("a", "c", "t", "-m", "ridge")
    found = evaluate_translator(storage.load_translator("t.safetensors"), WORLD["a"], WORLD["c"])
    files = ("t.safetensors", "a.safetensors", "c.safetensors")
    told = json.loads(done("evaluate", *files, "--json").stdout)
    assert told == {"translator": "t.safetensors", "method": "ridge", **found.to_json()}
    result = done("evaluate", *files, "-n", "2", "--split", "train")
    assert result.stdout.startswith("recall@2\t")
    assert result.stdout.endswith("queries\t20\ncandidates\t40\n")
    assert result.stderr == "40 rows are anchors of the translator and left out.\n"


def test_compose_carries_through_the_middle(desk: Path) -> None:
    fit("a", "b", "ab", "-m", "ridge")
    fit("b", "c", "bc", "-m", "procrustes")
    result = done("compose", "ab.safetensors", "bc.safetensors", "-o", "ac.safetensors")
    assert result.stderr == "Wrote ac.safetensors: ridge+procrustes, from st:a to st:b to st:c.\n"
    first, second, whole = (storage.load_translator(f"{name}.safetensors") for name in ("ab", "bc", "ac"))
    X = WORLD["a"].vectors
    np.testing.assert_array_equal(translate(whole, X), translate(second, translate(first, X)))
    done("evaluate", "ac.safetensors", "a.safetensors", "c.safetensors")
    again = done("compose", "ab.safetensors", "bc.safetensors", "-o", "ac.safetensors", "--force", "--json")
    assert (json.loads(again.stdout), again.stderr) == (
        {"output": "ac.safetensors", "method": "ridge+procrustes", "from": "st:a", "through": ["st:b"], "to": "st:c",
         "width": whole.width},
        "",
    )  # fmt: skip


def test_a_hub_serves_every_pair(desk: Path) -> None:
    files = [f"{name}.safetensors" for name in "abc"]
    result = done("hub", *files, "-a", "anchors.json", "-o", "h.safetensors")
    assert result.stderr == "Wrote h.safetensors: 3 encoders, 8 wide.\n"
    assert result.stdout.startswith("encoders\tst:a, st:b, st:c\nwidth\t8\nanchors\t40\niterations\t")
    told = json.loads(done("hub", *files, "-a", "anchors.json", "-o", "h.safetensors", "--force", "--json").stdout)
    assert told["encoders"] == ["st:a", "st:b", "st:c"]
    for one, other in (("a", "c"), ("c", "b")):
        told = json.loads(
            done("evaluate", "h.safetensors", f"{one}.safetensors", f"{other}.safetensors", "--json").stdout
        )
        assert told["recall"]["1"] > 0.5
    done("apply", "h.safetensors", "a.safetensors", "--to", "c", "-o", "carried.safetensors")
    carried = storage.load_embeddings("carried.safetensors")
    assert carried.encoder.identity == WORLD["c"].encoder.identity


def test_out_of_a_hub_by_name_or_file(desk: Path) -> None:
    sides = [anchor_vectors(space, storage.load_anchors("anchors.json")) for space in WORLD.values()]
    hub = fit_hub(sides, [space.encoder for space in WORLD.values()])
    storage.save(hub, "h.safetensors")
    a, c = WORLD["a"].encoder, WORLD["c"].encoder
    expected = hub_translator(hub, a, c).digest
    path = Path("h.safetensors")
    for to in ("st:c", "c", "c.safetensors"):
        assert open_map(path, source=a, to=to).digest == expected
        assert open_map(path, to=to, origin="a").digest == expected
    with pytest.raises(UsageError) as caught:
        open_map(path, source=a)
    assert str(caught.value) == (
        "h.safetensors is a hub of several encoders (st:a, st:b, st:c): say with --to which of them to go to, and with "
        "--from where the rows come from, unless their file says it."
    )
    with pytest.raises(UsageError) as caught:
        open_map(path, source=a, to="d")
    assert str(caught.value) == (
        "'d' names 0 of the encoders in h.safetensors, which joins: st:a, st:b, st:c. Give one of these names, or an "
        "embeddings file."
    )
    for stamps in ({"source": c}, {"origin": "st:c"}):
        with pytest.raises(UsageError) as caught:
            open_map(path, to="c", **stamps)
        assert str(caught.value) == (
            "h.safetensors was asked to go from st:c to itself, where its rows are already. Name two of its encoders: "
            "st:a, st:b, st:c."
        )


def test_parallel_sides_are_found(desk: Path) -> None:
    """Two datasets whose rows correspond: each file holds one side of the anchors."""
    other = Embeddings(Rows.build([f"s{at:02}" for at in range(80)]), WORLD["c"].vectors, WORLD["c"].encoder)
    storage.save(other, "s.safetensors")
    rows = WORLD["a"].rows
    sides = (
        AnchorSide("en", "", (AnchorList(tuple(rows.ids[:40].tolist()), tuple(rows.hashes[:40].tolist())),)),
        AnchorSide("fr", "", (AnchorList(tuple(other.rows.ids[:40].tolist()), ("",) * 40),)),
    )
    storage.save(Anchors("parallel", 0, sides), "pairs.json")
    done("fit", "a.safetensors", "s.safetensors", "-a", "pairs.json", "-o", "t.safetensors", "-m", "procrustes")
    made = storage.load_translator("t.safetensors")
    assert [anchors.side for anchors in made.anchors] == ["en", "fr"]
    done("fit", "a.safetensors", "s.safetensors", "-a", "pairs.json", "-o", "u.safetensors", "-m", "procrustes",
         "--source-side", "en", "--target-side", "fr")  # fmt: skip
    assert storage.load_translator("u.safetensors").digest == made.digest


def test_wrong_use_is_said(desk: Path) -> None:
    space = WORLD["a"]
    anchors = anchor_vectors(space, storage.load_anchors("anchors.json"))
    storage.save(relative_representation(space, anchors), "a.rel.safetensors")
    fit("a", "c", "t", "-m", "ridge")
    before = ["a.safetensors", "c.safetensors", "-a", "anchors.json", "-o", "new.safetensors"]
    cases = [
        (["fit", *before, "-m", "ridge", "--param", "penalty"],
         "--param 'penalty' cannot be read; expected NAME=VALUE, each name once, such as penalty=0.1."),
        (["fit", *before, "--param", "penalty=1"],
         "--param penalty is for a method that is named; auto chooses its own. Name one with --method."),
        (["fit", *before, "-m", "ridge", "--param", "penalty=NaN"],
         "The parameter 'penalty' of the translator 'ridge' is nan; expected a number above 0."),
        (["fit", *before, "-m", "smoothing", "--one-sided"],
         "smoothing is two-sided, and --one-sided was asked for; take a one-sided method, such as kernel, or auto."),
        (["fit", "a.rel.safetensors", *before[1:]],
         "a.rel.safetensors is a relative file, which holds no absolute embeddings to carry over. Give the embeddings "
         "file it was made from."),
        (["fit", "a.safetensors", "a.safetensors", *before[2:], "-m", "ridge"],
         "a.safetensors and a.safetensors are of the same encoder (st:a) and hold the same anchors: there is nothing "
         "to carry over. Give the embeddings of two encoders."),
        (["fit", *before, "-m", "mlp", "--param", "hidden=1000000000000"],
         "The parameter 'hidden' of the translator 'mlp' is 1000000000000; expected a whole number from 1 to 65536."),
        (["fit", *before, "-m", "ridge", "--param", "rank=" + "[" * 9999],
         "The translator 'ridge' has no parameter rank; its parameters: penalty, normalise."),
        (["fit", *before, "--draw", "2"], "Draw 2 was asked for; these anchors have 2 draws, numbered from 0."),
        (["fit", *before[:-1], "t.safetensors"],
         "t.safetensors exists already. Name another output, or replace it with --force."),
        (["fit", *before[:-1], "a.safetensors", "--force"],
         "a.safetensors is also an input (a.safetensors). An input is never overwritten: name another output."),
        (["apply", "t.safetensors", "a.safetensors", "-o", "new.safetensors", "--to", "c"],
         "t.safetensors is a translator, which goes from st:a to st:c and nowhere else: --to and --from are for hub "
         "files."),
        (["evaluate", "anchors.json", "a.safetensors", "c.safetensors"],
         "anchors.json is an anchors file; a translator file or a hub file was expected. `relstitch translate fit A B "
         "--anchors ANCHORS -o FILE` makes one."),
        (["hub", "a.safetensors", "-a", "anchors.json", "-o", "new.safetensors"],
         "A hub was asked for with 1 set of anchors and 1 encoder; expected one set an encoder, and at least 2."),
    ]  # fmt: skip
    for arguments, message in cases:
        result = run(*arguments)
        assert (result.exit_code, result.stdout, result.stderr) == (2, "", f"Error: {message}\n")
    assert not Path("new.safetensors").exists()


def test_ready_vectors_go_the_whole_way(desk: Path) -> None:
    for name in ("a", "c"):
        X = WORLD[name].vectors
        np.savez(f"{name}.npz", train=X[:60], test=X[60:])
    assert CliRunner().invoke(app, ["anchors", "a.npz", "-k", "40", "-o", "own.json"]).exit_code == 0
    done("fit", "a.npz", "c.npz", "-a", "own.json", "-o", "t.safetensors", "-m", "procrustes")
    told = json.loads(done("evaluate", "t.safetensors", "a.npz", "c.npz", "--json").stdout)
    assert told["queries"] == 20
    assert told["recall"]["1"] > 0.5
    renamed = replace(storage.load_translator("t.safetensors").source, spec="vectors:else.npz")
    storage.save(Embeddings(WORLD["a"].rows, WORLD["a"].vectors, renamed), "else.safetensors")
    done("apply", "t.safetensors", "else.safetensors", "-o", "carried.safetensors", "--side", "source")
