"""Tasks from a function that writes one sequence: the loop over lanes, the checks and the settings are made here."""

from __future__ import annotations

import dis
import inspect
from collections.abc import Callable, Iterator
from functools import lru_cache
from types import FunctionType, GeneratorType, ModuleType
from typing import Annotated, ClassVar, get_type_hints

import numba
import numpy as np
import numpy.typing as npt
from numba.core.dispatcher import Dispatcher

from lstmsim.checks import Field, Flag, Real, Whole, check, exact, refusal, settings
from lstmsim.kernels.arrays import Floats, Ints
from lstmsim.kernels.guard import RANDOM, explained
from lstmsim.kernels.random import subkey
from lstmsim.kernels.sequences import Sequences, begin_sequence, unfilled
from lstmsim.tasks.base import Task
from lstmsim.tasks.one_sequence import Sequence, blank, enter, sequence_type, wipe, words

Shown = tuple[npt.ArrayLike, npt.ArrayLike | None]  # inputs or symbol, and targets
Size = int | Callable[..., int]

_COUNT = Annotated[Whole, Field(ge=1, le=10_000_000)]
_RANDOM = ("numpy.random", "random")


def generator(
    *,
    n_inputs: Size | None = None,
    symbols: Size | None = None,
    n_outputs: Size,
    max_length: Size,
    min_length: Size = 1,
    tolerance: float | None = None,
    ranking: bool = False,
    compiled: bool = True,
) -> Callable[[Callable[..., object]], type[GeneratedTask]]:
    """Make a class of tasks of a function that writes one sequence and returns its length.

    For example::

        @generator(symbols=4, n_outputs=1, max_length=lambda delay: delay + 1, tolerance=0.3)
        def delayed_match(seq, key, delay=30): ...

        task = delayed_match(delay=50)

    The function is `name(seq, key, **parameters)`. It writes `seq.input[t, i]`, which is 0 before, or `seq.symbol[t]`, and
    calls `seq.learn(t, k, value)` for all outputs k of each step t that has a target; `seq.judge(t, k, value)` where a step
    is judged by something else than it learns. Random numbers are draws of its key, `below(key, n, count)`,
    `uniform(key, n)` and `normal(key, n)` of `lstmsim.kernels.random`, each with an n of its own. Its parameters have
    default values or types, and are settings of the task.

    Parameters
    ----------
    n_inputs, symbols : int or callable
        Input units; or symbols, shown one-hot. One of the two. This and the next three may be functions of parameters.
    n_outputs : int or callable
        Output units.
    max_length, min_length : int or callable
        Longest and shortest sequence in steps.
    tolerance : float, optional
        Largest |error| of a correct sequence, exclusive; without one no sequence counts as correct.
    ranking : bool
        A step is correct when the outputs whose target is above 0 are the most active ones instead.
    compiled : bool
        Compile the function with Numba. Otherwise it is plain Python, some hundred times slower to write; it may then also
        be a Python generator that yields (inputs or symbol, targets or None) for each step, and draw from
        `np.random.default_rng(key)`.

    Returns
    -------
    callable
        Makes the class of tasks of the function.

    Raises
    ------
    ValueError
        Naming the argument, its value and what is allowed; or if a compiled function draws from `np.random`, whose numbers
        cannot be repeated. What a function does wrong when it is called is a ValueError of `lstmsim.tasks.check`, and of a
        run.
    """
    if (n_inputs is None) == (symbols is None):
        raise refusal("symbols", symbols, "either n_inputs or symbols")
    if tolerance is not None:
        check("tolerance", tolerance, Annotated[Real, Field(gt=0)])
    check("ranking", ranking, Flag)
    check("compiled", compiled, Flag)
    sizes = {"n_inputs": symbols if n_inputs is None else n_inputs}
    sizes |= {"n_outputs": n_outputs, "max_length": max_length, "min_length": min_length}
    for name, size in sizes.items():
        if not callable(size):
            check("symbols" if name == "n_inputs" and n_inputs is None else name, size, _COUNT)

    def make(function: Callable[..., object]) -> type[GeneratedTask]:
        if compiled and (use := _random_use(function)):
            raise ValueError(f"{function.__name__} uses {use}; allowed: {RANDOM}")
        if compiled and inspect.isgeneratorfunction(function):
            raise ValueError(f"{function.__name__} yields; allowed: a function that returns the length, or compiled=False")
        name = function.__name__
        hints, defaults = _parameters(function)
        content = {
            "__module__": function.__module__,
            "__qualname__": function.__qualname__,
            "__doc__": function.__doc__ or f"Sequences that {name} writes.",
            "__annotations__": hints,
            "name": name,
            "symbols": symbols is not None,
            "ranking": ranking,
            "tolerance": 0.0 if tolerance is None else float(tolerance),
            "function": staticmethod(function),
            "sizes": sizes,
            "compiled": compiled,
            **defaults,
        }
        made: type[GeneratedTask] = settings(type(name, (GeneratedTask,), content))
        return made

    return make


