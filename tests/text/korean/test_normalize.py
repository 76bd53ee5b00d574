import sys
import unicodedata

import pytest

from kbert import KbertError
from kbert.text.korean.normalize import decomposes_into_marks, nfc, normalize, replacements_of


def test_nfc_leaves_compatibility_jamo_alone():
    assert nfc("ㅋㅋ ㅠㅠ") == "ㅋㅋ ㅠㅠ"  # NFKC would rewrite them


def test_bad_texts():
    with pytest.raises(TypeError, match="NoneType"):
        nfc(None)
    with pytest.raises(KbertError, match=r"surrogate .* at character 1"):
        nfc("a\ud800")


def test_endless_marks_do_not_hang():
    """Python sorts n marks in n * n steps: 200,000 would take minutes."""
    for marks in ("\u0301\u0323", "\u0f73", "\u0301\u0f75\u0f81"):
        text = "한" + marks * 100_000
        assert normalize(text) is text
    for marks in ("\uff9e\u0301", "\uff9e"):  # marks in NFKD alone
        text = "한" + marks * 100_000
        assert normalize(text, "NFKD") is text
        assert normalize(text) == unicodedata.normalize("NFC", text)


def test_what_becomes_marks_is_counted_as_marks():
    """Of all Unicode: what a form begins with a mark is a mark, or known to become one."""
    for form, canonical in (("NFC", "NFD"), ("NFKD", "NFKD")):
        for character in map(chr, range(sys.maxunicode + 1)):
            if unicodedata.combining(unicodedata.normalize(canonical, character)[0]):
                known = ord(character) in decomposes_into_marks(form)
                assert known or unicodedata.combining(character)
    usual = "한" + "\u0301\u0323" * 50
    assert normalize(usual) == unicodedata.normalize("NFC", usual) != usual


def test_width_is_unicodes():
    table = replacements_of(("width",))
    assert "ＡＢｃ１！ﾡￜ".translate(table) == "ABc1!ㄱㅣ"
    for code, character in table.items():
        assert unicodedata.normalize("NFKC", chr(code)) == unicodedata.normalize("NFKC", character)


def test_a_narrow_filler_becomes_a_space_under_both_rules():
    """To Unicode it is a narrow form of U+3164; but it is no letter to be made wide."""
    for rules in (("fillers", "width"), ("width", "fillers"), ("fillers",)):
        spaced = normalize("국회\uffa0끝\u3164", replacements=replacements_of(rules))
        assert spaced == "국회 끝 "
    assert normalize("\uffa0Ａ", replacements=replacements_of(("width",))) == "\uffa0A"
