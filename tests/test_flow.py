"""Whole flows through files and the command line: what a user does, end to end."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from typer.testing import CliRunner

from relstitch import load
from relstitch.artifacts import Relative
from relstitch.cli import app


@pytest.fixture(autouse=True)
def _desk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def done(*arguments: str) -> str:
    result = CliRunner().invoke(app, list(arguments))
    assert result.exit_code == 0, result.stderr or result.output
    return str(result.stdout)


def refused(*arguments: str) -> str:
    result = CliRunner().invoke(app, list(arguments))
    assert result.exit_code == 2
    return str(result.stderr)


def save_vectors(name: str, train: Any, test: Any, labels: tuple[Any, Any]) -> None:
    np.savez(f"{name}.npz", train=train, test=test, train_labels=labels[0], test_labels=labels[1],
             train_ids=np.arange(len(train)), test_ids=np.arange(len(test)))  # fmt: skip
    done("encode", f"{name}.npz", "-o", f"{name}.safetensors")


def blobs(seed: int, n: int, d: int = 12) -> tuple[Any, Any]:
    """Four classes of rows around centres far from the origin."""
    random = np.random.default_rng(seed)
    centres = np.random.default_rng(99).normal(size=(4, d)) * 2 + 1.5
    labels = random.integers(0, 4, n)
    return (centres[labels] + random.normal(size=(n, d))).astype(np.float32), labels


def relative(name: str, *options: str) -> Relative:
    output = f"{name}{''.join(options)}.rel.safetensors"
    done("encode", f"{name}.safetensors", "--anchors", "anchors.json", *options, "-o", output)
    loaded = load(output)
    assert isinstance(loaded, Relative)
    return loaded


def test_relative_files_survive_what_keeps_angles_and_nothing_else() -> None:
    """Rotated, reflected and rescaled: the same to 1e-5. Sheared: not (negative control)."""
    (train, train_labels), (test, test_labels) = blobs(1, 200), blobs(2, 80)
    random = np.random.default_rng(5)
    turn, _ = np.linalg.qr(random.normal(size=(12, 12)))
    turn[:, 0] *= -1
    shear = np.eye(12) + np.triu(np.full((12, 12), 0.5), 1)
    for name, matrix in (("plain", np.eye(12)), ("turned", 7.0 * turn), ("sheared", shear)):
        moved = ((X @ matrix).astype(np.float32) for X in (train, test))
        save_vectors(name, next(moved), next(moved), (train_labels, test_labels))
    done("anchors", "plain.safetensors", "-k", "40", "-o", "anchors.json")
    for options in ((), ("--no-center",)):
        plain = relative("plain", *options)
        assert np.abs(relative("turned", *options).values - plain.values).max() < 1e-5
        assert np.abs(relative("sheared", *options).values - plain.values).max() > 0.1


def test_a_constant_shift_is_met_by_centring_only() -> None:
    """2605.30596: the second encoder is a rotation and a constant shift."""
    (train, train_labels), (test, test_labels) = blobs(3, 300), blobs(4, 120)
    turn, _ = np.linalg.qr(np.random.default_rng(6).normal(size=(12, 12)))
    save_vectors("one", train, test, (train_labels, test_labels))
    shifted = ((X @ turn + 25.0).astype(np.float32) for X in (train, test))
    save_vectors("two", next(shifted), next(shifted), (train_labels, test_labels))
    done("anchors", "one.safetensors", "-k", "50", "--draws", "2", "-o", "anchors.json")
    report = json.loads(done("stitch", "one.safetensors", "two.safetensors", "-a", "anchors.json", "--json"))
    means = report["stitched_mean"]
    assert means["relative"] > 0.9
    assert means["relative, paper"] < 0.6
    assert any("entring" in note for note in report["notes"])


def test_anchors_are_picked_from_bare_vectors_with_their_health() -> None:
    (train, labels), (test, test_labels) = blobs(11, 60), blobs(12, 20)
    train[5] = 0
    save_vectors("bare", train, test, (labels, test_labels))
    health = json.loads(done("anchors", "bare.npz", "-k", "20", "-s", "farthest", "-o", "a.json", "--json"))
    assert health["health"]["main"]["rank"] == 12
    assert health["options"]["excluded"]["zero_vectors"] == 1


def test_further_draws_come_from_the_file_that_chose_the_first_and_from_rows_all_files_have() -> None:
    (train, train_labels), (test, test_labels) = blobs(7, 120), blobs(8, 40)
    turn, _ = np.linalg.qr(np.random.default_rng(9).normal(size=(12, 12)))
    save_vectors("whole", train, test, (train_labels, test_labels))
    save_vectors("short", (train @ turn)[:60].astype(np.float32), (test @ turn).astype(np.float32),
                 (train_labels[:60], test_labels))  # fmt: skip
    done("anchors", "short.safetensors", "-k", "20", "--strategy", "farthest", "-o", "anchors.json")
    report = json.loads(
        done("stitch", "whole.safetensors", "short.safetensors", "-a", "anchors.json", "--draws", "4", "--json")
    )
    assert report["settings"]["draws"] == 4
    assert report["rows"]["not_shared"] == 60
    assert report["stitched_mean"]["relative"] > 0.9


WORDS = {
    "en": ["cat", "dog", "cow", "bird", "car", "bus", "ship", "train"],
    "es": ["gato", "perro", "vaca", "pájaro", "coche", "autobús", "barco", "tren"],
}


def language(name: str, seed: int, split: str) -> None:
    """A domain of its own: other ids, other texts, a space turned by its own rotation, the same meanings beneath."""
    meaning, turn = np.random.default_rng(0).normal(size=(8, 6)), np.random.default_rng(seed)
    Q, _ = np.linalg.qr(turn.normal(size=(6, 6)))
    meaning[:4, 0] += 2.0
    at = np.arange(160) % 8
    vectors = (meaning[at] + 0.1 * turn.normal(size=(160, 6))) @ Q
    ids = [f"{name}-{row}" for row in range(160)]
    labels = ["animal" if word < 4 else "vehicle" for word in at]
    lines = [json.dumps({"id": i, "text": f"{WORDS[name][w]} {r}", "label": c})
             for r, (i, w, c) in enumerate(zip(ids, at, labels, strict=True))]  # fmt: skip
    Path(f"{name}.jsonl").write_text("\n".join(lines), encoding="utf-8")
    np.save(f"{name}.npy", vectors.astype(np.float32))
    Path(f"{name}_model.py").write_text(
        f"import numpy as np\nV = np.load({str(Path(f'{name}.npy').resolve())!r})\n"
        "class Model:\n    def encode(self, items):\n        return V[[int(item.split()[-1]) for item in items]]\n"
        "def factory():\n    return Model()\n",
        encoding="utf-8",
    )
    done("encode", f"{split}={name}.jsonl", "-m", f"python:{name}_model:factory", "-o", f"{name}.safetensors")


def test_two_languages_meet_through_parallel_anchors() -> None:
    language("en", 1, "train")
    language("es", 2, "test")
    pairs = "".join(f"en-{row},es-{row}\n" for row in range(40))
    Path("pairs.csv").write_text("en,es\n" + pairs, encoding="utf-8")
    done("anchors", "en.safetensors", "es.safetensors", "-s", "parallel", "--pairs", "pairs.csv", "-k", "32",
         "--draws", "2", "--splits", "train", "--splits", "test", "-o", "parallel.json")  # fmt: skip
    report = json.loads(
        done("stitch", "--train", "en.safetensors", "--test", "es.safetensors", "-a", "parallel.json",
             "--train-side", "en", "--test-side", "es", "--json")
    )  # fmt: skip
    stitched = [cell for cell in report["cells"] if cell["stitched"] and cell["form"] == "relative"]
    assert [(cell["decoder"], cell["encoder"]) for cell in stitched] == [("en", "es")]
    assert stitched[0]["scores"]["accuracy"]["mean"] > 0.95
    assert stitched[0]["scores"]["accuracy"]["n"] == 2
    # The plain form: relative files of different data meet on what the anchors correspond to.
    for name in ("en", "es"):
        done("encode", f"{name}.safetensors", "-a", "parallel.json", "-o", f"{name}.rel.safetensors")
    again = json.loads(done("stitch", "--train", "en.rel.safetensors", "--test", "es.rel.safetensors", "--json"))
    assert again["stitched_mean"]["relative"] > 0.95


def test_files_that_skipped_different_rows_meet_on_those_they_share() -> None:
    """Two encoders' runs skipped different bad rows: they meet on the rows both have, counted; --strict refuses."""
    Path("vowels.py").write_text(
        "import numpy as np\nclass M:\n    def encode(self, items):\n"
        "        return np.array([[len(i), i.count('a'), i.count('e')] for i in items], dtype='float32')\n"
        "def make():\n    return M()\n",
        encoding="utf-8",
    )
    words = ["banana", "papaya", "beet", "leek", "mango", "endive", "anise", "pea"]
    for name, gap in (("one", 3), ("two", 5)):
        rows = [f"{split}{n},{'' if (n, split) == (gap, 'train') else words[n % 8] * (n % 5 + 1) + split},{'AB'[n % 2]}"
                for split in ("train", "test") for n in range(24)]  # fmt: skip
        for split in ("train", "test"):
            lines = ["id,text,label", *(row for row in rows if row.startswith(split))]
            Path(f"{name}-{split}.csv").write_text("\n".join(lines), encoding="utf-8")
        out = done("encode", f"train={name}-train.csv", f"test={name}-test.csv", "-m", "python:vowels:make",
                   "--on-empty", "skip", "-o", f"{name}.safetensors", "--json")  # fmt: skip
        assert json.loads(out)["skipped"] == 1
        assert json.loads(out)["skipped_rows"][0].startswith(f"train{gap}: ")
    done("anchors", "one.safetensors", "-k", "3", "--seed", "2", "-o", "anchors.json")
    report = json.loads(done("stitch", "one.safetensors", "two.safetensors", "-a", "anchors.json", "--json"))
    assert report["rows"]["train"] == 22
    assert report["rows"]["not_shared"] == 2
    assert "1 row of one is not in all files and was left out." in report["notes"]
    assert "1 row of two is not in all files and was left out." in report["notes"]
    message = refused("stitch", "one.safetensors", "two.safetensors", "-a", "anchors.json", "--strict")
    assert "train3" in message
    assert "train5" in message


