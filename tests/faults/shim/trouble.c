// Trouble: calls that are made to fail.
//
// TIDEMILL_SHIM_TROUBLE is a file with one line, read before every call, so that trouble begins and passes while the program runs:
//
//   SERIAL LETTERS ERROR FIRST TIMES PART
//
// Of the calls of these LETTERS whose path contains PART (`*` for all), those from the FIRST (from 1) on fail with ERROR, so many
// TIMES (0: for ever). Another SERIAL counts from the beginning.

#define _GNU_SOURCE
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "shim.h"

static int file = -1;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static long serial = -1, met;

__attribute__((constructor)) static void begin(void) {
    const char *path = getenv("TIDEMILL_SHIM_TROUBLE");
    if (path) file = (int)syscall(SYS_openat, AT_FDCWD, path, O_RDONLY | O_CLOEXEC);
}

int trouble(char letter, const char *path) {
    if (file < 0) return 0;
    char line[512];
    long bytes = syscall(SYS_pread64, file, line, sizeof line - 1, 0);
    if (bytes <= 0) return 0;
    line[bytes] = 0;
    long number, first, times;
    int error, fails = 0;
    char letters[16], part[256];
    if (sscanf(line, "%ld %15s %d %ld %ld %255s", &number, letters, &error, &first, &times, part) != 6) return 0;
    if (!strchr(letters, letter) || (strcmp(part, "*") != 0 && !strstr(path, part))) return 0;
    pthread_mutex_lock(&lock);
    if (number != serial) {
        serial = number;
        met = 0;
    }
    met++;
    fails = met >= first && (times == 0 || met < first + times);
    pthread_mutex_unlock(&lock);
    if (!fails) return 0;
    journal(FAILED, 0, (uint64_t)(int64_t)error, path, &letter, 1);
    return error;
}
