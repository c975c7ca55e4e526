"""The parts of `response_format`: what is asked for, whether a text is that, fences around it."""
