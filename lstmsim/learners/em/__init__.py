"""A net of states whose transitions depend on the input, trained by expectation maximisation."""
