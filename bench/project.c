/* SPDX-License-Identifier: MIT */
/* A small C project to build. */
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "bench/bench.h"

static char folder[] = "/tmp/cotrace-bench-XXXXXX";

static void put(const char *name, const char *text)
{
	char path[96];
	FILE *f;

	snprintf(path, sizeof path, "%s/%s", folder, name);
	f = fopen(path, "w");
	if (f == NULL || fputs(text, f) < 0 || fclose(f) != 0)
		bench_die(path);
}

const char *project_make(int files)
{
	char name[32], text[512];

	if (mkdtemp(folder) == NULL)
		bench_die("mkdtemp");
	for (int i = 0; i < files; i++) {
		snprintf(name, sizeof name, "part%d.c", i);
		snprintf(text, sizeof text,
			 "#include <stdio.h>\n#include <stdlib.h>\n#include <string.h>\n"
			 "int part%d(int n);\nint part%d(int n)\n{\n\tchar b[64];\n"
			 "\tsnprintf(b, sizeof b, \"%%d\", n);\n\treturn (int)strlen(b);\n}\n",
			 i, i);
		put(name, text);
	}
	put("Makefile", "OBJECTS := $(patsubst %.c,%.o,$(sort $(wildcard part*.c)))\n"
			"all: clean\n\t$(MAKE) lib.a\n"
			"lib.a: $(OBJECTS)\n\t$(AR) rcs $@ $^\n"
			"clean:\n\trm -f *.o lib.a\n.PHONY: all clean\n");
	return folder;
}

void project_remove(void)
{
	char line[96];

	snprintf(line, sizeof line, "rm -rf %s", folder);
	if (system(line) != 0)
		fprintf(stderr, "bench: %s is left\n", folder);
}
