"""The LSTM of Hochreiter and Schmidhuber (1997)."""
