"""Fill in the blanks of a text.

Shapes: B batch, L length, P masked positions, V vocabulary.
"""

from typing import Any, Literal

import numpy as np

from kbert.errors import KbertError
from kbert.models.base import KbertModel
from kbert.models.pretraining import BertForMaskedLM, BertForPreTraining
from kbert.pipelines.encode import LENGTH_STEP, softmax, tokenizer_of

Answer = dict[str, Any]


class FillMask:
    """Guesses the words behind [MASK].

    Args:
        model: a `BertForPreTraining` or `BertForMaskedLM` with a tokenizer.
        glued_to_mask: how to read what follows a [MASK] without a space, as in `[MASK]에게`.
            "word" is BERT's way, and Hugging Face's: a new word, 에게, though in the text the
            model was trained on it was `##에게`. "continuation" reads it as it was in training,
            and the answers fit better.

    Raises:
        KbertError: if the model has no masked-LM head or no tokenizer.

    Example:
        >>> from kbert import BertForMaskedLM, Tokenizer
        >>> model = BertForMaskedLM(vocab_size=7, hidden_size=4, num_hidden_layers=1,
        ...                         num_attention_heads=1, intermediate_size=8)
        >>> words = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "축구", "경기"]
        >>> model.tokenizer = Tokenizer(words)
        >>> sorted(FillMask(model)("축구 [MASK]", top_k=1)[0])
        ['score', 'sequence', 'token', 'token_str']
    """

    def __init__(
        self, model: KbertModel, *, glued_to_mask: Literal["word", "continuation"] = "word"
    ):
        if not isinstance(model, BertForMaskedLM | BertForPreTraining):
            raise KbertError(
                "FillMask takes a BertForMaskedLM or a BertForPreTraining, "
                f"and got a {type(model).__name__}, which has no masked-LM head"
            )
        self.model, self.tokenizer = model, tokenizer_of(model)
        self.glued_to_mask: Literal["word", "continuation"] = glued_to_mask

    def __call__(self, text: str | list[str], *, top_k: int = 5) -> list:
        """Answers.

        Args:
            text: a text with at least one [MASK], or a list of such texts.
            top_k: how many answers for each [MASK].

        Returns:
            For one text with one [MASK], a list of `top_k` dicts, the likeliest first: `score`
            (a probability), `token` (its id), `token_str` (the word) and `sequence` (the text,
            filled). For several [MASK], a list of such lists, one for each; there a `sequence`
            fills only its own [MASK] and keeps all special tokens, as in Hugging Face's
            pipeline. For a list of texts, a list of what each text alone gives.

        Raises:
            KbertError: if a text has no [MASK], or is longer than the model's positions.
        """
        if not 1 <= top_k <= len(self.tokenizer):
            raise KbertError(f"top_k must be from 1 to {len(self.tokenizer)}, not {top_k}")
        texts = [text] if isinstance(text, str) else list(text)
        if not texts:
            return []
        inputs = self.tokenizer(
            texts,
            max_length=self.model.bert.max_length,
            truncation="never",
            pad_to_multiple_of=LENGTH_STEP,
            glued_to_mask=self.glued_to_mask,
        )
        input_ids = inputs["input_ids"]  # (B, L)
        is_mask = input_ids == self.tokenizer.mask_id
        for each, row in zip(texts, is_mask, strict=True):
            if not row.any():
                raise KbertError(f"there is no [MASK] in {each!r:.80}; write [MASK] for the blank")
        # One column for each blank of the row that has most; rows with fewer repeat position 0.
        blanks = [np.flatnonzero(row) for row in is_mask]
        positions = np.zeros((len(texts), max(map(len, blanks))), np.int32)  # (B, P)
        for row, places in enumerate(blanks):
            positions[row, : len(places)] = places
        outputs = self.model.predict_on_batch({**inputs, "masked_lm_positions": positions})
        logits = outputs["mlm"] if isinstance(outputs, dict) else outputs  # (B, P, V)
        scores = softmax(logits)

        answers = []
        for row, places in enumerate(blanks):
            length = int(inputs["attention_mask"][row].sum())
            ids = input_ids[row, :length]
            per_blank = [
                self._answers(
                    ids, places, column, scores[row, column, : len(self.tokenizer)], top_k
                )
                for column in range(len(places))
            ]
            answers.append(per_blank[0] if len(per_blank) == 1 else per_blank)
        return answers[0] if isinstance(text, str) else answers

    def _answers(
        self, ids: np.ndarray, places: np.ndarray, blank: int, scores: np.ndarray, top_k: int
    ) -> list[Answer]:
        only_blank = len(places) == 1
        best = np.argsort(-scores, kind="stable")[:top_k]
        answers = []
        for token in best.tolist():
            filled = ids.copy()
            filled[places[blank]] = token
            answers.append(
                {
                    "score": float(scores[token]),
                    "token": token,
                    "token_str": self.tokenizer.decode([token], skip_special_tokens=False),
                    "sequence": self.tokenizer.decode(
                        filled.tolist(), skip_special_tokens=only_blank
                    ),
                }
            )
        return answers
