"""Pure rules of billing: no I/O, no clock, no floats. Money is integer cents inside, ``"12.34"`` at the edges."""
