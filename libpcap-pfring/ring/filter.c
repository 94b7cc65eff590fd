/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * filter.c - compiles pcap-filter(7) expressions into classic BPF.
 *
 * Called by the public filter calls with the handle held, and by any thread
 * through pfring_compile_filter(). libpcap does the compiling; what matters
 * here is on which kind of its handles:
 *
 *   a dead handle       everything on a live interface but VLAN keywords: any
 *                       privilege, no system call. Identical code by test.
 *   a live handle       "vlan" where the kernel strips tags: only an activated
 *                       handle makes libpcap load the tag from the kernel's
 *                       metadata instead of from the frame.
 *   a savefile handle   files: libpcap refuses "inbound" and "ifindex" there,
 *                       which a file cannot answer.
 */
#include <ctype.h>

#include "backend.h"
#include "bpf_vm.h"
#include "filter.h"
#include "linktype.h"
#include "pcaplib.h"

/*
 * The live handle asks for this protocol, so the kernel never queues a packet for
 * it and adds no cost to others. Below 0x600 it is no EtherType (a frame with
 * these bytes has protocol ETH_P_802_2 or ETH_P_802_3), and <linux/if_ether.h>
 * gives it to nobody: no packet has it.
 */
#define QUIET_PROTOCOL 0x05fe

_Static_assert(sizeof(struct bpf_insn) == sizeof(struct sock_filter), "same instruction format");

/* libpcap before 1.8 had one compiler for the whole process. */
static pthread_mutex_t compiler = PTHREAD_MUTEX_INITIALIZER;

static bool blank(const char *text)
{
	return !text || !text[strspn(text, " \t\r\n")];
}

/* What may stand inside a name, so that "host vlan.example.org" has no word "vlan". */
static bool word_char(char c)
{
	return isalnum((unsigned char)c) || c == '_' || c == '-' || c == '.';
}

static bool has_word(const char *text, const char *word)
{
	size_t len = strlen(word);
	const char *at = text;

	while ((at = strstr(at, word))) {
		if ((at == text || !word_char(at[-1])) && !word_char(at[len]))
			return true;
		at += len;
	}
	return false;
}

/*
 * Network byte order. 0 where there is none, as tcpdump has it: "ip broadcast"
 * then means 255.255.255.255 and 0.0.0.0.
 */
static u_int32_t netmask_of(const struct pfri_ring *r)
{
	struct ifreq ifr = {.ifr_ifindex = r->ifindex};

	if (!r->ifindex || r->net_fd < 0 || ioctl(r->net_fd, SIOCGIFNAME, &ifr) ||
	    ioctl(r->net_fd, SIOCGIFNETMASK, &ifr))
		return 0;
	return ((struct sockaddr_in *)(void *)&ifr.ifr_netmask)->sin_addr.s_addr;
}

/* How many instructions; insn is written on success only. */
static int compile(const struct pfri_pcaplib *lib, pcap_t *p, const char *expr, int optimize,
		   u_int32_t netmask, struct sock_filter *insn, u_int max)
{
	struct bpf_program program = {0};
	int ret;

	pthread_mutex_lock(&compiler);
	if (lib->compile(p, &program, expr, optimize, netmask)) {
		ret = pfri_fail_because(
			-EINVAL, lib->geterr(p),
			"filter \"%.80s\" cannot be compiled: %.120s; see pcap-filter(7)", expr,
			lib->geterr(p));
	} else {
		if (program.bf_len > max) {
			ret = pfri_fail(-E2BIG,
					"filter \"%.80s\" needs %u instructions and there is room "
					"for %u; make it simpler",
					expr, program.bf_len, max);
		} else {
			memcpy(insn, program.bf_insns, program.bf_len * sizeof(*insn));
			ret = (int)program.bf_len;
		}
		lib->freecode(&program);
	}
	pthread_mutex_unlock(&compiler);
	return ret;
}

/* Handles that compile; all return NULL with the reason told. */

static pcap_t *dead(const struct pfri_pcaplib *lib, int linktype, u_int32_t snaplen)
{
	pcap_t *p = lib->open_dead(pfri_dlt_of(linktype), (int)snaplen);

	if (!p)
		pfri_fail(-ENOMEM, "no memory to compile a filter; free some");
	return p;
}

static pcap_t *savefile(const struct pfri_pcaplib *lib, int linktype, u_int32_t snaplen)
{
	/* A capture file of no packets: magic, version 2.4, zone, accuracy. */
	u_int32_t header[6] = {0xa1b2c3d4, 2 | 4 << 16, 0, 0, snaplen, (u_int32_t)linktype};
	char why[PCAP_ERRBUF_SIZE] = "";
	FILE *f;
	pcap_t *p;

	if (__BYTE_ORDER__ == __ORDER_BIG_ENDIAN__)
		header[1] = 2 << 16 | 4;
	f = fmemopen(header, sizeof(header), "r");
	if (!f) {
		pfri_fail(-ENOMEM, "no memory to compile a filter; free some");
		return NULL;
	}
	p = lib->fopen_offline_with_tstamp_precision(f, PCAP_TSTAMP_PRECISION_NANO, why);
	if (!p) {
		pfri_fail(-EINVAL, "libpcap cannot compile filters for link type %d: %.120s",
			  linktype, why);
		fclose(f);
	}
	return p;
}

