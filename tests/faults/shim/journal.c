// The journal: what was done to the files, in the order in which it was done.
//
// TIDEMILL_SHIM_JOURNAL   the file that records are appended to
// TIDEMILL_SHIM_KINDS     the letters of the kinds that are recorded; all if it is not there
// TIDEMILL_SHIM_FILES     only files whose names begin with this; all if it is not there
// TIDEMILL_SHIM_LABEL     what the process is called in the journal

#define _GNU_SOURCE
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#include "shim.h"

static int file = -1;
static const char *kinds, *names;

__attribute__((constructor)) static void begin(void) {
    const char *path = getenv("TIDEMILL_SHIM_JOURNAL"), *label = getenv("TIDEMILL_SHIM_LABEL");
    kinds = getenv("TIDEMILL_SHIM_KINDS");
    names = getenv("TIDEMILL_SHIM_FILES");
    if (!path) return;
    // Processes share it: each record is one write, and those of O_APPEND do not mix.
    file = (int)syscall(SYS_openat, AT_FDCWD, path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    journal(BEGUN, 0, 0, label ? label : "", NULL, 0);
}

static int wanted(int kind, const char *path) {
    if (kinds && !strchr(kinds, kind)) return 0;
    if (!names || kind == BEGUN || kind == SAID || kind == JUMPED) return 1;
    const char *slash = strrchr(path, '/');
    const char *name = slash ? slash + 1 : path;
    // Directories are synced, too.
    return strncmp(name, names, strlen(names)) == 0 || kind == SYNCING || kind == SYNCED;
}

void journal(int kind, uint64_t inode, uint64_t offset, const char *path, const void *data, size_t bytes) {
    if (file < 0 || !wanted(kind, path)) return;
    struct record record = {RECORD_MAGIC, (uint32_t)kind, inode, offset, (uint32_t)strlen(path), (uint32_t)bytes};
    struct iovec parts[3] = {
        {&record, sizeof record},
        {(void *)path, record.path_bytes},
        {(void *)data, bytes},
    };
    // A journal with a hole proves nothing: better no program than a wrong verdict.
    if (syscall(SYS_writev, file, parts, 3) != (long)(sizeof record + record.path_bytes + bytes)) abort();
}
