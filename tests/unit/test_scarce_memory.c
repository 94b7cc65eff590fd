/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A packet socket's ring where memory is short. The kernel's answers are made
 * here, by the linker's --wrap of setsockopt(); a file in memory is mapped.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "afpacket_ring.h"

#define BLOCK 65536u
#define FRAME 2048u

int __wrap_setsockopt(int fd, int level, int option, const void *value, socklen_t size);

static u_int most, asked_blocks[64], asked; /* blocks there is memory for; what was asked for */
static int refusal;			    /* the errno of a refusal */

int __wrap_setsockopt(int fd, int level, int option, const void *value, socklen_t size)
{
	const struct tpacket_req *req = value;

	(void)fd;
	assert_int_equal(level, SOL_PACKET);
	assert_int_equal(option, PACKET_RX_RING);
	assert_true(size >= sizeof(*req));
	/* The kernel's own condition (packet(7)): whole blocks of whole frames. */
	assert_int_equal(req->tp_frame_nr, BLOCK / FRAME * req->tp_block_nr);
	assert_true(asked < sizeof(asked_blocks) / sizeof(asked_blocks[0]));
	asked_blocks[asked++] = req->tp_block_nr;
	if (req->tp_block_nr <= most)
		return 0;
	errno = refusal;
	return -1;
}

static int make(u_int blocks, int flags, union tpacket_req_u *req, u_char **map)
{
	struct pfri_afp a = {.fd = memfd_create("ring", 0)};
	char path[64];
	int rc;

	assert_true(a.fd >= 0);
	assert_int_equal(ftruncate(a.fd, (off_t)blocks * BLOCK), 0);
	if (flags != O_RDWR) {
		int fd = a.fd;

		snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
		a.fd = open(path, flags);
		assert_true(a.fd >= 0);
		close(fd);
	}
	*req = (union tpacket_req_u){
		.req3 = {.tp_block_size = BLOCK, .tp_block_nr = blocks, .tp_frame_size = FRAME}};
	asked = 0;
	rc = pfri_afp_ring_make(&a, req, map);
	close(a.fd);
	return rc;
}

static void test_a_ring_that_fits_is_made_as_it_was_asked_for(void **state)
{
	union tpacket_req_u req;
	u_char *map;

	(void)state;
	most = 256;
	assert_int_equal(make(256, O_RDWR, &req, &map), 0);
	assert_int_equal(asked, 1);
	assert_int_equal(req.req.tp_block_nr, 256);
	map[256 * BLOCK - 1] = 1;
	assert_int_equal(munmap(map, 256 * BLOCK), 0);
}

static void test_where_memory_is_short_the_ring_shrinks_until_it_fits(void **state)
{
	static const u_int there[] = {255, 200, 100, 33, 5, 4};
	union tpacket_req_u req;
	u_char *map;

	(void)state;
	refusal = ENOMEM;
	for (size_t i = 0; i < sizeof(there) / sizeof(there[0]); i++) {
		most = there[i];
		assert_int_equal(make(256, O_RDWR, &req, &map), 0);
		assert_true(req.req.tp_block_nr <= most);
		/* An eighth less each time: what is there is nearly used up. */
		assert_true(req.req.tp_block_nr >= most - most / 8 - 1);
		assert_int_equal(asked_blocks[asked - 1], req.req.tp_block_nr);
		for (u_int k = 1; k < asked; k++)
			assert_true(asked_blocks[k] < asked_blocks[k - 1]);
		map[(size_t)req.req.tp_block_nr * BLOCK - 1] = 1;
		assert_int_equal(munmap(map, (size_t)req.req.tp_block_nr * BLOCK), 0);
	}
}

static void test_no_memory_for_the_smallest_ring_is_told(void **state)
{
	union tpacket_req_u req;
	u_char *map;

	(void)state;
	refusal = ENOMEM;
	most = 3;
	assert_int_equal(make(256, O_RDWR, &req, &map), -ENOMEM);
	assert_null(map);
	assert_int_equal(asked_blocks[asked - 1], 4);
	assert_non_null(strstr(pfring_last_error(), "a ring of 4 blocks of 65536 bytes"));
}

static void test_another_refusal_is_not_asked_again(void **state)
{
	union tpacket_req_u req;
	u_char *map;

	(void)state;
	refusal = EINVAL;
	most = 0;
	assert_int_equal(make(256, O_RDWR, &req, &map), -EINVAL);
	assert_null(map);
	assert_int_equal(asked, 1);
}

static void test_a_ring_that_cannot_be_mapped_is_told(void **state)
{
	union tpacket_req_u req;
	u_char *map;

	(void)state;
	most = 256;
	assert_int_equal(make(256, O_RDONLY, &req, &map), -EACCES);
	assert_null(map);
	assert_non_null(strstr(pfring_last_error(), "cannot map a ring of 16777216 bytes"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_a_ring_that_fits_is_made_as_it_was_asked_for),
		cmocka_unit_test(test_where_memory_is_short_the_ring_shrinks_until_it_fits),
		cmocka_unit_test(test_no_memory_for_the_smallest_ring_is_told),
		cmocka_unit_test(test_another_refusal_is_not_asked_again),
		cmocka_unit_test(test_a_ring_that_cannot_be_mapped_is_told),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
