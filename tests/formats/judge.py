"""Opens files in a process of its own, and writes down what came of each, as lines of JSON.

`python judge.py FILE...`: for each the outcome ("refused", "loaded" or another exception), the
message, the seconds of work, and what it touched: files read, files written, programs started,
connections made. The last line has the most memory that was taken.
"""

import contextlib
import json
import os
import resource
import sys
import sysconfig
import time
from pathlib import Path

touched: list[str] = []
INSTALLED = tuple({sys.prefix, sys.base_prefix, *sysconfig.get_paths().values()})
CHANGES = {f"os.{name}" for name in "system fork remove rename mkdir rmdir symlink link".split()}
CHANGES |= {"os.chmod", "os.truncate", "shutil.rmtree", "shutil.copyfile", "shutil.move"}
HERE = str(Path(__file__).parents[2])
QUIET = ("/dev/null", "/proc/", "/sys/", "/usr/lib", "/usr/share", "/etc/ld.so", "/usr/lib/ssl")


def hook(event, arguments):
    """Notes what a file that is being opened makes Python do."""
    if event == "open":
        path, mode, flags = arguments
        if isinstance(path, int):
            return
        path = os.fsdecode(path)
        writes = bool(flags & (os.O_WRONLY | os.O_RDWR | os.O_CREAT)) or any(
            letter in (mode or "") for letter in "wax+"
        )
        if writes or not path.startswith((*INSTALLED, HERE, *QUIET)):
            touched.append(f"{'wrote' if writes else 'read'} {Path.cwd() / path}")
    elif event.startswith(("subprocess.", "socket.", "os.exec", "os.posix_spawn", "os.spawn")):
        touched.append(event)
    elif event in CHANGES:
        touched.append(f"{event} {arguments}")
    elif event == "pickle.find_class":
        touched.append(f"{event} {arguments}"[:100])


def load(path: Path) -> None:
    """Opens a file as its kind is opened, and reads all of it."""
    from kbert.formats.readers.safetensors import open_safetensors
    from kbert.formats.readers.torch import open_torch_bin

    if path.suffix == ".keras" or (path / "config.json").exists():
        kbert.load(path)
    elif path.suffix == ".bin" or list(path.glob("*.bin*")):
        for tensor in open_torch_bin(path).values():
            tensor.read()
    else:
        for tensor in open_safetensors(path).values():
            tensor.read()


def judge(path: Path, how) -> dict:
    from kbert import KbertError

    touched.clear()
    started = time.process_time()
    try:
        how(path)
        outcome, message = "loaded", ""
    except KbertError as error:
        outcome, message = "refused", str(error)
    except Exception as error:
        outcome, message = type(error).__name__, str(error)
    seconds = time.process_time() - started
    return {"outcome": outcome, "message": message, "seconds": seconds, "touched": touched[:]}


if __name__ == "__main__":
    from rich.console import Console

    import kbert
    from kbert.formats.inspect import inspect

    paths = list(map(Path, sys.argv[1:]))
    with Path(os.devnull).open("w") as nowhere:
        kbert.load(paths[0])  # so that Keras and the backend are loaded
        with contextlib.suppress(kbert.KbertError):  # PyTorch is not installed
            load(paths[1])
        quiet = Console(file=nowhere)
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        sys.addaudithook(hook)
        for path in paths:
            result = judge(path, load)
            result["inspected"] = judge(path, lambda path: inspect(path, quiet))
            sys.stdout.write(json.dumps(result) + "\n")
        grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
        sys.stdout.write(json.dumps({"grown_kib": grown}) + "\n")
