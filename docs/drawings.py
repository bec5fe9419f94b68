"""Drawings of the page "The idea": a memory cell, a memory cell block in its net, and where an error goes."""

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.patches import Circle, FancyArrowPatch, FancyBboxPatch

INK, SOFT, GATE, STATE = "#222222", "#777777", "#c05a1c", "#1f5fa8"


def _axes(width, height, size):
    axes = plt.figure(figsize=size).add_subplot()
    axes.set(xlim=(0, width), ylim=(0, height), aspect="equal")
    axes.axis("off")
    return axes


def _arrow(axes, start, end, *, color=INK, bend=0.0, style="-|>", line="-"):
    how = {"connectionstyle": f"arc3,rad={bend}", "mutation_scale": 11, "shrinkA": 0, "shrinkB": 0, "linestyle": line}
    axes.add_patch(FancyArrowPatch(start, end, arrowstyle=style, color=color, lw=1.3, **how))


def _node(axes, x, y, text, *, color=INK, r=0.42, size=11):
    axes.add_patch(Circle((x, y), r, fc="white", ec=color, lw=1.5, zorder=3))
    axes.text(x, y, text, ha="center", va="center", color=color, size=size, zorder=4)


def _say(axes, x, y, text, *, color=INK, size=9.5, ha="center", va="center"):
    axes.text(x, y, text, ha=ha, va=va, color=color, size=size)


def memory_cell():
    """Draw one memory cell: what it adds up, the gate that lets it in, the gate that lets it out."""
    axes = _axes(13.2, 6.4, (9.2, 4.5))
    frame = FancyBboxPatch((2.3, 1.35), 8.6, 3.6, boxstyle="round,pad=0,rounding_size=0.3", fc="#f6f6f6", ec="#bbbbbb")
    axes.add_patch(frame)
    y = 3.0
    _node(axes, 3.1, y, "$g$")
    _node(axes, 4.7, y, r"$\times$", color=GATE, size=14)
    _node(axes, 6.5, y, "$s_c$", color=STATE, r=0.55, size=13)
    _node(axes, 8.3, y, "$h$")
    _node(axes, 9.9, y, r"$\times$", color=GATE, size=14)
    for start, end in ((0.9, 2.68), (3.52, 4.28), (5.12, 5.95), (7.05, 7.88), (8.72, 9.48), (10.32, 12.2)):
        _arrow(axes, (start, y), (end, y))
    _arrow(axes, (6.85, 3.43), (6.15, 3.43), color=STATE, bend=1.9)
    _say(axes, 6.5, 4.62, "1.0", color=STATE, size=11)
    _say(axes, 0.85, 3.3, "$net_c$", ha="left")
    _say(axes, 12.25, 3.3, "$y_c$", ha="right")
    for x, name, words in ((4.7, "in", "input gate (7)"), (9.9, "out", "output gate (8)")):
        _arrow(axes, (x, 0.75), (x, 2.55), color=GATE)
        _say(axes, x + 0.12, 1.05, f"$y_{{{name}}} = f(net_{{{name}}})$", color=GATE, ha="left")
        _say(axes, x, 0.45, words, color=GATE)
    _say(axes, 7.3, 1.75, "cell state: the constant error carousel", color=STATE)
    _say(axes, 6.5, 5.6, r"$s_c(t) = s_c(t-1) + y_{in}(t)\, g(net_c(t))$   (9)", size=12)
    return axes


def block_in_its_net():
    """Draw a net of two blocks of two cells as the paper's Table 10 has it (topology F)."""
    axes = _axes(13, 7.6, (9.2, 5.2))
    for j, x in enumerate((2.1, 7.3)):
        box = FancyBboxPatch((x, 2.5), 3.9, 2.3, boxstyle="round,pad=0,rounding_size=0.25", fc="#f6f6f6", ec="#bbbbbb")
        axes.add_patch(box)
        _node(axes, x + 0.75, 3.15, "in", color=GATE, size=9)
        _node(axes, x + 3.15, 3.15, "out", color=GATE, size=9)
        _node(axes, x + 1.45, 3.95, f"$s_{{{2 * j}}}$", color=STATE)
        _node(axes, x + 2.45, 3.95, f"$s_{{{2 * j + 1}}}$", color=STATE)
        _say(axes, x + 1.95, 3.05, f"block {j}", color=SOFT, size=9)
        for dx in (1.45, 2.45):
            _arrow(axes, (x + dx, 4.37), (6.5 + 0.25 * (dx - 1.95) + 0.4 * (j - 0.5), 5.93), color=SOFT)
        _arrow(axes, (6.5 + 2.4 * (j - 0.5) * 0.4, 1.05), (x + 1.95, 2.48), color=SOFT)
    _node(axes, 6.5, 6.4, "$y_k$", r=0.46)
    _say(axes, 7.2, 6.5, "outputs see the cells (and hidden units) of the same step", ha="left", color=SOFT)
    box = FancyBboxPatch((4.6, 0.35), 3.8, 0.7, boxstyle="round,pad=0,rounding_size=0.2", fc="white", ec=INK)
    axes.add_patch(box)
    _say(axes, 6.5, 0.7, r"$z(t) = [x(t),\; y(t-1),\; 1]$")
    _say(axes, 8.6, 0.7, "sources: inputs of this step, cells\nand gates of the one before, a bias", ha="left", color=SOFT)
    _arrow(axes, (2.05, 3.6), (4.55, 0.75), color=SOFT, bend=0.45, line="--")
    _say(axes, 1.75, 1.35, "one step\nlater", color=SOFT, ha="right")
    return axes


