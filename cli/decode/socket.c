/* SPDX-License-Identifier: MIT */
/* Socket addresses, types, protocols and options. */
#include <arpa/inet.h>
#include <linux/if_packet.h>
#include <linux/netlink.h>
#include <linux/vm_sockets.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "cli/decode/names.h"
#include "cli/decode/show.h"
#include "cli/decode/structs.h"
#include "cli/decode/text.h"

static void show_port(struct out *out, const char *name, uint16_t port)
{
	out_str(out, name);
	out_str(out, "=htons(");
	out_u64(out, ntohs(port));
	out_char(out, ')');
}

static void show_inet(struct out *out, const struct sockaddr_in *a)
{
	char text[INET_ADDRSTRLEN];

	show_port(out, ", sin_port", a->sin_port);
	out_str(out, ", sin_addr=inet_addr(\"");
	out_str(out, inet_ntop(AF_INET, &a->sin_addr, text, sizeof text));
	out_str(out, "\")");
}

static void show_inet6(struct out *out, const struct sockaddr_in6 *a)
{
	char text[INET6_ADDRSTRLEN];

	show_port(out, ", sin6_port", a->sin6_port);
	out_str(out, ", sin6_flowinfo=htonl(");
	out_u64(out, ntohl(a->sin6_flowinfo));
	out_str(out, "), inet_pton(AF_INET6, \"");
	out_str(out, inet_ntop(AF_INET6, &a->sin6_addr, text, sizeof text));
	out_str(out, "\", &sin6_addr), sin6_scope_id=");
	out_u64(out, a->sin6_scope_id);
}

/* An abstract name starts with a zero byte and is as long as the address. */
static void show_unix(struct out *out, const uint8_t *p, size_t size)
{
	const size_t at = offsetof(struct sockaddr_un, sun_path);

	if (size <= at)
		return;
	out_str(out, ", sun_path=");
	if (p[at] || size == at + 1)
		text_quote(out, p + at, strnlen((const char *)p + at, size - at), size, false);
	else {
		out_char(out, '@');
		text_quote(out, p + at + 1, size - at - 1, size, false);
	}
}

static void show_netlink(struct out *out, const struct sockaddr_nl *a)
{
	out_str(out, ", nl_pid=");
	out_u64(out, a->nl_pid);
	out_str(out, ", nl_groups=");
	out_digits(out, a->nl_groups, 16, 8);
}

static void show_packet(struct out *out, const struct sockaddr_ll *a)
{
	out_str(out, ", sll_protocol=htons(");
	out_hex(out, ntohs(a->sll_protocol));
	out_str(out, "), sll_ifindex=");
	out_i64(out, a->sll_ifindex);
	out_str(out, ", sll_hatype=");
	out_u64(out, a->sll_hatype);
	out_str(out, ", sll_pkttype=");
	out_u64(out, a->sll_pkttype);
	out_str(out, ", sll_halen=");
	out_u64(out, a->sll_halen);
}

static void show_vsock(struct out *out, const struct sockaddr_vm *a)
{
	out_str(out, ", svm_port=");
	out_hex(out, a->svm_port);
	out_str(out, ", svm_cid=");
	out_hex(out, a->svm_cid);
}

static void show_rest(struct out *out, const uint8_t *p, size_t size)
{
	if (size <= sizeof(sa_family_t))
		return;
	out_str(out, ", sa_data=");
	text_quote(out, p + sizeof(sa_family_t), size - sizeof(sa_family_t), size, false);
}

void socket_show_address(struct decode *d, const uint8_t *p, size_t size)
{
	union {
		struct sockaddr any;
		struct sockaddr_in in;
		struct sockaddr_in6 in6;
		struct sockaddr_nl nl;
		struct sockaddr_ll ll;
		struct sockaddr_vm vm;
		uint8_t bytes[sizeof(struct sockaddr_storage)];
	} a = { 0 };

	if (size < sizeof(sa_family_t)) {
		text_quote_hex(d->out, p, size, false);
		return;
	}
	memcpy(&a, p, size < sizeof a ? size : sizeof a);
	out_str(d->out, "{sa_family=");
	show_enum(d->out, NAMES_address_family, a.any.sa_family);
	if (a.any.sa_family == AF_INET && size >= 8)
		show_inet(d->out, &a.in);
	else if (a.any.sa_family == AF_INET6 && size >= 24)
		show_inet6(d->out, &a.in6);
	else if (a.any.sa_family == AF_NETLINK && size >= sizeof a.nl)
		show_netlink(d->out, &a.nl);
	else if (a.any.sa_family == AF_PACKET && size >= 12)
		show_packet(d->out, &a.ll);
	else if (a.any.sa_family == AF_VSOCK && size >= sizeof a.vm)
		show_vsock(d->out, &a.vm);
	else if (a.any.sa_family == AF_UNIX)
		show_unix(d->out, p, size);
	else
		show_rest(d->out, p, size);
	out_char(d->out, '}');
}

