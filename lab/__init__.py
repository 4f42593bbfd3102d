"""The laboratory: real Asterisks, a carrier and softphones on this machine, for the demo and for live tests."""
