"""The rivals' rows: real-time recurrent learning, back-propagation through time, Elman's procedure, and those that grow.

Between them LSTM with the untruncated gradient. What the paper does not state is ours: init range 0.2, on-line changes and
no teacher forcing for the Reber grammar, alpha 0.1 without momentum for Elman's net, numbers of trials, tests every 1,000
sequences.

Caps are the paper's 5,000,000 where that is affordable: a sequence takes 27 and 175 us (RTRL on the Reber grammar, 3 and 12
hidden units), 7 (Elman), 1.5, 3 and 65 (RTRL on 2a with p = 4, 10, 100), 45 (BPTT, p = 100), 81, 132 and 186 (exact gradient
on 1-5, 4-1, 6a), all on one busy 2.5 GHz core. `runs/rivals.toml` lowers some of them further.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from lstmsim.paper.rows import Paper, Row
from lstmsim.simulation.config import Config, Stage, Training


def rival_rows(lstm: Mapping[str, Row]) -> list[Row]:
    """All rows of this file, then those of `lstmsim.paper.growth`.

    `lstm` holds the paper's LSTM rows, some of which are repeated with the exact gradient.
    """
    from lstmsim.paper import growth

    return [*_reber(), *_long_lags(), *_exact(lstm), *growth.rows()]


def _reber() -> list[Row]:
    """Table 1; and two tasks that Elman's net should learn: the plain grammar, and unequal branches (0.7, 0.3)."""
    from lstmsim.learners.elman import ElmanSettings
    from lstmsim.learners.rtrl import RTRLSettings
    from lstmsim.tasks.reber import Reber

    def training(cap: int, wrong: int = 1) -> Training:
        return Training((Stage("solved", wrong, test=512),), max_sequences=cap, test_every=1000, final_test=256)

    rows = []
    for hidden, alpha, mean, cap in ((3, 0.05, 173_000, 500_000), (12, 0.1, 25_000, 200_000)):
        config = Config(Reber(), "rtrl", RTRLSettings(7, 7, hidden, learning_rate=alpha), training(cap))
        title = f"embedded Reber grammar, fully recurrent net, {hidden} hidden units, alpha {alpha}"
        rows.append(Row(f"1-rtrl-{hidden}", "1", title, 10, config, Paper(None, mean)))
    net = ElmanSettings(7, 7, 15)
    nets = (
        ("1-elman", Reber(), training(200_000), 30, "embedded Reber grammar", Paper(0.0)),
        ("1-elman-plain", Reber(embedded=False), training(100_000), 10, "plain Reber grammar", Paper()),
        ("1-elman-biased", Reber(first_branch=0.7), training(300_000, 52), 10, "90 % of biased embedded grammar", Paper()),
    )
    for name, task, rule, trials, title, paper in nets:
        rows.append(Row(name, "1", f"{title}, Elman net, 15 hidden units", trials, Config(task, "elman", net, rule), paper))
    return rows


def _long_lags() -> list[Row]:
    """Table 2, experiment 2a: one hidden unit that feeds itself; outputs see it and the inputs at the same step.

    Reading: topology "late", outputs see it one step late, as units of a recurrent net that all change at once.
    """
    from lstmsim.learners.bptt import BPTTSettings
    from lstmsim.learners.rtrl import RTRLSettings
    from lstmsim.tasks.lag_sequences import NoiseFree

    rows = []
    for name, p, alpha, cap, paper in (
        ("p4-a1", 4, 1.0, 5_000_000, Paper(0.78, 1_043_000)),
        ("p4-a4", 4, 4.0, 5_000_000, Paper(0.56, 892_000)),
        ("p4-a10", 4, 10.0, 5_000_000, Paper(0.22, 254_000)),
        ("p10", 10, 1.0, 5_000_000, Paper(0.0)),
        ("p100", 100, 1.0, 500_000, Paper(0.0)),
        ("bptt", 100, 1.0, 500_000, Paper(0.0)),
    ):
        training = Training((Stage("solved", 1, test=10_000),), max_sequences=cap, test_every=1000, error_bound=0.25)
        task = NoiseFree(p)
        sizes = task.n_inputs, task.n_outputs, 1, "direct"
        if name == "bptt":
            config = Config(task, "bptt", BPTTSettings(*sizes, learning_rate=alpha), training)
        else:
            config, name = Config(task, "rtrl", RTRLSettings(*sizes, learning_rate=alpha), training), f"rtrl-{name}"
        title = f"noise-free sequences, p={p}, {name.split('-')[0].upper()}, alpha {alpha}"
        rows.append(Row(f"2a-{name}", "2", title, 18, config, paper))
    return rows


def _exact(lstm: Mapping[str, Row]) -> list[Row]:
    """Rows of the LSTM with its full gradient, which the paper says makes no significant difference; its own figures."""
    rows = []
    for name, cap in (("1-5", 60_000), ("4-1", 1_000_000), ("6a", 200_000)):
        row = lstm[name]
        training = replace(row.config.training, max_sequences=cap)
        config = replace(row.config, learner="exact_lstm", training=training)
        rows.append(Row(f"{name}-exact", row.table, f"{row.title}, exact gradient", 10, config, row.paper))
    return rows
