"""The parts of `conversation_resolver`: a chat and its record, what of a history is new."""
