"""What a run amounts to, as tables, pictures and pages."""
