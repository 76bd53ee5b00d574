"""Fill in the blanks of a text: with tokens, with tokens that go together, or with whole words.

Shapes: B batch, L length, P masked positions, V vocabulary.
"""

import math
import re
import warnings
from typing import Any, Literal

import numpy as np

from kbert.errors import KbertError, whole_number
from kbert.models.base import KbertModel
from kbert.models.pretraining import BertForMaskedLM, BertForPreTraining
from kbert.pipelines.encode import (
    BATCH_SIZE,
    POSITIONS,
    Row,
    largest,
    log_softmax,
    predict,
    text_list,
    to_rows,
    tokenizer_of,
)
from kbert.pipelines.eojeol import fill_with_eojeols
from kbert.pipelines.filled_text import fill_text
from kbert.pipelines.left_to_right import Form, fill_left_to_right
from kbert.pipelines.unknown_words import warn_of_unknown_words

Answer = dict[str, Any]
_LIKE_A_MASK = re.compile(r"[\[<({［＜]\s*(mask|ｍａｓｋ)\s*[\]>)}］＞]", re.IGNORECASE)


class FillMask:
    """Guesses the words behind [MASK].

    Args:
        model: a `BertForPreTraining` or `BertForMaskedLM` with a tokenizer.
        glued_to_mask: how to read what follows a [MASK] without a space, as in `[MASK]에게`.
            "word" is BERT's way, and Hugging Face's: a new word, 에게, though in the text the
            model was trained on it was `##에게`. "continuation" reads it as it was in training,
            and the answers fit better. (Whole words, `unit="eojeol"`, are always filled so.)
        sequence: what an answer's `sequence` is. "written" is the text as it was written, its blank
            filled. "decoded" goes through ids, as in Hugging Face's pipeline: words that the
            vocabulary lacks are lost, and with several blanks special tokens are spelt out.

    Raises:
        KbertError: if the model has no masked-LM head or no tokenizer, or an argument is none of
            its words.

    Example:
        >>> from kbert import BertForMaskedLM, Tokenizer
        >>> model = BertForMaskedLM(vocab_size=8, hidden_size=4, num_hidden_layers=1,
        ...                         num_attention_heads=1, intermediate_size=8)
        >>> words = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "축구", "경기", "##장"]
        >>> model.tokenizer = Tokenizer(words)
        >>> fill_mask = FillMask(model)
        >>> sorted(fill_mask("축구 [MASK]", top_k=1)[0])
        ['score', 'sequence', 'token', 'token_str']
        >>> answers = fill_mask("축구 [MASK]", unit="eojeol", targets=["경기", "경기장"])
        >>> sorted(answer["sequence"] for answer in answers)
        ['축구 경기', '축구 경기장']
    """

    def __init__(
        self,
        model: KbertModel,
        *,
        glued_to_mask: Literal["word", "continuation"] = "word",
        sequence: Literal["written", "decoded"] = "written",
    ):
        if not isinstance(model, BertForMaskedLM | BertForPreTraining):
            raise KbertError(
                "FillMask takes a BertForMaskedLM or a BertForPreTraining, and got a "
                f"{type(model).__name__}, which has no masked-LM head. Load a file or checkpoint "
                "that was saved with one: where there is none, task='masked-lm' makes one with "
                "random weights, which has to be trained first"
            )
        self.model, self.tokenizer = model, tokenizer_of(model)
        if glued_to_mask not in ("word", "continuation"):
            raise KbertError(
                f"glued_to_mask is 'word' or 'continuation', not {glued_to_mask!r:.40}"
            )
        self.glued_to_mask: Literal["word", "continuation"] = glued_to_mask
        if sequence not in ("written", "decoded"):
            raise KbertError(f"sequence is 'written' or 'decoded', not {sequence!r:.40}")
        self.decoded = sequence == "decoded"

    def __call__(
        self,
        text: str | list[str],
        *,
        top_k: int = 5,
        targets: str | int | list[str | int] | None = None,
        unit: Literal["token", "eojeol"] = "token",
        agree: bool = False,
        batch_size: int = BATCH_SIZE,
    ) -> list:
        """Answers.

        Args:
            text: a text with at least one [MASK], or a list of such texts.
            top_k: how many answers for each [MASK].
            targets: only these answers are judged, words or ids. A word that is not one token
                counts as its first piece, with a warning, as in Hugging Face's pipeline; with
                `unit="eojeol"` it is judged whole.
            unit: what fills a blank: a "token", or an "eojeol", a whole Korean word of one to four
                pieces (`kbert/pipelines/eojeol.py` says how words are compared).
            agree: with `unit="eojeol"`: whether a particle glued to the blank takes the form that
                fits the word, as in 국민은 and 국회는; else it stays as it is written.
            batch_size: the most rows that run together; fewer of long ones.

        Returns:
            For one text with one [MASK], a list of `top_k` dicts, the likeliest first: `score`
            (a probability), `token` (its id), `token_str` (the word) and `sequence` (the text,
            with its own [MASK] filled). For several [MASK], a list of such lists, one for each.
            For a list of texts, a list of what each text alone gives. A warning of the logger
            "kbert" names words that the vocabulary does not know.

            With `unit="eojeol"`, `tokens` (a list of ids) stands for `token`, and `score` is the
            product of the pieces' probabilities to the power 1 / sqrt(pieces): it orders words, and
            is no probability of theirs.

        Raises:
            KbertError: if a text has no [MASK], or is longer than the model's positions; if there
                are no targets that can be judged; or if an argument is not what it can be.
        """
        if agree and unit != "eojeol":
            raise KbertError("particles agree with whole words: pass unit='eojeol' with agree=True")
        texts = text_list("text", text)
        top_k = whole_number("top_k", top_k, 1, len(self.tokenizer))
        rows = self._rows(texts)
        if unit == "eojeol":
            answers = fill_with_eojeols(
                self.model, texts, targets, agree=agree, top_k=top_k, batch_size=batch_size
            )
        elif unit == "token":
            answers = self._tokens(texts, rows, top_k, targets, batch_size)
        else:
            raise KbertError(f"unit is 'token' or 'eojeol', not {unit!r}")
        answers = [blanks[0] if len(blanks) == 1 else blanks for blanks in answers]
        return answers[0] if isinstance(text, str) else answers

    def together(
        self,
        text: str | list[str],
        *,
        top_k: int = 5,
        beam_size: int = 10,
        batch_size: int = BATCH_SIZE,
    ) -> list:
        """Fills all blanks of a text with tokens that go together.

        The blanks are filled from left to right, by beam search; a score is the product of each
        token's probability, given those before it (`kbert/pipelines/left_to_right.py`). Calling
        the pipeline itself gives each blank's own answers, whatever the others are filled with.

        Args:
            text: a text with at least one [MASK], or a list of such texts.
            top_k: how many answers.
            beam_size: how many fillings are followed from one blank to the next; with more, less
                is overlooked, and it takes longer.
            batch_size: the most rows that run together; fewer of long ones.

        Returns:
            For a text, a list of at most `top_k` dicts, the likeliest first: `score` (a
            probability), `tokens` (a list of ids), `token_strs` (the words) and `sequence` (the
            text, filled). For a list of texts, a list of such lists. Special tokens fill no blank.

        Raises:
            KbertError: as for a call.

        Example:
            >>> import kbert
            >>> tokenizer = kbert.Tokenizer.train(["모든 국민은 법 앞에 평등하다."], vocab_size=18)
            >>> model = kbert.BertForMaskedLM(vocab_size=18, **kbert.SIZES["tiny"])
            >>> model.tokenizer = tokenizer
            >>> (best,) = FillMask(model).together("모든 [MASK] 법 앞에 [MASK].", top_k=1)
            >>> len(best["tokens"]), best["sequence"].startswith("모든")
            (2, True)
        """
        top_k = whole_number("top_k", top_k, 1, len(self.tokenizer))
        beam_size = whole_number("beam_size", beam_size, 1, len(self.tokenizer))
        single = isinstance(text, str)
        texts = text_list("text", text)
        choice = np.ones(len(self.tokenizer), bool)
        choice[list(self.tokenizer.special_ids)] = False
        forms = []
        for question, row in enumerate(self._rows(texts)):
            positions = row.pop(POSITIONS).tolist()
            forms.append(Form(question, row, positions, [choice] * len(positions)))
        found = fill_left_to_right(
            self.model, forms, top_k=top_k, beam_size=beam_size, batch_size=batch_size
        )
        decode = self.tokenizer.decode
        answers = [
            [
                {
                    "score": math.exp(filled.log_probability),
                    "tokens": filled.ids,
                    "token_strs": [decode([i], skip_special_tokens=False) for i in filled.ids],
                    "sequence": decode(filled.row()["input_ids"].tolist())
                    if self.decoded
                    else fill_text(self.tokenizer, text, dict(enumerate(filled.ids))),
                }
                for filled in found[question]
            ]
            for question, text in enumerate(texts)
        ]
        return answers[0] if single else answers

    def _rows(self, texts: list[str]) -> list[Row]:
        """Each text's row, with the positions of its blanks."""
        rows = to_rows(
            self.tokenizer,
            texts,
            max_length=self.model.max_length,
            truncation="never",
            glued_to_mask=self.glued_to_mask,
        )
        for text, row in zip(texts, rows, strict=True):
            row[POSITIONS] = np.flatnonzero(row["input_ids"] == self.tokenizer.mask_id)
            if not len(row[POSITIONS]):
                mask = self.tokenizer.mask_token
                raise KbertError(f"there is no {mask} in {text!r:.80}; {_how_to_write(mask, text)}")
        warn_of_unknown_words(self.tokenizer, texts, rows)
        return rows

    def _tokens(
        self, texts: list[str], rows: list[Row], top_k: int, targets, batch_size: int
    ) -> list:
        among = np.arange(len(self.tokenizer)) if targets is None else self._target_ids(targets)

        def answer(logits: np.ndarray, indices: list[int]) -> list[list[list[Answer]]]:  # (B, P, V)
            return [
                [
                    self._answers(texts[i], rows[i], blank, logits[slot, blank], among, top_k)
                    for blank in range(len(rows[i][POSITIONS]))
                ]
                for slot, i in enumerate(indices)
            ]

        return predict(self.model, rows, answer, batch_size, output="mlm")

    def _answers(
        self, text: str, row: Row, blank: int, logits: np.ndarray, among: np.ndarray, top_k: int
    ) -> list[Answer]:
        """The best tokens of one blank, of its logits (V,)."""
        scores = np.exp(log_softmax(logits)[among])
        answers = []
        for i in largest(scores, top_k):
            token = int(among[i])
            if self.decoded:
                sequence = self._decoded(row, blank, token)
            else:
                sequence = fill_text(self.tokenizer, text, {blank: token})
            answers.append(
                {
                    "score": float(scores[i]),
                    "token": token,
                    "token_str": self.tokenizer.decode([token], skip_special_tokens=False),
                    "sequence": sequence,
                }
            )
        return answers

    def _decoded(self, row: Row, blank: int, token: int) -> str:
        """As transformers has it."""
        filled = row["input_ids"].copy()
        filled[row[POSITIONS][blank]] = token
        filled = filled[filled != self.tokenizer.pad_id]
        only_blank = len(row[POSITIONS]) == 1
        return self.tokenizer.decode(filled.tolist(), skip_special_tokens=only_blank)

    def _target_ids(self, targets: str | int | list[str | int]) -> np.ndarray:
        """The targets as ids, in order, each once."""
        known = {token: i for i, token in enumerate(self.tokenizer.vocabulary)}
        ids = []
        for target in [targets] if isinstance(targets, str | int) else targets:
            if isinstance(target, str) and target not in known:
                pieces = self.tokenizer.encode([target])[0]
                taken = f"{self.tokenizer.token(pieces[0])!r} is judged" if pieces else "left out"
                warnings.warn(
                    f"the target {target!r} is not one token: {taken}; unit='eojeol' takes words",
                    stacklevel=4,
                )
                ids += pieces[:1]
            elif isinstance(target, str):
                ids.append(known[target])
            else:
                self.tokenizer.token(target)  # raises if it is none
                ids.append(target)
        if not ids:
            raise KbertError("there is no target to judge: pass words or ids of the vocabulary")
        return np.array(sorted(set(ids)))


def _how_to_write(mask: str, text: str) -> str:
    """What to write for a blank, where something like it stands in a text or nothing does."""
    near = _LIKE_A_MASK.search(text)
    how = ", in capitals between square brackets," if near and mask == "[MASK]" else ""
    return f"write {mask}{how} " + (f"in place of {near.group()!r}" if near else "for the blank")
