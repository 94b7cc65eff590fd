/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * pcap.c - backend "pcap:": live capture through the system libpcap.
 *
 * For what is no network interface but libpcap knows (USB, Bluetooth, D-Bus,
 * NFLOG ...); a bare name comes here when no interface has it. Works on
 * interfaces too, as libpcap does there. All calls come with the handle held.
 */
#include <linux/if_packet.h>

#include "bpf_vm.h"
#include "handle.h"
#include "linktype.h"
#include "pcapsource.h"

#define TAG_AT 12 /* where an Ethernet frame has its tag */
#define DEFAULT_BYTES                                                                              \
	(32u << 20)	     /* 128 blocks of libpcap: each lasts 2 ms at least, however empty */
#define MIN_BYTES (2u << 20) /* a block holds the largest packet: fewer bytes are one block */

struct live {
	struct pfri_pcapsource src;
	int fd; /* libpcap's, -1 if it has none to wait on */
	bool promisc;
	bool ethernet;
	pcap_direction_t direction; /* in force in libpcap */
	struct pcap_stat last;	    /* libpcap's counters have 32 bits and wrap */
	u_int64_t recv, drop, ifdrop;
};

/*
 * Linux takes the outer tag off every frame before a packet socket sees it, in
 * software where the adapter has not; libpcap put it back. Filters in the
 * kernel's form ask for it apart from the frame.
 */
static void mark_tag(struct pfring_packet *p)
{
	u_int16_t tag[2];

	if (p->caplen < TAG_AT + sizeof(tag))
		return;
	memcpy(tag, p->data + TAG_AT, sizeof(tag));
	if (tag[0] != htons(ETH_P_8021Q) && tag[0] != htons(ETH_P_8021AD))
		return;
	p->flags |= PKT_FLAGS_VLAN_HWACCEL;
	p->vlan_tpid = ntohs(tag[0]);
	p->vlan_tci = ntohs(tag[1]);
}

/* libpcap has one number for most errors; that the device is gone can be asked. */
static int read_error(const struct pfri_ring *r, int err)
{
	struct ifreq ifr = {.ifr_ifindex = r->ifindex};

	return r->net_fd >= 0 && ioctl(r->net_fd, SIOCGIFNAME, &ifr) ? -ENODEV : err;
}

static int live_recv(struct pfri_ring *r, struct pfring_packet *pkt, u_int max)
{
	struct live *l = PFRI_PRIV(r, struct live);
	int n = pfri_pcapsource_recv(&l->src, pkt, max, NULL, NULL);

	if (n < 0)
		return pfri_fail(read_error(r, n), "%.80s: %.150s", r->name.device, l->src.why);
	for (int i = 0; i < n; i++) {
		pkt[i].if_index = r->ifindex ? r->ifindex : UNKNOWN_INTERFACE;
		/* libpcap chooses by direction but does not tell it. */
		pkt[i].rx_direction = l->direction != PCAP_D_OUT;
		if (l->ethernet)
			mark_tag(&pkt[i]);
		/* What libpcap hands out it has tested with the filter in force. */
		if (r->soft & PFRI_SOFT_FILTER)
			pkt[i].flags |= PFRI_PKT_CURRENT;
	}
	if (r->refilter == PFRI_REFILTER_QUEUED && !n)
		r->refilter = PFRI_REFILTER_NONE;
	return n;
}

static void live_release(struct pfri_ring *r)
{
	pfri_pcapsource_release(&PFRI_PRIV(r, struct live)->src);
}

/* How long to sleep at most: some sources have to be asked now and then. */
static int slice(const struct live *l, int left)
{
	const struct timeval *tv = l->src.lib->get_required_select_timeout(l->src.p);
	int ms = tv ? (int)(tv->tv_sec * 1000 + tv->tv_usec / 1000) : l->fd < 0 ? 10 : -1;

	if (tv && ms == 0)
		ms = 1;
	return ms < 0 || (left >= 0 && left < ms) ? left : ms;
}

/* Readable does not mean a packet, as libpcap may filter by itself: take one to know. */
static int live_poll(struct pfri_ring *r, int timeout_ms)
{
	struct live *l = PFRI_PRIV(r, struct live);
	u_int64_t end = timeout_ms > 0 ? pfri_now_ms() + (u_int)timeout_ms : 0;
	int left = timeout_ms;

	for (;;) {
		int ret;

		if (l->src.full || pfri_pcapsource_peek(&l->src))
			return 1;
		ret = pfri_poll_fd(l->fd, r->wake_fd, slice(l, left));
		if (ret < 0)
			return ret;
		if (timeout_ms > 0) {
			u_int64_t now = pfri_now_ms();

			left = now < end ? (int)(end - now) : 0;
		}
		if (!ret && !left)
			return pfri_pcapsource_peek(&l->src) != 0;
	}
}

