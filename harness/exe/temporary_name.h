/* The name of the folder that the one-file form is unpacked into, for PyInstaller's bootloader.

   It asks _wtempnam() for a name that begins with the whole prefix, and its second process checks that
   it does. The one of msvcrt, which mingw links, may shorten a prefix; that of Wine keeps three letters.
   Compiled into each of the bootloader's files, by gcc's -include. */
#include <stdlib.h>
#include <stdio.h>
#include <wchar.h>

/* From the system's source of random numbers; declared here, for <stdlib.h> does so on request only. */
int rand_s(unsigned int *number);

/* A name in FOLDER, to be freed; NULL if there is none to be had. Who makes the folder sees whether
   it was there before. */
__attribute__((unused)) static wchar_t *
temporary_name(const wchar_t *folder, const wchar_t *prefix)
{
    size_t length = wcslen(folder) + wcslen(prefix) + sizeof "\\01234567";
    wchar_t *name = malloc(length * sizeof *name);
    size_t end = wcslen(folder);
    const wchar_t *between = end && folder[end - 1] == L'\\' ? L"" : L"\\";
    unsigned int number;

    if (!name || rand_s(&number)) {
        free(name);
        return NULL;
    }
    swprintf(name, length, L"%ls%ls%ls%08x", folder, between, prefix, number);
    return name;
}

#define _wtempnam temporary_name
