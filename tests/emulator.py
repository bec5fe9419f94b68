"""A GPU that is none: what is compiled for one runs on this processor, one thread after another."""

import ctypes

import numba
import numpy as np

from lstmsim.kernels.compile import inlined
from lstmsim.kernels.ptx import ptx_of


class Emulator:
    """Stands in for `lstmsim.kernels.cuda.Device`; with `texts`, a dict, it keeps the PTX of all kernels there."""

    name, capability = "emulator", (9, 0)

    def __init__(self, free=2**30, texts=None):
        self.free, self.texts, self._arrays, self.launches = free, texts, {}, 0

    def allocate(self, size):
        array = np.zeros(size // 8 + 1, np.uint64)
        self._arrays[array.ctypes.data] = array
        return array.ctypes.data

    def release(self, address):
        del self._arrays[address]

    def put(self, address, values):
        values = np.ascontiguousarray(values)
        ctypes.memmove(address, values.ctypes.data, values.nbytes)

    def get(self, address, count):
        words = np.empty(count, np.uint64)
        ctypes.memmove(words.ctypes.data, address, words.nbytes)
        return words

    def load(self, name, function, key):
        piece = inlined(function)

        @numba.njit("void(int64, int64, int64)", error_model="numpy")
        def every_thread(memory, other, threads):
            for thread in range(threads):
                piece(memory, other, thread, threads)

        if self.texts is not None:
            self.texts[name] = ptx_of(name, function, self.capability)
        return every_thread

    def launch(self, kernel, memory, other, threads):
        self.launches += 1
        kernel(memory, other, threads)
