"""`python -m lab.obtain [--allow-untested]`: make sure that there is an Asterisk, fetching one when there is none."""

from __future__ import annotations

import os
import subprocess
import sys

from lab.prefix import REPOSITORY, AsteriskPrefix, NoAsterisk, find_prefix, use_fetched


def obtain_prefix(*, allow_untested: bool = False) -> AsteriskPrefix:
    """find_prefix, after scripts/fetch-asterisk where it is needed. NoAsterisk says in one line what to do."""
    if use_fetched(allow_untested=allow_untested):
        # It also checks what was fetched before, and says in its own words what it does and what is wrong.
        done = subprocess.run([str(REPOSITORY / "scripts" / "fetch-asterisk")], stdin=subprocess.DEVNULL, check=False)
        if done.returncode:
            raise NoAsterisk("no Asterisk to work with: see the line above")
    return find_prefix(allow_untested=allow_untested)


if __name__ == "__main__":
    try:
        obtain_prefix(
            allow_untested="--allow-untested" in sys.argv[1:] or os.environ.get("CALLCONTROL_ALLOW_UNTESTED") == "1"
        )
    except NoAsterisk as problem:
        sys.exit(f"asterisk: {problem}")
