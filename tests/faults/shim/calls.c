// The calls: what SQLite and Rust's standard library call to change files.
//
// TIDEMILL_SHIM_ROOT is the directory below which files are watched, as an absolute path without links.

#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#include "shim.h"

#define FILES_MAX 4096

static const char *root;
static char *paths[FILES_MAX];

__attribute__((constructor)) static void begin(void) {
    root = getenv("TIDEMILL_SHIM_ROOT");
}

static int below_root(const char *path) {
    if (!root) return 0;
    size_t bytes = strlen(root);
    return strncmp(path, root, bytes) == 0 && (path[bytes] == '/' || path[bytes] == 0);
}

const char *watched(int fd) {
    return fd >= 0 && fd < FILES_MAX ? paths[fd] : NULL;
}

// A path as an absolute one. Empty if it is none that can be watched.
static const char *absolute(int at, const char *path, char *into) {
    into[0] = 0;
    if (!root || !path) return into;
    if (path[0] == '/') {
        snprintf(into, PATH_MAX, "%s", path);
    } else if (at == AT_FDCWD && syscall(SYS_getcwd, into, PATH_MAX) > 0) {
        size_t bytes = strlen(into);
        snprintf(into + bytes, PATH_MAX - bytes, "/%s", path);
    }
    return below_root(into) ? into : (into[0] = 0, into);
}

static uint64_t inode(int fd) {
    struct stat status;
    return fstat(fd, &status) == 0 ? status.st_ino : 0;
}

static int refuse(int error) {
    errno = error;
    return -1;
}

static int opened(int at, const char *path, int flags, mode_t mode) {
    char into[PATH_MAX];
    absolute(at, path, into);
    int made = 0;
    if (into[0] && (flags & (O_WRONLY | O_RDWR | O_CREAT))) {
        int there = syscall(SYS_faccessat, AT_FDCWD, into, F_OK) == 0;
        made = !there && (flags & O_CREAT);
        // A file that is there is no trouble for whoever wants to make a new one.
        if (!(there && (flags & O_EXCL))) {
            int error = trouble('o', into);
            if (error > 0) return refuse(error);
        }
    }
    int fd = (int)syscall(SYS_openat, at, path, flags, mode);
    if (fd < 0 || fd >= FILES_MAX || !into[0]) return fd;
    free(paths[fd]);
    paths[fd] = strdup(into);
    if (made) journal(CREATED, inode(fd), 0, into, NULL, 0);
    if (flags & O_TRUNC && !made) journal(TRUNCATED, inode(fd), 0, into, NULL, 0);
    return fd;
}

static mode_t mode_of(int flags, va_list arguments) {
    return flags & (O_CREAT | O_TMPFILE) ? va_arg(arguments, mode_t) : 0;
}

#define OPEN(name)                                                                                                                 \
    int name(const char *path, int flags, ...) {                                                                                  \
        va_list arguments;                                                                                                        \
        va_start(arguments, flags);                                                                                               \
        mode_t mode = mode_of(flags, arguments);                                                                                  \
        va_end(arguments);                                                                                                        \
        return opened(AT_FDCWD, path, flags, mode);                                                                               \
    }
#define OPENAT(name)                                                                                                               \
    int name(int at, const char *path, int flags, ...) {                                                                          \
        va_list arguments;                                                                                                        \
        va_start(arguments, flags);                                                                                               \
        mode_t mode = mode_of(flags, arguments);                                                                                  \
        va_end(arguments);                                                                                                        \
        return opened(at, path, flags, mode);                                                                                     \
    }
OPEN(open)
OPEN(open64)
OPENAT(openat)
OPENAT(openat64)

int close(int fd) {
    if (watched(fd)) {
        free(paths[fd]);
        paths[fd] = NULL;
    }
    return (int)syscall(SYS_close, fd);
}

// Writes at an offset; a negative one is wherever the file stands.
static ssize_t written(int fd, const void *data, size_t bytes, off_t offset) {
    const char *path = watched(fd);
    if (path) {
        int error = trouble('w', path);
        if (error > 0) return refuse(error);
        if (error < 0 && bytes > 1) bytes /= 2;
    }
    off_t at = offset;
    if (path && offset < 0) {
        int flags = (int)syscall(SYS_fcntl, fd, F_GETFL);
        at = syscall(SYS_lseek, fd, 0, flags & O_APPEND ? SEEK_END : SEEK_CUR);
    }
    ssize_t done = offset < 0 ? syscall(SYS_write, fd, data, bytes) : syscall(SYS_pwrite64, fd, data, bytes, offset);
    if (done > 0 && path) journal(WRITTEN, inode(fd), (uint64_t)at, path, data, (size_t)done);
    return done;
}

