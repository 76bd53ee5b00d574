"""Models that come with the library, for `kbert.load` by their names, offline.

Each is a `.keras` file, with weights of 16 bits that open as 32, and a card that says what it is.

kbert-mini-ko    4 layers, 256 wide, a vocabulary of 16,000: kbert-mini-ko.md
"""

import re
from pathlib import Path

LICENCES = {"kbert-mini-ko": "cc-by-sa-4.0"}  # as the Hub names them
# On the Hub only the first models have no owner in their names, and none of these is there.
_ALIKE = re.compile(r"\s*(kbert/)?kbert[-_ ][\w -]+(\.keras)?\s*", re.IGNORECASE)


def bundled_models() -> dict[str, Path]:
    """The files of the models that come with the library, by their names.

    Example:
        >>> [*bundled_models()]
        ['kbert-mini-ko']
    """
    return {path.stem: path for path in sorted(Path(__file__).parent.glob("*.keras"))}


def bundled_card(name: str) -> str | None:
    """What goes on with a model that was made of a bundled one: its text, limits and licence.

    Example:
        >>> print(bundled_card("kbert-mini-ko")[:15])
        ## 학습한 글 / Text
        >>> bundled_card("klue/bert-base")
    """
    file = bundled_model(name)
    if file is None:
        return None
    card = file.with_suffix(".md").read_text(encoding="utf-8")
    return card[card.index("\n## ") :].strip()


def bundled_model(name: str) -> Path | None:
    """The file of a model that comes with the library; None if there is none of this name.

    Example:
        >>> bundled_model("kbert-mini-ko").name, bundled_model("klue/bert-base")
        ('kbert-mini-ko.keras', None)
    """
    return bundled_models().get(name)


def is_named_like_bundled(name: str) -> bool:
    """Whether a name that is none of theirs may be meant for a model that comes with the library.

    Example:
        >>> [is_named_like_bundled(name) for name in ("KBERT_mini_ko ", "kbert/kbert-mini", "a/b")]
        [True, True, False]
    """
    return bool(_ALIKE.fullmatch(name)) and not Path(name).exists()
