"""Tasks of different kinds on which on-line rules are compared, the rule being a setting; the delayed addition as published.

Of the comparison nothing was published: tasks, sizes and stopping rules are ours. `analysis/rules.py` chooses each rule's
learning rate and writes them into `runs/rules.toml`. The delayed addition has the settings of Marschall, Cho and Savin
(2020): 32 units, orthogonal recurrent weights, a million steps of plain descent by 1e-4, without a leak over lags of 6 and
10, with one of 0.5 over 5 and 7.
"""

from __future__ import annotations

from lstmsim.paper.base import Published, Row, Settings, Table, configuration, register
from lstmsim.simulation.config import StoppingRule
from lstmsim.tasks.base import Task
from lstmsim.tasks.copying import Copying
from lstmsim.tasks.delayed_add import DelayedAdd
from lstmsim.tasks.mackey_glass import MackeyGlass
from lstmsim.tasks.spikes import Spikes

TABLE = Table(
    "On-line rules on one net",
    "Leaky tanh units; the rule is a setting. Of copying, series and spikes nothing was published; of the delayed addition "
    "that exact RTRL and SnAp-1 get below the loss of a net that knows the nearer bit alone, and one step of "
    "back-propagation does not.",
    complete=False,
)


@register
def on_line() -> list[Row]:
    """Copying, the next value of a series, measuring intervals; then the delayed addition."""
    copy = StoppingRule(window=1000, max_sequences=60_000, final_test=0)
    series = StoppingRule(window=100, max_sequences=5_000, final_test=0, error_bound=0.001)
    spikes = StoppingRule(window=100, max_sequences=10_000, test=10, test_every=100, final_test=0)
    net: dict[str, object] = {"n_hidden": 16, "leak": 0.5, "init": "orthogonal", "kernel_rate": 1e-5}
    stream = net | {"carry": "all"}
    lines: list[tuple[str, str, Task, StoppingRule, Settings]] = [
        ("copy", "copying 2 of 4 symbols after 3 steps", Copying(4, 2, 3), copy, stream | {"output": "softmax"}),
        ("series", "next value of Mackey-Glass", MackeyGlass(), series, stream | {"output": "identity"}),
        ("spikes", "spikes after 10 or 11 steps", Spikes("msd", 10), spikes, net),
    ]
    compared = [
        Row(f"rules-{name}", TABLE, title, 10, configuration("rules", task, stop, **settings), Published())
        for name, title, task, stop, settings in lines
    ]
    return [*compared, *_delayed_add()]


def _delayed_add() -> list[Row]:
    """Three rules without a leak and with one; the bound is the squared error of a net that knows the nearer bit alone."""
    net = {"n_hidden": 32, "init": "orthogonal", "output": "softmax", "carry": "all", "learning_rate": 1e-4}
    rows = []
    for t1, t2, leak in ((6, 10, 1.0), (5, 7, 0.5)):
        task = DelayedAdd(t1, t2)
        bound = task.floors()["t1"][1]
        stop = StoppingRule(window=100, max_sequences=10_000, final_test=0, error_bound=bound)
        for rule in ("exact", "snap-1", "bptt-1"):
            config = configuration("rules", task, stop, rule=rule, leak=leak, **net)
            title = f"delayed addition over {t1} and {t2} steps, {rule}"
            rows.append(Row(f"add-{t1}-{t2}-{rule}", TABLE, title, 20, config, Published()))
    return rows
