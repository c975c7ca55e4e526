"""Says in plain words what the agent's tools are doing."""
