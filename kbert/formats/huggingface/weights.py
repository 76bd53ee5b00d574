"""A model's weights beside the tensors of a Hugging Face checkpoint.

Shapes: I inputs of a projection, O outputs.
"""

from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np

from kbert.formats.families.family import Family, with_prefix
from kbert.formats.readers.stored_tensor import StoredTensor
from kbert.models.base import KbertModel
from kbert.models.encoder import encoder_of

# What the weights of a module are called, by what ours are called.
_LEAVES = {"kernel": "weight", "bias": "bias", "gamma": "weight", "beta": "bias"}


class Place(NamedTuple):
    """One weight, and the names of the tensors that it is made of."""

    part: str
    variable: Any
    names: tuple[str, ...]
    is_kernel: bool  # ours are (I, O), theirs (O, I)

    @property
    def expected_shape(self) -> tuple[int, ...]:
        """The shape of each tensor in the checkpoint."""
        shape = tuple(self.variable.shape)
        if self.is_kernel:
            return (shape[1] // len(self.names), shape[0])
        return (shape[0] // len(self.names), *shape[1:])

    def join(self, tensors: list[StoredTensor]) -> np.ndarray | StoredTensor:
        """The checkpoint's tensors as our weight; a single one that is just that, unread."""
        if len(tensors) == 1 and not self.is_kernel:
            return tensors[0]
        arrays = [np.asarray(tensor) for tensor in tensors]
        if self.is_kernel:
            arrays = [array.T for array in arrays]
        return arrays[0] if len(arrays) == 1 else np.concatenate(arrays, axis=-1)

    def split(self, weight: np.ndarray) -> list[np.ndarray]:
        """Our weight as the checkpoint's tensors."""
        parts = [weight] if len(self.names) == 1 else np.split(weight, len(self.names), axis=-1)
        return [np.ascontiguousarray(part.T if self.is_kernel else part) for part in parts]


def places(model: KbertModel, family: Family, prefix: str | None = None) -> Iterator[Place]:
    """Every weight of a model, with its names in a family's checkpoints.

    Args:
        model: an encoder, or a model with a head on one.
        family: whose names.
        prefix: of the encoder's names; by default the family's, and none for an encoder alone.
    """
    task = model.task
    is_bare = task == "encoder"
    if prefix is None:
        prefix = "" if is_bare else family.prefix
    arguments = encoder_of(model).get_config()
    rows = [
        (part if is_bare else f"bert.{part}", with_prefix(prefix, names))
        for part, names in family.encoder_rows(arguments)
    ]
    heads = family.heads.get(task, ())
    # A head may have a pooler of its own, in the place of the encoder's.
    own = {part for part, _ in heads}
    for part, names in (*(row for row in rows if row[0] not in own), *heads):
        found = _find(model, part)
        if found is None:
            continue
        names = (names,) if isinstance(names, str) else names
        if hasattr(found, "assign"):
            yield Place(part, found, names, is_kernel=False)
            continue
        for ours, theirs in _LEAVES.items():
            variable = getattr(found, ours, None)
            if variable is not None:
                tensors = tuple(f"{name}.{theirs}" for name in names)
                yield Place(f"{part}.{ours}", variable, tensors, ours == "kernel")


def _find(model: KbertModel, part: str) -> Any:
    """The layer or weight at a path of attributes, or None where the model has no such part."""
    found: Any = model
    for name in part.split("."):
        if found is None:
            return None
        found = found[int(name)] if name.isdigit() else getattr(found, name, None)
    return found