static pcap_t *live(const struct pfri_pcaplib *lib, const struct pfri_ring *r)
{
	const char *device = r->name.device;
	char why[PCAP_ERRBUF_SIZE] = "";
	pcap_t *p = lib->create(device, why);
	int status;

	if (!p) {
		pfri_fail(-ENODEV, "VLAN filter for %s cannot be compiled: %.120s", device, why);
		return NULL;
	}
	lib->set_snaplen(p, (int)r->opt.caplen);
	lib->set_buffer_size(p, 1);
	lib->set_timeout(p, 1000);
	lib->set_protocol_linux(p, QUIET_PROTOCOL);
	status = lib->activate(p);
	if (status == PCAP_ERROR_PERM_DENIED) {
		pfri_fail(-EPERM,
			  "VLAN filter for %s cannot be compiled: that needs CAP_NET_RAW; set the "
			  "filter before privileges are given up, or run as root",
			  device);
	} else if (status < 0) {
		pfri_fail(-EIO, "VLAN filter for %s cannot be compiled: %.120s", device,
			  *lib->geterr(p) ? lib->geterr(p) : lib->statustostr(status));
	} else if (pfri_linktype_of(lib->datalink(p)) != r->linktype) {
		pfri_fail(-EOPNOTSUPP,
			  "VLAN filter for %s cannot be compiled: the handle has link type %d, "
			  "libpcap gives the device %d",
			  device, r->linktype, pfri_linktype_of(lib->datalink(p)));
	} else {
		return p;
	}
	lib->close(p);
	return NULL;
}

/*
 * From 1.11 on libpcap refuses these words on a dead handle; before, it loads
 * the same metadata on both. A live handle is the second try, so that no
 * privilege is asked for where none is needed.
 */
static bool wants_metadata(const char *expr)
{
	return has_word(expr, "inbound") || has_word(expr, "outbound") || has_word(expr, "ifindex");
}

static int compile_on(const struct pfri_pcaplib *lib, struct pfri_ring *r, pcap_t *p,
		      const char *expr, struct pfri_prog *prog)
{
	int ret = compile(lib, p, expr, 1, netmask_of(r), prog->insn, PFRI_MAXPROG);

	if (ret < 0)
		return ret;
	prog->len = (u_int)ret;
	return 0;
}

/* On a handle opened for the call, which is closed. */
static int compile_once(const struct pfri_pcaplib *lib, struct pfri_ring *r, pcap_t *p,
			const char *expr, struct pfri_prog *prog)
{
	int ret;

	if (!p)
		return -errno;
	ret = compile_on(lib, r, p, expr, prog);
	lib->close(p);
	return ret;
}

int pfri_filter_compile(struct pfri_ring *r, const char *expr, struct pfri_prog *prog)
{
	const bool kernel_view = r->ops->caps & PFRI_CAP_KERNEL_VIEW;
	const struct pfri_pcaplib *lib;
	int ret;

	if (blank(expr)) {
		prog->len = 0;
		return 0;
	}
	lib = pfri_pcaplib();
	if (!lib)
		return -errno;
	if (r->pcap)
		return compile_on(lib, r, r->pcap, expr, prog);
	if (r->ops->caps & PFRI_CAP_EOF)
		return compile_once(lib, r, savefile(lib, r->linktype, r->opt.caplen), expr, prog);
	if (kernel_view && has_word(expr, "vlan"))
		return compile_once(lib, r, live(lib, r), expr, prog);

	ret = compile_once(lib, r, dead(lib, r->linktype, r->opt.caplen), expr, prog);
	if (ret == -EINVAL && kernel_view && wants_metadata(expr)) {
		char why[PFRI_ERRLEN];
		pcap_t *p;

		snprintf(why, sizeof(why), "%s", pfring_last_error());
		p = live(lib, r);
		if (p)
			return compile_once(lib, r, p, expr, prog);
		ret = pfri_fail(ret, "%s", why);
	}
	return ret;
}

int pfring_compile_filter(int link_type, u_int32_t snaplen, const char *expression, int optimize,
			  u_int32_t netmask, void *insns, u_int max)
{
	const struct pfri_pcaplib *lib = pfri_pcaplib();
	pcap_t *p;
	int ret;

	if (!lib)
		return -errno;
	if (!snaplen || snaplen > MAX_CAPLEN)
		snaplen = MAX_CAPLEN;
	p = dead(lib, link_type, snaplen);
	if (!p)
		return -errno;
	ret = compile(lib, p, expression ? expression : "", optimize, netmask, insns, max);
	lib->close(p);
	return ret;
}

int pfring_filter_packet(const void *insns, u_int len, const void *pkt, u_int32_t caplen,
			 u_int32_t wire_len)
{
	const struct pfring_packet packet = {.data = pkt, .caplen = caplen, .len = wire_len};
	u_int keep;

	if (!insns || (!pkt && caplen))
		return pfri_fail(-EINVAL,
				 "pfring_filter_packet: no program or no packet was given");
	if (pfri_bpf_check(insns, len) < 0)
		return pfri_fail(-EINVAL,
				 "pfring_filter_packet: the %u instructions are no valid BPF "
				 "program",
				 len);
	keep = pfri_bpf_run(insns, &packet, false);
	return keep > INT32_MAX ? INT32_MAX : (int)keep;
}

int pfring_filter_batch(const void *insns, u_int len, struct pfring_packet *packets, u_int n)
{
	u_int kept = 0;

	if (!insns || (!packets && n))
		return pfri_fail(-EINVAL,
				 "pfring_filter_batch: no program or no packets were given");
	if (pfri_bpf_check(insns, len) < 0)
		return pfri_fail(
			-EINVAL,
			"pfring_filter_batch: the %u instructions are no valid BPF program", len);
	for (u_int i = 0; i < n; i++)
		if (pfri_bpf_run(insns, &packets[i], false))
			packets[kept++] = packets[i];
	return (int)kept;
}
