"""What a model card says of the model that a model was made of: its name, sources and licence."""

from typing import NamedTuple

from kbert.models.base import KbertModel
from kbert.pretrained import LICENCES, bundled_card

_SAY = "Say here what it was trained on, how it was evaluated, and under which licence it is."


class BaseModel(NamedTuple):
    r"""Parts of a card.

    Attributes:
        metadata: lines for the Hub, each with its end.
        sentence: what is said of where the model comes from, and what its author is to say.
        sections: sources, limits and licence, where they are known.

    Example:
        >>> import kbert
        >>> base = base_model_of(kbert.load("kbert-mini-ko", task="encoder"))
        >>> base.metadata, base.sections.splitlines()[1]
        ('license: cc-by-sa-4.0\n', '## 학습한 글 / Text')
    """

    metadata: str = ""
    sentence: str = _SAY
    sections: str = ""


def base_model_of(model: KbertModel) -> BaseModel:
    """What a card says of the model that a model was made of."""
    name = model.base_model
    if name is None:
        return BaseModel()
    card = bundled_card(name)
    if card is None:
        return BaseModel(f"base_model: {name}\n", f"Made of {name}, whose licence goes on. {_SAY}")
    return BaseModel(
        f"license: {LICENCES[name]}\n",
        f"Made of {name}, which comes with kbert: its sources and its licence, below, go on with "
        "it. Say here what it was trained on since, and how it was evaluated.",
        f"\n{card}\n",
    )
