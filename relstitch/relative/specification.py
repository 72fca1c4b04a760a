"""What a projection can be asked for: names, products of names, and parameters."""

from collections.abc import Mapping
from typing import Any, NamedTuple

from relstitch.artifacts import ProjectionSpec
from relstitch.errors import UsageError, some
from relstitch.relative.similarities import PROJECTIONS, Projection


class _Range(NamedTuple):
    whole: bool
    low: float
    high: float
    words: str


_ANY = ("subspaces", "quantise", "top", "power", "zscore")
_RANGES: Mapping[str, _Range] = {
    "subspaces": _Range(True, 1, 1e6, "a whole number of groups of columns, 1 or more"),
    "quantise": _Range(False, 1e-9, 1e9, "the step that similarities are rounded to, from 1e-9 to 1e9"),
    "top": _Range(True, 1, 1e9, "a whole number of similarities to keep, 1 or more"),
    "power": _Range(False, 1e-3, 1e3, "an exponent from 0.001 to 1000"),
    "gamma": _Range(False, 1e-9, 1e9, "a number from 1e-9 to 1e9"),
    "shrinkage": _Range(False, 1e-6, 1.0, "a share from 1e-6 to 1"),
}


def factors_of(spec: ProjectionSpec) -> tuple[Projection, ...]:
    """The similarities of a projection, more than one for a product.

    Args:
        spec: What was asked for.

    Returns:
        One entry of the registry a factor, in order.

    Raises:
        UsageError: A name, a parameter or a value that does not exist.

    Example:
        >>> [factor.name for factor in factors_of(ProjectionSpec("cosine+l1"))]
        ['cosine', 'l1']
    """
    names = spec.name.split("+")
    if "" in names:
        raise UsageError(
            f"The projection {spec.name!r} lacks a name beside a +. Write names with one + between two, for example "
            "cosine+rbf."
        )
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise UsageError(
            f"The projection {spec.name!r} has {some(twice)} more than once, which adds nothing. Name each once."
        )
    for name in names:
        if name not in PROJECTIONS:
            raise UsageError(f"There is no projection {name!r}. Choose one of: {', '.join(PROJECTIONS)}.")
    factors = tuple(PROJECTIONS[name] for name in names)
    known = (*dict.fromkeys(param for factor in factors for param in factor.params), *_ANY)
    unknown = sorted(set(spec.params) - set(known))
    if unknown:
        raise UsageError(
            f"The projection {spec.name!r} has no parameter {some(unknown)}; its parameters: {', '.join(known)}."
        )
    for key, value in spec.params.items():
        _check_value(key, value)
    far = [factor.name for factor in factors if factor.distance]
    if far and ("top" in spec.params or "power" in spec.params):
        raise UsageError(
            f"top and power set all but the largest similarities to 0; {far[0]} is a negative distance, where 0 is "
            "the most alike of all. Take rbf or another similarity, or leave out top and power."
        )
    return factors


def whitens(spec: ProjectionSpec) -> bool:
    """Whether the anchors' covariance decides what two rows have in common: no anchor is like any other row then.

    Example:
        >>> whitens(ProjectionSpec("cosine+whitened")), whitens(ProjectionSpec("cosine"))
        (True, False)
    """
    return any("shrinkage" in factor.params for factor in factors_of(spec))


def _check_value(key: str, value: Any) -> None:
    if key == "zscore":
        fits, words = isinstance(value, bool), "true or false"
    else:
        allowed = _RANGES[key]
        real = isinstance(value, int | float) and not isinstance(value, bool)
        number = real and allowed.low <= value <= allowed.high
        fits, words = number and (not allowed.whole or float(value) == int(value)), allowed.words
    if not fits:
        shown = f"{value:g}" if isinstance(value, int) and abs(value) > 1e15 else value
        raise UsageError(f"A projection can't be made with {key}={shown}; expected {words}.")


def parse_projection(text: str, center: bool = True) -> ProjectionSpec:
    """Read a projection as it is written on the command line.

    Args:
        text: ``NAME[+NAME…][:PARAM,…]``, a parameter being ``zscore`` or ``KEY=NUMBER``.
        center: Whether the anchors' mean is taken off both sides first.

    Returns:
        The specification, with whole numbers as int.

    Raises:
        UsageError: A text of another form, or a name, a parameter or a value that does not exist.

    Example:
        >>> parse_projection("cosine+l1:zscore,subspaces=4")
        ProjectionSpec(name='cosine+l1', center=True, params={'zscore': True, 'subspaces': 4})
    """
    name, colon, listed = text.partition(":")
    params: dict[str, Any] = {}
    for item in listed.split(",") if colon else ():
        key, equals, value = (part.strip() for part in item.partition("="))
        number = _number(value) if equals else None
        if not key or key in params or (number is None and item.strip() != "zscore"):
            raise UsageError(
                f"{item!r} in the projection {text!r} can't be read. Write NAME+NAME:PARAM,PARAM with every "
                "parameter once, as KEY=NUMBER or zscore alone: for example cosine+dot:zscore,top=50,power=4."
            )
        params[key] = True if number is None else number
    spec = ProjectionSpec(name, center, params)
    factors_of(spec)
    return spec


def _number(text: str) -> float | int | None:
    try:
        number = float(text)
    except ValueError:
        return None
    return int(number) if number.is_integer() else number
