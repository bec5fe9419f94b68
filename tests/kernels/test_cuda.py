"""The GPU's driver is called as it is documented, by a driver that only pretends: its memory is this process's."""

import ctypes

import numpy as np
import pytest

from lstmsim.kernels import cuda
from lstmsim.kernels.warp import columns


class Driver:
    """Does what the driver's functions do, and notes launches."""

    def __init__(self, gpus=1, memory=2**20, status=0):
        self.gpus, self.left, self.status = gpus, memory, status
        self.held, self.launches, self.text, self.raises = {}, [], b"", False

    def cuInit(self, flags):
        return self.status

    def cuDeviceGetCount(self, count):
        count._obj.value = self.gpus
        return 0

    def cuDeviceGet(self, handle, number):
        handle._obj.value = 7
        return 0

    def cuDevicePrimaryCtxRetain(self, context, handle):
        assert handle.value == 7
        context._obj.value = 99
        return 0

    def cuDevicePrimaryCtxRelease_v2(self, handle):
        return 0

    def cuCtxSetCurrent(self, context):
        return 0 if context.value == 99 else 201

    def cuDeviceGetAttribute(self, value, number, handle):
        value._obj.value = {75: 9, 76: 0}[number]
        return 0

    def cuDeviceGetName(self, name, size, handle):
        name.value = b"pretended"
        return 0

    def cuGetErrorString(self, status, text):
        text._obj.value = {100: b"no CUDA-capable device is detected", 2: b"out of memory"}.get(status, b"broken")
        return 0

    def cuMemGetInfo_v2(self, free, total):
        free._obj.value = total._obj.value = self.left
        return 0

    def cuMemAlloc_v2(self, address, size):
        if size.value > self.left:
            return 2
        self.left -= size.value
        array = np.full(size.value, 0xAB, np.uint8)
        address._obj.value = array.ctypes.data
        self.held[array.ctypes.data] = array
        return 0

    def cuMemsetD8_v2(self, address, value, size):
        ctypes.memset(address.value, value.value, size.value)
        return 0

    def cuMemFree_v2(self, address):
        self.left += self.held.pop(address.value).size
        return 0

    def cuMemcpyHtoD_v2(self, to, start, size):
        ctypes.memmove(to.value, start.value, size.value)
        return 0

    def cuMemcpyDtoH_v2(self, to, start, size):
        return self.cuMemcpyHtoD_v2(to, start, size)

    def cuModuleLoadData(self, module, text):
        module._obj.value, self.text = 5, text.value
        return 0

    def cuModuleGetFunction(self, kernel, module, name):
        kernel._obj.value = 6
        return 0 if name in self.text and module.value == 5 else 500

    def cuLaunchKernel(self, kernel, *given):
        *sizes, stream, pointers, extra = given
        values = [ctypes.c_uint64.from_address(pointer).value for pointer in pointers]
        assert (stream, extra) == (None, None)
        self.launches.append((kernel.value, [size.value for size in sizes], values))
        if self.raises:
            ctypes.c_uint64.from_address(values[2]).value = 1
        return 0

    def cuCtxSynchronize(self):
        return 0


@pytest.fixture
def driver(monkeypatch):
    """Put a pretended driver in the place of the library."""
    made = Driver()
    monkeypatch.setattr(cuda, "_library", lambda: made)
    return made


def test_memory_is_zero_goes_there_and_back_and_is_given_back(driver):
    device = cuda.Device()
    assert (device.name, device.capability) == ("pretended", (9, 0))
    before = device.free
    address = device.allocate(80)
    assert device.free == before - 80
    assert not device.get(address, 10).any()
    device.put(address + 8, np.array([[1.5, -2.5]]).T)
    assert device.get(address, 4)[1:3].view(np.float64).tolist() == [1.5, -2.5]
    device.release(address)
    assert device.free == before


def test_a_launch_has_a_thread_for_each_and_the_four_arguments(driver, tmp_path, monkeypatch):
    monkeypatch.setenv("NUMBA_CACHE_DIR", str(tmp_path))
    device = cuda.Device()
    kernel = device.load("columns", columns, "")
    assert driver.text.decode() == next(tmp_path.rglob("*.ptx")).read_text()
    assert b".entry columns(" in driver.text
    assert b".target sm_90" in driver.text
    device.launch(kernel, 1000, 2000, 130)
    ((handle, sizes, (memory, other, failed, threads)),) = driver.launches
    assert (handle, sizes) == (6, [3, 1, 1, 64, 1, 1, 0])
    assert (memory, other, threads) == (1000, 2000, 130)
    assert failed in driver.held
    next(tmp_path.rglob("*.ptx")).write_text("what was kept: columns")
    device.load("columns", None, "")  # is not compiled again
    assert driver.text == b"what was kept: columns"


def test_an_error_in_a_thread_is_told_once(driver):
    device, driver.raises = cuda.Device(), True
    kernel = device.load_text("x", "x")
    with pytest.raises(RuntimeError, match="device='cpu' says which"):
        device.launch(kernel, 0, 0, 1)
    driver.raises = False
    device.launch(kernel, 0, 0, 1)


def test_too_much_memory_and_other_errors_are_named(driver):
    device = cuda.Device()
    with pytest.raises(MemoryError, match="pretended: out of memory"):
        device.allocate(2**30)
    with pytest.raises(OSError, match="cuModuleGetFunction of the GPU's driver: broken"):
        device.load_text("x", "y")


@pytest.mark.parametrize(
    ("gpus", "status", "words"), [(0, 0, "it finds none here"), (0, 100, "no CUDA-capable device is detected")]
)
def test_a_driver_without_a_gpu_is_named(monkeypatch, gpus, status, words):
    monkeypatch.setattr(cuda, "_library", lambda: Driver(gpus=gpus, status=status))
    with pytest.raises(ValueError, match=rf"device is 'cuda'; allowed: 'cpu', or .* \({words}\)"):
        cuda.Device()
