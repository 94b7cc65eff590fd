/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * filters.c - pcap_setfilter(): what passes, at once and behind what is queued;
 * programs that libpcap refuses, and those that the kernel does.
 */
#include "probe.h"

/* Not "inbound": libpcap forgets it on the first blocks, which it filters by itself. */
static const char *const texts[] = {
	"udp",
	"tcp port 80",
	"vlan",
	"vlan 6",
	"vlan and tcp",
	"vlan and vlan",
	"not vlan",
	"arp",
	"icmp or arp",
	"len > 900",
	"ether[0] & 1 = 1",
	"ip",
	"udp src port 1003",
	"ip[0] & 0xf > 5",
	"greater 1514",
	"vlan 5 and udp and len = 60",
};

#define TEXTS (sizeof(texts) / sizeof(texts[0]))

static void fresh(void)
{
	title("filter");
	for (size_t i = 0; i < TEXTS; i++) {
		pcap_t *p = opened(NULL);
		struct sum sum;
		char text[64];

		filter(p, texts[i]);
		send_each_kind(10);
		send_out(3);
		sum = drain(p);
		snprintf(text, sizeof(text), "\"%s\"", texts[i]);
		see_sum(text, &sum);
		pcap_close(p);
	}
}

/* Three of each kind are queued that no filter has refused; sent: all of them so far. */
static void queue_all(pcap_t *p, unsigned *sent)
{
	filter(p, "");
	send_each_kind(3);
	*sent += 3 * KINDS;
	settle(p, *sent);
}

static void queued(int immediate)
{
	struct how how = {.immediate = immediate};
	pcap_t *p = opened(&how);
	unsigned sent = 0;

	title(immediate ? "filter on what is queued, immediate" : "filter on what is queued");
	for (size_t i = 0; i < TEXTS; i++) {
		struct sum sum = {.p = p};
		struct pcap_stat st;
		char text[64];

		queue_all(p, &sent);
		/* Half handed out, or held by the library, when the new one comes. */
		see("before: %d", pcap_dispatch(p, 4, add, (void *)&sum));
		see_sum("before", &sum);
		filter(p, texts[i]);
		sum = drain(p);
		snprintf(text, sizeof(text), "old packets through \"%s\"", texts[i]);
		see_sum(text, &sum);
		pcap_stats(p, &st);
		see("books: %u %u", st.ps_recv, st.ps_drop);
	}
	pcap_close(p);
}

struct turn {
	struct sum sum;
	unsigned next; /* the filter that the next packet brings */
};

static const char *const turns[] = {"arp", "udp", "tcp", "icmp"};

#define TURNS (sizeof(turns) / sizeof(turns[0]))

static void turning(unsigned char *arg, const struct pcap_pkthdr *h, const unsigned char *data)
{
	struct turn *turn = (void *)arg;

	add((void *)&turn->sum, h, data);
	filter(turn->sum.p, turns[turn->next++ % TURNS]);
}

/* A filter with each packet: what one refuses behind that packet is still there for the next. */
static void in_turns(int immediate)
{
	struct how how = {.immediate = immediate, .timeout = TO_MS};
	struct turn turn = {.sum = {.p = opened(&how)}};
	struct pcap_pkthdr *h;
	const unsigned char *data;
	unsigned sent = 0;
	struct sum sum;

	title(immediate ? "a filter with each packet, immediate" : "a filter with each packet");
	filter(turn.sum.p, "udp");
	queue_all(turn.sum.p, &sent);
	see("loop: %d", pcap_loop(turn.sum.p, 4, turning, (void *)&turn));
	see_sum("loop", &turn.sum);
	sum = drain(turn.sum.p);
	see_sum("behind it", &sum);

	queue_all(turn.sum.p, &sent);
	sum = (struct sum){.p = turn.sum.p};
	for (unsigned i = 0; i < 4; i++) {
		see("next_ex: %d", pcap_next_ex(sum.p, &h, &data));
		add((void *)&sum, h, data);
		filter(sum.p, turns[i]);
	}
	see_sum("next_ex", &sum);
	sum = drain(turn.sum.p);
	see_sum("behind it", &sum);

	queue_all(turn.sum.p, &sent);
	sum = (struct sum){.p = turn.sum.p};
	for (unsigned i = 0; i < 4; i++) {
		see("dispatch: %d", pcap_dispatch(sum.p, 1, add, (void *)&sum));
		filter(sum.p, turns[i]);
	}
	see_sum("dispatch", &sum);
	sum = drain(turn.sum.p);
	see_sum("behind it", &sum);
	pcap_close(turn.sum.p);
}

