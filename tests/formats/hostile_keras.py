"""Hostile `.keras` files, made from a good one: name -> (the error they must give, their bytes).

Each is given the members of a good file, and returns the bytes of a bad one.
"""

import io
import json
import pickle
import struct
import warnings
import zipfile
import zlib

import h5py
import numpy as np

from tests.conftest import WORDS

Parts = dict[str, bytes]
WEIGHTS, VOCABULARY = "model.weights.h5", "assets/bert/vocab.txt"
SETTINGS = "assets/bert/tokenizer_settings.json"
QUERY = "bert/encoder_layers/encoder_layer/self_attention/query_key_value/vars"


CODE = "__import__('pathlib').Path('canary').write_text('it ran')"


class Canary:
    """Whoever unpickles it writes a file into the folder where it runs."""

    def __reduce__(self):
        return exec, (CODE,)


def zipped(parts: Parts, extra=(), method=zipfile.ZIP_STORED) -> bytes:
    """A zip of members; `extra` are (name or ZipInfo, bytes) after them."""
    buffer = io.BytesIO()
    with warnings.catch_warnings(), zipfile.ZipFile(buffer, "w", method) as archive:
        warnings.simplefilter("ignore")  # a name that is there twice
        for name, data in [*parts.items(), *extra]:
            archive.writestr(name, data)
    return buffer.getvalue()


# The config.


def config(change, raw=None):
    """A file whose config.json was changed by `change(dict)`, or is `raw`."""

    def build(parts: Parts) -> bytes:
        described = json.loads(parts["config.json"])
        changed = raw if raw is not None else json.dumps(change(described) or described).encode()
        return zipped({**parts, "config.json": changed})

    return build


def argument(**values):
    return config(lambda described: described["config"].update(values))


def outside(**values):
    return config(lambda described: described.update(values))


def text(before: bytes, after: bytes):
    """A file in the text of whose config something was replaced."""

    def build(parts: Parts) -> bytes:
        assert before in parts["config.json"]
        changed = parts["config.json"].replace(before, after, 1)
        return zipped({**parts, "config.json": changed})

    return build


def lambda_layer(described):
    code = {"class_name": "__lambda__", "config": {"code": CODE}}
    return {"module": "keras.layers", "class_name": "Lambda", "config": {"function": code}}


def functional(described):
    return {
        "module": "keras.src.models.functional",
        "class_name": "Functional",
        "config": {"layers": [lambda_layer(described)]},
        "registered_name": "Functional",
    }


def class_of(module, name):
    return config(lambda described: {"module": module, "class_name": name, "config": {"cmd": CODE}})


