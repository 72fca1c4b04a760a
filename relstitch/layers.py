"""The paper's relative layer as a differentiable torch module, for encoders that are trained through it."""

from collections.abc import Callable, Mapping
from typing import Literal, get_args

import torch
from torch import Tensor, nn
from torch.nn import functional

from relstitch.errors import MismatchError, UsageError
from relstitch.relative import factors_of, parse_projection
from relstitch.relative.projecting import check_widths

Pooling = Literal["mean", "max", "none"]
"""What becomes of the similarities in several subspaces; none: they stand side by side."""

Normalisation = Literal["none", "layer", "batch", "instance"]
"""What is done to the similarities at the end."""

Twin = Callable[..., Tensor]
"""From X [n, d], A [k, d] and the projection's own parameters to [n, k], with a gradient everywhere."""


class RelativeLayer(nn.Module):
    """Similarities to anchors, as a layer to train through.

    The anchors are given anew at every step: encode the anchors' samples with the encoder as it is now. Gradients
    flow through rows and anchors. The layer learns nothing itself; a linear layer behind it takes up any scale.

    Its values are those of `relstitch.project`, for every projection of the registry. The gradient is 0 where there
    is none to give: at the zero vector, which has no direction, and where a row meets an anchor (angle or distance
    0). Half-precision rows are compared in float32. A row that is not finite has no similarities and becomes NaN, as
    all rows do where an anchor is not finite.

    Args:
        anchors: How many, k.
        projection: As `relstitch.relative.parse_projection` reads it, without ``zscore``. ``quantise`` passes the
            gradient straight through; with ``top`` it flows through what is kept.
        center: Whether the anchors' mean is taken off both sides first. The paper's form does not.
        pooling: With ``subspaces=m``: ``mean``, as `relstitch.project`; ``max``, the most alike; ``none``, all m
            side by side.
        normalisation: ``layer``: each row by its own mean and spread. ``batch``: each column by those of the batch,
            and by their running values once in evaluation. ``instance``: each column by those of the rows at hand,
            in evaluation too, so that a row's values depend on the rows beside it (transductive; as the paper's
            published heads).
        detach_anchors: Stop the gradient through the anchors.

    Attributes:
        width: Of what comes out: k × the number of spaces side by side.

    Raises:
        UsageError: No number of anchors, or a projection, a pooling or a normalisation that does not exist.

    Source: Moschella et al. 2023 (arXiv 2209.15430), sections 3 and 4.3, and appendix for subspaces and quantising;
    straight-through: Bengio et al. 2013 (arXiv 1308.3432).

    Example:
        An encoder learns through the layer:

        >>> _ = torch.manual_seed(0)
        >>> X = torch.randn(100, 4)
        >>> y = (X[:, 0] > 0).long()
        >>> encoder, relative = nn.Linear(4, 8), RelativeLayer(10, normalisation="layer")
        >>> head = nn.Linear(relative.width, 2)
        >>> optimiser = torch.optim.Adam([*encoder.parameters(), *head.parameters()], lr=0.05)
        >>> for _ in range(50):
        ...     logits = head(relative(encoder(X), encoder(X[:10])))
        ...     loss = functional.cross_entropy(logits, y)
        ...     optimiser.zero_grad()
        ...     loss.backward()
        ...     optimiser.step()
        >>> bool((logits.argmax(dim=1) == y).float().mean() > 0.95)
        True
    """

    def __init__(
        self,
        anchors: int,
        projection: str = "cosine",
        *,
        center: bool = True,
        pooling: Pooling = "mean",
        normalisation: Normalisation = "none",
        detach_anchors: bool = False,
    ) -> None:
        super().__init__()
        if not isinstance(anchors, int):
            raise UsageError(
                f"A relative layer is made for a number of anchors; a thing of type {type(anchors).__name__} was "
                "given. Say how many anchors there are, and give their vectors when the layer is called."
            )
        if anchors < 1:
            raise UsageError(f"A relative layer needs at least 1 anchor, not {anchors}.")
        for what, chosen, known in (("pooling", pooling, Pooling), ("normalisation", normalisation, Normalisation)):
            if chosen not in get_args(known):
                raise UsageError(f"There is no {what} {chosen!r}. Choose one of: {', '.join(get_args(known))}.")
        self.spec = parse_projection(projection, center)
        if "zscore" in self.spec.params:
            raise UsageError(
                "zscore scales each column by its mean and spread over an encoder's own training rows, which move "
                "while it is trained. Choose the normalisation 'batch' instead, which follows them."
            )
        self.anchors, self.pooling, self.normalisation = anchors, pooling, normalisation
        self.detach_anchors = detach_anchors
        self._groups = int(self.spec.params.get("subspaces", 1))
        self._factors = [(factor.name, self._own(factor.params)) for factor in factors_of(self.spec)]
        for name, _ in self._factors:
            _twin_of(name)
        self.width = anchors * len(self._factors) * (self._groups if pooling == "none" else 1)
        self._batch = nn.BatchNorm1d(self.width, affine=False) if normalisation == "batch" else None

    def _own(self, params: Mapping[str, float]) -> dict[str, float]:
        return {key: float(self.spec.params.get(key, value)) for key, value in params.items()}

    def forward(self, rows: Tensor, anchors: Tensor) -> Tensor:
        """Compute the relative representations of some rows.

        Args:
            rows: [n, d], what the encoder gives for the samples.
            anchors: [k, d], what the same encoder gives for the anchors, in their order.

        Returns:
            [n, w], w = `width`, in the rows' type (float32 for whole numbers).

        Raises:
            MismatchError: Other shapes than these, or no tensors.
            UsageError: One row alone, where each column is normalised over the rows.

        Example:
            >>> RelativeLayer(1, center=False)(torch.tensor([[2.0, 0.0], [0.0, -3.0]]), torch.tensor([[5.0, 0.0]]))
            tensor([[1.],
                    [0.]])
        """
        self._check(rows, anchors)
        # Similarities lose too much in half precision, under autocast as well.
        kind = torch.promote_types(torch.promote_types(rows.dtype, anchors.dtype), torch.float32)
        with torch.autocast(rows.device.type, enabled=False):
            X, A = rows.to(kind), (anchors.detach() if self.detach_anchors else anchors).to(kind)
            if self.spec.center:
                mean = A.mean(dim=0)
                X, A = X - mean, A - mean
            parts = list(zip(X.chunk(self._groups, dim=1), A.chunk(self._groups, dim=1), strict=True))
            spaces = [
                self._shaped(space)
                for name, own in self._factors
                for space in self._pooled([_twin_of(name)(x, a, **own) for x, a in parts])
            ]
            values = self._normalised(torch.cat(spaces, dim=1) + _lost(X) + _lost(A).sum())
        return values.to(rows.dtype) if rows.dtype.is_floating_point else values

    def _check(self, rows: Tensor, anchors: Tensor) -> None:
        given: tuple[object, ...] = (rows, anchors)
        strange = [type(side).__name__ for side in given if not isinstance(side, Tensor)]
        if strange:
            raise MismatchError(
                f"The layer was given a thing of type {strange[0]}; expected two torch tensors, rows [n, d] and "
                "anchors [k, d]. Make one with torch.as_tensor."
            )
        if rows.ndim != 2 or anchors.ndim != 2 or not rows.shape[1]:
            raise MismatchError(
                f"The rows have the shape {list(rows.shape)} and the anchors {list(anchors.shape)}; expected [n, d] "
                "and [k, d]: flatten what the encoder gives."
            )
        if len(anchors) != self.anchors:
            raise MismatchError(
                f"The layer is made for {self.anchors} anchors and was given {len(anchors)}. Encode all anchors at "
                "every step, in their order."
            )
        check_widths(rows.shape[1], anchors.shape[1], self._groups)
        per_column = self.normalisation == "instance" or (self.normalisation == "batch" and self.training)
        if per_column and len(rows) < 2:
            raise UsageError(
                f"The normalisation {self.normalisation!r} takes each column's mean and spread over the rows it is "
                f"given, and was given {len(rows)}. Give at least 2 rows, or choose 'layer', which sees one row at a "
                "time."
            )

    def _pooled(self, similar: list[Tensor]) -> list[Tensor]:
        if self.pooling == "none" or self._groups == 1:
            return similar
        stacked = torch.stack(similar)
        return [stacked.mean(dim=0) if self.pooling == "mean" else stacked.amax(dim=0)]

    def _shaped(self, S: Tensor) -> Tensor:
        """Rounded, and only the largest kept."""
        params = self.spec.params
        if "quantise" in params:
            S = S + (torch.round(S / params["quantise"]) * params["quantise"] - S).detach()
        if not {"top", "power"} & set(params):
            return S
        # A stable order: of equal similarities the first anchors' are kept.
        order = torch.argsort(S, dim=1, descending=True, stable=True)
        kept = torch.zeros_like(S, dtype=torch.bool).scatter_(1, order[:, : int(params.get("top", S.shape[1]))], True)
        S = torch.where(kept, S, 0.0)
        S = S / _or_one(S.abs().amax(dim=1, keepdim=True).detach())
        # 0 to a power below 1 has no finite slope, so zeros are kept out of it.
        powers = _or_one(S.abs()) ** float(params.get("power", 1.0))
        return _unit(torch.where(S == 0, 0.0, S.sign() * powers))

    def _normalised(self, S: Tensor) -> Tensor:
        if self.normalisation == "layer":
            return functional.layer_norm(S, (self.width,))
        if self.normalisation == "instance":
            return functional.batch_norm(S, None, None, training=True)
        if self._batch is None:
            return S
        running = self._batch.running_mean
        values: Tensor = self._batch(S if running is None else S.to(running.dtype))
        return values

    def extra_repr(self) -> str:
        """What `print` shows of it."""
        return f"{self.anchors} anchors, {self.spec}, pooling={self.pooling}, normalisation={self.normalisation}"


