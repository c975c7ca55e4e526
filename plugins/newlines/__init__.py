"""The parts of `newline_reconstructor`: state machines without I/O."""