CONFIGS = {
    "a Lambda layer": ("holds a 'Lambda'", config(lambda_layer)),
    "a Lambda in a Functional": ("holds a 'Functional'", config(functional)),
    "os.system": ("holds a 'system'", class_of("os", "system")),
    "subprocess.Popen": ("holds a 'Popen'", class_of("subprocess", "Popen")),
    "keras's get_file": ("holds a 'get_file'", class_of("keras.utils", "get_file")),
    "keras's TFSMLayer": ("holds a 'TFSMLayer'", class_of("keras.layers", "TFSMLayer")),
    "another module": ("holds a 'kbert>", outside(module="os")),
    "another class's name": ("holds a 'kbert>Bert'", outside(registered_name="kbert>Bert")),
    "a class name that is a list": ("holds a", outside(class_name=["Bert"])),
    "a function as dtype": (
        "numbers and names",
        argument(dtype={"module": "builtins", "class_name": "function", "config": "exec"}),
    ),
    "a quantised dtype": ("dtype 'int8_from_float32'", argument(dtype="int8_from_float32")),
    "a compile config": ("compile_config", outside(compile_config={"loss": "mse"})),
    "a build config that is code": ("shared_object", outside(shared_object_id=[CODE])),
    "a config that is a list": ("numbers and names", outside(config=[1])),
    "an unknown argument": ("do not fit", argument(trust_remote_code=True)),
    "a newer format": ("update kbert", argument(format_version=9)),
    "a format that is no number": ("must be a whole number", argument(format_version="x")),
    "no layers": ("0 layers|num_hidden_layers", argument(num_hidden_layers=0)),
    "a billion layers": ("1000000000 layers", argument(num_hidden_layers=10**9)),
    "layers that are a text": ("'2' layers", argument(num_hidden_layers="2")),
    "layers that are missing": ("None layers", text(b'"num_hidden_layers": 2, ', b"")),
    "a trillion words": ("vocab_size 1000000000000", argument(vocab_size=10**12)),
    "a wide model": ("do not fit the config", argument(hidden_size=3 * 10**9)),
    "a wide feed-forward": ("do not fit the config", argument(intermediate_size=10**12)),
    "many positions": ("do not fit the config", argument(max_position_embeddings=10**12)),
    "no heads": ("num_attention_heads", argument(num_attention_heads=0)),
    "another encoder": ("do not fit", argument(architecture="modernbert")),
    "an encoder by a path": ("architecture is one of", argument(architecture="../../evil")),
    "an encoder that is a list": ("architecture is one of", argument(architecture=["bert"] * 99)),
    "whole numbers that are none": ("do not fit the config", argument(weights="int8")),
    "halves of whole numbers": ("do not fit the config", argument(weights="int4")),
    "weights of another kind": ("weights are one of", argument(weights="pickle")),
    "weights that are a list": ("weights are one of", argument(weights=["int8"])),
    "heads without end": ("heads_per_layer is a number", argument(heads_per_layer=[1] * 9999)),
    "more heads than a layer has": ("of at most", argument(heads_per_layer=[10**12] * 2)),
    "fewer heads": ("do not fit the config", argument(heads_per_layer=[1, 1])),
    "no heads in a layer": ("whole number from 1", argument(heads_per_layer=[0, 0])),
    "heads that are names": ("whole number", argument(heads_per_layer=["1", "2"])),
    "heads in lists": ("numbers and names", argument(heads_per_layer=[[1], [2]])),
    "wide layers": ("of at most", argument(intermediate_sizes=[10**15] * 2)),
    "narrow layers": ("do not fit the config", argument(intermediate_sizes=[1, 2])),
    "groups without end": ("num_hidden_groups 1000000000", argument(num_hidden_groups=10**9)),
    "layers of a group without end": (
        "2 times 1000000000 layers",
        argument(num_hidden_groups=1, inner_group_num=10**9),
    ),
    "feed-forward networks without end": (
        "2 times 1000000000 layers",
        argument(architecture="mobilebert", num_feedforward_networks=10**9),
    ),
    "a number too long": ("is no number", text(b'"seed": 5', b'"seed": ' + b"9" * 9999)),
    "a seed of 90 digits": ("is no number", text(b'"seed": 5', b'"seed": ' + b"9" * 90)),
    "a name of a megabyte": ("numbers and names", argument(name="x" * 1_000_000)),
    "a name with a path": ("do not fit", argument(name="../../x")),
    "NaN": ("NaN is no number", text(b'"seed": 5', b'"seed": NaN')),
    "1e999": ("1e999 is no number", text(b'"seed": 5', b'"seed": 1e999')),
    "a key twice": ("stands twice", text(b'"seed": 5', b'"seed": 5, "seed": 6')),
    "a class twice": ("stands twice", text(b'"config"', b'"class_name": "Lambda", "config"')),
    "open brackets": ("levels deep", config(None, b"[" * 900_000)),
    "nested braces": ("levels deep", config(None, b'{"a":' * 90_000 + b"1" + b"}" * 90_000)),
    "a deep argument": ("levels deep", text(b'"seed": 5', b'"seed": ' + b"[" * 40 + b"]" * 40)),
    "UTF-16": ("not JSON", config(None, json.dumps({"class_name": "Bert"}).encode("utf-16"))),
    "a config of 2 MiB": ("larger than", config(None, b" " * (2 << 20))),
    "a config that is no object": ("expected a JSON object", config(None, b"[]")),
    "no version": ("keras_version", lambda parts: zipped({**parts, "metadata.json": b"{}"})),
}


# The zip.


def with_member(name, data=b"x", attributes=0o600):
    def build(parts: Parts) -> bytes:
        member = zipfile.ZipInfo(name)
        member.external_attr = attributes << 16
        member.filename = name  # ZipInfo itself would mend it
        return zipped(parts, [(member, data)])

    return build


def instead(name, data):
    return lambda parts: zipped({**parts, name: data})


def patched(find, replace, *, last=True):
    """A good zip in which `find` is replaced, at its last place (the directory) or its first."""

    def build(parts: Parts) -> bytes:
        data = zipped(parts)
        place = data.rfind(find) if last else data.find(find)
        assert place >= 0
        return data[:place] + replace + data[place + len(find) :]

    return build