static unsigned char *hosts(unsigned count, struct bpf_program *program)
{
	struct bpf_insn *insn = calloc(2 * count + 8, sizeof(*insn));
	unsigned n = 0;

	/* A ladder too long for one jump: each rung tests, and leaves by itself. */
	insn[n++] = (struct bpf_insn)BPF_STMT(BPF_LD | BPF_W | BPF_ABS, 26);
	for (unsigned i = 0; i < count; i++) {
		insn[n++] = (struct bpf_insn)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K,
						      i + 1 < count ? 0x0b000000 + i : 0x0a000001,
						      0, 1);
		insn[n++] = (struct bpf_insn)BPF_STMT(BPF_RET | BPF_K, 262144);
	}
	insn[n++] = (struct bpf_insn)BPF_STMT(BPF_RET | BPF_K, 0);
	program->bf_insns = insn;
	program->bf_len = n;
	return (void *)insn;
}

static void bytecode(void)
{
	struct bpf_insn refuse = BPF_STMT(BPF_RET | BPF_K, 0);
	struct bpf_insn cut = BPF_STMT(BPF_RET | BPF_K, 33);
	struct bpf_insn endless[2] = {BPF_STMT(BPF_LD | BPF_W | BPF_ABS, 0),
				      BPF_STMT(BPF_MISC | BPF_TAX, 0)};
	struct bpf_insn outside = BPF_JUMP(BPF_JMP | BPF_JA, 77, 0, 0);
	struct bpf_insn memory[2] = {BPF_STMT(BPF_ST, 99), BPF_STMT(BPF_RET | BPF_K, 1)};
	struct bpf_insn zero[2] = {BPF_STMT(BPF_ALU | BPF_DIV | BPF_K, 0),
				   BPF_STMT(BPF_RET | BPF_K, 1)};
	struct bpf_program program;
	pcap_t *p = opened(NULL);
	struct sum sum;

	title("bytecode");
#define SET(name)                                                                                  \
	do {                                                                                       \
		program.bf_insns = &name;                                                          \
		program.bf_len = sizeof(name) / sizeof(struct bpf_insn);                           \
		CODE(p, pcap_setfilter(p, &program));                                              \
		send_each_kind(2);                                                                 \
		sum = drain(p);                                                                    \
		see_sum(#name, &sum);                                                              \
	} while (0)
	SET(cut);
	SET(refuse);
	filter(p, "tcp");
	program = (struct bpf_program){2, endless};
	CODE(p, pcap_setfilter(p, &program));
	program = (struct bpf_program){1, &outside};
	CODE(p, pcap_setfilter(p, &program));
	program = (struct bpf_program){2, memory};
	CODE(p, pcap_setfilter(p, &program));
	program = (struct bpf_program){2, zero};
	CODE(p, pcap_setfilter(p, &program));
	program = (struct bpf_program){0, &cut};
	CODE(p, pcap_setfilter(p, &program));
	send_each_kind(2);
	sum = drain(p);
	see_sum("what was refused leaves the old one", &sum);
	pcap_close(p);

	/* 4096 instructions are the kernel's most; libpcap then filters by itself. */
	for (unsigned count = 1000; count <= 9000; count += 4000) {
		unsigned char *memory_of;

		p = opened(NULL);
		memory_of = hosts(count, &program);
		CODE(p, pcap_setfilter(p, &program));
		free(memory_of);
		send_each_kind(4);
		sum = drain(p);
		see_sum("a long program", &sum);
		filter(p, "udp");
		send_each_kind(4);
		sum = drain(p);
		see_sum("and a short one behind it", &sum);
		pcap_close(p);
	}
}

/* Filters that change while packets come: each packet is under the old or the new one. */
static void changing(unsigned char *arg, const struct pcap_pkthdr *h, const unsigned char *data)
{
	struct sum *sum = (void *)arg;

	add(arg, h, data);
	if (sum->count == 5)
		filter(sum->p, "tcp");
	if (sum->count == 8)
		filter(sum->p, "icmp");
}

static void in_callback(void)
{
	pcap_t *p = opened(NULL);
	struct sum sum = {.p = p};

	title("filter from a callback");
	for (unsigned i = 0; i < 8; i++) {
		send_frame(UDP, i, 60);
		send_frame(TCP, i, 61);
		send_frame(ICMP, i, 62);
	}
	settle(p, 24);
	see("dispatch: %d", pcap_dispatch(p, -1, changing, (void *)&sum));
	see_sum("came", &sum);
	pcap_close(p);
}

void probe_filters(void)
{
	fresh();
	queued(0);
	queued(1);
	in_turns(0);
	in_turns(1);
	bytecode();
	in_callback();
}
