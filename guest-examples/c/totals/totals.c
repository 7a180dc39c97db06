/* totals.c: adds up the amounts of each user: {"user": "ada", "amount": 3} into the key `total/ada`. */
#include "tidemill.h"
#include "tidemill_json.h"

typedef struct sum {
    tm_text user;
    __int128 amount; /* wider than amounts, so that it cannot overflow */
} sum;

/* The sums of a batch in the order in which their users came, and a hash table of places in them. */
typedef struct sums {
    sum *list;
    size_t count;
    uint32_t *slots; /* a place plus one, or 0 for a free slot */
    uint32_t mask;
} sums;

static sums sums_for(size_t events)
{
    uint32_t slots = 16;
    while (slots < 2 * events)
        slots *= 2;
    return (sums){
        .list = tm_alloc_array(events, sizeof(sum)),
        .slots = tm_alloc_array(slots, sizeof(uint32_t)),
        .mask = slots - 1,
    };
}

/* The sum of a user; a new one is 0. */
static sum *sum_of(sums *sums, tm_text user)
{
    uint32_t hash = 2166136261; /* FNV-1a */
    for (size_t i = 0; i < user.len; i++)
        hash = (hash ^ (unsigned char)user.ptr[i]) * 16777619;

    for (uint32_t slot = hash & sums->mask;; slot = (slot + 1) & sums->mask) {
        uint32_t place = sums->slots[slot];
        if (place == 0) {
            sum *fresh = &sums->list[sums->count++];
            fresh->user = user;
            sums->slots[slot] = (uint32_t)sums->count;
            return fresh;
        }
        if (tm_equal(sums->list[place - 1].user, user))
            return &sums->list[place - 1];
    }
}

/* Reads a payment; NULL if it is one, else why it is none. */
static const char *read_payment(tm_value data, tm_text *user, int64_t *amount)
{
    if (data.kind != TM_TEXT)
        return "the payload is bytes, not text";
    const char *why = NULL;
    yyjson_val *payment = tm_json_read(data.data, &why);
    if (payment == NULL)
        return why;
    *user = tm_json_text(tm_json_member(payment, "user"));
    if (user->ptr == NULL)
        return "`user` is not a string";
    if (!tm_json_integer(tm_json_member(payment, "amount"), amount))
        return "`amount` is not an integer of at most 2^53-1 in magnitude";
    return NULL;
}

tm_result process(const tm_batch *batch)
{
    sums sums = sums_for(batch->count);
    for (size_t i = 0; i < batch->count; i++) {
        tm_text user;
        int64_t amount;
        const char *why = read_payment(batch->events[i].data, &user, &amount);
        if (why != NULL)
            return tm_reject(i, "not a payment: %s", why);
        sum_of(&sums, user)->amount += amount;
    }

    tm_text *keys = tm_alloc_array(sums.count, sizeof *keys);
    for (size_t i = 0; i < sums.count; i++)
        keys[i] = tm_format("total/%.*s", TM_ARG(sums.list[i].user));

    tm_value *before = tm_get_many(keys, sums.count);
    tm_write *writes = tm_alloc_array(sums.count, sizeof *writes);
    for (size_t i = 0; i < sums.count; i++) {
        __int128 total = 0;
        bool number = before[i].kind == TM_NONE || (before[i].kind == TM_TEXT && tm_parse_integer(before[i].data, &total));
        if (!number)
            return tm_halt("the state of `%.*s` is not a number", TM_ARG(keys[i]));
        if (__builtin_add_overflow(total, sums.list[i].amount, &total))
            return tm_halt("the state of `%.*s` has become too large", TM_ARG(keys[i]));
        writes[i] = (tm_write){keys[i], tm_text_value(tm_integer(total))};
    }
    tm_apply(writes, sums.count);
    return tm_ok();
}
