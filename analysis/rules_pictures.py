"""Pictures of docs/rules-compared.md, from docs/data/rules.nc."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr
from matplotlib.figure import Figure
from PIL import Image

from lstmsim import plots
from lstmsim.plots.styles import DASHES, MARKERS, PALETTE, legend_above

TITLES = {"copy": "copying", "series": "Mackey-Glass", "spikes": "spikes"}
COLOURS = 64  # of a picture
LABELS = {"bptt": "bptt (10)"}


def cosine_over_time(data: xr.Dataset) -> Figure:
    """Draw the cosine with the exact gradient over training, a line for each rule."""
    figure = Figure(figsize=(10.5, 3.6), dpi=110)
    for ax, task in zip(figure.subplots(1, 3, sharey=True), data["task"].values, strict=True):
        for n, rule in enumerate(data["rule"].values):
            line = data["alignment"].sel(task=task, rule=rule).dropna("share")
            ax.plot(100 * line["share"], line, color=_colour(n), linestyle=_dash(n), label=_name(rule))
        ax.axhline(0.0, color="0.6", linewidth=0.8)
        ax.set(title=TITLES[str(task)], xlabel="share of training (%)", ylim=(-0.2, 1.05))
    figure.axes[0].set_ylabel("cosine with the exact gradient")
    figure.legend(*figure.axes[0].get_legend_handles_labels(), loc="outside upper center", ncols=8)
    return figure


def cosine_against_loss(data: xr.Dataset) -> Figure:
    """Draw each rule's mean cosine against its final loss: the median, and all trials as points."""
    figure = Figure(figsize=(10.5, 3.4), dpi=110)
    for ax, task in zip(figure.subplots(1, 3), data["task"].values, strict=True):
        for n, rule in enumerate(data["rule"].values):
            one = data.sel(task=task, rule=rule)
            loss, cosine = one["loss"].dropna("trial").values, float(one["mean_alignment"])
            if not loss.size or np.isnan(cosine):
                continue
            ax.plot(np.full(loss.size, cosine), loss, ".", color=_colour(n), alpha=0.3, markersize=4)
            marker = MARKERS[n % len(MARKERS)]
            ax.plot(cosine, np.median(loss), marker, color=_colour(n), markersize=6, label=_name(rule))
        ax.set(title=TITLES[str(task)], xlabel="mean cosine", yscale="log", xlim=(-0.05, 1.05))
    figure.axes[0].set_ylabel("final loss")
    figure.legend(*figure.axes[0].get_legend_handles_labels(), loc="outside upper center", ncols=8)
    return figure


def accuracy_against_memory(data: xr.Dataset) -> Figure:
    """Draw the final loss of SnAp-n against the bytes that it keeps, and what is kept and a step's time over n."""
    figure = Figure(figsize=(9.0, 3.2), dpi=110)
    left, right = figure.subplots(1, 2)
    loss, n = data["snap_loss"], data["n"].values
    for trial in range(loss.sizes["grid_trial"]):
        left.plot(data["snap_bytes"], loss.isel(grid_trial=trial), "o", color=PALETTE[0], alpha=0.35, markersize=4)
    left.plot(data["snap_bytes"], loss.median("grid_trial"), "-", color=PALETTE[0])
    for place, bytes_, value in zip(n, data["snap_bytes"].values, loss.median("grid_trial").values, strict=True):
        left.annotate(f"n={place}", (bytes_, value), (4, 5), textcoords="offset points", fontsize=8)
    left.set(xlabel="bytes kept", ylabel="final loss", yscale="log")
    right.plot(n, data["snap_kept"] / float(data["snap_kept"].max()), "o-", color=PALETTE[0], label="entries kept, of all")
    right.plot(
        n, data["snap_ns"] / float(data["snap_ns"].max()), "s--", color=PALETTE[1], label="time of a step, of the longest"
    )
    right.set(xlabel="n of SnAp-n", ylim=(0, 1.05))
    legend_above(right)
    return figure


def _colour(n: int) -> str:
    return PALETTE[n % len(PALETTE)]


def _dash(n: int) -> Any:
    return DASHES[n // len(PALETTE)]


def _name(rule: Any) -> str:
    return LABELS.get(str(rule), str(rule))


PICTURES = {
    "cosine": cosine_over_time,
    "loss": cosine_against_loss,
    "memory": accuracy_against_memory,
}


def draw(data: xr.Dataset, folder: Path) -> None:
    """Write all pictures as rules-NAME.png."""
    with plots.style():
        for name, make in PICTURES.items():
            content = io.BytesIO()
            make(data.load()).savefig(content)
            image = Image.open(content).convert("RGB").quantize(COLOURS, dither=Image.Dither.NONE)
            image.save(folder / f"rules-{name}.png", optimize=True)
