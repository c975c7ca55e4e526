"""The parts of `guard`: rules about texts."""
