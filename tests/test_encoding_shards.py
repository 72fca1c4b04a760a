"""``encode --shard i/n`` and ``merge``: what several runs make of a dataset is what one run makes of it."""

import json
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from storage_samples import assert_same
from typer.testing import CliRunner

from relstitch.artifacts import AnchorList, Anchors, AnchorSide, Embeddings, ProjectionSpec, Relative, Shard
from relstitch.artifacts.rows import content_hash
from relstitch.cli import app
from relstitch.dataset import ReadOptions
from relstitch.encoding import EmbedOptions, EncodeOptions, encode, plan_encoding
from relstitch.errors import MismatchError, UsageError
from relstitch.merging import merge
from relstitch.storage import load, load_embeddings, save

WORDS = ["apple", "pear", "plum", "cherry", "grape", "melon", "lemon", "mango", "fig", "quince"]
TOY = """
import numpy as np
class make:
    def encode(self, items):
        with open("calls.txt", "a") as file:
            file.writelines(f"{item}\\n" for item in items)
        return np.array([[len(x), x.count("e"), x.count("p"), x.count("m")] for x in items], dtype=np.float32)
"""
MODEL = "python:fruit_encoder:make"


@pytest.fixture(autouse=True)
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working directory with an encoder, a table and anchors in it."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.delitem(sys.modules, "fruit_encoder", raising=False)
    (tmp_path / "fruit_encoder.py").write_text(TOY, encoding="utf-8")
    rows = [f"{word},{word},{'xyz'[at % 3]}" for at, word in enumerate(WORDS)]
    (tmp_path / "fruit.csv").write_text("\n".join(["id,text,label", *rows]) + "\n", encoding="utf-8")
    save(picked("pear", "mango", "plum"), "anchors.json")
    return tmp_path


def picked(*words: str) -> Anchors:
    hashes = tuple(content_hash(word.encode()) for word in words)
    return Anchors("explicit", 0, (AnchorSide("main", "x", (AnchorList(tuple(words), hashes),)),))


def calls() -> list[str]:
    """What the encoder was given; and forget it."""
    path = Path("calls.txt")
    given = path.read_text(encoding="utf-8").splitlines() if path.exists() else []
    path.unlink(missing_ok=True)
    return sorted(given)


def run(*arguments: str, **more: Any) -> Any:
    return CliRunner().invoke(app, list(arguments), **more)


def done(*arguments: str, **more: Any) -> str:
    result = run(*arguments, **more)
    assert result.exit_code == 0, result.stderr
    return str(result.stdout)


def shards(source: Any, of: int, options: EncodeOptions, **more: Any) -> list[Embeddings | Relative]:
    model = None if isinstance(source, Embeddings) or str(source).endswith((".npy", ".safetensors")) else MODEL
    return [
        encode(source, model, options=replace(options, shard=Shard(index, of)), **more) for index in range(1, of + 1)
    ]


@pytest.mark.parametrize("of", [1, 3, 10])
@pytest.mark.parametrize("limit", [None, 7])
def test_the_shards_of_a_table(of: int, limit: int | None) -> None:
    options = EncodeOptions(ReadOptions(limit=limit), embed=EmbedOptions(batch_size=2))
    whole = encode("fruit.csv", MODEL, options=options)
    calls()
    made = shards("fruit.csv", min(of, limit or of), options)
    assert calls() == sorted(WORDS[:limit])
    assert_same(merge(made[::-1]), whole)


def test_anchors_of_another_shard_are_found_among_all_rows() -> None:
    whole = encode("fruit.csv", MODEL, anchors="anchors.json")
    calls()
    made = shards("fruit.csv", 3, EncodeOptions(), anchors="anchors.json")
    assert calls() == sorted([*WORDS, *["pear", "mango", "plum"] * 3])
    assert_same(merge(made), whole)
    # A limit is for the rows and not for the anchors: then they are looked for in the whole source again.
    limited = EncodeOptions(ReadOptions(limit=4))
    assert_same(
        merge(shards("fruit.csv", 2, limited, anchors="anchors.json")),
        encode("fruit.csv", MODEL, anchors="anchors.json", options=limited),
    )


