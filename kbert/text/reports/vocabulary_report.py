"""What a vocabulary does to a text: to compare vocabularies before a model is trained on one."""

from collections import Counter
from collections.abc import Iterable

from kbert.errors import KbertError
from kbert.text.tokenizer import Tokenizer
from kbert.text.vocabulary import CONTINUATION, SPECIAL_TOKENS, ksx1001_syllables

_SYLLABLES = [chr(code) for code in range(ord("가"), ord("힣") + 1)]  # 11,172


def vocabulary_report(tokenizer: Tokenizer, texts: Iterable[str], longest: int = 5) -> dict:
    """Measures a vocabulary on texts, which should not be those that it was trained on.

    Args:
        tokenizer: the vocabulary, with its settings.
        texts: running text.
        longest: how many of the longest tokens to name.

    Returns:
        `tokens`: the vocabulary's size; `tokens_per_eojeol`; `unk_rate` and `unk_eojeols`: the
        share of tokens that are [UNK], and of eojeols that have one; `used`: the share of the
        vocabulary that the texts use; `syllables` and `ksx1001_syllables`: how many of the
        11,172 possible and of the 2,350 common ones can be written wherever they stand (as `가`
        and `##가`, or with jamo); `lengths`: how many tokens have each number of characters;
        `longest`: the longest tokens in Hangul. Rates are in [0, 1].

    Raises:
        KbertError: if the texts are empty.

    Example:
        >>> tokens = "[PAD] [UNK] [CLS] [SEP] [MASK] 국회 ##에 ##가 가".split()
        >>> report = vocabulary_report(Tokenizer(tokens), ["국회에 국회가", "뷁 국회"])
        >>> report["tokens_per_eojeol"], report["unk_eojeols"], report["syllables"]
        (1.5, 0.25, 1)
    """
    eojeols: Counter[str] = Counter()
    for text in texts:
        eojeols.update(text.split())
    if not eojeols:
        raise KbertError("a vocabulary needs some text to be measured on, and there is none")
    pieces = tokenizer.encode(list(eojeols))  # WordPiece never looks beyond an eojeol
    total = unknown = with_unknown = 0
    used: set[int] = set()
    for ids, count in zip(pieces, eojeols.values(), strict=True):
        total += len(ids) * count
        missing = sum(1 for index in ids if index == tokenizer.unk_id)
        unknown += missing * count
        with_unknown += count * (missing > 0)
        used.update(ids)

    vocabulary = set(tokenizer.vocabulary)
    ordinary = [token for token in tokenizer.vocabulary if token not in SPECIAL_TOKENS]
    bare = [token.removeprefix(CONTINUATION) or token for token in ordinary]
    hangul = {token for token in bare if all("가" <= character <= "힣" for character in token)}

    def covered(syllables: list[str]) -> int:
        if tokenizer.jamo_fallback:
            return len(syllables)
        return sum(s in vocabulary and CONTINUATION + s in vocabulary for s in syllables)

    return {
        "tokens": len(tokenizer),
        "tokens_per_eojeol": total / eojeols.total(),
        "unk_rate": unknown / max(1, total),
        "unk_eojeols": with_unknown / eojeols.total(),
        "used": len(used) / len(tokenizer),
        "syllables": covered(_SYLLABLES),
        "ksx1001_syllables": covered(ksx1001_syllables()),
        "lengths": dict(sorted(Counter(map(len, bare)).items())),
        "longest": sorted(hangul, key=lambda token: (-len(token), token))[:longest],
    }
