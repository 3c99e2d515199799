"""Every component of the web shell on one page: the package that stands in for a service in the shell's tests."""
