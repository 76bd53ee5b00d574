"""A checkpoint's tensors, and the weights of a model that they are.

A head may be new; an encoder that is not whole, or a head of which only a part is there, is a
damaged checkpoint.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from kbert.errors import KbertError
from kbert.formats.families.family import BUFFERS, COPIES, Family
from kbert.formats.huggingface.weights import Place, places
from kbert.formats.readers.stored_tensor import StoredTensor
from kbert.models.base import KbertModel

Tensors = dict[str, StoredTensor]


def untie(arguments: dict[str, Any], tensors: Tensors, family: Family) -> list[str]:
    """Where a decoder is there and is not the token table, a config that says so is wrong.

    Source: transformers, `PreTrainedModel.tie_weights`.
    """
    decoder = next((name for name in decoders_of(family) if name in tensors), None)
    table = str(dict(family.embeddings)["embeddings.token_table"])
    if arguments.get("tie_word_embeddings") is not True or decoder is None:
        return []
    if np.array_equal(tensors[decoder].read(), tensors[table].read()):
        return []
    arguments["tie_word_embeddings"] = False
    return [
        f"{decoder} differs from the token table, to which the config ties it: it was loaded as a "
        "weight of its own (tie_word_embeddings=False)"
    ]


def matched(
    model: KbertModel, family: Family, tensors: Tensors, folder: Path
) -> Iterator[tuple[Place, list[str]]]:
    """Each weight of a model, and the names of its tensors; no names where it is new.

    Raises:
        KbertError: if a tensor does not fit, or a part is there only in part.
    """
    filled, new = [], []
    for place in places(model, family, prefix=""):
        names = [COPIES[n] if COPIES.get(n) in tensors else n for n in place.names]
        missing = [name for name in names if name not in tensors]
        part = place.part.removeprefix("bert.")
        if missing:
            # Heads and poolers may be new; an encoder that is not whole is a damaged checkpoint.
            in_encoder = model.task == "encoder" or place.part.startswith("bert.")
            if (in_encoder and not part.startswith("pooler.")) or part == "mlm.decoder":
                raise KbertError(f"{folder}: the checkpoint lacks {missing[0]!r}")
            new.append(part)
            yield place, []
            continue
        for name in names:
            _check_tensor(tensors[name], name, place.expected_shape, folder)
        filled.append(part)
        yield place, names
    there, not_there = ({part.split(".")[0] for part in parts} for parts in (filled, new))
    for head in there & not_there:
        part = next(part for part in new if part.startswith(f"{head}."))
        raise KbertError(f"{folder}: the checkpoint has only a part of {head!r}: no {part}")


def _check_tensor(tensor: StoredTensor, name: str, expected: tuple[int, ...], folder: Path) -> None:
    if tensor.shape != expected:
        raise KbertError(
            f"{folder}: the config asks for a tensor {name!r} of shape {expected!r:.80}, and the "
            f"checkpoint has {tensor.shape}"
        )
    if not tensor.is_float:
        raise KbertError(
            f"{folder}: the tensor {name!r} holds {tensor.dtype}; a weight is a floating-point "
            "number"
        )


def fill(
    model: KbertModel, family: Family, tensors: Tensors, folder: Path
) -> tuple[list[str], list[str]]:
    """Puts a checkpoint's tensors into a model; returns what is new, and what is left."""
    used, known, new = set(), set(), []
    for place, names in matched(model, family, tensors, folder):
        known.add(id(place.variable))
        if not names:
            new.append(place.part)
            continue
        try:
            place.variable.assign(place.join([tensors[name] for name in names]))
        except KbertError as error:
            raise KbertError(f"{folder}: the tensor {names[0]!r}: {error}") from None
        used |= set(names)
    new += [w.path.replace("/", ".") for w in model.weights if id(w) not in known]
    for bias, copy in COPIES.items():
        if copy not in used or bias not in tensors:
            continue
        if np.array_equal(tensors[bias].read(), tensors[copy].read()):
            used.add(bias)
    needless = {*COPIES.values(), *BUFFERS, *decoders_of(family)}
    return new, [name for name in tensors if name not in used | needless]


def decoders_of(family: Family) -> list[str]:
    """The names under which files hold the decoder, most of them the token table again."""
    rows = (row for head in family.heads.values() for row in head)
    return list(dict.fromkeys(str(names) for part, names in rows if part == "mlm.decoder"))
