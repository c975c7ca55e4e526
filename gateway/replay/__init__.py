"""`letta-gateway replay`: a recorded stream goes through the pipeline, and each stage is shown.

recording   the file               lane     the pipeline, with a probe between any two steps
request     what was asked         rows     what the probes have seen
words       events in short        table, listing, as_json   three ways to show it
"""
