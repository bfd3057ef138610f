/* SPDX-License-Identifier: MIT */
/* System calls as text, from events and captures that are made up. */
#include <errno.h>
#include <signal.h>
#include <stdarg.h>
#include <setjmp.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>

#include <cmocka.h>

#include "cli/decode/capture.h"
#include "cli/decode/decode.h"

/* A call being made up: its event, and what was captured for it. */
struct fixture {
	struct cotrace_event ev;
	uint8_t data[COTRACE_CAPTURES_MAX * COTRACE_CAPTURE_BYTES_MAX];
	uint32_t used;
	struct decode_call call;
	struct decode_style style;
	struct out out;
};

static struct fixture f;

static int setup(void **state)
{
	(void)state;
	memset(&f, 0, sizeof f);
	f.ev.size = sizeof f.ev;
	f.call.kept.fd = -1;
	f.style.string_limit = 32;
	return out_init(&f.out, -1, 256);
}

static int teardown(void **state)
{
	(void)state;
	out_deinit(&f.out);
	decode_call_deinit(&f.call);
	return 0;
}

static void begin(uint32_t arch, int64_t nr, const uint64_t args[6])
{
	f.ev.kind = COTRACE_EVENT_SYSCALL_ENTRY;
	f.ev.arch = arch;
	f.ev.syscall.nr = nr;
	memcpy(f.ev.syscall.args, args, sizeof f.ev.syscall.args);
}

#define CALL(name, ...) begin(COTRACE_ARCH_X86_64, SYS_##name, (uint64_t[6]){ __VA_ARGS__ })

/* As the engine would: for the slot that asks for this. @word: of a MEMBER slot. */
static void captured_word(unsigned kind, unsigned phase, unsigned arg, int word, const void *p,
			  size_t size)
{
	const struct syscall *s = table_get(f.ev.arch, f.ev.syscall.nr);

	assert_non_null(s);
	for (unsigned i = 0; i < s->slot_count; i++) {
		struct cotrace_captured *c = &f.ev.captured[f.ev.captured_count];

		if (s->slots[i].kind != kind || s->slots[i].arg != arg ||
		    s->slots[i].phase != phase || (word >= 0 && s->slots[i].count_arg != word))
			continue;
		c->slot = (uint8_t)i;
		c->arg = (uint16_t)arg;
		c->offset = f.used;
		c->size = (uint32_t)size;
		c->flags = 0;
		if (s->slots[i].max && size > s->slots[i].max) {
			c->size = s->slots[i].max;
			c->flags = COTRACE_CAPTURED_MORE;
		}
		memcpy(f.data + f.used, p, c->size);
		f.used += c->size;
		f.ev.captured_count++;
		return;
	}
	fail_msg("nothing captures this");
}

static void captured(unsigned kind, unsigned phase, unsigned arg, const void *p, size_t size)
{
	captured_word(kind, phase, arg, -1, p, size);
}

/* Of the message that sendmsg() is given. */
static void member(int word, const void *p, size_t size)
{
	captured_word(COTRACE_CAPTURE_MEMBER, COTRACE_ENTRY, 1, word, p, size);
}

static void string_at(unsigned arg, const char *text)
{
	captured(COTRACE_CAPTURE_STRING, COTRACE_ENTRY, arg, text, strlen(text));
}

static void bytes_at(unsigned phase, unsigned arg, const void *p, size_t size)
{
	captured(COTRACE_CAPTURE_BYTES, phase, arg, p, size);
}

static void enter(void)
{
	char buf[32];

	decode_enter(&f.call, &f.ev, f.data);
	out_str(&f.out, decode_call_name(&f.call, buf));
	out_char(&f.out, '(');
	decode_entry_args(&f.call, &f.style, &f.out, &f.ev, f.data);
	f.ev.captured_count = 0;
	f.used = 0;
	f.ev.kind = COTRACE_EVENT_SYSCALL_EXIT;
}

static void leave(int64_t result)
{
	f.ev.syscall.result = result;
	f.ev.syscall.is_error = result < 0;
	decode_exit_args(&f.call, &f.style, &f.out, &f.ev, f.data);
	out_str(&f.out, ") = ");
	decode_result(&f.call, &f.style, &f.out, &f.ev, f.data);
}

