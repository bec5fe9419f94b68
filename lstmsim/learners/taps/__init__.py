"""Feedforward nets on memories of their inputs and outputs: time-delay nets, gamma memories, NARX nets."""
