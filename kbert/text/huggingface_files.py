"""Hugging Face's tokenizer files, in and out: the same ids on both sides.

In: `tokenizer.json`, `vocab.txt` or a SentencePiece file, with what `tokenizer_config.json`,
`special_tokens_map.json` and `added_tokens.json` say about it. Out: files for `AutoTokenizer`.

Where two files disagree, `tokenizer_config.json` is right, as in transformers. Where neither says
whether to lowercase, BERT's tokenizer does, and so do we.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import tokenizers

from kbert.errors import KbertError
from kbert.text import special_tokens
from kbert.text.normalize import RULES, replacements_of
from kbert.text.sentencepiece import parse_model
from kbert.text.tokenizer_files import decode_charsmap, parse_json, read_bytes, write_json
from kbert.text.vocabulary import CONTINUATION, MAX_WORD_LENGTH, parse_vocabulary, write_vocabulary

FAIRSEQ_FILE = "sentencepiece.bpe.model"
KOBERT_FILE = "tokenizer_78b3253a26.model"  # monologg/kobert
SENTENCEPIECE_FILES = ("spiece.model", FAIRSEQ_FILE, KOBERT_FILE)
TOKENIZER_FILE, CONFIG_FILE = "tokenizer.json", "tokenizer_config.json"
SPECIALS_FILE, ADDED_FILE = "special_tokens_map.json", "added_tokens.json"
FILES = (  # all that is read of a folder
    *(TOKENIZER_FILE, CONFIG_FILE, SPECIALS_FILE, ADDED_FILE, "vocab.txt"),
    *SENTENCEPIECE_FILES,
)

_XLNET_CLASSES = ("XLNet", "KoBert", "KoBERT")  # KoBERT's tokenizers are made of XLNet's
_KNOWN_CLASSES = ("XLMRoberta", "Bert", "Electra", "DistilBert", *_XLNET_CLASSES)

Arguments = dict[str, Any]  # of the Tokenizer's constructor


def read_folder(folder: Path) -> Arguments:
    """The constructor's arguments, from a checkpoint's folder.

    Raises:
        KbertError: if it has no vocabulary, or a file is damaged.
    """
    arguments: Arguments
    models = [folder / name for name in SENTENCEPIECE_FILES if (folder / name).is_file()]
    if (folder / TOKENIZER_FILE).is_file():
        arguments = read_tokenizer_json(folder / TOKENIZER_FILE)
    elif models:
        arguments = read_sentencepiece(models[0])
        if (folder / "vocab.txt").is_file():
            arguments |= _in_order(arguments, folder / "vocab.txt")
    elif (folder / "vocab.txt").is_file():
        arguments = {"vocabulary": _read_vocabulary(folder / "vocab.txt")}
    else:
        raise KbertError(
            f"{folder}: no tokenizer: expected {TOKENIZER_FILE}, vocab.txt or one of "
            f"{', '.join(SENTENCEPIECE_FILES)}"
        )
    said, specials, added = (
        parse_json(read_bytes(folder / name), str(folder / name))
        if (folder / name).is_file()
        else {}
        for name in (CONFIG_FILE, SPECIALS_FILE, ADDED_FILE)
    )
    where = str(folder / CONFIG_FILE)
    found = _tokens_of_roles(specials, where) | _tokens_of_roles(said, where)
    _add_tokens(arguments, _added(said.get("added_tokens_decoder", {}), added, where), where)
    guessed = arguments.get("special_tokens", special_tokens.guess(arguments["vocabulary"]))
    arguments["special_tokens"] = {**guessed, **found}
    arguments["added_tokens"] = _other_than(arguments)
    is_wordpiece = "scores" not in arguments
    if (folder / CONFIG_FILE).is_file() or (folder / "config.json").is_file():
        defaults: Arguments = {
            "lowercase": is_wordpiece,
            "strip_accents": None if is_wordpiece else False,
        }
        arguments = {**defaults, **arguments}
    for name, argument in (
        ("do_lower_case", "lowercase"),
        ("strip_accents", "strip_accents"),
        ("tokenize_chinese_chars", "split_cjk"),
    ):
        if said.get(name) is not None or (name == "strip_accents" and name in said):
            arguments[argument] = _flag(said[name], name, where)
    kind = said.get("tokenizer_class")
    kind = kind if isinstance(kind, str) else ""
    if kind.startswith(_KNOWN_CLASSES):
        arguments["roberta_pairs"] = kind.startswith("XLMRoberta")
    if models and (kind.startswith(_XLNET_CLASSES) or models[0].name == KOBERT_FILE):
        arguments["strip_accents"] = said.get("keep_accents") is not True
    return arguments


def _flag(value: Any, name: str, where: str) -> bool | None:
    if value is not None and not isinstance(value, bool):
        raise KbertError(f"{where}: {name} is true, false or null, not {value!r:.40}")
    return value


def _read_vocabulary(path: Path) -> list[str]:
    return parse_vocabulary(read_bytes(path), str(path))


# Special and added tokens.


def _tokens_of_roles(said: Mapping[str, Any], where: str) -> dict[str, str]:
    """`{"cls_token": "[CLS]"}` or `{"cls_token": {"content": "[CLS]"}}` -> `{"cls": "[CLS]"}`."""
    found = {}
    for role in special_tokens.ROLES:
        token = said.get(f"{role}_token")
        content = token.get("content") if isinstance(token, dict) else token
        if isinstance(content, str):
            found[role] = content
        elif token is not None:
            raise KbertError(f"{where}: {role}_token is a text, not {token!r:.80}")
    return found


def _added(decoder: Any, encoder: Mapping[str, Any], where: str) -> dict[int, str]:
    """Added tokens by their ids, from the two ways in which files write them."""
    if not isinstance(decoder, dict):
        raise KbertError(f"{where}: added_tokens_decoder is an object, not {decoder!r:.80}")
    pairs: list[tuple[Any, Any]] = [(index, token) for token, index in encoder.items()]
    for index, token in decoder.items():
        pairs.append((index, token.get("content") if isinstance(token, dict) else token))
    try:
        added = {int(index): token for index, token in pairs}
    except (TypeError, ValueError, OverflowError):
        raise KbertError(f"{where}: the ids of added tokens are numbers") from None
    if not all(isinstance(token, str) and token for token in added.values()):
        raise KbertError(f"{where}: an added token is a text that is not empty")
    return added


def _add_tokens(arguments: Arguments, added: Mapping[int, str], where: str) -> None:
    """Puts added tokens behind the vocabulary, where their ids say; notes them."""
    vocabulary = arguments["vocabulary"]
    for index, token in sorted(added.items()):
        if index == len(vocabulary):
            vocabulary.append(token)
            if "scores" in arguments:
                arguments["scores"].append(0.0)
        elif not 0 <= index < len(vocabulary) or vocabulary[index] != token:
            has = vocabulary[index] if 0 <= index < len(vocabulary) else "nothing"
            raise KbertError(
                f"{where}: the added token {token!r:.40} has id {index}, where the vocabulary of "
                f"{len(vocabulary)} tokens has {has!r:.40}"
            )
    known = arguments.setdefault("added_tokens", [])
    known += [token for token in added.values() if token not in known]


def _other_than(arguments: Arguments) -> list[str]:
    """The added tokens that have no role."""
    roles = set(arguments["special_tokens"].values())
    return [token for token in arguments.get("added_tokens", []) if token not in roles]


# SentencePiece files.


def read_sentencepiece(path: Path) -> Arguments:
    """The constructor's arguments, from a SentencePiece file.

    XLM-RoBERTa's, which is called `sentencepiece.bpe.model`, has its ids shifted, as fairseq does:
    <s> <pad> </s> <unk> come first, then the pieces from the fourth on, and <mask> last.
    """
    model = parse_model(read_bytes(path), str(path))
    vocabulary, scores = model.pieces, model.scores
    fairseq = path.name == FAIRSEQ_FILE
    if fairseq:
        vocabulary = ["<s>", "<pad>", "</s>", "<unk>", *vocabulary[3:], "<mask>"]
        scores = [0.0] * 4 + scores[3:] + [0.0]
    arguments = {
        "vocabulary": vocabulary,
        "scores": scores,
        "charsmap": model.charsmap,
        "special_tokens": special_tokens.guess(vocabulary),
        "added_tokens": model.user_defined,
        "roberta_pairs": fairseq,
    }
    return {**arguments, "added_tokens": _other_than(arguments)}


def _in_order(arguments: Arguments, path: Path) -> Arguments:
    """A SentencePiece model's pieces in the order of a `vocab.txt` beside it (monologg/kobert)."""
    vocabulary = _read_vocabulary(path)
    scores = dict(zip(arguments["vocabulary"], arguments["scores"], strict=True))
    return {
        "vocabulary": vocabulary,
        "scores": [scores.get(token, 0.0) for token in vocabulary],
        "special_tokens": special_tokens.guess(vocabulary),
    }