static void shows(const char *text)
{
	out_char(&f.out, '\0');
	assert_string_equal(f.out.buf, text);
}

static void open_shows_flags_and_no_mode_unless_it_creates(void **state)
{
	(void)state;
	CALL(openat, (uint64_t)-100, 0x1000, 02000000);
	string_at(1, "/etc/ld.so.cache");
	enter();
	leave(3);
	shows("openat(AT_FDCWD, \"/etc/ld.so.cache\", O_RDONLY|O_CLOEXEC) = 3");
}

static void creating_open_shows_the_mode(void **state)
{
	(void)state;
	CALL(openat, (uint64_t)-100, 0x1000, 01101, 0644);
	string_at(1, "x");
	enter();
	leave(-EACCES);
	shows("openat(AT_FDCWD, \"x\", O_WRONLY|O_CREAT|O_TRUNC, 0644) = -1 EACCES (Permission "
	      "denied)");
}

static void read_shows_its_buffer_at_the_exit(void **state)
{
	static const char elf[] =
		"\177ELF\2\1\1\0\0\0\0\0\0\0\0\0\3\0>\0\1\0\0\0\0\0\0\0\0\0\0\0rest";

	(void)state;
	CALL(read, 3, 0x1000, 832);
	enter();
	out_char(&f.out, '#');
	captured(COTRACE_CAPTURE_RESULT, COTRACE_EXIT, 1, elf, 36);
	leave(832);
	shows("read(3, #\"\\177ELF\\2\\1\\1\\0\\0\\0\\0\\0\\0\\0\\0\\0\\3\\0>\\0\\1\\0\\0\\0\\0\\0"
	      "\\0\\0\\0\\0\\0\\0\"..., 832) = 832");
}

static void failed_read_shows_the_address(void **state)
{
	(void)state;
	CALL(read, 3, 0x1000, 832);
	enter();
	leave(-512);
	shows("read(3, 0x1000, 832) = ? ERESTARTSYS (To be restarted if SA_RESTART is set)");
}

static void octal_escapes_stay_apart_from_digits(void **state)
{
	(void)state;
	CALL(write, 1, 0x1000, 5);
	captured(COTRACE_CAPTURE_COUNTED, COTRACE_ENTRY, 1, "\0011\001\"\n", 5);
	enter();
	leave(5);
	shows("write(1, \"\\0011\\1\\\"\\n\", 5) = 5");
}

static void structures_are_abbreviated(void **state)
{
	struct stat st = { .st_mode = S_IFREG | 0644, .st_size = 44127 };

	(void)state;
	CALL(newfstatat, 3, 0x1000, 0x2000, 0x1000);
	string_at(1, "");
	enter();
	bytes_at(COTRACE_EXIT, 2, &st, sizeof st);
	leave(0);
	shows("newfstatat(3, \"\", {st_mode=S_IFREG|0644, st_size=44127, ...}, AT_EMPTY_PATH) = 0");
}

static void mapping_flags_are_named(void **state)
{
	(void)state;
	CALL(mmap, 0, 8192, 3, 0x22, (uint64_t)-1, 0);
	enter();
	leave(0x7f5800000000);
	shows("mmap(NULL, 8192, PROT_READ|PROT_WRITE, MAP_PRIVATE|MAP_ANONYMOUS, -1, 0) = "
	      "0x7f5800000000");
}

static void unknown_flags_keep_their_number(void **state)
{
	(void)state;
	CALL(pipe2, 0x1000, 0x40000000);
	enter();
	leave(-EINVAL);
	shows("pipe2(0x1000, 0x40000000 /* O_??? */) = -1 EINVAL (Invalid argument)");
}

static void exec_shows_arguments_and_counts_the_environment(void **state)
{
	static const uint64_t env[] = { 1, 2, 3, 0 };

	(void)state;
	CALL(execve, 0x1000, 0x2000, 0x7ffe0010);
	string_at(0, "/bin/ls");
	captured(COTRACE_CAPTURE_STRINGS, COTRACE_ENTRY, 1, "ls\0-l", 6);
	bytes_at(COTRACE_ENTRY, 2, env, sizeof env);
	enter();
	leave(0);
	shows("execve(\"/bin/ls\", [\"ls\", \"-l\"], 0x7ffe0010 /* 3 vars */) = 0");
}