def _parameters(function: Callable[..., object]) -> tuple[dict[str, object], dict[str, object]]:
    """Types and default values of a function's parameters after `seq` and `key`.

    Raises
    ------
    ValueError
        If it does not have the two, or a parameter has neither a type nor a default.
    """
    parameters = list(inspect.signature(function).parameters.values())
    plain = (inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY)
    if len(parameters) < 2 or any(p.kind not in plain for p in parameters):
        form = f"def {function.__name__}(seq, key, **parameters by name)"
        raise refusal("the function", inspect.signature(function), form)
    given, hints, defaults = get_type_hints(function, include_extras=True), {}, {}
    for parameter in parameters[2:]:
        name, default = parameter.name, parameter.default
        if name in dir(Task) or name in ("function", "sizes", "compiled"):
            raise refusal("a parameter", name, "a name that a task does not have itself")
        hint = given.get(name, None if default is parameter.empty else type(default))
        if hint is None:
            raise ValueError(f"{name} of {function.__name__} has no type; allowed: a default value or an annotation")
        hints[name] = exact(hint)
        if default is not parameter.empty:
            defaults[name] = default
    return hints, defaults


def _random_use(function: object, seen: tuple[object, ...] = ()) -> str:
    """Name the module of random numbers that a function, or a compiled one that it calls, draws from; "" if none."""
    function = function.py_func if isinstance(function, Dispatcher) else function
    if function in seen or not isinstance(function, FunctionType):
        return ""
    closure = dict(zip(function.__code__.co_freevars, (c.cell_contents for c in function.__closure__ or ()), strict=True))
    value: object = None
    for step in dis.get_instructions(function):
        if step.opname in ("LOAD_GLOBAL", "LOAD_DEREF"):
            value = (closure | function.__globals__).get(step.argval)
        elif step.opname in ("LOAD_ATTR", "LOAD_METHOD") and isinstance(value, ModuleType):
            value = getattr(value, step.argval, None)
        else:
            value = None
        module = value.__name__ if isinstance(value, ModuleType) else str(getattr(value, "__module__", ""))
        if module.startswith(_RANDOM[0]) or module == _RANDOM[1]:
            return "np.random" if module.startswith(_RANDOM[0]) else "the module random"
        if isinstance(value, Dispatcher) and (use := _random_use(value, (*seen, function))):
            return use
    return ""


