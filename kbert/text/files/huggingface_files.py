"""Hugging Face's tokenizer files, in and out: the same ids on both sides.

In: `tokenizer.json`, `vocab.txt` or a SentencePiece file, with what `tokenizer_config.json`,
`special_tokens_map.json` and `added_tokens.json` say about it. Out: files for `AutoTokenizer`.

Where two files disagree, `tokenizer_config.json` is right, as in transformers. Where neither says
whether to lowercase, BERT's tokenizer does, and so do we.
"""

from pathlib import Path
from typing import Any

import tokenizers
from tokenizers import AddedToken

from kbert.errors import KbertError
from kbert.files.json_file import read_json_object
from kbert.text import special_tokens
from kbert.text.files.added_tokens import (
    Arguments,
    add_tokens,
    beyond_roles,
    read_added,
    read_added_ids,
    read_flag,
    read_more,
    tokens_of_roles,
    written_whole,
)
from kbert.text.files.own_files import (
    MOST_BYTES,
    VOCABULARY_FILE,
    json_bytes,
    read_bytes,
    write_together,
)
from kbert.text.files.tokenizer_json import parse_tokenizer_json
from kbert.text.korean.normalize import replacements_of
from kbert.text.sentencepiece import parse_model
from kbert.text.vocabulary import parse_vocabulary, vocabulary_bytes

FAIRSEQ_FILE = "sentencepiece.bpe.model"
KOBERT_FILE = "tokenizer_78b3253a26.model"  # monologg/kobert
SENTENCEPIECE_FILES = ("spiece.model", FAIRSEQ_FILE, KOBERT_FILE)
TOKENIZER_FILE, CONFIG_FILE = "tokenizer.json", "tokenizer_config.json"
SPECIALS_FILE, ADDED_FILE = "special_tokens_map.json", "added_tokens.json"
FILES = (  # all that is read of a folder
    *(TOKENIZER_FILE, CONFIG_FILE, SPECIALS_FILE, ADDED_FILE, "vocab.txt"),
    *SENTENCEPIECE_FILES,
)

MOST_SAID = 1 << 24  # bytes of a file that says something about a vocabulary
_MOST_OF_MODEL = 1 << 24  # bytes of a SentencePiece model; XLM-RoBERTa's has 5 MB

_XLNET_CLASSES = ("XLNet", "KoBert", "KoBERT")  # KoBERT's tokenizers are made of XLNet's
_KNOWN_CLASSES = ("XLMRoberta", "Bert", "Electra", "DistilBert", *_XLNET_CLASSES)


def read_folder(folder: Path) -> Arguments:
    """The constructor's arguments, from a checkpoint's folder.

    Raises:
        KbertError: if it has no vocabulary, or a file is damaged.
    """
    arguments: Arguments
    models = [folder / name for name in SENTENCEPIECE_FILES if (folder / name).is_file()]
    if (folder / TOKENIZER_FILE).is_file():
        arguments = parse_tokenizer_json(folder / TOKENIZER_FILE)
    elif models:
        arguments = _parse_sentencepiece(models[0])
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
        _read_json(folder / name) if (folder / name).is_file() else {}
        for name in (CONFIG_FILE, SPECIALS_FILE, ADDED_FILE)
    )
    where = str(folder / CONFIG_FILE)
    _add_what_is_said(arguments, said, specials, added, where)
    is_wordpiece = not {"scores", "merges"} & set(arguments)
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
        if "merges" in arguments:  # BPE reads a text as it is, whatever stands beside it
            break
        if said.get(name) is not None or (name == "strip_accents" and name in said):
            arguments[argument] = read_flag(said[name], name, where)
    kind = said.get("tokenizer_class")
    kind = kind if isinstance(kind, str) else ""
    if kind.startswith(_KNOWN_CLASSES):
        arguments["roberta_pairs"] = kind.startswith("XLMRoberta")
    if models and (kind.startswith(_XLNET_CLASSES) or models[0].name == KOBERT_FILE):
        arguments["strip_accents"] = said.get("keep_accents") is not True
    return arguments


