/* tidemill_test.c: the functions of the contract over a state in memory. */
#include "tidemill_test.h"
#include "tidemill_arena.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* What has a name and a value, ordered by name: the state, or the settings. */
typedef struct table {
    tm_entry *entries;
    size_t count, capacity;
} table;

static table committed, state, settings;
static tm_buffer log_lines;

static void *checked(void *memory)
{
    if (memory == NULL)
        tm_panic("out of memory");
    return memory;
}

static tm_text copy(tm_text text)
{
    char *bytes = checked(malloc(text.len + 1));
    if (text.len > 0)
        memcpy(bytes, text.ptr, text.len);
    bytes[text.len] = '\0';
    return (tm_text){bytes, text.len};
}

static void drop(tm_text text)
{
    free((char *)(uintptr_t)text.ptr);
}

/* The place of the first entry that is not below `key`. */
static size_t place(const table *table, tm_text key)
{
    size_t low = 0, high = table->count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (tm_compare(table->entries[middle].key, key) < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

static bool has(const table *table, size_t at, tm_text key)
{
    return at < table->count && tm_compare(table->entries[at].key, key) == 0;
}

static void set(table *table, tm_text key, tm_value value)
{
    size_t at = place(table, key);
    tm_entry *entry = table->entries + at;
    if (has(table, at, key)) {
        drop(entry->value.data);
        if (value.kind != TM_NONE) {
            entry->value = (tm_value){value.kind, copy(value.data)};
            return;
        }
        drop(entry->key);
        memmove(entry, entry + 1, (--table->count - at) * sizeof *entry);
    } else if (value.kind != TM_NONE) {
        if (table->count == table->capacity) {
            table->capacity = table->capacity * 2 + 16;
            table->entries = checked(realloc(table->entries, table->capacity * sizeof *entry));
            entry = table->entries + at;
        }
        memmove(entry + 1, entry, (table->count++ - at) * sizeof *entry);
        *entry = (tm_entry){copy(key), {value.kind, copy(value.data)}};
    }
}

static void clear(table *table)
{
    for (size_t i = 0; i < table->count; i++) {
        drop(table->entries[i].key);
        drop(table->entries[i].value.data);
    }
    free(table->entries);
    memset(table, 0, sizeof *table);
}

static void copy_all(table *to, const table *from)
{
    clear(to);
    for (size_t i = 0; i < from->count; i++)
        set(to, from->entries[i].key, from->entries[i].value);
}

/* ---- What a processor calls ---- */

tm_value tm_get(tm_text key)
{
    size_t at = place(&state, key);
    if (!has(&state, at, key))
        return (tm_value){.kind = TM_NONE};
    /* A copy, since the processor may change the key and go on reading. */
    tm_value value = state.entries[at].value;
    value.data = tm_format("%.*s", TM_ARG(value.data));
    return value;
}

tm_value *tm_get_many(const tm_text *keys, size_t count)
{
    tm_value *values = tm_alloc_array(count, sizeof *values);
    for (size_t i = 0; i < count; i++)
        values[i] = tm_get(keys[i]);
    return values;
}

void tm_put_value(tm_text key, tm_value value)
{
    if (key.len < 1 || key.len > 1024)
        tm_panic("a key has 1 to 1,024 bytes; this one has %zu", key.len);
    set(&state, key, value);
}

void tm_delete(tm_text key)
{
    set(&state, key, (tm_value){.kind = TM_NONE});
}

void tm_apply(const tm_write *writes, size_t count)
{
    for (size_t i = 0; i < count; i++)
        tm_put_value(writes[i].key, writes[i].value);
}

tm_page tm_scan_page(tm_text prefix, tm_text after, uint32_t limit)
{
    enum { PAGE_ENTRIES_MAX = 1000 };
    size_t most = limit == 0 || limit > PAGE_ENTRIES_MAX ? PAGE_ENTRIES_MAX : limit;
    size_t at = place(&state, prefix);
    if (after.ptr != NULL && tm_compare(after, prefix) >= 0) {
        at = place(&state, after);
        at += has(&state, at, after);
    }
    tm_page page = {.entries = tm_alloc_array(most, sizeof(tm_entry))};
    for (; at < state.count; at++) {
        tm_text key = state.entries[at].key;
        if (key.len < prefix.len || tm_compare((tm_text){key.ptr, prefix.len}, prefix) != 0)
            break;
        page.more = page.count == most;
        if (page.more)
            break;
        tm_text own = tm_format("%.*s", TM_ARG(key));
        page.entries[page.count++] = (tm_entry){own, tm_get(own)};
    }
    return page;
}

tm_text tm_config(tm_text name)
{
    size_t at = place(&settings, name);
    return has(&settings, at, name) ? settings.entries[at].value.data : TM_NO_TEXT;
}

tm_settings tm_config_all(void)
{
    tm_header *all = tm_alloc_array(settings.count, sizeof *all);
    for (size_t i = 0; i < settings.count; i++)
        all[i] = (tm_header){settings.entries[i].key, settings.entries[i].value.data};
    return (tm_settings){all, settings.count};
}

bool tm_log_enabled(tm_level level)
{
    return level >= TM_INFO;
}

void tm_log(tm_level level, const char *format, ...)
{
    static const char *const names[] = {"trace", "debug", "info", "warn", "error"};
    if (!tm_log_enabled(level))
        return;
    va_list arguments;
    va_start(arguments, format);
    tm_text line = tm_format_v(format, arguments);
    va_end(arguments);
    tm_text whole = tm_format("%s%s: %.*s\n", tm_test_log(), names[level], TM_ARG(line));
    free(log_lines.ptr);
    tm_text kept = copy(whole);
    log_lines = (tm_buffer){(char *)(uintptr_t)kept.ptr, kept.len, kept.len};
}

_Noreturn void tm_panic(const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    vfprintf(stderr, format, arguments);
    va_end(arguments);
    fputc('\n', stderr);
    abort();
}

/* ---- What a test calls ---- */

void tm_test_reset(void)
{
    clear(&committed);
    clear(&state);
    clear(&settings);
    free(log_lines.ptr);
    log_lines = (tm_buffer){0};
    tm_arena_clear();
}

void tm_test_put(const char *key, const char *text)
{
    set(&committed, tm_string(key), tm_text_value(tm_string(text)));
}

void tm_test_config(const char *name, const char *value)
{
    set(&settings, tm_string(name), tm_text_value(tm_string(value)));
}

tm_result tm_test_process(const tm_batch *batch)
{
    tm_arena_clear();
    copy_all(&state, &committed);
    tm_result result = process(batch);
    if (result.outcome == TM_OK)
        copy_all(&committed, &state);
    return result;
}

tm_result tm_test_process_texts(const char *const *payloads)
{
    size_t count = 0;
    while (payloads[count] != NULL)
        count++;
    tm_event *events = checked(calloc(count + 1, sizeof *events));
    for (size_t i = 0; i < count; i++)
        events[i].data = tm_text_value(tm_string(payloads[i]));
    tm_batch batch = {TM("events"), TM("0"), events, count};
    tm_result result = tm_test_process(&batch);
    free(events);
    return result;
}

const char *tm_test_state(void)
{
    tm_buffer lines = {0};
    for (size_t i = 0; i < committed.count; i++) {
        const tm_entry *entry = &committed.entries[i];
        tm_append_format(&lines, "%.*s=", TM_ARG(entry->key));
        if (entry->value.kind == TM_TEXT)
            tm_append(&lines, entry->value.data);
        else
            tm_append(&lines, TM("b:"));
        for (size_t j = 0; entry->value.kind == TM_BYTES && j < entry->value.data.len; j++)
            tm_append_format(&lines, "%02x", (unsigned char)entry->value.data.ptr[j]);
        tm_append(&lines, TM("\n"));
    }
    return tm_buffer_text(&lines).ptr;
}

const char *tm_test_log(void)
{
    return log_lines.ptr == NULL ? "" : log_lines.ptr;
}
