"""The LSTM with forget gates and peepholes: cell states are not kept as they are, so partials move at every step."""