def _lost(X: Tensor) -> Tensor:
    """[n, 1]: NaN for rows that are not finite, else 0: a comparison could make an ordinary number of them."""
    return (X.detach() * 0.0).sum(dim=1, keepdim=True)


def _or_one(values: Tensor) -> Tensor:
    """The values with 1 where they are 0: a divisor, or a root, with a finite gradient."""
    return torch.where(values == 0, 1.0, values)


def _unit(X: Tensor) -> Tensor:
    """Rows of length 1; a zero row stays zero and has the gradient 0."""
    # By the largest first: squares can leave the type's range. A direction has no scale, so no gradient is lost.
    largest = X.abs().amax(dim=1, keepdim=True).detach()
    X = torch.where(largest > 0, X / _or_one(largest), 0.0)
    return X * _or_one(X.square().sum(dim=1, keepdim=True)).rsqrt()


def _distance(X: Tensor, A: Tensor, order: float = 2.0) -> Tensor:
    """‖x − a‖ by differences, not by products, which lose half of the digits where x is near a."""
    return torch.cdist(X, A, p=order, compute_mode="donot_use_mm_for_euclid_dist")


def _differ(A: Tensor) -> Tensor:
    """Whether there are two different anchors."""
    return A.ne(A[:1]).any()


def _cosine(X: Tensor, A: Tensor) -> Tensor:
    # Rounding can carry it past 1.
    return (_unit(X) @ _unit(A).T).clamp(-1.0, 1.0)


