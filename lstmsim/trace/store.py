"""Trial files: one netCDF-4 file per trial, whole or absent."""

from __future__ import annotations

import contextlib
import gc
import math
import os
import platform
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path

import netCDF4
import numba
import numpy as np
import numpy.typing as npt
import xarray as xr
from xarray.backends.locks import HDF5_LOCK, NETCDFC_LOCK, combine_locks

import lstmsim
from lstmsim.kernels.arrays import Array, Floats
from lstmsim.kernels.recording import Layout, Variable
from lstmsim.learners.base import AnyLearner
from lstmsim.simulation.config import Experiment
from lstmsim.simulation.trial import Result
from lstmsim.tasks import Task
from lstmsim.trace.dataset import values
from lstmsim.trace.failures import raise_cause
from lstmsim.trace.schema import COORDINATES, PROGRESS, TEST
from lstmsim.trace.seal import seal

Contents = Mapping[str, tuple[Variable, npt.ArrayLike]]  # variables and what they hold, by name
Made = tuple[netCDF4.Variable, npt.ArrayLike]
_LOCK = threading.RLock()
_OTHERS = combine_locks([NETCDFC_LOCK, HDF5_LOCK])  # under which xarray calls the library
_depth = 0


@contextlib.contextmanager
def library(*, by_xarray: bool = False) -> Iterator[None]:
    """Have the netCDF library to oneself: no other thread, none of xarray's, and no garbage collection in between.

    The library is not thread-safe, and a collection in another thread would close forgotten files in the middle of a call.
    Only with `by_xarray` may the block open a file by way of xarray, which would wait for its own lock for ever otherwise.
    """
    global _depth
    with _LOCK, contextlib.nullcontext() if _depth or by_xarray else _OTHERS:
        collecting = gc.isenabled()
        gc.disable()
        _depth += 1
        try:
            yield
        finally:
            _depth -= 1
            if collecting:
                gc.enable()


_CHUNK = 1 << 20  # bytes of one variable written together, about


