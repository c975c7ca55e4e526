from __future__ import annotations

import socket

import httpx
import pytest
from letta_client import APIConnectionError, APITimeoutError

from gateway.errors import LettaError
from gateway.letta import failures
from gateway.testing import recordings


REQUEST = httpx.Request("POST", "http://letta.invalid/")


def raised(kind: type[APIConnectionError], cause: Exception) -> APIConnectionError:
    """As letta-client raises it."""
    error = kind(request=REQUEST)
    error.__cause__ = cause
    return error


class TestFromFrame:
    @pytest.mark.parametrize(
        ("kind", "status", "code"),
        [
            ("llm_rate_limit", 429, "rate_limit_exceeded"),
            ("llm_authentication", 502, "upstream_model_auth"),
            ("llm_timeout", 504, "upstream_model_timeout"),
            ("llm_bad_request", 400, "upstream_model_refused"),
            ("llm_empty_response", 502, "upstream_empty_response"),
            ("llm_error", 502, "upstream_model_error"),
            ("stream_incomplete", 502, "upstream_incomplete"),
            ("context_window_overflow_in_system_prompt", 400, "context_length_exceeded"),
            ("internal_error", 502, "upstream_error"),
            ("something_new", 502, "upstream_error"),
        ],
    )
    def test_kinds(self, kind, status, code):
        """Each kind of error has a status of its own."""
        error = failures.from_frame({"error_type": kind, "message": "No."}, rolled_back=True)
        assert (error.status, error.code, error.message) == (status, code, "No.")
        assert error.rolled_back

    @pytest.mark.parametrize(
        ("model", "status", "code"),
        [
            ("400", 400, "upstream_model_refused"),
            ("401", 502, "upstream_model_auth"),
            ("429", 429, "rate_limit_exceeded"),
            ("500", 502, "upstream_model_error"),
        ],
    )
    def test_older_agents(self, model, status, code):
        """Their failures have no kind; the model's own status is in the detail."""
        detail = f"Error code: {model} - {{'error': {{'message': 'No.'}}}}"
        frame = {"error_type": "internal_error", "message": "Unknown.", "detail": detail}
        error = failures.from_frame(frame, rolled_back=True)
        assert (error.status, error.code) == (status, code)

    @pytest.mark.parametrize(
        "name",
        [
            "ct-return-wrongid-tok",
            "ct-two-return-one-tok",
            "autoclear-ct-return",
        ],
    )
    def test_results_that_are_not_waited_for(self, name):
        """Letta waits for other calls, or for none."""
        frames = [each.json for each in recordings.read(name).frames if each.data != "[DONE]"]
        (frame,) = [each for each in frames if each["message_type"] == "error_message"]
        error = failures.from_frame(frame, rolled_back=True)
        assert (error.status, error.code) == (400, "tool_call_not_pending")

    def test_a_frame_that_says_nothing(self):
        """There is a sentence all the same."""
        error = failures.from_frame({}, rolled_back=False)
        assert (error.status, error.message) == (502, "The agent's run failed at Letta.")

    def test_the_first_line_of_the_detail(self):
        """A traceback is not passed on."""
        frame = {"message": "No.", "detail": "Because.\nTraceback: File /srv/letta/x.py"}
        assert failures.from_frame(frame, rolled_back=True).message == "No. Because."


