"""What is simulated: an experiment is a task, a learner with its settings, and a stopping rule."""

from __future__ import annotations

import dataclasses
import functools
import hashlib
import json
import re
import tomllib
import typing
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import KW_ONLY, dataclass, field
from functools import cached_property
from typing import Annotated, Any

import numpy as np

from lstmsim.checks import Field, Flag, Hint, Json, Real, Whole, check, refusal, settings, shown, unknown
from lstmsim.learners import learner, learners
from lstmsim.learners.base import AnyLearner, TrialLearner
from lstmsim.tasks.base import Task

Tests = Annotated[Whole, Field(ge=0, le=1_000_000)]
Wrong = Annotated[Whole, Field(ge=0, le=1_000_000)]
Error = Annotated[Real, Field(ge=0)]


@settings
class Stage:
    """One of several conditions that a trial meets one after another.

    Parameters
    ----------
    name : str
        Name under which the number of sequences is kept.
    wrong, error, test
        As in `StoppingRule`.
    """

    name: str
    _: KW_ONLY
    wrong: Wrong = 0
    error: Error | None = None
    test: Tests = 0


@settings
class StoppingRule:
    """When a trial is solved, when it gives up, and how it is tested.

    Parameters
    ----------
    wrong : int
        A trial is solved when at most this many of its latest `window` training sequences are wrong, or of `test` fresh
        ones with frozen weights.
    error : float, optional
        And when the mean absolute error over the same sequences is below this bound.
    window : int
        Latest training sequences over which errors and correctness are averaged.
    test : int
        Fresh sequences that decide; 0: the training sequences do, while learning goes on.
    test_every : int
        Training sequences between such tests.
    max_sequences : int
        Training sequences after which a trial gives up.
    stages : tuple of Stage
        Several conditions, the last of which solves, instead of `wrong`, `error` and `test`.
    error_bound : float
        Bound whose first crossing by the mean absolute and the mean squared error is kept as a milestone.
    final_test : int
        Fresh sequences on which the weights that training ended with are tested.
    squared_error : bool
        Reading: the mean error that decides is the squared one.
    """

    wrong: Wrong = 0
    error: Error | None = None
    window: Annotated[Whole, Field(ge=1, le=1_000_000)] = 2000
    test: Tests = 0
    test_every: Annotated[Whole, Field(ge=1, le=10**9)] = 1000
    max_sequences: Annotated[Whole, Field(ge=1, le=10**12)] = 5_000_000
    _: KW_ONLY
    stages: tuple[Stage, ...] = ()
    error_bound: Annotated[Real, Field(gt=0)] = 0.01
    final_test: Tests = 2560
    squared_error: Flag = False

    def __post_init__(self) -> None:
        for name, usual in (("wrong", 0), ("error", None), ("test", 0)):
            if self.stages and getattr(self, name) != usual:
                raise refusal(name, getattr(self, name), f"{usual} beside stages, which have their own")

    @cached_property
    def conditions(self) -> tuple[Stage, ...]:
        """The stages; one called "solved" where there is no more than one condition."""
        return self.stages or (Stage("solved", wrong=self.wrong, error=self.error, test=self.test),)


