/* tidemill_json.h: reading JSON with yyjson (https://github.com/ibireme/yyjson), which lies beside; and writing strings.
 *
 * What is read lives as long as the call. yyjson.h says how to walk through it. */
#ifndef TIDEMILL_JSON_H
#define TIDEMILL_JSON_H

#include "tidemill.h"

#include "yyjson.h"

/* The root of a JSON text, or NULL, with why it is none. `why` may be NULL. */
yyjson_val *tm_json_read(tm_text json, const char **why);

/* A member of an object by name; NULL if `object` is none or has no such member. Of members of one name the last counts. */
yyjson_val *tm_json_member(yyjson_val *object, const char *name);

/* The text of a JSON string, with its length; no text if it is anything else. */
tm_text tm_json_text(yyjson_val *value);

/* An integer of at most 2^53-1 in magnitude, which every JSON reader keeps exactly. False if it is anything else. */
bool tm_json_integer(yyjson_val *value, int64_t *number);

/* Appends a text as a JSON string, escaping no more than must be. */
void tm_json_append(tm_buffer *buffer, tm_text text);

#endif
