/* SPDX-License-Identifier: MIT */
/* How values, structures and arguments are described by the tables *.def. */
#ifndef DECODE_TYPE_H
#define DECODE_TYPE_H

#include <cotrace.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* What a value is to the kernel. Long and pointer have the task's word size. */
enum base {
	B_INT, /* the default */
	B_UINT,
	B_LONG,
	B_ULONG,
	B_S64,
	B_U64,
	B_S16,
	B_U16,
	B_S8,
	B_U8,
	B_COUNT
};

/* How it is shown. */
enum show {
	SHOW_DEC,
	SHOW_HEX,
	SHOW_OCT,
	SHOW_PTR,   /* hexadecimal, or NULL */
	SHOW_FLAGS, /* ref: a set of names */
	SHOW_ENUM,  /* ref: a set of names */
	SHOW_FD,
	SHOW_DIRFD,
	SHOW_FMODE, /* file type and permissions */
	SHOW_DEV,
	SHOW_ID, /* a user or group; all ones: -1 */
	SHOW_SIGNAL,
	SHOW_SIGSET,
	SHOW_RLIM,
	SHOW_CLONE, /* flags and the signal at exit */
	SHOW_SOCKTYPE,
	SHOW_PROTOCOL, /* of the socket whose family is the argument ref */
	SHOW_SOCKOPT,  /* an option of the level that is the argument ref */
	SHOW_PORT,
	SHOW_IPC_MODE, /* flags and permissions; ref: a set of names */
	SHOW_KEY,      /* of System V IPC */
	/* In memory only. */
	SHOW_MEMORY_ONLY,
	SHOW_STRUCT = SHOW_MEMORY_ONLY, /* ref: a structure */
	SHOW_WAIT_STATUS,
	SHOW_CHARS, /* an array of characters, perhaps with a zero byte */
	SHOW_FDSET,
	SHOW_CPUSET,
	SHOW_SOCKADDR,
	SHOW_SIGACTION,
	SHOW_SIGINFO,
	SHOW_MSGBUF, /* a message of msgsnd() or msgrcv() */
	SHOW_EPOLL_DATA,
	SHOW_DIRENTS, /* ref: 1 for the form with 64-bit inode numbers everywhere */
	SHOW_VALUE,   /* what a socket option holds: a number, or bytes */
	/* Results only. */
	SHOW_RESULT_FLAGS,
	SHOW_RESULT_ENUM,
	SHOW_RESULT_POLL,
	SHOW_RESULT_SELECT
};

struct type {
	uint8_t show;
	uint8_t base;
	uint16_t ref;
};

enum form {
	FORM_NONE,
	FORM_VALUE,
	FORM_PAIR,    /* two registers make one 64-bit value */
	FORM_POINTER, /* to one of type */
	FORM_ARRAY,   /* to several of type */
	FORM_STRING,  /* cut at the string length */
	FORM_PATH,    /* never cut */
	FORM_BYTES,
	FORM_HEXBYTES, /* random ones: always as \x.. */
	FORM_STRINGS,  /* as execve's argv */
	FORM_ENV,      /* a pointer, and how many strings */
	FORM_IOVEC,    /* with what it points at */
	FORM_SIZED,    /* one of type, as many bytes as count says */
	FORM_MESSAGE   /* a msghdr with all that it points at */
};

#define DIR_IN 1u
#define DIR_OUT 2u
#define DIR_FAILED 4u /* with DIR_OUT: filled when the call fails, not when it succeeds */

/* Where a count is found. */
enum extent {
	EXTENT_ONE,
	EXTENT_FIXED,  /* count itself */
	EXTENT_ARG,    /* argument number count */
	EXTENT_RESULT, /* what the call returned */
	EXTENT_AT      /* the 32-bit number that argument number count points at */
};

struct arg {
	const char *name;
	struct type type;
	uint8_t form, dir, extent, count;
	uint8_t reg;   /* 1 + the register it is in; 0: the next one */
	uint8_t named; /* shown as name=value */
	uint32_t when; /* shown when one of these bits of the first register is set; 0: always */
};

#define ARGS_MAX 6

struct call {
	const char *name;
	uint32_t classes; /* CLASS_* */
	struct type result;
	struct arg args[ARGS_MAX];
};

/* A call whose arguments depend on the value of one of them. */
struct variant {
	const char *of;
	uint64_t value;
	struct call call;
};

struct selector {
	const char *of;
	uint8_t arg;
	uint64_t mask;
};

#define CLASS_FILE 0x1u
#define CLASS_DESC 0x2u
#define CLASS_PROCESS 0x4u
#define CLASS_NETWORK 0x8u
#define CLASS_SIGNAL 0x10u
#define CLASS_MEMORY 0x20u
#define CLASS_IPC 0x40u
#define CLASS_CREDS 0x80u
#define CLASS_CLOCK 0x100u
#define CLASS_STAT 0x200u
#define CLASS_STATFS 0x400u
#define CLASS_NO_RETURN 0x1000u

#endif
