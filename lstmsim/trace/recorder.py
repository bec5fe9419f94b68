"""Recording a net that runs on a stream: pieces are appended to a file of the same schema as a trial's."""

from __future__ import annotations

from pathlib import Path
from types import TracebackType

import netCDF4
import numpy as np
import xarray as xr

from lstmsim.kernels.recording import Layout
from lstmsim.trace.schema import step_variables
from lstmsim.trace.store import create_steps, library, whole_or_absent


class Recorder:
    """Appends traces of `LSTM.run` to the group `trace` of a netCDF-4 file, in bounded memory.

    Use it as a context manager; the file gets its name when the block ends without an error.

    Parameters
    ----------
    path : str or Path
        The file.

    Examples
    --------
    >>> with Recorder("stream.nc") as recorder:  # doctest: +SKIP
    ...     for inputs, targets in pieces:
    ...         recorder.append(net.run(inputs, targets, reset=False))
    """

    def __init__(self, path: str | Path) -> None:
        self._whole = whole_or_absent(Path(path))
        self._file: netCDF4.Dataset | None = None
        self.steps = 0

    def __enter__(self) -> Recorder:
        """Create the file under a hidden name."""
        part = self._whole.__enter__()
        with library():
            self._file = netCDF4.Dataset(part, "w", format="NETCDF4")
            self._file.setncatts({"title": "lstmsim: a net on a stream", "Conventions": "CF-1.8"})
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Close the file; without an error it gets its name."""
        if self._file is not None:
            with library():
                self._file.close()
        self._whole.__exit__(kind, error, traceback)

    def append(self, trace: xr.Dataset, sequence: int = 0) -> None:
        """Append a piece.

        Parameters
        ----------
        trace : xarray.Dataset
            What `LSTM.run` has returned.
        sequence : int
            Number of the sequence that the piece belongs to; `t` counts its steps over all pieces.

        Raises
        ------
        ValueError
            If the recorder is not open, or the trace's sizes differ from the first piece's.
        """
        if self._file is None:
            raise ValueError("the recorder is not open; use it in a with statement")
        variables = {name: variable for name, variable in step_variables().items() if name in trace.data_vars}
        if not variables or "step" not in trace.sizes:
            raise ValueError(f"trace has the variables {sorted(map(str, trace.variables))}; allowed: a trace of LSTM.run")
        sizes = {str(dim): size for dim, size in trace.sizes.items() if dim != "step"}
        with library():
            group = self._file.groups.get("trace")
            if group is None:
                block_size = int((trace["cell_block"].values == 0).sum()) if "cell_block" in trace else 1
                group = create_steps(self._file, "trace", Layout(variables, sizes, False, block_size))
                self._sequence, self._begun = sequence, 0
            there = {dim: len(group.dimensions[dim]) for dim in group.dimensions if dim != "step"}
            if there != sizes:
                raise ValueError(f"trace has the sizes {sizes}; allowed: {there}, as the first piece had")
            if sequence != self._sequence:
                self._sequence, self._begun = sequence, self.steps
            place = slice(self.steps, self.steps + trace.sizes["step"])
            steps = np.arange(place.start, place.stop)
            for name, values in (("step", steps), ("sequence", sequence), ("t", steps - self._begun), ("event", 0)):
                group[name][place] = np.broadcast_to(values, steps.shape)
            for name in variables:
                group[name][place] = trace[name].values
        self.steps = place.stop