def field(name, offset, value, *, directory):
    """A zip one of whose headers has another value `offset` bytes before its name."""

    def build(parts: Parts) -> bytes:
        data = bytearray(zipped(parts))
        place = data.rfind(name) if directory else data.find(name)
        data[place - offset : place - offset + len(value)] = value
        return bytes(data)

    return build


def overlapping(parts: Parts) -> bytes:
    """Two entries of the directory that share one member's bytes."""
    names = [VOCABULARY, SETTINGS]
    data = bytearray(zipped({**parts, SETTINGS: parts[VOCABULARY]}))
    places = [data.rfind(name.encode()) for name in names]
    offset = data[places[0] - 4 : places[0]]
    data[places[1] - 4 : places[1]] = offset
    return bytes(data)


def zip64_lie(parts: Parts) -> bytes:
    """A zip64 directory of a terabyte, before the good one's end."""
    data = zipped(parts)
    record = struct.pack("<4sQ2H2L4Q", b"PK\6\6", 44, 45, 45, 0, 0, 5, 5, 1 << 40, 0)
    locator = struct.pack("<4sLQL", b"PK\6\7", 0, len(data) - 22, 1)
    return data[:-22] + record + locator + data[-22:]


def twin_members(parts: Parts) -> bytes:
    return zipped(parts, [("a", b"")] * 20_000)


def many_members(parts: Parts) -> bytes:
    return zipped(parts, [(f"assets/{number}", b"") for number in range(20_000)])


def flipped(parts: Parts) -> bytes:
    """One bit of a weight, which the zip's checksum must find; without a tokenizer."""
    data = bytearray(zipped({name: parts[name] for name in list(parts)[:3]}))
    place = data.find(np.float32(12345).tobytes())
    assert place > 0
    data[place] ^= 1
    return bytes(data)


def sealed(parts: Parts) -> bytes:
    """A deflated config of 100 MB, in 500 kB."""
    packer = zlib.compressobj(1, zlib.DEFLATED, -15)
    packed = b"".join(packer.compress(b" " * (1 << 20)) for _ in range(100)) + packer.flush()
    member = zipfile.ZipInfo("config.json")
    data = bytearray(
        zipped({n: d for n, d in parts.items() if n != "config.json"}, [(member, packed)])
    )
    for name_place in (data.find(b"config.json"), data.rfind(b"config.json")):
        is_local = data[name_place - 30 : name_place - 26] == b"PK\3\4"
        method, size = (22, 8) if is_local else (36, 22)
        data[name_place - method : name_place - method + 2] = struct.pack("<H", 8)
        data[name_place - size : name_place - size + 4] = struct.pack("<L", 100 << 20)
    return bytes(data)


ZIPS = {
    "a parent's path": ("not a plain relative path", with_member("../evil.py")),
    "a path within a path": ("not a plain relative", with_member("assets/bert/../../evil.py")),
    "an absolute path": ("not a plain relative path", with_member("/etc/cron.d/evil")),
    "a Windows path": ("not a plain relative path", with_member("C:/evil.py")),
    "a backslash": ("not a plain relative path", with_member("assets\\..\\evil.py")),
    "a NUL in a name": ("not a plain", patched(b"vocab.txt", b"vocab\0txt")),
    "a NUL in both names": (
        "not a plain",
        lambda parts: zipped(parts).replace(b"vocab.txt", b"vocab\0txt"),
    ),
    "a link": ("is a link", with_member("assets/bert/", b"/etc/passwd", 0o120777)),
    "a member twice": ("twice", lambda parts: zipped(parts, [("config.json", b"{}")])),
    "a pickle": ("does not write", with_member("assets/bert/run.pkl", pickle.dumps(Canary()))),
    "a Python file": ("does not write", with_member("assets/bert/run.py", CODE.encode())),
    "npz weights": ("does not write", with_member("model.weights.npz")),
    "a pickle as weights": ("no HDF5 file", instead(WEIGHTS, pickle.dumps(Canary()))),
    "a pickle as config": ("not JSON", instead("config.json", pickle.dumps(Canary()))),
    "a pickle as vocabulary": ("vocab.txt", instead(VOCABULARY, pickle.dumps(Canary()))),
    "no weights": (
        "has no model.weights.h5",
        lambda parts: zipped({name: parts[name] for name in parts if name != WEIGHTS}),
    ),
    "deflated": ("compressed", lambda parts: zipped(parts, method=zipfile.ZIP_DEFLATED)),
    "bzip2": ("compressed", lambda parts: zipped(parts, method=zipfile.ZIP_BZIP2)),
    "a deflated bomb": ("compressed", sealed),
    "an unknown method": (
        "compressed|differs",
        field(b"vocab.txt", 48, b"\x63\0", directory=True),
    ),
    "encrypted": (
        "encrypted|differs",
        field(VOCABULARY.encode(), 38, b"\x01\0", directory=True),
    ),
    "another name inside": ("another name", patched(b"vocab.txt", b"vocab.exe", last=False)),
    "another size inside": (
        "differs from what the directory says",
        field(VOCABULARY.encode(), 12, b"\1\0\0\0\1\0\0\0", directory=False),
    ),
    "a size beyond the end": (
        "compressed|run into|overlaps|damaged|differs",
        field(VOCABULARY.encode(), 26, b"\xff\xff\xff\x7f\xff\xff\xff\x7f", directory=True),
    ),
    "members that overlap": ("overlaps", overlapping),
    "bytes after the end": ("does not begin", lambda parts: zipped(parts) + b"\0" * 30),
    "a second zip after it": ("overlaps|does not begin", lambda parts: zipped(parts) * 2),
    "bytes before it": ("does not begin", lambda parts: b"MZ" + zipped(parts)),
    "20,000 members": ("directory has", many_members),
    "an empty directory": (
        "has no config.json",
        lambda parts: zipped(parts)[:100] + zipped({}),
    ),
    "20,000 twins": ("twice|members|not in place|directory", twin_members),
    "a zip64 lie": ("directory has|damaged", zip64_lie),
    "half a file": ("does not begin", lambda parts: zipped(parts)[:50_000]),
    "an empty file": ("does not begin", lambda parts: b""),
    "a flipped bit in a weight": ("is damaged", flipped),
}


