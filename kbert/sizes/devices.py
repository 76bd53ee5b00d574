"""What devices can do, as their makers publish it: matrix products a second, without sparsity.

Rates are in FLOPs a second, memory in bytes (10^9 a gigabyte). Where a data sheet gives a rate
"with sparsity" only, half of it stands here. GeForce cards are named with accumulation in float32,
as training has it.

Sources: NVIDIA's data sheets of T4 (2019), V100 (2020), A100 (2021), H100 (2023), L4 (2023) and
H200 (2024); NVIDIA Ampere GA102 GPU Architecture (2021), appendix A, for RTX 3090; NVIDIA Ada GPU
Architecture (2023), appendix A, for RTX 4090; Google's Cloud TPU documentation, pages "TPU v3" and
"TPU v5e", a chip each.
"""

from typing import Literal, NamedTuple

from kbert.errors import KbertError

Arithmetic = Literal["float32", "tensorfloat32", "mixed_bfloat16", "mixed_float16"]


class Device(NamedTuple):
    """A device.

    Attributes:
        memory: in bytes.
        rates: FLOPs a second by arithmetic; what it has no units for is not there.
        reported_names: what PyTorch and JAX call it.
    """

    memory: float
    rates: dict[Arithmetic, float]
    reported_names: tuple[str, ...]

    def peak(self, arithmetic: Arithmetic) -> float:
        """FLOPs a second in an arithmetic.

        Raises:
            KbertError: if the device has none of that kind; it names those that it has.

        Example:
            >>> DEVICES["T4"].peak("mixed_float16")
            65000000000000.0
        """
        if arithmetic not in self.rates:
            raise KbertError(
                f"this device has no published rate for {arithmetic!r}, only for "
                f"{', '.join(self.rates)}"
            )
        return self.rates[arithmetic]


def _device(
    gigabytes: float,
    reported_names: str,
    *,
    float32: float | None = None,
    tensorfloat32: float | None = None,
    bfloat16: float | None = None,
    float16: float | None = None,
) -> Device:
    """Rates in TFLOPs a second."""
    rates: dict[Arithmetic, float | None] = {
        "float32": float32,
        "tensorfloat32": tensorfloat32,
        "mixed_bfloat16": bfloat16,
        "mixed_float16": float16,
    }
    known: dict[Arithmetic, float] = {kind: 1e12 * r for kind, r in rates.items() if r is not None}
    return Device(1e9 * gigabytes, known, tuple(reported_names.split(", ")))


_AMPERE = {"float32": 19.5, "tensorfloat32": 156, "bfloat16": 312, "float16": 312}
_HOPPER = {"float32": 67, "tensorfloat32": 494.5, "bfloat16": 989, "float16": 989}

DEVICES: dict[str, Device] = {
    "T4": _device(16, "Tesla T4", float32=8.1, float16=65),
    "V100": _device(16, "Tesla V100-SXM2-16GB, Tesla V100-SXM2-32GB", float32=15.7, float16=125),
    "A100-40GB": _device(40, "NVIDIA A100-SXM4-40GB, NVIDIA A100-PCIE-40GB", **_AMPERE),
    "A100-80GB": _device(80, "NVIDIA A100-SXM4-80GB, NVIDIA A100 80GB PCIe", **_AMPERE),
    "H100": _device(80, "NVIDIA H100 80GB HBM3", **_HOPPER),
    "H100-PCIe": _device(
        80, "NVIDIA H100 PCIe", float32=51, tensorfloat32=378, bfloat16=756, float16=756
    ),
    "H100-NVL": _device(
        94, "NVIDIA H100 NVL", float32=60, tensorfloat32=417.5, bfloat16=835, float16=835
    ),
    "H200": _device(141, "NVIDIA H200", **_HOPPER),
    "L4": _device(24, "NVIDIA L4", float32=30.3, tensorfloat32=60, bfloat16=121, float16=121),
    "RTX-3090": _device(
        24, "NVIDIA GeForce RTX 3090", float32=35.6, tensorfloat32=35.6, bfloat16=71, float16=71
    ),
    "RTX-4090": _device(
        24,
        "NVIDIA GeForce RTX 4090",
        float32=82.6,
        tensorfloat32=82.6,
        bfloat16=165.2,
        float16=165.2,
    ),
    "TPU-v3": _device(32, "TPU v3", bfloat16=123),
    "TPU-v5e": _device(16, "TPU v5 lite, TPU v5e", bfloat16=197),
}


def find_device(reported_name: str) -> Device | None:
    """The device that PyTorch or JAX calls so, or None.

    Example:
        >>> find_device("Tesla T4") is DEVICES["T4"], find_device("NVIDIA L40S")
        (True, None)
    """
    for device in DEVICES.values():
        if reported_name in device.reported_names:
            return device
    return None
