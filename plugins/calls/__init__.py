"""The parts of `tool_bridge`: ids and names as each side knows them, and what is pending."""