static int live_send(struct pfri_ring *r, const struct iovec *frames, u_int n, int ifindex)
{
	struct live *l = PFRI_PRIV(r, struct live);
	u_int sent = 0;

	if (ifindex > 0 && ifindex != r->ifindex)
		return pfri_fail(-EOPNOTSUPP, "pcap:%.80s sends on its own device only",
				 r->name.device);
	while (sent < n &&
	       l->src.lib->inject(l->src.p, frames[sent].iov_base, frames[sent].iov_len) >= 0)
		sent++;
	if (!sent && n)
		return pfri_fail(-EIO, "pcap:%.80s cannot send: %.150s", r->name.device,
				 l->src.lib->geterr(l->src.p));
	return (int)sent;
}

/* The packet that waits in libpcap has passed the old filter only. */
static void refilter_waiting(struct pfri_ring *r, struct live *l)
{
	struct pfring_packet p;

	if (!l->src.data || !r->prog.len)
		return;
	p = (struct pfring_packet){
		.data = l->src.data, .caplen = l->src.hdr->caplen, .len = l->src.hdr->len};
	if (l->ethernet)
		mark_tag(&p);
	if (!pfri_bpf_run(r->prog.insn, &p, true))
		l->src.data = NULL;
}

/*
 * The program in force; one that refuses all while the ring is disabled.
 * libpcap hands out nothing that was queued before and does not pass it.
 */
static int put_program(struct pfri_ring *r, struct live *l)
{
	struct bpf_insn constant = BPF_STMT(BPF_RET | BPF_K, r->enabled ? MAX_CAPLEN : 0);
	struct bpf_program program = {1, &constant};

	if (r->enabled && r->prog.len) {
		program.bf_len = r->prog.len;
		program.bf_insns = (struct bpf_insn *)(void *)r->prog.insn;
	}
	if (l->src.lib->setfilter(l->src.p, &program))
		return pfri_fail(-EINVAL, "pcap:%.80s does not take the filter: %.150s",
				 r->name.device, l->src.lib->geterr(l->src.p));
	if (!r->enabled)
		l->src.data = NULL;
	refilter_waiting(r, l);
	return 0;
}

static int live_set_filter(struct pfri_ring *r)
{
	static const pcap_direction_t directions[] = {PCAP_D_INOUT, PCAP_D_IN, PCAP_D_OUT};
	struct live *l = PFRI_PRIV(r, struct live);
	pcap_direction_t direction = directions[r->direction];
	int err = put_program(r, l);

	if (err)
		return err;
	if (l->direction != direction && l->src.lib->setdirection(l->src.p, direction))
		return pfri_fail(-EOPNOTSUPP,
				 "pcap:%.80s does not know the packets' direction: %.120s",
				 r->name.device, l->src.lib->geterr(l->src.p));
	l->direction = direction;
	/* Packets that libpcap tests one by one must be asked for one by one. */
	r->refilter = r->enabled ? PFRI_REFILTER_QUEUED : PFRI_REFILTER_NONE;
	return r->enabled;
}

static int live_enable(struct pfri_ring *r, bool on)
{
	struct live *l = PFRI_PRIV(r, struct live);

	/* What came between activation and the first program goes through the one that refuses all.
	 */
	if (on && pfri_pcapsource_peek(&l->src))
		l->src.data = NULL;
	return put_program(r, l);
}

static int live_set_promisc(struct pfri_ring *r, bool on)
{
	struct live *l = PFRI_PRIV(r, struct live);
	struct packet_mreq mreq = {.mr_ifindex = r->ifindex, .mr_type = PACKET_MR_PROMISC};

	if (!r->ifindex || l->promisc == on)
		return 0;
	if (setsockopt(r->net_fd, SOL_PACKET, on ? PACKET_ADD_MEMBERSHIP : PACKET_DROP_MEMBERSHIP,
		       &mreq, sizeof(mreq)))
		return pfri_fail(-errno, "pcap:%.80s cannot change promiscuous mode: %s",
				 r->name.device, strerror(errno));
	l->promisc = on;
	return 0;
}

static int live_stats(struct pfri_ring *r, struct pfring_stats64 *st)
{
	struct live *l = PFRI_PRIV(r, struct live);
	struct pcap_stat now;

	if (l->src.lib->stats(l->src.p, &now))
		return pfri_fail(-EIO, "pcap:%.80s has no statistics: %.150s", r->name.device,
				 l->src.lib->geterr(l->src.p));
	l->recv += (u_int)(now.ps_recv - l->last.ps_recv);
	l->drop += (u_int)(now.ps_drop - l->last.ps_drop);
	l->ifdrop += (u_int)(now.ps_ifdrop - l->last.ps_ifdrop);
	l->last = now;
	/* On interfaces libpcap counts what was dropped as received, too. */
	st->recv += r->ifindex ? l->recv - l->drop : l->recv;
	st->drop += l->drop;
	st->ifdrop += l->ifdrop;
	st->ring_bytes += PFRI_CHUNK;
	return 0;
}

