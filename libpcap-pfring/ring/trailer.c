/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * trailer.c - time stamps that taps and switches put behind a frame.
 *
 * The calls of pfring_hw.h on one frame, and for handles opened with one of
 * their flags the same in sieve.c. Nothing in a frame is
 * believed: a trailer that does not make sense is none. The layouts:
 *
 *   Ixia         Wireshark's packet-ixiatrailer.c, by Ixia: source, 8, seconds,
 *                nanoseconds, 10, 0xAF12, checksum: 15 bytes, and the frame's own checksum
 *   VSS, APCON   "Port and Time Stamping", VSS Monitoring (packet-vssmonitoring.c):
 *                seconds, nanoseconds with the clock's source on top, the frame's checksum
 *   MetaWatch    Metamako's description of it, tcpdump-workers, August 2018
 *                (seclists.org/tcpdump/2018/q3/att-74), from its end to its beginning
 *   Arista 7150  eos.arista.com/timestamping-on-the-7150-series, worked out in
 *                ithitman.blogspot.com/2015/10/decoding-timestamping-on-arista-7150.html
 */
#include <linux/if_ether.h>

#include "handle.h"

#define NS_PER_SEC 1000000000u

#define IXIA_TRAILER 15
#define FCS 4
#define IXIA_SIGNATURE 0xaf12
#define VSS_TRAILER 12
#define VSS_NS_MASK 0x3fffffff
#define METAWATCH_LAST 12 /* the part that is always there, at the end */
#define METAWATCH_EXTENDED 0x02
#define ARISTA_TRAILER 4
#define ARISTA_KEY_FRAME 46
#define ARISTA_PROTOCOL 253
#define TICK_BITS 31

static u_int32_t be16(const u_char *p)
{
	return (u_int32_t)p[0] << 8 | p[1];
}

static u_int32_t be32(const u_char *p)
{
	return be16(p) << 16 | be16(p + 2);
}

/* Seconds and nanoseconds at p, if they can be those of a packet. */
static bool read_time(const u_char *p, u_int32_t mask, u_int64_t *ns)
{
	u_int32_t seconds = be32(p), rest = be32(p + 4) & mask;

	if (!seconds || rest >= NS_PER_SEC)
		return false;
	*ns = (u_int64_t)seconds * NS_PER_SEC + rest;
	return true;
}

/* Each of these: how many bytes the trailer of the frame takes, 0 if it has none. */

static u_int ixia(const u_char *frame, u_int len, u_int64_t *ns)
{
	/* With the frame's own checksum, as PF_RING expects it, or where the adapter took that. */
	for (u_int n = IXIA_TRAILER + FCS; n >= IXIA_TRAILER; n -= FCS) {
		const u_char *t = frame + (len >= n ? len - n : 0);

		if (len >= n && t[1] == 8 && t[10] == 10 && be16(t + 11) == IXIA_SIGNATURE &&
		    read_time(t + 2, ~0u, ns))
			return n;
	}
	return 0;
}

static u_int vss_apcon(const u_char *frame, u_int len, u_int64_t *ns)
{
	return len >= VSS_TRAILER && read_time(frame + len - VSS_TRAILER, VSS_NS_MASK, ns)
		       ? VSS_TRAILER
		       : 0;
}

/* Bytes of the extensions that end at len; 0: they do not fit in. */
static u_int metawatch_extensions(const u_char *frame, u_int len)
{
	u_int left = len, words;
	u_int32_t tag;

	do {
		if (left < 4)
			return 0;
		tag = be32(frame + left - 4);
		words = (tag & 0x1f) == 0x1f ? (tag >> 6 & 0x3ff) + 1 : tag >> 6 & 3;
		if (left < 4 + 4 * words)
			return 0;
		left -= 4 + 4 * words;
	} while (!(tag & 0x20)); /* the last one */
	return len - left;
}

static u_int metawatch(const u_char *frame, u_int len, u_int64_t *ns)
{
	u_int n = METAWATCH_LAST, extensions;

	if (len < n + FCS || !read_time(frame + len - n, ~0u, ns))
		return 0;
	if (frame[len - 4] & METAWATCH_EXTENDED) {
		extensions = metawatch_extensions(frame, len - n);
		if (!extensions)
			return 0;
		n += extensions;
	}
	/* In front lies the checksum that the frame came with. */
	return len >= n + FCS ? n + FCS : 0;
}

