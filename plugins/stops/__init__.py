"""The parts of `stop_sequences`: what is asked for, and where a text ends because of it."""
