/* What the processor does, tested on this machine with a state in memory: `make test`. */
#include "tidemill_test.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void expect_at(int line, const char *what, const char *expected, const char *found)
{
    if (strcmp(expected, found) == 0)
        return;
    fprintf(stderr, "%s:%d: %s\nexpected: %s\nfound:    %s\n", __FILE__, line, what, expected, found);
    exit(1);
}
#define EXPECT(what, expected, found) expect_at(__LINE__, what, expected, found)

static void amounts_are_added_up_per_user(void)
{
    tm_result result = TM_TEST_PROCESS("{\"user\": \"ada\", \"amount\": 3}",
                                       "{\"user\": \"bob\", \"amount\": 5, \"note\": [1]}",
                                       "{\"user\": \"ada\", \"amount\": -4}");
    EXPECT("the reason", "", result.outcome == TM_OK ? "" : result.reason.ptr);
    EXPECT("the state", "total/ada=-1\ntotal/bob=5\n", tm_test_state());
}

static void sums_go_on_from_the_state_and_beyond_64_bits(void)
{
    tm_test_put("total/ada", "9223372036854775807");
    TM_TEST_PROCESS("{\"user\": \"ada\", \"amount\": 9007199254740991}");
    EXPECT("the state", "total/ada=9232379236109516798\n", tm_test_state());
    tm_test_put("total/ada", "-0017");
    tm_test_put("total/bob", "+000000000000000000000000000000000000000000000000004");
    TM_TEST_PROCESS("{\"user\": \"ada\", \"amount\": 1}", "{\"user\": \"bob\", \"amount\": 1}");
    EXPECT("the state", "total/ada=-16\ntotal/bob=5\n", tm_test_state());
}

static void what_is_not_a_payment_is_rejected_at_its_place(void)
{
    static const char *const bad[] = {
        "", "[]", "{}", "{\"user\": \"ada\"}", "{\"user\": 1, \"amount\": 1}", "{\"user\": \"a\", \"amount\": null}",
        "{\"user\": \"a\", \"amount\": \"1\"}", "{\"user\": \"a\", \"amount\": true}",
        "{\"user\": \"a\", \"amount\": 3.5}", "{\"user\": \"a\", \"amount\": 9007199254740992}",
        "{\"user\": \"a\", \"amount\": -9007199254740992}", "{\"user\": \"a\", \"amount\": 18446744073709551616}",
        "{\"user\": \"a\", \"amount\": 1} x", "{\"user\": \"a\", \"amount\": 01}",
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        tm_result result = TM_TEST_PROCESS("{\"user\": \"ada\", \"amount\": 3}", bad[i]);
        EXPECT(bad[i], "rejected", result.outcome == TM_REJECT && result.index == 1 ? "rejected" : "something else");
        EXPECT(bad[i], "not a payment: ", tm_format("%.15s", result.reason.ptr).ptr);
        EXPECT("the state", "", tm_test_state());
    }
}

static void a_user_may_have_any_name(void)
{
    TM_TEST_PROCESS("{\"user\": \"a\\u0000b\", \"amount\": 1}", "{\"user\": \"a\", \"amount\": 2}",
                    "{\"user\": \"a\\u0000b\", \"amount\": 1}", "{\"user\": \"\", \"amount\": 4}");
    static const char expected[] = "total/=4\ntotal/a=2\ntotal/a\0b=2\n";
    EXPECT("the state is right to the last byte", "same",
           memcmp(tm_test_state(), expected, sizeof expected) == 0 ? "same" : "different");
}

static void a_state_that_is_no_number_halts(void)
{
    tm_test_put("total/ada", "many");
    tm_result result = TM_TEST_PROCESS("{\"user\": \"ada\", \"amount\": 3}");
    EXPECT("the reason", "the state of `total/ada` is not a number", result.outcome == TM_HALT ? result.reason.ptr : "");
}

static void hundreds_of_users_keep_apart(void)
{
    enum { USERS = 500, EVENTS = 2 * USERS };
    static char payloads[EVENTS][48];
    static const char *pointers[EVENTS + 1];
    for (int i = 0; i < EVENTS; i++) {
        snprintf(payloads[i], sizeof payloads[i], "{\"user\": \"u%03d\", \"amount\": %d}", i % USERS, i % USERS);
        pointers[i] = payloads[i];
    }
    tm_test_process_texts(pointers);
    const char *state = tm_test_state();
    for (int i = 0; i < USERS; i++) {
        char line[32];
        int len = snprintf(line, sizeof line, "total/u%03d=%d\n", i, 2 * i);
        EXPECT("a line of the state", line, tm_format("%.*s", len, state).ptr);
        state += len;
    }
    EXPECT("the rest of the state", "", state);
}

int main(void)
{
    static void (*const tests[])(void) = {
        amounts_are_added_up_per_user,          sums_go_on_from_the_state_and_beyond_64_bits,
        what_is_not_a_payment_is_rejected_at_its_place, a_user_may_have_any_name,
        a_state_that_is_no_number_halts,        hundreds_of_users_keep_apart,
    };
    size_t count = sizeof tests / sizeof *tests;
    for (size_t i = 0; i < count; i++) {
        tests[i]();
        tm_test_reset();
    }
    printf("%zu tests passed\n", count);
    return 0;
}
