"""`python -m lab.demo [--once] [--allow-untested]`: what scripts/run starts."""

import signal

# Until the event loop watches for it, Ctrl-C ends us at once: nothing is started yet, and a traceback tells nothing.
signal.signal(signal.SIGINT, signal.SIG_DFL)

from lab.demo.start import main  # noqa: E402 after that line, because it is the imports that take a second

main()
