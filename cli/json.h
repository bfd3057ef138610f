/* SPDX-License-Identifier: MIT */
/* Pieces of JSON. */
#ifndef CLI_JSON_H
#define CLI_JSON_H

#include "cli/out.h"

/* What is not ASCII is escaped byte by byte: names of files need not be UTF-8. */
void json_string(struct out *out, const char *s, size_t n);
/* Members behind others, so with a comma: only the name, or with a value. */
void json_key(struct out *out, const char *name);
void json_text(struct out *out, const char *name, const char *text);
void json_i64(struct out *out, const char *name, int64_t v);
/* Nothing if it is false. */
void json_flag(struct out *out, const char *name, bool v);
void json_seconds(struct out *out, uint64_t ns);

#endif