# The weights.


def weights(change):
    """A file whose HDF5 file was changed by `change(h5py.File)`."""

    def build(parts: Parts) -> bytes:
        buffer = io.BytesIO(parts[WEIGHTS])
        with h5py.File(buffer, "r+") as file:
            change(file)
        return zipped({**parts, WEIGHTS: buffer.getvalue()})

    return build


def replaced(make, path=f"{QUERY}/0"):
    """One tensor, made anew by `make(group, name, old array)`."""

    def change(file):
        group, _, name = path.rpartition("/")
        old = file[path][()]
        del file[path]
        make(file[group], name, old)

    return weights(change)


def virtual(group, name, old):
    layout = h5py.VirtualLayout(old.shape, "f4")
    layout[...] = h5py.VirtualSource("/etc/secret.h5", "x", old.shape)
    group.create_virtual_dataset(name, layout)


def committed(group, name, old):
    group[name] = np.dtype("f4")


def set_link(link):
    return replaced(lambda group, name, old: group.__setitem__(name, link))


def create(**options):
    def make(group, name, old):
        kept = {"shape": old.shape, "dtype": "f4", **options}
        group.create_dataset(name, **kept)

    return replaced(make)


def one_name_more(file):
    file["bert/second"] = file["bert/embeddings"]


def cycle(file):
    file["bert/embeddings/bert"] = file["bert"]


def twice_one_layer(file):
    """The pooler's weights for the feed-forward's narrow half, which then has none."""
    file["bert/pooler/dense/vars/0"] = file["bert/layers/pooler/dense/vars/0"][()]
    file["bert/pooler/dense/vars/1"] = file["bert/layers/pooler/dense/vars/1"][()]
    layer = "bert/encoder_layers/encoder_layer/self_attention/output_projection"
    del file[layer]


def moved(to):
    return weights(lambda file: file.move("bert/layers/pooler/dense", to))


def many_groups(file):
    for number in range(9_000):
        file.create_group(f"bert/g{number}")


def deep_groups(file):
    file.create_group("/".join(["x"] * 500))


def attributes(file):
    for number in range(50):
        file[f"{QUERY}/0"].attrs[f"a{number}"] = "x" * 1000


