"""Numbers as they stand in tables."""

from __future__ import annotations

DASH = "\N{EN DASH}"
TIMES = "\N{MULTIPLICATION SIGN}"


def whole(number: float) -> str:
    """A number without decimals, thousands set apart."""
    return f"{number:,.0f}"


def short(number: float) -> str:
    """A number with three digits."""
    return f"{number:.3g}"


def percent(fraction: float) -> str:
    """A fraction in percent with two digits."""
    return f"{100 * fraction:.2g} %" if fraction < 0.995 else f"{100 * fraction:.0f} %"


def percent0(fraction: float) -> str:
    """A fraction in whole percent."""
    return f"{100 * fraction:.0f} %"


def times(ratio: float) -> str:
    """A ratio."""
    return f"{ratio:.2f}{TIMES}" if ratio < 10 else f"{ratio:.1f}{TIMES}"
