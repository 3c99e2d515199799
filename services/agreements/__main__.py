"""``python -m services.agreements <verb>``"""

import sys

from services.agreements.app import SERVICE
from services.chassis.cli import main

if __name__ == "__main__":
    sys.exit(main(SERVICE))
