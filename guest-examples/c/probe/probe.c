/* probe.c: does what its events say. It is how the languages are compared: each has the same probe. */
#include "tidemill.h"
#include "tidemill_json.h"

#include <string.h>

/* What an instruction sees: its event, and its members. */
typedef struct call {
    const tm_batch *batch;
    size_t index;
    yyjson_val *json;
    tm_result result;
    const char *wrong; /* why it is not an instruction, if so */
} call;

/* ---- Members of the instruction. What is missing or of another type makes it wrong. ---- */

static yyjson_val *member(const call *call, const char *name)
{
    return tm_json_member(call->json, name);
}

static tm_text as_text(call *call, yyjson_val *value, const char *name)
{
    tm_text text = tm_json_text(value);
    if (text.ptr == NULL) {
        call->wrong = tm_format("`%s` is not a string", name).ptr;
        return TM("");
    }
    return text;
}

static tm_text text(call *call, const char *name)
{
    return as_text(call, member(call, name), name);
}

static int64_t as_integer(call *call, yyjson_val *value, const char *name, int64_t least, int64_t most)
{
    int64_t number;
    if (tm_json_integer(value, &number) && number >= least && number <= most)
        return number;
    call->wrong = tm_format("`%s` is not an integer in its range", name).ptr;
    return 0;
}

static int64_t integer(call *call, const char *name, int64_t least, int64_t most)
{
    return as_integer(call, member(call, name), name, least, most);
}

static yyjson_val *list(call *call, const char *name)
{
    yyjson_val *value = member(call, name);
    if (!yyjson_is_arr(value))
        call->wrong = tm_format("`%s` is not a list", name).ptr;
    return value;
}

static tm_level level(call *call)
{
    static const char *const names[] = {"trace", "debug", "info", "warn", "error"};
    tm_text name = text(call, "level");
    for (int level = TM_TRACE; level <= TM_ERROR; level++)
        if (tm_equal(name, tm_string(names[level])))
            return (tm_level)level;
    call->wrong = "`level` is not a level";
    return TM_ERROR;
}

/* ---- Values as text ---- */

static void append_optional(tm_buffer *buffer, tm_text text)
{
    tm_append(buffer, text.ptr == NULL ? TM("-") : text);
}

static void append_value(tm_buffer *buffer, tm_value value)
{
    switch (value.kind) {
    case TM_NONE:
        tm_append(buffer, TM("-"));
        break;
    case TM_TEXT:
        tm_append(buffer, TM("t:"));
        tm_append(buffer, value.data);
        break;
    case TM_BYTES:
        tm_append(buffer, TM("b:"));
        for (size_t i = 0; i < value.data.len; i++)
            tm_append_format(buffer, "%02x", (unsigned char)value.data.ptr[i]);
        break;
    }
}

/* ---- The instructions ---- */

static void do_put(call *call)
{
    tm_text key = text(call, "key"), value = text(call, "value");
    if (call->wrong == NULL)
        tm_put(key, value);
}

static void do_put_bytes(call *call)
{
    tm_text key = text(call, "key");
    yyjson_val *value = list(call, "value"), *byte;
    unsigned char *bytes = tm_alloc(yyjson_arr_size(value));
    size_t i, count;
    yyjson_arr_foreach(value, i, count, byte) bytes[i] = (unsigned char)as_integer(call, byte, "value", 0, 255);
    if (call->wrong == NULL)
        tm_put_bytes(key, bytes, yyjson_arr_size(value));
}

static void do_delete(call *call)
{
    tm_text key = text(call, "key");
    if (call->wrong == NULL)
        tm_delete(key);
}

static void do_apply(call *call)
{
    yyjson_val *all = list(call, "writes"), *one;
    tm_write *writes = tm_alloc_array(yyjson_arr_size(all), sizeof *writes);
    size_t i, count;
    yyjson_arr_foreach(all, i, count, one)
    {
        yyjson_val *value = tm_json_member(one, "value");
        writes[i].key = as_text(call, tm_json_member(one, "key"), "key");
        if (!yyjson_is_null(value))
            writes[i].value = tm_text_value(as_text(call, value, "value"));
    }
    if (call->wrong == NULL)
        tm_apply(writes, yyjson_arr_size(all));
}

static void do_get(call *call)
{
    tm_text key = text(call, "key"), into = text(call, "into");
    if (call->wrong != NULL)
        return;
    tm_buffer found = {0};
    append_value(&found, tm_get(key));
    tm_put(into, tm_buffer_text(&found));
}

