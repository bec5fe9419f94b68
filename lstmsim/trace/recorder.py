"""Recording a net that runs on a stream: pieces are appended to one file of the same schema as a trial's."""

from __future__ import annotations

import contextlib
import dataclasses
import json
import shutil
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import TracebackType
from typing import Literal, NamedTuple, Protocol

import netCDF4
import numpy as np
import xarray as xr
from filelock import FileLock, Timeout

from lstmsim.checks import Json, absolute, check, refusal
from lstmsim.kernels.arrays import Array
from lstmsim.kernels.recording import Variable
from lstmsim.learners.lstm.settings import LSTMSettings
from lstmsim.learners.weights import Weights
from lstmsim.trace.failures import raise_cause
from lstmsim.trace.schema import COORDINATES, step_variables, weight_dims
from lstmsim.trace.seal import intact, seal, unseal
from lstmsim.trace.store import create_group, create_variable, letters, library, provenance, put, remove, texts

_EVERY = 1.0  # seconds between two versions of the file
_SHARE = 20  # or so many times the time that the latest version took, if that is longer
_COUNTED = ("step", "sequence", "t", "event")


class Net(Protocol):
    """What a recorder has to know of a net, an `lstmsim.LSTM`."""

    settings: LSTMSettings

    @property
    def weights(self) -> Weights:
        """Copies of the weights."""


class _Column(NamedTuple):
    """A variable as it goes to the disk."""

    dims: tuple[str, ...]
    values: Array
    disk: str
    attrs: Json


