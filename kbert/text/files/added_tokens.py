"""Special and added tokens: from what Hugging Face's files say to the Tokenizer's arguments."""

from collections.abc import Mapping
from typing import Any

from kbert.errors import KbertError
from kbert.text import special_tokens

Arguments = dict[str, Any]  # of the Tokenizer's constructor


def read_flag(value: Any, name: str, where: str) -> bool | None:
    """A setting that is true, false or null."""
    if value is not None and not isinstance(value, bool):
        raise KbertError(f"{where}: {name} is true, false or null, not {value!r:.40}")
    return value


def tokens_of_roles(said: Mapping[str, Any], where: str) -> dict[str, str]:
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


def read_added(decoder: Any, encoder: Mapping[str, Any], where: str) -> dict[int, str]:
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


def add_tokens(arguments: Arguments, added: Mapping[int, str], where: str) -> None:
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


def without_roles(arguments: Arguments) -> list[str]:
    """The added tokens that have no role."""
    roles = set(arguments["special_tokens"].values())
    return [token for token in arguments.get("added_tokens", []) if token not in roles]
