"""The rows of the paper's tables: settings and published figures, one file per experiment."""

from lstmsim.paper.base import Published, Row, Table, register, row, rows

__all__ = ["Published", "Row", "Table", "register", "row", "rows"]
