"""Settings as frozen pydantic dataclasses, the one form of every refusal (argument, value, what is allowed), and tables."""

from __future__ import annotations

import dataclasses
import difflib
import errno
import functools
import importlib
import math
import os
import pkgutil
import sys
import types
import typing
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Generic, Literal, TypeGuard, TypeVar

import numpy as np
import numpy.typing as npt
import pydantic
from pydantic import BeforeValidator, Field
from pydantic_core import ErrorDetails

if TYPE_CHECKING:
    import pandas as pd
    import xarray as xr

__all__ = [
    "WHOLE",
    "Field",
    "Flag",
    "Real",
    "Table",
    "Whole",
    "absolute",
    "array",
    "check",
    "describe",
    "exact",
    "floats",
    "is_pandas",
    "is_xarray",
    "numbers",
    "refusal",
    "settings",
    "shown",
    "unknown",
]

C = TypeVar("C", bound=type)
Json = dict[str, Any]  # an object of JSON, or the attributes of a file
Hint = Any  # a type as annotations have it, with bounds, unions and literals; Python has no name for these
_CONFIG = pydantic.ConfigDict(arbitrary_types_allowed=True, extra="forbid")
_UNPRINTABLE = "a value that cannot be printed"


def shown(value: object) -> str:
    """Return a value as it is named in a message: on one line, in at most 200 characters."""
    try:
        text = " ".join(repr(value.item() if isinstance(value, np.generic) else value).split())
    except (ValueError, RecursionError):  # Python does not print numbers of more than 4300 digits
        text = _UNPRINTABLE
    return text if len(text) <= 200 else text[:197] + "..."


def refusal(name: str, value: object, allowed: str) -> ValueError:
    """Return the error for a value that is not allowed."""
    return ValueError(f"{name} is {shown(value)}; allowed: {allowed}")


def unknown(kind: str, name: object, allowed: Iterable[str]) -> ValueError:
    """Return the error for a name that is not among those there are, with the closest of them."""
    there = list(allowed)
    close = difflib.get_close_matches(str(name), there, 1)
    hint = f"; did you mean {close[0]!r}?" if close else ""
    return ValueError(f"unknown {kind} {shown(name)}{hint}; allowed: {', '.join(there)}")


def _plain(value: object) -> object:
    """Return a NumPy scalar, or an array of one number, as Python's own."""
    return value.item() if isinstance(value, np.generic) or (isinstance(value, np.ndarray) and value.ndim == 0) else value


def _whole(value: object) -> int:
    value = _plain(value)
    if isinstance(value, bool) or not isinstance(value, int) or _beyond(value):
        raise ValueError("not a whole number")
    return value


def _beyond(value: object) -> str:
    """What is to be said of a number that kernels could not hold, else nothing."""
    return "" if not isinstance(value, int) or -(2**63) <= value < 2**63 else ", in 64 bits"


def _real(value: object) -> float:
    value = _plain(value)
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise ValueError("not a number")
    try:
        value = float(value)
    except OverflowError:
        value = math.inf
    if not math.isfinite(value):
        raise ValueError("not finite")
    return value


def _flag(value: object) -> bool:
    value = _plain(value)
    if not isinstance(value, bool):
        raise ValueError("neither true nor false")
    return value


WHOLE = BeforeValidator(_whole)  # before a Literal of whole numbers, which takes True for 1
Whole = Annotated[int, WHOLE]  # int or NumPy's; no truth value, no float
Real = Annotated[float, BeforeValidator(_real)]  # finite
Flag = Annotated[bool, BeforeValidator(_flag)]
_EXACT = {int: Whole, float: Real, bool: Flag}


def exact(hint: Hint) -> Hint:
    """Return a type hint of Python's own types that no longer takes what pydantic makes fit: True for 1, "2" for 2."""
    origin, args = typing.get_origin(hint), typing.get_args(hint)
    if origin is Annotated:
        return functools.reduce(lambda made, item: Annotated[made, item], args[1:], exact(args[0]))
    if origin in (types.UnionType, typing.Union):
        return typing.Union[tuple(map(exact, args))]  # noqa: UP007
    if origin is Literal and all(type(value) is int for value in args):
        return Annotated[hint, WHOLE]
    return _EXACT.get(hint, hint)