ssize_t write(int fd, const void *data, size_t bytes) {
    // Before it is done: what is heard was said, and what was promised before the power cut counts.
    if (fd == 1 || fd == 2) journal(SAID, 0, 0, "", data, bytes);
    return written(fd, data, bytes, -1);
}

ssize_t writev(int fd, const struct iovec *parts, int count) {
    if (!watched(fd)) {
        for (int part = 0; (fd == 1 || fd == 2) && part < count; part++)
            journal(SAID, 0, 0, "", parts[part].iov_base, parts[part].iov_len);
        return syscall(SYS_writev, fd, parts, count);
    }
    // The first part that is not empty: fewer bytes than were asked for are a right answer.
    while (count > 1 && parts->iov_len == 0) parts++, count--;
    return count > 0 ? written(fd, parts->iov_base, parts->iov_len, -1) : 0;
}

ssize_t pwrite(int fd, const void *data, size_t bytes, off_t offset) {
    return written(fd, data, bytes, offset);
}

ssize_t pwrite64(int fd, const void *data, size_t bytes, off64_t offset) {
    return written(fd, data, bytes, offset);
}

static int hears(int fd) {
    const char *path = watched(fd);
    return path ? trouble('r', path) : 0;
}

ssize_t read(int fd, void *into, size_t bytes) {
    int error = hears(fd);
    return error > 0 ? refuse(error) : syscall(SYS_read, fd, into, bytes);
}

ssize_t pread64(int fd, void *into, size_t bytes, off64_t offset) {
    int error = hears(fd);
    return error > 0 ? refuse(error) : syscall(SYS_pread64, fd, into, bytes, offset);
}

static int truncated(int fd, off_t length) {
    const char *path = watched(fd);
    int error = path ? trouble('t', path) : 0;
    if (error > 0) return refuse(error);
    int done = (int)syscall(SYS_ftruncate, fd, length);
    if (done == 0 && path) journal(TRUNCATED, inode(fd), (uint64_t)length, path, NULL, 0);
    return done;
}

int ftruncate(int fd, off_t length) {
    return truncated(fd, length);
}

int ftruncate64(int fd, off64_t length) {
    return truncated(fd, length);
}

static int synced(int fd, long call) {
    const char *path = watched(fd);
    if (!path) return (int)syscall(call, fd);
    uint64_t file = inode(fd);
    journal(SYNCING, file, 0, path, NULL, 0);
    int error = trouble('s', path);
    if (error > 0) return refuse(error);
    int done = (int)syscall(call, fd);
    if (done == 0) journal(SYNCED, file, 0, path, NULL, 0);
    return done;
}

int fsync(int fd) {
    return synced(fd, SYS_fsync);
}

int fdatasync(int fd) {
    return synced(fd, SYS_fdatasync);
}

static int unlinked(int at, const char *path, int flags) {
    char into[PATH_MAX];
    int error = absolute(at, path, into)[0] ? trouble('u', into) : 0;
    if (error > 0) return refuse(error);
    int done = (int)syscall(SYS_unlinkat, at, path, flags);
    if (done == 0 && into[0]) journal(UNLINKED, 0, 0, into, NULL, 0);
    return done;
}

int unlink(const char *path) {
    return unlinked(AT_FDCWD, path, 0);
}

int unlinkat(int at, const char *path, int flags) {
    return unlinked(at, path, flags);
}

int rename(const char *from, const char *to) {
    char old[PATH_MAX], new[PATH_MAX];
    absolute(AT_FDCWD, to, new);
    int error = absolute(AT_FDCWD, from, old)[0] ? trouble('n', old) : 0;
    if (error > 0) return refuse(error);
    int done = (int)syscall(SYS_renameat2, AT_FDCWD, from, AT_FDCWD, to, 0);
    if (done == 0 && (old[0] || new[0])) journal(RENAMED, 0, 0, old, new, strlen(new));
    return done;
}
