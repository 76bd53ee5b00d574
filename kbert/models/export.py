"""A model as a file that runs without kbert and Keras: ONNX, or TensorFlow's SavedModel.

Keras's own export makes ids float on JAX, fixes the length on PyTorch, and writes an ONNX file that
nothing opens on TensorFlow. So the tools that Keras would call are called here:

    ONNX         TensorFlow: tf2onnx    JAX: jax2onnx    PyTorch: torch.onnx
    SavedModel   TensorFlow: Keras      JAX: jax2tf, by way of Keras

Shapes: B batch, L length, G global tokens; all are free in every file, L up to the model's longest.
"""

import logging
import warnings
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from typing import Any, NamedTuple

import keras
import numpy as np

from kbert.errors import KbertError, how_to_install, kind_of
from kbert.files.atomic_files import as_path, written_beside, written_together
from kbert.models.frozen import check_floats

FORMATS = ("tf_saved_model", "onnx")
_ONNX_TOOLS = {  # what writes ONNX on a backend, and the extra that installs it
    "tensorflow": ("tf2onnx", "onnx"),
    "torch": ("onnxscript", "onnx"),
    "jax": ("jax2onnx", "onnx-jax"),
}
_MOST_ONNX_BYTES = 2**31  # of one file, as protobuf counts


class _Signature(NamedTuple):
    """What a file takes and gives, as a function of plain arrays.

    `inputs` has the second axis of each by its name, "length" or "globals"; the first is the batch.
    `function` takes a dict of them, int32, and returns a dict of tensors.
    """

    inputs: dict[str, str]
    outputs: tuple[str, ...]
    function: Callable[[dict[str, Any]], dict[str, Any]]
    max_length: int


def export(
    model: keras.Model, filepath: str | Path, format: str, weights: str | None = None
) -> None:
    """Writes a model of kbert in a format; see `KbertModel.export`."""
    if format not in FORMATS:
        raise KbertError(f"format is one of {', '.join(FORMATS)}, not {format!r:.80}")
    if weights is not None and (weights, format) != ("int8", "onnx"):
        raise KbertError(f"weights are None, or 'int8' of ONNX, not {weights!r:.80} of {format!r}")
    if getattr(model, "task", None) in ("multiple-choice", "dependency-parsing"):
        raise KbertError(
            f"{kind_of(model)} is not exported: a file takes rows of tokens, (batch, "
            "length), and this model takes more; save it as .keras"
        )
    if model.dtype_policy.name != "float32":
        raise KbertError(
            f"a model is exported in float32, and this one is {model.dtype_policy.name}: make it "
            "with dtype='float32' and give it these weights"
        )
    check_floats(model, "an export")
    path = as_path(filepath)
    for weight in () if weights is None else model.weights:  # whole numbers would hide it
        if not np.isfinite(keras.ops.convert_to_numpy(weight)).all():
            raise KbertError(
                f"{weight.path} holds NaN or infinity, of which no int8 is near: the model is "
                "broken, as by a training that diverged"
            )
    write = _write_onnx if format == "onnx" else _write_saved_model
    settings = {} if weights is None else {"weights": weights}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the tools warn of what they do themselves
        try:
            write(model, path, **settings)
        except OSError as error:
            raise KbertError(
                f"{filepath} was not written, and what stood there is as it was: {error}"
            ) from error


def _signature(model: Any) -> _Signature:
    bert = getattr(model, "bert", model)
    segments = ("token_type_ids",) if bert.num_segments > 1 else ()
    names = ("input_ids", *segments, "attention_mask")
    inputs: dict[str, str] = dict.fromkeys(names, "length")
    if getattr(model, "questions_are_global", False):
        inputs["global_positions"] = "globals"
    only = "sentence_embedding" if model.task == "sentence-embedding" else "logits"

    def named(batch: dict[str, Any]) -> dict[str, Any]:
        outputs = model(batch, training=False)
        return outputs if isinstance(outputs, dict) else {only: outputs}

    symbols = {name: keras.KerasTensor((None, None), "int32") for name in inputs}
    symbol = model.compute_output_spec(symbols)
    outputs = tuple(sorted(symbol)) if isinstance(symbol, dict) else (only,)
    return _Signature(inputs, outputs, named, bert.max_length)


def _write_saved_model(model: keras.Model, path: Path) -> None:
    backend = keras.backend.backend()
    if backend == "torch":
        raise KbertError(
            "a SavedModel cannot be written from PyTorch, for which it takes a torch_xla that "
            "does not exist for this PyTorch: save the model as .keras, and export it with "
            "KERAS_BACKEND=tensorflow or jax"
        )
    _require("tensorflow", "a SavedModel", "tensorflow")
    if path.suffix in (".keras", ".onnx") or path.is_file():
        raise KbertError(f"a SavedModel is a folder, not the file {path.name!r}")
    signature = _signature(model)
    settings = {}
    if backend == "jax":
        settings["jax2tf_kwargs"] = {
            "polymorphic_shapes": [{n: f"(batch, {a})" for n, a in signature.inputs.items()}],
            "polymorphic_constraints": (f"length <= {signature.max_length}",),
            "with_gradient": False,
        }
    specs = {
        name: keras.InputSpec(shape=(None, None), dtype="int32", name=name)
        for name in signature.inputs
    }
    archive = keras.export.ExportArchive()
    archive.track(model)
    archive.add_endpoint("serve", signature.function, input_signature=[specs], **settings)
    import tensorflow as tf

    try:
        with written_together(path) as work:
            archive.write_out(str(work), verbose=False)
    except tf.errors.OpError as error:  # which TensorFlow raises where Python raises OSError
        raise OSError(f"{type(error).__name__}: {error.message}") from error