def error_flow():
    """Draw where the error of one step goes: it is cut where it would leave a cell into anything but its state."""
    axes = _axes(13.6, 5.6, (9.2, 3.8))
    for n, t in enumerate(("t-3", "t-2", "t-1", "t")):
        x = 2 + 3 * n
        _node(axes, x, 2.2, f"$s({t})$", color=STATE, r=0.62, size=9)
        _say(axes, x, 0.35, f"${t}$", color=SOFT)
        _arrow(axes, (x, 1.0), (x, 1.55), color=INK)
        _say(axes, x + 0.12, 1.15, "$net_c, net_{in}$", ha="left", size=8.5)
        if n:
            _arrow(axes, (x - 0.65, 2.2), (x - 2.35, 2.2), color=STATE)
            _say(axes, x - 1.5, 2.45, r"$\times\,1.0$", color=STATE)
            _arrow(axes, (x - 1.05, 3.6), (x - 1.95, 3.6), color=SOFT, line=":")
            _say(axes, x - 1.5, 3.6, "x", color=GATE, size=13)
            _say(axes, x - 1.5, 4.0, "cut", color=GATE, size=9)
    _node(axes, 11, 4.6, "$e_k$")
    _arrow(axes, (11, 4.17), (11, 2.85), color=INK)
    _say(axes, 11.15, 3.55, r"$e_s = y_{out}\, h'(s) \sum_k w_{kc}\, e_k$   (23)", ha="left", size=8.5)
    _say(axes, 1.0, 3.6, "through gates\nand outputs\nof the cells", color=SOFT, ha="center", size=8.5)
    return axes


def kept_entries(*rules, **changes):
    """Draw the entries of the influence that rules keep, side by side."""
    from lstmsim import errorflow, plots
    from lstmsim.learners.rules.settings import RuleSettings

    figure, all_axes = plt.subplots(1, len(rules), figsize=(2.3 * len(rules), 2.6), layout="constrained", squeeze=False)
    for axes, rule in zip(all_axes[0], rules, strict=True):
        name, _, n = rule.partition(" ")
        given = RuleSettings(2, 2, n_hidden=8, rule=name, n=int(n or 2), **changes)
        plots.kept_entries(errorflow.kept_entries(given), axes)
    return figure


def bifurcation():
    """Draw the fixed points of y = tanh(w y + b) over b, and the fold that bounds where there are two stable ones."""
    figure, (left, right) = plt.subplots(1, 2, figsize=(9.2, 3.6), layout="constrained")
    y = np.linspace(-0.9995, 0.9995, 4001)
    for w, color in ((0.5, SOFT), (1.25, STATE), (2.0, GATE)):
        b, stable = np.arctanh(y) - w * y, w * (1 - y**2) < 1
        left.plot(np.where(stable, b, np.nan), y, color=color, label=f"w = {w:g}")
        left.plot(np.where(stable, np.nan, b), y, color=color, ls=":")
        if w > 1:
            fold = np.sqrt(1 - 1 / w) * np.array([1, -1])
            left.plot(np.arctanh(fold) - w * fold, fold, "o", color=color, ms=5)
    left.set(xlim=(-1.5, 1.5), xlabel="b", ylabel="y = tanh(w y + b)")
    left.legend(frameon=False, fontsize=9)
    w = np.linspace(1, 3, 400)
    fold = np.sqrt(1 - 1 / w)
    bound = w * fold - np.arctanh(fold)
    right.fill_between(w, -bound, bound, color=STATE, alpha=0.15, lw=0)
    right.plot(w, bound, color=STATE)
    right.plot(w, -bound, color=STATE)
    right.text(2.4, 0, "two stable states", ha="center", va="center", color=STATE)
    right.text(1.15, 0.8, "one", ha="center", color=SOFT)
    right.set(xlim=(0.5, 3), ylim=(-1.3, 1.3), xlabel="w", ylabel="b")
    return figure
