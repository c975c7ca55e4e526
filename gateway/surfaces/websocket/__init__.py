"""`/ws`: chat front ends in browsers, with several chats on one socket.

heard        what a client sends becomes a `Call`, or another wish
phases       the events of an answer become frames: start, chunks, end
answering    one message's answer, from its stream to the socket
replies      which stream answers which message
connection   one socket: who is there, and what is being answered
routes       where it is found, and how it is closed
"""

from __future__ import annotations
