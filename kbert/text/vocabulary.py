"""A WordPiece vocabulary: train it, read it, write it.

Reproducible: the same words and settings give the same file, byte for byte, whatever the order of
the texts. The merges are byte-pair encoding's, by Hugging Face's `BpeTrainer`, which is
deterministic; its `WordPieceTrainer`, which would count `##` pieces for us, is not. So that BPE
can tell a character that begins a word from one that continues it (국 from ##국), every
(character, place) gets a code point of its own in Unicode's private planes, and the trained
pieces are mapped back.

Source: Sennrich et al. 2016, "Neural Machine Translation of Rare Words with Subword Units"; the
layout of the file (special tokens, characters, ##characters, merges) is that of KLUE-BERT.
"""

import sys
import unicodedata
from collections import Counter
from collections.abc import Iterable
from functools import cache
from pathlib import Path

import tokenizers

from kbert.errors import KbertError
from kbert.text.normalize import nfc

SPECIAL_TOKENS = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]")
CONTINUATION = "##"
MAX_WORD_LENGTH = 100  # characters; BERT makes a longer word [UNK]
_PRIVATE_PLANES = [*range(0xF0000, 0xFFFFE), *range(0x100000, 0x10FFFE)]
_FEED = 1 << 16  # characters handed to the trainer at a time


def read_vocabulary(path: str | Path) -> list[str]:
    r"""Reads a `vocab.txt`: one token a line, its line number from 0 is its id.

    Raises:
        KbertError: if the file is not UTF-8, is empty, or has a token twice.
    """
    return parse_vocabulary(Path(path).read_bytes(), str(path))


def parse_vocabulary(data: bytes, where: str) -> list[str]:
    """Reads the bytes of a `vocab.txt`; `where` they come from is named in errors."""
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise KbertError(
            f"{where}: not UTF-8 at byte {error.start}; a vocab.txt is UTF-8"
        ) from None
    tokens = text.replace("\r\n", "\n").removesuffix("\n").split("\n")
    if tokens == [""]:
        raise KbertError(f"{where}: the vocabulary is empty; it needs one token a line")
    check_unique(tokens, where)
    return tokens


def write_vocabulary(tokens: list[str], path: str | Path) -> None:
    """Writes a `vocab.txt`, one token a line, with Unix line ends on every system."""
    Path(path).write_text("".join(f"{token}\n" for token in tokens), encoding="utf-8", newline="\n")


def check_unique(tokens: list[str], where: str) -> None:
    """Raises KbertError if a token stands twice in a vocabulary."""
    first: dict[str, int] = {}
    for index, token in enumerate(tokens):
        if first.setdefault(token, index) != index:
            raise KbertError(
                f"{where}: the token {token!r} stands twice, as ids {first[token]} and {index}"
            )


def count_words(texts: Iterable[str], *, lowercase: bool = False) -> Counter[str]:
    """Counts the words of texts as BERT's tokenizer cuts them: at spaces and punctuation.

    Example:
        >>> sorted(count_words(["국회, 국회에"]).items())
        [(',', 1), ('국회', 1), ('국회에', 1)]
    """
    normalizer = tokenizers.normalizers.BertNormalizer(strip_accents=False, lowercase=lowercase)
    chunks: Counter[str] = Counter()  # between spaces: each different one is cut once
    for text in texts:
        chunks.update(nfc(text).split())
    spaced = _spaced_punctuation()
    words: Counter[str] = Counter()
    for chunk, count in chunks.items():
        for word in normalizer.normalize_str(chunk).translate(spaced).split():
            words[word] += count
    return words


@cache
def _spaced_punctuation() -> dict[int, str]:
    """A translation that puts spaces around every punctuation character of BERT's tokenizer."""
    codes = (c for c in range(sys.maxunicode + 1) if unicodedata.category(chr(c))[0] == "P")
    ascii_marks = (c for c in range(33, 127) if not chr(c).isalnum())
    return {code: f" {chr(code)} " for code in (*codes, *ascii_marks)}


