"""Training a WordPiece vocabulary on counted words.

Reproducible: the same words and settings give the same file, byte for byte, whatever the order of
the texts and the number of processes. The pieces are those of byte-pair encoding in which a
character that begins a word and one that continues it (국, ##국) are two symbols.
`tokenizers`' WordPieceTrainer, which does the same, gives another vocabulary on every run.

Source: Sennrich et al. 2016, "Neural Machine Translation of Rare Words with Subword Units"; the
layout of the file (special tokens, characters, ##characters, merges, [unused]) is KLUE-BERT's.
"""

from collections import Counter
from collections.abc import Iterable, Sequence
from itertools import islice

import numpy as np

from kbert.errors import KbertError
from kbert.text.korean.jamo import (
    FINALS,
    FIRST_SYLLABLE,
    INITIALS,
    SYLLABLES,
    VOWELS,
    spelt_codes,
)
from kbert.text.learning.byte_pairs import BytePairs
from kbert.text.vocabulary import CONTINUATION, MAX_WORD_LENGTH, SPECIAL_TOKENS, check_unique

_CODES, _SPACE = 0x110000, 0x20  # Unicode's code points, and one of them
_AT_ONCE = 1 << 20  # cells counted at a time, to keep what lies between small


def train_vocabulary(
    words: Counter[str],
    vocab_size: int,
    *,
    min_frequency: int = 2,
    limit_alphabet: int | None = None,
    characters: Iterable[str] = (),
    both_positions: bool = False,
    jamo_fallback: bool = False,
    unused: int = 0,
    special_tokens: Sequence[str] = SPECIAL_TOKENS,
    exact: bool = True,
) -> list[str]:
    """Trains a WordPiece vocabulary on counted words.

    Args:
        words: how often each word occurs; see `count_words`.
        vocab_size: tokens wanted, special and unused ones included.
        min_frequency: a pair of pieces is merged only if it occurs this often.
        limit_alphabet: the most different characters to take from the words, the most frequent
            first; words with another character are left out and will be [UNK]. By default a tenth
            of `vocab_size`, but at least 1,500: rare hanja would fill a small vocabulary, for a
            character takes up to two positions (at the beginning of words, and within).
        characters: characters to have in any case, in both positions, so that a word made of them
            is never [UNK]: `ksx1001_syllables()`.
        both_positions: whether each character gets both, wherever it stands in the words. For
            morphemes: what begins one (에서) continues a word (국회에서) when no analyser runs.
        jamo_fallback: whether words with a syllable beyond the alphabet are kept, the syllable
            spelt with its jamo: for `Tokenizer(..., jamo_fallback=True)`. The 67 jamo get 86
            positions, and every syllable of the alphabet gets both.
        unused: how many tokens `[unused0]`, `[unused1]`, ... to keep free at the end, for words
            that a user adds later; KLUE-BERT has 500.
        special_tokens: the first tokens, in the order of their ids.
        exact: whether fewer tokens than `vocab_size`, where the words give no more, are an error.

    Returns:
        The tokens in the order of their ids: special tokens, characters that begin a word,
        characters that continue one (`##`), merged pieces from the first merge to the last,
        unused ones.

    Raises:
        KbertError: if there are no words, or they cannot give so many tokens, or the characters
            alone are more than `vocab_size`, or a token would stand twice.

    Example:
        >>> tokens = train_vocabulary(Counter({"국회": 5, "국회에": 3, "국민": 2}), 11)
        >>> tokens[5:]
        ['국', '##민', '##에', '##회', '국회', '국회에']
    """
    if not words:
        raise KbertError("the corpus has no words to train a vocabulary on: it is empty")
    limit = limit_alphabet or max(1500, vocab_size // 10)
    characters = list(characters)
    whole = characters if jamo_fallback else None
    codes, weights = _usable_words(words, limit, whole)
    symbols, alphabet = _symbols(codes, characters, both_positions, jamo_fallback)
    needed = len(special_tokens) + len(alphabet) + unused
    if vocab_size < needed:
        raise KbertError(
            f"a vocabulary of {vocab_size} is too small: {len(special_tokens)} special tokens, "
            f"{len(alphabet)} characters (at the beginning of words and within) and {unused} "
            f"unused tokens need {needed}; ask for more, or lower limit_alphabet"
        )
    del words, codes  # the caller may have no more use for them, and they are large

    pairs = BytePairs(symbols, weights, alphabet, min_frequency)
    del symbols, weights
    merged = list(islice(pairs.merges(), vocab_size - needed))
    tokens = [*special_tokens, *map(_spell, alphabet + merged)]
    tokens += [f"[unused{number}]" for number in range(unused)]
    check_unique(tokens, "the trained vocabulary")
    if exact and len(tokens) < vocab_size:
        raise KbertError(
            f"the corpus gives a vocabulary of {len(tokens)} tokens at the most, and {vocab_size} "
            f"were asked for: ask for {len(tokens)} or fewer, or train on more text"
        )
    return tokens


def _usable_words(
    words: Counter[str], limit: int, whole: list[str] | None
) -> tuple[np.ndarray, np.ndarray]:
    """The words that are neither too long nor have a rare character, as one array.

    Args:
        words: how often each occurs.
        limit: how many characters are not rare.
        whole: None, or syllables that are not rare in any case, and then the rare ones are spelt.

    Returns:
        (cells,) the code points of a space, a word, a space, a word, ..., a space; and (cells,)
        how often the word of a cell occurs, at the space behind it as well.
    """
    codes = np.frombuffer(" ".join(["", *words, ""]).encode("utf-32-le"), np.int32)
    counts = np.fromiter(words.values(), np.int64, len(words))
    if counts.max() < 1 << 32:
        counts = counts.astype(np.uint32)
    between = np.flatnonzero(codes == _SPACE)
    lengths = np.diff(between)  # of words, and the space behind each
    if len(lengths) != len(words):
        raise KbertError("a word is a string without white space; see count_words")
    weights = np.concatenate([counts[:1] * 0, np.repeat(counts, lengths)])

    totals = np.zeros(_CODES)
    for start in range(0, len(codes), _AT_ONCE):
        part = slice(start, start + _AT_ONCE)
        totals += np.bincount(codes[part], weights[part], minlength=_CODES)
    totals[_SPACE] = np.inf
    ranked = np.argsort(-totals, kind="stable")[: limit + 1]  # equals by code point
    allowed = np.zeros(_CODES, bool)
    allowed[ranked] = True
    if whole is not None:
        allowed[[ord(character) for character in whole]] = True
        codes, weights = _spell_rare(codes, weights, allowed)
        allowed[[ord(jamo) for jamo in (*INITIALS, *VOWELS, *FINALS)]] = True
        between = np.flatnonzero(codes == _SPACE)
        lengths = np.diff(between)
    usable = np.logical_and.reduceat(allowed[codes], between[:-1]) & (
        lengths <= MAX_WORD_LENGTH + 1
    )
    kept = np.concatenate([[True], np.repeat(usable, lengths)])
    return codes[kept], weights[kept]


def _spell_rare(
    codes: np.ndarray, weights: np.ndarray, allowed: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """The same cells, with the jamo of each syllable that is not allowed instead."""
    is_syllable = (codes >= FIRST_SYLLABLE) & (codes < FIRST_SYLLABLE + SYLLABLES)
    rare = np.flatnonzero(is_syllable & ~allowed[codes])
    jamo, counts = spelt_codes(codes[rare])
    sizes = np.ones(len(codes), np.int64)
    sizes[rare] = counts
    first = (np.cumsum(sizes) - sizes)[rare]
    codes, weights = np.repeat(codes, sizes), np.repeat(weights, sizes)
    for index in range(3):
        spelt = counts > index
        codes[first[spelt] + index] = jamo[spelt, index]
    return codes, weights


def _symbols(
    codes: np.ndarray, characters: Iterable[str], both_positions: bool, jamo_fallback: bool
) -> tuple[np.ndarray, list[str]]:
    """Code points as the ids of (position, character), from 1; and what each id stands for.

    A character that begins a word is written with a space before it, as in the text.
    """
    placed = codes.copy()
    placed[1:][codes[:-1] != _SPACE] += _CODES
    placed[codes == _SPACE] = _SPACE
    present = np.zeros(2 * _CODES, bool)
    present[placed] = True
    for character in characters:
        present[[ord(character), ord(character) + _CODES]] = True
    if both_positions:
        present |= np.roll(present, _CODES)
    if jamo_fallback:
        begins = present[FIRST_SYLLABLE : FIRST_SYLLABLE + SYLLABLES]
        within = present[_CODES + FIRST_SYLLABLE : _CODES + FIRST_SYLLABLE + SYLLABLES]
        begins |= within
        within |= begins
        present[[ord(jamo) for jamo in INITIALS]] = True
        present[[_CODES + ord(jamo) for jamo in (*INITIALS, *VOWELS, *FINALS)]] = True
    present[[_SPACE, _SPACE + _CODES]] = False
    ids = np.cumsum(present, dtype=np.int32)
    ids[_SPACE] = 0
    names = [
        chr(position - _CODES) if position >= _CODES else " " + chr(position)
        for position in np.flatnonzero(present).tolist()
    ]
    return ids[placed], names


def _spell(name: str) -> str:
    return name[1:] if name[0] == " " else CONTINUATION + name
