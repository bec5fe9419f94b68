"""Search of a net's weights without a gradient."""
