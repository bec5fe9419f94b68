"""The machine room: compilation, vectors of lanes, sequences, scores, recording; no equation of any method."""
