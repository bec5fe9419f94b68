"""Numbers and values as they stand in tables."""

from __future__ import annotations

import json
from collections.abc import Sequence

from lstmsim.simulation.config import parse_value

DASH = "\N{EN DASH}"
TIMES = "\N{MULTIPLICATION SIGN}"


def whole(number: float | None) -> str:
    """A number without decimals, thousands set apart."""
    return DASH if number is None or number != number else f"{number:,.0f}"


def short(number: float | None) -> str:
    """A number with three digits."""
    return DASH if number is None or number != number else f"{number:.3g}"


def percent(fraction: float | None) -> str:
    """A fraction in percent with two digits."""
    return DASH if fraction is None else f"{100 * fraction:.2g} %" if fraction < 0.995 else f"{100 * fraction:.0f} %"


def percent0(fraction: float | None) -> str:
    """A fraction in whole percent."""
    return DASH if fraction is None else f"{100 * fraction:.0f} %"


def times(ratio: float | None) -> str:
    """A ratio."""
    return DASH if ratio is None else f"{ratio:.2f}{TIMES}" if ratio < 10 else f"{ratio:.1f}{TIMES}"


def span(numbers: Sequence[int]) -> str:
    """The smallest and the largest number, or the one there is."""
    return DASH.join(map(whole, dict.fromkeys((min(numbers), max(numbers))))) if numbers else DASH


def value_text(value: object) -> str:
    """A value in the notation of --set, which `lstmsim.simulation.config.parse_value` reads."""
    if value is None:
        return "none"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, (list, tuple)):
        return f"[{','.join(json.dumps(part) if isinstance(part, str) else value_text(part) for part in value)}]"
    if isinstance(value, str) and (parse_value(value) != value or " " in value):
        return json.dumps(value)
    return str(value)
