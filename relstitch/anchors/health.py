"""How good a set of anchors is, in numbers and in words."""

from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from relstitch.anchors.candidates import Index, first_of_each, rows_of, vector_keys
from relstitch.artifacts import AnchorHealth, Anchors, Embeddings, ProjectionSpec, Rows
from relstitch.artifacts.rows import texts_array
from relstitch.artifacts.spaces import Matrix
from relstitch.errors import counted, some
from relstitch.meeting import draw_of, locate
from relstitch.relative import mean_cosine, project

FEWEST = 10
WORST_CONDITION = 1e4
# The paper's uncentred form falls to the floor on an encoder whose mean cosine is .76 (multilingual-e5-small).
NARROW_CONE = 0.7
LOWEST_COVERAGE = 0.2
_ROWS_AT_ONCE = 4096


def anchor_health(
    anchors: Anchors, source: Embeddings | Rows, *, draw: int = 0, side: str | None = None
) -> AnchorHealth:
    """Judge a set of anchors for one encoder.

    Args:
        anchors: From `pick_anchors` or `pair_anchors`.
        source: Embeddings that hold the anchors; or a dataset's rows, which only tell k, repeated content and
            classes: what needs vectors is None then.
        draw: Which draw.
        side: Which side of parallel anchors.

    Returns:
        The figures, and warnings in words.

    Raises:
        UsageError: No such draw or side.
        MismatchError: Anchors that are not in the source.

    Example:
        >>> from relstitch.anchors import pick_anchors
        >>> rows = Rows.build([str(i) for i in range(20)], splits="train")
        >>> health = anchor_health(pick_anchors(rows, 12), rows)
        >>> health.k, health.duplicates, health.rank, health.warnings
        (12, 0, None, ())
    """
    rows = rows_of(source)
    at = locate(draw_of(anchors, draw, side), rows, name="the source of the anchors")
    train = _training_rows(anchors, side, rows)
    hit, missed = _classes(rows, at, train)
    health = AnchorHealth(
        k=len(at), d=None, rank=None, condition=None, coverage=None, duplicates=_repeats(source, at),
        mean_cosine=None, classes_hit=hit, classes_total=None if hit is None else hit + len(missed),
    )  # fmt: skip
    if isinstance(source, Embeddings):
        vectors = source.vectors[at]
        rank, condition = rank_and_condition(vectors)
        health = replace(
            health, d=vectors.shape[1], rank=rank, condition=condition, mean_cosine=mean_cosine(vectors),
            coverage=coverage(source.vectors, train, vectors),
        )  # fmt: skip
    return replace(health, warnings=tuple(_warnings(health, missed)))


def rank_and_condition(anchors: Matrix) -> tuple[int, float | None]:
    """Rank and condition number of the centred anchor matrix.

    Singular values below the noise that rounding to float32 leaves in it (its Frobenius norm times float32's
    epsilon bounds that noise) count as zero.

    Args:
        anchors: float32 [k, d].

    Returns:
        The rank, at most min(k - 1, d), and the largest over the smallest nonzero singular value; None without any.

    Example:
        >>> rank_and_condition(np.array([[1, 0], [0, 1], [0, 1]], dtype=np.float32))
        (1, 1.0)
    """
    values = anchors.astype(np.float64)
    noise = np.linalg.norm(values) * np.finfo(np.float32).eps
    singular = np.linalg.svd(values - values.mean(axis=0), compute_uv=False)
    nonzero = singular[singular > noise]
    return len(nonzero), float(nonzero[0] / nonzero[-1]) if len(nonzero) else None


def coverage(vectors: Matrix, at: Index, anchors: Matrix) -> float | None:
    """Mean over rows of the centred cosine to the nearest anchor.

    Args:
        vectors: float32 [n, d].
        at: intp [m], the rows that count.
        anchors: float32 [k, d].

    Returns:
        In [-1, 1], larger is better; None without rows.

    Example:
        >>> X = np.array([[1, 0], [-1, 0], [2, 0]], dtype=np.float32)
        >>> coverage(X, np.arange(3), X[:2])
        1.0
    """
    total = 0.0
    for start in range(0, len(at), _ROWS_AT_ONCE):
        similar = project(vectors[at[start : start + _ROWS_AT_ONCE]], anchors, ProjectionSpec("cosine", center=True))
        total += float(similar.max(axis=1).sum(dtype=np.float64))
    return total / len(at) if len(at) else None


def _training_rows(anchors: Anchors, side: str | None, rows: Rows) -> Index:
    """The rows of the splits the anchors are from; where the source has other splits, its own ``train``, or all."""
    used = anchors.options.get("splits", ())
    if isinstance(used, dict):
        used = used.get(anchors.side(side).name, ())
    for names in (tuple(used), ("train",)):
        if names and set(names) <= set(rows.split_names):
            return np.flatnonzero(rows.in_splits(*names))
    return np.arange(len(rows))


def _classes(rows: Rows, at: Index, train: Index) -> tuple[int | None, list[str]]:
    if rows.targets is None or rows.targets.kind != "class":
        return None, []
    codes = rows.targets.values
    present = {int(code) for code in codes[train] if code >= 0}
    hit = {int(code) for code in codes[at] if code >= 0}
    return len(present & hit), [rows.targets.names[code] for code in sorted(present - hit)]


def _repeats(source: Embeddings | Rows, at: Index) -> int:
    if isinstance(source, Embeddings):
        keys = vector_keys(source.vectors[at])
    else:
        keys = texts_array(content for content in source.hashes[at].tolist() if content)
    return len(keys) - int(np.count_nonzero(first_of_each(keys)))


def _warnings(health: AnchorHealth, missed: list[str]) -> Iterator[str]:
    k = health.k
    if k < FEWEST:
        yield (
            f"Only {counted(k, 'anchor')}: below {FEWEST}, a representation is {counted(k, 'number')} per row and "
            "can hold little."
        )
    if health.duplicates:
        equal, add = ("equals", "adds") if health.duplicates == 1 else ("equal", "add")
        yield f"{health.duplicates} of {k} anchors {equal} an earlier one and {add} nothing."
    if missed:
        have = "has" if len(missed) == 1 else "have"
        yield f"{len(missed)} of {health.classes_total} classes {have} no anchor: {some(missed)}."
    yield from _warnings_of_vectors(health)


def _warnings_of_vectors(health: AnchorHealth) -> Iterator[str]:
    k, d = health.k, health.d
    if d is None or health.rank is None:
        return
    if k <= d / 2:
        yield (
            f"k = {k} is far below the encoder's width d = {d}; the rule of thumb is k ≥ d, where there is data for "
            "it."
        )
    if health.rank < min(k - 1, d):
        yield (
            f"The anchors span {counted(health.rank, 'dimension')}, of {min(k - 1, d)} that {counted(k, 'anchor')} "
            f"in {d} dimensions can: some are combinations of others."
        )
    if health.condition is not None and health.condition > WORST_CONDITION:
        yield (
            f"The condition number is {health.condition:.2g}, above {WORST_CONDITION:.0e}: "
            "maps fitted on these anchors alone will amplify noise."
        )
    if health.mean_cosine is not None and health.mean_cosine > NARROW_CONE:
        yield (
            f"The mean cosine between anchors is {health.mean_cosine:.2f}: the space is a narrow cone, "
            "so centring matters here (uncentred cosines hardly differ)."
        )
    if health.coverage is not None and health.coverage < LOWEST_COVERAGE:
        yield (
            f"Coverage is {health.coverage:.2f}: the typical training row is far from every anchor. "
            "Take more anchors, or the strategy kmeans."
        )
