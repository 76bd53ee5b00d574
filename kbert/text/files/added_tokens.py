"""Tokens that are cut out of a text whole: what is said of them, here and in Hugging Face's files.

An added token is what `tokenizers` calls one, with its five flags:

    single_word      not within a word: `ing` is not found in `going`
    lstrip, rstrip   takes the white space on its left, or right, along
    normalized       is looked for in the text as it is after cleaning: `COVID-19` in `covid-19`
    special          writes nothing when ids become text

A token that is given as a text is normalized and nothing else, as transformers' `add_tokens` makes
it; one that is special, as all with a role are ([MASK]), is not, if nothing is said.

Source: huggingface/tokenizers, `added_vocabulary.rs`.
"""

from collections.abc import Iterable, Mapping
from typing import Any

from tokenizers import AddedToken

from kbert.errors import KbertError
from kbert.text import special_tokens

Arguments = dict[str, Any]  # of the Tokenizer's constructor
Entry = str | Mapping[str, Any] | AddedToken
FLAGS = ("single_word", "lstrip", "rstrip", "normalized", "special")


def parse_added(entries: Iterable[Entry], where: str = "added_tokens") -> list[AddedToken]:
    """Added tokens from texts, from objects with `content` and flags, or from such as they are.

    Raises:
        KbertError: if one is none of these, or is there twice; `where` they stand is named.

    Example:
        >>> [token.lstrip for token in parse_added(["[E1]", {"content": "<e>", "lstrip": True}])]
        [False, True]
    """
    if isinstance(entries, str | bytes | Mapping) or not isinstance(entries, Iterable):
        raise KbertError(f"{where} is a list of tokens, not {_kind(entries)} {entries!r:.80}")
    found: dict[str, AddedToken] = {}
    for entry in entries:
        token = parse_entry(entry, where)
        if token.content in found:
            raise KbertError(f"{where}: the token {token.content!r:.40} is given twice")
        found[token.content] = token
    return [*found.values()]


def _kind(value: Any) -> str:
    return "the text" if isinstance(value, str) else type(value).__name__


def parse_entry(entry: Any, where: str) -> AddedToken:
    """One of `parse_added`."""
    if isinstance(entry, AddedToken):
        return entry
    said = {"content": entry} if isinstance(entry, str) else entry
    content = said.get("content") if isinstance(said, Mapping) else None
    if not isinstance(content, str) or not content:
        raise KbertError(f"{where}: an added token is a text that is not empty, not {entry!r:.80}")
    unknown = sorted(map(str, {*said} - {"content", *FLAGS}))
    if unknown:
        raise KbertError(f"{where}: an added token has the flags {FLAGS}, not {unknown[0]!r:.40}")
    return _flagged(content, said, where)


def _flagged(content: str, said: Mapping[str, Any], where: str, **defaults: bool) -> AddedToken:
    flags = {name: said[name] for name in FLAGS if said.get(name) is not None}
    for name, value in flags.items():
        if not isinstance(value, bool):
            raise KbertError(
                f"{where}: {name} of {content!r:.40} is true or false, not {value!r:.40}"
            )
    return AddedToken(content, **{**defaults, **flags})


def written_added(token: AddedToken) -> str | dict[str, Any]:
    """An added token as JSON has it: its text, or an object where a flag is set.

    Example:
        >>> written_added(AddedToken("[E1]")), written_added(AddedToken("<e>", lstrip=True))
        ('[E1]', {'content': '<e>', 'lstrip': True})
    """
    plain = AddedToken(token.content, normalized=not token.special)  # as `tokenizers` has it
    changed = {
        name: getattr(token, name) for name in FLAGS if getattr(token, name) != getattr(plain, name)
    }
    return {"content": token.content, **changed} if changed else token.content


def written_whole(token: AddedToken) -> dict[str, Any]:
    """An added token as Hugging Face's files have it, with all its flags."""
    return {"content": token.content, **{name: getattr(token, name) for name in FLAGS}}


def with_roles(roles: Mapping[str, str], added: Iterable[AddedToken]) -> list[AddedToken]:
    """All tokens that are cut out whole: those with a role first, with their flags if any.

    Args:
        roles: role -> token.
        added: others; an entry of a token with a role says its flags.
    """
    tokens = {token: AddedToken(token, special=True, normalized=False) for token in roles.values()}
    for token in added:
        said = written_whole(token)
        tokens[token.content] = AddedToken(
            **{**said, "special": said["special"] or token.content in tokens}
        )
    return [*tokens.values()]


