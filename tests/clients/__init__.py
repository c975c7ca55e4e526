"""Official clients that are no Python packages."""
