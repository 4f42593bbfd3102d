"""Pure rules: calls, minutes, numbers, hang-up causes, rights. No asyncio, clock, randomness, logging or I/O."""
