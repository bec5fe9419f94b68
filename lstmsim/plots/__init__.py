"""Pictures of traces and of learning, from labelled data alone; the only package that imports matplotlib.

Every function draws into the Axes it is given, or into a new pyplot figure when ``ax`` is None, and returns the Axes.
With an Axes of a `matplotlib.figure.Figure` no global figure state is touched, so pictures can be drawn in threads.
"""

from lstmsim.plots.entries import kept_entries
from lstmsim.plots.flow import backflow, credit_map, scaling, weights
from lstmsim.plots.interactive import interactive
from lstmsim.plots.learning import lag_scaling, learning_curve, success_curve, success_curves
from lstmsim.plots.scan import phase_diagram, scan_curve
from lstmsim.plots.sheet import overview
from lstmsim.plots.styles import PALETTE, STYLE, style
from lstmsim.plots.traces import cell_states, errors, gate_histogram, gates, hidden, outputs

__all__ = [
    "PALETTE",
    "STYLE",
    "backflow",
    "cell_states",
    "credit_map",
    "errors",
    "gate_histogram",
    "gates",
    "hidden",
    "interactive",
    "kept_entries",
    "lag_scaling",
    "learning_curve",
    "outputs",
    "overview",
    "phase_diagram",
    "scaling",
    "scan_curve",
    "style",
    "success_curve",
    "success_curves",
    "weights",
]
