"""What the wide kernel works on: one big net, its units along the vector.

Layout: eight units make a row: cells, input gates, output gates, hidden units. A row's weights, and its partials, stand
source after source, so that each is read as one stream. A tile is eight lanes of input gates, the output gates of the same
blocks and `slots` rows of their cells; a block takes `group` neighbouring lanes, in all of which its gates stand, so that
few large blocks fill the vector too.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from lstmsim.kernels.arrays import Floats, Ints
from lstmsim.kernels.struct import Struct
from lstmsim.kernels.vector import aligned
from lstmsim.learners.lstm.settings import LSTMSettings
from lstmsim.learners.lstm.structs import Rule, Shape, rule_of, shape_of

RING = 9  # steps whose sources are kept: those whose terms wait, and the running one
CHAIN = 3  # weight changes that wait at most
PIECE = 64  # sources for which the changes of input gates with several cells are summed in the nearest cache


class Tiles(Struct):
    """How the units lie in rows of eight: cells, input gates, output gates, hidden units."""

    tiles: int
    group: int  # lanes of a block: 1, 2, 4 or 8
    slots: int  # rows of cells in a tile
    cell_rows: int
    first_out: int  # rows before the output gates
    first_hidden: int  # rows before the hidden units
    rows: int


class WideWeights(Struct):
    """Weights, and where their changes go: the same arrays when learning per step, others when updating at sequence ends."""

    w: Floats  # (row, source, 8)
    w_output: Floats  # (1, output source, output)
    w_output_symbol: Floats  # empty
    u: Floats
    u_output: Floats
    u_output_symbol: Floats
    rate: Floats  # (4, 1) learning rate, and how it falls: see `lstmsim.learners.lstm.settings.rate_at`
    alpha: Floats  # (1,) learning rate in the running sequence
    present: Floats  # (block, 1) 1.0, or 0.0 while a block has not joined the net
    error_factor: Floats  # (output,) factor of e_k, 0.0 for padding


class WideState(Struct):
    """What the net carries from step to step and what the last step left behind: unit by unit, then in rows of eight."""

    z: Floats  # (2 * RING * row, 1): sources of the latest steps, then the same without bias where some units have none
    s: Floats  # (cell, 1)
    net: Floats  # (unit, 1)
    y: Floats  # (unit, 1)
    y_k: Floats  # (1, output)
    e_k: Floats  # (1, output)
    back: Floats  # (cell + hidden, 1): sum_k w_k. e_k
    e_s: Floats  # (cell, 1)
    e_out: Floats  # (block, 1)
    e_hidden: Floats  # (hidden, 1)
    e_cell: Floats  # (cell, 1): (36), q = 0, where the step is recorded
    e_in: Floats  # (block, 1): (37), q = 0, where the step is recorded
    norm: Floats  # (1,) squared norm of the last weight change
    symbol: Ints  # (1,)
    cell_lane: Ints  # (cell,): where a cell stands among the lanes of the cell rows
    block_lane: Ints  # (block,): where a block's gates stand among the lanes of the tiles
    ring: Ints  # (2,): place of the running step in the ring, number of steps whose terms wait
    p: Floats  # (2 * cell row, source, 8): ds_c/dw_cm of the cell rows, then their ds_c/dw_in,m
    change: Floats  # (CHAIN, PIECE, 8)
    row_net: Floats  # (8 * row,)
    row_y: Floats  # (8 * row,)
    row_present: Floats  # (8 * tile,)
    row_gates: Floats  # (16 * tile,): y_in, then y_out; 0 where a block is absent
    row_s: Floats  # (8 * cell row,)
    row_h: Floats  # (8 * cell row,)
    row_y_c: Floats  # (8 * cell row,)
    row_back: Floats  # (8 * cell row,)
    factor: Floats  # (RING, 2, 8 * cell row): factors of z_m in (27), then in (25)
    row_e_s: Floats  # (RING, 8 * cell row)
    row_e_out: Floats  # (RING, 8 * tile)
    row_e_hidden: Floats  # (RING, 8 * hidden row)


class WideNet(NamedTuple):
    """One net."""

    shape: Shape
    tiles: Tiles
    rule: Rule
    weights: WideWeights
    state: WideState


def tiles_of(a: LSTMSettings) -> Tiles:
    """Rows of eight units; a block takes as many lanes as make the arrays smallest."""

    def tiling(group: int) -> tuple[int, int]:
        return -(-a.n_blocks * group // 8), -(-a.block_size // group)

    def vectors(group: int) -> int:
        tiles, slots = tiling(group)
        return tiles * (3 * slots + 2)

    group = min((1, 2, 4, 8), key=vectors)
    tiles, slots = tiling(group)
    first_out = tiles * slots + tiles
    first_hidden = first_out + (tiles if a.output_gates else 0)
    return Tiles(
        tiles=tiles,
        group=group,
        slots=slots,
        cell_rows=tiles * slots,
        first_out=first_out,
        first_hidden=first_hidden,
        rows=first_hidden + -(-a.n_hidden // 8),
    )


def new_wide(a: LSTMSettings) -> WideNet:
    """One net of which all blocks are present, all weights 0."""
    shape, rule, tiles = shape_of(a), rule_of(a), tiles_of(a)
    wide, cells, units, cell_lanes = shape.output_stride, shape.cells, shape.units, 8 * tiles.cell_rows
    groups = ((tiles.rows, shape.sources, 8), (1, shape.output_sources, wide), (1, 0, wide))
    w = [aligned(*group) for group in groups]
    u = [aligned(*group) for group in groups] if rule.update_at_end else w
    weights = WideWeights(
        w=w[0],
        w_output=w[1],
        w_output_symbol=w[2],
        u=u[0],
        u_output=u[1],
        u_output_symbol=u[2],
        rate=np.tile(a.rate[:, None], 1),
        alpha=aligned(1),
        present=aligned(shape.blocks, 1),
        error_factor=aligned(wide),
    )
    weights.alpha[:], weights.present[:], weights.error_factor[: shape.outputs] = a.learning_rate, 1.0, a.error_factor
    block, v = np.divmod(np.arange(cells), shape.size)
    row = block * tiles.group // 8 * tiles.slots + v // tiles.group
    state = WideState(
        z=aligned(2 * RING * shape.rows, 1),
        s=aligned(cells, 1),
        net=aligned(units, 1),
        y=aligned(units, 1),
        y_k=aligned(1, wide),
        e_k=aligned(1, wide),
        back=aligned(cells + shape.hidden, 1),
        e_s=aligned(cells, 1),
        e_out=aligned(shape.blocks, 1),
        e_hidden=aligned(shape.hidden, 1),
        e_cell=aligned(cells, 1),
        e_in=aligned(shape.blocks, 1),
        norm=aligned(1),
        symbol=aligned(1, dtype=np.int64),
        cell_lane=8 * row + block * tiles.group % 8 + v % tiles.group,
        block_lane=np.arange(shape.blocks) * tiles.group,
        ring=np.zeros(2, np.int64),
        p=aligned(2 * tiles.cell_rows, shape.sources, 8),
        change=aligned(CHAIN, PIECE, 8),
        row_net=aligned(8 * tiles.rows),
        row_y=aligned(8 * tiles.rows),
        row_present=aligned(8 * tiles.tiles),
        row_gates=aligned(16 * tiles.tiles),
        row_s=aligned(cell_lanes),
        row_h=aligned(cell_lanes),
        row_y_c=aligned(cell_lanes),
        row_back=aligned(cell_lanes),
        factor=aligned(RING, 2, cell_lanes),
        row_e_s=aligned(RING, cell_lanes),
        row_e_out=aligned(RING, 8 * tiles.tiles),
        row_e_hidden=aligned(RING, 8 * (tiles.rows - tiles.first_hidden)),
    )
    state.z[shape.inputs :: shape.rows] = shape.gate_bias or shape.cell_bias
    return WideNet(shape, tiles, rule, weights, state)
