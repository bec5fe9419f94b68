"""An NVIDIA GPU by its driver alone: memory, and kernels from PTX. Nothing has to be installed beside the driver."""

from __future__ import annotations

import ctypes
import ctypes.util
import weakref
from collections.abc import Callable

import numpy as np

from lstmsim.checks import refusal
from lstmsim.kernels.arrays import Array, Words
from lstmsim.kernels.ptx import kept_ptx

_BLOCK = 64  # threads of a block: two warps, so that few trials already keep all multiprocessors busy
_MAJOR, _MINOR = 75, 76  # the driver's numbers for the two parts of a GPU's compute capability
_OUT_OF_MEMORY = 2
_LIBRARIES = ("libcuda.so.1", "nvcuda.dll")


def _library() -> ctypes.CDLL | None:
    """The driver's library, or None."""
    for name in _LIBRARIES:
        try:
            return ctypes.CDLL(name)
        except OSError:
            continue
    return None


class Device:
    """The first GPU, which the calling thread has to itself until it is closed.

    Raises
    ------
    ValueError
        If there is no driver, or no GPU that it can use.
    """

    def __init__(self) -> None:
        driver = _library()
        allowed = "'cpu', or 'cuda' where NVIDIA's driver finds a GPU"
        if driver is None:
            raise refusal("device", "cuda", f"{allowed} (there is no {_LIBRARIES[0]} here)")
        self._driver = driver
        count, handle, context = ctypes.c_int(), ctypes.c_int(), ctypes.c_void_p()
        status = self._driver.cuInit(0) or self._driver.cuDeviceGetCount(ctypes.byref(count))
        if status or not count.value:
            raise refusal("device", "cuda", f"{allowed} ({self._error(status) if status else 'it finds none here'})")
        self._call("cuDeviceGet", ctypes.byref(handle), 0)
        self._call("cuDevicePrimaryCtxRetain", ctypes.byref(context), handle)
        self._call("cuCtxSetCurrent", context)
        major, minor, name = ctypes.c_int(), ctypes.c_int(), ctypes.create_string_buffer(100)
        for value, number in ((major, _MAJOR), (minor, _MINOR)):
            self._call("cuDeviceGetAttribute", ctypes.byref(value), number, handle)
        self._call("cuDeviceGetName", name, len(name), handle)
        self.name, self.capability = name.value.decode(), (major.value, minor.value)
        weakref.finalize(self, self._driver.cuDevicePrimaryCtxRelease_v2, handle)
        self._failed = self.allocate(8)

    def _error(self, status: int) -> str:
        text = ctypes.c_char_p()
        self._driver.cuGetErrorString(status, ctypes.byref(text))
        return (text.value or b"unknown error").decode()

    def _call(self, function: str, *arguments: object) -> None:
        status = getattr(self._driver, function)(*arguments)
        if status == _OUT_OF_MEMORY:
            raise MemoryError(f"{self.name}: {self._error(status)}")
        if status:
            raise OSError(f"{function} of the GPU's driver: {self._error(status)}")

    @property
    def free(self) -> int:
        """Bytes of memory that are free."""
        free, total = ctypes.c_size_t(), ctypes.c_size_t()
        self._call("cuMemGetInfo_v2", ctypes.byref(free), ctypes.byref(total))
        return free.value

    def allocate(self, size: int) -> int:
        """Address of so many bytes, all 0."""
        address = ctypes.c_uint64()
        self._call("cuMemAlloc_v2", ctypes.byref(address), ctypes.c_size_t(size))
        self._call("cuMemsetD8_v2", address, ctypes.c_ubyte(0), ctypes.c_size_t(size))
        return address.value

    def release(self, address: int) -> None:
        """Give memory back."""
        self._call("cuMemFree_v2", ctypes.c_uint64(address))

    def put(self, address: int, values: Array) -> None:
        """Copy an array to an address."""
        values = np.ascontiguousarray(values)
        self._call(
            "cuMemcpyHtoD_v2", ctypes.c_uint64(address), ctypes.c_void_p(values.ctypes.data), ctypes.c_size_t(values.nbytes)
        )

    def get(self, address: int, count: int) -> Words:
        """Copies of so many words from an address."""
        words = np.empty(count, np.uint64)
        self._call(
            "cuMemcpyDtoH_v2", ctypes.c_void_p(words.ctypes.data), ctypes.c_uint64(address), ctypes.c_size_t(words.nbytes)
        )
        return words

    def load(self, name: str, function: Callable[..., object], key: str) -> ctypes.c_void_p:
        """Compile a function of (memory, other, thread, threads) for the GPU; `key` as for `kept_ptx`."""
        return self.load_text(name, kept_ptx(name, function, self.capability, key))

    def load_text(self, name: str, text: str) -> ctypes.c_void_p:
        """Return the kernel `name` of a PTX text."""
        module, kernel = ctypes.c_void_p(), ctypes.c_void_p()
        self._call("cuModuleLoadData", ctypes.byref(module), ctypes.c_char_p(text.encode()))
        self._call("cuModuleGetFunction", ctypes.byref(kernel), module, name.encode())
        return kernel

    def launch(self, kernel: ctypes.c_void_p, memory: int, other: int, threads: int) -> None:
        """Have so many threads call the function, and wait for them.

        Raises
        ------
        RuntimeError
            If the function raised an error in one of them.
        """
        values = [ctypes.c_uint64(value) for value in (memory, other, self._failed, threads)]
        pointers = (ctypes.c_void_p * 4)(*(ctypes.addressof(value) for value in values))
        sizes = (*(-(-threads // _BLOCK), 1, 1), *(_BLOCK, 1, 1), 0)
        self._call("cuLaunchKernel", kernel, *map(ctypes.c_uint, sizes), None, pointers, None)
        self._call("cuCtxSynchronize")
        if self.get(self._failed, 1)[0]:
            self.put(self._failed, np.zeros(1, np.uint64))
            raise RuntimeError("a task or a learner raised an error on the GPU; device='cpu' says which")
