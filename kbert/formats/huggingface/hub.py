"""Checkpoints on the Hugging Face Hub: brought here, and sent there.

Source: the `huggingface_hub` library, which keeps them in its cache and reads `HF_HOME`,
`HF_TOKEN` and `HF_HUB_OFFLINE`.
"""

import re
from pathlib import Path

from kbert.errors import KbertError
from kbert.text.files.huggingface_files import FILES

HUB_NAME = re.compile(r"[\w][\w.-]*/[\w][\w.-]*")
_FILES = [
    "config.json",
    "model.safetensors",
    "model-*.safetensors",
    "model.safetensors.index.json",
    *FILES,
]
_PICKLES = ["pytorch_model.bin", "pytorch_model-*.bin", "pytorch_model.bin.index.json"]


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
        raise KbertError(
            f"{name}: not in the cache, and the Hub cannot be reached. On a machine that reaches "
            f"it run `hf download {name} --local-dir {name.split('/')[-1]}`, copy the folder here, "
            f"and load it by its path: kbert.load({name.split('/')[-1]!r})"
        ) from error
    except (HfHubHTTPError, HFValidationError, OSError) as error:
        reason = " ".join(str(error).split())[:300]
        raise KbertError(f"{name}: the Hub does not give it: {reason}") from error
    return Path(folder)