def stitch_of(folder: Path, dataset: str, names: tuple[str, ...], draws: int) -> dict[str, Any]:
    for name in names:
        done("encode", str(folder / "embeddings" / f"{dataset}-{name}.npz"), "-o", f"{name}.safetensors")
    done("anchors", f"{names[0]}.safetensors", "-k", "300", "--draws", str(draws), "-o", "anchors.json")
    files = [f"{name}.safetensors" for name in names]
    report = json.loads(done("stitch", *files, "-a", "anchors.json", "--json"))
    assert isinstance(report, dict)
    return report


def accuracy(report: dict[str, Any], form: str, decoder: str, encoder: str) -> float | None:
    wanted = (form, decoder, encoder)
    cell = next(c for c in report["cells"] if (c["form"], c["decoder"], c["encoder"]) == wanted)
    mean = cell["scores"]["accuracy"]["mean"] if cell["scores"] else None
    assert mean is None or isinstance(mean, float)
    return mean


def test_trec_questions_across_three_text_encoders(test_data: Path) -> None:
    """Centred: MiniLM × MPNet at least .78; every pair above its absolute baseline and the floor; the paper's form
    fails on e5."""
    report = stitch_of(test_data, "trec", ("minilm", "mpnet", "e5"), draws=1)
    both = [accuracy(report, "relative", *pair) or 0 for pair in (("minilm", "mpnet"), ("mpnet", "minilm"))]
    assert sum(both) / 2 >= 0.78
    for decoder in ("minilm", "mpnet", "e5"):
        for encoder in {"minilm", "mpnet", "e5"} - {decoder}:
            centred = accuracy(report, "relative", decoder, encoder)
            assert centred is not None
            assert centred > max(report["floor"], accuracy(report, "absolute", decoder, encoder) or 0)
            if "e5" in (decoder, encoder):
                assert (accuracy(report, "relative, paper", decoder, encoder) or 0) < 0.5 < centred


def test_pictures_across_encoders_of_three_widths(test_data: Path) -> None:
    report = stitch_of(test_data, "cifar10", ("lite0", "squeezenet", "vit"), draws=1)
    assert accuracy(report, "absolute", "lite0", "vit") is None
    for decoder, encoder in (("lite0", "vit"), ("vit", "squeezenet"), ("squeezenet", "lite0")):
        assert (accuracy(report, "relative", decoder, encoder) or 0) > 3 * report["floor"]
