"""`letta-gateway chat`: talks to an agent from the terminal, through the gateway's own API."""