class Recorder:
    """Appends traces to the group `trace` of a netCDF-4 file, in bounded memory.

    At any moment, after a kill too, the file is whole and can be read by any program: pieces go to a hidden file beside it,
    a copy of which takes the file's place at the first piece, then about every second (in long recordings after twenty times
    what the latest copy took, if that is longer), and when the recorder is closed, with an error or without one. A reader
    that holds the file open keeps the version that it has opened. `lstmsim.open_run` opens the file as a trial; with `net`,
    `lstmsim.load_net` makes that net from it.

    Parameters
    ----------
    path : str or Path
        The file; "~" is the user's home. Until the recorder is closed, no other one can have it.
    mode : {"w-", "a"}
        "w-": a new file; "a": go on with a recorder's file, or make one.
    net : LSTM, optional
        The net that is recorded; the file then holds its settings, its seed if it has one, and its weights as they were at
        the beginning and after the latest piece.

    Attributes
    ----------
    path : Path
        The file's absolute name.
    steps : int
        Steps recorded so far.

    Raises
    ------
    ValueError
        If the file exists ("w-"), is none of a recorder's or of another net ("a"), or another recorder has it.
    OSError
        If the file cannot be written; what it holds then stays.

    Examples
    --------
    >>> with Recorder("stream.nc", net=net) as recorder:  # doctest: +SKIP
    ...     for inputs, targets in pieces:
    ...         recorder.append(net.run(inputs, targets, reset=False))
    """

    def __init__(self, path: str | Path, mode: Literal["w-", "a"] = "w-", *, net: Net | None = None) -> None:
        check("mode", mode, Literal["w-", "a"])
        self.path = absolute("path", path).resolve()
        self.steps = 0
        self._net, self._config, self._initial = net, _config(net), {} if net is None else net.weights
        self._part, self._next = (self.path.with_name(f".{self.path.name}.{end}") for end in ("part", "next"))
        self._sequence, self._t = 0, 0
        self._dims: dict[str, tuple[str, ...]] = {}
        self._published, self._cost = -np.inf, 0.0
        self._file: netCDF4.Dataset | None = None
        self.path.parent.mkdir(parents=True, exist_ok=True)
        self._lock = FileLock(self.path.with_name(f".{self.path.name}.lock"), timeout=0, thread_local=False)
        try:
            self._lock.acquire()
        except Timeout:
            raise refusal("path", str(self.path), "a file that no other recorder writes") from None
        try:
            self._open(mode)
        except BaseException:
            self._release()
            raise

    def _open(self, mode: str) -> None:
        if self.path.exists():
            if mode == "w-":
                raise refusal("path", str(self.path), "a new file, or one of a recorder with mode 'a'")
            if not self.path.is_file() or intact(self.path) is False:
                raise refusal("path", str(self.path), "an undamaged file of a recorder")
            shutil.copyfile(self.path, self._part)
            unseal(self._part)
            self._resume()
            return
        with self._writing(), library():
            self._file = netCDF4.Dataset(self._part, "w", format="NETCDF4")
            self._file.setncatts(self._attributes())

    def _attributes(self) -> Json:
        attrs = {"title": "lstmsim: a net on a stream", "Conventions": "CF-1.8", "row": "stream", "trial": 0}
        attrs |= {"status": "recorded", "sequences": 0, "steps": 0, "seconds": np.nan, "joined": np.zeros(0, np.int64)}
        seed = getattr(self._net, "seed", None)
        return attrs | {"config": self._config} | ({} if seed is None else {"seed": seed}) | provenance()

    def _resume(self) -> None:
        """Take up the copy of a file that is there."""
        try:
            with library():
                self._file = file = netCDF4.Dataset(self._part, "a")
                file.set_auto_mask(False)
                file.set_auto_chartostring(False)
                if file.status != "recorded":
                    raise ValueError(file.status)
                group = file["trace"]
                self.steps = len(group.dimensions["step"])
                self._dims = {
                    name: variable.dimensions[:-1] if variable.dtype == "S1" else variable.dimensions
                    for name, variable in group.variables.items()
                }
                if self.steps:
                    self._sequence, self._t = int(group["sequence"][self.steps - 1]), int(group["t"][self.steps - 1]) + 1
                config = file.config
        except (OSError, RuntimeError, LookupError, AttributeError, ValueError):
            raise refusal("path", str(self.path), "a file of a recorder") from None
        if config != self._config:
            raise refusal("net", self._net, f"the net of the file, {config}")

    def __enter__(self) -> Recorder:
        """Return the recorder."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Close the file, which keeps all pieces, with an error too."""
        self.close()

    def append(self, trace: xr.Dataset, sequence: int | None = None) -> None:
        """Append a piece.

        Parameters
        ----------
        trace : xarray.Dataset
            What `LSTM.run` has returned, with any further coordinates and variables (numbers, texts, dates); those without
            the dimension `step` must be the same in all pieces. The order of dimensions does not matter.
        sequence : int, optional
            Number of the sequence that the piece belongs to, 0 by default or what the trace says; `t` counts its steps over
            all pieces.

        Raises
        ------
        ValueError
            If the recorder is closed, or the trace does not go with the first piece; nothing is written then.
        OSError
            If it cannot be written; the recorder is closed, and the file holds what it held a moment before.
        """
        if self._file is None:
            raise ValueError("the recorder is closed; allowed: Recorder(path, mode='a') to go on")
        columns = self._columns(trace, sequence)
        length = trace.sizes["step"]
        with self._writing(), library():
            if not self._dims:
                self._create(columns)
            self._compare(columns)
            try:
                self._write(columns, length)
            except (KeyboardInterrupt, SystemExit):
                self._write(columns, length)  # a piece is never written by half
                raise
        if time.monotonic() - self._published > max(_EVERY, _SHARE * self._cost):
            self.flush()

    def _columns(self, trace: xr.Dataset, sequence: int | None) -> dict[str, _Column]:
        """All variables of a piece with the step first, counted on from the latest one."""
        if (
            not isinstance(trace, xr.Dataset)
            or "step" not in trace.sizes
            or not set(step_variables()) & set(trace.data_vars)
        ):
            there = sorted(map(str, trace.variables)) if isinstance(trace, xr.Dataset) else type(trace).__name__
            raise ValueError(f"trace has the variables {there}; allowed: a trace of LSTM.run")
        steps = np.arange(trace.sizes["step"])
        columns = {str(name): _column(str(name), variable) for name, variable in trace.variables.items()}
        if "step" not in columns or np.array_equal(columns["step"].values, steps):
            columns["step"] = _counted("step", self.steps + steps)
        if sequence is not None or "sequence" not in columns or "t" not in columns:
            number = 0 if sequence is None else sequence
            columns["sequence"] = _counted("sequence", np.full(steps.size, number))
            columns["t"] = _counted("t", (self._t if number == self._sequence else 0) + steps)
        if "event" not in columns:
            columns["event"] = _counted("event", np.zeros(steps.size, np.int8))
        return columns

    def _create(self, columns: Mapping[str, _Column]) -> None:
        """Make the group of steps, and that of the weights if the net is known."""
        assert self._file is not None
        group = self._file.createGroup("trace")
        group.createDimension("step", None)
        sizes = {
            dim: size for c in columns.values() for dim, size in zip(c.dims, c.values.shape, strict=True) if dim != "step"
        }
        for dim, size in sizes.items():
            group.createDimension(dim, size)
        along = [name for name, column in columns.items() if "step" in column.dims and name not in step_variables()]
        for name in sorted(columns, key=lambda name: columns[name].dims != (name,)):  # labels first, as in create_group
            column = columns[name]
            content = letters(column.values) if column.disk == "str" and "step" not in column.dims else column.values
            width = content.shape[-1] if content is not column.values else None
            made = create_variable(group, name, column.dims, column.disk, column.attrs, width=width)
            if name in step_variables():
                made.coordinates = " ".join([*along, *(["cell_block"] if "cell" in column.dims else [])])
            if "step" not in column.dims:
                made[...] = content
        if self._net is not None:
            dims = weight_dims()
            weights = {
                f"{kind}_{name}": (Variable(dims[name], f"{kind} weights: {name}", disk="f8"), values)
                for kind in ("initial", "final")
                for name, values in self._initial.items()
            }
            for variable, values in create_group(self._file, "weights", weights):
                variable[...] = values
        self._dims = {name: column.dims for name, column in columns.items()}

    def _compare(self, columns: Mapping[str, _Column]) -> None:
        """Refuse a piece that does not go with the first one."""
        assert self._file is not None
        group = self._file["trace"]
        if set(columns) != set(self._dims):
            raise ValueError(
                f"trace has the variables {sorted(columns)}; allowed: {sorted(self._dims)}, as the first piece had"
            )
        for name, column in columns.items():
            dims, there = self._dims[name], group[name]
            if set(dims) != set(column.dims):
                raise ValueError(f"{name} has the dimensions {column.dims}; allowed: {dims}, as in the first piece")
            sizes = {dim: size for dim, size in zip(column.dims, column.values.shape, strict=True) if dim != "step"}
            wanted = {dim: len(group.dimensions[dim]) for dim in sizes}
            if sizes != wanted:
                raise ValueError(f"{name} has the sizes {sizes}; allowed: {wanted}, as in the first piece")
            kind = there.dtype == "S1", getattr(there, "units", "")
            if kind != (column.disk == "str", column.attrs.get("units", "")):
                raise ValueError(f"{name} is of another kind or unit; allowed: as in the first piece")
            if "step" in dims:
                continue
            kept = texts(there[...]) if there.dtype == "S1" else there[...]
            if not np.array_equal(kept, np.transpose(column.values, _order(dims, column.dims))):
                raise ValueError(f"{name} differs from that of the first piece; allowed: the same, or one along step")

    def _write(self, columns: Mapping[str, _Column], length: int) -> None:
        assert self._file is not None
        group, place = self._file["trace"], slice(self.steps, self.steps + length)
        with np.errstate(over="ignore"):
            for name, column in columns.items():
                if "step" not in column.dims:
                    continue
                values = np.transpose(column.values, _order(self._dims[name], column.dims))
                if column.disk == "str":
                    values = letters(values)
                    group[name][(place, *map(slice, values.shape[1:]))] = values
                else:
                    group[name][place] = values
        if length:
            self._sequence, self._t = int(columns["sequence"].values[-1]), int(columns["t"].values[-1]) + 1
        self.steps = place.stop

    def flush(self) -> None:
        """Have all pieces in the file, on the disk, when this returns."""
        if self._file is None or not self._dims:
            return
        began = time.monotonic()
        with self._writing():
            self._finish()
            with library():
                self._file.sync()
            shutil.copyfile(self._part, self._next)
            seal(self._next)
            put(self._next, self.path)
        self._published = time.monotonic()
        self._cost = self._published - began

    def _finish(self) -> None:
        """Write what changes with every piece: counts and weights."""
        assert self._file is not None
        with library():
            self._file.setncatts({"steps": self.steps, "sequences": self._sequence + 1})
            if self._net is not None:
                for name, values in self._net.weights.items():
                    self._file["weights"][f"final_{name}"][...] = values

    def close(self) -> None:
        """Have all pieces in the file and let go of it; a recorder without a piece leaves none."""
        if self._file is None:
            return
        with self._writing():
            if self._dims:
                self._finish()
                with library():
                    self._file.close()
                seal(self._part)
                put(self._part, self.path)
        self._release()

    @contextlib.contextmanager
    def _writing(self) -> Iterator[None]:
        """Let go of everything if something cannot be written, and tell why."""
        try:
            yield
        except (OSError, RuntimeError) as error:
            try:
                raise_cause(self.path, error)
            finally:
                self._release()

    def _release(self) -> None:
        """Remove what is hidden, and let others have the file."""
        file, self._file = self._file, None
        for path in (self._part, self._next):
            remove(path)
        if file is not None and file.isopen():
            with library(), contextlib.suppress(OSError, RuntimeError):
                file.close()
        Path(self._lock.lock_file).unlink(missing_ok=True)
        self._lock.release()


