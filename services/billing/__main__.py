"""``python -m services.billing <verb>``."""

import sys

from services.billing.app import SERVICE
from services.chassis.cli import main

sys.exit(main(SERVICE))
