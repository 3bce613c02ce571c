"""Device, threads, random numbers and memory of the networks.

One process, one device. Several that train together are those of lightning-fabric (`training.team`), imported only
then: it would add six seconds to the start of every job.
"""

from __future__ import annotations

import sys

import psutil
import torch

from napari_organoid_synth.core.computer import threads_for
from napari_organoid_synth.core.errors import UserError
from napari_organoid_synth.core.seeds import seed_of

GIB = 1024**3


def pick_device(name: str = "auto") -> torch.device:
    """Return the device of a name; ``"auto"`` takes CUDA, then MPS, then the processor.

    Raises
    ------
    UserError
        If this computer has no such device.
    """
    devices = ["cpu"]
    if torch.backends.mps.is_available():
        devices.insert(0, "mps")
    if torch.cuda.is_available():
        devices = ["cuda", *(f"cuda:{index}" for index in range(torch.cuda.device_count())), *devices]
    if name == "auto":
        return torch.device(devices[0])
    if name not in devices:
        raise UserError(f"There is no device '{name}' here.", f"Expected one of: auto, {', '.join(devices)}.")
    return torch.device(name)


def describe_device(device: torch.device) -> str:
    """Describe a device: ``"NVIDIA H100"``, ``"processor, 2 threads"``."""
    if device.type == "cuda":
        return torch.cuda.get_device_name(device)
    if device.type == "mps":
        return "Apple GPU"
    threads = torch.get_num_threads()
    return f"processor, {threads} thread{'s' * (threads != 1)}"


def use_threads(number: int = 0) -> None:
    """Compute with this number of processor threads; 0 takes ``OMP_NUM_THREADS``, else every core."""
    torch.set_num_threads(threads_for(number))


def random_stream(device: torch.device, *parts: int | str) -> torch.Generator:
    """Return a random number generator on a device that depends on ``parts`` alone, usually (seed, step)."""
    return torch.Generator(device).manual_seed(seed_of(*parts))


def bf16_runs(device: torch.device) -> bool:
    """Return whether bf16 may be faster than float32 here: the hardware supports it, so it is worth timing."""
    if device.type == "cuda":
        return bool(torch.cuda.is_bf16_supported(including_emulation=False))
    return device.type == "cpu" and torch.backends.cpu.get_cpu_capability() == "AVX512"


def synchronize(device: torch.device) -> None:
    """Wait until the device has finished its work (needed only to measure time)."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    elif device.type == "mps":
        torch.mps.synchronize()


def free_bytes(device: torch.device) -> int:
    """Return the memory that is free now, bytes."""
    if device.type == "cuda":
        return int(torch.cuda.mem_get_info(device)[0])
    return int(psutil.virtual_memory().available)


def peak_bytes(device: torch.device) -> int:
    """Return the peak memory of this process, bytes; on the graphics card if it computes there."""
    if device.type == "cuda":
        return int(torch.cuda.max_memory_reserved(device))
    if sys.platform == "win32":
        return int(psutil.Process().memory_info().peak_wset)
    import resource

    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)


def is_out_of_memory(error: RuntimeError) -> bool:
    """Return whether an error says that memory is full, on any device."""
    return isinstance(error, torch.OutOfMemoryError) or "can't allocate memory" in str(error)
