"""What a WordPiece engine makes of single characters, asked of itself.

BERT's cleaning and its cuts look at one character at a time. So a table of what becomes of each
says all about them, and there is no table of Unicode here that could differ from the engine's.
"""

from collections.abc import Iterable

import tokenizers


def written_out(engine: tokenizers.Tokenizer, characters: Iterable[str]) -> dict[str, str]:
    """What cleaning makes of each character, with spaces around what is a word of its own.

    Args:
        engine: from `wordpiece_engine`.
        characters: any number, without surrogates.

    Example:
        >>> from kbert.text.encoding.rust import wordpiece_engine
        >>> settings = {"lowercase": True, "strip_accents": False, "split_cjk": True}
        >>> written_out(wordpiece_engine({"[UNK]": 0}, "[UNK]", **settings), "가A.漢\u200b\u3000")
        {'가': '가', 'A': 'a', '.': ' . ', '漢': ' 漢 ', '\u200b': '', '\u3000': ' '}
    """
    asked = list(characters)
    # Each goes by itself, between signs that nothing else becomes or joins.
    cleaned = engine.normalizer.normalize_str("".join(f"{c}|" for c in asked if c != "|"))
    found = iter(cleaned.split("|"))
    become = {c: "|" if c == "|" else next(found) for c in asked}
    letters = "".join(dict.fromkeys(cleaned + "|"))
    words = [word for word, _ in engine.pre_tokenizer.pre_tokenize_str(letters)]
    # Whatever is part of a longer word is a letter; the others are asked for among letters.
    unsure = set(letters).difference(*(word for word in words if len(word) > 1))
    cuts = engine.pre_tokenizer.pre_tokenize_str("".join(f"a{letter}" for letter in unsure) + "a")
    words = [word for word, _ in cuts]
    alone = {word for word in words if len(word) == 1} - {"a"}
    spaces = unsure.difference(*words)
    table = {**dict.fromkeys(spaces, " "), **{letter: f" {letter} " for letter in alone}}
    several = str.maketrans(table)
    return {
        c: table.get(text, text) if len(text) < 2 else text.translate(several)
        for c, text in become.items()
    }