# Hugging Face's files.


def read_flag(value: Any, name: str, where: str) -> bool | None:
    """A setting that is true, false or null."""
    if value is not None and not isinstance(value, bool):
        raise KbertError(f"{where}: {name} is true, false or null, not {value!r:.40}")
    return value


def tokens_of_roles(said: Mapping[str, Any], where: str) -> dict[str, AddedToken]:
    """`{"cls_token": "[CLS]"}`, or `{"cls_token": {"content": "[CLS]"}}`, by role."""
    found = {}
    for role in special_tokens.ROLES:
        token = said.get(f"{role}_token")
        content = token.get("content") if isinstance(token, dict) else token
        if isinstance(content, str):
            flags = token if isinstance(token, dict) else {}
            found[role] = _flagged(content, {**flags, "special": True}, where)
        elif token is not None:
            raise KbertError(f"{where}: {role}_token is a text, not {token!r:.80}")
    return found


def read_more(said: Mapping[str, Any], where: str) -> list[AddedToken]:
    """The special tokens without a role: `additional_special_tokens`, as it was called, too."""
    found = []
    for name in ("additional_special_tokens", "extra_special_tokens"):
        tokens = said.get(name) or []
        tokens = [*tokens.values()] if isinstance(tokens, dict) else tokens
        if not isinstance(tokens, list):
            raise KbertError(f"{where}: {name} is a list of tokens, not {tokens!r:.80}")
        for token in tokens:
            content = token.get("content") if isinstance(token, dict) else token
            if not isinstance(content, str) or not content:
                raise KbertError(f"{where}: {name} has texts that are not empty, not {token!r:.80}")
            flags = token if isinstance(token, dict) else {}
            found.append(_flagged(content, {**flags, "special": True}, where))
    return found


def read_added(decoder: Any, where: str) -> dict[int, AddedToken]:
    """Added tokens by their ids: `{"5": {"content": "<e>", "lstrip": true}}`."""
    if not isinstance(decoder, dict):
        raise KbertError(f"{where}: added_tokens_decoder is an object, not {decoder!r:.80}")
    added = {}
    for index, token in decoder.items():
        said = token if isinstance(token, dict) else {"content": token}
        content = said.get("content")
        if not isinstance(content, str) or not content:
            raise KbertError(
                f"{where}: an added token is a text that is not empty, not {token!r:.80}"
            )
        added[_id(index, where)] = _flagged(content, said, where)
    return added


def read_added_ids(
    ids: Mapping[str, Any], special: Iterable[str], where: str
) -> dict[int, AddedToken]:
    """Added tokens by their ids, from the older `{"<e>": 5}`, which says no flags."""
    special = set(special)
    if "" in ids:
        raise KbertError(f"{where}: an added token is a text that is not empty, not ''")
    return {
        _id(index, where): AddedToken(token, special=token in special)
        for token, index in ids.items()
    }


def _id(index: Any, where: str) -> int:
    try:
        return int(index)
    except (TypeError, ValueError, OverflowError):
        raise KbertError(
            f"{where}: the ids of added tokens are numbers, not {index!r:.40}"
        ) from None


def add_tokens(arguments: Arguments, added: Mapping[int, AddedToken], where: str) -> None:
    """Puts added tokens behind the vocabulary, where their ids say; notes them."""
    vocabulary = arguments["vocabulary"]
    for index, token in sorted(added.items()):
        if index == len(vocabulary):
            vocabulary.append(token.content)
            if "scores" in arguments:
                arguments["scores"].append(0.0)
        elif not 0 <= index < len(vocabulary) or vocabulary[index] != token.content:
            has = vocabulary[index] if 0 <= index < len(vocabulary) else "nothing"
            raise KbertError(
                f"{where}: the added token {token.content!r:.40} has id {index}, where the "
                f"vocabulary of {len(vocabulary)} tokens has {has!r:.40}"
            )
    known = arguments.setdefault("added_tokens", {})
    known |= {token.content: token for token in added.values()}


def beyond_roles(arguments: Arguments) -> list[AddedToken]:
    """The added tokens that the constructor is told of: a role says all about most of its own."""
    roles = arguments["special_tokens"]
    plain = {token.content: written_added(token) for token in with_roles(roles, [])}
    tokens = with_roles(roles, arguments.get("added_tokens", {}).values())
    return [token for token in tokens if written_added(token) != plain.get(token.content)]
