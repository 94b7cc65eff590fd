/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Capture files: whatever the bytes, the backend gives the packets that libpcap
 * gives, every byte of them can be touched, and it ends as libpcap ends.
 */
#include <sys/eventfd.h>

#include "backend.h"
#include "pcaplib.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(bool holds)
{
	if (!holds)
		abort();
}

/* libpcap takes the two numbers as signed, we as unsigned; corrupt ones may differ. */
static bool same_time(u_int64_t ns, const struct timeval *tv)
{
	u_int64_t sec = (u_int64_t)tv->tv_sec * 1000000000u;

	return tv->tv_sec < 0 || ns - sec >= 1000000000 || ns - sec == (u_int64_t)tv->tv_usec;
}

static void compare(struct pfri_ring *r, const struct pfri_pcaplib *lib, pcap_t *p, u_int max)
{
	struct pfring_packet pkt[16];
	struct pcap_pkthdr *h;
	const u_char *data;
	int n, ret;

	while ((n = pfri_file_ops.recv_batch(r, pkt, max)) > 0) {
		must((u_int)n <= max);
		for (int i = 0; i < n; i++) {
			must(lib->next_ex(p, &h, &data) == 1);
			must(pkt[i].caplen == h->caplen && pkt[i].len == h->len);
			must(!memcmp(pkt[i].data, data, h->caplen));
			must(same_time(pkt[i].ts_ns, &h->ts));
		}
		pfri_file_ops.release(r);
	}
	/* A file never makes wait; an error is told with its file and once. */
	must(n < 0);
	ret = lib->next_ex(p, &h, &data);
	must(ret == (n == -ENODATA ? PCAP_ERROR_BREAK : PCAP_ERROR));
	must(n == -ENODATA || strstr(pfring_last_error(), r->name.device));
	must(pfri_file_ops.recv_batch(r, pkt, max) == -ENODATA);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct pfri_ring *r;
	const struct pfri_pcaplib *lib = pfri_pcaplib();
	char why[PCAP_ERRBUF_SIZE];
	int err, fd = memfd_create("fuzz", MFD_CLOEXEC);
	pcap_t *p;
	FILE *f;

	if (!r)
		r = calloc(1, sizeof(*r));
	must(r && lib && fd >= 0 && write(fd, data, size) == (ssize_t)size);
	lseek(fd, 0, SEEK_SET);
	r->ops = &pfri_file_ops;
	r->opt.caplen = MAX_CAPLEN;
	snprintf(r->name.device, sizeof(r->name.device), "/proc/self/fd/%d", fd);
	err = pfri_file_ops.open(r);
	must(!err || strstr(pfring_last_error(), r->name.device));

	f = fdopen(fd, "r");
	must(f != NULL);
	p = lib->fopen_offline_with_tstamp_precision(f, PCAP_TSTAMP_PRECISION_NANO, why);
	must(!err == !!p);
	if (p) {
		/* By the first byte: one by one, or in batches of an odd size. */
		compare(r, lib, p, data[size - 1] & 1 ? 1 : 13);
		pfri_file_ops.close(r);
		lib->close(p);
	} else {
		fclose(f);
	}
	return 0;
}
