/* join.c: joins customers and their orders, whichever come first, into a row per customer: `customer/<id>`.
 *
 *     {"type": "customer", "id": "c1", "name": "Ada"}       sets the name
 *     {"type": "order", "customer": "c1", "amount": 7}      adds to what was spent
 *
 * Other types are ignored. A row is {"name":"Ada","spent":7}, with null for a name that has not come yet. */
#include "tidemill.h"
#include "tidemill_json.h"

typedef struct row {
    tm_text name; /* no text: not known yet */
    int64_t spent;
} row;

/* Reads the row of a customer; a new one is empty. NULL if it can be read, else why it cannot. */
static const char *read_row(tm_text key, row *row)
{
    row->name = TM_NO_TEXT;
    row->spent = 0;
    tm_value value = tm_get(key);
    if (value.kind == TM_NONE)
        return NULL;
    if (value.kind != TM_TEXT)
        return "it is bytes, not text";
    const char *why = NULL;
    yyjson_val *json = tm_json_read(value.data, &why);
    if (json == NULL)
        return why;
    yyjson_val *name = tm_json_member(json, "name");
    row->name = tm_json_text(name);
    if (row->name.ptr == NULL && !yyjson_is_null(name))
        return "`name` is neither a string nor null";
    /* Sums may be larger than what other readers of JSON keep exactly, but not than an int64_t. */
    yyjson_val *spent = tm_json_member(json, "spent");
    if (!yyjson_is_int(spent) || (yyjson_is_uint(spent) && yyjson_get_uint(spent) > INT64_MAX))
        return "`spent` is not an integer of 64 bits";
    row->spent = yyjson_get_sint(spent);
    return NULL;
}

static void write_row(tm_text key, const row *row)
{
    tm_buffer json = {0};
    tm_append(&json, TM("{\"name\":"));
    if (row->name.ptr == NULL)
        tm_append(&json, TM("null"));
    else
        tm_json_append(&json, row->name);
    tm_append_format(&json, ",\"spent\":%lld}", (long long)row->spent);
    tm_put(key, tm_buffer_text(&json));
}

/* What an event says: the customer, and what changes. */
typedef struct change {
    tm_text customer;
    tm_text name; /* no text: it stays */
    int64_t amount;
} change;

/* Reads an event; NULL if it is one, else why it is none. An event that changes nothing has no customer. */
static const char *read_change(tm_value data, change *change)
{
    *change = (struct change){0};
    if (data.kind != TM_TEXT)
        return "the payload is bytes, not text";
    const char *why = NULL;
    yyjson_val *event = tm_json_read(data.data, &why);
    if (event == NULL)
        return why;
    tm_text type = tm_json_text(tm_json_member(event, "type"));
    if (type.ptr == NULL)
        return "`type` is not a string";
    if (tm_equal(type, TM("customer"))) {
        change->customer = tm_json_text(tm_json_member(event, "id"));
        if (change->customer.ptr == NULL)
            return "`id` is not a string";
        change->name = tm_json_text(tm_json_member(event, "name"));
        if (change->name.ptr == NULL)
            return "`name` is not a string";
    } else if (tm_equal(type, TM("order"))) {
        change->customer = tm_json_text(tm_json_member(event, "customer"));
        if (change->customer.ptr == NULL)
            return "`customer` is not a string";
        if (!tm_json_integer(tm_json_member(event, "amount"), &change->amount))
            return "`amount` is not an integer of at most 2^53-1 in magnitude";
    }
    return NULL;
}

tm_result process(const tm_batch *batch)
{
    for (size_t i = 0; i < batch->count; i++) {
        change change;
        const char *why = read_change(batch->events[i].data, &change);
        if (why != NULL)
            return tm_reject(i, "not an event: %s", why);
        if (change.customer.ptr == NULL)
            continue;

        tm_text key = tm_format("customer/%.*s", TM_ARG(change.customer));
        row row;
        why = read_row(key, &row);
        if (why != NULL)
            return tm_halt("the row `%.*s` cannot be read: %s", TM_ARG(key), why);
        if (change.name.ptr != NULL)
            row.name = change.name;
        if (__builtin_add_overflow(row.spent, change.amount, &row.spent))
            return tm_reject(i, "not an event: what `%.*s` has spent would not fit into 64 bits", TM_ARG(key));
        write_row(key, &row);
    }
    return tm_ok();
}