@dataclass(frozen=True)
class Experiment:
    """Everything that determines a trial besides its seed and number; sizes of the net come from the task.

    Parameters
    ----------
    task : Task
        The task with its parameters.
    learner : LearnerSettings, tuple or str
        The learner's settings; (name, settings) where several learners have settings of that kind; or the name alone,
        beside `settings`. Kept as the name.
    stop : StoppingRule
        How trials are judged and stopped.
    name : str, optional
        Name of the folder and the row in the results; by default the names of task and learner.
    settings : LearnerSettings
        The learner's settings, where `learner` is a name.

    Raises
    ------
    ValueError
        If the task does not fit the learner.
    """

    task: Task
    learner: Any
    stop: StoppingRule = field(default_factory=StoppingRule)
    name: str | None = None
    settings: Any = field(default=None, kw_only=True)

    def __post_init__(self) -> None:
        if not isinstance(self.task, Task):
            raise refusal("task", self.task, "a task, such as one of lstmsim.tasks")
        if not isinstance(self.stop, StoppingRule):
            raise refusal("stop", self.stop, "a StoppingRule")
        name, settings = self.learner, self.settings
        if isinstance(name, tuple) and len(name) == 2:
            name, settings = name
        elif not isinstance(name, str):
            name, settings = _learner_of(name).name, name
        found = learner(name)
        if not isinstance(settings, found.Settings):
            raise refusal("settings", settings, f"{found.Settings.__name__}, which the learner {name!r} has")
        if issubclass(found, TrialLearner) and (self.task.stream_steps or self.task.stream_sequences):
            raise refusal("learner", name, "one that steps through sequences, where the task has streams")
        self._set(
            learner=name,
            settings=settings.fitted(self.task),
            name=f"{self.task.name}-{name}" if self.name is None else self.name,
        )
        if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._@-]{0,80}", str(self.name)):
            raise refusal("name", self.name, "up to 81 letters, digits and . _ @ -, the first a letter or digit")
        keys = [f.name for part in self.parts().values() for f in _settings(part)]
        if twice := next((key for key in keys if keys.count(key) > 1), None):
            raise ValueError(f"task {self.task.name!r} has a parameter {twice!r}; allowed: names that no other setting has")

    def _set(self, **values: object) -> None:
        for key, value in values.items():
            object.__setattr__(self, key, value)

    def parts(self) -> dict[str, Any]:
        """Return the three parts whose fields are the keys that can be set."""
        return {"task": self.task, "learner": self.settings, "stop": self.stop}

    def keys(self) -> dict[str, str]:
        """Return each key that may be set, with the part it belongs to."""
        fixed = {"n_inputs", "n_outputs", "stages"}
        return {f.name: part for part, value in self.parts().items() for f in _settings(value) if f.name not in fixed}

    def with_settings(self, changes: Mapping[str, object]) -> Experiment:
        """Return the experiment with some keys changed.

        Raises
        ------
        ValueError
            For an unknown key or a value that is not allowed.
        """
        parts, keys = self.parts(), self.keys()
        changed: dict[str, Json] = {part: {} for part in parts}
        for key, value in changes.items():
            if key not in keys:
                raise unknown("key", key, sorted(keys))
            kind: object = type(parts[keys[key]])
            changed[keys[key]][key] = _checked(key, value, _hints(kind)[key])
        try:
            task = dataclasses.replace(parts["task"], **changed["task"]) if changed["task"] else self.task
            sizes = {"n_inputs": 0, "n_outputs": 0} if changed["task"] else {}  # those of the new task
            settings = dataclasses.replace(self.settings, **sizes, **changed["learner"]).fitted(task)
            stop = dataclasses.replace(self.stop, **changed["stop"])
        except ValueError as error:
            if any(re.search(rf"\b{re.escape(key)}\b", str(error)) for key in changes):
                raise
            given = ", ".join(f"{key}={shown(value)}" for key, value in changes.items())  # sizes follow from the task
            raise ValueError(f"with {given}: {error}") from None
        return dataclasses.replace(self, task=task, settings=settings, stop=stop)

    def as_dict(self) -> Json:
        """Return plain values, as they stand in a trial file's `config` attribute; arrays by their digest."""
        names = {"task": {"name": self.task.name}, "learner": {"name": self.learner}, "stop": {}}
        return {part: names[part] | _plain_fields(value) for part, value in self.parts().items()}

    def as_json(self) -> str:
        """Return the same as one line of JSON with sorted keys."""
        return json.dumps(self.as_dict(), sort_keys=True)


@functools.cache
def _hints(cls: object) -> dict[str, Hint]:
    """Return the types of a class's fields; Python takes a millisecond to find them."""
    return typing.get_type_hints(cls, include_extras=True)


def _learner_of(settings: object) -> type[AnyLearner]:
    """Return the learner whose settings these are; of several with the same, the one that others build on."""
    if found := [cls for cls in learners().values() if type(settings) is cls.Settings]:
        return min(found, key=lambda cls: len(cls.name))
    known = ", ".join(dict.fromkeys(cls.Settings.__name__ for cls in learners().values()))
    raise refusal("learner", settings, f"settings of a learner ({known}), or (name, settings)")


def _fields(part: object) -> Iterator[dataclasses.Field[object]]:
    return (f for f in (dataclasses.fields(part) if dataclasses.is_dataclass(part) else ()) if f.init)


def _settings(part: object) -> Iterator[dataclasses.Field[object]]:
    """Fields that can be set; a task's recordings cannot."""
    return (f for f in _fields(part) if not f.metadata.get("data"))


def _plain_fields(part: object) -> Json:
    return {f.name: plain(getattr(part, f.name)) for f in _fields(part)}


def plain(value: object) -> object:
    """Return a value as JSON has it."""
    if isinstance(value, np.ndarray):
        digest = hashlib.sha256(np.ascontiguousarray(value).tobytes()).hexdigest()[:16]
        return {"shape": list(value.shape), "dtype": str(value.dtype), "sha256": digest}
    if dataclasses.is_dataclass(value):
        return _plain_fields(value)
    if isinstance(value, list | tuple):
        return [plain(part) for part in value]
    return value.item() if isinstance(value, np.generic) else value


def _checked(key: str, value: object, hint: Hint) -> object:
    """Return the value if it is of the key's type; None is the word "none" where a key takes words alone."""
    if value is None and type(None) not in typing.get_args(hint):
        value = "none"
    return check(key, value, hint)


def parse_value(text: str) -> object:
    """Return the value that a text stands for: in TOML's notation, none, or the text itself."""
    if text.lower() == "none":
        return None
    try:
        return tomllib.loads(f"value = {text}")["value"] if "\n" not in text else text
    except (ValueError, KeyError, RecursionError):
        return text


def assignments(texts: Iterable[str]) -> dict[str, Any]:
    """Return the values of several KEY=VALUE, each key once."""
    found: dict[str, Any] = {}
    for text in texts:
        key, value = parse_assignment(text)
        if key in found:
            raise ValueError(f"--set {text!r} is the second for {key}; allowed: each key once")
        found[key] = value
    return found


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
