"""The one door: `kbert.load`."""

from pathlib import Path

from kbert.errors import KbertError
from kbert.formats.keras_file import load_keras_file
from kbert.models.base import KbertModel


def load(source: str | Path) -> KbertModel:
    """Loads a model.

    Args:
        source: a `.keras` file that kbert saved, on any backend.

    Returns:
        The model, with its tokenizer if it was saved with one.

    Raises:
        KbertError: if the source is not a file that kbert can load; see `load_keras_file`.

    Example:
        >>> import tempfile
        >>> from kbert import Bert
        >>> bert = Bert(vocab_size=9, hidden_size=4, num_hidden_layers=1, num_attention_heads=1,
        ...             intermediate_size=8)
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     bert.save(f"{folder}/bert.keras")
        ...     load(f"{folder}/bert.keras").vocab_size
        9
    """
    path = Path(source)
    if path.suffix != ".keras":
        raise KbertError(f"{source}: kbert.load opens a file that ends in .keras")
    return load_keras_file(path)
