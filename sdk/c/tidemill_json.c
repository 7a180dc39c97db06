/* tidemill_json.c: yyjson within the memory of a call. */
#include "tidemill_json.h"
#include "tidemill_arena.h"

#include <string.h>

static void *allocate(void *unused, size_t bytes)
{
    (void)unused;
    return tm_alloc(bytes);
}

static void *reallocate(void *unused, void *memory, size_t old_bytes, size_t bytes)
{
    (void)unused;
    return tm_arena_realloc(memory, old_bytes, bytes);
}

static void release(void *unused, void *memory)
{
    (void)unused, (void)memory;
}

yyjson_val *tm_json_read(tm_text json, const char **why)
{
    yyjson_alc memory = {allocate, reallocate, release, NULL};
    yyjson_read_err error = {0};
    /* Without the flag for reading in place the text is not written to, whatever the type says. A number too large for a
     * double is no error, and no integer either: nobody may ask for it. */
    yyjson_doc *document = yyjson_read_opts((char *)(uintptr_t)json.ptr, json.len, YYJSON_READ_BIGNUM_AS_RAW, &memory, &error);
    if (document == NULL && why != NULL)
        *why = tm_format("%s at byte %zu", error.msg, error.pos).ptr;
    yyjson_val *root = yyjson_doc_get_root(document);
    if (root != NULL)
        /* It makes room for a value every six bytes. Memory that is not touched is quick: a third of a call with texts of 1 KB. */
        tm_arena_trim(root + yyjson_doc_get_val_count(document));
    return root;
}

yyjson_val *tm_json_member(yyjson_val *object, const char *name)
{
    size_t i, count, len = strlen(name);
    yyjson_val *key, *value, *found = NULL;
    yyjson_obj_foreach(object, i, count, key, value) {
        if (yyjson_equals_strn(key, name, len))
            found = value;
    }
    return found;
}

tm_text tm_json_text(yyjson_val *value)
{
    return yyjson_is_str(value) ? (tm_text){yyjson_get_str(value), yyjson_get_len(value)} : TM_NO_TEXT;
}

bool tm_json_integer(yyjson_val *value, int64_t *number)
{
    const int64_t limit = (INT64_C(1) << 53) - 1;
    if (!yyjson_is_int(value) || (yyjson_is_uint(value) && yyjson_get_uint(value) > (uint64_t)limit))
        return false;
    *number = yyjson_get_sint(value);
    return *number >= -limit;
}

void tm_json_append(tm_buffer *buffer, tm_text text)
{
    static const char letters[] = "\"\\\b\f\n\r\t", escapes[] = "\"\\bfnrt";
    tm_append(buffer, TM("\""));
    size_t plain = 0; /* where the run begins that needs no escape */
    for (size_t i = 0; i < text.len; i++) {
        unsigned char letter = (unsigned char)text.ptr[i];
        if (letter >= 0x20 && letter != '"' && letter != '\\')
            continue;
        tm_append(buffer, (tm_text){text.ptr + plain, i - plain});
        plain = i + 1;
        const char *found = letter == 0 ? NULL : strchr(letters, letter);
        if (found != NULL)
            tm_append_format(buffer, "\\%c", escapes[found - letters]);
        else
            tm_append_format(buffer, "\\u%04x", letter);
    }
    tm_append(buffer, (tm_text){text.ptr + plain, text.len - plain});
    tm_append(buffer, TM("\""));
}
