"""More words for a model that is trained already, as a domain's text asks for.

A new token begins where its old pieces were: its embedding, and its bias in the masked-LM head, are
the means of theirs, so that the model reads it at once much as it read them.

Source: Hewitt 2021, "Initializing New Word Embeddings for Pretrained Language Models", for means;
Beltagy et al. 2019, "SciBERT", and Lee et al. 2019, "BioBERT", for vocabularies of a domain.
"""

from collections.abc import Callable, Sequence

import keras
import numpy as np

from kbert.errors import KbertError
from kbert.layers.initializers import starting_at_zero
from kbert.models.base import KbertModel
from kbert.models.encoder import encoder_of
from kbert.models.frozen import check_floats
from kbert.models.lora import check_no_adapters
from kbert.text.korean.normalize import normalize
from kbert.text.tokenizer import Tokenizer
from kbert.text.vocabulary import CONTINUATION, MAX_WORD_LENGTH


def extend_vocabulary(model: KbertModel, tokens: Sequence[str]) -> KbertModel:
    """The same model with more tokens.

    The new tokens get the ids behind the tokenizer's last; rows of the model's tables that had no
    token are used first. Nothing else changes, and the model that was given not at all.

    WordPiece never sees more than a word, cut at spaces and punctuation. So what is more than one,
    such as a marker of entities (`[E1]`, `<subj>`) or `COVID-19`, becomes an added token, which is
    cut out of a text wherever it stands.

    Args:
        model: any of kbert's, with a WordPiece tokenizer.
        tokens: new ones, as they stand in a `vocab.txt`: words, rests of words with `##`, or what
            is to be cut out whole.

    Returns:
        A model of the same class, with a tokenizer of the longer vocabulary.

    Raises:
        KbertError: if the model has no tokenizer, or one that is no WordPiece; or a token is
            empty, there already, or given twice, or could never occur, for the tokenizer reads it
            as something else (`COVID` where text is lowercased).

    Example:
        >>> from kbert import BertForMaskedLM
        >>> model = BertForMaskedLM(vocab_size=7, hidden_size=8, num_hidden_layers=1,
        ...                         num_attention_heads=2, intermediate_size=32)
        >>> model.tokenizer = Tokenizer("[PAD] [UNK] [CLS] [SEP] [MASK] 국 ##회".split())
        >>> longer = extend_vocabulary(model, ["국회"])
        >>> longer.vocab_size, longer.tokenizer.tokenize("국회")
        (8, ['국회'])
        >>> extend_vocabulary(model, ["[E1]"]).tokenizer.tokenize("[E1]국회")
        ['[E1]', '국', '##회']
    """
    check_no_adapters(model)
    check_floats(model, "extend_vocabulary")
    tokenizer = model.tokenizer
    if tokenizer is None or not tokenizer.is_wordpiece:
        raise KbertError("the model has no WordPiece tokenizer, so its vocabulary cannot be longer")
    _check(tokens, tokenizer)
    tokens = [normalize(token, tokenizer.form) for token in tokens]
    longer = _longer(tokenizer, tokens)
    size = max(model.vocab_size, len(longer))
    pieces = tokenizer.encode([token.removeprefix(CONTINUATION) for token in tokens])
    other = with_rows(model, size, lambda rows: _with_means(rows, pieces, tokenizer, size))
    other.take_after(model, longer)
    return other


def with_rows(
    model: KbertModel, size: int, change: Callable[[np.ndarray], np.ndarray]
) -> KbertModel:
    """The same model, without a tokenizer, with another number of tokens.

    Args:
        model: any of kbert's, without adapters.
        size: how many tokens.
        change: makes the rows of each table, and of the words' bias, of those that it had.
    """
    with starting_at_zero(heads=True):
        other = type(model).from_config({**model.get_config(), "vocab_size": size})
    by_token = _tables(model)
    for old, new in zip(model.variables, other.variables, strict=True):
        values = keras.ops.convert_to_numpy(old)
        new.assign(change(values) if any(old is table for table in by_token) else values)
    return other


def _check(tokens: Sequence[str], tokenizer: Tokenizer) -> None:
    if isinstance(tokens, str) or not isinstance(tokens, Sequence):
        raise KbertError(f"tokens is a list of texts, not {tokens!r:.40}")
    known = set(tokenizer.vocabulary)
    for token in tokens:
        if not isinstance(token, str) or not token.removeprefix(CONTINUATION).strip():
            raise KbertError(f"a token is a text that is not empty, not {token!r:.40}")
        composed = normalize(token, tokenizer.form)
        if composed in known:
            raise KbertError(f"the token {token!r:.40} is there already, or given twice")
        known.add(composed)


def _longer(tokenizer: Tokenizer, tokens: Sequence[str]) -> Tokenizer:
    """The tokenizer with more tokens, each of which it finds in a text."""
    vocabulary, settings = [*tokenizer.vocabulary, *tokens], tokenizer.settings
    longer = Tokenizer(vocabulary, **settings)
    added = []
    for token in tokens:
        word = token.removeprefix(CONTINUATION)
        words = longer.words(word)
        if words == [word] and len(word) <= MAX_WORD_LENGTH:
            continue
        if len(words) < 2 or word != token:
            raise KbertError(
                f"the token {token!r:.40} could never occur: the tokenizer reads it as the words "
                f"{words!r:.80}, of at most {MAX_WORD_LENGTH} characters each; give what it reads"
            )
        added.append(token)
    if not added:
        return longer
    settings["added_tokens"] = [*settings.get("added_tokens", []), *added]
    return Tokenizer(vocabulary, **settings)


def _tables(model: KbertModel) -> list:
    """The variables that have a row for each token."""
    tables = [encoder_of(model).embeddings.token_table]
    if hasattr(model, "mlm"):
        tables += [model.mlm.bias] + ([] if model.mlm.tied else [model.mlm.decoder])
        tables += [] if model.mlm.completion is None else [model.mlm.completion.kernel]
    return tables


def _with_means(
    rows: np.ndarray, pieces: list[list[int]], tokenizer: Tokenizer, size: int
) -> np.ndarray:
    """A table, or a bias, with a row for each new token: the mean of its pieces' rows.

    A token without a piece that the vocabulary knows gets the mean of all.
    """
    known = len(tokenizer)
    longer = np.zeros((size, *rows.shape[1:]), rows.dtype)
    longer[: len(rows)] = rows
    for row, ids in enumerate(pieces, known):
        chosen = [index for index in ids if index != tokenizer.unk_id]
        longer[row] = rows[chosen or slice(known)].mean(axis=0)
    return longer