def describe(hint: Hint) -> str:
    """Return what a type hint allows, in words: "a whole number from 1 to 16", "'F', 'B'", "None or a finite number".

    Parameters
    ----------
    hint : type
        As in a dataclass, with the bounds of pydantic's `Field` as metadata.
    """
    origin, args = typing.get_origin(hint), typing.get_args(hint)
    if origin is Annotated:
        limits: dict[str, float] = {}
        for item in args[1:]:
            for part in [item, *getattr(item, "metadata", ())]:
                limits |= {key: getattr(part, key) for key in ("gt", "ge", "lt", "le") if hasattr(part, key)}
        return describe(args[0]) + _limits(**limits)
    if origin in (types.UnionType, typing.Union):
        return " or ".join(sorted(map(describe, args), key=lambda text: text != "None"))
    if origin is Literal:
        return ", ".join(map(repr, args))
    if origin is tuple:
        if len(args) == 2 and args[1] is Ellipsis:
            return f"a list, each {describe(args[0])}"
        return f"{len(args)} values: {', '.join(map(describe, args))}"
    names = {int: "a whole number", float: "a finite number", bool: "True, False", str: "a text", type(None): "None"}
    return str(names.get(hint) or getattr(hint, "__name__", hint))


def _limits(*, gt: float | None = None, ge: float | None = None, lt: float | None = None, le: float | None = None) -> str:
    """Return bounds in words."""
    if ge is not None and le is not None:
        return f" from {ge:,} to {le:,}"
    low = f" above {gt:,}" if gt is not None else f" of at least {ge:,}" if ge is not None else ""
    high = f" below {lt:,}" if lt is not None else f" of at most {le:,}" if le is not None else ""
    return low + (" and" if low and high else "") + high


def check(name: str, value: object, hint: Hint) -> Any:
    """Return a value as its type hint has it.

    Raises
    ------
    ValueError
        Naming the argument, the value and what is allowed.
    """
    try:
        return _adapter(hint).validate_python(value)
    except pydantic.ValidationError:
        raise refusal(name, value, describe(hint) + _beyond(value)) from None


@functools.cache
def _adapter(hint: Hint) -> pydantic.TypeAdapter[object]:
    return pydantic.TypeAdapter(hint, config=_CONFIG)


@typing.dataclass_transform(frozen_default=True, field_specifiers=(Field, dataclasses.field))
def settings(cls: C) -> C:
    """Make a class a frozen dataclass whose fields are checked by their types when it is made.

    A field that is refused gives a ValueError of one line that names it, its value and what is allowed; what the class's own
    `__post_init__` raises passes as it is.
    """
    made: Any = pydantic.dataclasses.dataclass(frozen=True, config=_CONFIG)(cls)
    init: Callable[..., None] = made.__init__

    @functools.wraps(init)
    def checked(self: object, *args: object, **kwargs: object) -> None:
        given = dict(zip((f.name for f in dataclasses.fields(cls) if f.init and not f.kw_only), args, strict=False)) | kwargs
        try:
            if (name := next((n for n, value in given.items() if shown(value) == _UNPRINTABLE), None)) is not None:
                raise refusal(name, given[name], _allowed(cls, name))
            init(self, *args, **kwargs)
        except pydantic.ValidationError as error:
            raise _refused(cls, error.errors()[0], given) from None

    made.__init__ = checked
    return typing.cast(C, made)


def _allowed(cls: type, name: str) -> str:
    return describe(typing.get_type_hints(cls, include_extras=True)[name])


def _refused(cls: type, complaint: ErrorDetails, given: dict[str, object]) -> ValueError:
    """Return pydantic's first complaint in our form."""
    if not complaint["loc"]:
        return ValueError(str(complaint.get("ctx", {}).get("error", complaint["msg"])))
    if complaint["type"] == "unexpected_positional_argument":
        named = [field.name for field in dataclasses.fields(cls) if field.kw_only]
        return ValueError(
            f"{cls.__name__} is given {complaint['input']!r:.60} without a name; allowed: {', '.join(named)} by name"
        )
    place, fields = complaint["loc"][0], [field.name for field in dataclasses.fields(cls) if field.init]
    name = fields[place] if isinstance(place, int) and place < len(fields) else str(place)
    if name not in fields:
        return unknown("setting", name, fields)
    if name not in given:
        return ValueError(f"{name} is missing; allowed: {_allowed(cls, name)}")
    return refusal(name, given[name], _allowed(cls, name) + _beyond(given[name]))