void socket_show_type(struct out *out, uint64_t v)
{
	uint64_t flags = v & ~0xfull & UINT32_MAX;

	show_enum(out, NAMES_socket_type, v & 0xf);
	if (flags) {
		out_char(out, '|');
		show_flags(out, NAMES_socket_flags, flags, 4);
	}
}

void socket_show_protocol(struct out *out, uint64_t family, uint64_t v)
{
	switch ((int)family) {
	case AF_INET:
	case AF_INET6:
		show_enum(out, NAMES_ip_protocol, v);
		break;
	case AF_NETLINK:
		show_enum(out, NAMES_netlink_protocol, v);
		break;
	case AF_PACKET:
		out_str(out, "htons(");
		out_hex(out, ntohs((uint16_t)v));
		out_char(out, ')');
		break;
	default:
		out_i64(out, (int32_t)v);
	}
}

static unsigned option_names(uint64_t level)
{
	switch ((int)level) {
	case SOL_SOCKET:
		return NAMES_so_socket;
	case IPPROTO_IP:
		return NAMES_so_ip;
	case IPPROTO_TCP:
		return NAMES_so_tcp;
	case IPPROTO_UDP:
		return NAMES_so_udp;
	case IPPROTO_IPV6:
		return NAMES_so_ipv6;
	case SOL_PACKET:
		return NAMES_so_packet;
	case SOL_NETLINK:
		return NAMES_so_netlink;
	default:
		return NAMES_NONE;
	}
}

void socket_show_option(struct out *out, uint64_t level, uint64_t v)
{
	unsigned set = option_names(level);

	if (set)
		show_enum(out, set, v);
	else
		out_hex(out, (uint32_t)v);
}

#define T(s, id)                   \
	{                          \
		SHOW_##s, B_U8, id \
	}

static const struct {
	int level, option;
	struct type type;
} values[] = {
	{ SOL_SOCKET, SO_LINGER, T(STRUCT, STRUCT_linger) },
	{ SOL_SOCKET, SO_PEERCRED, T(STRUCT, STRUCT_ucred) },
	{ SOL_SOCKET, 20 /* SO_RCVTIMEO_OLD */, T(STRUCT, STRUCT_timeval) },
	{ SOL_SOCKET, 21 /* SO_SNDTIMEO_OLD */, T(STRUCT, STRUCT_timeval) },
	{ SOL_SOCKET, 66 /* SO_RCVTIMEO_NEW */, T(STRUCT, STRUCT_timespec64) },
	{ SOL_SOCKET, 67 /* SO_SNDTIMEO_NEW */, T(STRUCT, STRUCT_timespec64) },
	{ SOL_SOCKET, SO_BINDTODEVICE, T(CHARS, 0) },
	{ SOL_SOCKET, SO_ATTACH_FILTER, T(STRUCT, STRUCT_sock_fprog) },
	{ IPPROTO_TCP, 13 /* TCP_CONGESTION */, T(CHARS, 0) },
	{ IPPROTO_TCP, 31 /* TCP_ULP */, T(CHARS, 0) },
};

/* Most options are an int. */
void socket_show_value(struct decode *d, const uint8_t *p, size_t size)
{
	int32_t v;

	for (size_t i = 0; i < sizeof values / sizeof values[0]; i++)
		if (values[i].level == (int)d->args[1] && values[i].option == (int)d->args[2]) {
			show_memory(d, &values[i].type, p, size);
			return;
		}
	if (size != sizeof v) {
		text_quote_hex(d->out, p,
			       size < d->style->string_limit ? size : d->style->string_limit,
			       size > d->style->string_limit);
		return;
	}
	memcpy(&v, p, sizeof v);
	out_char(d->out, '[');
	if ((int)d->args[1] == SOL_SOCKET && (int)d->args[2] == SO_TYPE)
		show_enum(d->out, NAMES_socket_type, (uint64_t)v);
	else
		out_i64(d->out, v);
	out_char(d->out, ']');
}
