"""Roles and rights of the rule book's directory table."""

from __future__ import annotations

from enum import StrEnum


class Role(StrEnum):
    """What a user of a company is. The operator is a user of the installation, in no company."""

    OPERATOR = "operator"
    ADMINISTRATOR = "administrator"
    RESTRICTED = "restricted"
    AGENT = "agent"
    FOLLOW_UP_MANAGER = "follow_up_manager"


class Right(StrEnum):
    """Rights that a restricted user or a follow-up manager may be given one by one."""

    FINANCE = "finance"
    REPORTS = "reports"
    DASHBOARD = "dashboard"
    LISTEN = "listen"
    WHISPER = "whisper"
    BARGE = "barge"
    TAKE_OVER = "take_over"
    ORIGIN_NUMBER = "origin_number"


GRANTABLE: dict[Role, frozenset[Right]] = {
    Role.OPERATOR: frozenset(),
    Role.ADMINISTRATOR: frozenset(),
    Role.RESTRICTED: frozenset(Right),
    Role.AGENT: frozenset(),
    Role.FOLLOW_UP_MANAGER: frozenset({Right.REPORTS, Right.DASHBOARD}),
}
"""Which rights a role can be given; an administrator has all of their company's without being given any."""


def may_use_minutes(role: Role | None) -> bool:
    """R2: everyone but a follow-up manager. An agent without a user may call."""
    return role is not Role.FOLLOW_UP_MANAGER
