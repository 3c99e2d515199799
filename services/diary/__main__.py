"""``python -m services.diary <verb>``."""

import sys

from services.chassis.cli import main
from services.diary.app import SERVICE

sys.exit(main(SERVICE))
