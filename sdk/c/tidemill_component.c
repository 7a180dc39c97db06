/* tidemill_component.c: the module in a component: over the bindings that are generated from the contract. */
#include "tidemill.h"
#include "tidemill_arena.h"

#include "processor.h"

#include <stdlib.h>
#include <string.h>

/* These are handed over as they lie in memory. */
_Static_assert(sizeof(tm_text) == sizeof(processor_string_t), "a text is a string of the bindings");
_Static_assert(sizeof(tm_header) == sizeof(processor_tuple2_string_string_t), "a header is a pair of the bindings");

/* Whatever the host gives to a call lies in the call's arena, so nothing of it is ever freed alone. This takes the place
 * of the bindings' own, which is weak. */
__attribute__((__export_name__("cabi_realloc"))) void *cabi_realloc(void *memory, size_t old_bytes, size_t align, size_t bytes)
{
    return bytes == 0 ? (void *)align : tm_arena_realloc(old_bytes == 0 ? NULL : memory, old_bytes, bytes);
}

static processor_string_t string_of(tm_text text)
{
    return (processor_string_t){(uint8_t *)text.ptr, text.len};
}

static tm_text text_of(processor_string_t string)
{
    return string.len == 0 ? TM("") : (tm_text){(const char *)string.ptr, string.len};
}

static tm_text optional_text_of(processor_option_string_t string)
{
    return string.is_some ? text_of(string.val) : TM_NO_TEXT;
}

static tidemill_processor_types_value_t native_of(tm_value value)
{
    tidemill_processor_types_value_t native = {.tag = TIDEMILL_PROCESSOR_TYPES_VALUE_TEXT};
    native.val.text = string_of(value.data);
    if (value.kind == TM_BYTES)
        native.tag = TIDEMILL_PROCESSOR_TYPES_VALUE_BYTES;
    return native;
}

static tm_value value_of(const tidemill_processor_types_value_t *native)
{
    bool bytes = native->tag == TIDEMILL_PROCESSOR_TYPES_VALUE_BYTES;
    return (tm_value){bytes ? TM_BYTES : TM_TEXT, text_of(native->val.text)};
}

/* ---- State ---- */

tm_value tm_get(tm_text key)
{
    processor_string_t name = string_of(key);
    tidemill_processor_state_value_t value;
    return tidemill_processor_state_get(&name, &value) ? value_of(&value) : (tm_value){.kind = TM_NONE};
}

tm_value *tm_get_many(const tm_text *keys, size_t count)
{
    processor_list_string_t list = {(processor_string_t *)keys, count};
    tidemill_processor_state_list_option_value_t found;
    tidemill_processor_state_get_many(&list, &found);
    tm_value *values = tm_alloc_array(count, sizeof *values);
    for (size_t i = 0; i < count; i++)
        if (found.ptr[i].is_some)
            values[i] = value_of(&found.ptr[i].val);
    return values;
}

void tm_put_value(tm_text key, tm_value value)
{
    processor_string_t name = string_of(key);
    tidemill_processor_state_value_t native = native_of(value);
    if (value.kind == TM_NONE)
        tidemill_processor_state_delete(&name);
    else
        tidemill_processor_state_put(&name, &native);
}

void tm_delete(tm_text key)
{
    processor_string_t name = string_of(key);
    tidemill_processor_state_delete(&name);
}

void tm_apply(const tm_write *writes, size_t count)
{
    tidemill_processor_state_write_t *natives = tm_alloc_array(count, sizeof *natives);
    for (size_t i = 0; i < count; i++) {
        natives[i].key = string_of(writes[i].key);
        natives[i].value.is_some = writes[i].value.kind != TM_NONE;
        natives[i].value.val = native_of(writes[i].value);
    }
    tidemill_processor_state_list_write_t list = {natives, count};
    tidemill_processor_state_apply(&list);
}

tm_page tm_scan_page(tm_text prefix, tm_text after, uint32_t limit)
{
    tidemill_processor_state_range_t range = {
        .prefix = string_of(prefix),
        .after = {.is_some = after.ptr != NULL, .val = string_of(after)},
        .limit = limit,
    };
    tidemill_processor_state_page_t found;
    tidemill_processor_state_scan(&range, &found);
    tm_page page = {tm_alloc_array(found.entries.len, sizeof *page.entries), found.entries.len, found.more};
    for (size_t i = 0; i < page.count; i++)
        page.entries[i] = (tm_entry){text_of(found.entries.ptr[i].key), value_of(&found.entries.ptr[i].value)};
    return page;
}

/* ---- Configuration ---- */

