"""The built-in plugins. They use the public door only: gateway.plugin, events, errors."""
