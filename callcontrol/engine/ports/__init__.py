"""What the engine needs of the world, as Protocols. Adapters implement them; tests have in-memory doubles."""
