"""Experiment 1, embedded Reber grammar: the LSTM, and the rivals of Table 1.

What the paper does not state of the rivals is ours: init range 0.2, on-line changes and no teacher forcing, alpha 0.1
without momentum for Elman's net, numbers of trials, tests every 1,000 sequences. Caps are below the paper's 5,000,000, for a
sequence takes 27 and 175 us (RTRL, 3 and 12 hidden units), 7 (Elman), 81 (exact gradient) on one busy 2.5 GHz core;
`runs/rivals.toml` lowers some further.
"""

from __future__ import annotations

from lstmsim.paper.base import Published, Row, Table, configuration, register, with_exact_gradient
from lstmsim.paper.readings import read
from lstmsim.simulation.config import StoppingRule
from lstmsim.tasks.reber import Reber

TABLE = Table(
    "Table 1: embedded Reber grammar",
    "The paper gives RTRL's success as “some fraction” of the trials. For RCC sequences are presentations of strings, "
    "and units and weights those of the nets at the end of their trials. The plain and the biased grammar are our controls.",
)


@register
def reber() -> list[Row]:
    """Rows of the LSTM with 3 blocks of 2 and 4 of 1, of RTRL, Elman's net, the exact gradient, and cascade-correlation."""
    rows = []
    training = StoppingRule(test=512, max_sequences=200_000, test_every=100, final_test=256)
    for number, (blocks, size, alpha, solved, mean) in enumerate(
        (
            (4, 1, 0.1, 1.0, 39_740),
            (3, 2, 0.1, 1.0, 21_730),
            (3, 2, 0.2, 0.97, 14_060),
            (4, 1, 0.5, 0.97, 9_500),
            (3, 2, 0.5, 1.0, 8_440),
        ),
        start=1,
    ):
        gates = {"bias": "ga", "output_gate_bias": [-1.0 * (block + 1) for block in range(blocks)]}
        sizes = {"n_blocks": blocks, "block_size": size}
        config = configuration("lstm", Reber(), training, **sizes, **gates, init_range=0.2, learning_rate=alpha)
        title = f"embedded Reber grammar, {blocks} blocks of {size}, alpha {alpha}"
        rows.append(Row(f"1-{number}", TABLE, title, 30, config, Published(solved, mean)))
    exact = with_exact_gradient(rows[-1], 60_000)

    def rival(cap: int, wrong: int = 0) -> StoppingRule:
        return StoppingRule(wrong, test=512, max_sequences=cap, test_every=1000, final_test=256)

    for hidden, alpha, mean, cap in ((3, 0.05, 173_000, 500_000), (12, 0.1, 25_000, 200_000)):
        config = configuration("rtrl", Reber(), rival(cap), n_hidden=hidden, learning_rate=alpha)
        title = f"embedded Reber grammar, fully recurrent net, {hidden} hidden units, alpha {alpha}"
        rows.append(Row(f"1-rtrl-{hidden}", TABLE, title, 10, config, Published(None, mean)))
    # The plain grammar, and unequal branches (0.7, 0.3), are what Elman's net should learn.
    for name, task, training, trials, title, published in (
        ("1-elman", Reber(), rival(200_000), 30, "embedded Reber grammar", Published(0.0)),
        ("1-elman-plain", Reber(embedded=False), rival(100_000), 10, "plain Reber grammar", Published()),
        ("1-elman-biased", Reber(first_branch=0.7), rival(300_000, 51), 10, "90 % of biased embedded grammar", Published()),
    ):
        config = configuration("elman", task, training, n_hidden=15)
        rows.append(Row(name, TABLE, f"{title}, Elman net, 15 hidden units", trials, config, published))
    # It gives up after 15 hidden units, at about 350,000 presentations.
    config = configuration("cascade", Reber(), StoppingRule(test=512, max_sequences=1_000_000, final_test=512))
    title = "embedded Reber grammar, 7-9 hidden units"
    return read([*rows, exact, Row("1-rcc", TABLE, title, 30, config, Published(0.5, 182_000))])