/* Where the data of an IPv4 packet of this protocol begins; 0: it is none. */
static u_int ipv4_data(const u_char *frame, u_int len, u_int8_t proto)
{
	u_int at = 2 * ETH_ALEN;

	while (at + 4 <= len &&
	       (be16(frame + at) == ETH_P_8021Q || be16(frame + at) == ETH_P_8021AD))
		at += 4;
	if (at + 2 + 20 > len || be16(frame + at) != ETH_P_IP)
		return 0;
	at += 2;
	if (frame[at] >> 4 != 4 || (frame[at] & 0xf) < 5 || frame[at + 9] != proto)
		return 0;
	return at + (frame[at] & 0xf) * 4u;
}

static bool arista_key_frame(const u_char *frame, u_int len, u_int64_t *ns, u_int32_t *ticks)
{
	u_int at = ipv4_data(frame, len, ARISTA_PROTOCOL);

	if (!at || at + ARISTA_KEY_FRAME > len)
		return false;
	/* A counter of 64 bits, of which packets bear the lower 31; then UTC. */
	*ticks = be32(frame + at + 4) & (u_int32_t)((1ull << TICK_BITS) - 1);
	*ns = (u_int64_t)be32(frame + at + 8) << 32 | be32(frame + at + 12);
	return true;
}

/* *ns is 0 as long as there was no key frame. */
static u_int arista(const struct pfri_key_frame *key, const u_char *frame, u_int len, u_int64_t *ns)
{
	u_int32_t raw, ticks;
	int64_t since;

	if (len < ARISTA_TRAILER)
		return 0;
	raw = be32(frame + len - ARISTA_TRAILER);
	ticks = raw >> 8 << 7 | (raw & 0x7f); /* bit 7 is not one of the counter's */
	*ns = 0;
	if (key->utc_ns) {
		/* Whichever way round is shorter: a packet may have been faster than the key frame.
		 */
		since = (int64_t)((u_int64_t)(ticks - key->ticks) << (64 - TICK_BITS)) >>
			(64 - TICK_BITS);
		*ns = key->utc_ns + (u_int64_t)(since * 20 / 7); /* 350 MHz */
	}
	return ARISTA_TRAILER;
}

/* What the stand-alone calls go by: those of one thread read one device's packets. */
static __thread struct pfri_key_frame last_key;

void pfri_trailer_init(struct pfri_ring *r)
{
	static const u_int32_t known[] = {PF_RING_IXIA_TIMESTAMP, PF_RING_VSS_APCON_TIMESTAMP,
					  PF_RING_ARISTA_TIMESTAMP, PF_RING_METAWATCH_TIMESTAMP};

	for (size_t i = 0; i < sizeof(known) / sizeof(known[0]) && !r->trailer; i++)
		r->trailer = r->opt.flags & known[i];
}

static u_int read_trailer(u_int32_t kind, const struct pfri_key_frame *key, const u_char *frame,
			  u_int len, u_int64_t *ns)
{
	switch (kind) {
	case PF_RING_IXIA_TIMESTAMP:
		return ixia(frame, len, ns);
	case PF_RING_VSS_APCON_TIMESTAMP:
		return vss_apcon(frame, len, ns);
	case PF_RING_METAWATCH_TIMESTAMP:
		return metawatch(frame, len, ns);
	default:
		return arista(key, frame, len, ns);
	}
}

bool pfri_take_trailer(struct pfri_ring *r, struct pfring_packet *p)
{
	u_int64_t ns;
	u_int n;

	if (p->caplen != p->len)
		return true;
	if (r->trailer == PF_RING_ARISTA_TIMESTAMP &&
	    arista_key_frame(p->data, p->len, &r->key_frame.utc_ns, &r->key_frame.ticks))
		return false;
	n = read_trailer(r->trailer, &r->key_frame, p->data, p->len, &ns);
	if (n) {
		p->caplen -= n;
		p->len -= n;
		if (ns)
			p->ts_ns = ns;
	}
	return true;
}

static int handle(u_int32_t kind, const u_char *buffer, struct pfring_pkthdr *hdr)
{
	u_int64_t ns;
	u_int n;

	if (!buffer || !hdr)
		return pfri_fail(-EINVAL, "no packet or no header was given");
	if (hdr->caplen != hdr->len)
		return pfri_fail(-EMSGSIZE, "the end of the packet was not captured, and with it "
					    "what a tap may have put there");
	n = read_trailer(kind, &last_key, buffer, hdr->len, &ns);
	if (!n)
		return 0;
	hdr->len -= n;
	hdr->caplen = hdr->len;
	if (ns) {
		hdr->ts.tv_sec = (time_t)(ns / NS_PER_SEC);
		hdr->ts.tv_usec = (suseconds_t)(ns % NS_PER_SEC / 1000);
		hdr->extended_hdr.timestamp_ns = ns;
	}
	return 0;
}

