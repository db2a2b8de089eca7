"""Names for the `!function` tags of the YAML files beside this module; the code is in the package."""

from lens_tasks.tasks.functions import *  # noqa: F403
from lens_tasks.tasks.functions import __getattr__  # noqa: F401
