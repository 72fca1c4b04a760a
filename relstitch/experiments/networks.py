"""Small networks on pictures: autoencoders and classifiers, with the relative layer or without."""

from dataclasses import dataclass
from typing import Literal, get_args

import torch
from torch import Tensor, nn
from torch.nn import functional

from relstitch.layers import RelativeLayer

Architecture = Literal["dense", "convolutional"]
ARCHITECTURES: tuple[Architecture, ...] = get_args(Architecture)
_CHANNELS = (16, 32)
_WIDEST = 10.0
"""Largest log variance of a variational embedding: a wild first step would else overflow, and all be NaN after."""


@dataclass(frozen=True)
class Plan:
    """What a network is built of.

    Attributes:
        architecture: Of encoder and decoder.
        shape: Channels, height and width of a picture.
        width: Of the absolute embedding.
        hidden: Of the dense layers between.
        anchors: How many the relative layer compares with; 0: there is none, and the decoder sees the embedding.
        variational: Whether the embedding is drawn from a normal distribution that the encoder describes.
    """

    architecture: Architecture
    shape: tuple[int, int, int]
    width: int
    hidden: int
    anchors: int = 0
    variational: bool = False


class Dense(nn.Module):
    """A linear map with a hidden layer beside it; what both give is summed.

    The linear way finds the directions of largest variance within few steps, which a hidden layer alone does not.

    Source: residual learning, He et al. 2016 (arXiv 1512.03385), with a linear map for the identity.
    """

    def __init__(self, inputs: int, hidden: int, outputs: int) -> None:
        super().__init__()
        self.linear = nn.Linear(inputs, outputs)
        self.curved = nn.Sequential(nn.Linear(inputs, hidden), nn.ELU(), nn.Linear(hidden, outputs))

    def forward(self, rows: Tensor) -> Tensor:
        """From [n, inputs] to [n, outputs]."""
        summed: Tensor = self.linear(rows) + self.curved(rows)
        return summed


