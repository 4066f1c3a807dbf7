"""Start the Flex Template's job. The worker image runs this file as the template's launcher."""

import os
import sys

from zoetrope.template import main

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:], image=os.environ.get("ZOETROPE_IMAGE")))
