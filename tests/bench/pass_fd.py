"""An ssh ProxyCommand for ProxyUseFdpass: connect to a unix socket and hand the socket over.

python pass_fd.py PATH
"""

import socket
import sys


def main() -> None:
    with (
        socket.socket(socket.AF_UNIX) as pipe,
        socket.socket(fileno=sys.stdout.fileno()) as ssh,
    ):
        pipe.connect(sys.argv[1])
        socket.send_fds(ssh, [b"\0"], [pipe.fileno()])


if __name__ == "__main__":
    main()
