"""Run by an environment's own Python: make this checkout its `callcontrol`, as an editable installation would.

By hand, because that takes no build tool: what is installed from outside is only what the locked requirements name.
"""

import stat
import sys
import sysconfig
import tomllib
from pathlib import Path

checkout = Path(__file__).resolve().parents[2]
project = tomllib.loads((checkout / "pyproject.toml").read_text())["project"]
packages = Path(sysconfig.get_path("purelib"))

(packages / "callcontrol.pth").write_text(f"{checkout}\n")
metadata = packages / f"{project['name']}-{project['version']}.dist-info"
metadata.mkdir(exist_ok=True)
(metadata / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {project['name']}\nVersion: {project['version']}\n")
for name, entry in project["scripts"].items():
    module, function = entry.split(":")
    script = Path(sysconfig.get_path("scripts")) / name
    script.write_text(f"#!{sys.executable}\nfrom {module} import {function}\n\n{function}()\n")
    script.chmod(script.stat().st_mode | stat.S_IXUSR | stat.S_IXGRP | stat.S_IXOTH)
