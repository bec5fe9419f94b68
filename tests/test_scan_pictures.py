"""Pictures, tables and pages of scans, from outcomes that are made up."""

import numpy as np
import pytest
from matplotlib.figure import Figure
from rich.console import Console

from lstmsim import plots
from lstmsim.plots.scan import cell
from lstmsim.report.__main__ import main
from lstmsim.report.scan import point_rows, scan_table
from lstmsim.trace.scan import FILE, Outcome, dataset, open_scan, write_scan
from lstmsim.trace.summary import wilson

POINTS = [{"T": T, "learning_rate": rate, "bias": "all"} for T in (100, 20) for rate in (0.1, 1.0, 10.0)]


def scan(points=POINTS, trials=4, *, product=True, stopped=()):
    """A scan in which the number of solved trials grows with the point's number; the last point was not run."""
    outcomes = []
    for n in range(len(points) - 1):
        for trial in range(trials):
            solved = trial < n
            figures = {"status": "solved" if solved else "gave_up", "sequences": 100.0 * (n + trial + 1)}
            figures["sequences_to_success"] = figures["sequences"] if solved else None
            if n in stopped:
                figures = {"status": "stopped", "sequences": 7}
            outcomes.append(Outcome(n, trial, figures, {}))
    attrs = {"title": "lstmsim: scan of row 4-1", "row": "4-1"}
    return dataset(points, outcomes, trials, product=product, weight_dims={}, attrs=attrs)


def texts(ax):
    return [text.get_text() for text in ax.texts]


def test_a_phase_diagram_shows_figures_and_intervals():
    made = scan().isel(bias=0, drop=True)
    left, right = plots.phase_diagram(made, x="learning_rate", y="T", axes=tuple(Figure().subplots(1, 2)))
    assert [label.get_text() for label in left.get_yticklabels()] == ["20", "100"]
    low, high = wilson(3, 4)
    assert f"3/4\n{low:.2f}\N{EN DASH}{high:.2f}" in texts(left)
    assert texts(left)[2] == ""  # not run
    assert texts(left)[3] == f"0/4\n0.00\N{EN DASH}{wilson(0, 4)[1]:.2f}"
    assert texts(right)[0].startswith("500\n400\N{EN DASH}600")  # 400, 500, 600 sequences
    assert texts(right)[4] == "200"  # one solved trial has no interval
    image = left.images[0].get_array()
    np.testing.assert_array_equal(image.filled(-1), [[0.75, 1.0, -1], [0.0, 0.25, 0.5]])


def test_another_milestone_is_drawn():
    made = scan().isel(bias=0, drop=True).rename(sequences_to_success="sequences_to_correct_95")
    axes = plots.phase_diagram(made, "learning_rate", "T", tuple(Figure().subplots(1, 2)), milestone="correct_95")
    assert axes[0].get_title(loc="left") == "fraction that reached correct_95"
    assert texts(axes[0])[0].startswith("3/4")


def test_points_given_up_are_marked():
    made = scan(stopped=(0, 1)).isel(bias=0, drop=True)
    left, right = plots.phase_diagram(made, x="learning_rate", y="T", axes=tuple(Figure().subplots(1, 2)))
    assert texts(left)[3].startswith("0/4*")
    assert texts(right)[3] == "*"


def test_a_curve_has_a_band():
    ax = plots.scan_curve(scan().isel(bias=0, drop=True), x="learning_rate", lines="T", ax=Figure().subplots())
    assert ax.get_xscale() == "log"
    assert [line.get_label() for line in ax.lines] == ["T 20", "T 100"]
    np.testing.assert_array_equal(ax.lines[1].get_ydata(), [0.0, 0.25, 0.5])
    band = ax.collections[1].get_paths()[0].vertices
    assert {round(x, 12) for x in wilson(1, 4)} <= {round(y, 12) for y in band[:, 1]}
    ax = plots.scan_curve(
        scan()[{"learning_rate": 2, "bias": [0]}].squeeze("bias", drop=True), x="T", ax=Figure().subplots()
    )
    assert ax.get_xscale() == "linear"


def test_a_curve_of_points_that_none_has_solved_is_drawn():
    none = scan([{"T": 20}, {"T": 30}, {"T": 40}], trials=1).isel(T=[0])
    figure = Figure()
    plots.scan_curve(none, x="T", value="sequences", ax=figure.subplots())
    figure.canvas.draw()


def test_the_band_of_a_median_is_that_of_the_bootstrap():
    status, sequences = np.array(["solved"] * 5 + ["not_run"]), np.array([1.0, 2.0, 3.0, 4.0, 100.0, np.nan])
    found = cell(status, sequences, "sequences")
    assert (found.trials, found.solved, found.value) == (5, 5, 3.0)
    assert 1.0 <= found.low < 3.0 < found.high <= 100.0
    assert cell(status, sequences, "sequences") == found
    draws = np.random.default_rng(1).choice(sequences[:5], (4000, 5))
    assert found.low == pytest.approx(np.percentile(np.median(draws, axis=1), 2.5), abs=1.0)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda s: plots.phase_diagram(s, x="T", y="learning_rate"), r"scan is over bias too; allowed: .* scan.sel\(bias="),
        (lambda s: plots.phase_diagram(s, x="T", y="T"), "scan must be over T, T and trial; it is over T, bias"),
        (lambda s: plots.scan_curve(s, x="q"), "scan must be over q and trial; it is over T, bias, learning_rate"),
        (lambda s: plots.scan_curve(s, x="T", value="steps"), "value is 'steps'; allowed: 'success', 'sequences'"),
        (lambda s: plots.scan_curve(s.drop_vars("sequences_to_success"), x="T"), "scan must hold sequences_to_success"),
        (lambda s: plots.scan_curve(s, x="T", milestone="correct"), "scan must hold sequences_to_correct"),
        (lambda s: plots.scan_curve(3, x="T"), "scan is a int; allowed: an xarray.Dataset"),
    ],
)
def test_what_cannot_be_drawn_is_refused(call, message):
    with pytest.raises(ValueError, match=message):
        call(scan())


def test_the_table_of_many_points_shows_the_best():
    many = [{"learning_rate": 0.01 * n} for n in range(1, 50)]
    heading, headings, rows = point_rows(scan(many, trials=50))
    assert heading == "The best 30 of 49 points"
    assert headings == ["learning_rate", "trials", "solved", "95 %", "median sequences", "others"]
    assert rows[0][:3] == ["0.48", "50", "47"]
    assert rows[0][-1] == "3 gave up"
    few = point_rows(scan(POINTS[:3], product=False))
    assert [row[:4] for row in few[2]] == [
        [str(p["T"]), f"{p['learning_rate']:g}", "all", n] for p, n in zip(POINTS, "440", strict=False)
    ]


def test_a_page_is_written_for_a_scan(tmp_path, capsys):
    write_scan(tmp_path / FILE, scan())
    assert open_scan(tmp_path / FILE).drop_attrs().identical(scan().drop_attrs())
    assert main([str(tmp_path)]) == 0
    page = (tmp_path / "report.html").read_text()
    assert page.count("<figure>") == 1
    assert "4 trials not run" in page
    console = Console(width=120, record=True)
    console.print(scan_table(scan()))
    assert "median sequences" in console.export_text()


def test_a_file_that_is_no_scan_is_refused(tmp_path):
    (tmp_path / FILE).write_bytes(b"x" * 100)
    assert main([str(tmp_path)]) == 2
    with pytest.raises(ValueError, match="is no whole file of a scan"):
        open_scan(tmp_path / FILE)
