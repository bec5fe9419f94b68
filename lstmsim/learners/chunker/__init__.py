"""The neural sequence chunker."""
