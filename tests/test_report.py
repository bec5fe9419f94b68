"""The report of a run and the tables of campaigns: their figures are those of the trial files."""

import base64
import dataclasses
import io
import itertools
import re
import shutil
from collections import Counter

import numpy as np
import pytest
import xarray as xr
from matplotlib import image
from rich.console import Console

from lstmsim import paper
from lstmsim.campaign.manifest import remember
from lstmsim.campaign.requests import from_file, requested
from lstmsim.campaign.run import Campaign
from lstmsim.experiment import perform
from lstmsim.learners.elman import ElmanSettings
from lstmsim.paper import row, rows
from lstmsim.report import console, html, pictures
from lstmsim.report.__main__ import main
from lstmsim.report.markdown import replication
from lstmsim.report.results import RowResult, read_run
from lstmsim.report.text import DASH, TIMES
from lstmsim.trace.summary import of_trials
from tests.pages import Page

RUN_FILE = """
[[rows]]
row = "5"
trials = 3
set = { T = 22, window = 20, final_test = 64, max_sequences = 4000 }

[[rows]]
row = "5"
name = "5-short"
reading = "short <T>"
trials = 2
set = { T = 20, window = 20, final_test = 32, max_sequences = 4000, input_gate_bias = [-1, -2] }

[[rows]]
row = "4-1"
trials = 2
set = { T = 20, max_sequences = 300, final_test = 32 }

[[rows]]
row = "2c-1"
trials = 2
set = { q = 4, p = 4, max_sequences = 300, test_every = 1000, final_test = 16 }

[[rows]]
row = "2c-2"
trials = 2
set = { q = 8, p = 8, max_sequences = 300, test_every = 1000, final_test = 16 }
"""


@pytest.fixture(scope="module")
def out(tmp_path_factory):
    folder = tmp_path_factory.mktemp("reports")
    (folder / "small.toml").write_text(RUN_FILE)
    _, requests = from_file(folder / "small.toml", None, {})
    perform(Campaign(requests, folder / "small", workers=2, lanes=1), None, str)
    return folder / "small"


@pytest.fixture(scope="module")
def results(out):
    return read_run(out)


@pytest.fixture(scope="module")
def text(out):
    return (out / "report.html").read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def page(text):
    return Page(text)


def number(cell):
    return float(cell[0]) if cell[0] else np.nan


def test_tables_hold_the_figures_of_the_summary(out, page):
    """Columns: row, task, reading, weights, trials, solved (2), sequences (3), stage (3), 95 %, wrong (2), MSE (2), ..."""
    summary = xr.load_dataset(out / "summary.nc")
    body = page.body("rows against the paper")
    assert len(body) == summary.sizes["row"] == 5
    for line, name in zip(body, summary["row"].values, strict=True):
        part = summary.sel(row=name)
        part = part.isel(trial=part["status"].values != "not_run")
        solved = part["status"].values == "solved"
        needed = part["sequences_to_success"].values[solved]
        assert number(line[4]) == part.sizes["trial"]
        assert number(line[5]) == solved.mean()
        assert line[5][1].startswith(f"{solved.sum()}/{solved.size} ")
        np.testing.assert_equal(number(line[7]), needed.mean() if needed.size else np.nan)
        if needed.size > 1:
            assert f"{needed.min():,.0f}{DASH}{needed.max():,.0f}" in line[7][1]
        tested, wrong = part["test_sequences"].values[solved].sum(), part["test_wrong"].values[solved].sum()
        squared = part["test_squared_error"].values[solved]
        assert line[14][1] == (f"{wrong:,.0f}/{tested:,.0f}" if needed.size else DASH)
        np.testing.assert_equal(number(line[16]), squared.mean() if needed.size else np.nan)
    assert number(body[0][5]) > 0, "the example must have solved trials"
    assert number(body[2][5]) == 0, "and a row without"


def test_paper_figures_and_ratio_stand_beside_ours(page):
    line = page.body("rows against the paper")[0]
    published = row("5").published
    assert (number(line[6]), number(line[8]), number(line[17])) == (1.0, published.sequences, published.squared_error)
    assert number(line[9]) == number(line[7]) / published.sequences
    assert (number(line[11]), number(line[12])) == (482_000, number(line[10]) / 482_000)
    groups = [text for _, text in page.tables["rows against the paper"][0]]
    assert groups == ["", "solved", "sequences, strict", "n_seq 140", "", "test: wrong", "MSE", "mean difference", ""]


