"""A blank filled by a whole Korean word of one to four pieces.

A blank is one [MASK], but a word may be several pieces. So each number of pieces is tried, with
as many [MASK], and the score of a word of n pieces is

    P(n) * product over i of p(piece i | the text, the pieces before it, [MASK] for those behind)

The probabilities are over the whole vocabulary, and not only over what may stand there: where
there are too many [MASK], and the model would rather begin another word, every filling has a low
score, and so words of different lengths can be compared. P(n) is the share of words that have n
pieces. (The usual mean over the pieces prefers long words, whose last pieces follow nearly surely
from the first.)

Source: Kauf and Ivanova 2023, "A Better Way to Do Masked Language Model Scoring" (the pieces of a
word from left to right); Jiang et al. 2020, "X-FACTR", section 4 (several numbers of masks).
"""

import math
import re
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from kbert.errors import KbertError
from kbert.models.base import KbertModel
from kbert.pipelines.encode import mask_token, to_rows, tokenizer_of
from kbert.pipelines.left_to_right import Filled, Form, fill_left_to_right
from kbert.text import josa
from kbert.text.tokenizer import Tokenizer
from kbert.text.vocabulary import CONTINUATION

# The share of words of Korean Wikipedia that have 1, 2, 3 or 4 pieces: the middle of seven
# vocabularies of 1,500 to 32,200 tokens, with and without the particle (0.28 to 0.65 have one).
SHARES = (0.5, 0.33, 0.13, 0.04)
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
    """A form whose first `pieces` blanks are a word, and the others its particle."""

    pieces: int = 1
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
        letters = np.array([piece.isalnum() for piece in self.pieces])
        self.first, self.rest = letters & ~continues, letters & continues
        self._agreeing: dict[str, np.ndarray] = {}

    def any_word(self, question: int, blank: Blank, index: int) -> list[EojeolForm]:
        """Every word of one to four pieces.

        Where there is a particle, it is part of what is guessed, in either form: a word is then
        one that takes this form.

        Args:
            question: the number that the forms get.
            blank: the blank.
            index: how many blanks the text has before it.
        """
        made = []
        for particle in josa.forms(blank.particle) or ("",):
            for count in range(1, len(SHARES) + 1):
                choices = [self.first, *[self.rest] * (count - 1)]
                if particle:
                    choices[-1] = choices[-1] & self._agrees(particle)
                made.append(self._form(question, blank, index, choices, particle))
        return made

    def one_word(self, question: int, blank: Blank, index: int, ids: list[int]) -> EojeolForm:
        """A word that is given, by its pieces."""
        word = "".join(self.pieces[piece] for piece in ids)
        particle = josa.agree(word, blank.particle)
        choices = [self._only(piece) for piece in ids]
        return self._form(question, blank, index, choices, particle)

    def _form(
        self, question: int, blank: Blank, index: int, choices: list[np.ndarray], particle: str
    ) -> EojeolForm:
        """A row with a mask for each piece, of the word and of the particle, and their choices."""
        count, mask = len(choices), mask_token(self.tokenizer)
        texts = [blank.before + mask * count + particle + blank.after, mask + particle]
        row, alone = to_rows(self.tokenizer, texts, glued_to_mask="continuation")
        start = int(np.flatnonzero(row["input_ids"] == self.tokenizer.mask_id)[index])
        particle_pieces = alone["input_ids"][2:-1]  # behind [CLS] and the mask, before [SEP]
        places = list(range(start, start + count + len(particle_pieces)))
        row["input_ids"][places] = self.tokenizer.mask_id
        choices = [*choices, *map(self._only, particle_pieces)]
        score = math.log(SHARES[count - 1])
        return EojeolForm(question, row, places, choices, score, count, particle)

    def _agrees(self, particle: str) -> np.ndarray:
        """Which pieces a word can end in that takes a particle in this form: (V,) booleans."""
        if particle not in self._agreeing:
            agreeing = [josa.agree(piece, particle) == particle for piece in self.pieces]
            self._agreeing[particle] = np.array(agreeing)
        return self._agreeing[particle]

    def _only(self, piece: int) -> np.ndarray:
        return np.arange(len(self.pieces)) == piece

    def word(self, filled: Filled) -> Word:
        """The word that a filling is."""
        form = filled.form
        assert isinstance(form, EojeolForm)
        ids = filled.ids[: form.pieces]
        return Word(ids, "".join(self.pieces[piece] for piece in ids), form.particle)

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
    tokenizer, longest = tokenizer_of(model), model.bert.max_length
    words, mask = EojeolForms(tokenizer), mask_token(tokenizer)
    given = None if targets is None else _target_words(tokenizer, targets)
    blanks = [find_blanks(text, mask, agree) for text in texts]
    questions = [(i, blank) for each in blanks for i, blank in enumerate(each)]
    forms: list[Form] = []
    for number, (index, blank) in enumerate(questions):
        made = (
            words.any_word(number, blank, index)
            if given is None
            else [words.one_word(number, blank, index, ids) for ids in given]
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
        [_answer(words.word(filled), blank, filled.score) for filled in found[number]]
        for number, (_, blank) in enumerate(questions)
    )
    return [[next(answers) for _ in each] for each in blanks]


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
        if not 1 <= len(pieces) <= len(SHARES) or tokenizer.unk_id in pieces:
            tokens = " ".join(map(tokenizer.token, pieces))
            raise KbertError(
                f"the target {word!r} is {tokens or 'nothing'} to this tokenizer: with "
                f"unit='eojeol' a target is a word of one to {len(SHARES)} pieces"
            )
        given.append(pieces)
    if not given:
        raise KbertError("there is no target to judge: pass words")
    return given
