"""Sphinx settings: python -m sphinx -W docs build/docs."""

import itertools
import os
import re
import shutil
import sys
import tempfile
from pathlib import Path

from docutils import nodes

import lstmsim

project = "lstmsim"
copyright = "The lstmsim developers"
version = release = lstmsim.__version__

extensions = [
    "matplotlib.sphinxext.plot_directive",
    "myst_parser",
    "numpydoc",
    "sphinx-mathjax-offline",
    "sphinx_design",
    "sphinx.ext.autodoc",
    "sphinx.ext.autosummary",
]
html_theme = "furo"
html_title = f"lstmsim {release}"
html_show_sphinx = False
html_static_path = ["static"]
html_use_index = False  # the search finds what it would list, and it is the longest page of all
html_css_files = ["code.css"]
templates_path = ["templates"]  # of autosummary's pages, one for each class and function of the reference
autosummary_filename_map = {  # names that differ in their capitals alone are one file on some systems
    f"lstmsim.{name}": f"lstmsim.{name}_function" for name in ("learners.learner", "paper.row", "paper.table", "tasks.task")
}

# Links within a page, such as performance.md#where-the-time-goes.
myst_heading_anchors = 3
myst_enable_extensions = ["colon_fence", "dollarmath"]
myst_dmath_allow_labels = False

DOCS = Path(__file__).parent
sys.path.insert(0, str(DOCS))  # drawings.py

autodoc_member_order = "bysource"
autodoc_typehints = "none"  # the docstrings have types with shapes
numpydoc_class_members_toctree = False
numpydoc_show_class_members = False

# Code of these pages is run, all blocks of a page one after another in one folder, and what they draw stands below them.
RUN = ("tutorial", "gallery")
os.environ["MPLBACKEND"] = "agg"
plot_formats = [("png", 144)]
plot_html_show_formats = False
plot_html_show_source_link = False
plot_include_source = True
plot_pre_code = ""
plot_rcparams = {"savefig.bbox": "tight"}
plot_working_directory = tempfile.mkdtemp(prefix="lstmsim-docs-")


def run_code(app, name, source):
    """Have Python blocks of a page run by matplotlib's directive, which only reStructuredText knows."""
    if name not in RUN:
        return
    number = itertools.count()

    def directive(block):
        n = next(number)
        code = re.sub("^(?=.)", "   ", block[1], flags=re.MULTILINE)
        options = f":context: {'close-figs' if n else 'reset'}\n   :filename-prefix: {name}-{n}"
        return f"```{{eval-rst}}\n.. plot::\n   {options}\n\n{code}```"

    source[0] = re.sub("^```python\n(.*?)^```$", directive, source[0], flags=re.MULTILINE | re.DOTALL)


def keep_bars(app, what, name, object, options, lines):
    """Let |x| in a docstring be an absolute value; reStructuredText takes it for a substitution."""
    lines[:] = [
        "``".join(part.replace("|", r"\|") if n % 2 == 0 else part for n, part in enumerate(line.split("``")))
        for line in lines
    ]


# Pages that are too long for one page of the site: where the next begins, and its title.
PARTS = {
    "decisions": {
        "Streams": "Decisions: streams, traces, kernels, structure",
        "The other systems of the references": "Decisions: methods, reliability, tools",
    },
    "departures": {
        "One departure at a time: experiments 2 and 4": "One departure at a time: experiments 2 and 4",
        "The way to the readings: experiment 1": "The way to the readings: experiment 1",
        "The way to the readings: experiments 2 to 6": "The way to the readings: experiments 2 to 6",
    },
    "one-reading": {
        "What the factors do": "One reading: what the factors do, and why",
        "The plan": "One reading: the plan of the search",
    },
    "reliability": {"Wrong input": "Reliability: wrong input, machines, cases, long runs"},
    "replication": {"NARX nets on the latch problem": "Replication: the other systems of the reference list"},
    "replication-tables": {
        "Table 3": "Replication: tables 3 to 6",
        "Table 7": "Replication: tables 7 to 9, and what stands outside them",
    },
}
GENERATED = DOCS / "generated"  # autosummary's pages too


def split_pages(app):
    """Write the parts of long pages, each a file; forget what an earlier build made."""
    shutil.rmtree(GENERATED, ignore_errors=True)
    GENERATED.mkdir()
    for name, starts in PARTS.items():
        for title, text in parts((DOCS / f"{name}.md").read_text(encoding="utf-8"), starts)[1:]:
            text = re.sub(r"\]\((?!#|\w+:)", "](../", text)
            (GENERATED / f"{nodes.make_id(title)}.md").write_text(f"# {title}\n\n{text}", encoding="utf-8")


def parts(text, starts):
    """Titles and texts of a page's parts, the first without a title; a heading that is the title is left out."""
    found = [("", [])]
    for section in re.split(r"^(?=## )", text, flags=re.MULTILINE):
        heading = section.partition("\n")[0].removeprefix("## ")
        title = next((starts[start] for start in starts if heading.startswith(start)), None)
        if title:
            found.append((title, []))
        found[-1][1].append(section.partition("\n")[2] if heading == title else section)
    if len(found) != 1 + len(starts):
        raise ValueError(f"the headings {', '.join(starts)} do not begin one section each")
    return [(title, "".join(texts)) for title, texts in found]


def shorten(app, name, source):
    """Leave on a long page what its parts do not have, and links to them."""
    if name not in PARTS:
        return
    (_, first), *others = parts(source[0], PARTS[name])
    listed = "\n".join(f"generated/{nodes.make_id(title)}" for title, _ in others)
    source[0] = f"{first}\n## Continued\n\n```{{toctree}}\n{listed}\n```\n"


EQUATIONS = {  # where the page "The idea" has them
    "the-problem": (1, 2),
    "a-memory-cell": (3, 4, 5, 7, 8, 9),
    "how-it-learns": (*range(19, 24), *range(25, 30)),
    "where-the-error-goes": (34, 35, 36, 37, 41),
}


def link_equations(app, doctree, name):
    """Let an equation's number, in running text, lead to the equation."""
    places = {str(number): place for place, numbers in EQUATIONS.items() for number in numbers}
    no_links = (nodes.literal, nodes.literal_block, nodes.reference, nodes.title, nodes.math, nodes.math_block)
    for text in list(doctree.findall(nodes.Text)):
        parts = re.split(r"(?<![\w]\()(?<=\()(\d+)(?=\))", text)
        above, inside = text.parent, False
        while above is not None and not inside:
            above, inside = above.parent, isinstance(above, no_links)
        if name == "idea" or inside or len(parts) == 1:
            continue
        new = []
        for part in parts:
            if part in places:
                uri = f"{app.builder.get_relative_uri(name, 'idea')}#{places[part]}"
                new.append(nodes.reference("", part, internal=True, refuri=uri))
            else:
                new.append(nodes.Text(part))
        text.parent.replace(text, new)


def setup(app):
    """Connect these."""
    app.connect("builder-inited", split_pages, priority=100)  # before autosummary writes its own
    app.connect("doctree-resolved", link_equations)
    app.connect("source-read", run_code)
    app.connect("source-read", shorten)
    app.connect("autodoc-process-docstring", keep_bars, priority=900)  # after numpydoc
