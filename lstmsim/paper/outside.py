"""Rows outside the paper's tables: the chunker on the task it was made for, and random weight guessing.

For guessing, sequences are draws, and the figures those of Schmidhuber and Hochreiter (1996). Adding is not among theirs: it
shows where guessing ends. Their lengths are 500 to 600; the two-sequence and adding tasks here have 500 to 550.
"""

from __future__ import annotations

from lstmsim.paper.base import Published, Row, Table, configuration, register
from lstmsim.simulation.config import StoppingRule
from lstmsim.tasks.adding import Adding
from lstmsim.tasks.base import Task
from lstmsim.tasks.latch import Latch, Parity
from lstmsim.tasks.stream import Stream
from lstmsim.tasks.two_sequence import TwoSequence

TABLE = Table(
    "Outside the paper's tables: a control of the chunker, and weight guessing",
    "The figures beside ours are those of Schmidhuber and Hochreiter (1996) and Schmidhuber (1992); for weight "
    "guessing sequences are draws.",
    complete=False,
)


@register
def outside() -> list[Row]:
    """The chunker's control, then weight guessing."""
    return [_chunker(), *_guessing()]


def _chunker() -> Row:
    training = StoppingRule(test=100, max_sequences=3_500, window=100, test_every=50, final_test=100, error_bound=0.3)
    config = configuration("chunker", Stream(), training, n_hidden=4, chunker_hidden=4, imitated="state")
    title = "20-step stream of Schmidhuber (1992), 10 strings a sequence"
    return Row("chunker-control", TABLE, title, 17, config, Published(1.0))


def _guessing() -> list[Row]:
    def guess(name: str, title: str, trials: int, task: Task, cap: int, mean: float | None, **settings: object) -> Row:
        config = configuration("guessing", task, StoppingRule(max_sequences=cap), **settings)
        published = Published(None if mean is None else 1.0, mean)
        return Row(f"guess-{name}", TABLE, f"weights guessed: {title}", trials, config, published)

    a_2: dict[str, object] = {"net": "A2", "n_hidden": 10}
    bare = a_2 | {"net": "A2 without self"}
    two, parity, adding = TwoSequence(500, 1), Parity(), Adding(500)
    return [
        guess("latch-1", "latch, first inputs free", 40, Latch(variant=1), 100_000, 6, net="latch 1", accept=0.3),
        guess("latch-2", "latch, three weights", 40, Latch(variant=2), 100_000, 22, net="latch 2"),
        guess("two-a1", "two-sequence problem, net A1", 10, two, 100_000, 1_247),
        guess("two-a2", "two-sequence problem, net A2", 10, two, 50_000, 718, **a_2),
        guess("parity-a1", "parity, net A1", 10, parity, 100_000, 2_906),
        guess("parity-a2", "parity, net A2", 10, parity, 100_000, 2_797, **a_2),
        guess("parity-a2-bare", "parity, net A2 without self-connections", 10, parity, 100_000, 250, **bare),
        guess("adding-a1", "adding, net A1", 5, adding, 100_000, None, accept=0.04),
        guess("adding-a2", "adding, net A2", 5, adding, 50_000, None, accept=0.04, **a_2),
    ]
