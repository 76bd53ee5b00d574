"""A `tokenizer.json`, Hugging Face's one file for a whole tokenizer, read.

It describes any chain of steps. Read are the chains that BERT's, the unigram models' and byte-level
BPE's tokenizers have, and those that kbert writes; any other is refused, rather than read as
something like it.
"""

from pathlib import Path
from typing import Any

from tokenizers import AddedToken

from kbert.errors import KbertError
from kbert.files.json_file import read_json_object
from kbert.text import special_tokens
from kbert.text.files.added_tokens import Arguments, add_tokens, beyond_roles, read_added, read_flag
from kbert.text.files.own_files import decode_charsmap, read_bytes
from kbert.text.korean.normalize import RULES, replacements_of
from kbert.text.merges import check_merges
from kbert.text.vocabulary import CONTINUATION, MAX_WORD_LENGTH

_PLAIN_BPE = {  # and what kbert's has not
    "dropout": 0.0,
    "continuing_subword_prefix": "",
    "end_of_word_suffix": "",
    "byte_fallback": False,
    "ignore_merges": False,
}
_MOST_BYTES = 20 << 20  # XLM-RoBERTa's has 9 MB, and as many again where it is indented


def read_tokenizer_json(path: Path) -> Arguments:
    """The constructor's arguments, from a `tokenizer.json`.

    Raises:
        KbertError: if it is of another kind, or has a step that kbert does not have.
    """
    arguments = parse_tokenizer_json(path)
    return {**arguments, "added_tokens": beyond_roles(arguments)}


def parse_tokenizer_json(path: Path) -> Arguments:
    """The same, but for `added_tokens`, which holds all by their texts, those with a role too."""
    where = str(path)
    whole = read_json_object(read_bytes(path, _MOST_BYTES), where, max_bytes=_MOST_BYTES)
    model = _object(whole.get("model"), "model", where)
    silent = {"unk_id": "Unigram", "merges": "BPE"}
    kind = model.get("type", next((silent[name] for name in silent if name in model), "WordPiece"))
    added = whole.get("added_tokens") or []
    if not isinstance(added, list):
        raise KbertError(f"{where}: added_tokens is a list, not {added!r:.80}")
    entries = [_object(entry, "an added token", where) for entry in added]
    decoder = read_added({str(entry.get("id")): entry for entry in entries}, where)
    if kind == "WordPiece":
        arguments = _wordpiece(model, whole, where)
    elif kind == "Unigram":
        arguments = _unigram(model, whole, where)
    elif kind == "BPE":
        arguments = _byte_level(model, whole, decoder, where)
    else:
        raise KbertError(
            f"{where}: a model of type {kind!r:.40}; kbert has WordPiece, Unigram and BPE of bytes"
        )
    add_tokens(arguments, decoder, where)
    arguments["special_tokens"] |= _specials_of_template(whole.get("post_processor"))
    return arguments


def _object(value: Any, name: str, where: str) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise KbertError(f"{where}: {name} is an object, not {value!r:.80}")
    return value


def _wordpiece(model: dict[str, Any], whole: dict[str, Any], where: str) -> Arguments:
    vocabulary = _in_order(_object(model.get("vocab"), "vocab", where), where)
    prefix = model.get("continuing_subword_prefix", CONTINUATION)
    longest = model.get("max_input_chars_per_word", MAX_WORD_LENGTH)
    if prefix != CONTINUATION or longest != MAX_WORD_LENGTH:
        raise KbertError(
            f"{where}: a WordPiece with the prefix {prefix!r:.40} and words of at most "
            f"{longest!r:.40} characters; kbert's are {CONTINUATION!r} and {MAX_WORD_LENGTH}"
        )
    before, steps = _before(_steps(whole.get("normalizer"), "normalizers", where))
    kinds = [step.get("type") for step in steps]
    cuts = _steps(whole.get("pre_tokenizer"), "pretokenizers", where)
    if kinds != ["BertNormalizer"] or [cut.get("type") for cut in cuts] != ["BertPreTokenizer"]:
        raise KbertError(
            f"{where}: a WordPiece with the steps {kinds!r:.80} and "
            f"{[cut.get('type') for cut in cuts]!r:.80}; kbert's are BertNormalizer and "
            "BertPreTokenizer"
        )
    bert = steps[0]
    if not bert.get("clean_text", True):
        raise KbertError(f"{where}: a BertNormalizer that does not clean; kbert's does")
    found = special_tokens.guess(vocabulary)
    if isinstance(model.get("unk_token"), str):
        found["unk"] = model["unk_token"]
    return {
        **before,
        "vocabulary": vocabulary,
        "special_tokens": found,
        "lowercase": bool(read_flag(bert.get("lowercase", True), "lowercase", where)),
        "strip_accents": read_flag(bert.get("strip_accents"), "strip_accents", where),
        "split_cjk": bool(read_flag(bert.get("handle_chinese_chars", True), "split_cjk", where)),
        "roberta_pairs": _doubles_separator(whole.get("post_processor")),
    }


