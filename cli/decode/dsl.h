/* SPDX-License-Identifier: MIT */
/* The words that the tables *.def are written in. Only files that include a table see it. */
#ifndef DECODE_DSL_H
#define DECODE_DSL_H

#include "cli/decode/names.h"
#include "cli/decode/structs.h"
#include "cli/decode/type.h"

/* Classes. */
#define C_FILE CLASS_FILE
#define C_DESC CLASS_DESC
#define C_PROCESS CLASS_PROCESS
#define C_NETWORK CLASS_NETWORK
#define C_SIGNAL CLASS_SIGNAL
#define C_MEMORY CLASS_MEMORY
#define C_IPC CLASS_IPC
#define C_CREDS CLASS_CREDS
#define C_CLOCK CLASS_CLOCK
#define C_STAT CLASS_STAT
#define C_STATFS CLASS_STATFS
#define C_NO_RETURN CLASS_NO_RETURN

/* Types. */
/* In parentheses, so that it passes through other macros as one argument. */
#define T_(s, b, r) ((struct type){ SHOW_##s, B_##b, r })
#define T_INT T_(DEC, INT, 0)
#define T_UINT T_(DEC, UINT, 0)
#define T_LONG T_(DEC, LONG, 0)
#define T_ULONG T_(DEC, ULONG, 0)
#define T_S64 T_(DEC, S64, 0)
#define T_U64 T_(DEC, U64, 0)
#define T_S16 T_(DEC, S16, 0)
#define T_U16 T_(DEC, U16, 0)
#define T_U8 T_(DEC, U8, 0)
#define T_X8 T_(HEX, U8, 0)
#define T_X16 T_(HEX, U16, 0)
#define T_X32 T_(HEX, UINT, 0)
#define T_X64 T_(HEX, U64, 0)
#define T_HEX T_(HEX, ULONG, 0)
#define T_PTR T_(PTR, ULONG, 0)
#define T_PTR64 T_(PTR, U64, 0)
#define T_OCT T_(OCT, UINT, 0)
#define T_FD T_(FD, INT, 0)
#define T_FD64 T_(FD, S64, 0)
#define T_DIRFD T_(DIRFD, INT, 0)
#define T_FMODE T_(FMODE, UINT, 0)
#define T_FMODE16 T_(FMODE, U16, 0)
#define T_DEV T_(DEV, UINT, 0)
#define T_DEVLONG T_(DEV, ULONG, 0)
#define T_DEV64 T_(DEV, U64, 0)
#define T_ID T_(ID, UINT, 0)
#define T_SIGNAL T_(SIGNAL, INT, 0)
#define T_SIGNAL64 T_(SIGNAL, U64, 0)
#define T_SIGSET T_(SIGSET, U64, 0)
#define T_SIGSET_LONG T_(SIGSET, ULONG, 0)
#define T_RLIM T_(RLIM, ULONG, 0)
#define T_RLIM64 T_(RLIM, U64, 0)
#define T_CLONE T_(CLONE, ULONG, 0)
#define T_SOCKTYPE T_(SOCKTYPE, INT, 0)
#define T_PROTOCOL(family) T_(PROTOCOL, INT, family)
#define T_SOCKOPT(level) T_(SOCKOPT, INT, level)
#define T_PORT T_(PORT, U16, 0)
#define T_IPC_MODE(set) T_(IPC_MODE, INT, NAMES_##set)
#define T_MSGBUF T_(MSGBUF, U8, 0)
#define T_KEY T_(KEY, INT, 0)
#define T_FLAGS(set) T_(FLAGS, UINT, NAMES_##set)
#define T_FLAGS16(set) T_(FLAGS, U16, NAMES_##set)
#define T_FLAGS8(set) T_(FLAGS, U8, NAMES_##set)
#define T_FLAGS64(set) T_(FLAGS, U64, NAMES_##set)
#define T_FLAGSLONG(set) T_(FLAGS, ULONG, NAMES_##set)
#define T_ENUM(set) T_(ENUM, INT, NAMES_##set)
#define T_ENUM16(set) T_(ENUM, S16, NAMES_##set)
#define T_ENUM8(set) T_(ENUM, U8, NAMES_##set)
#define T_ENUMU(set) T_(ENUM, UINT, NAMES_##set)
#define T_ENUM64(set) T_(ENUM, U64, NAMES_##set)
#define T_ENUMLONG(set) T_(ENUM, LONG, NAMES_##set)
#define T_STRUCT(id) T_(STRUCT, U8, STRUCT_##id)
#define T_MEM(how) T_(how, U8, 0)
#define T_WAIT_STATUS T_(WAIT_STATUS, INT, 0)
#define T_SOCKADDR T_(SOCKADDR, U8, 0)
#define T_SIGACTION T_(SIGACTION, U8, 0)
#define T_SIGINFO T_(SIGINFO, U8, 0)
#define T_FDSET T_(FDSET, U8, 0)
#define T_CPUSET T_(CPUSET, U8, 0)
#define T_EPOLL_DATA T_(EPOLL_DATA, U64, 0)
#define T_CHARS T_(CHARS, U8, 0)
#define T_VALUE T_(VALUE, U8, 0)
#define T_DIRENTS(wide) T_(DIRENTS, U8, wide)
#define R_FLAGS(set) T_(RESULT_FLAGS, INT, NAMES_##set)
#define R_ENUM(set) T_(RESULT_ENUM, INT, NAMES_##set)
#define R_POLL T_(RESULT_POLL, INT, 0)
#define R_SELECT T_(RESULT_SELECT, INT, 0)

