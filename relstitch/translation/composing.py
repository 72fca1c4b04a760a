"""Translators one after the other, and how much comes back from a round trip."""

import numpy as np

from relstitch.artifacts import Translator
from relstitch.artifacts.spaces import Matrix
from relstitch.errors import MismatchError, UsageError
from relstitch.translation.carrying import is_two_sided, translate
from relstitch.translation.evaluating import RoundTrip, cosines
from relstitch.translation.vectors import search_ranks


def compose(first: Translator, second: Translator) -> Translator:
    """One translator from A to C, of one from A to B and one from B to C.

    Args:
        first: A → B, one-sided: its carried rows lie among B's own.
        second: B → C. Where it is two-sided, so is the whole.

    Returns:
        A → C, which carries a row by `first` and then by `second`; both may themselves be composed.

    Raises:
        UsageError: `first` is two-sided: its rows are in a place of their own, where no map of B can take them up.
        MismatchError: The target of `first` is not the source of `second`.

    Example:
        >>> from relstitch.artifacts import AnchorList, AnchorVectors, EncoderStamp
        >>> from relstitch.translation import TranslatorSettings, fit_translator
        >>> one, other = EncoderStamp("st:x", "text", 2), EncoderStamp("st:y", "text", 2)
        >>> A = AnchorVectors(AnchorList(("a", "b", "c"), ("",) * 3), np.array([[1, 0], [0, 2], [3, 1]], np.float32))
        >>> B = AnchorVectors(A.anchors, A.vectors * 2)
        >>> there = fit_translator(A, B, (one, other), TranslatorSettings("affine"))
        >>> back = fit_translator(B, A, (other, one), TranslatorSettings("affine"))
        >>> translate(compose(there, back), A.vectors).round(3).tolist()
        [[1.0, 0.0], [0.0, 2.0], [3.0, 1.0]]
    """
    if is_two_sided(first):
        raise UsageError(
            f"A {first.method} translator is two-sided: it carries rows of {first.source.spec} to a place of its "
            f"own, not to where {first.target.spec} has its rows, so that nothing can follow it. Fit the first step "
            "with a one-sided method, such as kernel or ridge."
        )
    if first.target.identity != second.source.identity:
        raise MismatchError(
            f"The first translator goes to {first.target.spec} ({first.target.dimension} wide) and the second starts "
            f"from {second.source.spec} ({second.source.dimension} wide), which is another encoder. Compose A to B "
            "with B to C."
        )
    steps = [*first.steps, *second.steps]
    arrays = {f"{at}.{name}": array for at, (_, held) in enumerate(steps) for name, array in held.items()}
    settings = {
        "steps": [step for one in (first, second) for step in one.settings.get("steps", [dict(one.settings)])]
    }
    return Translator(
        "+".join(method for method, _ in steps), first.source, second.target, arrays, settings,
        (*first.anchors, *second.anchors), (*first.through, first.target, *second.through),
    )  # fmt: skip


def round_trip(there: Translator, back: Translator, X: Matrix) -> RoundTrip:
    """Carry rows to another space and back, and look for them among themselves.

    Args:
        there: A → B, one-sided.
        back: B → A, one-sided: only then does what comes back lie in A's space.
        X: float32 [n, d_A], n ≥ 1.

    Returns:
        The mean cosine between a row and what came back of it, and the share of rows that are nearest to themselves,
        after the mean of A's anchors was taken off. High figures are necessary and not sufficient: two maps can be
        each other's inverse and both be wrong.

    Raises:
        UsageError: One of them is two-sided.
        MismatchError: They do not fit together, or X does not fit them; or there is no row.

    Example:
        >>> from relstitch.artifacts import AnchorList, AnchorVectors, EncoderStamp
        >>> from relstitch.translation import TranslatorSettings, fit_translator
        >>> one = EncoderStamp("st:x", "text", 2)
        >>> A = AnchorVectors(AnchorList(("a", "b", "c"), ("",) * 3), np.array([[1, 0], [0, 2], [3, 1]], np.float32))
        >>> same = fit_translator(A, A, (one, one), TranslatorSettings("affine"))
        >>> round_trip(same, same, A.vectors).recall
        1.0
    """
    whole = compose(there, back)
    if whole.target.identity != whole.source.identity or is_two_sided(back):
        raise UsageError(
            f"A round trip must end where it began: these go from {there.source.spec} to {back.target.spec}, the "
            f"second by {back.method}. Give a one-sided translator from A to B and one from B to A."
        )
    if not len(X):
        raise MismatchError("A round trip was asked for with no rows; at least 1 is needed.")
    center = there.anchors[0].mean
    found = translate(whole, X)
    ranks = search_ranks(found, X, np.arange(len(X)), center=center)
    return RoundTrip(float(cosines(found - center, X - center).mean()), float((ranks == 1).mean()), len(X))
