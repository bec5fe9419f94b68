"""A page of HTML as tests see it."""

from html.parser import HTMLParser

VOID = {"meta", "img", "br", "link", "input", "hr"}


class Page(HTMLParser):
    """Elements of a page, and its tables as rows of (sort key, text)."""

    def __init__(self, text):
        super().__init__()
        self.open, self.elements, self.errors = [], [], []
        self.tables, self.label, self.cell = {}, None, None
        self.feed(text)
        self.close()

    def handle_starttag(self, tag, attrs):
        attrs = dict(attrs)
        self.elements.append((tag, attrs))
        if tag not in VOID:
            self.open.append(tag)
        if attrs.get("class") == "scroll":
            self.label = attrs["aria-label"].removeprefix("Table: ")
        if tag == "table":
            self.tables[self.label] = []
        if tag == "tr":
            self.tables[self.label].append([])
        if tag in ("td", "th"):
            self.cell = [attrs.get("data-sort"), ""]
            self.tables[self.label][-1].append(self.cell)

    def handle_endtag(self, tag):
        if not self.open or self.open.pop() != tag:
            self.errors.append(f"</{tag}> at {self.getpos()}")

    def handle_data(self, data):
        if self.cell is not None and self.open and {"td", "th"} & set(self.open):
            self.cell[1] += data

    def all(self, tag):
        return [attrs for name, attrs in self.elements if name == tag]

    def body(self, label):
        """Rows of a table without its headings."""
        return [row for row in self.tables[label] if row and row[0][0] is not None]
