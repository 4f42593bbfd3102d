"""Short ways to say what the directory's tests say often."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import pytest

from callcontrol.engine.admin import commands as c
from callcontrol.engine.admin.errors import AdminError, ErrorKind
from callcontrol.engine.admin.service import AdminService

AT = datetime(2026, 11, 22, 12, tzinfo=UTC)


@dataclass
class Administration:
    """The service as root uses it, and how often it told the engine about softphones."""

    service: AdminService
    told: list[str]

    async def do(self, command: c.Command) -> Any:
        # Through the wire's form and back, as every command really comes.
        return await self.service.execute(c.decode(c.encode(command)), actor="root")

    async def refuse(self, command: c.Command, kind: ErrorKind, words: str) -> None:
        """`command` is refused as `kind`, with one line that has `words` in it."""
        with pytest.raises(AdminError) as refused:
            await self.do(command)
        assert refused.value.kind is kind
        assert words in refused.value.message
        assert "\n" not in refused.value.message

    async def with_company(self, name: str = "Acme", **fields: Any) -> str:
        added = await self.do(c.AddCompany(name=name, **{"area_code": "11", **fields}))
        slug: str = added["slug"]
        return slug

    async def with_agent(self, company: str = "acme", extension: str = "1001", **fields: Any) -> Any:
        return await self.do(c.AddAgent(company=company, extension=extension, **{"name": "Ana", **fields}))
