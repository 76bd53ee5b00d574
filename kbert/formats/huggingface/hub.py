"""Checkpoints on the Hugging Face Hub: brought here, and sent there.

Source: the `huggingface_hub` library, which keeps them in its cache and reads `HF_HOME`,
`HF_TOKEN` and `HF_HUB_OFFLINE`.
"""

import re
from pathlib import Path

from kbert.errors import KbertError
from kbert.text.files.huggingface_files import FILES

REPOSITORY = re.compile(r"[\w][\w.-]*/[\w][\w.-]*")
_OLDEST = re.compile(r"[\w][\w.-]*")  # of the Hub's first models, as bert-base-multilingual-cased
_ENDINGS = "bin ckpt gz h5 json keras model npz onnx pb pt pth safetensors txt zip".split()
_FILES = [
    "config.json",
    "model.safetensors",
    "model-*.safetensors",
    "model.safetensors.index.json",
    *FILES,
    # Of sentence-transformers' folders. (A star stands for a folder's name, too.)
    "modules.json",
    "sentence_*_config.json",
    "config_sentence_transformers.json",
    "?_*/config.json",
    "?_*/model.safetensors",
]
_PICKLES = ["pytorch_model.bin", "pytorch_model-*.bin", "pytorch_model.bin.index.json"]
_PICKLES += ["?_*/pytorch_model.bin"]


def is_hub_name(name: str) -> bool:
    """Whether a text may be the name of a model on the Hub.

    Example:
        >>> is_hub_name("klue/bert-base"), is_hub_name("xlm-roberta-base"), is_hub_name("a.txt")
        (True, True, False)
    """
    if REPOSITORY.fullmatch(name):
        return True
    return bool(_OLDEST.fullmatch(name)) and name.rpartition(".")[2].lower() not in _ENDINGS


def fetch_checkpoint(name: str, revision: str | None = None, *, allow_pickle: bool = False) -> Path:
    """Brings a checkpoint from the Hub, or finds it in the cache.

    Args:
        name: as "klue/bert-base".
        revision: a commit, tag or branch; None means the newest. A commit is the only name that
            always means the same files.
        allow_pickle: whether to bring `pytorch_model.bin`, too.

    Returns:
        The folder of the snapshot; its name is the commit.

    Raises:
        KbertError: if it can't be had: no such name, no network, no access.
    """
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HfHubHTTPError, HFValidationError, LocalEntryNotFoundError

    try:
        folder = snapshot_download(
            name, revision=revision, allow_patterns=_FILES + (_PICKLES if allow_pickle else [])
        )
    except LocalEntryNotFoundError as error:
        short = name.rpartition("/")[2]
        raise KbertError(
            f"{name}: no such file or folder, not in the cache, and the Hub cannot be reached. On "
            f"a machine that reaches it run `hf download {name} --local-dir {short}`, copy the "
            f"folder here, and load it by its path: kbert.load({short!r})"
        ) from error
    except (HfHubHTTPError, HFValidationError, OSError) as error:
        reason = " ".join(str(error).split())[:300]
        raise KbertError(
            f"{name}: no such file or folder, and the Hub does not give it: {reason}"
        ) from error
    return Path(folder)