static void do_copy(call *call)
{
    tm_text key = text(call, "key"), into = text(call, "into");
    if (call->wrong == NULL)
        tm_put_value(into, tm_get(key));
}

static void do_get_many(call *call)
{
    tm_text into = text(call, "into");
    yyjson_val *all = list(call, "keys"), *one;
    tm_text *keys = tm_alloc_array(yyjson_arr_size(all), sizeof *keys);
    size_t i, count;
    yyjson_arr_foreach(all, i, count, one) keys[i] = as_text(call, one, "keys");
    if (call->wrong != NULL)
        return;
    count = yyjson_arr_size(all);
    tm_value *values = tm_get_many(keys, count);
    tm_buffer lines = {0};
    for (i = 0; i < count; i++) {
        tm_append(&lines, i == 0 ? TM("") : TM("\n"));
        append_value(&lines, values[i]);
    }
    tm_put(into, tm_buffer_text(&lines));
}

static void do_scan(call *call)
{
    tm_text prefix = text(call, "prefix"), into = text(call, "into"), after = TM_NO_TEXT;
    yyjson_val *given = member(call, "after");
    if (given != NULL && !yyjson_is_null(given))
        after = as_text(call, given, "after");
    uint32_t limit = (uint32_t)integer(call, "limit", 0, UINT32_MAX);
    if (call->wrong != NULL)
        return;
    tm_page page = tm_scan_page(prefix, after, limit);
    tm_buffer lines = {0};
    for (size_t i = 0; i < page.count; i++) {
        tm_append_format(&lines, "%.*s=", TM_ARG(page.entries[i].key));
        append_value(&lines, page.entries[i].value);
        tm_append(&lines, TM("\n"));
    }
    tm_append(&lines, page.more ? TM("more") : TM("end"));
    tm_put(into, tm_buffer_text(&lines));
}

static void do_count(call *call)
{
    tm_text prefix = text(call, "prefix"), into = text(call, "into");
    tm_scan scan = tm_scan_begin(prefix);
    scan.page_limit = (uint32_t)integer(call, "limit", 0, UINT32_MAX);
    if (call->wrong != NULL)
        return;
    size_t count = 0;
    for (tm_entry entry; tm_scan_next(&scan, &entry);)
        count++;
    tm_put(into, tm_format("%zu", count));
}

static void do_sum(call *call)
{
    tm_text key = text(call, "key");
    int64_t amount = integer(call, "amount", INT64_MIN, INT64_MAX);
    if (call->wrong != NULL)
        return;
    tm_value before = tm_get(key);
    __int128 sum = 0;
    if (before.kind != TM_NONE && (before.kind != TM_TEXT || !tm_parse_integer(before.data, &sum)))
        call->result = tm_halt("the state of `%.*s` is not a number", TM_ARG(key));
    else
        tm_put(key, tm_integer(sum + amount));
}

static void do_event(call *call)
{
    tm_text into = text(call, "into");
    if (call->wrong != NULL)
        return;
    const tm_event *event = &call->batch->events[call->index];
    tm_buffer lines = {0};
    tm_append_format(&lines, "feed=%.*s\npartition=%.*s\nindex=%zu\nid=", TM_ARG(call->batch->feed),
                     TM_ARG(call->batch->partition), call->index);
    append_optional(&lines, event->id);
    tm_append(&lines, TM("\nkind="));
    append_optional(&lines, event->kind);
    tm_append(&lines, TM("\nkey="));
    append_optional(&lines, event->key);
    tm_append(&lines, TM("\noccurred-at="));
    append_optional(&lines, event->has_occurred_at ? tm_integer(event->occurred_at) : TM_NO_TEXT);
    for (size_t i = 0; i < event->header_count; i++)
        tm_append_format(&lines, "\nheader %.*s=%.*s", TM_ARG(event->headers[i].name), TM_ARG(event->headers[i].value));
    tm_append(&lines, TM("\ndata="));
    append_value(&lines, event->data);
    tm_put(into, tm_buffer_text(&lines));
}

static void do_config(call *call)
{
    tm_text name = text(call, "name"), into = text(call, "into");
    if (call->wrong == NULL)
        tm_put_value(into, tm_text_value(tm_config(name)));
}