def _angular(X: Tensor, A: Tensor) -> Tensor:
    """1 − angle / π, the angle as 2 atan2(‖u − v‖, ‖u + v‖): arccos has an infinite slope at ±1."""
    U, V = _unit(X), _unit(A)
    # Where both are zero so are both lengths: a right angle, as the cosine 0 has.
    nothing = (U == 0).all(dim=1)[:, None] & (V == 0).all(dim=1)
    apart, together = (torch.where(nothing, 1.0, _distance(U, W)) for W in (V, -V))
    return 1.0 - 2.0 * torch.atan2(apart, together) / torch.pi


def _rbf(X: Tensor, A: Tensor, gamma: float) -> Tensor:
    spread = _differ(A)
    total = (A - A.mean(dim=0)).square().sum()
    factor = gamma * torch.where(spread, (len(A) - 1) / (2.0 * torch.where(spread, total, 1.0)), 1.0)
    return torch.exp(-factor * _distance(X, A).square())


def _whitened(X: Tensor, A: Tensor, shrinkage: float) -> tuple[Tensor, Tensor]:
    """Both in coordinates in which the anchors' shrunk covariance is the identity, float64 where the device has it.

    By a triangular factor: the registry's eigenvectors differ from it by a rotation, which inner products and
    distances do not see, and have no gradient where eigenvalues meet.
    """
    kind = X.dtype if X.device.type == "mps" else torch.float64
    W, C = A.to(kind), A.to(kind) - A.to(kind).mean(dim=0)
    S = C.T @ C / max(len(A) - 1, 1)
    identity = torch.eye(A.shape[1], dtype=kind, device=A.device)
    shrunk = (1.0 - shrinkage) * S + shrinkage * S.diagonal().mean() * identity
    factor, _ = torch.linalg.cholesky_ex(torch.where(_differ(A), shrunk, identity))
    white = [torch.linalg.solve_triangular(factor, side.T, upper=False).T.to(X.dtype) for side in (X.to(kind), W)]
    return white[0], white[1]


def _white_product(X: Tensor, A: Tensor, shrinkage: float) -> Tensor:
    X, A = _whitened(X, A, shrinkage)
    return X @ A.T


TWINS: Mapping[str, Twin] = {
    "cosine": _cosine,
    "angular": _angular,
    "euclidean": lambda X, A: -_distance(X, A),
    "l1": lambda X, A: -_distance(X, A, 1.0),
    "linf": lambda X, A: -_distance(X, A, float("inf")),
    "dot": lambda X, A: X @ A.T,
    "polynomial": lambda X, A: (_cosine(X, A) + 1.0) ** 2,
    "rbf": _rbf,
    "whitened": _white_product,
    "mahalanobis": lambda X, A, shrinkage: -_distance(*_whitened(X, A, shrinkage)),
}
"""Each projection of `relstitch.relative.PROJECTIONS` as torch computes it; what it means stands there."""


def _twin_of(name: str) -> Twin:
    if name not in TWINS:
        raise UsageError(
            f"The projection {name!r} has no differentiable form yet, so nothing can be trained through it. Choose "
            f"one of: {', '.join(TWINS)}."
        )
    return TWINS[name]
