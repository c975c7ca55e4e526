"""A real Open WebUI in a real browser, over gateways whose Letta is FakeLetta, or a real one.

`install` puts Open WebUI into the tests' cache, `server` runs it, `page` is what its user does
and sees, and `stage` is all of it together: one server and one browser for all tests.
"""
