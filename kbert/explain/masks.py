"""What pretraining makes of a text: which tokens are to be guessed, and what stands in their place.

Shapes: L length.
"""

from dataclasses import dataclass
from html import escape
from pathlib import Path
from typing import Literal, get_args

import numpy as np

from kbert.data.pretraining.masking import mask_tokens
from kbert.errors import KbertError
from kbert.explain.page import WORDS, Language, Part, checked, save_page, whole_page
from kbert.explain.read_text import ReadText, read_text
from kbert.text.korean.morphemes import Analyser, Morphemes
from kbert.text.tokenizer import Tokenizer

Unit = Literal["token", "eojeol", "morpheme"]
Fate = Literal["special", "seen", "mask", "random", "kept"]


@dataclass(frozen=True, eq=False)
class MaskedText:
    """A text as a model in pretraining is given it.

    Attributes:
        pieces: the L tokens that were there.
        shown: the L tokens that the model sees.
        fates: of each token: "special" (never touched), "seen" (not asked for), or to be guessed
            and shown as "mask" ([MASK], 80%), "random" (another token, 10%) or "kept" (as it is,
            10%).
        unit: what was masked as a whole.
        starts: (L,) bool, where a unit begins.
    """

    pieces: list[str]
    shown: list[str]
    fates: list[Fate]
    unit: Unit
    starts: np.ndarray

    def html(self, language: Language = "ko") -> str:
        """The picture as a page, in Korean ("ko") or English ("en")."""
        return whole_page(_picture(self, language), language)

    def save(self, path: str | Path, language: Language = "ko") -> None:
        """Writes the page to an `.html` file."""
        save_page(path, self.html(language))

    def _repr_html_(self) -> str:
        return _picture(self, "ko").fragment()


def masking(
    tokenizer: Tokenizer,
    text: str,
    seed: int,
    unit: Unit = "token",
    rate: float = 0.15,
    *,
    analyser: Analyser = "mecab",
) -> MaskedText:
    """Masks a text as pretraining does, by the same function.

    Args:
        tokenizer: cuts the text.
        text: the text.
        seed: another seed masks other tokens, as another epoch does.
        unit: what is masked as a whole: a "token", an "eojeol" or a "morpheme".
        rate: the share of ordinary tokens to guess, in (0, 1].
        analyser: finds the morphemes; see `Morphemes`.

    Raises:
        KbertError: if there is no such unit, or the rate is not one.

    Example:
        >>> import kbert
        >>> tokenizer = kbert.Tokenizer("[PAD] [UNK] [CLS] [SEP] [MASK] 국회 ##의 법률".split())
        >>> masked = kbert.explain.masking(tokenizer, "국회의 법률", 2, unit="eojeol", rate=0.7)
        >>> masked.fates
        ['special', 'mask', 'mask', 'seen', 'special']
        >>> masked.shown
        ['[CLS]', '[MASK]', '[MASK]', '법률', '[SEP]']

    Source: Devlin et al. 2018, section 3.1, Task #1.
    """
    if unit not in get_args(Unit):
        raise KbertError(f"unit is one of {', '.join(get_args(Unit))}, not {unit!r:.40}")
    read = read_text(tokenizer, text)
    ids = read.ids[None]  # (1, L)
    starts = _starts(read, text, unit, analyser)  # (L,)
    masked = mask_tokens(
        ids,
        tokenizer,
        np.random.default_rng(seed),
        word_starts=None if unit == "token" else starts[None],
        rate=rate,
    )
    special = np.isin(read.ids, tokenizer.special_ids)
    fates: list[Fate] = ["special" if each else "seen" for each in special]
    shown_ids = masked.input_ids[0]
    for place in masked.positions[0][masked.weights[0] > 0]:
        if shown_ids[place] == read.ids[place]:  # also where a random token was drawn that is equal
            fates[place] = "kept"
        else:
            fates[place] = "mask" if shown_ids[place] == tokenizer.mask_id else "random"
    shown = [tokenizer.token(int(index)) for index in shown_ids]
    return MaskedText(read.pieces, shown, fates, unit, starts)


def _starts(read: ReadText, text: str, unit: Unit, analyser: Analyser) -> np.ndarray:
    """(L,) where a unit begins."""
    if unit == "token":
        return np.ones(len(read.ids), bool)
    starts = np.diff(read.eojeol_of, prepend=-1) != 0
    if unit == "morpheme":
        begins = [start for start, _ in Morphemes(analyser).spans(text)]
        of = np.searchsorted(begins, read.offsets[:, 0], side="right")  # (L,) begins within
        starts |= np.diff(of, prepend=-1) != 0
    return starts


def _picture(masked: MaskedText, language: Language) -> Part:
    words = WORDS[checked(language)]
    units: list[str] = []
    for piece, shown, fate, start in zip(
        masked.pieces, masked.shown, masked.fates, masked.starts, strict=True
    ):
        below = f"<small>{escape(piece)}</small>" if shown != piece else "<small>&nbsp;</small>"
        told = words.get(fate, "")
        chip = f'<span class="chip {fate}" title="{told}">{escape(shown)}{below}</span>'
        if start or not units:
            units.append(chip)
        else:
            units[-1] += chip
    named: tuple[Fate, ...] = ("mask", "random", "kept", "seen")
    counts = "".join(
        f'<span class="chip {fate}">{words[fate]} {masked.fates.count(fate)}</span>'
        for fate in named
    )
    whole = "".join(f"<span class=unit>{unit}</span>" for unit in units)
    body = f"<div class=chips>{whole}</div><div class='chips legend'>{counts}</div>"
    return Part(words["masking"], words["masking_note"], body)
