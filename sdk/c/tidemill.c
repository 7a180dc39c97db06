/* tidemill.c: what needs no host: memory, text, results. It is the same in a component and in a test on your machine. */
#include "tidemill.h"
#include "tidemill_arena.h"

#include <stdlib.h>
#include <string.h>

/* ---- The arena: blocks in a chain, all freed at once ---- */

enum { ALIGNMENT = 16, BLOCK_BYTES = 64 * 1024 };

typedef struct block {
    struct block *before;
    size_t used, capacity; /* in bytes, this header included */
} block;

static block *newest;

/* The size of a block's header, rounded up to the alignment. */
static const size_t HEADER_BYTES = (sizeof(block) + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT;

void *tm_alloc(size_t bytes)
{
    if (bytes > SIZE_MAX / 2 - HEADER_BYTES - ALIGNMENT)
        tm_panic("out of memory: %zu bytes were asked for at once", bytes);
    bytes = (bytes + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT;
    if (newest == NULL || newest->capacity - newest->used < bytes) {
        size_t capacity = HEADER_BYTES + bytes > BLOCK_BYTES ? HEADER_BYTES + bytes : BLOCK_BYTES;
        block *fresh = malloc(capacity);
        if (fresh == NULL)
            tm_panic("out of memory: %zu bytes more than the limit `memory` allows", capacity);
        *fresh = (block){.before = newest, .used = HEADER_BYTES, .capacity = capacity};
        newest = fresh;
    }
    void *memory = (char *)newest + newest->used;
    newest->used += bytes;
    return memory;
}

void *tm_alloc_array(size_t count, size_t bytes)
{
    if (bytes != 0 && count > SIZE_MAX / 2 / bytes)
        tm_panic("out of memory: an array of %zu times %zu bytes was asked for", count, bytes);
    void *memory = tm_alloc(count * bytes);
    memset(memory, 0, count * bytes);
    return memory;
}

void *tm_arena_realloc(void *memory, size_t old_bytes, size_t bytes)
{
    if (memory != NULL && bytes <= old_bytes)
        return memory;
    void *larger = tm_alloc(bytes);
    if (memory != NULL)
        memcpy(larger, memory, old_bytes);
    return larger;
}

void tm_arena_trim(const void *end)
{
    size_t used = newest == NULL ? 0 : (size_t)((const char *)end - (const char *)newest);
    if (used < HEADER_BYTES || used > newest->used)
        tm_panic("memory was to be given back that is not the newest of the arena: this is a bug of Tidemill's SDK");
    newest->used = (used + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT;
}

void tm_arena_clear(void)
{
    while (newest != NULL) {
        block *before = newest->before;
        free(newest);
        newest = before;
    }
}

/* ---- Values ---- */

tm_value tm_text_value(tm_text text)
{
    return (tm_value){text.ptr == NULL ? TM_NONE : TM_TEXT, text};
}

tm_value tm_bytes_value(const void *bytes, size_t len)
{
    return (tm_value){TM_BYTES, {bytes, len}};
}

void tm_put(tm_text key, tm_text text)
{
    /* No text is no value elsewhere; who puts it means the empty text. */
    tm_put_value(key, (tm_value){TM_TEXT, text});
}

void tm_put_bytes(tm_text key, const void *bytes, size_t len)
{
    tm_put_value(key, tm_bytes_value(bytes, len));
}

/* ---- Scans ---- */

tm_scan tm_scan_begin(tm_text prefix)
{
    return (tm_scan){.prefix = prefix, .page = {.more = true}};
}

bool tm_scan_next(tm_scan *scan, tm_entry *entry)
{
    if (scan->next == scan->page.count) {
        if (!scan->page.more)
            return false;
        tm_text after = scan->page.count == 0 ? TM_NO_TEXT : scan->page.entries[scan->page.count - 1].key;
        scan->page = tm_scan_page(scan->prefix, after, scan->page_limit);
        scan->next = 0;
        if (scan->page.count == 0)
            return scan->page.more = false;
    }
    *entry = scan->page.entries[scan->next++];
    return true;
}

/* ---- Results ---- */

#define FORMATTED(text, format)                      \
    va_list arguments;                               \
    va_start(arguments, format);                     \
    tm_text text = tm_format_v(format, arguments);   \
    va_end(arguments)

tm_result tm_ok(void)
{
    return (tm_result){.outcome = TM_OK};
}

tm_result tm_reject(size_t index, const char *format, ...)
{
    FORMATTED(reason, format);
    return (tm_result){.outcome = TM_REJECT, .index = index, .reason = reason};
}

tm_result tm_retry(uint64_t after_ms, const char *format, ...)
{
    FORMATTED(reason, format);
    return (tm_result){.outcome = TM_RETRY, .after_ms = after_ms, .reason = reason};
}

tm_result tm_halt(const char *format, ...)
{
    FORMATTED(reason, format);
    return (tm_result){.outcome = TM_HALT, .reason = reason};
}
