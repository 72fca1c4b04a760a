"""Weights: read from a checkpoint without running code, matched to a model by name, and hashed."""

import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from relstitch.encoders.libraries import import_library
from relstitch.errors import EncoderError, counted, some, summary

if TYPE_CHECKING:
    from torch import Tensor

State = Mapping[str, "Tensor"]
_WRAPPERS = ("state_dict", "model_state_dict", "model", "net", "weights", "params")
_SUFFIXES = (".safetensors", ".pth", ".pt", ".bin", ".tar", ".ckpt")


def state_sha256(state: State) -> str:
    """Hash weights by name, dtype, shape and value, so that the file they came from does not matter.

    Args:
        state: A model's state dict.

    Returns:
        64 hexadecimal characters.

    Example:
        >>> import torch
        >>> state_sha256({"a": torch.zeros(2)}) == state_sha256({"a": torch.zeros(2, 1)})
        False
    """
    import torch

    digest = hashlib.sha256()
    for name in sorted(state):
        tensor = state[name].detach().cpu().contiguous()
        digest.update(f"{name}\0{tensor.dtype}\0{list(tensor.shape)}\0".encode())
        # As plain bytes: numpy has no bfloat16.
        digest.update(tensor.reshape(-1).view(torch.uint8).numpy().tobytes() if tensor.numel() else b"")
    return digest.hexdigest()


def read_checkpoint(path: str) -> dict[str, "Tensor"]:
    """Read the tensors of a .pth or .safetensors file, taken out of whatever wraps them. No pickled code is run.

    Raises:
        EncoderError: The file is missing, is something else, is damaged, or would need code to be run.
    """
    import torch

    _check_file(Path(path))
    load = import_library("timm.models").load_state_dict
    try:
        found: Any = load(path, weights_only=True)
    except Exception as error:
        raise EncoderError(f"The checkpoint {path} can't be read: {summary(error)}") from error
    while isinstance(found, Mapping) and not any(isinstance(value, torch.Tensor) for value in found.values()):
        inside = next((found[name] for name in _WRAPPERS if isinstance(found.get(name), Mapping)), None)
        if inside is None:
            break
        found = inside
    tensors = found.items() if isinstance(found, Mapping) else ()
    state = {str(name): value for name, value in tensors if isinstance(value, torch.Tensor)}
    if not state:
        raise EncoderError(f"The checkpoint {path} holds no named weights. Expected the state dict of a model.")
    return state


def _check_file(path: Path) -> None:
    if not path.is_file():
        raise EncoderError(f"There is no checkpoint {path}.")
    if path.suffix not in _SUFFIXES:
        raise EncoderError(f"The checkpoint {path} is not one of {', '.join(_SUFFIXES)}.")
    with path.open("rb") as file:
        head = file.read(200).lstrip()
    if not head:
        raise EncoderError(f"The checkpoint {path} is empty.")
    if head.startswith(b"version https://git-lfs"):
        raise EncoderError(f"The checkpoint {path} is a Git LFS pointer, not the weights: run git lfs pull for them.")
    if head[:9].lower() == b"<!doctype" or head[:5].lower() == b"<html":
        raise EncoderError(f"The checkpoint {path} is a web page, not weights: download the file itself.")


def match_weights(wanted: State, found: State, *, path: str, by_order: bool) -> dict[str, "Tensor"]:
    """Give each weight of a model its tensor from a checkpoint.

    Args:
        wanted: The model's state dict, in its order.
        found: The checkpoint's, in its order.
        path: The checkpoint's file, for messages.
        by_order: Accept other names, if number and shapes agree in order.

    Returns:
        The checkpoint's tensors under the model's names.

    Raises:
        EncoderError: Names or shapes differ: which, and whether ``--by-order`` would help.
    """
    if wanted.keys() == found.keys():
        differing = [name for name in wanted if wanted[name].shape != found[name].shape]
        if differing:
            name = differing[0]
            many = counted(len(differing), "weight", "weights")
            raise EncoderError(
                f"The checkpoint {path} has {many} of another shape than the model's; {name} is "
                f"{list(found[name].shape)}, expected {list(wanted[name].shape)}. Name the model that was trained."
            )
        return dict(found)
    in_order = [tensor.shape for tensor in wanted.values()] == [tensor.shape for tensor in found.values()]
    if in_order and by_order:
        return dict(zip(wanted, found.values(), strict=True))
    missing, extra = [name for name in wanted if name not in found], [name for name in found if name not in wanted]
    if in_order:
        raise EncoderError(
            f"The checkpoint {path} names its weights otherwise ({extra[0]} for {missing[0]}), but all "
            f"{len(wanted)} shapes agree in order. If it is the same model, give --by-order."
        )
    raise EncoderError(
        f"The checkpoint {path} does not fit the model: of its {len(found)} weights {len(extra)} are unknown "
        f"({some(extra, 3) or 'none'}), and of the model's {len(wanted)} {len(missing)} are missing "
        f"({some(missing, 3) or 'none'}). Name the model that was trained."
    )


def unwrap_names(wanted: State, found: State) -> State:
    """Take off prefixes that all names share and the model does not have (``module.``, ``model.``, ``backbone.``).

    Args:
        wanted: The model's state dict.
        found: The checkpoint's.

    Returns:
        The checkpoint's tensors under shorter names, in the same order.

    Example:
        >>> list(unwrap_names({"fc.bias": 0}, {"module.model.fc.bias": 1}))
        ['fc.bias']
    """
    own = {name.partition(".")[0] for name in wanted}
    while True:
        prefixes = {name.partition(".")[0] for name in found if "." in name}
        if len(prefixes) != 1 or prefixes & own or not all("." in name for name in found):
            return found
        found = {name.partition(".")[2]: tensor for name, tensor in found.items()}
