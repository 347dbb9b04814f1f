"""A program that takes the system's proxy: fetch a URL, and print the status.

python fetch.py wininet|winhttp URL
"""

from __future__ import annotations

import ctypes
import sys
from ctypes import wintypes
from typing import Any

assert sys.platform == "win32"

INTERNET_OPEN_TYPE_PRECONFIG = 0
HTTP_QUERY_STATUS_CODE = WINHTTP_QUERY_STATUS_CODE = 19
FLAG_NUMBER = 0x20000000
WINHTTP_ACCESS_TYPE_DEFAULT_PROXY = 0


def fetch_by_wininet(url: str) -> int:
    dll = library("wininet", "InternetOpenW", "InternetOpenUrlW")
    session = checked(dll.InternetOpenW("test", INTERNET_OPEN_TYPE_PRECONFIG, None, None, 0))
    request = checked(dll.InternetOpenUrlW(handle(session), url, None, 0, 0, None))
    return status(dll.HttpQueryInfoW, request, HTTP_QUERY_STATUS_CODE)


def fetch_by_winhttp(url: str) -> int:
    dll = library("winhttp", "WinHttpOpen", "WinHttpConnect", "WinHttpOpenRequest")
    host = url.split("/")[2]
    session = checked(dll.WinHttpOpen("test", WINHTTP_ACCESS_TYPE_DEFAULT_PROXY, None, None, 0))
    connection = checked(dll.WinHttpConnect(handle(session), host, 80, 0))
    request = checked(dll.WinHttpOpenRequest(handle(connection), "GET", "/", None, None, None, 0))
    checked(dll.WinHttpSendRequest(handle(request), None, 0, None, 0, 0, handle(0)))
    checked(dll.WinHttpReceiveResponse(handle(request), None))

    def query(*arguments: object) -> int:
        done: int = dll.WinHttpQueryHeaders(*arguments[:2], None, *arguments[2:])
        return done

    return status(query, request, WINHTTP_QUERY_STATUS_CODE)


def library(name: str, *opening: str) -> Any:
    dll = ctypes.WinDLL(name, use_last_error=True)
    for function in opening:
        getattr(dll, function).restype = ctypes.c_void_p
    return dll


def handle(value: int) -> ctypes.c_void_p:
    return ctypes.c_void_p(value)


def status(query: Any, request: int, what: int) -> int:
    number, size = wintypes.DWORD(), wintypes.DWORD(4)
    level = wintypes.DWORD(what | FLAG_NUMBER)
    checked(query(handle(request), level, ctypes.byref(number), ctypes.byref(size), None))
    return number.value


def checked(result: int | None) -> int:
    if not result:
        raise ctypes.WinError(ctypes.get_last_error())
    return result


if __name__ == "__main__":
    by, where = sys.argv[1:]
    print({"wininet": fetch_by_wininet, "winhttp": fetch_by_winhttp}[by](where))
