/* module_test.c: what the module does by itself: text, formats, numbers, scans. `make` runs it. */
#include "tidemill_arena.h"
#include "tidemill_test.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void expect_at(int line, const char *expected, size_t len, tm_text found)
{
    if (found.len == len && memcmp(found.ptr, expected, len) == 0)
        return;
    fprintf(stderr, "module_test.c:%d: expected %s\nfound %.*s\n", line, expected, (int)found.len, found.ptr);
    exit(1);
}
#define EXPECT(literal, found) expect_at(__LINE__, literal, sizeof(literal) - 1, found)

static void formats_are_those_of_printf(void)
{
    EXPECT("a|  b|c  |d  ", tm_format("%s|%3s|%-3s|%*s", "a", "b", "c", -3, "d"));
    EXPECT("x|  y|z  ", tm_format("%c|%3c|%-3c", 'x', 'y', 'z'));
    EXPECT("-1 255 ffff -9223372036854775808", tm_format("%d %hhu %hx %lld", -1, 255, 0xFFFF, (long long)INT64_MIN));
    EXPECT("007 +7 7.50 7.5", tm_format("%03d %+d %.2f %.1Lf", 7, 7, 7.5, 7.5L));
    EXPECT("100%", tm_format("%d%%", 100));
}

static void text_may_hold_zeros(void)
{
    EXPECT("[a\0b]", tm_format("[%.*s]", TM_ARG(TM("a\0b"))));
    EXPECT("[]", tm_format("[%.*s]", TM_ARG(TM_NO_TEXT)));
}

static void what_is_not_utf8_is_replaced_byte_by_byte(void)
{
    EXPECT("", tm_clean(TM("")));
    EXPECT("a\0\xC3\xA6\xE2\x82\xAC\xF0\x9F\x98\x80\xF4\x8F\xBF\xBF", tm_clean(TM("a\0\xC3\xA6\xE2\x82\xAC\xF0\x9F\x98\x80\xF4\x8F\xBF\xBF")));
    EXPECT("a\xEF\xBF\xBD!", tm_clean(TM("a\xC3!")));
    EXPECT("\xEF\xBF\xBD\xEF\xBF\xBD", tm_clean(TM("\xE2\x82")));
    EXPECT("\xEF\xBF\xBD\xEF\xBF\xBD", tm_clean(TM("\xC0\xAF")));                         /* overlong */
    EXPECT("\xEF\xBF\xBD\xEF\xBF\xBD\xEF\xBF\xBD", tm_clean(TM("\xED\xA0\x80")));         /* half of a surrogate pair */
    EXPECT("\xEF\xBF\xBD\xEF\xBF\xBD\xEF\xBF\xBD\xEF\xBF\xBD", tm_clean(TM("\xF4\x90\x80\x80"))); /* beyond U+10FFFF */
}

static void integers_have_128_bits(void)
{
    __int128 number = 0;
    static const char *const good[] = {"170141183460469231731687303715884105727", "-170141183460469231731687303715884105728", "0"};
    for (size_t i = 0; i < sizeof good / sizeof *good; i++)
        if (!tm_parse_integer(tm_string(good[i]), &number) || !tm_equal(tm_integer(number), tm_string(good[i])))
            fprintf(stderr, "%s is not kept\n", good[i]), exit(1);
    static const char *const bad[] = {"", "-", "+", "1 ", " 1", "1e3", "0x1", "170141183460469231731687303715884105728"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        if (tm_parse_integer(tm_string(bad[i]), &number))
            fprintf(stderr, "\"%s\" is taken for a number\n", bad[i]), exit(1);
}

/* Writes while it scans: what is behind the walk stays unseen, what is ahead of its page is seen, and deleted like the rest. */
tm_result process(const tm_batch *batch)
{
    size_t seen = 0;
    tm_scan scan = tm_scan_begin(TM("k/"));
    scan.page_limit = 2;
    for (tm_entry entry; tm_scan_next(&scan, &entry); seen++) {
        tm_put(TM("k/0"), TM("behind"));
        tm_put(TM("k/9"), TM("ahead"));
        tm_delete(entry.key);
    }
    tm_put(TM("seen"), tm_format("%zu in %zu", seen, batch->count));
    return tm_ok();
}

static void a_scan_goes_on_while_its_keys_are_written(void)
{
    for (char key[] = "k/1"; key[2] <= '5'; key[2]++)
        tm_test_put(key, "x");
    TM_TEST_PROCESS("event");
    EXPECT("k/0=behind\nseen=6 in 1\n", tm_string(tm_test_state()));
}

int main(void)
{
    formats_are_those_of_printf();
    text_may_hold_zeros();
    what_is_not_utf8_is_replaced_byte_by_byte();
    integers_have_128_bits();
    a_scan_goes_on_while_its_keys_are_written();
    tm_test_reset();
    puts("5 tests passed");
    return 0;
}
