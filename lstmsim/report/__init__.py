"""What a run amounts to, read once from its trial files, and its views: console, page, Markdown, JSON."""