static void do_config_all(call *call)
{
    tm_text into = text(call, "into");
    if (call->wrong != NULL)
        return;
    tm_settings all = tm_config_all();
    tm_buffer lines = {0};
    for (size_t i = 0; i < all.count; i++)
        tm_append_format(&lines, "%s%.*s=%.*s", i == 0 ? "" : "\n", TM_ARG(all.settings[i].name),
                         TM_ARG(all.settings[i].value));
    tm_put(into, tm_buffer_text(&lines));
}

static void do_log(call *call)
{
    tm_level at = level(call);
    tm_text message = text(call, "message");
    if (call->wrong == NULL)
        tm_log(at, "%.*s", TM_ARG(message));
}

static void do_log_enabled(call *call)
{
    tm_level at = level(call);
    tm_text into = text(call, "into");
    if (call->wrong == NULL)
        tm_put(into, tm_log_enabled(at) ? TM("true") : TM("false"));
}

static void do_reject(call *call)
{
    tm_text reason = text(call, "reason");
    yyjson_val *given = member(call, "index");
    size_t index = call->index;
    if (given != NULL && !yyjson_is_null(given))
        index = (size_t)as_integer(call, given, "index", 0, UINT32_MAX);
    call->result = tm_reject(index, "%.*s", TM_ARG(reason));
}

static void do_retry(call *call)
{
    uint64_t after_ms = (uint64_t)integer(call, "after-ms", 0, INT64_MAX);
    call->result = tm_retry(after_ms, "%.*s", TM_ARG(text(call, "reason")));
}

static void do_halt(call *call)
{
    call->result = tm_halt("%.*s", TM_ARG(text(call, "reason")));
}

static void do_throw(call *call)
{
    tm_text message = text(call, "message");
    if (call->wrong == NULL)
        tm_panic("%.*s", TM_ARG(message));
}

static void do_global(call *call)
{
    static unsigned count;
    tm_text into = text(call, "into");
    if (call->wrong == NULL)
        tm_put(into, tm_format("%u", ++count));
}

static void do_bulk(call *call)
{
    tm_text prefix = text(call, "prefix");
    size_t rows = (size_t)integer(call, "rows", 0, 1000000), bytes = (size_t)integer(call, "bytes", 0, 1 << 30);
    if (call->wrong != NULL)
        return;
    char *filler = tm_alloc(bytes);
    memset(filler, 'x', bytes);
    tm_write *writes = tm_alloc_array(rows, sizeof *writes);
    for (size_t i = 0; i < rows; i++)
        writes[i] = (tm_write){
            tm_format("%.*s%04zu", TM_ARG(prefix), i),
            {TM_TEXT, {filler, bytes}},
        };
    tm_apply(writes, rows);
}

static const struct {
    const char *name;
    void (*run)(call *);
} instructions[] = {
    {"put", do_put},       {"put-bytes", do_put_bytes},   {"delete", do_delete},
    {"apply", do_apply},   {"get", do_get},               {"copy", do_copy},
    {"get-many", do_get_many}, {"scan", do_scan},         {"count", do_count},
    {"sum", do_sum},       {"event", do_event},           {"config", do_config},
    {"config-all", do_config_all}, {"log", do_log},       {"log-enabled", do_log_enabled},
    {"reject", do_reject}, {"retry", do_retry},           {"halt", do_halt},
    {"throw", do_throw},   {"global", do_global},         {"bulk", do_bulk},
};

static void run(call *call)
{
    tm_text name = tm_json_text(tm_json_member(call->json, "do"));
    for (size_t i = 0; i < sizeof instructions / sizeof *instructions; i++)
        if (tm_equal(name, tm_string(instructions[i].name))) {
            instructions[i].run(call);
            return;
        }
    call->wrong = "`do` is not the name of one";
}

tm_result process(const tm_batch *batch)
{
    for (size_t i = 0; i < batch->count; i++) {
        const tm_value *data = &batch->events[i].data;
        if (data->kind == TM_BYTES) {
            tm_put_value(tm_format("bytes/%zu", i), *data);
            continue;
        }
        call call = {.batch = batch, .index = i, .result = tm_ok()};
        call.json = tm_json_read(data->data, &call.wrong);
        if (call.json != NULL)
            run(&call);
        if (call.wrong != NULL)
            return tm_reject(i, "not an instruction: %s", call.wrong);
        if (call.result.outcome != TM_OK)
            return call.result;
    }
    return tm_ok();
}
