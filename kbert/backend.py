"""Which Keras backend runs: the user's choice, or the one that is installed.

Keras falls back to TensorFlow, and the `keras.json` that it writes on its first start says
"tensorflow" too, whether TensorFlow is there or not. So a backend named by that file counts only
if it is installed; `KERAS_BACKEND` always counts.
"""

import importlib.util
import json
import os
from pathlib import Path

from kbert.errors import KbertError, how_to_install

BACKENDS = ("tensorflow", "jax", "torch")


def _installed() -> list[str]:
    return [name for name in BACKENDS if importlib.util.find_spec(name)]


def _configured() -> str:
    """The backend that Keras would take: from keras.json, or its default."""
    home = Path(os.environ.get("KERAS_HOME") or Path.home() / ".keras")
    try:
        return json.loads((home / "keras.json").read_text(encoding="utf-8"))["backend"]
    except (OSError, ValueError, KeyError, TypeError):
        return BACKENDS[0]


def choose_backend() -> None:
    """Sets KERAS_BACKEND to an installed backend if Keras would take one that is not there."""
    if "KERAS_BACKEND" in os.environ:
        return
    installed = _installed()
    if installed and _configured() not in installed:
        os.environ["KERAS_BACKEND"] = installed[0]


def require_backend() -> None:
    """Raises KbertError if the backend that Keras is about to load is not installed."""
    _keep_native_atomics()
    installed = _installed()
    if not installed:
        raise KbertError(
            f"no Keras backend is installed: {how_to_install('jax')}, or [tensorflow], or [torch]"
        )
    wanted = os.environ.get("KERAS_BACKEND")
    if wanted is not None and wanted not in BACKENDS:
        raise KbertError(
            f"KERAS_BACKEND is {wanted!r:.40}; kbert runs on {', '.join(BACKENDS)}, and here is "
            f"{', '.join(installed)}"
        )
    if wanted is not None and wanted not in installed:
        raise KbertError(
            f"KERAS_BACKEND is {wanted!r}, which is not installed: {how_to_install(wanted)}, "
            f"or set KERAS_BACKEND to what is here: {', '.join(installed)}"
        )


def _keep_native_atomics() -> None:
    """Has JAX on NVIDIA's GPUs add to a table's rows as it did before version 0.10.2.

    That version and 0.11.0 add in a loop that tries again where another thread was faster: hundreds
    of times slower for a token that stands in every row, as [MASK] and [PAD] do. It must be said
    before JAX starts; whoever sets these options is left alone.

    Source: jax issue 38806.
    """
    backend = os.environ.get("KERAS_BACKEND") or _configured()
    flags = os.environ.get("XLA_FLAGS", "")
    plugins = ("jax_cuda12_plugin", "jax_cuda13_plugin")
    if backend != "jax" or "xla_backend_extra_options" in flags:
        return
    if any(map(importlib.util.find_spec, plugins)) and _version("jaxlib") in ("0.10.2", "0.11.0"):
        option = "--xla_backend_extra_options=-nvptx-allow-ftz-atomics"
        os.environ["XLA_FLAGS"] = f"{flags} {option}".strip()


def _version(package: str) -> str:
    from importlib.metadata import version  # of which `import kbert` has no need

    return version(package)
