"""Companies, users, agents, trunks, numbers and contacts on SQLAlchemy; what Asterisk must know of them."""