def _unigram(model: dict[str, Any], whole: dict[str, Any], where: str) -> Arguments:
    entries, unk_id = model.get("vocab"), model.get("unk_id")
    if not isinstance(entries, list) or not all(
        isinstance(entry, list) and len(entry) == 2 and isinstance(entry[0], str)
        for entry in entries
    ):
        raise KbertError(f"{where}: the vocabulary of a unigram model is a list of [piece, score]")
    if not isinstance(unk_id, int) or not 0 <= unk_id < len(entries):
        raise KbertError(f"{where}: unk_id is the id of a piece, not {unk_id!r:.40}")
    if model.get("byte_fallback"):
        raise KbertError(
            f"{where}: the model falls back to bytes (byte_fallback), as mmBERT's and Gemma's do, "
            "which kbert does not; it reads byte-level BPE, Unigram and WordPiece"
        )
    before, steps = _before(_steps(whole.get("normalizer"), "normalizers", where))
    arguments: Arguments = {"charsmap": b"", "lowercase": False, "strip_accents": False, **before}
    kinds = [step.get("type") for step in steps if not _collapses_spaces(step)]
    expected = []
    if "StripAccents" in kinds:
        arguments["strip_accents"] = True
        expected += ["Replace", "Replace", "NFKD", "StripAccents"]
        expected += ["NFC"] * ("NFC" in kinds)  # ours
    if "Lowercase" in kinds:
        arguments["lowercase"] = True
        expected.append("Lowercase")
    if "Precompiled" in kinds:
        table = next(step for step in steps if step.get("type") == "Precompiled")
        arguments["charsmap"] = decode_charsmap(table.get("precompiled_charsmap"), where)
        expected.append("Precompiled")
    if kinds != expected:
        raise KbertError(f"{where}: kbert's unigram models do not have the steps {kinds!r:.80}")
    kinds = [c.get("type") for c in _steps(whole.get("pre_tokenizer"), "pretokenizers", where)]
    if kinds not in (["WhitespaceSplit", "Metaspace"], ["Metaspace"]):
        raise KbertError(f"{where}: kbert's unigram models are cut at spaces, not by {kinds!r:.80}")
    vocabulary = [entry[0] for entry in entries]
    return {
        **arguments,
        "vocabulary": vocabulary,
        "scores": [entry[1] for entry in entries],
        "special_tokens": {**special_tokens.guess(vocabulary), "unk": vocabulary[unk_id]},
        "roberta_pairs": _doubles_separator(whole.get("post_processor")),
    }


def _byte_level(
    model: dict[str, Any], whole: dict[str, Any], added: dict[int, AddedToken], where: str
) -> Arguments:
    """Byte-level BPE; the ids that its vocabulary leaves out are those of added tokens."""
    ids = dict(_object(model.get("vocab"), "vocab", where))
    for index, token in added.items():
        ids.setdefault(token.content, index)
    vocabulary = _in_order(ids, where)
    for name, plain in _PLAIN_BPE.items():
        if model.get(name) not in (None, plain):
            raise KbertError(
                f"{where}: a BPE with {name} {model[name]!r:.40}; kbert has byte-level BPE without"
            )
    before, steps = _before(_steps(whole.get("normalizer"), "normalizers", where))
    kinds = [step.get("type") for step in steps]
    cuts = _steps(whole.get("pre_tokenizer"), "pretokenizers", where)
    bytewise = [cut.get("type") for cut in cuts] == ["ByteLevel"]
    if kinds not in ([], ["NFC"]) or not bytewise or not cuts[0].get("use_regex", True):
        raise KbertError(
            f"{where}: a BPE with the steps {kinds!r:.80} and "
            f"{[cut.get('type') for cut in cuts]!r:.80}; kbert's are NFC and ByteLevel"
        )
    if cuts[0].get("add_prefix_space", True):
        raise KbertError(f"{where}: a BPE that puts a space before each text; kbert's does not")
    merges = model.get("merges")
    if isinstance(merges, list):  # the older form is one text, with a space between
        merges = [m.split(" ") if isinstance(m, str) else m for m in merges]
    return {
        **before,
        "vocabulary": vocabulary,
        "merges": check_merges(merges, f"{where}: merges") if merges is not None else [],
        "special_tokens": special_tokens.guess(vocabulary),
        "roberta_pairs": _doubles_separator(whole.get("post_processor")),
    }