class GeneratedTask(Task):
    """A task whose sequences a function writes one by one; `generator` makes its subclasses."""

    function: ClassVar[Callable[..., int | Iterator[Shown]]]
    sizes: ClassVar[dict[str, Size]]
    compiled: ClassVar[bool]

    def __post_init__(self) -> None:
        """Check the sizes that follow from the parameters."""
        for name in ("n_inputs", "n_outputs", "max_length", "min_length"):
            check(name, getattr(self, name), _COUNT)
        if self.min_length > self.max_length:
            raise refusal("min_length", self.min_length, f"at most max_length={self.max_length}")

    def _size(self, name: str) -> int:
        size = self.sizes[name]
        if not callable(size):
            return size
        return size(**{key: getattr(self, key) for key in inspect.signature(size).parameters})

    n_inputs = property(lambda self: self._size("n_inputs"), doc="Input units.")
    n_outputs = property(lambda self: self._size("n_outputs"), doc="Output units.")
    max_length = property(lambda self: self._size("max_length"), doc="Longest sequence in steps.")
    min_length = property(lambda self: self._size("min_length"), doc="Shortest sequence in steps.")

    @property
    def parameters(self) -> tuple[object, ...]:
        """Values of the parameters, in their order."""
        return tuple(getattr(self, name) for name in self.__dataclass_fields__)  # type: ignore[attr-defined]

    def own_rows(self, clocks: int) -> int:
        """Target rows that a lane needs of its own for so many steps: each may learn one and be judged by another."""
        return clocks * (2 if "judge" in self.function.__code__.co_names else 1) + 2

    def fill(self, sequences: Sequences, horizon: int) -> None:
        """Write sequences until every active lane reaches the horizon."""
        arrays = blank(self)
        types = sequence_type(arrays), numba.types.uint64, *map(numba.typeof, self.parameters)
        write = _loop(self.function, types) if self.compiled else self._in_python
        try:
            lane = write(sequences, horizon, *arrays, self.min_length, self.n_inputs, self.parameters)
        except IndexError as error:
            raise explained(self, self._told(sequences, horizon, error)) from None
        if lane >= 0:
            raise ValueError(f"task {self.name!r}, sequence {sequences.index[lane]}: {words(self, arrays[-1])}")

    def _in_python(
        self,
        sequences: Sequences,
        horizon: int,
        input: Floats,
        symbol: Ints,
        learned: Floats,
        judged: Floats,
        fault: Ints,
        shortest: int,
        n_inputs: int,
        parameters: tuple[object, ...],
    ) -> int:
        """Do what the compiled loop does, with the function as it is; the lane whose sequence is wrong, or -1."""
        content = input, symbol, learned, judged, fault
        for lane in range(sequences.write.size):
            while sequences.active[lane] and sequences.write[lane] < horizon:
                length = self._written(Sequence(*content), subkey(sequences.key[lane], sequences.index[lane]), parameters)
                if not enter(sequences, lane, *content, length, shortest, n_inputs):
                    return lane
        return -1

    def _written(self, seq: Sequence, key: int, parameters: tuple[object, ...]) -> int:
        """Have the function write a sequence, whose length is returned."""
        wipe(seq.input, seq.symbol, seq.learned, seq.judged)
        result = self.function(seq, np.uint64(key), *parameters)
        if isinstance(result, GeneratorType):
            result = self._drained(seq, result)
        return int(check(f"the length that {self.name} returns", result, Whole))

    def _drained(self, seq: Sequence, steps: Iterator[Shown]) -> int:
        """Enter what a Python generator yields; the number of steps."""
        length = 0
        for t, (shown, targets) in enumerate(steps):
            if self.symbols:
                seq.symbol[t] = check(f"the symbol that {self.name} yields", shown, Whole)
            else:
                seq.input[t] = shown
            if targets is not None:
                seq.learned[t] = targets
            length = t + 1
        return length

    def _told(self, sequences: Sequences, horizon: int, error: IndexError) -> IndexError:
        """Return the error that the sequence gives in plain Python, which names index, axis and size."""
        if not self.compiled:
            return error
        behind = sequences.active & (sequences.write < horizon)
        lane = int(np.argmax(behind))
        try:
            key = subkey(sequences.key[lane], sequences.index[lane])
            self._written(Sequence(*blank(self)), key, self.parameters)
        except IndexError as told:
            return IndexError(f"{told}, in sequence {sequences.index[lane]}")
        except Exception:
            return error
        return error


@lru_cache(maxsize=64)
def _loop(function: Callable[..., object], types: tuple[numba.types.Type, ...]) -> Dispatcher:
    """Compile the loop over lanes around a function that writes one sequence; an index out of bounds is an IndexError.

    Raises
    ------
    ValueError
        If the function does not return a whole number.
    NumbaError
        If it cannot be compiled.
    """
    written = numba.njit(nogil=True, error_model="numpy", boundscheck=True)(function)
    written.compile(types)  # alone first: what is wrong is told of the function, not of the loop
    kind = written.overloads[types].signature.return_type
    if not isinstance(kind, numba.types.Integer):
        returned = "nothing" if isinstance(kind, numba.types.NoneType) else str(kind)
        raise ValueError(f"{function.__name__} returns {returned}; allowed: the length, a whole number of steps")

    @numba.njit(nogil=True, error_model="numpy")
    def write(sequences, horizon, input, symbol, learned, judged, fault, shortest, n_inputs, parameters):
        seq = Sequence(input, symbol, learned, judged, fault)
        for lane in range(sequences.write.size):
            while unfilled(sequences, lane, horizon):
                key, _start, _row = begin_sequence(sequences, lane)
                wipe(input, symbol, learned, judged)
                length = written(seq, key, *parameters)
                if not enter(sequences, lane, input, symbol, learned, judged, fault, length, shortest, n_inputs):
                    return lane
        return -1

    return write
