"""The overview, the colours, and that drawing touches nothing global."""

import io
import itertools
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import matplotlib as mpl
import numpy as np
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure

from lstmsim import plots
from tests.test_plots import EVENTS, make_progress, make_trace, marks, shown


@pytest.fixture
def trace():
    return make_trace()


def test_overview_puts_states_over_gates_beside_learning(trace):
    figure = plots.overview(trace, make_progress(), title="Row 4-1", paper=74_000)
    states, gates, learning, fraction = figure.axes
    assert marks(states) == marks(gates) == EVENTS
    assert len(shown(states)) == len(shown(gates)) == 4
    assert states.get_xlim() == gates.get_xlim()
    assert states.get_shared_x_axes().joined(states, gates)
    assert (states.get_xlabel(), gates.get_xlabel()) == ("", "time (steps)")
    assert marks(learning) == [74_000]
    assert fraction.get_ylabel() == "fraction correct"
    assert figure.get_suptitle() == "Row 4-1"
    assert states.get_legend().get_title().get_text() == "Test sequence: target 0.710, output 0.700"
    FigureCanvasAgg(figure).draw()
    above, below, beside = (ax.get_position() for ax in (states, gates, learning))
    assert above.y0 > below.y1
    assert beside.x0 > above.x1
    assert above.height > 0.2
    for ax in (states, gates, learning):
        box = ax.get_tightbbox()
        assert box.x0 >= 0
        assert box.x1 <= figure.bbox.x1
        assert box.y1 <= figure.bbox.y1


def test_overview_without_legends_or_title_still_has_headings(trace):
    many = make_trace(blocks=8)
    figure = plots.overview(many, make_progress(trials=3))
    assert figure.axes[0].get_legend().get_title().get_text().startswith("Test sequence")
    assert figure.axes[2].get_legend().get_title().get_text() == "Training"
    assert len(figure.axes[2].lines) == 3


# Machado, Oliveira and Fernandes (2009), severity 1, on linear RGB.
VISION = {
    "normal": np.eye(3),
    "protanopia": [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216], [-0.003882, -0.048116, 1.051998]],
    "deuteranopia": [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.01182, 0.04294, 0.968881]],
    "tritanopia": [[1.255528, -0.076749, -0.178779], [-0.078411, 0.930809, 0.147602], [0.004733, 0.691367, 0.3039]],
}


def lab(colours, vision):
    """CIE L*a*b* (D65) of sRGB colours as seen with one kind of colour vision."""
    srgb = np.array([to_rgb(colour) for colour in colours])
    linear = np.where(srgb <= 0.04045, srgb / 12.92, ((srgb + 0.055) / 1.055) ** 2.4)
    seen = np.clip(linear @ np.array(VISION[vision]).T, 0, 1)
    to_xyz = np.array([[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]])
    xyz = seen @ to_xyz.T / [0.9505, 1.0, 1.089]
    f = np.where(xyz > 0.008856, np.cbrt(xyz), 7.787 * xyz + 16 / 116)
    return np.column_stack([116 * f[:, 1] - 16, 500 * (f[:, 0] - f[:, 1]), 200 * (f[:, 1] - f[:, 2])])


def nearest(colours, vision):
    return min(np.linalg.norm(a - b) for a, b in itertools.combinations(lab(colours, vision), 2))


@pytest.mark.parametrize("vision", VISION)
def test_colours_are_told_apart_with_every_colour_vision(vision):
    # Differences in lightness and hue; 2.3 is just noticeable. The first four serve up to four blocks.
    assert nearest(plots.PALETTE, vision) > 10
    assert nearest(plots.PALETTE[:4], vision) > 15


def test_the_first_colours_differ_in_black_and_white():
    lightness = np.sort(lab(plots.PALETTE[:4], "normal")[:, 0])
    assert np.diff(lightness).min() > 10
    assert 100 - lightness[-1] > 25  # of white paper


def test_lines_of_one_kind_differ_by_more_than_colour(trace):
    ax = plots.gates(trace, ax=Figure().add_subplot())
    styles = {line.get_label().rpartition(" ")[0]: line.get_linestyle() for line in shown(ax)}
    assert len(set(styles.values())) == len(styles) >= 2
    ax = plots.learning_curve(make_progress(), ax=Figure().add_subplot())
    [other] = [axes for axes in ax.figure.axes if axes is not ax]
    assert ax.lines[0].get_linestyle() != other.lines[0].get_linestyle()


def test_the_check_of_colours_refuses_matplotlibs_own():
    own = mpl.rcParamsDefault["axes.prop_cycle"].by_key()["color"]
    assert nearest(own, "deuteranopia") < 10


def test_given_axes_need_no_pyplot_and_no_window_system():
    code = """
import sys
from matplotlib.figure import Figure
import numpy as np, xarray as xr
from lstmsim import plots
trace = xr.Dataset({"cell_state": (("step", "cell"), np.ones((9, 2)))})
ax = Figure().add_subplot()
assert plots.cell_states(trace, ax=ax) is ax
ax.figure.savefig(sys.stdout.buffer, format="png")
assert "matplotlib.pyplot" not in sys.modules
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, check=False)
    assert done.returncode == 0, done.stderr.decode()
    assert done.stdout.startswith(b"\x89PNG")


def test_a_new_figure_comes_from_pyplot_in_the_style(trace):
    mpl.use("Agg")
    from matplotlib import pyplot

    before = pyplot.get_fignums()
    ax = plots.cell_states(trace)
    try:
        assert len(pyplot.get_fignums()) == len(before) + 1
        assert tuple(ax.figure.get_size_inches()) == plots.STYLE["figure.figsize"]
        assert not ax.spines["top"].get_visible()
    finally:
        pyplot.close(ax.figure)


def test_threads_draw_alike_and_leave_no_style_behind(trace):
    before = dict(mpl.rcParams)
    progress = make_progress()

    def png(_):
        with plots.style():
            plots.overview(trace, progress, title="threads").savefig(buffer := io.BytesIO(), dpi=40)
        return buffer.getvalue()

    with ThreadPoolExecutor(3) as pool:
        pictures = set(pool.map(png, range(3)))
    assert len(pictures) == 1
    assert dict(mpl.rcParams) == before


def test_interactive_mode_switched_on_inside_stays_on():
    import matplotlib

    before = matplotlib.is_interactive()
    try:
        with plots.style():
            matplotlib.interactive(True)
        assert matplotlib.is_interactive()
    finally:
        matplotlib.interactive(before)
