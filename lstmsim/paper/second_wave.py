"""Rows of the other systems in the 1997 paper's list of references, on the problems that they were shown on.

Figures beside ours are from the systems' publications. Mozer (1992): an epoch is two sequences, so his epochs count twice.
Watrous and Kuhn (1992) trained on a tenth of the strings up to length 10. The curve of NARX nets was published as a figure
without numbers.
"""

from __future__ import annotations

from dataclasses import replace

from lstmsim.paper.base import Published, Row, Settings, Table, configuration, register
from lstmsim.simulation.config import StoppingRule
from lstmsim.tasks.curves import Curves
from lstmsim.tasks.gap import Gap
from lstmsim.tasks.stream import Stream
from lstmsim.tasks.tomita import Tomita
from lstmsim.tasks.two_sequence import TwoSequence
from lstmsim.tasks.uniform_latch import UniformLatch

TABLE = Table(
    "The other systems of the paper's list of references",
    "Where no figure stands beside ours none was published as a number; the two-sequence rows are ours, within 30,000 "
    "sequences.",
    complete=False,
)
SEARCH = {"n_hidden": 5, "weight_range": 10.0, "n_train": 30, "n_test": 256, "accept": 0.2}


@register
def second_wave() -> list[Row]:
    """All rows of the other systems."""
    return [*_latch(), *_gaps(), _levels(), *_tomita(), *_two_sequence(), *_bengio(), *_curves()]


def _latch() -> list[Row]:
    """NARX nets on the latch problem (Lin, Horne, Tino and Giles 1996): at most 100 epochs of 30 strings of each class."""
    stop = StoppingRule(window=60, max_sequences=6_000, final_test=200)
    net = {"n_hidden": 0, "order": 0, "latch": 1.25, "bias": False, "unit": "tanh", "init_range": 0.1}
    rows = []
    for lags in (1, 2, 3, 4, 6):
        config = configuration("taps", UniformLatch(80), stop, feedback=lags, **net)
        rows.append(Row(f"narx-{lags}", TABLE, f"latch, T=80, {lags} output lags", 50, config, Published()))
    return rows


def _gaps() -> list[Row]:
    """Mozer's gaps: the standard net, then 6 ordinary units and 4 that share a time constant."""
    stop = StoppingRule(window=20, max_sequences=20_000, final_test=50)
    standard = {2: (1.0, 468), 4: (0.64, 7406), 6: (0.08, 9830), 8: (0.0, None), 10: (0.0, None)}
    shared = {2: 328, 4: 584, 6: 992, 8: 1312, 10: 1630}
    rows = []
    for gap, (solved, epochs) in standard.items():
        net = configuration("leaky", Gap(gap), stop, n_hidden=10, tau=(0.0,), block=None)
        published = Published(solved, epochs and 2.0 * epochs)
        rows.append(Row(f"gap-{gap}", TABLE, f"gap of {gap}, standard net", 25, net, published))
    for gap, epochs in shared.items():
        tau = (0.0,) * 6 + (0.85,) * 4
        net = configuration("leaky", Gap(gap), stop, n_hidden=10, tau=tau, block=None)
        rows.append(Row(f"gap-{gap}-tau", TABLE, f"gap of {gap}, time constants", 25, net, Published(1.0, 2.0 * epochs)))
    return rows + [
        Row(f"gap-{gap}-ring", TABLE, f"gap of {gap}, transition hierarchy", 25,
            configuration("ring", Gap(gap), stop), Published(1.0, 2.0 * sets))
        for gap, sets in {2: 4, 4: 6, 6: 8, 8: 10, 10: 12}.items()
    ]  # fmt: skip


def _levels() -> Row:
    """The multilevel hierarchy on Schmidhuber's stream, as the chunker's control: most runs within 5000 strings."""
    stop = StoppingRule(test=100, max_sequences=3_500, window=100, test_every=50, final_test=100, error_bound=0.3)
    title = "20-step stream, 10 strings a sequence, predictor hierarchy"
    return Row("stream-levels", TABLE, title, 17, configuration("hierarchy", Stream(), stop), Published())


