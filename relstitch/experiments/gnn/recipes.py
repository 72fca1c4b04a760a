"""How a graph network is built and trained."""

from dataclasses import asdict, dataclass
from typing import Any, Literal, get_args

Architecture = Literal["gcn", "gcnii", "gin", "gat"]
Encoding = Literal["absolute", "relative", "centred"]
"""What the classifier sees: the encoder's own vectors, or cosines to the anchors, without and with their mean off."""

TITLES: dict[Architecture, str] = {"gcn": "GCN", "gcnii": "GCNII", "gin": "GIN", "gat": "GAT"}
ARCHITECTURES: tuple[Architecture, ...] = get_args(Architecture)
ENCODINGS: tuple[Encoding, ...] = get_args(Encoding)


@dataclass(frozen=True)
class Recipe:
    """A graph network and its training: full batches, Adam.

    Attributes:
        architecture: GCN (Kipf and Welling 2017), GCNII (Chen et al. 2020), GIN (Xu et al. 2019) or GAT (Veličković
            et al. 2018).
        encoding: What its classifier sees.
        seed: Of its weights and of dropout.
        width: Of every layer and of the vectors; a multiple of 8.
        depth: Layers that pass messages; 0 looks at no neighbour.
        dropout: Share of inputs dropped before each layer.
        rate: Learning rate.
        decay: Weight decay of the encoder.
        epochs: Steps; 0 leaves the weights as they were drawn.
        choose: Whether the weights of the epoch that does best on validation nodes are kept, or the last ones.
    """

    architecture: Architecture
    encoding: Encoding = "absolute"
    seed: int = 0
    width: int = 32
    depth: int = 2
    dropout: float = 0.5
    rate: float = 0.01
    decay: float = 5e-4
    epochs: int = 200
    choose: bool = True

    def to_json(self) -> dict[str, Any]:
        """Everything as plain JSON values."""
        return asdict(self)
