"""A net as a notebook shows it."""

from __future__ import annotations

from collections.abc import Mapping
from html import escape

import numpy as np

from lstmsim.learners.lstm.settings import LSTMSettings
from lstmsim.learners.weights import Floats

_SEES = {"all": "inputs, cells, gates and hidden units", "cells": "inputs, cells and hidden units", "none": "inputs"}


def page(title: str, settings: LSTMSettings, weights: Mapping[str, Floats], trials: int | None) -> str:
    """HTML of a net, or of several: units, connections, weights by group, rule."""
    a = settings
    biases = [f"{name}s" for name, there in a.biased.items() if there and (name != "hidden" or a.n_hidden)]
    hidden = f", {a.n_hidden} hidden" if a.n_hidden else ""
    gates = " and ".join(["input", *["output"] * a.output_gates, *["forget"] * a.forget_gates]) + " gates"
    gates += "" if a.peepholes == "none" else f" and {a.peepholes} peepholes"
    blocks = f"{a.n_blocks} blocks of {a.block_size} cells with {gates}"
    facts = {
        "units": f"{a.n_inputs} inputs, {blocks}{hidden}, {a.n_outputs} outputs",
        "gates and cells see": _SEES[a.recurrence] if a.topology == "F" else _SEES["none"],
        "outputs see": ("inputs, " if a.sees_inputs else "") + "cells" + (" and hidden units" if a.n_hidden else ""),
        "biases": ", ".join(biases) or "none",
        "rule": f"truncated gradient, weights change at every {a.update}",
        "learning rate": f"{a.learning_rate:g}",
        **({} if a.optimiser == "sgd" else {"optimiser": a.optimiser}),
        **({} if a.clip is None else {"gradient": f"at most {a.clip:g} long"}),
        **({} if trials is None else {"nets": f"{trials} side by side"}),
    }
    rows = "".join(f"<tr><th style='text-align:left'>{escape(k)}</th><td>{escape(v)}</td></tr>" for k, v in facts.items())
    groups = ""
    for name, mask in a.exists.items():
        values = np.abs(weights[name][..., mask])
        mean, most = (f"{f(values):.3g}" if values.size else "" for f in (np.mean, np.max))
        groups += f"<tr><td>{escape(name)}</td><td>{int(mask.sum())}</td><td>{mean}</td><td>{most}</td></tr>"
    head = "".join(f"<th>{text}</th>" for text in ("weights", "number", "mean |w|", "largest |w|"))
    return f"<div><b>{escape(title)}</b><table>{rows}</table><table><tr>{head}</tr>{groups}</table></div>"