def _config(net: Net | None) -> str:
    """Settings of a net as in a trial's file."""
    if net is None:
        return "{}"
    return json.dumps({"learner": {"name": "lstm", **dataclasses.asdict(net.settings)}}, sort_keys=True)


def _order(wanted: tuple[str, ...], dims: tuple[str, ...]) -> list[int]:
    return [dims.index(dim) for dim in wanted]


def _counted(name: str, values: Array) -> _Column:
    return _Column(("step",), values, COORDINATES[name].disk, dict(COORDINATES[name].attrs))


def _column(name: str, variable: xr.Variable) -> _Column:
    """A variable as it goes to the disk, with the step first.

    Raises
    ------
    ValueError
        If its values are of a kind that a file cannot hold.
    """
    if "step" in variable.dims:
        variable = variable.transpose("step", ...)
    known = (COORDINATES | step_variables()).get(name)
    attrs = {str(key): value for key, value in variable.attrs.items() if key not in ("coordinates", "units", "calendar")}
    attrs |= {"units": variable.attrs["units"]} if "units" in variable.attrs else {}
    values, dims = np.asarray(variable.values), tuple(map(str, variable.dims))
    kind = values.dtype.kind
    if kind == "M":
        whole = values.astype("datetime64[ns]")
        if np.isnat(values).any() or (whole.astype(values.dtype) != values).any():
            raise ValueError(f"{name} holds dates that are missing or out of range; allowed: dates from 1678 to 2262")
        return _Column(dims, whole.astype(np.int64), "i8", attrs | {"units": "nanoseconds since 1970-01-01"})
    if kind in "fiub" and (known is None or known.disk != "str"):
        disk = known.disk if known is not None and kind != "M" else {"f": "f8", "b": "i1"}.get(kind, "i8")
        if known is not None and known.disk[0] == "i" and kind == "f":
            disk = "f8"  # such as a step that is a time
        return _Column(dims, values, disk, attrs)
    if kind in "U" or (kind == "O" and all(isinstance(value, str) for value in values.flat)):
        return _Column(dims, values.astype(object), "str", attrs)
    raise ValueError(f"{name} holds values of the type {values.dtype}; allowed: numbers, texts, dates")