tm_text tm_config(tm_text name)
{
    processor_string_t wanted = string_of(name), value;
    return tidemill_processor_config_get(&wanted, &value) ? text_of(value) : TM_NO_TEXT;
}

tm_settings tm_config_all(void)
{
    processor_list_tuple2_string_string_t all;
    tidemill_processor_config_get_all(&all);
    return (tm_settings){(const tm_header *)all.ptr, all.len};
}

/* ---- Log ---- */

bool tm_log_enabled(tm_level level)
{
    return tidemill_processor_log_enabled((tidemill_processor_log_level_t)level);
}

static void write_line(tm_level level, tm_text line)
{
    processor_string_t message = string_of(tm_clean(line));
    tidemill_processor_log_write((tidemill_processor_log_level_t)level, &message);
}

void tm_log(tm_level level, const char *format, ...)
{
    if (!tm_log_enabled(level))
        return;
    va_list arguments;
    va_start(arguments, format);
    write_line(level, tm_format_v(format, arguments));
    va_end(arguments);
}

_Noreturn void tm_panic(const char *format, ...)
{
    static bool panicking;
    /* Formatting needs memory, and memory may be what is missing. */
    if (!panicking) {
        panicking = true;
        va_list arguments;
        va_start(arguments, format);
        write_line(TM_ERROR, tm_format_v(format, arguments));
        va_end(arguments);
    } else {
        write_line(TM_ERROR, TM("out of memory"));
    }
    __builtin_trap();
}

/* What a failed `assert` calls. */
_Noreturn void __assert_fail(const char *expression, const char *file, int line, const char *function)
{
    tm_panic("assertion failed: %s\n  at %s (%s:%d)", expression, function, file, line);
}

/* ---- The export ---- */

static tm_batch batch_of(const exports_tidemill_processor_handler_batch_t *native)
{
    size_t count = native->events.len;
    tm_event *events = tm_alloc_array(count, sizeof *events);
    for (size_t i = 0; i < count; i++) {
        const tidemill_processor_types_event_t *event = &native->events.ptr[i];
        events[i] = (tm_event){
            .data = value_of(&event->data),
            .headers = (const tm_header *)event->headers.ptr,
            .header_count = event->headers.len,
            .id = optional_text_of(event->id),
            .kind = optional_text_of(event->kind),
            .key = optional_text_of(event->key),
            .has_occurred_at = event->occurred_at.is_some,
            .occurred_at = event->occurred_at.is_some ? event->occurred_at.val : 0,
        };
    }
    return (tm_batch){text_of(native->feed), text_of(native->partition), events, count};
}

/* A copy that outlives the arena: the bindings free it, alone, when the host has read it. */
static processor_string_t kept(tm_text text)
{
    enum { REASON_BYTES_MAX = 4096 }; /* more is not kept */
    text = tm_clean(text);
    size_t len = text.len < REASON_BYTES_MAX ? text.len : REASON_BYTES_MAX;
    /* Not within a character: its later bytes begin with the bits 10. */
    while (len < text.len && len > 0 && ((unsigned char)text.ptr[len] & 0xC0) == 0x80)
        len--;
    if (len == 0)
        return (processor_string_t){NULL, 0};
    processor_string_t copy = {malloc(len), len};
    if (copy.ptr == NULL)
        tm_panic("out of memory");
    memcpy(copy.ptr, text.ptr, len);
    return copy;
}

bool exports_tidemill_processor_handler_process(exports_tidemill_processor_handler_batch_t *native,
                                                exports_tidemill_processor_handler_failure_t *failure)
{
    tm_batch batch = batch_of(native);
    tm_result result = process(&batch);
    switch (result.outcome) {
    case TM_OK:
        break;
    case TM_RETRY:
        failure->tag = TIDEMILL_PROCESSOR_TYPES_FAILURE_RETRY;
        failure->val.retry = (tidemill_processor_types_retry_t){result.after_ms, kept(result.reason)};
        break;
    case TM_REJECT: {
        /* A place outside of the batch makes the host search. */
        uint32_t index = result.index > UINT32_MAX ? UINT32_MAX : (uint32_t)result.index;
        failure->tag = TIDEMILL_PROCESSOR_TYPES_FAILURE_REJECT;
        failure->val.reject = (tidemill_processor_types_reject_t){index, kept(result.reason)};
        break;
    }
    case TM_HALT:
        failure->tag = TIDEMILL_PROCESSOR_TYPES_FAILURE_HALT;
        failure->val.halt = kept(result.reason);
        break;
    }
    tm_arena_clear();
    return result.outcome == TM_OK;
}
