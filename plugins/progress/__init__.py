"""What `tool_progress` is made of."""
