"""The same LSTM with the units along the vector, for one big net."""