def test_milestones_and_trials(out, page):
    summary = xr.load_dataset(out / "summary.nc")
    for line, name in zip(page.body("milestones"), summary["row"].values, strict=True):
        for place, level in enumerate(("50", "90", "95", "99", "99.9", "100"), start=1):
            counts = summary[f"sequences_to_correct_{level}"].sel(row=name).values
            reached = counts[np.isfinite(counts)]
            np.testing.assert_equal(number(line[place]), reached.mean() if reached.size else np.nan)
    trials = page.body("trials of 5")
    part = summary.sel(row="5", trial=slice(0, 2))
    assert [line[1][1] for line in trials] == [str(s).replace("_", " ") for s in part["status"].values]
    np.testing.assert_equal([number(line[3]) for line in trials], part["sequences_to_success"].values)
    assert [number(line[-2]) for line in trials] == part["steps"].values.tolist()


def test_what_was_not_reached_or_not_run_is_nan_everywhere(out, results):
    """No number stands for "none": a summary's figures can be averaged as they are."""
    summary = xr.load_dataset(out / "summary.nc")
    for variable in summary.data_vars.values():
        if variable.dtype.kind in "if":
            assert not (variable.values < 0).any(), variable.name
    assert np.isnan(summary["sequences_to_success"].sel(row="4-1")).all()
    missing = summary.sel(row="4-1", trial=2)
    assert missing["status"] == "not_run"
    assert np.isnan(missing["sequences"])
    assert np.isnan(missing["seed"])
    assert np.isnan(summary["sequences_to_n_seq 140"].sel(row="4-1")).all(), "a stage that another row has"
    for result in results:
        expected = summary["sequences"].sel(row=result.request.name, trial=result.trials["trial"])
        np.testing.assert_array_equal(result.trials["sequences"], expected)


def test_older_files_with_a_sentinel_read_as_not_reached():
    counts = {"sequences": 7, "sequences_to_success": -1, "sequences_to_correct_50": 5}
    trials = of_trials([{"trial": 3, "status": "gave_up", **counts}])
    assert np.isnan(trials["sequences_to_success"]).all()
    assert trials["sequences_to_correct_50"].item() == 5
    assert trials["joined"].item() == 0
    assert of_trials([]).sizes["trial"] == 0


def test_page_is_well_formed(page, text):
    assert text.startswith('<!DOCTYPE html>\n<html lang="en">')
    assert page.errors == []
    assert page.open == []
    ids = [attrs["id"] for _, attrs in page.elements if "id" in attrs]
    assert [name for name, count in Counter(ids).items() if count > 1] == []
    assert {a["href"] for a in page.all("a")} <= {f"#{name}" for name in ids}
    headings = [int(tag[1]) for tag, _ in page.elements if re.fullmatch("h[1-6]", tag)]
    assert headings[0] == 1
    assert headings.count(1) == 1
    assert all(b - a <= 1 for a, b in itertools.pairwise(headings))
    # A short row would shift the columns under its headings.
    for label, table in page.tables.items():
        assert len({len(row) for row in table if row[0][0] is not None} | {len(table[-1])}) == 1, label


def test_page_needs_no_network(page, text):
    assert not re.search(r"https?://|@import|url\(", text.replace("http://www.w3.org/", ""))
    assert page.all("link") == []
    assert all("src" not in attrs for attrs in page.all("script"))


def test_pictures_are_there_and_described(page, results):
    images = page.all("img")
    assert len(images) == 3 * len(results) + 2
    for attrs in images:
        assert len(attrs["alt"]) > 40
        kind, _, data = attrs["src"].partition(",")
        assert kind == "data:image/png;base64"
        shape = image.imread(io.BytesIO(base64.b64decode(data)), format="png").shape
        assert shape[:2] == (int(attrs["height"]), int(attrs["width"]))
    solved = f"{results[0].n_solved} of 3 trials solved"
    assert sum(solved in attrs["alt"] for attrs in images) == 1


def test_what_a_run_file_says_is_escaped_and_shown(text):
    assert "short &lt;T&gt;" in text
    assert "short <T>" not in text
    assert "T=20 window=20 final_test=32 max_sequences=4000 input_gate_bias=[-1,-2]" in text


def test_settings_show_what_was_changed(results):
    settings = html._settings(results[1])
    assert ("T", "20", "100") in settings["task"]
    assert ("input_gate_bias", "[-1.0,-2.0]", "none") in settings["learner"]
    assert ("learning_rate", "0.1", None) in settings["learner"]
    assert ("stage n_seq 13", "at most 12 wrong of the latest training sequences", None) in settings["stop"]


def test_provenance_says_all_that_the_files_say(results):
    found = html._provenance(results)
    for key, name in (("version", "lstmsim"), ("git_commit", "commit"), ("numba", "numba"), ("cpu", "processor")):
        assert found.get(name, [""]) == list(dict.fromkeys(results[0].trials[key].values))


