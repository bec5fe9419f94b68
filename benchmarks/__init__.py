"""Speed and start-up, measured side by side with other programs: python -m benchmarks."""
