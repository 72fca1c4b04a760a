"""Files of vectors read, carried and written block by block: they may be larger than memory."""

from relstitch.storage.vector_streams.rewriting import Carried, carry_vectors, open_vectors
from relstitch.storage.vector_streams.source import Carrier, VectorSource

__all__ = ["Carried", "Carrier", "VectorSource", "carry_vectors", "open_vectors"]