static void inputs_after_an_output_are_kept_from_the_entry(void **state)
{
	static const uint64_t set = 1ull << (SIGUSR1 - 1) | 1ull << (SIGUSR2 - 1), none;

	(void)state;
	CALL(rt_sigprocmask, 0, 0x1000, 0x2000, 8);
	bytes_at(COTRACE_ENTRY, 1, &set, 8);
	enter();
	bytes_at(COTRACE_EXIT, 2, &none, 8);
	leave(0);
	shows("rt_sigprocmask(SIG_BLOCK, [USR1 USR2], [], 8) = 0");
}

static void lengths_that_change_are_shown_twice(void **state)
{
	struct sockaddr_un a = { .sun_family = AF_UNIX };
	const uint32_t before = 128, after = 2;

	(void)state;
	CALL(getsockname, 6, 0x1000, 0x2000);
	bytes_at(COTRACE_ENTRY, 2, &before, 4);
	enter();
	captured(COTRACE_CAPTURE_LENGTH_AT, COTRACE_EXIT, 1, &a, 2);
	bytes_at(COTRACE_EXIT, 2, &after, 4);
	leave(0);
	shows("getsockname(6, {sa_family=AF_UNIX}, [128 => 2]) = 0");
}

static void poll_shows_what_is_ready_behind_the_result(void **state)
{
	static const uint8_t before[] = { 5, 0, 0, 0, 1, 0, 0, 0, 4, 0, 0, 0, 4, 0, 0, 0 };
	static const uint8_t after[] = { 5, 0, 0, 0, 1, 0, 0, 0, 4, 0, 0, 0, 4, 0, 4, 0 };

	(void)state;
	CALL(poll, 0x1000, 2, 10);
	captured(COTRACE_CAPTURE_COUNTED, COTRACE_ENTRY, 0, before, 16);
	enter();
	captured(COTRACE_CAPTURE_COUNTED, COTRACE_EXIT, 0, after, 16);
	leave(1);
	shows("poll([{fd=5, events=POLLIN}, {fd=4, events=POLLOUT}], 2, 10) = 1 ([{fd=4, "
	      "revents=POLLOUT}])");
}

static void gathered_writes_show_each_piece(void **state)
{
	static const uint64_t iov[] = { 0x3000, 2, 0x4000, 80 };
	char text[83] = "ab";

	(void)state;
	memset(text + 2, 'c', 80);
	CALL(writev, 14, 0x1000, 2);
	captured(COTRACE_CAPTURE_COUNTED, COTRACE_ENTRY, 1, iov, sizeof iov);
	captured(COTRACE_CAPTURE_IOVEC, COTRACE_ENTRY, 1, text, 82);
	enter();
	leave(82);
	shows("writev(14, [{iov_base=\"ab\", iov_len=2}, "
	      "{iov_base=\"cccccccccccccccccccccccccccccccc\"..., iov_len=80}], 2) = 82");
}

static void messages_show_name_data_and_control(void **state)
{
	const struct {
		uint64_t length;
		int level, type, fd, pad;
	} control = { 20, SOL_SOCKET, SCM_RIGHTS, 1, 0 };
	const uint64_t header[] = { 0, 0, 0x3000, 1, 0x4000, 24, 0 };
	const uint64_t iov[] = { 0x5000, 1 };

	(void)state;
	CALL(sendmsg, 6, 0x1000, 0);
	captured(COTRACE_CAPTURE_BYTES, COTRACE_ENTRY, 1, header, sizeof header);
	member(2, iov, sizeof iov);
	captured(COTRACE_CAPTURE_MEMBER_IOVEC, COTRACE_ENTRY, 1, "f", 1);
	member(4, &control, sizeof control);
	enter();
	leave(1);
	shows("sendmsg(6, {msg_name=NULL, msg_namelen=0, msg_iov=[{iov_base=\"f\", iov_len=1}], "
	      "msg_iovlen=1, msg_control=[{cmsg_len=20, cmsg_level=SOL_SOCKET, "
	      "cmsg_type=SCM_RIGHTS, cmsg_data=[1]}], msg_controllen=24, msg_flags=0}, 0) = 1");
}

