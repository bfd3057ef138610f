/* SPDX-License-Identifier: MIT */
/* Whether a library can be preloaded into a program. */
#ifndef COMPAT_PRELOAD_PROGRAM_H
#define COMPAT_PRELOAD_PROGRAM_H

enum program_kind {
	PROGRAM_ALONE, /* nothing can be preloaded into it */
	PROGRAM_FIT
};

/*
 * *why: for PROGRAM_ALONE, a phrase for people that goes on from "it". A script is what its
 * interpreter is. Allocates nothing, so that a vfork child can call it.
 */
enum program_kind program_look(const char *path, const char **why);

#endif
