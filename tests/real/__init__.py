"""The whole gateway over a real Letta server, asked as its clients ask it."""
