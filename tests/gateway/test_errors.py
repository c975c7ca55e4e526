from __future__ import annotations

import pytest

from gateway.errors import (
    ConfigError,
    GatewayError,
    LettaError,
    Problem,
    Reject,
    StartError,
    StoreError,
    error_type,
)


class TestProblem:
    def test_as_compilers_write_it(self):
        """Editors jump to the place."""
        problem = Problem("gateway.yaml", 3, 5, "server.port", "expected a number")
        assert str(problem) == "gateway.yaml:3:5: server.port: expected a number"

    def test_of_the_whole_file(self):
        """There is no path to name."""
        assert str(Problem("gateway.yaml", 1, 1, "", "is empty")) == "gateway.yaml:1:1: is empty"


class TestConfigError:
    def test_every_problem_at_once(self):
        """One line each."""
        problems = [Problem("f", i, 1, "", "wrong") for i in (1, 2)]
        error = ConfigError(iter(problems))
        assert error.problems == tuple(problems)
        assert str(error) == "f:1:1: wrong\nf:2:1: wrong"


class TestReject:
    def test_the_type_goes_with_the_status(self):
        """Unless it is said."""
        assert Reject(404, "model_not_found", "No.").type == "invalid_request_error"
        assert Reject(404, "x", "No.", type="invalid_request_error").type == "invalid_request_error"

    def test_what_a_client_is_told(self):
        """All of it is there, and the message is the exception's."""
        reject = Reject(400, "bad_value", "No.", param="messages", retry=False)
        assert (reject.status, reject.code, reject.param, reject.retry) == (
            400,
            "bad_value",
            "messages",
            False,
        )
        assert str(reject) == reject.message == "No."

    def test_a_letta_error_is_an_answer(self):
        """Whoever takes a Reject takes it too."""
        assert issubclass(LettaError, Reject)


@pytest.mark.parametrize("kind", [ConfigError, StartError, StoreError, Reject, LettaError])
def test_one_tree(kind):
    """All errors of ours are one kind."""
    assert issubclass(kind, GatewayError)


@pytest.mark.parametrize(
    ("status", "type"),
    [
        (400, "invalid_request_error"),
        (401, "authentication_error"),
        (403, "permission_error"),
        (404, "invalid_request_error"),
        (409, "invalid_request_error"),
        (429, "rate_limit_error"),
        (500, "server_error"),
        (503, "server_error"),
    ],
)
def test_error_type(status, type):
    """OpenAI's word for a status."""
    assert error_type(status) == type
