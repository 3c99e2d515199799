"""``python -m services.statistics <verb>``."""

import sys

from services.chassis.cli import main
from services.statistics.app import SERVICE

if __name__ == "__main__":
    sys.exit(main(SERVICE))