static int read_timespec(u_int32_t kind, const u_char *buffer, u_int32_t len, struct timespec *ts)
{
	u_int64_t ns = 0;
	u_int n;

	if (!buffer || !ts)
		return pfri_fail(-EINVAL, "no packet or no timespec was given");
	n = read_trailer(kind, &last_key, buffer, len, &ns);
	ts->tv_sec = n ? (time_t)(ns / NS_PER_SEC) : 0;
	ts->tv_nsec = n ? (long)(ns % NS_PER_SEC) : 0;
	return (int)n;
}

int pfring_read_ixia_hw_timestamp(u_char *buffer, u_int32_t buffer_len, struct timespec *ts)
{
	return read_timespec(PF_RING_IXIA_TIMESTAMP, buffer, buffer_len, ts);
}

int pfring_handle_ixia_hw_timestamp(u_char *buffer, struct pfring_pkthdr *hdr)
{
	return handle(PF_RING_IXIA_TIMESTAMP, buffer, hdr);
}

int pfring_read_vss_apcon_hw_timestamp(u_char *buffer, u_int32_t buffer_len, struct timespec *ts)
{
	return read_timespec(PF_RING_VSS_APCON_TIMESTAMP, buffer, buffer_len, ts);
}

int pfring_handle_vss_apcon_hw_timestamp(u_char *buffer, struct pfring_pkthdr *hdr)
{
	return handle(PF_RING_VSS_APCON_TIMESTAMP, buffer, hdr);
}

int pfring_read_metawatch_hw_timestamp(u_char *buffer, u_int32_t buffer_len, struct timespec *ts)
{
	return read_timespec(PF_RING_METAWATCH_TIMESTAMP, buffer, buffer_len, ts);
}

int pfring_read_metawatch_device_info(u_char *buffer, u_int32_t buffer_len, u_int16_t *device_id,
				      u_int8_t *port_id)
{
	u_int64_t ns;
	u_int n;

	if (!buffer || !device_id || !port_id)
		return pfri_fail(-EINVAL, "no packet or no place for the answer was given");
	n = metawatch(buffer, buffer_len, &ns);
	*device_id = n ? (u_int16_t)be16(buffer + buffer_len - 3) : 0;
	*port_id = n ? buffer[buffer_len - 1] : 0;
	return (int)n;
}

int pfring_handle_metawatch_hw_timestamp(u_char *buffer, struct pfring_pkthdr *hdr)
{
	u_int16_t device;
	u_int8_t port;

	if (buffer && hdr && hdr->caplen == hdr->len &&
	    pfring_read_metawatch_device_info(buffer, hdr->len, &device, &port) > 0) {
		hdr->extended_hdr.device_id = device;
		hdr->extended_hdr.port_id = port;
	}
	return handle(PF_RING_METAWATCH_TIMESTAMP, buffer, hdr);
}

int pfring_read_arista_7150_keyframe(u_char *buffer, u_int32_t buffer_len, u_int64_t *ns_ts,
				     u_int32_t *ticks_ts)
{
	if (!buffer || !ns_ts || !ticks_ts)
		return pfri_fail(-EINVAL, "no packet or no place for the answer was given");
	if (!arista_key_frame(buffer, buffer_len, &last_key.utc_ns, &last_key.ticks))
		return pfri_fail(-ENOENT, "the packet is no key frame");
	*ns_ts = last_key.utc_ns;
	*ticks_ts = last_key.ticks;
	return 0;
}

int pfring_read_arista_7150_hw_timestamp(u_char *buffer, u_int32_t buffer_len, u_int64_t *ns_ts)
{
	if (!buffer || !ns_ts)
		return pfri_fail(-EINVAL, "no packet or no place for the answer was given");
	return (int)arista(&last_key, buffer, buffer_len, ns_ts);
}

int pfring_handle_arista_hw_timestamp(u_char *buffer, struct pfring_pkthdr *hdr)
{
	u_int32_t ticks;
	u_int64_t ns;

	if (buffer && hdr && hdr->caplen == hdr->len &&
	    !pfring_read_arista_7150_keyframe(buffer, hdr->len, &ns, &ticks))
		return 1;
	return handle(PF_RING_ARISTA_TIMESTAMP, buffer, hdr);
}
