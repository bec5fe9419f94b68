"""What a run may say: the settings of a row, how they are parsed, and what is refused."""

from __future__ import annotations

import dataclasses
import difflib
import json
import re
import tomllib
import types
import typing
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import pydantic


@dataclass(frozen=True)
class Stage:
    """One condition of a stopping rule; the trial is solved when its last stage is reached.

    Attributes
    ----------
    name : str
        Name under which the number of sequences is kept.
    fewer_wrong : int
        Fewer than this many sequences may be wrong, of `test` fresh ones with frozen weights, or of the latest
        `window` training sequences if `test` is 0.
    test : int
        Test sequences; 0: judged on the training sequences while learning goes on.
    error : float, optional
        Bound of the mean absolute error over the same sequences.
    """

    name: str
    fewer_wrong: int
    test: int = 0
    error: float | None = None


@dataclass(frozen=True)
class Training:
    """How a trial is run, judged and stopped.

    Attributes
    ----------
    stages : tuple of Stage
        The stopping rule.
    max_sequences : int
        Training sequences after which a trial gives up.
    window : int
        Latest training sequences over which errors and correctness are averaged.
    error_bound : float
        Bound whose first crossing by the mean absolute and the mean squared error is kept as a milestone.
    test_every : int
        Training sequences between tests with frozen weights.
    final_test : int
        Fresh test sequences after success.
    squared_error : bool
        Reading: the mean error of the stopping rule is the squared one.
    """

    stages: tuple[Stage, ...]
    max_sequences: int = 5_000_000
    window: int = 2000
    error_bound: float = 0.01
    test_every: int = 1000
    final_test: int = 2560
    squared_error: bool = False

    def __post_init__(self) -> None:
        for name, low, high in (
            ("max_sequences", 1, 10**12),
            ("window", 1, 1_000_000),
            ("test_every", 1, 10**9),
            ("final_test", 0, 1_000_000),
        ):
            value = getattr(self, name)
            if not low <= value <= high:
                raise ValueError(f"{name} is {value}; allowed: {low} to {high:,}")
        if not self.error_bound > 0:
            raise ValueError(f"error_bound is {self.error_bound}; allowed: above 0")


@dataclass(frozen=True)
class Config:
    """Everything that determines a trial besides its seed and number.

    Attributes
    ----------
    task : Task
        The task with its parameters.
    learner : str
        Name in `lstmsim.learners.LEARNERS`.
    settings : object
        The learner's settings, a frozen dataclass.
    training : Training
        How trials are run, judged and stopped.
    """

    task: Any
    learner: str
    settings: Any
    training: Training

    def parts(self) -> dict[str, Any]:
        """The three dataclasses whose fields are the keys of `--set`."""
        return {"task": self.task, "settings": self.settings, "training": self.training}

    def keys(self) -> dict[str, str]:
        """Each key that may be set, with the part it belongs to."""
        fixed = {"n_inputs", "n_outputs", "stages"}
        return {
            f.name: part for part, value in self.parts().items() for f in dataclasses.fields(value) if f.name not in fixed
        }

    def with_settings(self, changes: Mapping[str, Any]) -> Config:
        """The configuration with some keys changed.

        Raises
        ------
        ValueError
            For an unknown key or a value that is not allowed.
        """
        parts, keys = self.parts(), self.keys()
        for key in changes:
            if key not in keys:
                close = difflib.get_close_matches(key, keys, 1)
                hint = f"; did you mean {close[0]!r}?" if close else ""
                raise ValueError(f"unknown key {key!r}{hint}; allowed: {', '.join(sorted(keys))}")
        changed: dict[str, dict[str, Any]] = {part: {} for part in parts}
        for key, value in changes.items():
            part = parts[keys[key]]
            changed[keys[key]][key] = _checked(key, value, typing.get_type_hints(type(part))[key])
        try:
            new = {part: dataclasses.replace(value, **changed[part]) for part, value in parts.items() if changed[part]}
            if "task" in new:
                sizes = {"n_inputs": new["task"].n_inputs, "n_outputs": new["task"].n_outputs}
                new["settings"] = dataclasses.replace(new.get("settings", self.settings), **sizes)
        except ValueError as error:
            if any(re.search(rf"\b{re.escape(key)}\b", str(error)) for key in changes):
                raise
            given = ", ".join(f"{key}={value!r}" for key, value in changes.items())  # sizes of the net follow from the task
            raise ValueError(f"with {given}: {error}") from None
        return dataclasses.replace(self, **new)

    def as_dict(self) -> dict[str, Any]:
        """Plain values, as they stand in a trial file's `config` attribute."""
        return {
            "task": {"name": self.task.name, **dataclasses.asdict(self.task)},
            "learner": {"name": self.learner, **dataclasses.asdict(self.settings)},
            "training": dataclasses.asdict(self.training),
        }

    def defaults(self) -> dict[str, Any]:
        """Plain values of the settings that have a default, by part, as in `as_dict`."""
        found = {
            part: {f.name: f.default for f in dataclasses.fields(value) if f.default is not dataclasses.MISSING}
            for part, value in (("task", self.task), ("learner", self.settings), ("training", self.training))
        }
        plain: dict[str, Any] = json.loads(json.dumps(found))
        return plain

    def as_json(self) -> str:
        """The same as one line of JSON with sorted keys."""
        return json.dumps(self.as_dict(), sort_keys=True)


def _checked(key: str, value: Any, hint: Any) -> Any:
    """The value if it is of the key's type, whole numbers serving as floats too."""
    if not speakable(value):
        raise ValueError(f"{key} is or holds a number of thousands of digits; allowed: {_describe(hint)}")
    if value is None and hint is str:
        value = "none"  # a word of its own where a key takes words, as in recurrence=none
    try:
        return pydantic.TypeAdapter(hint, config={"arbitrary_types_allowed": True}).validate_python(value, strict=False)
    except pydantic.ValidationError as error:
        reason = error.errors()[0]["msg"]
        raise ValueError(f"{key} is {value!r}; allowed: {_describe(hint)} ({reason})") from None


def _describe(hint: Any) -> str:
    """A type hint in words."""
    if isinstance(hint, types.UnionType):
        return " or ".join(_describe(h) for h in typing.get_args(hint))
    if hint is type(None):
        return "none"
    names = {int: "a whole number", float: "a number", bool: "true or false", str: "a word"}
    return names.get(hint) or str(hint).replace("collections.abc.", "")


def parse_assignment(text: str) -> tuple[str, Any]:
    """KEY=VALUE of `--set`; the value in TOML's notation, or a bare word.

    Raises
    ------
    ValueError
        If there is no key or no "=".
    """
    key, equals, value = text.partition("=")
    key = key.strip()
    if not equals or not key:
        raise ValueError(f"--set {text!r}; allowed: KEY=VALUE")
    return key, parse_value(value.strip())


def parse_value(text: str) -> Any:
    """A TOML value, none, or the text itself."""
    if text.lower() == "none":
        return None
    try:
        return tomllib.loads(f"value = {text}")["value"] if "\n" not in text else text
    except (ValueError, KeyError, RecursionError):
        return text


def speakable(value: Any) -> bool:
    """Whether a value can be shown: Python does not print numbers of more than 4300 digits."""
    try:
        repr(value)
    except (ValueError, RecursionError):
        return False
    return True
