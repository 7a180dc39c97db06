/* tidemill_arena.h: the inside of the module: memory that lives as long as a call. Not for processors. */
#ifndef TIDEMILL_ARENA_H
#define TIDEMILL_ARENA_H

#include "tidemill.h"

/* Memory of `bytes` that begins with what `memory` (or NULL) held. */
void *tm_arena_realloc(void *memory, size_t old_bytes, size_t bytes);

/* Gives back what lies behind `end`, which is within the piece of memory that `tm_alloc` gave last. */
void tm_arena_trim(const void *end);

/* Frees everything that `tm_alloc` gave. */
void tm_arena_clear(void);

/* `tm_format` with its arguments in a list. */
tm_text tm_format_v(const char *format, va_list arguments);

/* The same text, with U+FFFD in the place of each byte that is not UTF-8: what people are to read must cross in any case. */
tm_text tm_clean(tm_text text);

#endif
