/* SPDX-License-Identifier: MIT */
/* Quoted strings. */
#ifndef DECODE_TEXT_H
#define DECODE_TEXT_H

#include "cli/out.h"

/* "text\n" with C escapes; no quotes. */
void text_escape(struct out *out, const uint8_t *p, size_t n);
/* The same between quotes, cut at @limit bytes; @more: "..." behind it. */
void text_quote(struct out *out, const uint8_t *p, size_t n, size_t limit, bool more);
/* As text_quote(), each byte as \x.. */
void text_quote_hex(struct out *out, const uint8_t *p, size_t n, bool more);

#endif
