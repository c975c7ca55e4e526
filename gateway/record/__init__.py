"""Keeps Letta's streams as files that `letta-gateway replay` reads. Off unless asked for.

What is kept is in `redact`, how much of it in `folder`. The bytes are gathered as they are
read and written when the stream is over, by a thread of its own: no answer waits for a disk.
"""

from __future__ import annotations

from gateway.record.folder import Folder
from gateway.record.recorder import Recorder


__all__ = ["Folder", "Recorder"]