def train_vocabulary(
    words: Counter[str],
    vocab_size: int,
    *,
    min_frequency: int = 2,
    limit_alphabet: int | None = None,
) -> list[str]:
    """Trains a WordPiece vocabulary on counted words.

    Args:
        words: how often each word occurs; see `count_words`.
        vocab_size: tokens wanted, special tokens included.
        min_frequency: a pair of pieces is merged only if it occurs this often.
        limit_alphabet: the most different characters to keep, the most frequent first; words
            with another character are left out and will be [UNK]. By default a tenth of
            `vocab_size`, but at least 1,500: rare hanja would fill a small vocabulary, for a
            character takes up to two places (at the beginning of words, and within).

    Returns:
        The tokens in the order of their ids: special tokens, characters that begin a word,
        characters that continue one (`##`), merged pieces from the first merge to the last.

    Raises:
        KbertError: if there are no words, or they cannot give so many tokens, or the characters
            alone are more than `vocab_size`.

    Example:
        >>> tokens = train_vocabulary(Counter({"국회": 5, "국회에": 3, "국민": 2}), 11)
        >>> tokens[5:]
        ['국', '##민', '##에', '##회', '국회', '국회에']
    """
    if not words:
        raise KbertError("the corpus has no words to train a vocabulary on: it is empty")
    alphabet = _alphabet(words, limit_alphabet or max(1500, vocab_size // 10))
    to_private = {place: chr(code) for place, code in zip(alphabet, _PRIVATE_PLANES, strict=False)}
    needed = len(SPECIAL_TOKENS) + len(alphabet)
    if vocab_size < needed:
        raise KbertError(
            f"a vocabulary of {vocab_size} is too small: {len(SPECIAL_TOKENS)} special tokens and "
            f"{len(alphabet)} characters (at the beginning of words and within) need {needed}; "
            "ask for more, or lower limit_alphabet"
        )

    trainer = tokenizers.trainers.BpeTrainer(
        vocab_size=vocab_size - len(SPECIAL_TOKENS),
        min_frequency=min_frequency,
        show_progress=False,
        special_tokens=[],
    )
    engine = tokenizers.Tokenizer(tokenizers.models.BPE())
    engine.pre_tokenizer = tokenizers.pre_tokenizers.WhitespaceSplit()
    engine.train_from_iterator(_private_text(words, to_private), trainer)

    from_private = {code: place for place, code in to_private.items()}
    by_id = sorted(engine.get_vocab().items(), key=lambda item: item[1])
    pieces = [[from_private[code] for code in piece] for piece, _ in by_id]
    tokens = [*SPECIAL_TOKENS, *map(_spell, pieces)]
    if len(tokens) < vocab_size:
        raise KbertError(
            f"the corpus gives a vocabulary of {len(tokens)} tokens at the most, and {vocab_size} "
            f"were asked for: ask for {len(tokens)} or fewer, or train on more text"
        )
    return tokens


def _alphabet(words: Counter[str], limit: int) -> list[tuple[bool, str]]:
    """The (continues a word, character) places in use: beginnings first, by code point."""
    characters: Counter[str] = Counter()
    for word, count in words.items():
        for character in word:
            characters[character] += count
    ranked = sorted(characters, key=lambda character: (-characters[character], character))
    kept = set(ranked[: min(limit, len(_PRIVATE_PLANES) // 2)])
    usable = (word for word in words if _usable(word, kept))
    return sorted(
        {(index > 0, character) for word in usable for index, character in enumerate(word)}
    )


def _usable(word: str, kept: set[str]) -> bool:
    return len(word) <= MAX_WORD_LENGTH and kept.issuperset(word)


def _private_text(words: Counter[str], to_private: dict[tuple[bool, str], str]):
    """Yields every word as often as it occurs, in private code points, some thousand at a time."""
    kept = {character for _, character in to_private}
    for word in sorted(words):
        if not _usable(word, kept):
            continue
        private = "".join(to_private[index > 0, c] for index, c in enumerate(word)) + " "
        at_once = max(1, _FEED // len(private))
        for done in range(0, words[word], at_once):
            yield private * min(at_once, words[word] - done)


def _spell(places: list[tuple[bool, str]]) -> str:
    continues = places[0][0]
    return (CONTINUATION if continues else "") + "".join(character for _, character in places)
