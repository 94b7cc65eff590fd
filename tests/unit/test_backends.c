/* SPDX-License-Identifier: BSD-3-Clause */
/* docs/backends.md says what each backend can do; the op tables say what it does. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include "backend.h"

#define DOC PFRING_SOURCE_DIR "/docs/backends.md"

#define all pfri_backends

static u_int count_all(void)
{
	u_int n = 0;

	while (all[n])
		n++;
	return n;
}
#define N_ALL count_all()

static const struct {
	const char *row;
	enum pfri_cap cap;
} rows[] = {
	{"filter in the kernel", PFRI_CAP_KERNEL_FILTER},
	{"sees stripped VLAN tags as the kernel does", PFRI_CAP_KERNEL_VIEW},
	{"sends", PFRI_CAP_SEND},
	{"clusters", PFRI_CAP_CLUSTER},
	{"receive queues (`eth0@2`)", PFRI_CAP_QUEUES},
	{"`any`", PFRI_CAP_ANY},
	{"hardware time stamps", PFRI_CAP_HW_TSTAMP},
	{"direction", PFRI_CAP_DIRECTION},
	{"descriptor for select and poll", PFRI_CAP_SELECT},
	{"ends", PFRI_CAP_EOF},
};
#define N_ROWS (sizeof(rows) / sizeof(rows[0]))

/* Splits "| a | b | c |" in place. Returns how many cells. */
static u_int cells(char *line, char *cell[], u_int max)
{
	u_int n = 0;

	for (char *p = strchr(line, '|'); p && n < max;) {
		char *start = p + 1, *end = strchr(start, '|');

		if (!end)
			break;
		*end = 0;
		p = end;
		while (*start == ' ')
			start++;
		while (end > start && end[-1] == ' ')
			*--end = 0;
		cell[n++] = start;
	}
	return n;
}

static void test_the_feature_table_is_true(void **state)
{
	const struct pfri_ops *column[16] = {NULL};
	u_int columns = 0, seen = 0;
	char line[512], *cell[17];
	FILE *f = fopen(DOC, "r");

	(void)state;
	assert_non_null(f);
	while (fgets(line, sizeof(line), f)) {
		u_int n = cells(line, cell, 17);

		if (n > 1 && !columns && cell[0][0] == 0) {
			for (u_int i = 1; i < n; i++)
				for (u_int b = 0; b < N_ALL; b++)
					if (!strcmp(cell[i], all[b]->name))
						column[columns++] = all[b];
			assert_int_equal(columns, n - 1);
			assert_int_equal(columns, N_ALL);
			continue;
		}
		for (u_int r = 0; columns && r < N_ROWS && n == columns + 1; r++) {
			if (strcmp(cell[0], rows[r].row))
				continue;
			seen++;
			for (u_int i = 0; i < columns; i++) {
				bool can = column[i]->caps & rows[r].cap;

				if (strcmp(cell[i + 1], can ? "yes" : "no"))
					fail_msg("%s: %s: the page says %s", column[i]->name,
						 rows[r].row, cell[i + 1]);
			}
		}
	}
	fclose(f);
	assert_int_equal(seen, N_ROWS);
}

static void test_a_capability_has_its_operation(void **state)
{
	(void)state;
	for (u_int b = 0; b < N_ALL; b++) {
		const struct pfri_ops *o = all[b];

		assert_true(o->recv_batch && o->release && o->poll && o->open && o->set_filter &&
			    o->stats && o->close);
		assert_int_equal(!!(o->caps & PFRI_CAP_SEND), o->send_batch != NULL);
		assert_int_equal(!!(o->caps & PFRI_CAP_CLUSTER), o->set_cluster != NULL);
		assert_int_equal(o->set_cluster != NULL, o->remove_from_cluster != NULL);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_the_feature_table_is_true),
		cmocka_unit_test(test_a_capability_has_its_operation),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
