"""A blank filled by a whole Korean word of one to four pieces.

A blank is one [MASK], but a word may be several pieces. So each number of pieces n is tried, with
as many [MASK], and a word's score is the product of

    p(piece i | the text, the pieces before it, [MASK] for those behind it)

to the power 1 / sqrt(n): for n = 1 the probability itself. The probabilities are over the whole
vocabulary, and not only over what may stand there: where there are too many [MASK], and the model
would rather begin another word, every filling has a low score.

The power was chosen by blanking 60 words of the texts that the quickstart's model had learned (31
of one piece, 19, 6 and 4 of two, three and four). The word came first, and among the first five,
for 39 and 48 of them by the product alone, for 42 and 48 by the power 1 / sqrt(n), and for 42 and
49 by 1 / n; but then a quarter of all answers had four pieces, and few of those were words.

Source: Jiang et al. 2020, "X-FACTR", section 4 (several numbers of masks); Wu et al. 2016, section
7 (a power of the length); Kauf and Ivanova 2023, "A Better Way to Do Masked Language Model
Scoring" (the pieces of a word from left to right).
"""

import math
import re
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from kbert.errors import KbertError
from kbert.models.base import KbertModel
from kbert.pipelines.encode import to_rows, tokenizer_of
from kbert.pipelines.left_to_right import Filled, Form, fill_left_to_right
from kbert.text.korean import josa
from kbert.text.korean.normalize import nfc
from kbert.text.tokenizer import Tokenizer
from kbert.text.vocabulary import CONTINUATION

MOST_PIECES = 4
BEAM_SIZE = 10


class Blank(NamedTuple):
    """A blank, and the text around it."""

    before: str
    particle: str  # glued to the blank and with two forms, or ""
    after: str


class Word(NamedTuple):
    """What fills a blank: its pieces, as a text, and the particle in the form that it takes."""

    ids: list[int]
    text: str
    particle: str


def find_blanks(text: str, mask: str, agree: bool) -> list[Blank]:
    """The blanks of a text.

    Args:
        text: the text.
        mask: how the tokenizer spells a blank.
        agree: whether to look for particles; else they are text as any other.

    Raises:
        KbertError: if a blank is glued to what is before it, and so does not begin a word.

    Example:
        >>> find_blanks("모든 [MASK]은 평등하다.", "[MASK]", agree=True)
        [Blank(before='모든 ', particle='은', after=' 평등하다.')]
    """
    parts = text.split(mask)
    blanks = []
    for i in range(1, len(parts)):
        behind_a_blank = i > 1 and not parts[i - 1]
        if behind_a_blank or parts[i - 1][-1:].isalnum():
            raise KbertError(
                f"a whole word begins at its blank, and in {text!r:.80} one is glued to what is "
                f"before it: write a space before {mask}, or use unit='token'"
            )
        glued = re.match(r"\w*", parts[i])
        particle = glued.group() if agree and glued and josa.forms(glued.group()) else ""
        after = mask.join(parts[i:])[len(particle) :]
        blanks.append(Blank(mask.join(parts[:i]), particle, after))
    return blanks


@dataclass(frozen=True, eq=False)
class EojeolForm(Form):
    """A form whose blanks are the pieces of a word, and the form of the particle behind them."""

    particle: str = ""