# tokenizer.json.


def read_tokenizer_json(path: Path) -> Arguments:
    """The constructor's arguments, from a `tokenizer.json` of WordPiece or a unigram model.

    Raises:
        KbertError: if it is of another kind, or has a step that kbert does not have.
    """
    where = str(path)
    whole = parse_json(read_bytes(path), where)
    model = _object(whole.get("model"), "model", where)
    kind = model.get("type", "Unigram" if "unk_id" in model else "WordPiece")
    if kind == "WordPiece":
        arguments = _wordpiece(model, whole, where)
    elif kind == "Unigram":
        arguments = _unigram(model, whole, where)
    else:
        raise KbertError(f"{where}: a model of type {kind!r:.40}; kbert has WordPiece and Unigram")
    added = whole.get("added_tokens") or []
    if not isinstance(added, list):
        raise KbertError(f"{where}: added_tokens is a list, not {added!r:.80}")
    entries = [_object(entry, "an added token", where) for entry in added]
    decoder = {str(entry.get("id")): entry for entry in entries}
    _add_tokens(arguments, _added(decoder, {}, where), where)
    arguments["special_tokens"] |= _specials_of_template(whole.get("post_processor"))
    arguments["added_tokens"] = _other_than(arguments)
    return arguments


def _object(value: Any, name: str, where: str) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise KbertError(f"{where}: {name} is an object, not {value!r:.80}")
    return value


