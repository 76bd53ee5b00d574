"""What came from a file, and what did not."""

from collections.abc import Iterable
from typing import Any, NamedTuple

from kbert.errors import shown

_MOST = 20  # names that are printed


class LoadReport(NamedTuple):
    """What a source gave to a model, and what it did not.

    Attributes:
        new: parts of the model that the source does not have; their weights are random.
        unused: what the source has and the model has no place for.
        notes: what the source holds otherwise than it says, and what was made of it.

    Example:
        >>> print(LoadReport(new=("nsp.dense",), unused=("mlm.bias",)))
        new, with random weights, to be trained: nsp.dense; in the file and not used: mlm.bias
    """

    new: tuple[str, ...] = ()
    unused: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()

    @classmethod
    def of_weights(
        cls, new: Iterable[str], unused: Iterable[str], notes: Iterable[str] = ()
    ) -> "LoadReport":
        """A report of weights (`nsp.dense.kernel`), whose new ones are named by layer."""
        layers = dict.fromkeys(part.rpartition(".")[0] for part in new)
        return cls(tuple(layers), tuple(unused), tuple(notes))

    def __str__(self) -> str:
        lines = []
        if self.new:
            lines.append(f"new, with random weights, to be trained: {_listed(self.new)}")
        if self.unused:
            lines.append(f"in the file and not used: {_listed(self.unused)}")
        lines += [shown(note, 300) for note in self.notes[:_MOST]]
        return "; ".join(lines) or "every weight came from the file, and all of the file is used"


def new_in_encoder(model: Any) -> list[Any]:
    """The parts of a model's encoder that its source had not: frozen, they would stay random.

    A pooler, where the source had none, as RoBERTa and ELECTRA, belongs to the head. The other is
    what `kbert.extend_inputs` adds.
    """
    new = getattr(model, "load_report", LoadReport()).new
    bert = getattr(model, "bert", model)
    parts = {
        "pooler": getattr(bert, "pooler", None),
        "embeddings.extra": getattr(getattr(bert, "embeddings", None), "extra", None),
    }
    return [
        layer
        for name, layer in parts.items()
        if layer is not None and any(each.removeprefix("bert.").startswith(name) for each in new)
    ]


def _listed(names: tuple[str, ...]) -> str:
    more = f" and {len(names) - _MOST:,} more" if len(names) > _MOST else ""
    return ", ".join(shown(name) for name in names[:_MOST]) + more