class EojeolForms:
    """Whole words as forms for `fill_left_to_right`, and the fillings of forms as words.

    Args:
        tokenizer: a tokenizer whose pieces within a word begin with `##`.

    Raises:
        KbertError: if they do not.
    """

    def __init__(self, tokenizer: Tokenizer):
        vocabulary = tokenizer.vocabulary
        continues = np.array([token.startswith(CONTINUATION) for token in vocabulary])
        if not continues.any():
            raise KbertError("unit='eojeol' needs a WordPiece vocabulary, with pieces like ##는")
        self.tokenizer = tokenizer
        self.pieces = [token.removeprefix(CONTINUATION) for token in vocabulary]
        letters = np.array([all(map(_is_read, piece)) for piece in self.pieces])
        self.first, self.rest = letters & ~continues, letters & continues
        self._endings: dict[tuple[str, str], np.ndarray] = {}

    def any_word(self, question: int, blank: Blank, index: int) -> list[EojeolForm]:
        """Every word of one to four pieces.

        Where there is a particle that agrees, both its forms are tried, each with the words that
        take it.

        Args:
            question: the index that the forms get.
            blank: the blank.
            index: how many blanks the text has before it.
        """
        made = []
        for particle in josa.forms(blank.particle) or ("",):
            for count in range(1, MOST_PIECES + 1):
                choices = [self.first, *[self.rest] * (count - 1)]
                if particle:
                    choices[-1] = choices[-1] & self._ends(blank.particle, particle)
                made.append(self._form(question, blank, index, choices, particle))
        return made

    def one_word(self, question: int, blank: Blank, index: int, ids: list[int]) -> EojeolForm:
        """A word that is given, by its pieces."""
        particle = josa.agree(self._word(ids), blank.particle)
        choices = [np.arange(len(self.pieces)) == piece for piece in ids]
        return self._form(question, blank, index, choices, particle)

    def _form(
        self, question: int, blank: Blank, index: int, choices: list[np.ndarray], particle: str
    ) -> EojeolForm:
        """A row with a mask for each piece, and what may be there."""
        count = len(choices)
        text = blank.before + self.tokenizer.mask_token * count + particle + blank.after
        (row,) = to_rows(self.tokenizer, [text], glued_to_mask="continuation")
        masks = np.flatnonzero(row["input_ids"] == self.tokenizer.mask_id)
        positions = masks[index : index + count].tolist()
        return EojeolForm(question, row, positions, choices, particle)

    def _ends(self, written: str, particle: str) -> np.ndarray:
        """Which pieces a word can end in that makes a particle, as it is written, take a form."""
        if (written, particle) not in self._endings:
            endings = [josa.agree(piece, written) == particle for piece in self.pieces]
            self._endings[written, particle] = np.array(endings)
        return self._endings[written, particle]

    def _word(self, ids: list[int]) -> str:
        return nfc("".join(self.pieces[piece] for piece in ids))  # jamo make syllables

    def word(self, filled: Filled) -> Word:
        """The word that a filling is."""
        form = filled.form
        assert isinstance(form, EojeolForm)
        text = self._word(filled.ids)
        return Word(filled.ids, text, form.particle)

    def is_whole(self, filled: Filled) -> bool:
        """Whether the tokenizer cuts the word so: 국 ##회 is never seen if 국회 is a token."""
        word = self.word(filled)
        return self.tokenizer.encode([word.text])[0] == word.ids


def fill_with_eojeols(
    model: KbertModel,
    texts: list[str],
    targets: str | int | list[str | int] | None,
    *,
    agree: bool,
    top_k: int,
    batch_size: int,
) -> list[list[list[dict[str, Any]]]]:
    """The likeliest words for each blank of each text; see `FillMask`."""
    tokenizer, longest = tokenizer_of(model), model.max_length
    words, mask = EojeolForms(tokenizer), tokenizer.mask_token
    given = None if targets is None else _target_words(tokenizer, targets)
    blanks = [find_blanks(text, mask, agree) for text in texts]
    questions = [(i, blank) for each in blanks for i, blank in enumerate(each)]
    forms: list[Form] = []
    for question, (index, blank) in enumerate(questions):
        made = (
            words.any_word(question, blank, index)
            if given is None
            else [words.one_word(question, blank, index, ids) for ids in given]
        )
        forms += [form for form in made if len(form.row["input_ids"]) <= longest]
    found = fill_left_to_right(
        model,
        forms,
        top_k=top_k,
        beam_size=BEAM_SIZE,
        batch_size=batch_size,
        accept=words.is_whole,
    )
    answers = iter(
        [_answer(words.word(filled), blank, filled.score) for filled in found[question]]
        for question, (_, blank) in enumerate(questions)
    )
    return [[next(answers) for _ in each] for each in blanks]


def _is_read(character: str) -> bool:
    """Whether it is a letter or a digit, and no sign such as ①."""
    return character.isalpha() or character.isdecimal()


def _answer(word: Word, blank: Blank, score: float) -> dict[str, Any]:
    return {
        "score": math.exp(score),
        "tokens": word.ids,
        "token_str": word.text,
        "sequence": blank.before + word.text + word.particle + blank.after,
    }


def _target_words(tokenizer: Tokenizer, targets: str | int | list[str | int]) -> list[list[int]]:
    """The pieces of each word that is a target."""
    given = []
    for target in [targets] if isinstance(targets, str | int) else targets:
        word = target if isinstance(target, str) else tokenizer.token(target)
        pieces = tokenizer.encode([word])[0]
        if not 1 <= len(pieces) <= MOST_PIECES or tokenizer.unk_id in pieces:
            tokens = " ".join(map(tokenizer.token, pieces))
            raise KbertError(
                f"the target {word!r} is {tokens or 'nothing'} to this tokenizer: with "
                f"unit='eojeol' a target is a word of one to {MOST_PIECES} pieces"
            )
        given.append(pieces)
    if not given:
        raise KbertError("there is no target to judge: pass words")
    return given