def _write_onnx(model: keras.Model, path: Path, weights: str | None = None) -> None:
    backend = keras.backend.backend()
    if path.suffix != ".onnx":
        raise KbertError(f"a model is exported to a file that ends in .onnx, not {path.name!r}")
    if path.is_dir() or not path.parent.is_dir():  # known now, and not after half a minute
        what = "is a folder" if path.is_dir() else "is in no folder that exists"
        raise KbertError(f"{path} {what}: name a file in one that does")
    if 4 * model.count_params() >= _MOST_ONNX_BYTES:
        raise KbertError(
            f"an ONNX file holds less than 2 GB, and the model's weights are "
            f"{4 * model.count_params():,} bytes; a SavedModel may be larger"
        )
    tool, extra = _ONNX_TOOLS[backend]
    _require(tool, f"ONNX from {backend}", extra)
    if weights is not None:
        _require("onnxruntime", "ONNX in int8", "onnx")
    import onnx

    write = {"tensorflow": _tensorflow_onnx, "jax": _jax_onnx, "torch": _torch_onnx}[backend]
    proto = write(_signature(model))
    onnx.checker.check_model(proto)  # tf2onnx only logs what it could not convert
    with written_beside(path) as temporary:
        if weights is None:
            temporary.write_bytes(proto.SerializeToString())
        else:
            _write_int8(proto, temporary)


def _write_int8(proto: Any, path: Path) -> None:
    """Writes products of int8: weights by rows, and what they are multiplied with as it comes.

    Source: Jacob et al. 2018, section 2; onnxruntime.quantization, `quantize_dynamic`.
    """
    from onnxruntime.quantization import QuantType, quantize_dynamic

    logger = logging.getLogger()  # to which it says that shapes could be inferred before
    former = logger.level
    logger.setLevel(logging.ERROR)
    try:
        quantize_dynamic(proto, path, weight_type=QuantType.QInt8, per_channel=True)
    finally:
        logger.setLevel(former)


def _require(package: str, what: str, extra: str) -> None:
    if find_spec(package) is None:
        raise KbertError(f"{what} needs {package}: {how_to_install(extra)}")


def _tensorflow_onnx(signature: _Signature) -> Any:
    import tensorflow as tf
    import tf2onnx  # pyright: ignore[reportMissingImports]

    specs = [tf.TensorSpec((None, None), tf.int32, name=name) for name in signature.inputs]
    function = tf.function(
        lambda *arrays: signature.function(dict(zip(signature.inputs, arrays, strict=True))),
        input_signature=specs,
        autograph=False,
    )
    proto, _ = tf2onnx.convert.from_function(function, input_signature=specs)
    for value in (*proto.graph.input, *proto.graph.output):
        axes = ("batch", signature.inputs.get(value.name, "length"))
        for name, size in zip(axes, value.type.tensor_type.shape.dim, strict=False):
            if size.dim_param:
                size.dim_param = name
    return proto


def _jax_onnx(signature: _Signature) -> Any:
    import jax
    import jax2onnx  # pyright: ignore[reportMissingImports]

    batch, length, globals_ = jax.export.symbolic_shape(
        "batch, length, globals", constraints=[f"length <= {signature.max_length}"]
    )
    sizes = {"length": (batch, length), "globals": (batch, globals_)}

    def function(*arrays):
        outputs = signature.function(dict(zip(signature.inputs, arrays, strict=True)))
        return tuple(outputs[name] for name in signature.outputs)

    proto = jax2onnx.to_onnx(
        function,
        inputs=[jax.ShapeDtypeStruct(sizes[axis], np.int32) for axis in signature.inputs.values()],
        input_names=list(signature.inputs),
        output_names=list(signature.outputs),
    )
    # What is said of sizes within takes `length + 1` for `length`; ONNX Runtime finds them itself.
    del proto.graph.value_info[:]
    return proto


def _torch_onnx(signature: _Signature) -> Any:
    import torch

    class Positional(torch.nn.Module):
        def forward(self, *arrays):
            outputs = signature.function(dict(zip(signature.inputs, arrays, strict=True)))
            return tuple(outputs[name] for name in signature.outputs)

    batch = torch.export.Dim("batch")
    sizes = {
        "length": {0: batch, 1: torch.export.Dim("length", max=signature.max_length)},
        "globals": {0: batch, 1: torch.export.Dim("globals")},
    }
    example = tuple(keras.ops.ones((2, 2), "int32") for _ in signature.inputs)
    with torch.no_grad():
        program: Any = torch.onnx.export(
            Positional(),
            example,
            dynamo=True,
            verbose=False,
            input_names=list(signature.inputs),
            output_names=list(signature.outputs),
            dynamic_shapes=(tuple(sizes[axis] for axis in signature.inputs.values()),),
        )
    return program.model_proto
