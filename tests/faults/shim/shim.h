// The shim: loaded under the real program with LD_PRELOAD, it stands between the program and the system.
//
//   program ──▶ calls.c ──▶ trouble.c: does this call fail? ──▶ the system
//                  │                                               │
//                  └──────────▶ journal.c: what was done ◀─────────┘        clock.c: what time it is
//
// It is told what to do by the environment, see each file. It calls the system with syscall(2), so that it never meets itself.

#pragma once

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

// A record of the journal: this header, then the path, then the data. Read by src/disk/journal.rs.
struct record {
    uint32_t magic;
    uint32_t kind;
    uint64_t file;   // its inode
    uint64_t offset; // of a write; the length of a truncate; the error of a failure
    uint32_t path_bytes;
    uint32_t data_bytes;
};

#define RECORD_MAGIC 0x6c616e6a

// The kinds of records.
enum {
    BEGUN = 'b',     // a process; the path is its label
    CREATED = 'c',   // a file that was not there
    WRITTEN = 'w',   // data at an offset
    TRUNCATED = 't', // to a length
    SYNCING = 's',   // a sync has begun: what was recorded before is what it covers
    SYNCED = 'S',    // it has ended well
    UNLINKED = 'u',  // a path
    RENAMED = 'r',   // a path; the data is the new path
    SAID = 'p',      // what the process wrote to its standard output or error
    FAILED = 'f',    // a call that was made to fail; the data is its letter
    JUMPED = 'j',    // the wall clock; the offset is by how many seconds, as signed
};

// Adds a record, if there is a journal and it wants records of this kind and path.
void journal(int kind, uint64_t file, uint64_t offset, const char *path, const void *data, size_t bytes);

// Whether this call is to fail: 0 if not, else the errno, or -1 for a write of half of its bytes.
// The letters: o open for writing, w write, t truncate, s sync, u unlink, n rename, r read.
int trouble(char letter, const char *path);

// The path of an open file below the root that is watched; NULL for any other.
const char *watched(int fd);
