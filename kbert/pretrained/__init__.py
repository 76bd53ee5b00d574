"""Models that come with the library, for `kbert.load` by their names, offline.

Each is a `.keras` file, whose weights are float16 to be small, and a card that says what it is.
"""

from pathlib import Path


def bundled_model(name: str) -> Path | None:
    """The file of a model that comes with the library; None if there is none of this name.

    Example:
        >>> bundled_model("klue/bert-base") is None
        True
    """
    return {path.stem: path for path in Path(__file__).parent.glob("*.keras")}.get(name)
