"""Hostile checkpoints: name -> (the error they must give, what writes them into a folder).

Each is given an empty folder of its own, and returns the file or folder to open. Where the error is
None nothing is wrong but what kbert must ignore, and the model is loaded.
"""

import io
import json
import os
import pickle
import struct
import tarfile
import zipfile
from pathlib import Path

import numpy as np

from tests.formats.hostile_keras import CODE, Canary

GOOD = {"w": {"dtype": "F32", "shape": [2, 3], "data_offsets": [0, 24]}}
NUMBERS = np.arange(6, dtype="<f4").tobytes()


# safetensors.


def tensors(header=GOOD, numbers=NUMBERS, length=None) -> bytes:
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    size = len(text) if length is None else length
    return size.to_bytes(8, "little") + text + numbers


def safetensors(*parts, **options):
    def build(folder: Path) -> Path:
        path = folder / "model.safetensors"
        path.write_bytes(tensors(*parts, **options))
        return path

    return build


def one(dtype="F32", shape=(2, 3), data_offsets=(0, 24), numbers=NUMBERS, **more):
    described = {"dtype": dtype, "shape": shape, "data_offsets": data_offsets, **more}
    return safetensors({"w": described}, numbers)


def two(first, second, numbers=NUMBERS):
    sizes = [(end - begin) // 4 for begin, end in (first, second)]
    header = {
        name: {"dtype": "F32", "shape": [size], "data_offsets": list(span)}
        for name, size, span in zip("ab", sizes, (first, second), strict=True)
    }
    return safetensors(header, numbers)


def bare(data: bytes):
    def build(folder: Path) -> Path:
        path = folder / "model.safetensors"
        path.write_bytes(data)
        return path

    return build


SAFETENSORS = {
    "an empty file": ("not a safetensors file", bare(b"")),
    "seven bytes": ("not a safetensors file", bare(b"1234567")),
    "a header of 8 exabytes": ("its header has", safetensors(length=2**63 - 1)),
    "a header of 2**64 - 1 bytes": ("its header has", safetensors(length=2**64 - 1)),
    "a header longer than the file": ("its header has", safetensors(length=5_000)),
    "a header of 2 MiB": ("its header has", safetensors(b"{" + b" " * (2 << 20) + b"}")),
    "a header cut short": ("not JSON", safetensors(length=10)),
    "no header": ("the header begins with", safetensors(length=0)),
    "a pickle": ("not a safetensors file", bare(pickle.dumps(Canary()))),
    "a list": ("the header begins with", safetensors(b"[]")),
    "a space first": ("the header begins with", safetensors(b" {}")),
    "nested braces": ("levels deep", safetensors(b'{"a":' * 150_000 + b"}" * 150_000)),
    "nested brackets": ("levels deep", safetensors(b'{"a":' + b"[" * 900_000)),
    "300,000 lists": (
        "expected an object",
        safetensors(b'{"a":[' + b"[]," * 300_000 + b"[]]}"),
    ),
    "no UTF-8": ("not JSON", safetensors(b'{"\xff": 1}')),
    "a tensor twice": (
        "'w' stands twice",
        safetensors(json.dumps(GOOD).encode()[:-1] + b"," + json.dumps(GOOD).encode()[1:]),
    ),
    "a shape twice": ("stands twice", safetensors(b'{"w":{"shape":[1],"shape":[2]}}')),
    "a tensor that is a number": ("expected an object", safetensors({"w": 5})),
    "no shape": ("expected an object", safetensors({"w": {"dtype": "F32"}})),
    "more than is known": ("expected an object", one(code=CODE)),
    "an unknown type": ("dtype 'F128'", one(dtype="F128")),
    "a type that is a list": ("dtype \\['F32'\\]", one(dtype=["F32"])),
    "a type in small letters": ("dtype 'f32'", one(dtype="f32")),
    "a negative size": ("shape", one(shape=(-2, -3))),
    "half a size": ("shape", one(shape=(2.0, 3))),
    "true as a size": ("shape", one(shape=(True, 6))),
    "a text as shape": ("shape", one(shape="23")),
    "sizes that overflow": ("takes", one(shape=(2**62, 4, 2**62))),
    "a size that overflows": ("shape", one(shape=(2**64,))),
    "300,000 axes": ("shape", one(shape=(1,) * 300_000)),
    "nine axes": ("shape", one(shape=(6,) + (1,) * 8)),
    "a terabyte": ("takes", one(shape=(2**38,))),
    "a terabyte, and its bytes": ("describes", one(shape=(2**38,), data_offsets=(0, 2**40))),
    "offsets back to front": ("data_offsets", one(data_offsets=(24, 0))),
    "negative offsets": ("data_offsets", one(data_offsets=(-24, 0))),
    "one offset": ("data_offsets", one(data_offsets=(24,))),
    "offsets that are texts": ("data_offsets", one(data_offsets=("0", "24"))),
    "offsets beyond the end": ("leaves a gap", one(data_offsets=(1000, 1024))),
    "too few bytes for the shape": ("takes", one(shape=(2, 2))),
    "tensors that overlap": ("overlaps", two((0, 16), (8, 24))),
    "tensors that are the same": ("overlaps", two((0, 24), (0, 24))),
    "a gap": ("leaves a gap", two((0, 8), (16, 24))),
    "bytes at the end": ("describes 24 bytes", safetensors(numbers=NUMBERS + b"more")),
    "numbers cut short": ("describes 24 bytes", safetensors(numbers=NUMBERS[:-1])),
    "metadata that is a list": ("__metadata__", safetensors({"__metadata__": [], **GOOD})),
    "metadata with an object": (
        "__metadata__",
        safetensors({"__metadata__": {"code": {"run": CODE}}, **GOOD}),
    ),
    "NaN as a size": ("is no number", safetensors(b'{"w":{"shape":[NaN]}}')),
}


# Folders: an index of shards, links, pipes.


def index(weight_map, **files):
    """A folder with an index, and files that each hold the tensor `w`."""

    def build(folder: Path) -> Path:
        text = (
            weight_map if isinstance(weight_map, bytes) else json.dumps({"weight_map": weight_map})
        )
        path = folder / "model.safetensors.index.json"
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        for name, header in files.items():
            (folder / f"{name}.safetensors").write_bytes(tensors(header))
        return folder

    return build


def link(name, target):
    def build(folder: Path) -> Path:
        (folder.parent / "secret.safetensors").write_bytes(tensors())
        (folder / name).symlink_to(target)
        return folder

    return build


def linked_shard(folder: Path) -> Path:
    index({"w": "s.safetensors"})(folder)
    return link("s.safetensors", "../secret.safetensors")(folder)


def pipe(folder: Path) -> Path:
    """Whoever opens it to read waits for ever."""
    os.mkfifo(folder / "model.safetensors")
    return folder


def cached_elsewhere(folder: Path) -> Path:
    """A folder that looks like a hub's cache, with a link to more than its blobs."""
    inner = folder / "snapshots" / "abc"
    inner.mkdir(parents=True)
    (folder / "refs").mkdir()
    (folder / "refs" / "x").write_bytes(tensors())
    (inner / "model.safetensors").symlink_to("../../refs/x")
    return inner


FOLDERS = {
    "an empty folder": ("has neither", lambda folder: folder),
    "a shard in another folder": ("not a plain file name", index({"w": "../secret.safetensors"})),
    "a shard by its full path": ("not a plain file name", index({"w": "/etc/x.safetensors"})),
    "a shard on Windows": ("not a plain file name", index({"w": "C:\\x.safetensors"})),
    "a shard of a drive": ("not a plain file name", index({"w": "C:x.safetensors"})),
    "a shard with a NUL": ("not a plain file name", index({"w": "a\0.safetensors"})),
    "a hidden shard": ("not a plain file name", index({"w": ".safetensors"})),
    "a shard that is a pickle": ("expected a .safetensors", index({"w": "pytorch_model.bin"})),
    "a shard from the net": ("not a plain file name", index({"w": "http://a/b.safetensors"})),
    "a shard that is a list": ("expected a .safetensors", index({"w": ["a.safetensors"]})),
    "a shard that is not there": ("does not have", index({"w": "a.safetensors"})),
    "a shard without the tensor": ("disagree", index({"x": "a.safetensors"}, a=GOOD)),
    "a shard with one more": (
        "disagree",
        index(
            {"w": "a.safetensors"},
            a=GOOD | {"v": GOOD["w"] | {"shape": [0], "data_offsets": [24, 24]}},
        ),
    ),
    "a tensor in two shards": (
        "stands twice|disagree",
        index({"w": "a.safetensors", "v": "b.safetensors"}, a=GOOD, b=GOOD),
    ),
    "a map that is a list": ("expected a weight_map", index([1])),
    "an empty map": ("expected a weight_map", index({})),
    "an index that is no JSON": ("not JSON", index(b"{")),
    "an index of brackets": ("levels deep", index(b"[" * 100_000)),
    "an index of 2 MiB": ("has more than", index(b" " * (2 << 20))),
    "a link out of the folder": (
        "a link out of its folder",
        link("model.safetensors", "../secret.safetensors"),
    ),
    "a link to the system": ("a link out", link("model.safetensors", "/etc/passwd")),
    "a link to nothing": ("is not a file", link("model.safetensors", "nothing")),
    "a link to itself": ("link|not a file|loop", link("model.safetensors", "model.safetensors")),
    "a link to a device": ("a link out", link("model.safetensors", "/dev/zero")),
    "a shard that is a link": ("a link out", linked_shard),
    "an index that is a link": (
        "a link out",
        link("model.safetensors.index.json", "/etc/passwd"),
    ),
    "a pipe": ("is not a file", pipe),
    "a cache with a link elsewhere": ("a link out", cached_elsewhere),
}


# PyTorch's pickles.


def tensor_dict(entries: bytes, protocol=b"\x80\x02") -> bytes:
    return protocol + b"}" + entries + b"."


def torch_zip(pickled: bytes, method=zipfile.ZIP_STORED, **more) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", method) as archive:
        archive.writestr("a/data.pkl", pickled)
        archive.writestr("a/byteorder", "little")
        archive.writestr("a/data/0", NUMBERS)
        archive.writestr("a/version", "3\n")
        for name, data in more.items():
            archive.writestr(name.replace("__", "/"), data)
    return buffer.getvalue()


def tensor(numel=6, offset=0, size=(2, 3), stride=(3, 1), kind="FloatStorage") -> bytes:
    """The instructions of one tensor `w`, as torch.save writes them."""

    def number(value):
        return b"J" + struct.pack("<i", value) if value < 2**31 else long(value)

    def long(value):
        data = value.to_bytes((value.bit_length() + 8) // 8, "little")
        return b"\x8a" + bytes([len(data)]) + data

    def text(value):
        return b"X" + struct.pack("<I", len(value)) + value.encode()

    def group(values):
        return b"(" + b"".join(map(number, values)) + b"t"

    storage = b"(" + text("storage") + f"ctorch\n{kind}\n".encode() + text("0") + text("cpu")
    storage += number(numel) + b"tQ"
    call = b"ctorch._utils\n_rebuild_tensor_v2\n(" + storage + number(offset)
    call += group(size) + group(stride) + b"\x89ccollections\nOrderedDict\n)RtR"
    return text("w") + call + b"s"


def write_controls(stem: Path) -> dict[str, Path]:
    """Good files, by the same means."""
    files = {"bin": torch_zip(tensor_dict(tensor())), "safetensors": tensors()}
    for kind, data in files.items():
        stem.with_suffix(f".{kind}").write_bytes(data)
    return {f"good .{kind}": stem.with_suffix(f".{kind}") for kind in files}


def binary(data):
    def build(folder: Path) -> Path:
        path = folder / "pytorch_model.bin"
        path.write_bytes(data() if callable(data) else data)
        return path

    return build


def pickled(data: bytes, **options):
    return binary(torch_zip(data, **options))


def calls(module: str, name: str, argument: str) -> bytes:
    text = argument.encode()
    call = f"c{module}\n{name}\n(X".encode() + struct.pack("<I", len(text)) + text + b"tR"
    return tensor_dict(b"X\1\0\0\0w" + call + b"s")


OLD = b"\x80\x02\x8a\x0al\xfc\x9cF\xf9 j\xa8P\x19.\x80\x02M\xe9\x03.\x80\x02}q\0."


def tar() -> bytes:
    """PyTorch's oldest format: an archive that it would unpack."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        for name in ("storages", "tensors", "pickle", "../evil"):
            data = pickle.dumps(Canary())
            member = tarfile.TarInfo(name)
            member.size = len(data)
            archive.addfile(member, io.BytesIO(data))
    return buffer.getvalue()


def bomb() -> bytes:
    return torch_zip(tensor_dict(b"0" * (30 << 20)), zipfile.ZIP_DEFLATED)


def tuples(again: bool) -> bytes:
    """Tuples of tuples, 40 deep: 2**40 steps to hash."""
    build = b")q\0" + b"".join(
        b"h" + bytes([n]) + b"h" + bytes([n]) + b"\x86q" + bytes([n + 1]) for n in range(40)
    )
    build = b"N\x85q\0" + build[3:] if again else build
    return b"\x80\x02}" + build + b"Ns."


_BIG = np.random.default_rng(0).bytes(2000)
TORCH = {
    "os.system": ("names 'posix.system'", pickled(calls("posix", "system", "touch canary"))),
    "exec": ("names 'builtins.exec'", pickled(calls("builtins", "exec", CODE))),
    "eval by its old name": (
        "names '__builtin__.eval'",
        pickled(calls("__builtin__", "eval", CODE)),
    ),
    "getattr": ("names 'builtins.getattr'", pickled(calls("builtins", "getattr", "x"))),
    "torch.load": ("names 'torch.load'", pickled(calls("torch", "load", "/etc/passwd"))),
    "torch.hub": ("names 'torch.hub.load'", pickled(calls("torch.hub", "load", "a/b"))),
    "numpy's runstring": ("names 'numpy", pickled(calls("numpy.testing", "runstring", CODE))),
    "a bytearray of a terabyte": ("names '", pickled(calls("__builtin__", "bytearray", "x"))),
    "a canary": ("STACK_GLOBAL|FRAME|names", pickled(pickle.dumps(Canary()))),
    "a canary of protocol 0": ("names|instruction", pickled(pickle.dumps(Canary(), 0))),
    "a canary of protocol 2": ("names '", pickled(pickle.dumps(Canary(), 2))),
    "a bare canary": ("not a PyTorch file", binary(pickle.dumps(Canary()))),
    "a bare canary of protocol 2": ("not a PyTorch file", binary(pickle.dumps(Canary(), 2))),
    "a canary in the old format": ("names '", binary(OLD + pickle.dumps(Canary(), 2))),
    "a canary where the old machine is described": (
        "names '",
        binary(OLD[:-6] + pickle.dumps(Canary(), 2)),
    ),
    "an INST": ("INST", pickled(b"(X\1\0\0\0xios\nsystem\n.")),
    "an OBJ": ("names|OBJ", pickled(b"(cos\nsystem\nS'touch canary'\no.")),
    "an extension": ("EXT1", pickled(tensor_dict(b"\x82\x01"))),
    "a text as persistent id": ("PERSID", pickled(b"Pstorage\n.")),
    "a pickle without an end": ("damaged", pickled(b"\x80\x02}")),
    "no pickle": ("damaged", pickled(b"")),
    "bytes that are no pickle": ("instruction|damaged", pickled(_BIG)),
    "a pickle of 2 MiB": ("more than", pickled(tensor_dict(b"N0" * (1 << 20)))),
    "tuples of one tuple": ("one tuple twice", pickled(tuples(again=True))),
    "tuples of nothing": ("one tuple twice|refuse", pickled(tuples(again=False))),
    "a deflated bomb": ("compressed", binary(bomb)),
    "two pickles": (
        "expected one data.pkl",
        pickled(tensor_dict(tensor()), b__data__x=b"", a__constants__pkl=b"", **{"b.pkl": b""}),
    ),
    "TorchScript": (
        "expected one data.pkl",
        pickled(tensor_dict(tensor()), **{"a__code__m.py": CODE, "a__constants.pkl": b"."}),
    ),
    "a path out of the zip": (
        "not a plain relative path",
        pickled(tensor_dict(tensor()), **{"..__evil": b"x"}),
    ),
    "a tar": ("not a PyTorch file", binary(tar)),
    "HTML": ("not a PyTorch file", binary(b"<!doctype html><title>404</title>")),
    "a claim of a terabyte": ("claims a size", pickled(tensor_dict(tensor(numel=2**38)))),
    "a shape of a terabyte": ("claims a size", pickled(tensor_dict(tensor(size=(2**38, 3))))),
    "a stride beyond the end": (
        "refuses|more numbers",
        pickled(tensor_dict(tensor(stride=(99, 1)))),
    ),
    "an offset beyond the end": ("refuses|more numbers", pickled(tensor_dict(tensor(offset=9)))),
    "numbers that are used again": (
        "more numbers than",
        pickled(tensor_dict(tensor(size=(500, 500), stride=(0, 0)))),
    ),
    "a tensor larger than its storage": ("refuses|more", pickled(tensor_dict(tensor(size=(9, 9))))),
    "an unknown storage": ("names 'torch.Evil", pickled(tensor_dict(tensor(kind="EvilStorage")))),
    "a list": ("got a list", pickled(b"\x80\x02].")),
    "None": ("got None", pickled(b"\x80\x02N.")),
    "a dict of texts": ("is a str", pickled(tensor_dict(b"X\1\0\0\0wX\1\0\0\0xs"))),
    "a dict of numbers": ("expected a dict of names", pickled(tensor_dict(b"K\1K\2s"))),
    "a missing storage": (
        "refuses",
        binary(torch_zip(tensor_dict(tensor())).replace(b"a/data/0", b"a/data/1")),
    ),
}


# Whole checkpoints, as kbert.load opens them.

BERT = {
    "model_type": "bert",
    "architectures": ["BertModel"],
    "vocab_size": 5,
    "hidden_size": 4,
    "num_hidden_layers": 1,
    "num_attention_heads": 1,
    "intermediate_size": 4,
    "max_position_embeddings": 8,
    "type_vocab_size": 2,
}
TOKENS = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
KINDS = {"word": 5, "position": 8, "token_type": 2}


def bert_tensors() -> bytes:
    """The weights of such a BERT, all zeros."""
    shapes = {f"embeddings.{kind}_embeddings": (rows, 4) for kind, rows in KINDS.items()}
    layer = "encoder.layer.0."
    parts = ("self.query", "self.key", "self.value", "output.dense")
    matrices = [f"{layer}attention.{part}" for part in parts]
    matrices += [f"{layer}intermediate.dense", f"{layer}output.dense", "pooler.dense"]
    norms = ["embeddings.", f"{layer}attention.output.", f"{layer}output."]
    shapes |= dict.fromkeys(matrices, (4, 4))
    shapes |= {f"{name}LayerNorm": (4,) for name in norms}
    header, place = {}, 0
    for name, shape in shapes.items():
        leaves = {"weight": shape} if "_embeddings" in name else {"weight": shape, "bias": (4,)}
        for leaf, sizes in leaves.items():
            end = place + 4 * int(np.prod(sizes))
            header[f"{name}.{leaf}"] = {
                "dtype": "F32",
                "shape": sizes,
                "data_offsets": [place, end],
            }
            place = end
    return tensors(header, bytes(place))


def checkpoint(raw=None, **values):
    """A folder that is good but for what is given, with code that must not run."""

    def build(folder: Path) -> Path:
        text = raw if raw is not None else json.dumps(BERT | values).encode()
        (folder / "config.json").write_bytes(text)
        (folder / "vocab.txt").write_text("\n".join(TOKENS))
        (folder / "model.safetensors").write_bytes(bert_tensors())
        for name in ("modeling.py", "tokenization.py", "__init__.py", "conftest.py"):
            (folder / name).write_text(CODE)
        return folder

    return build


AUTO = {"AutoModel": "modeling.Evil", "AutoConfig": "modeling.Evil"}


def with_link(name, target):
    def build(folder: Path) -> Path:
        checkpoint()(folder)
        (folder / name).unlink(missing_ok=True)
        (folder / name).symlink_to(target)
        return folder

    return build


def whole_numbers(folder: Path) -> Path:
    checkpoint()(folder)
    path = folder / "model.safetensors"
    path.write_bytes(path.read_bytes().replace(b"F32", b"I32"))
    return folder


def with_file(name, data):
    def build(folder: Path) -> Path:
        checkpoint()(folder)
        (folder / name).write_bytes(data)
        return folder

    return build


def hollow_layers(folder: Path) -> Path:
    """Thousands of layers that cost the file one empty tensor each, and Keras seconds."""
    checkpoint(num_hidden_layers=5_000)(folder)
    good = bert_tensors()
    size = 8 + int.from_bytes(good[:8], "little")
    header = json.loads(good[8:size])
    empty = {"dtype": "F32", "shape": [0], "data_offsets": [0, 0]}
    header |= {f"encoder.layer.{i}.intermediate.dense.weight": empty for i in range(1, 5_000)}
    (folder / "model.safetensors").write_bytes(tensors(header, good[size:]))
    return folder


def thin_layer(folder: Path) -> Path:
    """Tables of a width of which a layer would have 30 GB; the layer has a thin matrix only."""
    checkpoint(hidden_size=50_000, intermediate_size=1)(folder)
    good = bert_tensors()
    size = 8 + int.from_bytes(good[:8], "little")
    header = json.loads(good[8:size])
    for name, described in header.items():
        if "_embeddings" in name:
            described["shape"][1] = 50_000
        elif name.endswith("intermediate.dense.weight"):
            described["shape"] = [1, 50_000]
    place = 0
    for described in header.values():
        end = place + 4 * int(np.prod(described["shape"]))
        described["data_offsets"], place = [place, end], end
    (folder / "model.safetensors").write_bytes(tensors(header, bytes(place)))
    return folder


MANY = 300_000  # tokens


def many_tokens(name: str, write):
    """A checkpoint with a large table of tokens, and so with room for a large tokenizer's file."""

    def build(folder: Path) -> Path:
        checkpoint(vocab_size=MANY)(folder)
        good = bert_tensors()
        size = 8 + int.from_bytes(good[:8], "little")
        header = json.loads(good[8:size])
        more = 4 * 4 * (MANY - 5)
        for tensor_name, described in header.items():
            begin, end = described["data_offsets"]
            first = tensor_name.startswith("embeddings.word")
            described["data_offsets"] = [begin + more * (begin > 0), end + more]
            described["shape"] = [MANY, 4] if first else described["shape"]
        (folder / "model.safetensors").write_bytes(tensors(header, bytes(len(good) - size + more)))
        (folder / name).write_bytes(write())
        return folder

    return build


def repeated(before: bytes, what: bytes, after: bytes, size: int = 15 << 20):
    return lambda: before + what * ((size - len(before) - len(after)) // len(what)) + after


def many_steps() -> bytes:
    step = {"type": "Replace", "pattern": {"String": "ab"}, "content": "b"}
    other = {"type": "Replace", "pattern": {"String": "a"}, "content": "b"}
    steps = {"type": "Sequence", "normalizers": [other] * 100_000 + [step] * 50_000}
    vocab = {token: index for index, token in enumerate(TOKENS)}
    return json.dumps(
        {"model": {"type": "WordPiece", "vocab": vocab}, "normalizer": steps}
    ).encode()


def many_added() -> bytes:
    vocab = {token: index for index, token in enumerate([*TOKENS, *map(str, range(28_000))])}
    added = [{"id": index, "content": token} for token, index in vocab.items()]
    whole = {
        "model": {"type": "WordPiece", "vocab": vocab},
        "normalizer": {"type": "BertNormalizer"},
        "pre_tokenizer": {"type": "BertPreTokenizer"},
        "added_tokens": [*added, *added, {"id": "x", "content": "x"}],
    }
    return json.dumps(whole).encode()


def only_a_pickle(folder: Path) -> Path:
    checkpoint()(folder)
    (folder / "model.safetensors").rename(folder / "pytorch_model.bin")
    (folder / "pytorch_model.bin").write_bytes(torch_zip(pickle.dumps(Canary(), 2)))
    return folder


MODULES = [
    {"idx": 0, "name": "0", "path": "", "type": "sentence_transformers.models.Transformer"},
    {"idx": 1, "name": "1", "path": "1_Pooling", "type": "sentence_transformers.models.Pooling"},
    {"idx": 2, "name": "2", "path": "2_Dense", "type": "sentence_transformers.models.Dense"},
]


def sentences(pooling=1, dense=None, number=None, **values):
    """A folder of sentence-transformers' in which one part is described otherwise."""

    def build(folder: Path) -> Path:
        checkpoint()(folder)
        modules = [dict(each) for each in MODULES]
        if number is not None:
            modules[number].update(values)
        (folder / "modules.json").write_text(json.dumps(modules))
        for name in ("1_Pooling", "2_Dense"):
            (folder / name).mkdir()
            (folder / name / "evil.py").write_text(CODE)
        if isinstance(pooling, str):
            (folder / "1_Pooling" / "config.json").symlink_to(pooling)
        else:
            (folder / "1_Pooling" / "config.json").write_text('{"pooling_mode": "mean"}')
        kind = "torch.nn.modules.activation.Tanh"
        described = {"in_features": 4, "out_features": 2, "activation_function": kind}
        described |= dense or {}
        (folder / "2_Dense" / "config.json").write_text(json.dumps(described))
        header = {
            "linear.weight": {"dtype": "F32", "shape": [2, 4], "data_offsets": [0, 32]},
            "linear.bias": {"dtype": "F32", "shape": [2], "data_offsets": [32, 40]},
        }
        (folder / "2_Dense" / "model.safetensors").write_bytes(tensors(header, bytes(40)))
        return folder

    return build


def dense_that_is_a_pickle(folder: Path) -> Path:
    sentences()(folder)
    (folder / "2_Dense" / "model.safetensors").unlink()
    place = folder / "2_Dense" / "pytorch_model.bin"
    place.write_bytes(torch_zip(pickle.dumps(Canary(), 2)))
    return folder


def part_that_is_a_link(folder: Path) -> Path:
    sentences()(folder)
    (folder / "1_Pooling").rename(folder.parent / f"{folder.name}-elsewhere")
    (folder / "1_Pooling").symlink_to(folder.parent / f"{folder.name}-elsewhere")
    return folder


def thin_dense(folder: Path) -> Path:
    """A dense layer that asks for 400 GB, with a matrix of 100 MB claimed and none there."""
    sentences(dense={"in_features": 1, "out_features": 10**8})(folder)
    header = {"linear.weight": {"dtype": "F32", "shape": [10**8, 0], "data_offsets": [0, 0]}}
    (folder / "2_Dense" / "model.safetensors").write_bytes(tensors(header, b""))
    return folder


SENTENCES = {
    "a good folder of sentence-transformers'": (None, sentences()),
    "a part above the folder": ("not a plain name", sentences(number=1, path="../1_Pooling")),
    "a part of the disk": ("not a plain name", sentences(number=1, path="/etc")),
    "a part that is a list": ("a type and a path", sentences(number=1, path=["1_Pooling"])),
    "the encoder elsewhere": ("not a plain name", sentences(number=0, path="..")),
    "a module of one's own": ("the parts are", sentences(number=1, type="evil.Pooling")),
    "a module that steers": (r"\\x1b", sentences(number=1, type="\x1b[2J.Pooling")),
    "a part that is a link": ("link", part_that_is_a_link),
    "a part's config that is a link": ("a link out", sentences(pooling="/etc/passwd")),
    "an activation that is a program": (
        "activation_function is 'os.system'",
        sentences(dense={"activation_function": "os.system"}),
    ),
    "a dense layer of a billion": (
        "expected the tensors",
        sentences(dense={"out_features": 10**9}),
    ),
    "a thin dense layer": ("expected the tensors", thin_dense),
    "a dense layer that is a pickle": ("which is a pickle", dense_that_is_a_pickle),
}
CHECKPOINTS = {
    "whole numbers as weights": ("a weight is a floating", whole_numbers),
    "only a pickle": ("which is a pickle", only_a_pickle),
    "a config that is a link": ("a link out", with_link("config.json", "/etc/passwd")),
    "a vocabulary that is a link": ("a link out", with_link("vocab.txt", "/etc/passwd")),
    "a tokenizer that is a link": ("a link out", with_link("tokenizer.json", "/etc/passwd")),
    "any other link": ("a link out", with_link("notes.txt", "/etc/passwd")),
    "auto_map": (None, checkpoint(auto_map=AUTO)),
    "auto_map and trust_remote_code": (None, checkpoint(auto_map=AUTO, trust_remote_code=True)),
    "auto_map from the net": (None, checkpoint(auto_map={"AutoModel": "evil/repo--modeling.Evil"})),
    "custom pipelines": (None, checkpoint(custom_pipelines={"fill-mask": {"impl": "modeling.X"}})),
    "a config of brackets": ("levels deep", checkpoint(b"[" * 100_000)),
    "a config of 2 MiB": ("more than", checkpoint(b" " * (2 << 20))),
    "a billion layers": ("", checkpoint(num_hidden_layers=10**9)),
    "a trillion words": ("", checkpoint(vocab_size=10**12)),
    "a width of a billion": ("", checkpoint(hidden_size=10**9)),
    "positions without end": ("", checkpoint(max_position_embeddings=10**15)),
    "a size that is a text": ("", checkpoint(hidden_size="4")),
    "a size that is a list": ("", checkpoint(hidden_size=[4] * 1000)),
    "a negative size": ("", checkpoint(vocab_size=-5)),
    "an unknown activation": ("", checkpoint(hidden_act="__import__('os')")),
    "an unknown model": ("", checkpoint(model_type="../../evil")),
    "labels without end": (
        "num_labels is from 1 to",
        checkpoint(architectures=["BertForSequenceClassification"], num_labels=10**12),
    ),
    "labels that are lists": (
        "id2label|label",
        checkpoint(architectures=["BertForSequenceClassification"], id2label={"0": [], "1": {}}),
    ),
    "groups without end": (
        "num_hidden_groups|layers",
        checkpoint(model_type="albert", num_hidden_groups=10**12),
    ),
    "layers of a group without end": (
        "layers",
        checkpoint(model_type="albert", inner_group_num=10**12),
    ),
    "groups that are a text": (
        "num_hidden_groups is a whole number from 1",
        checkpoint(model_type="albert", num_hidden_groups="1"),
    ),
    "kinds of layers without end": (
        "layers",
        checkpoint(model_type="modernbert", layer_types=["full_attention"] * 10_000),
    ),
    "windows without end": (
        "10000 windows, and num_hidden_layers is",
        checkpoint(model_type="longformer", attention_window=[2] * 10_000),
    ),
    "a window by code": (
        "attention_window is an even number from 2",
        checkpoint(model_type="longformer", attention_window=[CODE]),
    ),
    "a rotation by code": (
        "rope_parameters are an object",
        checkpoint(model_type="modernbert", rope_parameters={"full_attention": CODE}),
    ),
    "distances by code": (
        "pos_att_type is",
        checkpoint(
            model_type="deberta-v2",
            relative_attention=True,
            position_biased_input=False,
            type_vocab_size=0,
            pos_att_type=CODE,
        ),
    ),
    "feed-forward networks without end": (
        "layers",
        checkpoint(
            model_type="mobilebert", num_feedforward_networks=10**12, intra_bottleneck_size=4
        ),
    ),
    "networks that are a text": (
        "num_feedforward_networks must be a whole number",
        checkpoint(model_type="mobilebert", num_feedforward_networks=CODE),
    ),
    "layers by rule without end": (
        "asks for 1000000000000 layers",
        checkpoint(model_type="modernbert", num_hidden_layers=10**12),
    ),
    "a thin layer of great width": ("asks for a tensor", thin_layer),
    "a string without an end": (
        "not JSON",
        checkpoint(repeated(b'{"a": "', b'\\"', b"", 1 << 20)()),
    ),
    "a number of 400 digits": ("no number", checkpoint(vocab_size=10**400)),
    "an epsilon of 1e300": ("layer_norm_eps", checkpoint(layer_norm_eps=1e300)),
    "a decoder tied by no": (
        "tie_word_embeddings is True or False",
        checkpoint(architectures=["BertForMaskedLM"], tie_word_embeddings="no"),
    ),
    "a message that steers": (
        r"model_type is one of .*, not '\\x1b\[2J",
        checkpoint(model_type="\x1b[2J\x07\u202e"),
    ),
    "a message without end": ("activation is 'aaa", checkpoint(hidden_act="a" * 1_000_000)),
    "settings of 60 MB": ("has 62", with_file("tokenizer_settings.json", b" " * (60 << 20))),
    "scores of 60 MB": ("has 62", with_file("unigram.json", b" " * (60 << 20))),
    "5 million lists": (
        "values of JSON",
        many_tokens("tokenizer.json", repeated(b'{"a":[', b"[],", b"1]}")),
    ),
    "a string of 15 MB": (
        "not JSON",
        many_tokens("tokenizer.json", repeated(b'{"a": "', b'\\"', b"")),
    ),
    "brackets without end": (
        "not JSON",
        many_tokens("tokenizer.json", repeated(b'{"a":', b"]", b"")),
    ),
    "a million keys": (
        "model is an object",
        many_tokens(
            "tokenizer.json",
            lambda: b"{%s}" % b",".join(b'"%d":1' % number for number in range(990_000)),
        ),
    ),
    "150,000 steps": ("with the steps", many_tokens("tokenizer.json", many_steps)),
    "28,000 added tokens twice": ("are numbers", many_tokens("tokenizer.json", many_added)),
    "a million blank lines": (
        "has no|not have",
        many_tokens("vocab.txt", repeated(b"a", b"\n", b"")),
    ),
    "a token a million times": (
        "8,388,608|4,194,304 tokens; 1,048,576 is the most",
        many_tokens("vocab.txt", repeated(b"a\n", b"a\n", b"", 8 << 20)),
    ),
    "a token a thousand times": (
        "no vocabulary: 1,999 lines repeat a token, as 'a'",
        with_file("vocab.txt", b"a\n" * 2_000),
    ),
    "more tokens than embeddings": (
        "has 350,000 tokens, and the model has embeddings for 300,000",
        many_tokens("vocab.txt", lambda: "\n".join(map(str, range(350_000))).encode()),
    ),
    "5,000 layers in name only": ("5,022 tensors; 2,000 is", hollow_layers),
    "a tokenizer.json of brackets": ("tokenizer.json", with_file("tokenizer.json", b"[" * 99_999)),
    "a tokenizer.json that is a pickle": (
        "tokenizer.json",
        with_file("tokenizer.json", pickle.dumps(Canary())),
    ),
    "a settings file of brackets": (
        "tokenizer_config.json",
        with_file("tokenizer_config.json", b'{"a":' * 99_999),
    ),
    "a million tokens": (
        "for a vocabulary of 5",
        with_file("vocab.txt", "\n".join([*TOKENS, *map(str, range(1_000_000))]).encode()),
    ),
}

FILES = {
    **{f"safetensors: {name}": case for name, case in SAFETENSORS.items()},
    **{f"folder: {name}": case for name, case in FOLDERS.items()},
    **{f"bin: {name}": case for name, case in TORCH.items()},
    **{f"checkpoint: {name}": case for name, case in CHECKPOINTS.items()},
    **{f"sentences: {name}": case for name, case in SENTENCES.items()},
}