def _tomita() -> list[Row]:
    """Second-order nets on Tomita's languages, learned from a tenth of the strings, tested on all 2047."""
    stop = StoppingRule(window=300, max_sequences=300_000, final_test=2047)
    nets: dict[str, tuple[str, Settings]] = {
        "giles": ("pure products", {"n_hidden": 4, "bias": False}),
        "wk": ("all products", {"n_hidden": 3, "products": "all", "topology": "late", "start": 0.0}),
        "pollack": ("gradient cut", {"n_hidden": 3, "products": "all", "horizon": 2, "learning_rate": 0.3, "momentum": 0.7}),
    }
    published = {("wk", 4): Published(0.2)}
    return [
        Row(f"tomita-{language}-{name}", TABLE, f"Tomita's language {language}, {kind}", 10,
            configuration("second_order", Tomita(language), stop, **{"learning_rate": 0.5, "init_range": 1.0, **settings}),
            published.get((name, language), Published()))
        for name, (kind, settings) in nets.items() for language in (1, 2, 4)
    ]  # fmt: skip


def _two_sequence() -> list[Row]:
    """Each system with settings of its kind on one problem that no publication shows it on."""
    stop = StoppingRule(error=0.04, window=256, max_sequences=30_000, final_test=256)
    lines: list[tuple[str, str, Settings]] = [
        ("tdnn", "taps", {"order": 21}),
        ("gamma", "taps", {"order": 4, "memory": "gamma", "mu": 0.2, "train_mu": True}),
        ("narx", "taps", {"order": 2, "feedback": 6}),
        ("tau", "leaky", {"tau": (0.0, 0.0, 0.9, 0.95, 0.98), "block": None}),
        ("twinn", "twinn", {"learning_rate": 0.01}),
        ("products", "second_order", {"products": "all"}),
        ("blocks", "block_rtrl", {"block": 5}),
        ("kalman", "kalman", {}),
        ("ring", "ring", {}),
        ("multigrid", "multigrid", SEARCH),
        ("annealing", "annealing", SEARCH),
        ("em", "em", {}),
    ]
    return [
        Row(f"two-{name}", TABLE, "two-sequence problem, T=20, N=3", 10,
            configuration(learner, TwoSequence(20, 3), stop, **settings), Published())
        for name, learner, settings in lines
    ]  # fmt: skip


def _bengio() -> list[Row]:
    """Bengio and Frasconi's (1994) problem, lengths T/2 to T: at most as many presentations as they needed at T = 100."""
    net: dict[str, object] = {"n_hidden": 4, "bias": True, "init_range": 0.5, "learning_rate": 1.0}
    newton = {"learning_rate": 0.03, "mu": 0.001}
    lines: list[tuple[str, str, str, Settings, float]] = [
        ("bptt", "back-propagation through time", "bptt", net, 0.53),
        ("sum", "pseudo-Newton", "bptt", net | newton | {"curvature": "sum"}, 0.25),
        ("step", "time-weighted pseudo-Newton", "bptt", net | newton | {"curvature": "step"}, 0.34),
        ("em", "EM on 7 states", "em", {}, 0.0),
        ("multigrid", "multigrid random search", "multigrid", SEARCH, 0.03),
        ("annealing", "simulated annealing", "annealing", SEARCH, 0.04),
    ]
    stop = StoppingRule(window=100, max_sequences=3_000, final_test=1000)
    stops = dict.fromkeys(("multigrid", "annealing"), replace(stop, max_sequences=43_000))
    task = TwoSequence(25, 3, longest=50)
    return [
        Row(f"bengio-{name}", TABLE, f"two-sequence problem, T=50, {title}", 20,
            configuration(learner, task, stops.get(name, stop), **settings), Published(wrong=wrong))
        for name, title, learner, settings, wrong in lines
    ]  # fmt: skip


def _curves() -> list[Row]:
    """Curves of three families (Sun, Chen and Lee 1993): 40 weights, error after 100 iterations of 150 curves."""
    stop = StoppingRule(error=0.0, window=150, max_sequences=15_000, final_test=300)
    lines: list[tuple[str, str, Settings, Published]] = [
        ("twinn", "TWINN", {"n_hidden": 1, "squares": True, "learning_rate": 0.005}, Published(wrong=0.0)),
        ("taps", "time-delay net", {"order": 10, "learning_rate": 0.5}, Published(wrong=0.7)),
    ]
    return [
        Row(f"curves-{name}", TABLE, f"three families of curves, {title}", 10,
            configuration(name, Curves(), stop, **settings), published)
        for name, title, settings, published in lines
    ]  # fmt: skip
