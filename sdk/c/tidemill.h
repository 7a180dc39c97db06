/* tidemill.h: what a processor in C builds upon.
 *
 * You write one function, `process`. It is called once per batch of events; what it puts into the state is committed
 * together with the feed's cursor, in one transaction.
 *
 *     #include "tidemill.h"
 *
 *     tm_result process(const tm_batch *batch)
 *     {
 *         for (size_t i = 0; i < batch->count; i++) {
 *             const tm_event *event = &batch->events[i];
 *             if (event->data.kind != TM_TEXT)
 *                 return tm_reject(i, "the payload is not text");
 *             tm_put(TM("last"), event->data.data);
 *         }
 *         return tm_ok();
 *     }
 *
 * Memory: whatever these functions return lives until `process` returns, and is freed then. There is nothing to free
 * by yourself. `tm_alloc` gives memory of the same kind. Keep nothing in globals between calls.
 */
#ifndef TIDEMILL_H
#define TIDEMILL_H

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define TM_PRINTF(at, first) __attribute__((__format__(__printf__, at, first)))

/* ---- Text ---- */

/* UTF-8 with its length. It may hold any character, zero too, and ends where `len` says. `ptr` is NULL for no text. */
typedef struct tm_text {
    const char *ptr;
    size_t len;
} tm_text;

/* The text of a literal: TM("total/"). */
#define TM(literal) ((tm_text){"" literal, sizeof(literal) - 1})

/* A text as an argument of `%.*s`: tm_format("total/%.*s", TM_ARG(user)). */
#define TM_ARG(text) (int)(text).len, (text).ptr

/* No text: what an event without a key has as its key. */
#define TM_NO_TEXT ((tm_text){NULL, 0})

/* The text of a string that ends with a zero. */
tm_text tm_string(const char *string);

/* Whether two texts have the same bytes. No text equals nothing but no text. */
bool tm_equal(tm_text a, tm_text b);

/* Below, at or above 0 as `a` is less than, equal to or greater than `b` in the order of bytes, which is that of scans. */
int tm_compare(tm_text a, tm_text b);

/* As printf does, into new text, which also ends with a zero. `%.*s` takes all the bytes that it is given, zeros too. There is
 * no `%n`. */
tm_text tm_format(const char *format, ...) TM_PRINTF(1, 2);

/* A decimal integer: perhaps a sign, digits and nothing else, of at most 128 bits. False if the text is anything else. */
bool tm_parse_integer(tm_text text, __int128 *number);

/* An integer as decimal text. */
tm_text tm_integer(__int128 number);

/* Text that grows. Begin with `tm_buffer buffer = {0}`. */
typedef struct tm_buffer {
    char *ptr;
    size_t len, capacity;
} tm_buffer;

/* Appends bytes as they are. */
void tm_append(tm_buffer *buffer, tm_text text);

/* Appends as `tm_format` formats. */
void tm_append_format(tm_buffer *buffer, const char *format, ...) TM_PRINTF(2, 3);

/* What was appended so far; never no text. */
tm_text tm_buffer_text(const tm_buffer *buffer);

/* ---- Memory ---- */

/* Memory for anything, aligned to 16, not cleared, until `process` returns. Never NULL. */
void *tm_alloc(size_t bytes);

/* The same for an array, all zero. */
void *tm_alloc_array(size_t count, size_t bytes);

/* ---- Values, events, batches ---- */

typedef enum tm_kind {
    TM_NONE,  /* no value */
    TM_TEXT,  /* UTF-8; JSON is text */
    TM_BYTES, /* anything */
} tm_kind;

/* A payload or a stored value. What is put as text is read as text. */
typedef struct tm_value {
    tm_kind kind;
    tm_text data; /* the text, or the bytes */
} tm_value;

/* The value of a text, or of no value for no text. */
tm_value tm_text_value(tm_text text);
tm_value tm_bytes_value(const void *bytes, size_t len);

typedef struct tm_header {
    tm_text name, value;
} tm_header;

/* One fact of the feed. `id`, `kind` and `key` are no text where the publisher gave none. */
typedef struct tm_event {
    tm_value data; /* text exactly as the publisher sent it, or bytes; never TM_NONE */
    const tm_header *headers;
    size_t header_count;
    tm_text id;
    tm_text kind;
    tm_text key;
    bool has_occurred_at;
    int64_t occurred_at; /* microseconds since 1970-01-01T00:00:00Z */
} tm_event;

