"""A trial: its configuration, the loop over its sequences, and when it ends."""
