"""The points of a scan: values of settings in all combinations, or one by one; refused where they cannot be built."""

from __future__ import annotations

import itertools
import math
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from lstmsim.campaign.scan_store import text_of
from lstmsim.checks import refusal, unknown
from lstmsim.simulation.config import Experiment, parse_value
from lstmsim.trace.scan import text_of as words

MOST = 1_000_000  # trials of a scan
Point = dict[str, object]
Over = Mapping[str, Sequence[object]] | Sequence[Mapping[str, object]]


def points_of(experiment: Experiment, over: Over, trials: int) -> list[tuple[Point, Experiment]]:
    """Return the points of a scan: the value of each key, as the settings have it, and the experiment there.

    Parameters
    ----------
    experiment : Experiment
        What the keys belong to.
    over : mapping of str to sequence, or sequence of mapping
        Values of each key, of which all combinations are taken; or the points themselves.
    trials : int
        Trials of each point.

    Raises
    ------
    ValueError
        For an unknown key, no values, one that stands twice, more than a million trials, or a point that cannot be built,
        which is named.
    """
    allowed = experiment.keys()
    listed = isinstance(over, Sequence) and not isinstance(over, str) and all(isinstance(p, Mapping) for p in over)
    if not (listed or isinstance(over, Mapping)):
        raise refusal("over", over, "values by key, such as {'T': [50, 100]}, or a list of such points")
    if not over:
        raise refusal("over", over, "at least one key with values, or one point")
    keys = list(over if isinstance(over, Mapping) else over[0])
    for key in keys:
        if key not in allowed:
            raise unknown("key", key, sorted(allowed))
    given: Iterable[Point]
    if isinstance(over, Mapping):
        columns = [_values(key, over[key]) for key in keys]
        total = math.prod(map(len, columns))
        given = (dict(zip(keys, values, strict=True)) for values in itertools.product(*columns))
    else:
        given, total = map(dict, over), len(over)
    if total * trials > MOST:
        raise refusal("trials", f"{total:,} points of {trials:,} trials", f"at most {MOST:,} trials in all")
    found: dict[str, tuple[Point, Experiment]] = {}
    for point in given:
        if list(point) != keys:
            if set(point) != set(keys):
                raise refusal("over", point, f"points with the same keys, {', '.join(keys)}")
            point = {key: point[key] for key in keys}
        try:
            config = experiment.with_settings(point)
        except ValueError as error:
            raise ValueError(f"point {words(point)}: {error}") from None
        values = {key: getattr(config.parts()[allowed[key]], key) for key in keys}
        if text_of(values) in found:
            raise refusal("over", words(values), "values and points that stand there once")
        found[text_of(values)] = values, config
    return list(found.values())


def over_of(texts: Iterable[str]) -> dict[str, list[object]]:
    """Return the values of each key that texts as `--over` takes them stand for: KEY=a,b,c or KEY=low:high:count[:log].

    Raises
    ------
    ValueError
        If a text is none of these, or a key stands twice.
    """
    over: dict[str, list[object]] = {}
    for text in texts:
        key, _, given = (part.strip() for part in text.partition("="))
        if not key or not given or key in over:
            raise refusal("--over", text, "KEY=a,b,c or KEY=low:high:count[:log], each key once")
        parts = given.split(":")
        if len(parts) in (3, 4) and not given.startswith(("[", '"')):
            over[key] = _range(text, [parse_value(part) for part in parts])
        else:  # commas in brackets belong to a value
            over[key] = [parse_value(part.strip()) for part in re.findall(r"(?:\[[^\]]*\]|[^,\[])+", given)]
    return over


def _range(text: str, parts: list[Any]) -> list[object]:
    """Return numbers from the first to the last; whole ones where both are and the number between is."""
    low, high, count, *scale = parts
    logarithmic, numbers = scale == ["log"], all(type(n) in (int, float) for n in (low, high))
    if not numbers or type(count) is not int or not 2 <= count <= MOST or scale not in ([], ["log"]):
        raise refusal("--over", text, "KEY=low:high:count or KEY=low:high:count:log, the count from 2")
    if logarithmic and not min(low, high) > 0:
        raise refusal("--over", text, "numbers above 0 for a logarithmic scale")
    space = np.geomspace if logarithmic else np.linspace
    values = [float(f"{value:.12g}") for value in space(low, high, count)]
    whole = type(low) is type(high) is int
    return [int(value) if whole and value.is_integer() else value for value in values]


def _values(key: str, values: object) -> list[object]:
    if isinstance(values, str | Mapping) or not hasattr(values, "__iter__"):
        raise refusal(f"over[{key!r}]", values, "a list of values")
    found = list(itertools.islice(values, MOST + 1))
    if len(found) > MOST:
        raise refusal(f"over[{key!r}]", values, f"at most {MOST:,} values")
    if not found:
        raise refusal(f"over[{key!r}]", values, "at least one value")
    return found
