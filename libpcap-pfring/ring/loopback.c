/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * loopback.c - pfring_loopback_test(): bytes through a ring and back.
 *
 * The ring is one lane in memory of its own, made for the call: writer, format
 * and reader are those of real captures, without a device and its noise.
 */
#include "handle.h"
#include "lane.h"
#include "lane_write.h"

#define LANE_BYTES (1u << 19) /* holds one record of MAX_CAPLEN */

/* Never the same in two neighbouring bytes or words. */
static u_char pattern(u_int i)
{
	return (u_char)(i * 167u ^ i >> 8);
}

static int through(void *mem, size_t len, u_char *buffer, u_int test_len)
{
	struct pfri_lane_writer w;
	struct pfri_lane lane;
	struct pfri_lanes lanes = {.lane = &lane, .n = 1};
	struct pfr_rec rec = {.ts_ns = 1, .caplen = test_len, .len = test_len};
	struct pfring_packet p;
	int rc;

	pfri_lane_init(mem, LANE_BYTES, 0, 1);
	rc = pfri_lane_writer_attach(&w, mem, len);
	if (!rc)
		rc = pfri_lane_attach(&lane, mem, len);
	if (rc)
		return pfri_fail(rc, "the library's own ring was refused");
	for (u_int i = 0; i < test_len; i++)
		buffer[i] = pattern(i);
	if (!pfri_lane_put(&w, &rec, buffer))
		return pfri_fail(-ENOBUFS, "%u bytes do not fit the ring", test_len);
	pfri_lane_publish(&w);
	memset(buffer, 0, test_len);
	if (pfri_lanes_recv(&lanes, &p, 1, UINT64_MAX) != 1 || p.caplen != test_len)
		return pfri_fail(-EIO, "the packet did not come out of the ring again");
	memcpy(buffer, p.data, test_len);
	pfri_lanes_release(&lanes);
	for (u_int i = 0; i < test_len; i++)
		if (buffer[i] != pattern(i))
			return pfri_fail(-EIO, "byte %u came out of the ring changed", i);
	return (int)test_len;
}

int pfring_loopback_test(pfring *ring, char *buffer, u_int buffer_len, u_int test_len)
{
	struct pfri_ring *r = pfri_of(ring);
	size_t len = pfri_lane_bytes(LANE_BYTES);
	void *mem;
	int rc;

	if (!buffer || !test_len || test_len > buffer_len || test_len > MAX_CAPLEN)
		return pfri_fail(-EINVAL, "a test of %u bytes does not fit its buffer of %u",
				 test_len, buffer_len);
	rc = pfri_enter(r);
	if (rc)
		return rc;
	mem = mmap(NULL, len, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (mem == MAP_FAILED)
		return pfri_leave(r, pfri_fail(-ENOMEM, "no memory for a ring to test"));
	rc = through(mem, len, (u_char *)buffer, test_len);
	munmap(mem, len);
	return pfri_leave(r, rc);
}