static void wait_shows_the_status(void **state)
{
	const uint32_t status = 2 << 8;

	(void)state;
	CALL(wait4, (uint64_t)-1, 0x1000, 0, 0);
	enter();
	bytes_at(COTRACE_EXIT, 1, &status, 4);
	leave(6325);
	shows("wait4(-1, [{WIFEXITED(s) && WEXITSTATUS(s) == 2}], 0, NULL) = 6325");
}

static void arguments_follow_the_command(void **state)
{
	(void)state;
	CALL(fcntl, 13, 1, 0xdead);
	enter();
	leave(1);
	shows("fcntl(13, F_GETFD) = 0x1 (flags FD_CLOEXEC)");
}

static void clone_shows_only_what_its_flags_use(void **state)
{
	(void)state;
	CALL(clone, 0x1200011, 0, 0, 0x7f00, 0);
	enter();
	leave(17);
	shows("clone(child_stack=NULL, flags=CLONE_CHILD_CLEARTID|CLONE_CHILD_SETTID|SIGCHLD, "
	      "child_tidptr=0x7f00) = 17");
}

static void unknown_calls_are_hexadecimal(void **state)
{
	(void)state;
	begin(COTRACE_ARCH_X86_64, 0x1ff, (uint64_t[6]){ 1, 0, 0xff });
	enter();
	leave(-ENOSYS);
	shows("syscall_0x1ff(0x1, 0, 0xff, 0, 0, 0) = -1 ENOSYS (Function not implemented)");
}

static void exit_without_entry_shows_the_whole_call(void **state)
{
	char buf[32];

	(void)state;
	CALL(kill, 12, SIGTERM);
	f.ev.kind = COTRACE_EVENT_SYSCALL_EXIT;
	decode_enter(&f.call, &f.ev, f.data);
	out_str(&f.out, decode_call_name(&f.call, buf));
	out_char(&f.out, '(');
	leave(0);
	shows("kill(12, SIGTERM) = 0");
}

static void i386_calls_have_their_own_layout(void **state)
{
	const uint32_t ts[2] = { 1, 500 };

	(void)state;
	begin(COTRACE_ARCH_I386, table_number(COTRACE_ARCH_I386, "nanosleep"),
	      (uint64_t[6]){ 0x1000, 0 });
	bytes_at(COTRACE_ENTRY, 0, ts, sizeof ts);
	enter();
	leave(0);
	shows("nanosleep({tv_sec=1, tv_nsec=500}, NULL) = 0");
}

static void i386_takes_64_bit_numbers_in_two_registers(void **state)
{
	(void)state;
	begin(COTRACE_ARCH_I386, table_number(COTRACE_ARCH_I386, "ftruncate64"),
	      (uint64_t[6]){ 3, 1, 1 });
	enter();
	leave(0);
	shows("ftruncate64(3, 4294967297) = 0");
}

static void socketcall_shows_what_it_stands_for(void **state)
{
	const uint32_t args[6] = { AF_UNIX, SOCK_STREAM, 0 };

	(void)state;
	begin(COTRACE_ARCH_I386, table_number(COTRACE_ARCH_I386, "socketcall"),
	      (uint64_t[6]){ 1, 0x1000 });
	bytes_at(COTRACE_ENTRY, 1, args, sizeof args);
	enter();
	leave(4);
	shows("socket(AF_UNIX, SOCK_STREAM, 0) = 4");
}

static void signals_show_their_origin(void **state)
{
	(void)state;
	f.ev.signal.signo = SIGCHLD;
	f.ev.signal.code = 1;
	f.ev.signal.sender_pid = 7;
	decode_signal(&f.out, &f.ev);
	shows("{si_signo=SIGCHLD, si_code=CLD_EXITED, si_pid=7, si_uid=0, si_status=0, ...}");
}

