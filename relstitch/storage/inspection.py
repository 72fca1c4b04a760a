"""What a file of ours is, and whether all of it holds together."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from relstitch.artifacts import (
    Anchors,
    AnchorVectors,
    Decoder,
    Embeddings,
    EncoderStamp,
    Hub,
    Portion,
    Relative,
    Rows,
    Skipped,
    Translator,
)
from relstitch.artifacts.shards import row_words, run_words
from relstitch.errors import some
from relstitch.storage.files import read_artifact
from relstitch.storage.metadata import FORMAT, KINDS
from relstitch.storage.tensors import TensorFile


@dataclass(frozen=True)
class Inspection:
    """What `inspect` found.

    Attributes:
        path: The file.
        kind: ``embeddings``, ``relative``, ``decoder``, ``anchors``, ``translator`` or ``hub``.
        format: The version of the file format.
        facts: What is in it, as plain JSON values.
        problems: What is wrong although the file can be read, in words; empty when nothing is.
    """

    path: str
    kind: str
    format: int
    facts: Mapping[str, Any]
    problems: tuple[str, ...] = ()


def inspect(path: str | Path) -> Inspection:
    """Read one of our files whole, check it, and say what it is.

    Raises:
        ArtifactError: It is damaged, not one of ours (the message says what it is), or of a newer relstitch.
    """
    place = Path(path)
    artifact, file = read_artifact(place, tuple(KINDS))
    if isinstance(artifact, Anchors):
        return _inspection(place, "anchors", None, _anchors_facts(artifact), _anchors_problems(artifact))
    if isinstance(artifact, Decoder):
        return _inspection(place, "decoder", file, _decoder_facts(artifact), _decoder_problems(artifact))
    if isinstance(artifact, Translator):
        return _inspection(place, "translator", file, _translator_facts(artifact), ())
    if isinstance(artifact, Hub):
        return _inspection(place, "hub", file, _hub_facts(artifact), ())
    facts = _rows_facts(artifact.rows, artifact.skipped)
    facts |= {"counts": dict(artifact.counts), "encoder": artifact.encoder.to_json()}
    problems = [*_rows_problems(artifact.rows, file)]
    if isinstance(artifact, Embeddings):
        facts |= _matrix_facts(artifact.vectors, "dimension")
        return _inspection(place, "embeddings", file, facts, problems)
    facts |= _matrix_facts(artifact.values, "k")
    facts |= {"projection": str(artifact.projection), "anchors": _space_facts(artifact.anchors)}
    return _inspection(place, "relative", file, facts, [*problems, *_relative_problems(artifact, file)])


def _inspection(
    path: Path, kind: str, file: TensorFile | None, facts: Mapping[str, Any], problems: Sequence[str]
) -> Inspection:
    written = {"written_by": file.facts.get("written_by")} if file else {}
    whole = {**facts, **written, "bytes": path.stat().st_size}
    number = file.facts["format"] if file else FORMAT
    return Inspection(str(path), kind, int(number), whole, tuple(problems))


def _rows_facts(rows: Rows, skipped: Sequence[Skipped]) -> dict[str, Any]:
    hashes = Counter(digest for digest in rows.hashes.tolist() if digest)
    facts: dict[str, Any] = {
        "rows": len(rows),
        "splits": dict(Counter(rows.splits.tolist())),
        "dataset": rows.fingerprint,
        "content_hashes": hashes.total(),
        "repeated_content": hashes.total() - len(hashes),
        "targets": None,
        "skipped": {"rows": len(skipped), "examples": [f"{row.id}: {row.reason}" for row in skipped[:5]]},
    }
    if rows.targets is not None:
        facts["targets"] = rows.targets.kind
        facts["labelled"] = int(rows.targets.present.sum())
        facts["classes" if rows.targets.kind in ("class", "multilabel") else "target_names"] = list(
            rows.targets.names
        )
    if rows.portion is not None:
        facts["shard"] = _portion_facts(rows.portion)
    return facts


def _portion_facts(portion: Portion) -> dict[str, Any]:
    facts = {
        "shards": run_words(portion.present),
        "of": portion.of,
        "rows": row_words([portion.rows_of(run) for run in portion.present]),
        "total": portion.total,
        "dataset": portion.dataset,
    }
    # One shard of many is what was asked for; of several it is worth knowing which ones are still to come.
    return facts | ({"missing": run_words(portion.missing)} if len(portion.shards) > 1 else {})


def _matrix_facts(values: NDArray[Any], width: str) -> dict[str, Any]:
    zero = int((~values.any(axis=1)).sum())
    return {width: int(values.shape[1]), "zero_vectors": zero}


def _rows_problems(rows: Rows, file: TensorFile | None) -> Iterator[str]:
    told = file.facts["rows"] if file else {}
    if told.get("dataset") != rows.fingerprint:
        yield "The ids and content hashes are not those of the dataset fingerprint that the file carries."
    if told.get("split_fingerprint") != rows.split_fingerprint:
        yield "The splits are not those of the split fingerprint that the file carries."
    targets = rows.targets
    if targets is not None and targets.kind == "real" and not np.isfinite(targets.values[targets.present]).all():
        yield "Some targets are not finite numbers."


def _relative_problems(artifact: Relative, file: TensorFile | None) -> Iterator[str]:
    stored = file.tensors["anchors.mean"] if file else artifact.anchors.mean
    if not np.allclose(stored, artifact.anchors.mean, rtol=1e-4, atol=1e-6):
        yield "The mean of the anchors that the file carries is not the mean of their vectors."


def _space_facts(anchors: AnchorVectors) -> dict[str, Any]:
    return {
        "k": len(anchors.anchors),
        "dimension": int(anchors.vectors.shape[1]),
        "side": anchors.side,
        "draw": anchors.draw,
        "strategy": anchors.strategy,
        "digest": anchors.anchors.digest,
    }


def _decoder_facts(decoder: Decoder) -> dict[str, Any]:
    return {
        "method": decoder.method,
        "task": decoder.task,
        "names": list(decoder.names),
        "settings": dict(decoder.settings),
        "projection": None if decoder.projection is None else str(decoder.projection),
        "encoder": None if decoder.encoder is None else decoder.encoder.to_json(),
        "spaces": _spaces_facts(decoder.spaces),
        "arrays": _arrays_facts(decoder.arrays),
    }


def _spaces_facts(spaces: Sequence[tuple[EncoderStamp, AnchorVectors]]) -> list[dict[str, Any]]:
    return [{"encoder": stamp.spec, **_space_facts(anchors)} for stamp, anchors in spaces]


def _arrays_facts(arrays: Mapping[str, NDArray[Any]]) -> dict[str, str]:
    return {name: f"{array.dtype} {list(array.shape)}" for name, array in arrays.items()}


def _translator_facts(translator: Translator) -> dict[str, Any]:
    return {
        "method": translator.method,
        "settings": dict(translator.settings),
        "source": translator.source.to_json(),
        "target": translator.target.to_json(),
        "spaces": _spaces_facts(translator.spaces),
        "arrays": _arrays_facts(translator.arrays),
        "digest": translator.digest,
    }


def _hub_facts(hub: Hub) -> dict[str, Any]:
    return {
        "encoders": [stamp.spec for stamp, _ in hub.encoders],
        "settings": dict(hub.settings),
        "spaces": _spaces_facts(hub.encoders),
        "arrays": _arrays_facts(hub.arrays),
    }


def _decoder_problems(decoder: Decoder) -> list[str]:
    bad = [name for name, array in decoder.arrays.items() if not np.isfinite(array).all()]
    problems = [f"Its arrays {some(bad)} hold values that are not finite."] if bad else []
    if len({len(anchors.anchors) for _, anchors in decoder.spaces}) > 1:
        problems.append("The spaces it serves have different numbers of anchors.")
    if decoder.spaces and decoder.encoder is not None and decoder.spaces[0][0].identity != decoder.encoder.identity:
        problems.append("The first space it serves is not that of the encoder it was trained on.")
    return problems


def _anchors_facts(anchors: Anchors) -> dict[str, Any]:
    return {
        "k": anchors.k,
        "draws": anchors.n_draws,
        "strategy": anchors.strategy,
        "seed": anchors.seed,
        "options": dict(anchors.options),
        "sides": [
            {"name": side.name, "dataset": side.dataset, "content_hashes": sum(map(bool, side.draws[0].hashes))}
            for side in anchors.sides
        ],
        "digests": [draw.digest for draw in anchors.sides[0].draws],
        "correspondence": [anchors.correspondence(draw) for draw in range(anchors.n_draws)],
    }


def _anchors_problems(anchors: Anchors) -> list[str]:
    problems = []
    for side in anchors.sides:
        for position, draw in enumerate(side.draws):
            times = Counter(digest for digest in draw.hashes if digest)
            twice = [name for name, digest in zip(draw.ids, draw.hashes, strict=True) if times[digest] > 1]
            if twice and len(anchors.sides) == 1:
                problems.append(f"Draw {position} holds the same content under several ids: {some(twice)}.")
    return problems
