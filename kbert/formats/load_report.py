"""What came from a file, and what did not."""

from collections.abc import Iterable
from typing import NamedTuple


class LoadReport(NamedTuple):
    """What a source gave to a model, and what it did not.

    Attributes:
        new: parts of the model that the source does not have; their weights are random.
        unused: what the source has and the model has no place for.

    Example:
        >>> print(LoadReport(new=("nsp.dense",), unused=("mlm.bias",)))
        new, with random weights, to be trained: nsp.dense; in the file and not used: mlm.bias
    """

    new: tuple[str, ...]
    unused: tuple[str, ...]

    @classmethod
    def of_weights(cls, new: Iterable[str], unused: Iterable[str]) -> "LoadReport":
        """A report of weights (`nsp.dense.kernel`), whose new ones are named by layer."""
        return cls(tuple(dict.fromkeys(part.rpartition(".")[0] for part in new)), tuple(unused))

    def __str__(self) -> str:
        lines = []
        if self.new:
            lines.append(f"new, with random weights, to be trained: {', '.join(self.new)}")
        if self.unused:
            lines.append(f"in the file and not used: {', '.join(self.unused)}")
        return "; ".join(lines) or "every weight came from the file, and all of the file is used"
