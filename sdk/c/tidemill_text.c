/* tidemill_text.c: text with a length: comparing, formatting, numbers. */
#include "tidemill.h"
#include "tidemill_arena.h"

#include <stdio.h>
#include <string.h>

tm_text tm_string(const char *string)
{
    return (tm_text){string, string == NULL ? 0 : strlen(string)};
}

bool tm_equal(tm_text a, tm_text b)
{
    if (a.ptr == NULL || b.ptr == NULL)
        return a.ptr == b.ptr;
    return a.len == b.len && memcmp(a.ptr, b.ptr, a.len) == 0;
}

int tm_compare(tm_text a, tm_text b)
{
    size_t common = a.len < b.len ? a.len : b.len;
    int order = common == 0 ? 0 : memcmp(a.ptr, b.ptr, common);
    return order != 0 ? order : (a.len > b.len) - (a.len < b.len);
}

/* How many bytes the character of UTF-8 has that begins here; 0 if none does (Unicode, table 3-7). */
static size_t character_bytes(const unsigned char *at, size_t len)
{
    unsigned char first = at[0], second = len > 1 ? at[1] : 0;
    size_t bytes = first < 0x80 ? 1 : first < 0xC2 ? 0 : first < 0xE0 ? 2 : first < 0xF0 ? 3 : first < 0xF5 ? 4 : 0;
    if (bytes > len)
        return 0;
    for (size_t i = 1; i < bytes; i++)
        if ((at[i] & 0xC0) != 0x80)
            return 0;
    bool overlong = (first == 0xE0 && second < 0xA0) || (first == 0xF0 && second < 0x90);
    bool surrogate = first == 0xED && second >= 0xA0;
    bool beyond = first == 0xF4 && second >= 0x90;
    return overlong || surrogate || beyond ? 0 : bytes;
}

tm_text tm_clean(tm_text text)
{
    tm_buffer cleaned = {0};
    size_t kept = 0; /* where the run begins that is not yet copied */
    for (size_t i = 0; i < text.len;) {
        size_t bytes = character_bytes((const unsigned char *)text.ptr + i, text.len - i);
        if (bytes == 0) {
            tm_append(&cleaned, (tm_text){text.ptr + kept, i - kept});
            tm_append(&cleaned, TM("\xEF\xBF\xBD"));
            kept = i + 1;
        }
        i += bytes == 0 ? 1 : bytes;
    }
    if (kept == 0)
        return text;
    tm_append(&cleaned, (tm_text){text.ptr + kept, text.len - kept});
    return tm_buffer_text(&cleaned);
}

/* ---- Text that grows ---- */

/* Room for `bytes` more, and for a zero behind them. */
static void reserve(tm_buffer *buffer, size_t bytes)
{
    size_t needed = buffer->len + bytes + 1;
    if (needed <= buffer->capacity)
        return;
    size_t capacity = buffer->capacity < 32 ? 64 : buffer->capacity * 2;
    if (capacity < needed)
        capacity = needed;
    buffer->ptr = tm_arena_realloc(buffer->ptr, buffer->len, capacity);
    buffer->capacity = capacity;
}

void tm_append(tm_buffer *buffer, tm_text text)
{
    reserve(buffer, text.len);
    if (text.len > 0)
        memcpy(buffer->ptr + buffer->len, text.ptr, text.len);
    buffer->len += text.len;
    buffer->ptr[buffer->len] = '\0';
}

tm_text tm_buffer_text(const tm_buffer *buffer)
{
    return buffer->ptr == NULL ? TM("") : (tm_text){buffer->ptr, buffer->len};
}

/* ---- Formatting: as printf, but `%.*s` takes as many bytes as it is told, so that texts may hold zeros ---- */

/* One conversion of a format, with the numbers that stood as `*` filled in. */
typedef struct conversion {
    char text[48];
    size_t len;
    char length[3]; /* "", "hh", "h", "l", "ll", "j", "z", "t", "L" */
    char letter;
    int width;            /* 0: not given; below 0: text on the left */
    int precision;        /* -1: not given */
    bool exact;           /* the precision stood as `*` */
} conversion;

static void spell(conversion *c, char letter)
{
    if (c->len + 1 < sizeof c->text)
        c->text[c->len++] = letter;
    c->text[c->len] = '\0';
}

/* Appends what snprintf makes of a conversion and its value. */
#define APPEND_VALUE(buffer, c, value)                                             \
    do {                                                                           \
        __typeof__(value) argument = (value);                                      \
        int len = snprintf(NULL, 0, (c)->text, argument);                          \
        if (len < 0)                                                               \
            tm_panic("a format has a conversion that is not known: %s", (c)->text); \
        reserve(buffer, (size_t)len);                                              \
        snprintf((buffer)->ptr + (buffer)->len, (size_t)len + 1, (c)->text, argument); \
        (buffer)->len += (size_t)len;                                              \
    } while (0)

static void append_padded(tm_buffer *buffer, const conversion *c, tm_text text)
{
    size_t width = (size_t)(c->width < 0 ? -(long long)c->width : c->width);
    size_t padding = width > text.len ? width - text.len : 0;
    bool left = strchr(c->text, '-') != NULL;
    for (size_t i = 0; !left && i < padding; i++)
        tm_append(buffer, TM(" "));
    tm_append(buffer, text);
    for (size_t i = 0; left && i < padding; i++)
        tm_append(buffer, TM(" "));
}

