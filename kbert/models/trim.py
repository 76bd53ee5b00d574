"""Fewer words for a model whose texts need but a part of them.

Most of a multilingual model is its table of tokens, and Korean text uses a few thousand of them.
What is left of the vocabulary cuts the texts as before, so the model computes the same:

    WordPiece    the longest piece that fits is taken, and it is still there; where a word is
                 unknown, so are the pieces that were tried on its way
    unigram      the best way to cut is still there, and fewer others; what an unknown letter costs
                 depends on the lowest score, so its token stays
    BPE          the merges that were made are still there, with all that they are made of

Source: Abdaoui et al. 2020, "Load What You Need: Smaller Versions of Multilingual BERT".
"""

from collections.abc import Iterable, Iterator
from itertools import islice

import numpy as np

from kbert.errors import KbertError
from kbert.models.base import KbertModel
from kbert.models.encoder import encoder_of
from kbert.models.extend import with_rows
from kbert.models.frozen import check_floats
from kbert.models.lora import check_no_adapters
from kbert.text.tokenizer import Tokenizer
from kbert.text.vocabulary import CONTINUATION, numbered

_TEXTS_AT_A_TIME = 10_000
_WORD_START = "\u2581"  # of a unigram model's pieces


def trim_vocabulary(
    model: KbertModel, texts: Iterable[str], *, characters: bool = False
) -> KbertModel:
    """The same model with only those tokens that texts use.

    What it gives for these texts stays as it is: vectors, labels, and the scores of the words that
    are left. Special and added tokens stay, and with them their order.

    Args:
        model: any of kbert's, with its tokenizer. It is not changed.
        texts: what the model is for, such as a corpus, read once.
        characters: whether the tokens of one character stay too, so that words which are not in
            these texts are cut into them and not unknown. Byte-level BPE and `jamo_fallback` have
            their letters in any case.

    Returns:
        A model of the same class, with a tokenizer of the shorter vocabulary, not compiled.

    Raises:
        KbertError: if the model has no tokenizer, or has adapters or weights that are not
            floats; or texts are none.

    Example:
        >>> from kbert import BertForMaskedLM
        >>> model = BertForMaskedLM(vocab_size=9, hidden_size=8, num_hidden_layers=1,
        ...                         num_attention_heads=2, intermediate_size=32)
        >>> words = "[PAD] [UNK] [CLS] [SEP] [MASK] 국 ##회 ##민 정"
        >>> model.tokenizer = Tokenizer(words.split())
        >>> smaller = trim_vocabulary(model, ["국회", "국"])
        >>> smaller.vocab_size, smaller.tokenizer.vocabulary[5:]
        (7, ['국', '##회'])

    Source: Abdaoui et al. 2020, section 3.
    """
    check_no_adapters(model)
    check_floats(model, "trim_vocabulary")
    tokenizer = model.tokenizer
    if tokenizer is None:
        raise KbertError("the model has no tokenizer, so nobody knows which tokens texts use")
    if not isinstance(characters, bool):
        raise KbertError(f"characters is True or False, not {characters!r:.80}")
    kept = _used(tokenizer, texts)
    kept |= {*tokenizer.special_ids, *map(tokenizer.id, tokenizer.added_tokens)}
    if characters or tokenizer.jamo_fallback:  # which spells the syllables that are missing
        kept |= {i for i, token in enumerate(tokenizer.vocabulary) if _is_character(token)}
    if encoder_of(model).get_config().get("position_offset"):
        kept |= set(range(tokenizer.pad_id))  # positions are counted from behind its id
    merges = None
    if tokenizer.scores is not None:
        kept.add(int(np.argmin(tokenizer.scores)))
    if tokenizer.merges is not None:
        kept, merges = _with_parts(tokenizer, kept)
    rows = sorted(kept)
    smaller = with_rows(model, len(rows), lambda table: table[rows])
    kept_words = Tokenizer(
        [tokenizer.vocabulary[row] for row in rows],
        **tokenizer.settings,
        scores=tokenizer.scores and [tokenizer.scores[row] for row in rows],
        charsmap=tokenizer.charsmap,
        merges=merges,
    )
    smaller.take_after(model, kept_words)
    return smaller


def _used(tokenizer: Tokenizer, texts: Iterable[str]) -> set[int]:
    """The ids that texts become, and in WordPiece those that were tried on unknown words."""
    if isinstance(texts, str) or not isinstance(texts, Iterable):
        raise KbertError(f"texts is a list of texts, or whatever gives them, not {texts!r:.40}")
    used: set[int] = set()
    unknown: set[str] = set()
    for some in _in_parts(texts):
        ids, starts = tokenizer.encode_flat(some)
        used |= set(np.unique(ids).tolist())
        if tokenizer.is_wordpiece and tokenizer.unk_id in used:
            rows = np.searchsorted(starts, np.flatnonzero(ids == tokenizer.unk_id), "right") - 1
            unknown |= {word for row in np.unique(rows) for word in tokenizer.words(some[row])}
    if not used:
        raise KbertError("texts hold no token at all; give those that the model is for")
    known = numbered(tokenizer.vocabulary)
    for word in unknown:
        used |= set(_tried(word, known))
    return used


def _in_parts(texts: Iterable[str]) -> Iterator[list[str]]:
    walk = iter(texts)
    while some := list(islice(walk, _TEXTS_AT_A_TIME)):
        yield some


def _tried(word: str, known: dict[str, int]) -> Iterator[int]:
    """The ids of the pieces that a word is cut into, up to where none fits."""
    start = 0
    while start < len(word):
        for end in range(len(word), start, -1):
            piece = (CONTINUATION if start else "") + word[start:end]
            if piece in known:
                yield known[piece]
                start = end
                break
        else:
            return


def _is_character(token: str) -> bool:
    return len(token.removeprefix(CONTINUATION)) == 1 or (len(token.removeprefix(_WORD_START)) == 1)


def _with_parts(tokenizer: Tokenizer, kept: set[int]) -> tuple[set[int], list[tuple[str, str]]]:
    """Tokens of BPE, with the bytes and whatever they are made of, and the merges that are left."""
    assert tokenizer.merges is not None
    known, count = numbered(tokenizer.vocabulary), 0
    kept = kept | {i for token, i in known.items() if len(token) == 1}
    while count < len(kept):  # once, where no merge is of what a later one makes
        count = len(kept)
        for first, second in reversed(tokenizer.merges):
            if known[first + second] in kept:
                kept |= {known[first], known[second]}
    return kept, [pair for pair in tokenizer.merges if known["".join(pair)] in kept]
