"""The Asterisk REST Interface: wire (sans-I/O), connection, session (connect -> snapshot -> live), the PBX port.

The formats come from the model that Asterisk publishes (`rest-api/api-docs/*.json` of 22.10.1); what the model does not
say was measured on that release and is proven by `tests/contract`.
"""