static void append_string(tm_buffer *buffer, const conversion *c, const char *string)
{
    size_t len;
    if (string == NULL && !(c->exact && c->precision == 0))
        string = "(none)", len = 6;
    else if (c->exact)
        len = (size_t)c->precision;
    else
        len = c->precision < 0 ? strlen(string) : strnlen(string, (size_t)c->precision);
    append_padded(buffer, c, (tm_text){string, len});
}

static int read_number(const char **at)
{
    int number = 0;
    for (; **at >= '0' && **at <= '9'; (*at)++)
        number = number < 100000 ? number * 10 + (**at - '0') : number;
    return number;
}

/* The format has been checked by the compiler (TM_PRINTF), so what stands here is what is in the list. */
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
static void append_format_v(tm_buffer *buffer, const char *format, va_list *arguments)
{
    for (const char *at = format; *at != '\0';) {
        size_t plain = strcspn(at, "%");
        tm_append(buffer, (tm_text){at, plain});
        at += plain;
        if (*at == '\0')
            break;
        at++; /* the percent sign */
        if (*at == '%') {
            tm_append(buffer, TM("%"));
            at++;
            continue;
        }
        conversion c = {.precision = -1};
        spell(&c, '%');
        for (; *at != '\0' && strchr("-+ #0", *at) != NULL; at++)
            spell(&c, *at);
        if (*at == '*' || (*at >= '1' && *at <= '9')) {
            c.width = *at == '*' ? (at++, va_arg(*arguments, int)) : read_number(&at);
            c.len += (size_t)snprintf(c.text + c.len, sizeof c.text - c.len, "%d", c.width);
        }
        if (*at == '.') {
            at++;
            c.exact = *at == '*';
            c.precision = c.exact ? (at++, va_arg(*arguments, int)) : read_number(&at);
            if (c.precision >= 0)
                c.len += (size_t)snprintf(c.text + c.len, sizeof c.text - c.len, ".%d", c.precision);
            else
                c.exact = false;
        }
        for (size_t i = 0; *at != '\0' && strchr("hljztL", *at) != NULL && i < 2; i++, at++) {
            c.length[i] = *at;
            spell(&c, *at);
        }
        c.letter = *at;
        spell(&c, *at);
        if (*at != '\0')
            at++;
        switch (c.letter) {
        case 's': append_string(buffer, &c, va_arg(*arguments, const char *)); break;
        case 'p': APPEND_VALUE(buffer, &c, va_arg(*arguments, void *)); break;
        case 'a': case 'A': case 'e': case 'E': case 'f': case 'F': case 'g': case 'G':
            if (c.length[0] == 'L')
                APPEND_VALUE(buffer, &c, va_arg(*arguments, long double));
            else
                APPEND_VALUE(buffer, &c, va_arg(*arguments, double));
            break;
        case 'c': {
            char letter = (char)va_arg(*arguments, int);
            append_padded(buffer, &c, (tm_text){&letter, 1});
            break;
        }
        case 'n': tm_panic("a format has %%n, which writes into memory: it is not understood here");
        default:
            if (strcmp(c.length, "ll") == 0)
                APPEND_VALUE(buffer, &c, va_arg(*arguments, long long));
            else if (c.length[0] == 'l')
                APPEND_VALUE(buffer, &c, va_arg(*arguments, long));
            else if (c.length[0] == 'j')
                APPEND_VALUE(buffer, &c, va_arg(*arguments, intmax_t));
            else if (c.length[0] == 'z' || c.length[0] == 't')
                APPEND_VALUE(buffer, &c, va_arg(*arguments, size_t));
            else
                APPEND_VALUE(buffer, &c, va_arg(*arguments, int));
        }
    }
}
#pragma GCC diagnostic pop

tm_text tm_format_v(const char *format, va_list arguments)
{
    tm_buffer buffer = {0};
    va_list copy;
    va_copy(copy, arguments);
    append_format_v(&buffer, format, &copy);
    va_end(copy);
    return tm_buffer_text(&buffer);
}

tm_text tm_format(const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    tm_text text = tm_format_v(format, arguments);
    va_end(arguments);
    return text;
}

void tm_append_format(tm_buffer *buffer, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    append_format_v(buffer, format, &arguments);
    va_end(arguments);
}

/* ---- Numbers ---- */

bool tm_parse_integer(tm_text text, __int128 *number)
{
    bool negative = text.len > 0 && text.ptr[0] == '-';
    size_t i = negative || (text.len > 0 && text.ptr[0] == '+') ? 1 : 0;
    if (i == text.len)
        return false;
    __int128 sum = 0;
    for (; i < text.len; i++) {
        int digit = text.ptr[i] - '0';
        if (digit < 0 || digit > 9)
            return false;
        /* Downwards for negative numbers: there is one more of them. */
        if (__builtin_mul_overflow(sum, (__int128)10, &sum)
            || __builtin_add_overflow(sum, (__int128)(negative ? -digit : digit), &sum))
            return false;
    }
    *number = sum;
    return true;
}

tm_text tm_integer(__int128 number)
{
    enum { DIGITS_MAX = 40 };
    char *end = (char *)tm_alloc(DIGITS_MAX + 1) + DIGITS_MAX, *at = end;
    *at = '\0';
    unsigned __int128 rest = number < 0 ? -(unsigned __int128)number : (unsigned __int128)number;
    /* Division of 128 bits is slow, and most numbers need less. */
    for (; rest > UINT64_MAX; rest /= 10)
        *--at = (char)('0' + (int)(rest % 10));
    uint64_t small = (uint64_t)rest;
    do
        *--at = (char)('0' + small % 10);
    while ((small /= 10) != 0);
    if (number < 0)
        *--at = '-';
    return (tm_text){at, (size_t)(end - at)};
}
