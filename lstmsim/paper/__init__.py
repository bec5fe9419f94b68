"""The rows of the paper's tables: settings and published figures."""
