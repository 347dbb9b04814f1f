"""What Windows' sshd does with a command: hands it to cmd, in quotes. Runs in Wine."""

import os
import subprocess
import sys
from pathlib import Path

with Path(os.environ["ERRORS"]).open("wb") as errors:
    command = 'cmd.exe /c "' + os.environ["SSH_ORIGINAL_COMMAND"] + '"'
    sys.exit(subprocess.call(command, stderr=errors))