class TestFromStatus:
    @pytest.mark.parametrize(
        ("name", "status", "code"),
        [
            ("v1-err429-nostream", 429, "rate_limit_exceeded"),
            ("v1-err500-nostream", 502, "upstream_model_error"),
            ("v1-err401-nostream", 502, "upstream_model_auth"),
            ("v1-err400-nostream", 400, "upstream_model_refused"),
            ("v1-empty-nostream", 502, "upstream_model_error"),
            ("ct-pending-user-nostream", 409, "pending_approval"),
            ("conv-ct-pending-user-nostream", 409, "pending_approval"),
            ("conc-redis-conv1-B", 409, "conversation_busy"),
            ("conv-unknown", 404, "conversation_not_found"),
            ("conv-deleted", 404, "conversation_not_found"),
            ("empty-messages-nostream", 400, "upstream_refused"),
        ],
    )
    def test_recorded(self, name, status, code):
        """What the real server answered, as a client is told it."""
        recording = recordings.read(name)
        error = failures.from_status(recording.status, recording.json)
        assert (error.status, error.code) == (status, code)
        for secret in ("user-", "org-", "default_user", "/LAB", "/PY"):
            assert secret not in error.message

    @pytest.mark.parametrize("status", [401, 403])
    def test_the_gateways_own_key(self, status):
        """It is not the caller's fault: 401 would say so."""
        error = failures.from_status(status, {"detail": "Unauthorized"})
        assert (error.status, error.code) == (502, "upstream_auth")

    @pytest.mark.parametrize("detail", ["Agent not found", "Agent with ID agent-0000 not found"])
    def test_an_agent_that_is_gone(self, detail):
        """As the two kinds of path put it."""
        error = failures.from_status(404, {"detail": detail})
        assert (error.status, error.code) == (404, "model_not_found")

    @pytest.mark.parametrize("body", [{"detail": "Not Found"}, "<html>", None])
    def test_a_path_that_is_not_there(self, body):
        """Whoever answers is not Letta: no model is missing."""
        error = failures.from_status(404, body)
        assert (error.status, error.code) == (502, "upstream_error")

    @pytest.mark.parametrize("body", [None, "<html>Bad gateway</html>", [], {"detail": []}])
    def test_bodies_of_others(self, body):
        """A proxy's page is not passed on."""
        error = failures.from_status(503, body)
        assert (error.status, error.message) == (502, "Letta answered with HTTP 503.")
        assert not error.rolled_back

    def test_lettas_own_rate_limit(self):
        """Letta Cloud has one; the status is kept."""
        error = failures.from_status(429, {})
        assert (error.status, error.type, error.rolled_back) == (429, "rate_limit_error", True)

    def test_a_request_that_letta_cannot_read(self):
        """The caller's request is at fault, and told how."""
        error = failures.from_status(422, {"detail": "Messages must not be empty"})
        assert (error.status, error.code) == (400, "upstream_refused")
        assert "Messages must not be empty" in error.message


class TestPublic:
    def test_paths_are_left_out(self):
        """Where the server keeps its files is nobody's business."""
        assert failures.public("no /srv/letta/agent.py there") == "no … there"

    def test_addresses_are_not_paths(self):
        """They say which service it was."""
        text = "no answer from https://api.example.com/v1/chat/completions, and/or timeout"
        assert failures.public(text) == text

    def test_the_actor_is_left_out(self):
        """Letta prints the user that it thinks it serves."""
        detail = recordings.read("conv-unknown").json["detail"]
        assert failures.public(detail).startswith("Conversation not found")
        assert "user-" not in failures.public(detail)

    def test_long_details_are_cut(self):
        """An error is a sentence."""
        assert len(failures.public("x" * 5000)) == 400
        assert failures.public("x" * 5000).endswith("x…")


class TestReason:
    def test_the_innermost_words(self):
        """The outer ones say only that it failed."""
        refused = socket.gaierror(-2, "Name or service not known")
        failed = httpx.ConnectError("Cannot connect to host letta.invalid:8283")
        failed.__cause__ = refused
        words = failures.reason(raised(APIConnectionError, failed))
        assert words == "[Errno -2] Name or service not known"

    def test_an_address_is_not_told(self):
        """Where Letta is inside the operator's network is not for clients."""
        refused = ConnectionRefusedError(111, "Connect call failed ('10.0.0.7', 8283)")
        assert failures.reason(refused) == "[Errno 111] Connection refused"

    def test_an_error_without_words(self):
        """Its name will do."""
        assert failures.reason(ConnectionResetError()) == "ConnectionResetError"

    @pytest.mark.parametrize(
        ("cause", "words"),
        [
            (httpx.ConnectTimeout(""), "it does not take the connection"),
            (httpx.ReadTimeout(""), "it does not answer"),
            (httpx.PoolTimeout(""), "all connections to it are in use (letta.max_connections)"),
        ],
    )
    def test_time_limits(self, cause, words):
        """They have no words of their own."""
        assert failures.reason(raised(APITimeoutError, cause)) == words

    def test_a_key_is_not_quoted(self):
        """h11 quotes the header that it refuses, and the key is in it."""
        cause = httpx.LocalProtocolError("Illegal header value b'Bearer sk-secret\\n'")
        assert "sk-secret" not in failures.reason(raised(APIConnectionError, cause))


class TestAsReject:
    def test_it_is_an_answer(self):
        """Status, type, code and message are the error's."""
        error = failures.unreachable("no route to host")
        reject = failures.as_reject(error)
        assert isinstance(reject, LettaError)
        assert (reject.status, reject.type, reject.code) == (error.status, error.type, error.code)
        assert reject.message == str(reject) == "Letta cannot be reached: no route to host."

    @pytest.mark.parametrize(
        ("error", "retry"), [(failures.unreachable("x"), True), (failures.timed_out(60), False)]
    )
    def test_retry(self, error, retry):
        """Only what Letta cannot have kept may be sent again."""
        assert failures.as_reject(error).retry is retry
