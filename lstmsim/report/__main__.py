"""A run's folder as one page, and finished campaigns as tables: python -m lstmsim.report."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from lstmsim.report.html import write_report
from lstmsim.report.markdown import write_replication
from lstmsim.report.scan import write_scan_page
from lstmsim.trace.scan import FILE


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; the exit code."""
    parse = argparse.ArgumentParser(
        prog="python -m lstmsim.report",
        description="Write report.html into the folders of runs and scans, or the tables of finished campaigns as Markdown.",
    )
    parse.add_argument("folders", nargs="+", metavar="DIR", type=Path, help="folder of a run")
    parse.add_argument("--markdown", metavar="FILE", type=Path, help="write one Markdown file instead of the pages")
    options = parse.parse_args(arguments)
    try:
        if options.markdown is None:
            for folder in options.folders:
                print(write_scan_page(folder) if (folder / FILE).exists() else write_report(folder, interactive=True))
        else:
            write_replication(options.folders, options.markdown)
            print(options.markdown)
    except (ValueError, OSError) as error:
        print(f"lstmsim: {error}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