/* Arguments by value. */
#define V(name, type)                                              \
	{                                                          \
#name, type, FORM_VALUE, 0, EXTENT_ONE, 0, 0, 0, 0 \
	}
#define INT(name) V(name, T_INT)
#define UINT(name) V(name, T_UINT)
#define LONG(name) V(name, T_LONG)
#define ULONG(name) V(name, T_ULONG)
#define HEX(name) V(name, T_HEX)
#define PTR(name) V(name, T_PTR)
#define FD(name) V(name, T_FD)
#define DIRFD(name) V(name, T_DIRFD)
#define MODE(name) V(name, T_OCT)
#define ID(name) V(name, T_ID)
#define SIG(name) V(name, T_SIGNAL)
#define FL(name, set) V(name, T_FLAGS(set))
#define EN(name, set) V(name, T_ENUM(set))
#define NAMED(reg, name, type, when)                                        \
	{                                                                   \
#name, type, FORM_VALUE, 0, EXTENT_ONE, 0, reg + 1, 1, when \
	}
/* By value, not in the next register. */
#define NAMELESS(reg, name, type)                                        \
	{                                                                \
#name, type, FORM_VALUE, 0, EXTENT_ONE, 0, reg + 1, 0, 0 \
	}
#define PAIR(name)                                                 \
	{                                                          \
#name, T_S64, FORM_PAIR, 0, EXTENT_ONE, 0, 0, 0, 0 \
	}

/* Arguments that point at memory. */
#define P_(name, type, form, dir, extent, count)               \
	{                                                      \
#name, type, form, dir, extent, count, 0, 0, 0 \
	}
#define IN(name, type) P_(name, type, FORM_POINTER, DIR_IN, EXTENT_ONE, 0)
#define OUT(name, type) P_(name, type, FORM_POINTER, DIR_OUT, EXTENT_ONE, 0)
/* Filled only when the call fails, as by nanosleep(). */
#define OUT_FAILED(name, type) P_(name, type, FORM_POINTER, DIR_OUT | DIR_FAILED, EXTENT_ONE, 0)
#define INOUT(name, type) P_(name, type, FORM_POINTER, DIR_IN | DIR_OUT, EXTENT_ONE, 0)
#define IN_N(name, type, n) P_(name, type, FORM_ARRAY, DIR_IN, EXTENT_ARG, n)
#define OUT_N(name, type, n) P_(name, type, FORM_ARRAY, DIR_OUT, EXTENT_ARG, n)
#define OUT_R(name, type) P_(name, type, FORM_ARRAY, DIR_OUT, EXTENT_RESULT, 0)
#define IN_FIXED(name, type, n) P_(name, type, FORM_ARRAY, DIR_IN, EXTENT_FIXED, n)
#define OUT_FIXED(name, type, n) P_(name, type, FORM_ARRAY, DIR_OUT, EXTENT_FIXED, n)
#define IN_SIZED(name, type, n) P_(name, type, FORM_SIZED, DIR_IN, EXTENT_ARG, n)
#define OUT_SIZED_R(name, type) P_(name, type, FORM_SIZED, DIR_OUT, EXTENT_RESULT, 0)
#define OUT_SIZED_AT(name, type, n) P_(name, type, FORM_SIZED, DIR_OUT, EXTENT_AT, n)
#define IN_SIZED_FIXED(name, type, n) P_(name, type, FORM_SIZED, DIR_IN, EXTENT_FIXED, n)
#define OUT_SIZED_FIXED(name, type, n) P_(name, type, FORM_SIZED, DIR_OUT, EXTENT_FIXED, n)
/* As IN: what comes back is shown behind the result. */
#define SHOWN_IN_N(name, type, n) P_(name, type, FORM_ARRAY, DIR_IN, EXTENT_ARG, n)
#define PATH(name) P_(name, T_CHARS, FORM_PATH, DIR_IN, EXTENT_ONE, 0)
#define STR(name) P_(name, T_CHARS, FORM_STRING, DIR_IN, EXTENT_ONE, 0)
#define OUT_STR(name) P_(name, T_CHARS, FORM_STRING, DIR_OUT, EXTENT_ONE, 0)
#define OUT_PATH(name) P_(name, T_CHARS, FORM_PATH, DIR_OUT, EXTENT_ONE, 0)
#define BYTES(name, n) P_(name, T_CHARS, FORM_BYTES, DIR_IN, EXTENT_ARG, n)
#define OUT_BYTES(name) P_(name, T_CHARS, FORM_BYTES, DIR_OUT, EXTENT_RESULT, 0)
#define OUT_HEXBYTES(name) P_(name, T_CHARS, FORM_HEXBYTES, DIR_OUT, EXTENT_RESULT, 0)
#define STRINGS(name) P_(name, T_CHARS, FORM_STRINGS, DIR_IN, EXTENT_ONE, 0)
#define ENV(name) P_(name, T_PTR, FORM_ENV, DIR_IN, EXTENT_ONE, 0)
#define IOVEC(name, n) P_(name, T_CHARS, FORM_IOVEC, DIR_IN, EXTENT_ARG, n)
#define OUT_IOVEC(name, n) P_(name, T_CHARS, FORM_IOVEC, DIR_OUT, EXTENT_ARG, n)
#define MESSAGE(name) P_(name, T_STRUCT(msghdr), FORM_MESSAGE, DIR_IN, EXTENT_ONE, 0)
#define OUT_MESSAGE(name) P_(name, T_STRUCT(msghdr), FORM_MESSAGE, DIR_OUT, EXTENT_ONE, 0)

#endif