def _wordpiece(model: dict[str, Any], whole: dict[str, Any], where: str) -> Arguments:
    ids = _object(model.get("vocab"), "vocab", where)
    whole_numbers = all(isinstance(index, int) for index in ids.values())
    vocabulary = sorted(ids, key=ids.__getitem__) if whole_numbers else []
    if [ids[token] for token in vocabulary] != list(range(len(ids))):
        raise KbertError(f"{where}: the ids of the vocabulary do not go from 0 to {len(ids) - 1}")
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
        "lowercase": bool(_flag(bert.get("lowercase", True), "lowercase", where)),
        "strip_accents": _flag(bert.get("strip_accents"), "strip_accents", where),
        "split_cjk": bool(_flag(bert.get("handle_chinese_chars", True), "split_cjk", where)),
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
        raise KbertError(f"{where}: the model falls back to bytes, which kbert does not")
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


def _before(steps: list[dict[str, Any]]) -> tuple[Arguments, list[dict[str, Any]]]:
    """The rules and the form that `write_folder` wrote first, and the steps behind them."""
    replaced: dict[int, Any] = {}
    rest = list(steps)
    while rest and rest[0].get("type") == "Replace":
        pattern = rest[0].get("pattern")
        character = pattern.get("String") if isinstance(pattern, dict) else None
        if not isinstance(character, str) or len(character) != 1:
            break
        replaced[ord(character)] = rest.pop(0).get("content")
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
    """A step, or the steps of a sequence."""
    if step is None:
        return []
    steps = _object(step, "a step", where).get(plural) if step.get("type") == "Sequence" else [step]
    if not isinstance(steps, list):
        raise KbertError(f"{where}: a sequence has a list of {plural}")
    found = [dict(_object(each, "a step", where)) for each in steps]
    nested = [step.get(plural) if step.get("type") == "Sequence" else [step] for step in found]
    return [dict(_object(each, "a step", where)) for inner in nested for each in inner or []]


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


# Out.


def write_folder(
    folder: str | Path,
    engine: tokenizers.Tokenizer,
    vocabulary: list[str],
    settings: dict[str, Any],
    roles: dict[str, str],
    is_wordpiece: bool,
) -> None:
    """Writes a tokenizer's files for `AutoTokenizer`.

    Args:
        folder: where; it is made if need be.
        engine: kbert's, without composition and pairs, which are added to it.
        vocabulary: the tokens.
        settings: the constructor's.
        roles: the special tokens by role.
        is_wordpiece: or a unigram model.
    """
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    cls_token, sep_token = roles["cls"], roles["sep"]
    doubled = settings.get("roberta_pairs", False)
    between, second = (f"{sep_token} {sep_token}", 0) if doubled else (sep_token, 1)
    engine.post_processor = tokenizers.processors.TemplateProcessing(
        single=f"{cls_token} $A {sep_token}",
        pair=f"{cls_token} $A {between} $B:{second} {sep_token}:{second}",
        special_tokens=[(token, vocabulary.index(token)) for token in (cls_token, sep_token)],
    )
    is_bert = is_wordpiece and not set(settings) & {"form", "rules", "roberta_pairs"}
    if not is_bert:
        engine.normalizer = tokenizers.normalizers.Sequence(
            [*_kbert_steps(settings), engine.normalizer]
        )
    engine.save(str(folder / TOKENIZER_FILE))
    tokens = {f"{role}_token": token for role, token in roles.items()}
    config = {
        "tokenizer_class": "BertTokenizer" if is_bert else "PreTrainedTokenizerFast",
        "do_lower_case": settings["lowercase"],
        "strip_accents": settings["strip_accents"],
        "tokenize_chinese_chars": settings["split_cjk"],
        "model_input_names": ["input_ids", "token_type_ids", "attention_mask"],
        **tokens,
    }
    write_json(folder / CONFIG_FILE, config)
    write_json(folder / SPECIALS_FILE, tokens)
    if is_wordpiece:
        write_vocabulary(vocabulary, folder / "vocab.txt")


def _kbert_steps(settings: dict[str, Any]) -> list:
    """Our own steps before the engine's: the rules, and the form."""
    replace = tokenizers.normalizers.Replace
    replacements = replacements_of(tuple(settings.get("rules", ())))
    steps: list = [replace(chr(code), character) for code, character in replacements.items()]
    nfkd = settings.get("form") == "NFKD"
    return [*steps, tokenizers.normalizers.NFKD() if nfkd else tokenizers.normalizers.NFC()]