def test_notes_are_said_once_although_the_anchors_are_looked_for_again() -> None:
    said: list[str] = []
    options = EncodeOptions(embed=EmbedOptions(note=said.append), shard=Shard(2, 3))
    encode("fruit.csv", MODEL, anchors="anchors.json", options=options)
    assert said == ["fruit.csv: text from text, label from label, no split, ids from id."]


def test_anchors_that_are_nowhere_in_the_source() -> None:
    with pytest.raises(MismatchError, match=r"1 of 1 anchor is not in fruit\.csv: kiwi\."):
        encode("fruit.csv", MODEL, anchors=picked("kiwi"), options=EncodeOptions(shard=Shard(1, 2)))
    made = encode("fruit.csv", MODEL)
    with pytest.raises(MismatchError, match=r"1 of 1 anchor is not in the source: kiwi\."):
        encode(made, anchors=picked("kiwi"), options=EncodeOptions(shard=Shard(1, 2)))


def test_the_shards_of_an_embeddings_file_and_of_bare_vectors() -> None:
    encode("fruit.csv", MODEL, options=EncodeOptions(output="e.safetensors"))
    whole = load_embeddings("e.safetensors")
    assert_same(merge(shards("e.safetensors", 3, EncodeOptions())), whole)
    relative = shards("e.safetensors", 3, EncodeOptions(), anchors="anchors.json")
    assert_same(merge(relative), encode("e.safetensors", anchors="anchors.json"))
    np.save("x.npy", whole.vectors)
    assert_same(merge(shards("x.npy", 4, EncodeOptions())), encode("x.npy"))


def test_what_is_made_of_a_shard_is_a_shard() -> None:
    """Relative representations, and vectors that were carried over to another space."""
    for index in (1, 2):
        options = EncodeOptions(output=f"{index}.safetensors", shard=Shard(index, 2))
        encode("fruit.csv", MODEL, options=options)
    encode("fruit.csv", MODEL, options=EncodeOptions(output="e.safetensors"))
    relative = [
        encode(f"{index}.safetensors", anchors="anchors.json", anchors_from="e.safetensors") for index in (1, 2)
    ]
    assert_same(merge(relative), encode("e.safetensors", anchors="anchors.json"))
    other = load_embeddings("e.safetensors")
    save(replace(other, vectors=other.vectors[:, ::-1], encoder=replace(other.encoder, spec="st:y")), "y.safetensors")
    fit = ("translate", "fit", "e.safetensors", "y.safetensors", "-a", "anchors.json", "-m", "procrustes")
    done(*fit, "-o", "t.safetensors")
    for name in ("1", "2", "e"):
        done("translate", "apply", "t.safetensors", f"{name}.safetensors", "-o", f"{name}.moved.safetensors")
    joined = merge(["2.moved.safetensors", "1.moved.safetensors"])
    assert_same(joined, load("e.moved.safetensors"))


def test_columns_that_are_scaled_by_all_rows() -> None:
    options = EncodeOptions(projection=ProjectionSpec(params={"zscore": True}), shard=Shard(1, 2))
    with pytest.raises(UsageError) as e:
        encode("fruit.csv", MODEL, anchors="anchors.json", options=options)
    assert str(e.value) == (
        "zscore scales by the mean and spread over all training rows, and shard 1/2 holds a part of them. Encode the "
        "shards without --anchors, join them with `relstitch merge`, and give --anchors then."
    )
    assert calls() == []


def test_pictures_that_are_skipped_stay_with_their_shard(place: Path) -> None:
    from PIL import Image

    Path("pets/train/cat").mkdir(parents=True)
    for row in range(7):
        Image.new("RGB", (4, 4), (row * 9, 0, 0)).save(f"pets/train/cat/{row}.png")
    for row in (1, 5):
        Path(f"pets/train/cat/{row}.png").write_bytes(Path(f"pets/train/cat/{row}.png").read_bytes()[:45])
    (place / "bright.py").write_text(
        "import numpy as np\nclass make:\n    modality = 'image'\n    def encode(self, items):\n"
        "        return np.array([[float(np.asarray(x)[..., 0].mean()), 1.0] for x in items])\n",
        encoding="utf-8",
    )
    skip = EncodeOptions(ReadOptions(on_bad="skip"))
    whole = encode("pets", "python:bright:make", options=skip)
    made = [encode("pets", "python:bright:make", options=replace(skip, shard=Shard(i, 3))) for i in (1, 2, 3)]
    assert [[row.id for row in part.skipped] for part in made] == [["train/cat/1.png"], [], ["train/cat/5.png"]]
    assert_same(merge(made), whole)


