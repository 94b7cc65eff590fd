/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * tally.c - many filters on one interface, each on a handle of its own.
 *
 *      tally DEVICE < EXPRESSIONS      one per line
 *
 * Says "ready" when all capture, and reads until it is told on standard input
 * (which ends there) and nothing comes any more; then prints, for each
 * expression, packets, bytes and a hash of all. A plain client of <pcap.h> for
 * test_overlay_capture.py.
 */
#include <pcap.h>
#include <poll.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define MOST 256
/*
 * The kernel closes one of libpcap's eight blocks this often, full or not; a
 * reader that a busy machine keeps waiting loses packets when all are closed.
 */
#define HELD_MS 1000

struct one {
	pcap_t *p;
	char text[256];
	unsigned packets;
	uint64_t bytes, hash;
};

static struct one all[MOST];

static void add(unsigned char *arg, const struct pcap_pkthdr *h, const unsigned char *data)
{
	struct one *o = (void *)arg;

	o->packets++;
	o->bytes += h->len;
	for (unsigned i = 0; i < h->caplen; i++)
		o->hash = (o->hash ^ data[i]) * 1099511628211u;
}

static void open_one(struct one *o, const char *device)
{
	char errbuf[PCAP_ERRBUF_SIZE] = "";
	struct bpf_program program;

	o->p = pcap_create(device, errbuf);
	pcap_set_snaplen(o->p, 256);
	pcap_set_timeout(o->p, HELD_MS);
	pcap_set_buffer_size(o->p, 2 << 20);
	if (pcap_activate(o->p) || pcap_setnonblock(o->p, 1, errbuf) ||
	    pcap_compile(o->p, &program, o->text, 1, 0) || pcap_setfilter(o->p, &program)) {
		fprintf(stderr, "tally: \"%s\": %s\n", o->text, pcap_geterr(o->p));
		exit(2);
	}
	pcap_freecode(&program);
}

static int read_all(unsigned n)
{
	int got = 0, rc;

	for (unsigned i = 0; i < n; i++) {
		rc = pcap_dispatch(all[i].p, -1, add, (void *)&all[i]);
		if (rc < 0) {
			fprintf(stderr, "tally: \"%s\": %s\n", all[i].text, pcap_geterr(all[i].p));
			exit(2);
		}
		got += rc;
	}
	return got;
}

int main(int argc, char **argv)
{
	struct pollfd told = {.fd = STDIN_FILENO, .events = POLLIN};
	unsigned n = 0, quiet = 0;
	struct pcap_stat st;

	if (argc != 2)
		return 2;
	while (n < MOST && fgets(all[n].text, sizeof(all[n].text), stdin) &&
	       all[n].text[0] != '\n') {
		all[n].text[strcspn(all[n].text, "\n")] = 0;
		open_one(&all[n++], argv[1]);
	}
	printf("ready\n");
	fflush(stdout);
	while (!poll(&told, 1, 2))
		read_all(n);
	while (quiet < HELD_MS / 8) {
		quiet = read_all(n) ? 0 : quiet + 1;
		usleep(10000);
	}
	for (unsigned i = 0; i < n; i++) {
		pcap_stats(all[i].p, &st);
		printf("%s: %u packets, %llu bytes, %016llx, %u lost\n", all[i].text,
		       all[i].packets, (unsigned long long)all[i].bytes,
		       (unsigned long long)all[i].hash, st.ps_drop);
	}
	/* Closing a hundred handles one by one takes the kernel seconds; all at once it does not.
	 */
	return 0;
}
