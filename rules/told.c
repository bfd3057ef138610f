/* SPDX-License-Identifier: MIT */
#include "rules/told.h"

uint32_t told_of_hold(bool before, bool after)
{
	if (before == after)
		return 0;
	return after ? COTRACE_CHANGE_HOLD : COTRACE_CHANGE_RELEASE;
}

static bool is_change(const struct told_act *act)
{
	switch (act->what) {
	case COTRACE_CHANGE_MEMORY:
		return act->length > 0;
	case COTRACE_CHANGE_REGISTERS:
	case COTRACE_CHANGE_HOLD:
	case COTRACE_CHANGE_RELEASE:
	case COTRACE_CHANGE_CALL:
	case COTRACE_CHANGE_STATE:
		return !act->unknown;
	default:
		return false;
	}
}

bool told_is_due(const struct told_act *act, const struct told_listener *l)
{
	return is_change(act) && l->session != act->session && l->covers && l->wants && !l->ended;
}
