"""`python -m callcontrol.cli` is `callcontrol`."""

from callcontrol.cli import main

main()