def test_users_texts_are_shown_as_they_are(results):
    """On the console too, which has a markup of its own."""
    for reading in ("gate [/] x", "bias [a] x", "results[final]", "[/red]"):
        request = dataclasses.replace(results[1].request, reading=reading)
        title = console.trial_table(dataclasses.replace(results[1], request=request)).title
        shown = Console(width=200, file=io.StringIO())
        shown.print(title)
        assert f"reading: {reading}" in shown.file.getvalue()


@pytest.mark.parametrize("reading", ["costs $5, not $6", r"$\bad{$", "a|b `c` *d* [e](f) <g>\nh", "_x_"])
def test_users_texts_break_neither_pictures_nor_tables(results, reading):
    named = [dataclasses.replace(r, request=dataclasses.replace(r.request, reading=reading)) for r in results]
    assert pictures.overview_picture(named)
    [row] = [line for line in replication(named, "command").splitlines() if line.startswith("| 4-1 ")]
    cells = re.split(r"(?<!\\) \| ", row)
    assert len(cells) == 18, "as many as the table has columns"
    assert not re.search(r"(?<!\\)[<\[*]", cells[2].partition("`T=20")[0])


def test_the_console_shows_trials_between_ours_and_the_papers(results):
    shown = Console(width=200, file=io.StringIO())
    shown.print(console.trial_table(results[0]))
    lines = [line.split() for line in shown.file.getvalue().splitlines()]
    assert " ".join(lines[1]) == "trial status n_seq 140 sequences 95 % correct test: wrong MSE seconds"
    assert [line[0] for line in lines[2:]] == ["0", "1", "2", "ours", "paper"]
    assert lines[-2][1:3] == [f"{results[0].n_solved}/3", "solved"]
    assert lines[-1][1:] == ["100", "%", "solved", "482,000", "1,273,000", "0.55%", "0.0139"]


@pytest.mark.filterwarnings("error")
def test_long_readings_leave_room_for_the_overview(results, monkeypatch):
    """Labels are broken into lines, so that the axes keep half of the picture."""
    shown = []
    reading = "direct weights, f' as at net 0, gates are no sources, " * 2
    long = [dataclasses.replace(r, request=dataclasses.replace(r.request, reading=reading)) for r in results]
    picture = pictures.picture_of
    monkeypatch.setattr(pictures, "picture_of", lambda figure, *words: shown.append(figure) or picture(figure, *words))
    assert pictures.overview_picture(long)
    (ax,) = shown[0].axes
    assert ax.get_position().width > 0.5
    boxes = [label.get_window_extent() for label in ax.get_yticklabels()]
    assert not any(upper.overlaps(lower) for upper, lower in itertools.pairwise(boxes))


def test_a_folder_without_trials_has_no_report(tmp_path, capsys):
    remember(tmp_path, requested("4-1", 1, {}), 0)
    assert main([str(tmp_path)]) == 2
    assert "holds no finished trial" in capsys.readouterr().err
    assert not (tmp_path / "report.html").exists()


def test_missing_and_broken_trials_are_told(out, tmp_path, monkeypatch):
    monkeypatch.setattr(pictures, "row_pictures", lambda out, result: [])
    there = tmp_path / "part"
    shutil.copytree(out, there)
    (there / "5" / "trial-0001.nc").write_bytes(b"no netCDF")
    (there / "4-1" / "trial-0000.nc").unlink()
    assert main([str(there)]) == 0
    text = (there / "report.html").read_text(encoding="utf-8")
    table = Page(text).body("rows against the paper")
    assert table[0][4][1] == "2 of 3"
    assert table[2][4][1] == "1 of 2"
    assert "trial-0001.nc is no whole trial file" in text


def test_report_of_one_row_without_traces(tmp_path):
    requests = requested("4-1", 1, {"T": 20, "max_sequences": 20, "final_test": 0})
    perform(Campaign(requests, tmp_path / "one", 1, record="none", workers=1), None, str)
    page = Page((tmp_path / "one" / "report.html").read_text(encoding="utf-8"))
    assert page.errors == []
    assert "trace" not in " ".join(attrs["alt"] for attrs in page.all("img"))
    assert page.body("rows against the paper")[0][5][1] == f"0/1 0{DASH}79 %"


def rivals(results, monkeypatch):
    """Results of a rival that the table of rows also has, beside one that was not run."""
    table = dict(rows())
    for name, source in (("5-elman", results[0]), ("5-other", None)):
        row = dataclasses.replace(table["5"], id=name, title=name.removeprefix("5-"))
        table[name] = dataclasses.replace(
            row, config=dataclasses.replace(row.config, learner=("elman", ElmanSettings(n_hidden=3)))
        )
        if source is not None:
            request = dataclasses.replace(source.request, name=name, row=table[name], config=table[name].config, changes={})
            rival = RowResult(request, source.trials)
    monkeypatch.setattr(paper, "rows", lambda: table)
    monkeypatch.setattr(paper, "row", table.__getitem__)
    return [*results, rival]


