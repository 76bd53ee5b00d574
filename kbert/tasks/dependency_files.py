"""Words with parts of speech, heads and relations: KLUE-DP's files, and CoNLL-U."""

from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from kbert.data.labelled.examples import Examples, Origin
from kbert.errors import KbertError
from kbert.tasks.files import lines_of
from kbert.tasks.task_set import TaskSet


class _Columns(NamedTuple):
    """The place of what is read in a line's cells."""

    cells: int
    form: int
    tag: int
    head: int
    relation: int


_KLUE = _Columns(6, 1, 3, 4, 5)
_CONLLU = _Columns(10, 1, 3, 6, 7)


class _Sentence(NamedTuple):
    row: int
    name: str
    text: str  # as the comment has it
    words: list[str]
    labels: list[tuple[int, str, str]]


def read_klue_parses(path: Path, task_set: TaskSet) -> Examples:
    """KLUE-DP: words (eojeol) with (head, relation, parts of speech joined by +).

    The text is the words with spaces between them; the line with ## differs from them in places.

    Raises:
        KbertError: if a line is none of this format, or a tree is none.
    """
    return _parses(path, task_set, _KLUE)


def read_conllu_parses(path: Path, task_set: TaskSet) -> Examples:
    """CoNLL-U: words with (head, relation, universal part of speech).

    The text is the words with spaces between them, also where the comment `# text` has none
    (before a full stop): a word's number is that of `text.split(" ")`.

    Raises:
        KbertError: if a line is none of this format, or a tree is none.
    """
    return _parses(path, task_set, _CONLLU)


def read_conllu_tags(path: Path, task_set: TaskSet) -> Examples:
    """CoNLL-U: the text as it was written, with the part of speech of each word as a span.

    Raises:
        KbertError: if a line is none of this format, or a word is not in its text.
    """
    texts, labels, ids, origins = [], [], [], []
    known = set(task_set.label_names)
    for sentence in _sentences(path, _CONLLU):
        origin, end, spans = Origin(str(path), sentence.row), 0, []
        for word, (_, _, tag) in zip(sentence.words, sentence.labels, strict=True):
            start = sentence.text.find(word, end)
            if start < 0 or sentence.text[end:start].strip():
                raise KbertError(
                    f"{origin}: the word {word!r} is not next in {sentence.text!r:.80}"
                )
            if tag not in known:
                raise KbertError(f"{origin}: {tag!r} is no part of speech of {sorted(known)}")
            end = start + len(word)
            spans.append((start, end, tag))
        texts.append(sentence.text)
        labels.append(spans)
        ids.append(sentence.name)
        origins.append(origin)
    if not texts:
        raise KbertError(f"{path} has no sentences")
    return Examples(
        task_set.task,
        texts,
        labels=labels,
        label_names=list(task_set.label_names),
        ids=ids,
        origins=origins,
    )


def _parses(path: Path, task_set: TaskSet, columns: _Columns) -> Examples:
    texts, labels, ids, origins = [], [], [], []
    known = set(task_set.label_names)
    for sentence in _sentences(path, columns):
        origin = Origin(str(path), sentence.row)
        for word, (head, relation, _) in zip(sentence.words, sentence.labels, strict=True):
            if not 0 <= head <= len(sentence.words):
                raise KbertError(f"{origin}: the head of {word!r} is {head}, which is no word")
            if relation not in known:
                raise KbertError(f"{origin}: {relation!r} is none of {task_set.label_names}")
            if " " in word or not word:
                raise KbertError(f"{origin}: a word without spaces is wanted, not {word!r}")
        texts.append(" ".join(sentence.words))
        labels.append(sentence.labels)
        ids.append(sentence.name)
        origins.append(origin)
    if not texts:
        raise KbertError(f"{path} has no sentences")
    return Examples(
        task_set.task,
        texts,
        labels=labels,
        label_names=list(task_set.label_names),
        ids=ids,
        origins=origins,
    )


def _sentences(path: Path, columns: _Columns) -> Iterator[_Sentence]:
    """The sentences of a file, parted by empty lines; comments begin with #."""
    sentence = _Sentence(0, "", "", [], [])
    for number, line in enumerate([*lines_of(path), ""], 1):
        if line.strip() == "":
            if sentence.words:
                yield sentence
            sentence = _Sentence(0, "", "", [], [])
            continue
        if line.startswith("##"):  # KLUE: ## id<TAB>sentence, right behind a general line or not
            name, _, text = line[2:].partition("\t")
            sentence = _Sentence(number, name.strip(), text, [], [])
            continue
        if line.startswith("#"):
            key, _, value = line[2:].partition(" = ")
            if key == "sent_id":
                sentence = sentence._replace(name=value)
            elif key == "text":
                sentence = sentence._replace(text=value)
            continue
        cells = line.split("\t")
        if len(cells) == columns.cells and not cells[0].isdigit():
            continue  # CoNLL-U's ranges (1-2) and empty nodes (1.1)
        try:
            if len(cells) != columns.cells or int(cells[0]) != len(sentence.words) + 1:
                raise ValueError
            head = int(cells[columns.head])
        except ValueError:
            raise KbertError(
                f"{path}, row {number}: {columns.cells} cells are wanted, the first the word's "
                f"number, with the number of its head; not {line!r:.80}"
            ) from None
        if not sentence.row:
            sentence = sentence._replace(row=number)
        sentence.words.append(cells[columns.form])
        sentence.labels.append((head, cells[columns.relation], cells[columns.tag]))
