"""Whatever holds a tokenizer -> the constructor's arguments: which reader reads which file."""

from pathlib import Path

from kbert.errors import KbertError
from kbert.text import special_tokens
from kbert.text.files import huggingface_files, own_files
from kbert.text.files.added_tokens import Arguments
from kbert.text.files.tokenizer_json import read_tokenizer_json
from kbert.text.vocabulary import read_vocabulary


def read_tokenizer(path: Path) -> Arguments:
    """Reads a tokenizer's vocabulary and settings.

    Args:
        path: a file or a folder; see `Tokenizer.from_file`.

    Raises:
        KbertError: if there is no such file or folder, it holds no vocabulary, or is damaged.
    """
    if path.is_dir():
        ours = (path / own_files.SETTINGS_FILE).is_file()
        return (own_files if ours else huggingface_files).read_folder(path)
    if not path.is_file():
        raise KbertError(f"{path}: no such file; expected a vocab.txt, or a folder that has one")
    readers = {
        ".keras": own_files.read_keras_file,
        ".json": read_tokenizer_json,
        ".model": huggingface_files.read_sentencepiece,
    }
    return readers.get(path.suffix, _read_vocabulary)(path)


def _read_vocabulary(path: Path) -> Arguments:
    vocabulary = read_vocabulary(path)
    return {"vocabulary": vocabulary, "special_tokens": special_tokens.guess(vocabulary)}
