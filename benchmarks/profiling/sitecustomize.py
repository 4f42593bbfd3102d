"""Python imports a module of this name at its start when it is on the path (docs.python.org/3/library/site.html).

With this folder on PYTHONPATH and CALLCONTROL_PROFILE naming a file, `callcontrol run` is sampled; other commands are
left alone.
"""

import os
import sys

if "run" in sys.orig_argv and os.environ.get("CALLCONTROL_PROFILE"):
    from benchmarks.profiling.sampler import install

    install(os.environ["CALLCONTROL_PROFILE"])