static void damaged_captures_are_survived(void **state)
{
	(void)state;
	for (int nr = 0; nr < SYSCALL_MAX; nr++) {
		const struct syscall *s = table_get(COTRACE_ARCH_X86_64, nr);
		struct fixture *fix = &f;

		if (!s)
			continue;
		for (uint32_t size = 0; size < 40; size += 13) {
			for (unsigned phase = 1; phase <= 2; phase++) {
				fix->ev.kind = phase == 1 ? COTRACE_EVENT_SYSCALL_ENTRY
							  : COTRACE_EVENT_SYSCALL_EXIT;
				fix->ev.arch = COTRACE_ARCH_X86_64;
				fix->ev.syscall.nr = nr;
				fix->ev.syscall.result = 1000000;
				memset(fix->ev.syscall.args, size ? 0x7f : 0xff,
				       sizeof fix->ev.syscall.args);
				fix->ev.captured_count = 0;
				for (unsigned i = 0; i < s->slot_count; i++)
					if (s->slots[i].phase == phase)
						fix->ev.captured[fix->ev.captured_count++] =
							(struct cotrace_captured){
								.slot = (uint8_t)i,
								.arg = s->slots[i].arg,
								.offset = 64 * i,
								.size = size,
								.flags = (uint8_t)(size & 3),
							};
				memset(fix->data, (int)size, 4096);
				if (phase == 1) {
					decode_enter(&f.call, &f.ev, f.data);
					decode_entry_args(&f.call, &f.style, &f.out, &f.ev, f.data);
				} else {
					decode_exit_args(&f.call, &f.style, &f.out, &f.ev, f.data);
					decode_result(&f.call, &f.style, &f.out, &f.ev, f.data);
				}
			}
			f.out.len = 0;
		}
	}
}

static void no_call_captures_more_than_the_engine_takes(void **state)
{
	(void)state;
	for (int nr = 0; nr < SYSCALL_MAX; nr++) {
		const struct syscall *s = table_get(COTRACE_ARCH_X86_64, nr);

		for (unsigned i = 0; s && i < s->slot_count; i++) {
			assert_in_range(s->slots[i].max, 0, COTRACE_CAPTURE_BYTES_MAX);
			assert_true(s->slots[i].arg < 6);
		}
	}
}

static void every_call_has_a_number_and_a_signature(void **state)
{
	unsigned count = 0;

	(void)state;
	for (int nr = 0; nr < SYSCALL_MAX; nr++)
		count += table_get(COTRACE_ARCH_X86_64, nr) != NULL;
	assert_true(count >= 370);
	assert_int_equal(table_number(COTRACE_ARCH_X86_64, "futex_waitv"), SYS_futex_waitv);
	assert_int_equal(table_number(COTRACE_ARCH_I386, "socket"), 359);
	assert_string_equal(table_nearest("opennat"), "openat");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
		T(open_shows_flags_and_no_mode_unless_it_creates),
		T(creating_open_shows_the_mode),
		T(read_shows_its_buffer_at_the_exit),
		T(failed_read_shows_the_address),
		T(octal_escapes_stay_apart_from_digits),
		T(structures_are_abbreviated),
		T(mapping_flags_are_named),
		T(unknown_flags_keep_their_number),
		T(exec_shows_arguments_and_counts_the_environment),
		T(inputs_after_an_output_are_kept_from_the_entry),
		T(lengths_that_change_are_shown_twice),
		T(poll_shows_what_is_ready_behind_the_result),
		T(gathered_writes_show_each_piece),
		T(messages_show_name_data_and_control),
		T(wait_shows_the_status),
		T(arguments_follow_the_command),
		T(clone_shows_only_what_its_flags_use),
		T(unknown_calls_are_hexadecimal),
		T(exit_without_entry_shows_the_whole_call),
		T(i386_calls_have_their_own_layout),
		T(i386_takes_64_bit_numbers_in_two_registers),
		T(socketcall_shows_what_it_stands_for),
		T(signals_show_their_origin),
		T(damaged_captures_are_survived),
		T(no_call_captures_more_than_the_engine_takes),
		T(every_call_has_a_number_and_a_signature),
	};

	if (table_init() < 0)
		return EXIT_FAILURE;
	table_capture(32, false);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
