"""The examples of docs/extending.md, taken from that page, so that what it shows is what runs."""

import re
from pathlib import Path

PAGE = Path(__file__).parents[2] / "docs" / "extending.md"
EXAMPLES = re.findall(r"```python\n(.*?)```", PAGE.read_text(), re.DOTALL)
exec(compile("".join(EXAMPLES[:3]), str(PAGE), "exec"))