def _in_order(ids: dict[str, Any], where: str) -> list[str]:
    """The tokens in the order of their ids, which go from 0 on without a gap."""
    whole_numbers = all(isinstance(index, int) for index in ids.values())
    vocabulary = sorted(ids, key=ids.__getitem__) if whole_numbers else []
    if [ids[token] for token in vocabulary] != list(range(len(ids))):
        raise KbertError(f"{where}: the ids of the vocabulary do not go from 0 to {len(ids) - 1}")
    return vocabulary


def _before(steps: list[dict[str, Any]]) -> tuple[Arguments, list[dict[str, Any]]]:
    """The rules and the form that `write_folder` wrote first, and the steps behind them."""
    replaced: dict[int, Any] = {}
    for step in steps:
        pattern = step.get("pattern")
        character = pattern.get("String") if isinstance(pattern, dict) else None
        if step.get("type") != "Replace" or not isinstance(character, str) or len(character) != 1:
            break
        if ord(character) in replaced:
            return {}, steps  # not ours: the second changes what the first wrote
        replaced[ord(character)] = step.get("content")
    rest = steps[len(replaced) :]
    rules = [r for r in RULES if replacements_of((r,)).items() <= replaced.items()]
    if replacements_of(tuple(rules)) != replaced:
        return {}, steps  # not ours
    kinds = [step.get("type") for step in rest[:2]]
    if kinds[:1] == ["NFC"] or (kinds[:1] == ["NFKD"] and kinds != ["NFKD", "StripAccents"]):
        return {"rules": rules, "form": kinds[0]}, rest[1:]
    return {"rules": rules}, rest


def _collapses_spaces(step: dict[str, Any]) -> bool:
    """Whether a step is about spaces only, at which we cut in any case."""
    return step.get("type") == "Strip" or step.get("pattern") in ({"Regex": " {2,}"},)


def _steps(step: Any, plural: str, where: str) -> list[dict[str, Any]]:
    """A step, or the steps of a sequence, and of sequences within it."""
    if step is None:
        return []
    found = []
    for each in _inner(_object(step, "a step", where), plural, where):
        found += _inner(_object(each, "a step", where), plural, where)
    return [dict(_object(each, "a step", where)) for each in found]


def _inner(step: dict[str, Any], plural: str, where: str) -> list[Any]:
    steps = step.get(plural) if step.get("type") == "Sequence" else [step]
    if not isinstance(steps, list):
        raise KbertError(f"{where}: a sequence has a list of {plural}, not {steps!r:.80}")
    return steps


def _template(post_processor: Any, name: str) -> list[str]:
    """The special tokens of a template, as they stand; nothing where it is not one."""
    if not isinstance(post_processor, dict) or not isinstance(post_processor.get(name), list):
        return []
    inner = [p.get("SpecialToken") for p in post_processor[name] if isinstance(p, dict)]
    found = [special.get("id") for special in inner if isinstance(special, dict)]
    return [token for token in found if isinstance(token, str)]


def _specials_of_template(post_processor: Any) -> dict[str, str]:
    single = _template(post_processor, "single")
    if len(single) == 2 and single[0] != single[1]:
        return {"cls": single[0], "sep": single[1]}
    return {}


def _doubles_separator(post_processor: Any) -> bool:
    if isinstance(post_processor, dict) and post_processor.get("type") == "RobertaProcessing":
        return True
    return len(_template(post_processor, "pair")) == 4
