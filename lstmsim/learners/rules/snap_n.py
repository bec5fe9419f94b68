"""SnAp-n (Menick and others 2021): the entries that an influence reaches within n steps, M <- mask_n (J M + I).

mask_n is where sum_{l<n} A^l I is not 0, A the pattern of J: for a weight into unit i the units k that i reaches in fewer
than n steps. SnAp-2 of a dense net is exact, SnAp-n of a ring of n units, SnAp-1 the file `snap_1`. Time and memory follow
the entries, from H m to H^3 m and H^2 m.
"""

from __future__ import annotations

import numpy as np

from lstmsim.kernels.arrays import Array, Floats, Ints
from lstmsim.kernels.compile import inlined
from lstmsim.kernels.struct import Struct
from lstmsim.kernels.vector import UNITS, aligned, fma, load_at, splat, store_at
from lstmsim.learners.over_time import padded
from lstmsim.learners.rules.equations import cleared, jacobian
from lstmsim.learners.rules.exact import operator as operator_of_exact
from lstmsim.learners.rules.exact import signal as signal_of_exact
from lstmsim.learners.rules.settings import RuleSettings
from lstmsim.learners.rules.step import Rule, forward_in_time
from lstmsim.learners.rules.structs import Shape


class Kept(Struct):
    """Entries in the order of their weights' units i, then k, and which of them each is made of."""

    entries: Floats  # (entry, source padded): M_kij for all j
    unit: Ints  # (entry,) int: k
    first: Ints  # (hidden + 1,) int: first entry of each unit i
    begin: Ints  # (entry + 1,) int: first term of each entry
    term: Ints  # (term,) int: entry M_mij that J_km multiplies
    gradient: Floats  # (source padded, wide): sum_k q_k M_kij
    column: Floats  # (hidden, 8): room to work in


@inlined
def move(nets):
    """M_kij <- sum_m J_km M_mij + delta_ki d_i z_j over the entries that are kept."""
    kept, state = nets.kept, nets.state
    stride = kept.entries.shape[1]
    jacobian(nets.core)
    for i in range(nets.shape.hidden):
        first, last = kept.first[i], kept.first[i + 1]
        for j in range(0, stride, 8):
            for e in range(first, last):
                k, total = kept.unit[e], splat(UNITS, 0.0)
                for t in range(kept.begin[e], kept.begin[e + 1]):
                    other = kept.term[t]
                    total = fma(state.jacobian[kept.unit[other], k], load_at(UNITS, kept.entries, other * stride + j), total)
                if k == i:
                    total = fma(state.slope[i], load_at(UNITS, state.z, j), total)
                store_at(kept.column, 8 * (e - first), total)
            for e in range(first, last):
                moved = load_at(UNITS, kept.column, 8 * (e - first))
                store_at(kept.entries, e * stride + j, cleared(moved))


@inlined
def signal(nets):
    """Sum_k q_k M_kij over the entries that are kept; nothing is left to multiply by."""
    kept, state = nets.kept, nets.state
    stride = kept.entries.shape[1]
    for i in range(nets.shape.hidden):
        for j in range(0, stride, 8):
            total = splat(UNITS, 0.0)
            for e in range(kept.first[i], kept.first[i + 1]):
                total = fma(state.q[kept.unit[e]], load_at(UNITS, kept.entries, e * stride + j), total)
            store_at(kept.column, 0, total)
            for n in range(8):
                kept.gradient[j + n, i] = kept.column[0, n]
    signal_of_exact(nets)


@inlined
def kept(nets, at, j, own, d, learns):
    """The sum that `signal` has made."""
    return load_at(UNITS, nets.kept.gradient, at)


def reached(recurrent: Array, leak: float, n: int) -> Array:
    """Which entries SnAp-n keeps, (unit k, unit i): those that are not 0 in sum_{l<n} A^l."""
    pattern = recurrent | (np.eye(len(recurrent), dtype=bool) & (leak < 1.0))
    found = step = np.eye(len(recurrent), dtype=bool)
    for _ in range(min(n - 1, len(recurrent))):
        step = (pattern.astype(float) @ step) > 0
        found = found | step
    return found


def room(settings: RuleSettings, shape: Shape) -> Kept:
    """The entries of these settings."""
    recurrent = settings.recurrent[settings.connections]
    mask = reached(recurrent, settings.leak, settings.n)
    pattern = recurrent | np.eye(shape.hidden, dtype=bool)
    first, unit, begin, term = [0], [], [0], []
    for i in range(shape.hidden):
        units = np.flatnonzero(mask[:, i])
        for k in units:
            found = np.flatnonzero(pattern[k, units])
            term.append(first[-1] + found)
            begin.append(begin[-1] + len(found))
        unit.append(units)
        first.append(first[-1] + len(units))
    sources = padded(shape.sources)
    return Kept(
        entries=aligned(first[-1], sources),
        unit=np.concatenate(unit).astype(np.int64),
        first=np.array(first),
        begin=np.array(begin),
        term=np.concatenate(term).astype(np.int64),
        gradient=aligned(sources, shape.wide),
        column=aligned(shape.hidden, 8),
    )


RULE = Rule("SnAp-n", forward_in_time(kept, operator=operator_of_exact, move=move, signal=signal, moves_all=False), room)
