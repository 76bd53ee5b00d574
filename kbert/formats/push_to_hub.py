"""A model of kbert -> a repository on the Hugging Face Hub."""

import tempfile
from pathlib import Path
from typing import Any, cast

from kbert.errors import KbertError
from kbert.formats.huggingface.export import export_huggingface
from kbert.formats.huggingface.hub import REPOSITORY
from kbert.formats.sentence_transformers.export import export_sentence_transformers
from kbert.models.base import KbertModel


def push_to_hub(
    model: KbertModel,
    name: str,
    *,
    private: bool = False,
    dry_run: bool = False,
    model_type: str | None = None,
) -> dict[str, int]:
    """Exports a model and uploads it to the Hugging Face Hub.

    A `SentenceBert` becomes a folder of sentence-transformers'. Log in before, with `hf auth login`
    or the variable `HF_TOKEN`.

    Args:
        model: as for `export_huggingface`.
        name: of the repository, as "me/my-bert"; it is made if need be.
        private: whether a new repository is private.
        dry_run: whether only to say what would be uploaded.
        model_type: as for `export_huggingface`.

    Returns:
        The files, by name, with their sizes in bytes.

    Raises:
        KbertError: if the name is not one of the Hub's, or the model cannot be exported.

    Example:
        >>> import kbert
        >>> model = kbert.BertForMaskedLM(vocab_size=8, **kbert.SIZES["tiny"])
        >>> model.tokenizer = kbert.Tokenizer("[PAD] [UNK] [CLS] [SEP] [MASK] 국회 ##에 .".split())
        >>> "model.safetensors" in push_to_hub(model, "me/my-bert", dry_run=True)
        True
    """
    from huggingface_hub import HfApi

    if not REPOSITORY.fullmatch(name):
        raise KbertError(f"a repository's name is like me/my-bert, not {name!r:.80}")
    with tempfile.TemporaryDirectory() as folder:
        if getattr(model, "task", None) == "sentence-embedding" and model_type is None:
            export_sentence_transformers(cast(Any, model), folder)
        else:
            export_huggingface(model, folder, model_type=model_type)
        if not dry_run:
            api = HfApi()
            api.create_repo(name, private=private, exist_ok=True)
            api.upload_folder(repo_id=name, folder_path=folder, commit_message="Upload from kbert")
        files = [path for path in sorted(Path(folder).rglob("*")) if path.is_file()]
        return {path.relative_to(folder).as_posix(): path.stat().st_size for path in files}
