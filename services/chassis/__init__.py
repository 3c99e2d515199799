"""What every service stands on and no service may copy.

Imports ``schemas`` and nothing else of ours. Each module keeps one idea; its docstring states the invariants as law.
"""
