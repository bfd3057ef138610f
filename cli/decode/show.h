/* SPDX-License-Identifier: MIT */
/* Showing values and memory by their type. */
#ifndef DECODE_SHOW_H
#define DECODE_SHOW_H

#include "cli/decode/decode.h"

/* A number, such as an argument or a member. */
void show_value(struct decode *d, const struct type *type, uint64_t v);
/* One of @type at @p, of which @size bytes are there. */
void show_memory(struct decode *d, const struct type *type, const uint8_t *p, size_t size);
/* Several, as [a, b]; @more: there are others. */
void show_array(struct decode *d, const struct type *type, const uint8_t *p, size_t count,
		bool more);
void show_flags(struct out *out, unsigned set, uint64_t v, unsigned width);
void show_enum(struct out *out, unsigned set, uint64_t v);
/* Zero without a prefix. */
void show_hex(struct out *out, uint64_t v);
void show_pointer(struct out *out, uint64_t v);
/* A number, then "<path>" if asked for. */
void show_fd(struct decode *d, int64_t fd);
/* What a call's slot captured: the word of its structure that MEMBER is about. */
const struct cotrace_captured *show_member_captured(const struct decode *d, unsigned reg,
						    unsigned kind, unsigned word);
/* What was captured for register @reg, or NULL. */
const struct cotrace_captured *show_captured(const struct decode *d, unsigned reg, unsigned kind);
static inline const uint8_t *show_bytes(const struct decode *d, const struct cotrace_captured *c)
{
	return d->data + c->offset;
}

/* By noun. */
bool file_is_device(uint64_t mode);
void file_show_mode(struct out *out, uint64_t v);
void file_show_dev(struct out *out, uint64_t v);
void file_show_dirents(struct decode *d, const uint8_t *p, size_t size, bool more, bool wide);
void poll_show_result(struct decode *d, uint64_t ready);
void poll_show_fdset(struct decode *d, const uint8_t *p, size_t size);
void poll_show_select_result(struct decode *d, uint64_t ready);
void poll_show_epoll_data(struct decode *d, const uint8_t *p, size_t size);
void signal_show_set(struct out *out, uint64_t set);
void signal_show_action(struct decode *d, const uint8_t *p, size_t size);
void signal_show_info(struct decode *d, const uint8_t *p, size_t size);
void process_show_wait_status(struct out *out, uint32_t status);
void process_show_clone(struct out *out, uint64_t v);
void process_show_cpuset(struct decode *d, const uint8_t *p, size_t size);
/* @filled: only as much as the call returned has been stored. */
void message_show_iovecs(struct decode *d, const struct cotrace_captured *vec,
			 const struct cotrace_captured *gathered, uint64_t count, bool filled);
/* A msghdr with name, data and control messages. */
void message_show(struct decode *d, unsigned reg, bool filled);
void ipc_show_mode(struct out *out, unsigned set, uint64_t v);
void ipc_show_key(struct out *out, uint64_t v);
void ipc_show_message(struct decode *d, const uint8_t *p, size_t size);
void socket_show_address(struct decode *d, const uint8_t *p, size_t size);
void socket_show_type(struct out *out, uint64_t v);
void socket_show_protocol(struct out *out, uint64_t family, uint64_t v);
void socket_show_option(struct out *out, uint64_t level, uint64_t v);
void socket_show_value(struct decode *d, const uint8_t *p, size_t size);

#endif