/* Events of one partition that are committed together: at least one, in the order in which to apply them. */
typedef struct tm_batch {
    tm_text feed;
    tm_text partition;
    const tm_event *events;
    size_t count;
} tm_batch;

/* ---- The state: a map from text to values. A read sees the writes before it. ---- */

/* The value of a key; TM_NONE if it has none. */
tm_value tm_get(tm_text key);

/* The values of `count` keys, in their order, in one crossing. Cheaper than many `tm_get`s. */
tm_value *tm_get_many(const tm_text *keys, size_t count);

void tm_put(tm_text key, tm_text text);
void tm_put_bytes(tm_text key, const void *bytes, size_t len);
/* A value as it was read. TM_NONE deletes the key. */
void tm_put_value(tm_text key, tm_value value);
/* A key that is not there is no error. */
void tm_delete(tm_text key);

typedef struct tm_write {
    tm_text key;
    tm_value value; /* TM_NONE deletes the key */
} tm_write;

/* Many changes in one crossing, applied in their order. */
void tm_apply(const tm_write *writes, size_t count);

typedef struct tm_entry {
    tm_text key;
    tm_value value;
} tm_entry;

/* A walk over the entries whose keys begin with a prefix, in the order of the bytes of their keys:
 *
 *     tm_scan scan = tm_scan_begin(TM("total/"));
 *     for (tm_entry entry; tm_scan_next(&scan, &entry);)
 *         …
 */
typedef struct tm_scan tm_scan;
tm_scan tm_scan_begin(tm_text prefix);
bool tm_scan_next(tm_scan *scan, tm_entry *entry);

typedef struct tm_page {
    tm_entry *entries;
    size_t count;
    bool more; /* whether keys after the last entry remain */
} tm_page;

/* One page of such a walk: at most `limit` entries after the key `after` (or TM_NO_TEXT). The host gives at most 1,000
 * at once, and as many as it likes for a limit of 0. */
tm_page tm_scan_page(tm_text prefix, tm_text after, uint32_t limit);

struct tm_scan {
    tm_text prefix;
    uint32_t page_limit; /* 0: as many as the host gives at once */
    tm_page page;
    size_t next;
};

/* ---- What the operator configured: [processors.NAME.config] ---- */

/* A setting, or no text. Numbers and booleans are given as TOML writes them. */
tm_text tm_config(tm_text name);

typedef struct tm_settings {
    const tm_header *settings; /* name and value, ordered by name */
    size_t count;
} tm_settings;

tm_settings tm_config_all(void);

/* ---- Lines for the operator, in the host's own log ---- */

typedef enum tm_level { TM_TRACE, TM_DEBUG, TM_INFO, TM_WARN, TM_ERROR } tm_level;

/* Whether lines of this level are kept. */
bool tm_log_enabled(tm_level level);

/* Writes one line, if its level is kept. At most 4 KiB. */
void tm_log(tm_level level, const char *format, ...) TM_PRINTF(2, 3);

/* Logs an error and traps. The host shows it with the event that it was about; so it does with a failed `assert`. */
_Noreturn void tm_panic(const char *format, ...) TM_PRINTF(1, 2);

/* ---- What `process` returns. If it is not `tm_ok()`, every write of the call is forgotten. ---- */

typedef enum tm_outcome { TM_OK, TM_RETRY, TM_REJECT, TM_HALT } tm_outcome;

typedef struct tm_result {
    tm_outcome outcome;
    size_t index;      /* of the rejected event */
    uint64_t after_ms; /* of a retry */
    tm_text reason;    /* for people; at most 4 KiB are kept */
} tm_result;

/* Commit the writes and go on. */
tm_result tm_ok(void);

/* The event at this place, from 0, can never be applied. The operator chose what happens then (`on-reject`). */
tm_result tm_reject(size_t index, const char *format, ...) TM_PRINTF(2, 3);

/* The world is not ready: the same batch again, after this many milliseconds or later. */
tm_result tm_retry(uint64_t after_ms, const char *format, ...) TM_PRINTF(2, 3);

/* No further on this partition until a person has looked. */
tm_result tm_halt(const char *format, ...) TM_PRINTF(1, 2);

/* Yours. Applies a batch to the state. */
tm_result process(const tm_batch *batch);

#ifdef __cplusplus
}
#endif
#endif