@contextlib.contextmanager
def whole_or_absent(path: Path) -> Iterator[Path]:
    """Name of a file to write beside `path`; it takes that name when complete, and vanishes if writing fails.

    Raises
    ------
    OSError
        If writing fails, with what the system says of it (`lstmsim.trace.failures`).
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f".{path.name}.part")
    try:
        try:
            yield part
            put(part, path)
        except (OSError, RuntimeError) as error:
            raise_cause(path, error)
    finally:
        remove(part)


def remove(path: Path) -> None:
    """Remove a file and give back its room, even if a library that could not write it keeps it open."""
    with contextlib.suppress(FileNotFoundError):
        os.truncate(path, 0)
        path.unlink()


def put(part: Path, path: Path) -> None:
    """Give a complete file its name, on the disk when this returns."""
    with part.open("rb") as file:
        os.fsync(file.fileno())
    part.replace(path)
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


class TrialFile:
    """A trial file under way: recorded rows are appended as they come, the rest is written at the end.

    Parameters
    ----------
    path : Path
        Final name of the file; until it is whole, the file stands beside it under a hidden name.
    layout : Layout
        What the recorded rows hold.
    task : Task
        For the marks of relevant steps.
    """

    def __init__(self, path: Path, layout: Layout, task: Task) -> None:
        self.layout, self.task = layout, task
        with contextlib.ExitStack() as stack:
            self._part = stack.enter_context(whole_or_absent(path))
            with library():
                self._file = netCDF4.Dataset(self._part, "w", format="NETCDF4")
            self._stack = stack.pop_all()

    def __enter__(self) -> TrialFile:
        """Return the open file."""
        return self

    def __exit__(self, *exception: BaseException | None) -> None:
        """Close the file; it gets its name only if nothing went wrong."""
        with self._stack:
            with library():
                self._file.close()
            if exception[1] is not None:
                raise exception[1]
            seal(self._part)

    def append(self, rows: Floats, group: str = "trace") -> None:
        """Append recorded steps, shape (step, column), to a group, which is made at the first call."""
        if not len(rows):
            return
        with library():
            steps = self._file.groups.get(group)
            if steps is None:
                steps = create_steps(self._file, group, self.layout)
            start = len(steps.dimensions["step"])
            place = slice(start, start + len(rows))
            variables = values(self.layout, rows)
            steps["step"][place] = np.arange(place.start, place.stop)
            steps["sequence"][place], steps["t"][place] = rows[:, 0], rows[:, 1]
            steps["event"][place] = marks(self.task, variables["input"], rows[:, 1])
            with np.errstate(over="ignore"):  # a trial that diverges passes the range of float32 on its way to infinity
                for name, columns in variables.items():
                    steps[name][place] = columns

    def finish(self, row: str, config: Experiment, learner: AnyLearner, result: Result, extra: Mapping[str, str]) -> None:
        """Write all of an ended trial but the rows that were appended before; `extra` becomes attributes too."""
        for rows in sorted((rows for rows in result.rows if len(rows)), key=lambda rows: rows[0, 0]):
            self.append(rows)
        if result.test_rows is not None:
            self.append(result.test_rows, "test_trace")
        reached = {"success": result.sequences if result.status == "solved" else None} | result.stages | result.milestones
        attrs = {
            "title": f"lstmsim: trial {result.trial} of row {row}",
            "Conventions": "CF-1.8",
            "row": row,
            "trial": result.trial,
            "seed": result.seed,
            "status": result.status,
            "sequences": result.sequences,
            **{f"sequences_to_{name}": _reached(number) for name, number in reached.items()},
            "joined": np.array(result.joined, np.int64),
            "steps": result.steps,
            "seconds": result.seconds,
            "config": config.as_json(),
            **extra,
        }
        with library():
            columns = zip(PROGRESS.items(), result.progress.T, strict=True)
            made = self._group("progress", {name: (v, column) for (name, v), column in columns})
            tested = zip(TEST.items(), result.test.T, strict=False)  # the last ones are of streams alone
            made += self._group("test", {name: (v, column) for (name, v), column in tested})
            made += self._group("weights", _weights(learner, result))
            self._file.setncatts(attrs)
            for variable, array in made:  # after all is defined: the library takes half the time when it need not turn back
                variable[...] = array

    def _group(self, name: str, variables: Contents) -> list[Made]:
        return create_group(self._file, name, variables)


def _reached(sequences: int | None) -> int | float:
    return math.nan if sequences is None else sequences


def create_group(file: netCDF4.Dataset, name: str, variables: Contents) -> list[Made]:
    """Make a group of variables in an open file; they are returned beside what is to be written to them."""
    group, result = file.createGroup(name), []
    for variable, array in variables.values():
        for dim, size in zip(variable.dims, np.shape(array), strict=True):
            if dim not in group.dimensions:
                group.createDimension(dim, size)
    for key in sorted(variables, key=lambda key: key not in group.dimensions):  # labels come before what they label
        variable, array = variables[key]
        coded = letters(array) if variable.disk == "str" else None
        width = None if coded is None else coded.shape[-1]
        made = create_variable(group, key, variable.dims, variable.disk, variable.attrs, width=width)
        result.append((made, array if coded is None else coded))
    return result


def letters(texts: npt.ArrayLike) -> Array:
    """Texts as an array of bytes, one more dimension, in UTF-8.

    In files, texts stand so, for netCDF4 1.7.3 and later crash on strings when a file that held some is opened again while
    somebody holds it open. xarray, netCDF4 and h5netcdf by way of xarray make texts of them by themselves.
    """
    coded = np.char.encode(np.array(texts, dtype=str), "utf-8")
    width = max(1, coded.dtype.itemsize)
    return coded.astype(f"S{width}").reshape(*coded.shape, 1).view("S1")


def texts(array: Array) -> Array:
    """The inverse of `letters`, as objects."""
    width = array.shape[-1]
    if not array.size:
        return np.full(array.shape[:-1], "", object)
    coded = np.ascontiguousarray(array).view(f"S{width}")[..., 0]
    return np.char.decode(coded, "utf-8").astype(object)


def create_steps(file: netCDF4.Dataset, name: str, layout: Layout) -> netCDF4.Group:
    """Make an empty group of steps in an open file."""
    sizes = layout.sizes
    group = file.createGroup(name)
    group.createDimension("step", None)
    for dim, size in sizes.items():
        group.createDimension(dim, size)
    for coordinate, variable in COORDINATES.items():
        if set(variable.dims) <= {"step", *sizes}:
            create_variable(group, coordinate, variable.dims, variable.disk, variable.attrs)
    for key, variable in layout.variables.items():
        packed = key == "input" and layout.one_hot
        made = create_variable(group, key, variable.dims, "i1" if packed else variable.disk, variable.attrs, zlib=packed)
        made.coordinates = "sequence t event" + (" cell_block" if "cell" in variable.dims else "")
    for dim, size in sizes.items():
        if dim in COORDINATES:
            group[dim][:] = np.arange(size)
    if "cell" in sizes:
        group["cell_block"][:] = np.arange(sizes["cell"]) // layout.block_size
    return group


def marks(task: Task, inputs: Floats, t: Floats) -> npt.NDArray[np.int8]:
    """1 at the steps that the task calls relevant; `t` is 0 where a sequence begins."""
    result = np.zeros(len(inputs), np.int8)
    begins = np.flatnonzero(t == 0)
    for first, last in zip(begins, [*begins[1:], len(inputs)], strict=True):
        result[first + np.asarray(task.events(inputs[first:last]), np.intp)] = 1
    return result


def create_variable(
    group: netCDF4.Group,
    name: str,
    dims: tuple[str, ...],
    disk: str,
    attrs: Mapping[str, object],
    *,
    zlib: bool = False,
    width: int | None = None,
) -> netCDF4.Variable:
    """Make a variable, with chunks of about a megabyte along the steps; texts have `width` letters, or any number."""
    chunks: list[int] | None = None
    if "step" in dims:
        sizes = [len(group.dimensions[dim]) for dim in dims if dim != "step"]
        length = max(1, min(4096, _CHUNK // (8 * max(1, math.prod(sizes)))))
        chunks = [length if dim == "step" else len(group.dimensions[dim]) for dim in dims]
    if disk != "str":
        made = group.createVariable(name, disk, dims, fill_value=False, zlib=zlib, complevel=1, chunksizes=chunks)
        made.setncatts(attrs)
        return made
    group.createDimension(f"{name}_letters", width)
    if chunks is not None:
        chunks.append(32 if width is None else width)
    made = group.createVariable(name, "S1", (*dims, f"{name}_letters"), chunksizes=chunks)
    made.setncatts({**attrs, "_Encoding": "utf-8"})
    made.set_auto_chartostring(False)
    return made


def _weights(learner: AnyLearner, result: Result) -> Contents:
    """Initial and final weights and the snapshots, with the names of the sources."""
    variables: dict[str, tuple[Variable, npt.ArrayLike]] = {}
    for kind, weights in (("initial", result.initial), ("final", result.final)):
        for name, group in weights.items():
            variables[f"{kind}_{name}"] = Variable(learner.weight_dims[name], f"{kind} weights: {name}", disk="f8"), group
    if result.snapshots:
        numbers = [number for number, _ in result.snapshots]
        seen = Variable(("snapshot",), "training sequences seen at the snapshot", units="sequences", disk="i8")
        variables["snapshot_sequence"] = seen, numbers
        for name in result.initial:
            stack = np.stack([weights[name] for _, weights in result.snapshots])
            text = f"weights during training: {name}"
            variables[f"snapshot_{name}"] = Variable(("snapshot", *learner.weight_dims[name]), text, disk="f8"), stack
    for dim, labels in learner.weight_labels.items():
        variables[dim] = Variable((dim,), "names of the sources", disk="str"), labels
    return variables


def provenance() -> dict[str, str]:
    """What made a file: source, history, git commit, versions of what can change a result, the machine's processor."""
    command = " ".join([Path(sys.argv[0]).name, *sys.argv[1:]])
    return {
        "source": f"lstmsim {lstmsim.__version__}, after Hochreiter and Schmidhuber (1997), Neural Computation 9(8)",
        "history": f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ} {command}",
        "git_commit": commit(),
        "version": lstmsim.__version__,
        "numba": numba.__version__,
        "numpy": np.__version__,
        "xarray": xr.__version__,
        "netCDF4": netCDF4.__version__,
        "cpu": _processor(),
    }


def commit() -> str:
    """Commit of the package's own repository, "-dirty" added where files differ from it; "" outside of one."""
    root = Path(lstmsim.__file__).resolve().parents[1]
    command = ["git", "-C", str(root), "describe", "--always", "--dirty", "--abbrev=40", "--exclude=*"]
    with contextlib.suppress(OSError, subprocess.SubprocessError):
        if (root / ".git").exists():
            return subprocess.run(command, check=True, capture_output=True, text=True, timeout=10).stdout.strip()
    return ""


def _processor() -> str:
    with contextlib.suppress(OSError):
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()