def encoder_of(plan: Plan, outputs: int) -> nn.Module:
    """From pictures [n, channels, h, w] to [n, outputs]: dense, or two convolutions that halve the sides."""
    channels, height, width = plan.shape
    if plan.architecture == "dense":
        return nn.Sequential(nn.Flatten(), Dense(channels * height * width, plan.hidden, outputs))
    first, second = _CHANNELS
    return nn.Sequential(
        nn.Conv2d(channels, first, 3, stride=2, padding=1),
        nn.ELU(),
        nn.Conv2d(first, second, 3, stride=2, padding=1),
        nn.ELU(),
        nn.Flatten(),
        nn.Linear(second * (height // 4) * (width // 4), outputs),
    )


def decoder_of(plan: Plan, inputs: int) -> nn.Module:
    """From [n, inputs] to pictures [n, channels, h, w]: the encoder's layers the other way round."""
    channels, height, width = plan.shape
    if plan.architecture == "dense":
        return nn.Sequential(Dense(inputs, plan.hidden, channels * height * width), nn.Unflatten(1, plan.shape))
    first, second = _CHANNELS
    return nn.Sequential(
        nn.Linear(inputs, second * (height // 4) * (width // 4)),
        nn.ELU(),
        nn.Unflatten(1, (second, height // 4, width // 4)),
        nn.ConvTranspose2d(second, first, 4, stride=2, padding=1),
        nn.ELU(),
        nn.ConvTranspose2d(first, channels, 4, stride=2, padding=1),
    )


class Standardised(nn.Module):
    """A network that sees pixels less their mean picture, by their spread.

    Args:
        mean: The mean training picture [channels, h, w].
        spread: Of all pixels about it.
    """

    mean: Tensor
    spread: Tensor

    def __init__(self, mean: Tensor, spread: float) -> None:
        super().__init__()
        self.register_buffer("mean", mean)
        self.register_buffer("spread", torch.tensor(spread))

    def standardise(self, pictures: Tensor) -> Tensor:
        """Pixels in [0, 1] as the network sees them."""
        return (pictures - self.mean) / self.spread


class Autoencoder(Standardised):
    """An encoder and a decoder, between them the relative layer or nothing.

    Args:
        plan: What it is built of.
        mean: The mean training picture.
        spread: Of the pixels.
        divergence: Weight of the Kullback–Leibler divergence of a variational one, over pixels.

    Source: Moschella et al. 2023, section 5.1; variational: Kingma and Welling 2014 (arXiv 1312.6114), with the
    divergence weighted as Higgins et al. 2017 (β-VAE). Anchors are encoded by their means.
    """

    def __init__(self, plan: Plan, mean: Tensor, spread: float, divergence: float) -> None:
        super().__init__(mean, spread)
        self.variational, self.divergence = plan.variational, divergence
        self.encoder = encoder_of(plan, plan.width * (2 if plan.variational else 1))
        self.relative = RelativeLayer(plan.anchors, center=False, normalisation="layer") if plan.anchors else None
        self.decoder = decoder_of(plan, plan.width if self.relative is None else self.relative.width)

    def represent(self, pictures: Tensor, anchors: Tensor) -> Tensor:
        """What the decoder is given: embeddings, or their similarities to the anchors', which are encoded now."""
        return self._related(self._means(pictures), anchors)

    def decode(self, representations: Tensor) -> Tensor:
        """Pictures in [0, 1] from representations, its own or another network's."""
        pictures: Tensor = self.decoder(representations) * self.spread + self.mean
        return pictures.clamp(0.0, 1.0)

    def loss(self, pictures: Tensor, anchors: Tensor) -> Tensor:
        """Squared error of standardised pixels, and the divergence of a variational one."""
        wanted = self.standardise(pictures)
        if not self.variational:
            return functional.mse_loss(self.decoder(self._related(self.encoder(wanted), anchors)), wanted)
        means, logs = self.encoder(wanted).chunk(2, dim=1)
        logs = logs.clamp(max=_WIDEST)
        drawn = means + torch.randn_like(means) * (0.5 * logs).exp()
        error = functional.mse_loss(self.decoder(self._related(drawn, anchors)), wanted)
        divergence: Tensor = 0.5 * (means.square() + logs.exp() - 1.0 - logs).sum(dim=1).mean()
        return error + self.divergence * divergence / wanted[0].numel()

    def _means(self, pictures: Tensor) -> Tensor:
        embedded: Tensor = self.encoder(self.standardise(pictures))
        return embedded.chunk(2, dim=1)[0] if self.variational else embedded

    def _related(self, embedded: Tensor, anchors: Tensor) -> Tensor:
        if self.relative is None:
            return embedded
        related: Tensor = self.relative(embedded, self._means(anchors))
        return related


class Classifier(Standardised):
    """An encoder and a head of one hidden layer, between them the relative layer or nothing.

    Args:
        plan: What it is built of.
        mean: The mean training picture.
        spread: Of the pixels.
        classes: How many there are.
    """

    def __init__(self, plan: Plan, mean: Tensor, spread: float, classes: int) -> None:
        super().__init__(mean, spread)
        self.encoder = encoder_of(plan, plan.width)
        self.relative = RelativeLayer(plan.anchors, center=False, normalisation="layer") if plan.anchors else None
        inputs = plan.width if self.relative is None else self.relative.width
        self.head = nn.Sequential(nn.Linear(inputs, plan.hidden), nn.ReLU(), nn.Linear(plan.hidden, classes))

    def forward(self, pictures: Tensor, anchors: Tensor) -> Tensor:
        """Logits [n, classes]."""
        embedded = self.encoder(self.standardise(pictures))
        if self.relative is not None:
            embedded = self.relative(embedded, self.encoder(self.standardise(anchors)))
        logits: Tensor = self.head(embedded)
        return logits