class Table(Generic[C]):
    """Classes by name. Each enters itself where it is defined; those of a package are imported when all are asked for.

    Parameters
    ----------
    kind : str
        What they are, for messages: "task".
    package : str
        The package whose modules define them.
    """

    def __init__(self, kind: str, package: str) -> None:
        self._kind, self._package = kind, package
        self._classes: dict[str, C] = {}
        self._whole = False

    def enter(self, name: str, cls: C) -> None:
        """Enter a class; one that is defined anew, as in a notebook, takes the place of the one before.

        Raises
        ------
        ValueError
            If another class has the name.
        """
        there = self._classes.get(name)
        if there is not None and (there.__module__, there.__qualname__) != (cls.__module__, cls.__qualname__):
            raise refusal(
                "name", name, f"a name that no other {self._kind} has; taken are {', '.join(sorted(self._classes))}"
            )
        self._classes[name] = cls

    def all(self) -> dict[str, C]:
        """Return all classes, in the order of their names."""
        if not self._whole:
            package = importlib.import_module(self._package)
            for module in pkgutil.walk_packages(package.__path__, package.__name__ + "."):
                importlib.import_module(module.name)
            self._whole = True
        return dict(sorted(self._classes.items()))

    def one(self, name: str) -> C:
        """Return the class of a name.

        Raises
        ------
        ValueError
            If there is none.
        """
        if not isinstance(name, str) or (name not in self._classes and name not in self.all()):
            raise unknown(self._kind, name, self.all())
        return self._classes[name]


def is_pandas(value: object) -> TypeGuard[pd.Series | pd.DataFrame]:
    """Whether a value is a Series or DataFrame of pandas, which then somebody has imported."""
    pandas = sys.modules.get("pandas")
    return pandas is not None and isinstance(value, pandas.Series | pandas.DataFrame)


def is_xarray(value: object) -> TypeGuard[xr.DataArray]:
    """Whether a value is a DataArray of xarray, which then somebody has imported."""
    xarray = sys.modules.get("xarray")
    return xarray is not None and isinstance(value, xarray.DataArray)


def absolute(name: str, value: object) -> Path:
    """Return the absolute name of a file or folder, wherever the process goes from here; "~" is its user's home.

    Raises
    ------
    ValueError
        If the value is no name that a file can have.
    """
    encoding = sys.getfilesystemencoding()
    allowed = f"a name of a file or folder, a str or a Path, as long as can be, in the system's encoding {encoding}"
    try:
        if not isinstance(value, str | os.PathLike) or b"\0" in os.fspath(value).encode(encoding):
            raise ValueError("no text")
        path = Path(os.path.abspath(Path(value).expanduser()))
    except (TypeError, ValueError, AttributeError, RuntimeError):  # RuntimeError: nobody knows the home
        raise refusal(name, value, allowed) from None
    try:
        path.lstat()
    except OSError as error:  # most names are of nothing yet
        if error.errno == errno.ENAMETOOLONG:
            raise refusal(name, value, allowed) from None
    return path


def floats(value: object) -> npt.NDArray[np.float64]:
    """A copy of numbers as float64.

    Raises
    ------
    TypeError
        If they are no real numbers, such as texts, dates or complex ones, or some of them are masked.
    ValueError, OverflowError
        If they are of no shape, or beyond the range.
    """
    result = np.array(value)
    if result.dtype.kind not in "fiubO" or isinstance(value, np.ma.MaskedArray):
        raise TypeError(f"not real numbers: {result.dtype}")
    return result.astype(np.float64, copy=False)


def numbers(name: str, value: object, shape: tuple[int | None, ...]) -> npt.NDArray[np.float64]:
    """A copy of numbers as a float64 array of any shape; `shape` (None: any length) is what the refusal says.

    Raises
    ------
    ValueError
        If the value is no array of real numbers, or one of objects.
    """
    try:
        if not (isinstance(value, np.ndarray) and value.dtype == object):
            return floats(value)
    except (TypeError, ValueError, OverflowError, RuntimeError):
        pass
    raise refusal(name, value, f"an array of numbers of shape {_shape(shape)}")


def _shape(shape: tuple[int | None, ...]) -> str:
    return "(" + ", ".join("step" if n is None else str(n) for n in shape) + ("," if len(shape) == 1 else "") + ")"


def array(name: str, value: object, shape: tuple[int | None, ...], *, nan_rows: bool = False) -> npt.NDArray[np.float64]:
    """The value as a float64 array of the given shape (None: any length), finite but for whole rows of NaN if allowed.

    Raises
    ------
    ValueError
        Naming the argument, what is wrong with it and what is allowed.
    """
    result = numbers(name, value, shape)
    if result.ndim != len(shape) or any(n is not None and n != m for n, m in zip(shape, result.shape, strict=True)):
        raise ValueError(f"{name} has shape {result.shape}; allowed: {_shape(shape)}")
    bad = ~np.isfinite(result)
    if nan_rows:
        bad &= ~np.isnan(result).all(axis=-1, keepdims=True)
    if bad.any():
        where = tuple(int(i) for i in np.argwhere(bad)[0])
        allowed = "finite numbers, or whole rows of NaN" if nan_rows else "finite numbers"
        raise ValueError(f"{name} holds {result[where]} at {where}; allowed: {allowed}")
    return result
