/* SPDX-License-Identifier: MIT */
/*
 * Agent expressions from any bytes: what the check finds good can be evaluated, ends, and asks
 * for nothing but registers that exist. And from any text: what compiles is good.
 */
#include <string.h>

#include "arch/arch.h"
#include "lib/expr.h"
#include "test/fuzz/fuzz.h"
#include "wire/agent.h"

struct asked {
	const struct arch *arch;
	unsigned reads;
	uint64_t state; /* of what is answered */
};

static uint64_t answer(struct asked *a)
{
	a->state = a->state * 6364136223846793005u + 1442695040888963407u;
	return a->state >> (a->state >> 58);
}

static bool has(const void *arch, unsigned number)
{
	return arch_gdb_register(arch, number) != NULL;
}

static int read_register(void *data, unsigned number, uint64_t *value)
{
	struct asked *a = data;

	FUZZ_CHECK(has(a->arch, number));
	*value = answer(a);
	return *value % 64 == 1;
}

static int read_memory(void *data, uint64_t addr, void *buf, size_t size)
{
	struct asked *a = data;
	uint64_t value = answer(a) + addr;

	FUZZ_CHECK(size == 1 || size == 2 || size == 4 || size == 8);
	FUZZ_CHECK(++a->reads <= AGENT_STEPS_MAX / AGENT_READ_STEPS);
	memcpy(buf, &value, size);
	return value % 64 == 1;
}

static void evaluate(const struct arch *arch, const uint8_t *code, size_t size)
{
	struct asked asked = { .arch = arch, .state = size };
	const struct agent_env env = { read_register, read_memory, &asked };
	uint64_t value;
	/* Of just this length, for the address sanitizer. */
	uint8_t *copy = malloc(size);

	memcpy(copy, code, size);
	FUZZ_CHECK(agent_eval(copy, &env, &value) <= AGENT_FAULT_ENDLESS);
	free(copy);
}

static void check_code(const struct arch *arch, const uint8_t *code, size_t size)
{
	enum agent_problem p = agent_check(code, size, has, arch);
	int public = cotrace_check_expression(arch->id, code, size);

	FUZZ_CHECK((p == AGENT_GOOD) == (public == 0));
	FUZZ_CHECK(agent_problem_text(p) != NULL);
	if (p == AGENT_GOOD)
		evaluate(arch, code, size);
}

/* Mostly few pieces: those are good by chance. */
static unsigned input_count(struct input *in)
{
	unsigned n = input_byte(in);

	return n < 224 ? n % 14 : 1000;
}

/* Known opcodes, jumps mostly to where there is code, registers that mostly exist. */
static void make_code(const struct arch *arch, struct input *in)
{
	static const struct {
		uint8_t number, operands;
	} ops[] = {
#define OP(name, number, operands, pops, pushes) { number, operands },
		AGENT_OPS(OP)
#undef OP
	};
	uint8_t code[AGENT_BYTES_MAX];
	unsigned count = input_count(in);
	size_t size = 0;

	for (; count > 0 && in->left > 0 && size < sizeof code - 10; count--) {
		unsigned k = input_below(in, sizeof ops / sizeof *ops);

		code[size++] = ops[k].number;
		for (unsigned i = 0; i < ops[k].operands; i++)
			code[size++] = ops[k].operands == 2 && i == 0 ? 0 : (uint8_t)input_byte(in);
	}
	code[size++] = AGENT_END;
	check_code(arch, code, size);
}

static void compile(const struct arch *arch, const char *text)
{
	char message[64] = "";
	uint8_t *code;
	size_t size;

	if (cotrace_compile(&code, &size, arch->id, text, message, sizeof message) < 0) {
		FUZZ_CHECK(code == NULL && size == 0);
		FUZZ_CHECK(*message != '\0' && strlen(message) < sizeof message);
		return;
	}
	FUZZ_CHECK(*message == '\0');
	FUZZ_CHECK(agent_check(code, size, has, arch) == AGENT_GOOD);
	evaluate(arch, code, size);
	free(code);
}

/* Text of the language's words. */
static void make_text(const struct arch *arch, struct input *in)
{
	static const char *const words[] = {
		"$pc",	      "$sp",	"1",	    "0",      "-1",    "255u",	     "0x80000000",
		"77L",	      "'a'",	"(",	    "(",      ")",     ")",	     "[",
		"]",	      "+",	"-",	    "*",      "/",     "%",	     "<<",
		">>",	      "<",	">",	    "<=",     ">=",    "==",	     "!=",
		"&",	      "|",	"^",	    "&&",     "||",    "!",	     "~",
		"?",	      ":",	",",	    "name",   "(int)", "(char *)",   "(long *)",
		"(unsigned)", "(bool)", "(void *)", "sizeof", "NULL",  "(short **)", "(uint64_t)",
		"9LL",	      "name",
	};
	char text[2048] = "";
	unsigned count = input_count(in);
	size_t used = 0;

	for (; count > 0 && in->left > 0 && used < sizeof text - 16; count--)
		used += (size_t)snprintf(text + used, sizeof text - used, "%s ",
					 words[input_below(in, sizeof words / sizeof *words)]);
	compile(arch, text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct input in = { data, size };
	unsigned how = input_byte(&in);
	const struct arch *arch = how & 8 ? &arch_i386 : &arch_x86_64;
	char text[512];

	switch (how % 4) {
	case 0:
		check_code(arch, in.at, in.left);
		break;
	case 1:
		make_code(arch, &in);
		break;
	case 2:
		snprintf(text, sizeof text, "%.*s", (int)in.left, (const char *)in.at);
		compile(arch, text);
		break;
	default:
		make_text(arch, &in);
	}
	return 0;
}