def test_a_plan_of_a_shard() -> None:
    plan = plan_encoding("fruit.csv", MODEL, options=EncodeOptions(shard=Shard(2, 3)))
    assert (plan.shard, plan.splits, plan.to_encode) == ("2/3", {"all": 3}, 3)
    assert plan_encoding("fruit.csv", MODEL).shard is None
    shown = ("encode", "fruit.csv", "-m", MODEL, "-o", "o.safetensors", "--dry-run")
    assert "shard\t2/3\n" in done(*shown, "--shard", "2/3")
    assert "shard" not in done(*shown)


def encode_shards(indices: Sequence[int], of: int) -> list[str]:
    for index in indices:
        done("encode", "fruit.csv", "-m", MODEL, "--shard", f"{index}/{of}", "-o", f"{index}.safetensors")
    return [f"{index}.safetensors" for index in indices]


def test_a_shell_loop(place: Path) -> None:
    done("encode", "fruit.csv", "-m", MODEL, "-o", "whole.safetensors")
    shown = done("merge", *encode_shards([3, 1, 2], 3), "-o", "all.safetensors")
    assert shown == (
        "output\tall.safetensors\nkind\tembeddings\nrows\tall: 10\nclasses\t3\ndimension\t4\n"
        f"encoder\t{MODEL}\nskipped\t0\n"
    )
    assert Path("all.safetensors").read_bytes() == Path("whole.safetensors").read_bytes()
    assert not [path.name for path in place.iterdir() if path.name.startswith(".")]


def test_missing_shards_on_the_command_line() -> None:
    files = encode_shards([1, 3, 4], 4)
    result = run("merge", *files, "-o", "all.safetensors")
    assert (result.exit_code, result.stdout) == (2, "")
    assert result.stderr == (
        "Error: 1 of 4 shards is missing: shard 2/4 (rows 2 to 4), counted from 0. Run the command that made the others "
        "with --shard 2/4 (as a Slurm array: --array=2), or write what is there with --partial.\n"
    )
    assert not Path("all.safetensors").exists()
    result = run("merge", *files, "-o", "some.safetensors", "--partial", "--json")
    assert result.exit_code == 0
    assert result.stderr == "1 of 4 shards is missing: shard 2/4 (rows 2 to 4), counted from 0.\n"
    facts = json.loads(result.stdout)
    assert (facts["rows"], facts["shard"]) == ({"all": 7}, "1,3-4 of 4")
    shown = done("inspect", "some.safetensors")
    assert "shards\t1,3-4\nof\t4\nrows\t0 to 1, 5 to 9\ntotal\t10\n" in shown.replace("shard ", "")
    assert "shard missing\t2\n" in shown
    done("merge", "some.safetensors", *encode_shards([2], 4), "-o", "all.safetensors")
    assert load_embeddings("all.safetensors").rows.ids.tolist() == WORDS


@pytest.mark.parametrize(
    ("shard", "words"),
    [
        ("2", "--shard is '2'; expected i/n, such as 3/8 for the third of eight shards."),
        ("4/3", "There is no shard 4/3: in i/n, n is at least 1 and i runs from 1 to n."),
        (
            "1/11",
            "--shard 1/11 of fruit.csv: there are 11 shards and 10 rows, and no shard may be empty. Choose at most 10 "
            "shards.",
        ),
    ],
)
def test_shards_that_make_no_sense(shard: str, words: str) -> None:
    result = run("encode", "fruit.csv", "-m", MODEL, "--shard", shard, "-o", "o.safetensors")
    assert (result.exit_code, result.stdout) == (2, "")
    assert result.stderr.endswith(f"Error: {words}\n")
    assert calls() == []


def test_other_verbs_take_a_shard_as_any_file() -> None:
    encode_shards([1, 2], 2)
    assert "shard\tshards: 2, of: 2, rows: 5 to 9, total: 10, dataset: " in done("inspect", "2.safetensors")
    done("anchors", "2.safetensors", "-k", "2", "-o", "two.json")
    assert load_embeddings("2.safetensors").rows.ids.tolist() == WORDS[5:]
