"""Another rate of dropout for a model that is trained already."""

from kbert.layers.initializers import starting_at_zero
from kbert.models.base import KbertModel


def with_dropout(model: KbertModel, rate: float) -> KbertModel:
    """The same model, which drops at another rate when it is trained further.

    Args:
        model: any of kbert's; it is not changed.
        rate: of hidden vectors and of attention weights, in [0, 1).

    Returns:
        A model of the same class, with the same weights and tokenizer.

    Raises:
        KbertError: if the rate is not in [0, 1).

    Example:
        >>> from kbert.models import BertForMaskedLM
        >>> model = BertForMaskedLM(vocab_size=7, hidden_size=8, num_hidden_layers=1,
        ...                         num_attention_heads=2, intermediate_size=32)
        >>> with_dropout(model, 0.0).get_config()["hidden_dropout_prob"]
        0.0
    """
    arguments = model.get_config()
    del arguments["format_version"]
    arguments |= {"hidden_dropout_prob": rate, "attention_probs_dropout_prob": rate}
    with starting_at_zero():
        other = type(model)(**arguments)
    for old, new in zip(model.weights, other.weights, strict=True):
        new.assign(old)
    other.tokenizer = model.tokenizer
    return other