def _add_what_is_said(
    arguments: Arguments,
    said: dict[str, Any],
    specials: dict[str, Any],
    added: dict[str, Any],
    where: str,
) -> None:
    """Special and added tokens, by the three files beside the vocabulary.

    The flags of a token that several of them have are, as in transformers, those of
    `added_tokens_decoder`, or `tokenizer.json`'s, or those of a role.
    """
    of_roles = [tokens_of_roles(said, where), tokens_of_roles(specials, where)]
    more = read_more(said, where)
    flagged = of_roles
    if "added_tokens_decoder" in said:
        flagged = of_roles[:1]
    else:
        more += read_more(specials, where)
    names = {token.content for tokens in of_roles for token in tokens.values()}
    by_id = read_added(said.get("added_tokens_decoder", {}), where)
    of_json = arguments.get("added_tokens", {})
    ids = read_added_ids(added, names | {token.content for token in more}, where)
    add_tokens(arguments, ids | by_id, where)
    known = arguments["added_tokens"] | of_json | {t.content: t for t in by_id.values()}
    for tokens in reversed(flagged):
        for token in tokens.values():
            known.setdefault(token.content, token)
    vocabulary = set(arguments["vocabulary"])
    for token in more:
        known.setdefault(token.content, token)
        if token.content not in vocabulary:
            vocabulary.add(token.content)
            add_tokens(arguments, {len(arguments["vocabulary"]): token}, where)
    guessed = arguments.get("special_tokens", special_tokens.guess(vocabulary))
    found = {role: token.content for role, token in (of_roles[1] | of_roles[0]).items()}
    arguments["special_tokens"] = {**guessed, **found}
    arguments["added_tokens"] = {t: token for t, token in known.items() if t in vocabulary}
    arguments["added_tokens"] = beyond_roles(arguments)


def _read_json(path: Path) -> dict[str, Any]:
    return read_json_object(read_bytes(path, MOST_SAID), str(path), max_bytes=MOST_SAID)


def _read_vocabulary(path: Path) -> list[str]:
    return parse_vocabulary(read_bytes(path, MOST_BYTES[VOCABULARY_FILE]), str(path))


def read_sentencepiece(path: Path) -> Arguments:
    """The constructor's arguments, from a SentencePiece file.

    XLM-RoBERTa's, which is called `sentencepiece.bpe.model`, has its ids shifted, as fairseq does:
    <s> <pad> </s> <unk> come first, then the pieces from the fourth on, and <mask> last.
    """
    arguments = _parse_sentencepiece(path)
    return {**arguments, "added_tokens": beyond_roles(arguments)}


def _parse_sentencepiece(path: Path) -> Arguments:
    """The same, but for `added_tokens`, which holds all by their texts, those with a role too."""
    model = parse_model(read_bytes(path, _MOST_OF_MODEL), str(path))
    vocabulary, scores = model.pieces, model.scores
    fairseq = path.name == FAIRSEQ_FILE
    if fairseq:
        vocabulary = ["<s>", "<pad>", "</s>", "<unk>", *vocabulary[3:], "<mask>"]
        scores = [0.0] * 4 + scores[3:] + [0.0]
    user_defined = {piece: AddedToken(piece, normalized=False) for piece in model.user_defined}
    return {
        "vocabulary": vocabulary,
        "scores": scores,
        "charsmap": model.charsmap,
        "special_tokens": special_tokens.guess(vocabulary),
        "added_tokens": user_defined,
        "roberta_pairs": fairseq,
    }


def _in_order(arguments: Arguments, path: Path) -> Arguments:
    """A SentencePiece model's pieces in the order of a `vocab.txt` beside it (monologg/kobert)."""
    vocabulary = _read_vocabulary(path)
    scores = dict(zip(arguments["vocabulary"], arguments["scores"], strict=True))
    return {
        "vocabulary": vocabulary,
        "scores": [scores.get(token, 0.0) for token in vocabulary],
        "special_tokens": special_tokens.guess(vocabulary),
    }


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
        is_wordpiece: or a unigram model, or byte-level BPE.
    """
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
    tokens = {f"{role}_token": token for role, token in roles.items()}
    added = sorted(engine.get_added_tokens_decoder().items())
    config = {
        "tokenizer_class": "BertTokenizer" if is_bert else "PreTrainedTokenizerFast",
        "do_lower_case": settings["lowercase"],
        "strip_accents": settings["strip_accents"],
        "tokenize_chinese_chars": settings["split_cjk"],
        "model_input_names": ["input_ids", "token_type_ids", "attention_mask"],
        "added_tokens_decoder": {str(i): written_whole(token) for i, token in added},
        **tokens,
    }
    files = {
        TOKENIZER_FILE: engine.to_str(pretty=True).encode(),
        CONFIG_FILE: json_bytes(config),
        SPECIALS_FILE: json_bytes(tokens),
    }
    if is_wordpiece:
        files["vocab.txt"] = vocabulary_bytes(vocabulary, str(folder))
    write_together(Path(folder), files)


def _kbert_steps(settings: dict[str, Any]) -> list:
    """Our own steps before the engine's: the rules, and the form."""
    replace = tokenizers.normalizers.Replace
    replacements = replacements_of(tuple(settings.get("rules", ())))
    steps: list = [replace(chr(code), character) for code, character in replacements.items()]
    nfkd = settings.get("form") == "NFKD"
    return [*steps, tokenizers.normalizers.NFKD() if nfkd else tokenizers.normalizers.NFC()]
