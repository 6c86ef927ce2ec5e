"""Where does an autograd engine differ from PyTorch, and what is the smallest program that shows it?

Importing this package imports neither torch nor hypothesis: the pytest plugin is loaded in every pytest run
of a user who has it installed.
"""

__version__ = "0.1.0"
