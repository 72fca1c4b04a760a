"""The relative layer against `project`, its gradients against differences, and what must break them."""

import pickle
import subprocess
import sys
from collections.abc import Iterator
from copy import deepcopy
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from relstitch import RelativeLayer, layers
from relstitch.errors import MismatchError, UsageError
from relstitch.names import PROJECTIONS as NAMES
from relstitch.relative import PROJECTIONS, parse_projection, project

seeds = st.integers(0, 2**32 - 1)
quick = settings(max_examples=15, deadline=None)
WITH_PARAMETERS = (
    "rbf:gamma=2.5",
    "whitened:shrinkage=0.5",
    "mahalanobis:shrinkage=0.000001",
    "cosine+l1",
    "cosine+rbf+dot:subspaces=2",
    "angular:subspaces=3",
    "whitened:subspaces=2,shrinkage=0.3",
    "cosine:quantise=0.25",
    "dot:top=3,power=2",
    "cosine:top=4,power=0.5",
    "cosine+polynomial:subspaces=2,quantise=0.01,top=5,power=3",
)
DIRECTIONAL = ("cosine", "angular", "polynomial")


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    """Threads that wait for each other make small arrays slow on a busy machine."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


def normal(seed: int, *shape: int) -> Tensor:
    return torch.tensor(np.random.default_rng(seed).standard_normal(shape))


def projected(X: Tensor, A: Tensor, text: str, center: bool = True) -> Tensor:
    return torch.tensor(project(X.numpy(), A.numpy(), parse_projection(text, center)))


def slopes(layer: RelativeLayer, X: Tensor, A: Tensor) -> tuple[Tensor, Tensor]:
    """Gradients of a sum with uneven weights, by rows and by anchors."""
    X, A = X.clone().requires_grad_(), A.clone().requires_grad_()
    values = layer(X, A)
    weights = torch.linspace(0.5, 1.5, values.numel(), dtype=values.dtype).reshape(values.shape)
    (values * weights).sum().backward()
    assert X.grad is not None
    assert A.grad is not None
    return X.grad, A.grad


@pytest.mark.parametrize("center", [True, False])
@pytest.mark.parametrize("text", [*NAMES, *WITH_PARAMETERS])
def test_the_layer_gives_what_project_gives(text: str, center: bool) -> None:
    X, A = normal(1, 40, 6) + 0.5, normal(2, 7, 6) * 2
    layer = RelativeLayer(7, text, center=center)
    values = layer(X, A)
    assert values.shape == (40, layer.width)
    torch.testing.assert_close(values, projected(X, A, text, center), atol=1e-6, rtol=0)


@pytest.mark.parametrize("center", [True, False])
@pytest.mark.parametrize("text", NAMES)
def test_it_does_so_in_float32_and_in_places_without_a_slope(text: str, center: bool) -> None:
    """Zero rows and a zero anchor, rows that are anchors, opposite rows, tiny and large ones."""
    A = torch.tensor([[1.0, 2.0, 0.0], [0.0, 0.0, 0.0], [-1.0, 3.0, 2.0], [4.0, 0.0, 1.0], [1.0, 2.0, 0.0]])
    X = torch.cat([A, -A, A * 1e-18, A * 1e6]) if text in DIRECTIONAL else torch.cat([A, -A])
    values = RelativeLayer(5, text, center=center)(X, A)
    assert values.dtype == torch.float32
    exact = torch.tensor(project(X.double().numpy(), A.double().numpy(), parse_projection(text, center)))
    torch.testing.assert_close(values.double(), exact, atol=2e-5, rtol=2e-5)
    for slope in slopes(RelativeLayer(5, text, center=center), X, A):
        assert slope.isfinite().all()


@pytest.mark.parametrize("text", NAMES)
@pytest.mark.parametrize("vectors", [[[2.0, 1.0]], [[0.0, 0.0]], [[1.0, 3.0]] * 4], ids=["one", "zero", "same"])
def test_anchors_without_any_spread_have_finite_values_and_slopes(text: str, vectors: list[list[float]]) -> None:
    A, X = torch.tensor(vectors), torch.tensor([[1.0, 1.0], [0.0, 0.0], [2.0, 1.0], [1.0, 3.0]])
    layer = RelativeLayer(len(A), text)
    torch.testing.assert_close(layer(X, A), projected(X, A, text), atol=1e-5, rtol=1e-5)
    for slope in slopes(layer, X, A):
        assert slope.isfinite().all()


@pytest.mark.parametrize("text", NAMES)
def test_gradients_are_those_of_differences(text: str) -> None:
    X, A = (normal(seed, n, 4).requires_grad_() for seed, n in ((3, 5), (4, 6)))
    assert torch.autograd.gradcheck(RelativeLayer(6, text), (X, A))


@pytest.mark.parametrize("options", [
    {"projection": "cosine+rbf:subspaces=2"},
    {"projection": "cosine:subspaces=2", "pooling": "max"},
    {"projection": "angular:subspaces=2", "pooling": "none"},
    {"projection": "cosine:top=3,power=2"},
    {"projection": "dot:power=0.5"},
    {"projection": "cosine", "normalisation": "layer"},
    {"projection": "cosine", "normalisation": "instance"},
    {"projection": "cosine", "normalisation": "batch"},
], ids=str)  # fmt: skip
def test_gradients_hold_through_everything_that_comes_after(options: dict[str, Any]) -> None:
    X, A = (normal(seed, n, 4).requires_grad_() for seed, n in ((5, 5), (6, 6)))
    layer = RelativeLayer(6, **options).double()
    assert torch.autograd.gradcheck(layer, (X, A))


@pytest.mark.parametrize("text", DIRECTIONAL)
def test_the_zero_row_has_the_slope_zero_and_others_have_not(text: str) -> None:
    X = torch.tensor([[0.0, 0.0, 0.0], [1.0, 0.0, 2.0]])
    by_rows, by_anchors = slopes(RelativeLayer(4, text, center=False), X, normal(7, 4, 3).float())
    assert not by_rows[0].any()
    assert by_rows[1].any()
    assert by_anchors.any()


def test_the_angle_keeps_its_digits_and_its_slope_beside_an_anchor() -> None:
    """arccos of a float32 cosine would say that the angle is 0 here, with a slope of infinity."""
    A, X = torch.tensor([[1.0, 0.0]]), torch.tensor([[1.0, 1e-4], [-1.0, 1e-4]])
    layer = RelativeLayer(1, "angular", center=False)
    expected = torch.tensor([[1 - 1e-4 / torch.pi], [1e-4 / torch.pi]])
    torch.testing.assert_close(layer(X, A), expected, atol=1e-7, rtol=0)
    by_rows, _ = slopes(layer, X, A)
    torch.testing.assert_close(by_rows[:, 1].abs(), torch.tensor([0.5, 1.5]) / torch.pi, atol=1e-4, rtol=0)


@given(seed=seeds, scale=st.floats(0.01, 100))
@quick
def test_directions_survive_rotation_scale_and_when_centred_a_shift(seed: int, scale: float) -> None:
    X, A = normal(seed, 8, 5), normal(seed + 1, 6, 5)
    turn = torch.linalg.qr(normal(seed + 2, 5, 5))[0] * scale
    for text in ("cosine", "angular", "polynomial", "cosine:subspaces=1,top=2,power=3"):
        turned = RelativeLayer(6, text)(X @ turn + 3, A @ turn + 3)
        torch.testing.assert_close(turned, RelativeLayer(6, text)(X, A), atol=1e-6, rtol=0)


def test_what_is_not_invariant_changes() -> None:
    X, A = normal(8, 8, 5), normal(9, 6, 5)
    for text, center, moved in (
        ("dot", True, 2 * X),
        ("cosine", False, X + 3),
        ("cosine", True, X * torch.arange(5)),
    ):
        layer = RelativeLayer(6, text, center=center)
        anchors = {"dot": 2 * A}.get(text, A + 3 if not center else A * torch.arange(5))
        assert (layer(moved, anchors) - layer(X, A)).abs().max() > 0.1


def test_subspaces_pool_as_they_are_asked_to() -> None:
    X, A = normal(10, 9, 6), normal(11, 4, 6)
    parts = [projected(X[:, i : i + 2], A[:, i : i + 2], "cosine") for i in (0, 2, 4)]
    pooled = {
        "mean": torch.stack(parts).mean(dim=0),
        "max": torch.stack(parts).max(dim=0).values,
        "none": torch.hstack(parts),
    }
    for pooling, expected in pooled.items():
        layer = RelativeLayer(4, "cosine:subspaces=3", pooling=pooling)  # type: ignore[arg-type]
        torch.testing.assert_close(layer(X, A), expected, atol=1e-6, rtol=0)
        assert layer.width == expected.shape[1]
    assert RelativeLayer(4, "cosine+l1:subspaces=3", pooling="none")(X, A).shape == (9, 24)


def test_rounding_passes_the_gradient_straight_through() -> None:
    X, A = normal(12, 9, 6), normal(13, 4, 6)
    rounded, plain = RelativeLayer(4, "cosine:quantise=0.5"), RelativeLayer(4, "cosine")
    assert set(rounded(X, A).flatten().tolist()) <= {-1.0, -0.5, 0.0, 0.5, 1.0}
    for ours, exact in zip(slopes(rounded, X, A), slopes(plain, X, A), strict=True):
        torch.testing.assert_close(ours, exact)
        assert exact.any()


def test_the_gradient_through_the_anchors_can_be_stopped() -> None:
    X, A = normal(14, 5, 3).requires_grad_(), normal(15, 4, 3).requires_grad_()
    RelativeLayer(4, detach_anchors=True)(X, A).square().sum().backward()
    assert A.grad is None
    assert X.grad is not None
    RelativeLayer(4)(X, A).square().sum().backward()
    assert A.grad is not None


def test_normalisations_are_what_they_say() -> None:
    X, A = normal(16, 9, 6), normal(17, 4, 6)
    S = projected(X, A, "dot")
    for normalisation, axis in (("layer", 1), ("instance", 0), ("batch", 0)):
        layer = RelativeLayer(4, "dot", normalisation=normalisation).double()  # type: ignore[arg-type]
        mean, variance = S.mean(dim=axis, keepdim=True), S.var(dim=axis, correction=0, keepdim=True)
        torch.testing.assert_close(layer(X, A), (S - mean) / (variance + 1e-5).sqrt(), atol=1e-6, rtol=0)


def test_in_evaluation_only_instance_looks_at_the_other_rows() -> None:
    X, A = normal(18, 64, 6), normal(19, 4, 6)
    for normalisation, alone in (("none", True), ("layer", True), ("batch", True), ("instance", False)):
        layer = RelativeLayer(4, normalisation=normalisation)  # type: ignore[arg-type]
        for _ in range(50):
            layer(X, A)
        layer.eval()
        assert torch.equal(layer(X[:2], A)[0], layer(X[:3], A)[0]) == alone
    batch = RelativeLayer(4, normalisation="batch")
    for _ in range(80):
        batch(X, A)
    copy = RelativeLayer(4, normalisation="batch")
    copy.load_state_dict(batch.state_dict())
    batch.eval()
    copy.eval()
    assert torch.equal(copy(X, A), batch(X, A))
    assert batch(X, A).std() == pytest.approx(1.0, abs=0.05)
    assert len(batch(X[:1], A)) == 1


def test_half_precision_rows_are_compared_in_float32() -> None:
    X, A = normal(20, 9, 64).bfloat16(), normal(21, 4, 64).bfloat16()
    values = RelativeLayer(4)(X, A)
    assert values.dtype == torch.bfloat16
    exact = RelativeLayer(4)(X.float(), A.float())
    assert torch.equal(values, exact.bfloat16())
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert torch.equal(RelativeLayer(4)(X.float(), A.float()), exact)
    assert RelativeLayer(1, center=False)(torch.tensor([[2, 0]]), torch.tensor([[3, 3]])).dtype == torch.float32


def test_every_projection_of_the_registry_has_a_twin_and_no_twin_stands_alone() -> None:
    assert set(layers.TWINS) == set(PROJECTIONS)


def test_a_projection_without_a_twin_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(layers, "TWINS", {"cosine": layers.TWINS["cosine"], "dot": layers.TWINS["dot"]})
    with pytest.raises(UsageError) as caught:
        RelativeLayer(4, "cosine+rbf")
    assert str(caught.value) == (
        "The projection 'rbf' has no differentiable form yet, so nothing can be trained through it. Choose one of: "
        "cosine, dot."
    )


@pytest.mark.parametrize(("options", "text"), [
    ({"anchors": 0}, "A relative layer needs at least 1 anchor, not 0."),
    ({"pooling": "median"}, "There is no pooling 'median'. Choose one of: mean, max, none."),
    ({"normalisation": "l2"}, "There is no normalisation 'l2'. Choose one of: none, layer, batch, instance."),
    (
        {"projection": "cosine:zscore"},
        "zscore scales each column by its mean and spread over an encoder's own training rows, which move while it "
        "is trained. Choose the normalisation 'batch' instead, which follows them.",
    ),
], ids=["anchors", "pooling", "normalisation", "zscore"])  # fmt: skip
def test_what_a_layer_cannot_be_made_of(options: dict[str, Any], text: str) -> None:
    with pytest.raises(UsageError) as caught:
        RelativeLayer(**{"anchors": 4, **options})
    assert str(caught.value) == text


def test_a_layer_is_made_for_a_number_of_anchors() -> None:
    given: Any = torch.ones(4, 3)
    with pytest.raises(UsageError) as caught:
        RelativeLayer(given)
    assert str(caught.value) == (
        "A relative layer is made for a number of anchors; a thing of type Tensor was given. Say how many anchors there "
        "are, and give their vectors when the layer is called."
    )


@pytest.mark.parametrize(("shapes", "layer", "text"), [
    (
        ((5, 2, 3), (4, 3)),
        RelativeLayer(4),
        "The rows have the shape [5, 2, 3] and the anchors [4, 3]; expected [n, d] and [k, d]: flatten what the "
        "encoder gives.",
    ),
    (
        ((5, 3), (6, 3)),
        RelativeLayer(4),
        "The layer is made for 4 anchors and was given 6. Encode all anchors at every step, in their order.",
    ),
    (
        ((5, 3), (4, 2)),
        RelativeLayer(4),
        "The vectors are 3 wide and the anchors' vectors 2; both must come from the same encoder.",
    ),
    (
        ((5, 3), (4, 3)),
        RelativeLayer(4, "cosine:subspaces=2"),
        "The vectors are 3 wide, which 2 subspaces of equal width do not divide. Choose a divisor of the width.",
    ),
    (
        ((5, 0), (4, 0)),
        RelativeLayer(4),
        "The rows have the shape [5, 0] and the anchors [4, 0]; expected [n, d] and [k, d]: flatten what the encoder "
        "gives.",
    ),
], ids=["shape", "anchors", "widths", "subspaces", "nothing"])  # fmt: skip
def test_what_does_not_fit_the_layer(shapes: tuple[tuple[int, ...], ...], layer: RelativeLayer, text: str) -> None:
    with pytest.raises(MismatchError) as caught:
        layer(torch.zeros(shapes[0]), torch.zeros(shapes[1]))
    assert str(caught.value) == text


def test_arrays_are_no_tensors() -> None:
    given: Any = np.ones((4, 3), dtype=np.float32)
    with pytest.raises(MismatchError) as caught:
        RelativeLayer(4)(torch.ones(5, 3), given)
    assert str(caught.value) == (
        "The layer was given a thing of type ndarray; expected two torch tensors, rows [n, d] and anchors [k, d]. Make "
        "one with torch.as_tensor."
    )


@pytest.mark.parametrize("text", [*NAMES, *WITH_PARAMETERS])
@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_what_is_not_finite_is_never_made_an_ordinary_number(text: str, value: float) -> None:
    """An encoder that has diverged must not go on with similarities of 0."""
    X, A = normal(0, 5, 6), normal(1, 7, 6)
    layer = RelativeLayer(7, text)
    whole = layer(X, A)
    X[1, 0] = value
    assert torch.equal(layer(X, A)[[0, 2, 3, 4]], whole[[0, 2, 3, 4]])
    assert layer(X, A)[1].isnan().all()
    A[2, 0] = value
    assert layer(normal(0, 5, 6), A).isnan().all()


@pytest.mark.parametrize("normalisation", ["instance", "batch"])
def test_one_row_has_no_spread_to_be_normalised_by(normalisation: Any) -> None:
    with pytest.raises(UsageError) as caught:
        RelativeLayer(4, normalisation=normalisation)(torch.ones(1, 3), torch.ones(4, 3))
    assert str(caught.value) == (
        f"The normalisation '{normalisation}' takes each column's mean and spread over the rows it is given, and was "
        "given 1. Give at least 2 rows, or choose 'layer', which sees one row at a time."
    )


def test_training_through_the_layer_makes_alike_what_belongs_together() -> None:
    """Its own negative control: with the gradient stopped on both sides nothing is learned."""
    torch.manual_seed(0)
    X = torch.randn(120, 6)
    y = (X[:, 0] * X[:, 1] > 0).long()
    found = {}
    for frozen in (False, True):
        torch.manual_seed(1)
        encoder = nn.Sequential(nn.Linear(6, 32), nn.Tanh(), nn.Linear(32, 8))
        layer, head = RelativeLayer(10), nn.Linear(10, 2)
        optimiser = torch.optim.Adam([*encoder.parameters(), *head.parameters()], lr=0.02)
        for _ in range(150):
            rows, anchors = encoder(X), encoder(X[:10])
            loss: Any = nn.functional.cross_entropy(
                head(layer(*((s.detach() if frozen else s) for s in (rows, anchors)))), y
            )
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
        found[frozen] = float(loss.detach())
    assert found[False] < 0.25
    assert found[True] > 0.5


def test_torch_is_loaded_only_with_the_layer() -> None:
    script = (
        "import sys, relstitch\n"
        "assert 'RelativeLayer' in dir(relstitch) and 'torch' not in sys.modules\n"
        "from relstitch import RelativeLayer\n"
        "assert 'torch' in sys.modules\n"
    )
    subprocess.run([sys.executable, "-c", script], check=True)


def test_a_layer_can_be_copied_and_pickled_with_the_network_it_is_in() -> None:
    X, A = normal(22, 5, 6), normal(23, 4, 6)
    layer = RelativeLayer(4, "cosine+rbf:gamma=2", normalisation="batch").double()
    layer(X, A)
    layer.eval()
    for copy in (deepcopy(layer), pickle.loads(pickle.dumps(layer))):
        assert torch.equal(copy(X, A), layer(X, A))


def test_a_layer_says_what_it_is() -> None:
    assert repr(RelativeLayer(300, "cosine+rbf:gamma=2", center=False, normalisation="layer")) == (
        "RelativeLayer(300 anchors, cosine+rbf, not centred, gamma=2, pooling=mean, normalisation=layer)"
    )