static void live_close(struct pfri_ring *r)
{
	struct live *l = PFRI_PRIV(r, struct live);

	pfri_pcapsource_close(&l->src);
	if (r->net_fd >= 0)
		close(r->net_fd);
	r->net_fd = r->select_fd = -1;
	r->pcap = NULL;
}

static int error_of(int status)
{
	switch (status) {
	case PCAP_ERROR_NO_SUCH_DEVICE:
		return -ENODEV;
	case PCAP_ERROR_PERM_DENIED:
	case PCAP_ERROR_PROMISC_PERM_DENIED:
		return -EPERM;
	case PCAP_ERROR_IFACE_NOT_UP:
		return -ENETDOWN;
	default:
		return -EIO;
	}
}

/* The text that goes with a status of pcap_activate(). */
static const char *words(const struct pfri_pcaplib *lib, pcap_t *p, int status)
{
	const char *text = lib->geterr(p);

	return *text ? text : lib->statustostr(status);
}

/*
 * For questions about the interface, and for promiscuity, which libpcap cannot
 * switch off again. Protocol 0: no packet ever comes in here.
 */
static int open_socket(struct pfri_ring *r)
{
	r->net_fd = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, 0);
	return r->net_fd < 0 ? pfri_fail(-errno, "pcap:%.80s: no packet socket: %s", r->name.device,
					 strerror(errno))
			     : 0;
}

static void configure(const struct pfri_ring *r, const struct pfri_pcaplib *lib, pcap_t *p)
{
	u_int64_t bytes = r->opt.buffer_bytes;

	lib->set_snaplen(p, (int)r->opt.caplen);
	lib->set_timeout(p, r->opt.timeout_ms ? r->opt.timeout_ms : 2);
	lib->set_immediate_mode(p, r->opt.immediate);
	if (bytes < MIN_BYTES)
		bytes = bytes ? MIN_BYTES : DEFAULT_BYTES;
	lib->set_buffer_size(p, (int)min_val(bytes, (u_int64_t)INT32_MAX));
}

static int live_open(struct pfri_ring *r)
{
	const struct pfri_pcaplib *lib = pfri_pcaplib();
	struct live *l = PFRI_PRIV(r, struct live);
	char why[PCAP_ERRBUF_SIZE] = "";
	u_int32_t ns_unit;
	int status, err;
	pcap_t *p;

	if (!lib)
		return -errno;
	if (r->name.queues != RING_ANY_CHANNEL || r->opt.hw_tstamp)
		return pfri_fail(-EOPNOTSUPP,
				 "pcap:%.80s: libpcap chooses neither receive queues nor the "
				 "adapter's clock here",
				 r->name.device);
	p = lib->create(r->name.device, why);
	if (!p)
		return pfri_fail(-ENODEV, "pcap:%.80s cannot be opened: %.150s", r->name.device,
				 why);
	configure(r, lib, p);
	ns_unit = lib->set_tstamp_precision(p, PCAP_TSTAMP_PRECISION_NANO) ? 1000 : 1;
	status = lib->activate(p);
	if (status < 0) {
		err = pfri_fail(error_of(status), "pcap:%.80s cannot be opened: %.150s",
				r->name.device, words(lib, p, status));
		lib->close(p);
		return err;
	}
	if (status > 0) {
		size_t used = strlen(r->why);

		snprintf(r->why + used, sizeof(r->why) - used, "%slibpcap warns: %s",
			 used ? "; " : "", words(lib, p, status));
	}
	if (lib->setnonblock(p, 1, why)) {
		lib->close(p);
		return pfri_fail(-EIO, "pcap:%.80s cannot be read without waiting: %.120s",
				 r->name.device, why);
	}
	err = pfri_pcapsource_open(&l->src, lib, p, ns_unit);
	if (err)
		return err;
	r->pcap = p;
	r->linktype = pfri_linktype_of(lib->datalink(p));
	l->ethernet = r->linktype == PFRI_LINKTYPE_ETHERNET;
	l->direction = PCAP_D_INOUT;
	l->fd = r->select_fd = lib->get_selectable_fd(p);
	r->ifindex = (int)if_nametoindex(r->name.device);
	if (r->ifindex)
		err = open_socket(r);
	if (!err && r->opt.flags & PF_RING_PROMISC)
		err = live_set_promisc(r, true);
	if (err)
		live_close(r);
	return err;
}

const struct pfri_ops pfri_pcap_ops = {
	.recv_batch = live_recv,
	.release = live_release,
	.poll = live_poll,
	.send_batch = live_send,
	.name = "pcap",
	.caps = PFRI_CAP_KERNEL_FILTER | PFRI_CAP_SEND | PFRI_CAP_ANY | PFRI_CAP_DIRECTION |
		PFRI_CAP_SELECT | PFRI_CAP_KERNEL_VIEW | PFRI_CAP_TAKES,
	.open = live_open,
	.enable = live_enable,
	.set_filter = live_set_filter,
	.set_promisc = live_set_promisc,
	.stats = live_stats,
	.close = live_close,
};
