"""The five tokens that are no text: which role each has, and how a model spells it.

A vocabulary says neither. BERT spells them [PAD] [UNK] [CLS] [SEP] [MASK], XLM-RoBERTa <pad> <unk>
<s> </s> <mask>; and their ids are anywhere: [CLS] is 0 in KLUE-RoBERTa, [UNK] is 0 in KoBERT.
"""

from collections.abc import Collection, Iterable, Mapping

from kbert.errors import KbertError
from kbert.text.vocabulary import SPECIAL_TOKENS

ROLES = ("pad", "unk", "cls", "sep", "mask")
BERT: dict[str, str] = dict(zip(ROLES, SPECIAL_TOKENS, strict=True))
ROBERTA: dict[str, str] = dict(zip(ROLES, ("<pad>", "<unk>", "<s>", "</s>", "<mask>"), strict=True))


def complete(special_tokens: Mapping[str, str] | None) -> dict[str, str]:
    """Every role's token: those given, and BERT's for the rest.

    Raises:
        KbertError: if a role is unknown, or a token is no text or has two roles.

    Example:
        >>> complete({"mask": "<mask>"})["mask"], complete(None)["cls"]
        ('<mask>', '[CLS]')
    """
    given = dict(special_tokens or {})
    if set(given) - set(ROLES):
        raise KbertError(
            f"special tokens have the roles {', '.join(ROLES)}, not {sorted(given)!r:.80}"
        )
    tokens = {**BERT, **given}
    if not all(isinstance(token, str) and token for token in tokens.values()):
        raise KbertError(f"a special token is a text that is not empty, not as in {tokens!r:.200}")
    if len(set(tokens.values())) < len(ROLES):
        raise KbertError(f"each special token has one role, not as in {tokens!r:.200}")
    return tokens


def check_present(
    vocabulary: Collection[str], special_tokens: Mapping[str, str], added_tokens: Collection[str]
) -> None:
    """Raises KbertError if a vocabulary lacks special or added tokens.

    Args:
        vocabulary: its tokens.
        special_tokens: role -> token.
        added_tokens: others.
    """
    missing = [token for token in special_tokens.values() if token not in vocabulary]
    if missing:
        raise KbertError(
            f"the vocabulary has no {_shown(missing, ', ')}; a vocabulary of {len(vocabulary)} "
            f"tokens needs all of {_shown(special_tokens.values(), ' ')}"
        )
    unknown = [token for token in added_tokens if not token or token not in vocabulary]
    if unknown:
        raise KbertError(f"the vocabulary lacks the added tokens {unknown!r:.80}")


def _shown(tokens: Iterable[str], between: str) -> str:
    """Tokens as they are, if a terminal can show them, and no more than a line or two."""
    shown = between.join(tokens)
    return f"{shown if shown.isprintable() else ascii(shown):.200}"


def guess(vocabulary: Collection[str]) -> dict[str, str]:
    """BERT's special tokens, or XLM-RoBERTa's where a vocabulary has only those.

    Example:
        >>> guess({"<s>", "<pad>", "</s>", "<unk>", "<mask>"})["cls"]
        '<s>'
    """
    has_roberta = all(token in vocabulary for token in ROBERTA.values())
    has_bert = all(token in vocabulary for token in BERT.values())
    return dict(ROBERTA if has_roberta and not has_bert else BERT)
