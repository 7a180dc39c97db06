/* tidemill_test.h: runs `process` on your own machine, with a state in memory. For tests; not part of a component.
 *
 *     tm_test_put("total/ada", "1");
 *     tm_result result = TM_TEST_PROCESS("{\"user\": \"ada\", \"amount\": 3}");
 *     assert(result.outcome == TM_OK);
 *     assert(strcmp(tm_test_state(), "total/ada=4\n") == 0);
 *     tm_test_reset();
 *
 * As in production, the writes of a call that does not return `tm_ok()` are forgotten.
 */
#ifndef TIDEMILL_TEST_H
#define TIDEMILL_TEST_H

#include "tidemill.h"

/* Forgets the state, the settings and the log. */
void tm_test_reset(void);

/* Sets a key before a call. */
void tm_test_put(const char *key, const char *text);

/* Sets a setting before a call. */
void tm_test_config(const char *name, const char *value);

/* Gives a batch to `process`. The result's reason lives until the next call. */
tm_result tm_test_process(const tm_batch *batch);

/* The same for payloads of text, the last one NULL. */
tm_result tm_test_process_texts(const char *const *payloads);
#define TM_TEST_PROCESS(...) tm_test_process_texts((const char *const[]){__VA_ARGS__, NULL})

/* The whole state in the order of its keys: a line `key=text` each, and `key=b:` with hexadecimal digits for bytes. It
 * lives until the next call. */
const char *tm_test_state(void);

/* What was logged since the last reset: a line `level: message` each. */
const char *tm_test_log(void);

#endif