WEIGHT_FILES = {
    "a link to another file": ("ExternalLink", set_link(h5py.ExternalLink("/etc/x.h5", "x"))),
    "a soft link": ("SoftLink", set_link(h5py.SoftLink("/bert/embeddings/vars/0"))),
    "a second name": ("a second name of", weights(one_name_more)),
    "a circle": ("a second name of", weights(cycle)),
    "numbers in another file": (
        "another file",
        create(external=[("/etc/passwd", 0, h5py.h5f.UNLIMITED)]),
    ),
    "a virtual dataset": ("another file", replaced(virtual)),
    "a gzip bomb": (
        "compressed",
        create(shape=None, compression="gzip", data=np.zeros((2048, 2048))),
    ),
    "a tensor of nothing": ("compressed", create(shape=(1 << 30, 1 << 10), chunks=(64, 64))),
    "a tensor never written": ("are stored", create(shape=(1 << 30, 1 << 10))),
    "a shuffled tensor": ("compressed", create(shuffle=True)),
    "texts": ("not float16", create(dtype=h5py.string_dtype())),
    "objects": ("not float16", create(dtype=h5py.vlen_dtype(np.float32))),
    "a compound": ("not float16", create(dtype=[("a", "f4"), ("b", "f4")])),
    "references": ("not float16", create(dtype=h5py.ref_dtype)),
    "whole numbers": ("not float16", create(dtype="i4", data=np.ones((12, 36)))),
    "a type with a name": ("is a Datatype", replaced(committed)),
    "a wrong shape": (
        "do not fit",
        replaced(lambda group, name, old: group.__setitem__(name, old.T.copy())),
    ),
    "a tensor too many": (
        "do not fit",
        weights(lambda file: file.__setitem__("bert/vars/0", np.zeros(3, "f4"))),
    ),
    "a tensor too few": ("do not fit", weights(lambda file: file.__delitem__(f"{QUERY}/1"))),
    "an empty tensor": ("not float16|stored|do not fit|no HDF5", create(shape=(0, 5))),
    "a layer's second weights": ("second set of weights|no layer", weights(twice_one_layer)),
    "weights for a private name": ("no layer", moved("bert/_layers")),
    "weights for a method": ("no layer", moved("bert/get_config")),
    "weights for no layer": ("no layer", moved("bert/tokenizer")),
    "weights for a class": ("no layer", moved("bert/__class__")),
    "9,000 groups": ("holds more than", weights(many_groups)),
    "groups in groups": ("not one that Keras writes", weights(deep_groups)),
    "many attributes": ("holds float32", weights(attributes)),
    "no groups": ("no tensor of more than 0 rows", weights(lambda file: file.clear())),
}


# The tokenizer.


def lines(*tokens):
    return instead(VOCABULARY, "".join(f"{token}\n" for token in tokens).encode())


def unigram(found, raw=None):
    data = json.dumps(found).encode() if raw is None else raw
    return lambda parts: zipped(parts, [("assets/bert/unigram.json", data)])


SPECIAL = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]")
TOKENIZERS = {
    "a vocabulary that is not UTF-8": ("not UTF-8", instead(VOCABULARY, b"\xff\xfe")),
    "a million tokens": ("are the most", lines(*SPECIAL, *range(1_000_000))),
    "100,000 tokens": ("100,005 lines", lines(*SPECIAL, *range(100_000))),
    "a token twice": ("twice|duplicate|both", lines(*SPECIAL, "a", "a")),
    "two tokenizers": (
        "holds two tokenizers",
        lambda parts: zipped(parts, [("assets/vocab.txt", parts[VOCABULARY])]),
    ),
    "settings without a vocabulary": (
        "no vocab.txt",
        lambda parts: zipped({name: parts[name] for name in parts if name != VOCABULARY}),
    ),
    "scores that are texts": ("score", unigram({"scores": ["x"], "charsmap": ""})),
    "scores too few": ("scores", unigram({"scores": [0.0], "charsmap": ""})),
    "a table of nonsense": ("table", unigram({"scores": [0.0] * len(WORDS), "charsmap": "AAAA"})),
    "a table that is no base64": ("base64", unigram({"scores": [], "charsmap": "é"})),
    "scores of brackets": ("levels deep", unigram(None, b"[" * 900_000)),
    "scores of 60 MB": ("are the most", unigram(None, b'{"scores":[' + b"[]," * 20_000_000)),
    "no special tokens": ("has no", lines("a", "b")),
    "an empty vocabulary": ("has no|empty", lines()),
    "settings that are no JSON": ("not JSON", instead(SETTINGS, b"{")),
    "settings that are code": ("lowercase", instead(SETTINGS, json.dumps({"x": CODE}).encode())),
    "deep settings": ("levels deep", instead(SETTINGS, b'{"lowercase":' * 50_000)),
    "a setting twice": ("stands twice", instead(SETTINGS, b'{"lowercase":1,"lowercase":0}')),
}

FILES = {**CONFIGS, **ZIPS, **WEIGHT_FILES, **TOKENIZERS}
assert len(FILES) == sum(map(len, (CONFIGS, ZIPS, WEIGHT_FILES, TOKENIZERS)))
