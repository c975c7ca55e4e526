"""Our streams as other people's parsers read them."""
