"""Where a model computes."""

import gc
import sys

from relstitch.errors import EncoderError


def available_devices() -> tuple[str, ...]:
    """The devices of this machine, best first: each CUDA device, MPS, the CPU."""
    import torch

    cuda = [f"cuda:{index}" for index in range(torch.cuda.device_count())] if torch.cuda.is_available() else []
    mps = ["mps"] if torch.backends.mps.is_available() else []
    return (*cuda, *mps, "cpu")


def resolve_device(name: str | None) -> str:
    """The device to compute on.

    Args:
        name: ``cuda``, ``cuda:N``, ``mps`` or ``cpu``; None or ``auto`` for the best there is.

    Returns:
        Its name, with a number for CUDA.

    Raises:
        EncoderError: This machine has no such device.

    Example:
        >>> resolve_device("cpu")
        'cpu'
    """
    there = available_devices()
    if name is None or name == "auto":
        return there[0]
    full = "cuda:0" if name == "cuda" else name
    if full not in there:
        raise EncoderError(f"There is no device {name!r} here. Available: {', '.join(reversed(there))}.")
    return full


def is_out_of_memory(error: BaseException) -> bool:
    """Whether an error says that a batch was too large for the memory, on whatever device."""
    if isinstance(error, MemoryError):
        return True
    text = str(error).lower()
    signs = ("out of memory", "not enough memory", "can't allocate memory")
    return isinstance(error, RuntimeError) and any(sign in text for sign in signs)


def free_memory() -> None:
    """Give memory that nothing uses any more back to the device."""
    gc.collect()
    torch = sys.modules.get("torch")
    if torch is not None and torch.cuda.is_initialized():
        torch.cuda.empty_cache()
