"""Documents into sentences, by rule."""

import re

# An end mark, the quotes and brackets that close behind it, and white space.
_END = re.compile(r"[.!?…]+[\"'”’」』〉》)\]]*\s+")
_CLOSERS = "\"'”’」』〉》)]"


def split_sentences(text: str) -> list[str]:
    """Splits running Korean text into sentences.

    A sentence ends at `.`, `!`, `?` or `…`, with the quotes and brackets that close behind it, if
    white space follows. A full stop ends a sentence only behind Hangul or a closing quote or
    bracket: so dates (2010. 11. 12.), initials (J. Kim) and item marks (가. 목적) stay whole.

    Args:
        text: one paragraph; a line break counts as a space.

    Returns:
        The sentences, stripped, none empty.

    Example:
        >>> split_sentences("그는 갔다. 2010. 11. 12. 일이다! 가. 목적은 이렇다.")
        ['그는 갔다.', '2010. 11. 12. 일이다!', '가. 목적은 이렇다.']
    """
    sentences, start = [], 0
    for match in _END.finditer(text):
        if _ends_sentence(text, start, match.start(), match.group()):
            sentences.append(text[start : match.end()])
            start = match.end()
    sentences.append(text[start:])
    return [" ".join(sentence.split()) for sentence in sentences if sentence.strip()]


def _ends_sentence(text: str, start: int, mark: int, marks: str) -> bool:
    if marks.rstrip() != ".":
        return True
    before = text[mark - 1 : mark]
    if not ("가" <= before <= "힣" or before in _CLOSERS):
        return False
    return mark - start > 1  # a single syllable is an item mark: 가. 나. 다.
