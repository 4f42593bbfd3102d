"""Calls, CDRs and minutes on SQLAlchemy. `operations` run in the writer's thread, each on one connection inside one
savepoint; reports read beside it. The rules (burn order, what can still be held, plans) are pure, in the domain.
"""
