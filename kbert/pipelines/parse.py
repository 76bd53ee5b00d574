"""Which word of a sentence depends on which, and by what relation.

    text -> pieces -> positions of eojeols -> scores of heads and relations -> the best tree

Shapes: W words, C relations.
"""

import logging
from typing import Any, Literal, NamedTuple, get_args

import numpy as np

from kbert.errors import KbertError
from kbert.models.base import KbertModel
from kbert.models.dependency import BertForDependencyParsing
from kbert.pipelines.encode import BATCH_SIZE, Row, log_softmax, predict, text_list, tokenizer_of
from kbert.pipelines.spanning_tree import spanning_tree
from kbert.text.tags import eojeols
from kbert.text.word_pieces import check_words, word_pieces, word_positions

Decode = Literal["tree", "greedy"]
_log = logging.getLogger("kbert")


class ParsedWords(NamedTuple):
    """The words of a text.

    Attributes:
        heads: (W,) the number of each word's head, from 1; 0 is the root.
        relations: (W,) numbers of labels.
        scores: (W,) how likely head and relation are together, each word for itself.
    """

    heads: np.ndarray
    relations: np.ndarray
    scores: np.ndarray


class DependencyParser:
    """Parses sentences with a fine-tuned model.

    Args:
        model: a `BertForDependencyParsing` with a tokenizer.

    Raises:
        KbertError: if the model is another, or has no tokenizer.

    Example:
        >>> from kbert import BertForDependencyParsing, Tokenizer
        >>> model = BertForDependencyParsing(
        ...     labels=["NP_SBJ", "NP_OBJ", "VP"], vocab_size=9, hidden_size=4, num_hidden_layers=1,
        ...     num_attention_heads=1, intermediate_size=8)
        >>> tokens = "[PAD] [UNK] [CLS] [SEP] [MASK] 나 ##는 밥을 먹었다".split()
        >>> model.tokenizer = Tokenizer(tokens)
        >>> words = DependencyParser(model)("나는 밥을 먹었다")
        >>> [(word["index"], word["text"]) for word in words], [*words[0]]
        ([(1, '나는'), (2, '밥을'), (3, '먹었다')], ['index', 'text', 'head', 'relation', 'score'])
        >>> sum(word["head"] == 0 for word in words)
        1
    """

    def __init__(self, model: KbertModel):
        if not isinstance(model, BertForDependencyParsing):
            raise KbertError(
                "DependencyParser takes a BertForDependencyParsing, and got a "
                f"{type(model).__name__}; load it with "
                'kbert.load(..., task="dependency-parsing", labels=...), and fine-tune it'
            )
        self.model, self.tokenizer = model, tokenizer_of(model)

    def __call__(
        self,
        texts: str | list[str],
        *,
        decode: Decode = "tree",
        batch_size: int = BATCH_SIZE,
    ) -> Any:
        """Parses a sentence, or a list of sentences.

        Args:
            texts: a sentence, or a list; words are what stands between spaces (eojeols).
            decode: "tree": the most likely heads that form a tree with one root. "greedy": the most
                likely head of each word for itself, as KLUE's figures are made; that may be no
                tree, with circles or several roots.
            batch_size: the most sentences that run together; fewer of long ones.

        Returns:
            For each sentence a list of dicts, one a word: `index` (from 1), `text`, `head` (the
            index of the word that it depends on, 0 for the root), `relation` and `score` (how
            likely both are). An empty text has none. Of a text that is longer than the model's
            `max_length` tokens the words behind are guessed; a warning of the logger "kbert" says
            so.

        Raises:
            KbertError: if there is no such way to decode, or a text has more than 512 words.
        """
        one = isinstance(texts, str)
        given = text_list("texts", texts)
        found = [
            [
                {
                    "index": number + 1,
                    "text": text[start:end],
                    "head": int(words.heads[number]),
                    "relation": self.model.labels[words.relations[number]],
                    "score": float(words.scores[number]),
                }
                for number, (start, end) in enumerate(eojeols(text))
            ]
            for text, words in zip(
                given, self.parse(given, decode=decode, batch_size=batch_size), strict=True
            )
        ]
        return found[0] if one else found

    def parse(
        self, texts: list[str], *, decode: Decode = "tree", batch_size: int = BATCH_SIZE
    ) -> list[ParsedWords]:
        """The heads and relations of each text's words, as numbers."""
        if decode not in get_args(Decode):
            raise KbertError(f"decode is 'tree' or 'greedy', not {decode!r:.80}")
        texts = text_list("texts", texts)
        nothing = ParsedWords(np.zeros(0, int), np.zeros(0, int), np.zeros(0))
        found = [nothing] * len(texts)
        with_words = [index for index, text in enumerate(texts) if eojeols(text)]
        rows = self._rows([texts[index] for index in with_words])

        def answer(outputs: dict[str, np.ndarray], indices: list[int]) -> list[ParsedWords]:
            sizes = [len(rows[index]["words"]) for index in indices]
            return [
                _parsed(
                    outputs["heads"][i, :size, : size + 1],
                    outputs["relations"][i, :size, : size + 1],
                    decode,
                )
                for i, size in enumerate(sizes)
            ]

        for index, words in zip(
            with_words, predict(self.model, rows, answer, batch_size), strict=True
        ):
            found[index] = words
        return found

    def _rows(self, texts: list[str]) -> list[Row]:
        """Each text as the model's inputs, without padding."""
        pieces = self.tokenizer.encode_pieces(texts, ["offsets"])
        room, cls, sep = self.model.max_length - 2, self.tokenizer.cls_id, self.tokenizer.sep_id
        rows, too_long = [], 0
        for i, text in enumerate(texts):
            mine = slice(pieces.starts[i], pieces.starts[i] + pieces.lengths[i])
            ids = pieces.ids[mine][:room]
            too_long += pieces.lengths[i] > room
            check_words(len(eojeols(text)), f"the text {text!r:.60}")
            positions = word_positions(word_pieces(text, pieces.columns["offsets"][mine]), len(ids))
            row = {
                "input_ids": np.array([cls, *ids, sep], np.int32),
                "first_pieces": positions[:, 0].astype(np.int32),
                "last_pieces": positions[:, 1].astype(np.int32),
                "words": np.ones(len(positions), np.int32),
            }
            row["token_type_ids"] = np.zeros_like(row["input_ids"])
            rows.append(row)
        if too_long:
            _log.warning(
                "%d of %d texts are longer than %d tokens: the words behind are guessed; parse "
                "sentence by sentence",
                too_long,
                len(texts),
                self.model.max_length,
            )
        return rows


def _parsed(heads: np.ndarray, relations: np.ndarray, decode: Decode) -> ParsedWords:
    """Logits as heads and relations.

    Args:
        heads: (W, W + 1).
        relations: (W, W + 1, C).
        decode: how heads are chosen.
    """
    likely = log_softmax(heads)
    chosen = spanning_tree(likely) if decode == "tree" else likely.argmax(axis=1)
    words = np.arange(len(heads))
    of_chosen = log_softmax(relations[words, chosen])  # (W, C)
    best = of_chosen.argmax(axis=1)
    scores = np.exp(likely[words, chosen] + of_chosen[words, best])
    return ParsedWords(chosen, best, scores)