def test_rivals_are_compared(out, results, tmp_path, monkeypatch):
    monkeypatch.setattr(pictures, "row_pictures", lambda out, result: [])
    there = tmp_path / "rivals"
    there.mkdir()
    shutil.copy(out / "run.json", there)
    path = html.write_report(there, rivals(results, monkeypatch))
    page = Page(path.read_text(encoding="utf-8"))
    assert page.errors == []
    lines = page.body("methods of Table 8: multiplication")
    assert [line[0][1] for line in lines] == ["5", "5", "5-elman", "5-other"]
    assert [line[1][1] for line in lines] == ["LSTM", "LSTM", "Elman net", "Elman net"]
    assert lines[1][5][1] == "short <T> T=20 window=20 final_test=32 input_gate_bias=[-1,-2]"
    assert [line[5][1] for line in lines[2:]] == ["literal", "not run"]
    assert lines[2][6] == lines[0][6]
    assert lines[2][8] == lines[0][8]
    assert number(lines[0][12]) == 4000
    alts = [attrs["alt"] for attrs in page.all("img")]
    assert any("Table 8: multiplication: 5 " in alt and " of 3 trials, 5 (short <T>) " in alt for alt in alts)


def test_scaling_needs_rows_that_differ(results):
    assert pictures.scaling_picture(results) is not None
    assert pictures.scaling_picture(results[:4]) is None
    assert pictures.scaling_picture(results[:3]) is None


def test_progress_is_thinned_out_and_keeps_its_end(out, monkeypatch):
    path = out / "5" / "trial-0000.nc"
    whole = pictures._progress(path)
    assert len(whole) > 8
    monkeypatch.setattr(pictures, "_WINDOWS", 4)
    thin = pictures._progress(path)
    assert 2 <= len(thin) <= 4
    np.testing.assert_array_equal(thin[-1], whole[-1])
    assert (np.diff(thin[:, 0]) > 0).all()


def test_markdown_tables(out, results, tmp_path, capsys):
    file = tmp_path / "docs.md"
    assert main([str(out), "--markdown", str(file)]) == 0
    text = file.read_text(encoding="utf-8")
    assert text.endswith(" |\n")
    picture = tmp_path / "docs-scaling.png"
    assert picture.read_bytes().startswith(b"\x89PNG")
    assert re.search(r"^!\[Training sequences against .*\]\(docs-scaling\.png\)$", text, re.MULTILINE)
    assert re.findall("^## .*", text, re.MULTILINE)[:3] == [
        "## Table 3: very long lags and distractors",
        "## Table 7: adding",
        "## Table 8: multiplication",
    ]
    tables = [[line[2:-2].split(" | ") for line in part.splitlines()] for part in text.split("\n\n") if part.startswith("|")]
    assert all(len({len(line) for line in table}) == 1 for table in tables)
    head, _, first, second = tables[2]
    line = dict(zip(head[:8], first[:8], strict=True))
    counts = results[0].counts()
    assert line["row"] == "5"
    assert (line["weights"], line["trials"]) == ("93", "3")
    assert line["solved"].startswith(f"{len(counts)}/3 (")
    assert line["sequences, strict"].startswith(f"{np.mean(counts):,.0f}")
    if len(counts) > 1:
        assert f"({min(counts):,.0f}{DASH}{max(counts):,.0f})" in line["sequences, strict"]
    assert first[8:10] == ["1,273,000", f"{np.mean(counts) / 1_273_000:.2f}{TIMES}"]
    assert first[head.index("MSE") + 1] == "0.0139"
    assert first[-1] == "4,000"
    assert second[2] == r"short \<T\>: `T=20 window=20 final_test=32 input_gate_bias=[-1,-2]`"


def test_missing_folder_is_named(tmp_path, capsys):
    assert main([str(tmp_path / "nowhere"), "--markdown", str(tmp_path / "x.md")]) == 2
    assert "nowhere/run.json" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("theme", [0, 1])
def test_contrast(theme):
    """WCAG 2.1, level AA: 4.5 for text."""
    css = html.environment().get_template("report.css").render()
    colours = dict(re.findall(r"--(\w+): (#\w{6});", css.split("}")[theme]))

    def luminance(name):
        parts = np.array([int(colours[name][i : i + 2], 16) for i in (1, 3, 5)]) / 255
        return np.where(parts <= 0.04045, parts / 12.92, ((parts + 0.055) / 1.055) ** 2.4) @ [0.2126, 0.7152, 0.0722]

    for ground in ("page", "raised"):
        for name in ("text", "muted", "link", "paper", "good", "bad"):
            dark, light = sorted((luminance(name), luminance(ground)))
            assert (light + 0.05) / (dark + 0.05) >= 4.5, (theme, name, ground)
