"""Does the second text follow the first?

Shapes: B batch.
"""

from typing import Any

from kbert.errors import KbertError
from kbert.labels import IS_NEXT, IS_RANDOM
from kbert.models.base import KbertModel
from kbert.models.pretraining import BertForNextSentencePrediction, BertForPreTraining
from kbert.pipelines.encode import LENGTH_STEP, softmax, tokenizer_of


class NextSentence:
    """Judges whether one text follows another, with the next-sentence head.

    Args:
        model: a `BertForPreTraining` or `BertForNextSentencePrediction` with a tokenizer.

    Raises:
        KbertError: if the model has no next-sentence head or no tokenizer.

    Example:
        >>> from kbert import BertForPreTraining, Tokenizer
        >>> model = BertForPreTraining(vocab_size=7, hidden_size=4, num_hidden_layers=1,
        ...                            num_attention_heads=1, intermediate_size=8)
        >>> words = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "축구", "경기"]
        >>> model.tokenizer = Tokenizer(words)
        >>> sorted(NextSentence(model)("축구", "경기"))
        ['label', 'next', 'random']
    """

    def __init__(self, model: KbertModel):
        if not isinstance(model, BertForNextSentencePrediction | BertForPreTraining):
            raise KbertError(
                "NextSentence takes a BertForNextSentencePrediction or a BertForPreTraining, "
                f"and got a {type(model).__name__}, which has no next-sentence head"
            )
        self.model, self.tokenizer = model, tokenizer_of(model)

    def __call__(self, first: str | list[str], second: str | list[str]) -> Any:
        """Judges a pair, or a list of pairs.

        Args:
            first: a text, or a list of B texts.
            second: the text that may follow each.

        Returns:
            A dict of `label` (0 next, 1 random), and the probabilities `next` and `random`, which
            sum to 1; for lists, a list of B dicts. Texts that are too long together are cut, the
            longer first.

        Raises:
            KbertError: if the lists differ in length, or a text is empty.
        """
        firsts = [first] if isinstance(first, str) else list(first)
        seconds = [second] if isinstance(second, str) else list(second)
        for text in (*firsts, *seconds):
            if not text.strip():
                raise KbertError("a text of the pair is empty: two texts are needed")
        if not firsts:
            return []
        inputs = self.tokenizer(
            firsts,
            seconds,
            max_length=self.model.bert.max_length,
            pad_to_multiple_of=LENGTH_STEP,
        )
        outputs = self.model.predict_on_batch(inputs)
        logits = outputs["nsp"] if isinstance(outputs, dict) else outputs  # (B, 2)
        judged = [
            {
                "label": int(row.argmax()),
                "next": float(row[IS_NEXT]),
                "random": float(row[IS_RANDOM]),
            }
            for row in softmax(logits)
        ]
        return judged[0] if isinstance(first, str) else judged
